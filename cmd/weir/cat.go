package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"weir/internal/spell"
	"weir/lang/std"
)

func (a *app) cat() *cobra.Command {
	var list bool
	c := &cobra.Command{
		Use:   "cat FILE...",
		Short: "Print modules of the standard library, or chains",
		Long: `Prints sources. Names that begin with std/ are modules of the standard
library, which is written in the language and part of this binary; others are
files.`,
		Example: `  weir cat std/rate.weir
  weir cat --list`,
		Args: func(_ *cobra.Command, args []string) error {
			if list != (len(args) == 0) {
				return usage("give either names or --list")
			}
			return nil
		},
		ValidArgsFunction: completeModules,
		RunE: runs(func(_ context.Context, args []string) error {
			if list {
				_, err := fmt.Fprintln(a.out, strings.Join(std.Names(), "\n"))
				return err
			}
			for _, name := range args {
				text, err := readSource(name)
				if err != nil {
					return err
				}
				if _, err := a.out.Write(text); err != nil {
					return err
				}
			}
			return nil
		}),
	}
	c.Flags().BoolVar(&list, "list", false, "list the modules of the standard library")
	return c
}

// readSource reads a module of the standard library, or a file.
func readSource(name string) ([]byte, error) {
	if !strings.HasPrefix(name, "std/") {
		return os.ReadFile(name)
	}
	text, err := std.Read(name)
	if errors.Is(err, fs.ErrNotExist) {
		if near := spell.Nearest(name, std.Names()); near != "" {
			return nil, fmt.Errorf("no module is named %s: did you mean %s?", name, near)
		}
		return nil, fmt.Errorf("no module is named %s (there are %s)", name, strings.Join(std.Names(), ", "))
	}
	return text, err
}

func completeModules(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return std.Names(), cobra.ShellCompDirectiveDefault
}
