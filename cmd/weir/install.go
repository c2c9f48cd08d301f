package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"weir/internal/install"
	"weir/internal/term"
)

// installing is the flags of install and uninstall.
type installing struct {
	root   string
	binary string
	json   bool
}

func (i *installing) flags(c *cobra.Command) {
	c.Args = wants()
	c.Flags().StringVar(&i.root, "root", "/", "the machine whose files are below this folder, as of an image or a package")
	c.RegisterFlagCompletionFunc("root", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveFilterDirs
	})
	jsonFlag(c, &i.json)
}

// plan is what belongs there. The binary is this one; that of another machine is where
// packages put it.
func (i *installing) plan() (*install.Plan, error) {
	if i.binary == "" {
		i.binary = "/usr/bin/weir"
		if filepath.Clean(i.root) == "/" {
			path, err := os.Executable()
			if err != nil {
				return nil, fmt.Errorf("find this binary: %w", err)
			}
			i.binary = path
		}
	}
	return install.New(i.root, i.binary)
}

// tell prints what was done, and what is left to do.
func (i *installing) tell(a *app, done []install.Done, next string) error {
	if i.json {
		for _, d := range done {
			if err := term.JSON(a.out).Encode(map[string]string{"path": d.Path, "what": d.What}); err != nil {
				return err
			}
		}
		return nil
	}
	for _, d := range done {
		fmt.Fprintf(a.out, "%-8s %s\n", d.What, d.Path)
	}
	if next != "" && filepath.Clean(i.root) == "/" {
		fmt.Fprintln(a.err, next)
	}
	return nil
}

func (a *app) install() *cobra.Command {
	var i installing
	c := &cobra.Command{
		Use:   "install",
		Short: "Write a systemd unit for the agent, and a config",
		Long: `Writes /etc/systemd/system/weir.service, which runs weir agent with the capabilities
that it needs and no more, and, where there are none, the config /etc/weir/weir.yaml
and the folder /etc/weir/conf.d. Says what it has written or kept. Starts nothing.

The unit is written anew each time: your changes belong into a drop-in (systemctl edit
weir). A config with network namespaces needs CAP_SYS_ADMIN there.`,
		Example: `  weir install
  weir install --root pkg --binary /usr/bin/weir`,
	}
	i.flags(c)
	c.Flags().StringVar(&i.binary, "binary", "", "the binary that the unit runs (default: this one; with --root /usr/bin/weir)")
	c.RunE = runs(func(context.Context, []string) error {
		p, err := i.plan()
		if err != nil {
			return err
		}
		done, err := p.Write()
		if err != nil {
			return err
		}
		return i.tell(a, done, "start it: systemctl daemon-reload && systemctl enable --now weir")
	})
	return c
}

func (a *app) uninstall() *cobra.Command {
	var i installing
	c := &cobra.Command{
		Use:   "uninstall",
		Short: "Remove what weir install has written",
		Long: `Removes the unit, the config if nobody has changed it, and folders if nothing is in
them. Says what it has removed or kept. Stops nothing: stop the service before
(systemctl disable --now weir). What runs stays until weir detach config.`,
		Example: `  weir uninstall
  weir uninstall --root pkg`,
	}
	i.flags(c)
	c.RunE = runs(func(context.Context, []string) error {
		p, err := i.plan()
		if err != nil {
			return err
		}
		done, err := p.Remove()
		if err != nil {
			return err
		}
		return i.tell(a, done, "")
	})
	return c
}
