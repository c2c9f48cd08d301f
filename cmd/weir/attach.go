package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) attach() *cobra.Command {
	var l loading
	c := &cobra.Command{
		Use:   "attach FILE[:FUNC]...|-e TEXT --on [NETNS/]INTERFACE[:HOOK]...",
		Short: "Attach a chain, to stay until it is detached",
		Long: `Compiles a chain and attaches it to all the places given, or to none. The
kernel keeps it: it runs on when this command has ended, until weir detach or
the next reboot. Prints the name alone; that a worse mode was taken than the
best is said on standard error.

` + orderHelp,
		Example: `  weir attach edge.weir --on eth0
  weir attach edge.weir --on eth0 --on eth1:tc-egress --name guard --set limit=500
  weir attach shield.weir edge.weir --on eth0 --set shield.limit=500`,
		Args:              l.wants("FILE…"),
		ValidArgsFunction: completeFiles,
		RunE: runs(func(ctx context.Context, args []string) error {
			o, err := l.options(ctx, a, l.args(args))
			if err != nil {
				return err
			}
			o.Pin = true
			g, err := a.kernel.Attach(ctx, o)
			if err != nil {
				return err
			}
			for _, at := range g.Attachments {
				if at.Why != "" {
					fmt.Fprintf(a.err, "%s: mode %s, since %s\n", at.Where, at.Mode, at.Why)
				}
			}
			fmt.Fprintln(a.out, g.Name)
			return g.Close()
		}),
	}
	l.flags(a, c)
	return c
}

func (a *app) detach() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "detach NAME...",
		Short: "Take chains away, with their maps",
		Example: `  weir detach edge
  weir detach --all`,
		Args: func(_ *cobra.Command, args []string) error {
			if all != (len(args) == 0) {
				return usage("give either names or --all")
			}
			return nil
		},
		ValidArgsFunction: a.completeNames(-1),
		RunE: runs(func(ctx context.Context, args []string) error {
			if all {
				_, err := a.kernel.DetachAll(ctx)
				return err
			}
			var errs []error
			for _, name := range args {
				errs = append(errs, a.kernel.Detach(ctx, name))
			}
			return errors.Join(errs...)
		}),
	}
	c.Flags().BoolVar(&all, "all", false, "detach everything that weir has attached")
	return c
}
