package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"weir/internal/skeleton"
)

func (a *app) new() *cobra.Command {
	c := &cobra.Command{
		Use:     "new",
		Short:   "Write what one begins with",
		Long:    "Writes what one begins with: a module in C or in the language of chains.",
		Example: "  weir new module score",
		Args:    cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(c, args[0])
			}
			return usage("what is missing: module")
		},
	}
	c.AddCommand(a.newModule())
	return c
}

func (a *app) newModule() *cobra.Command {
	var inWeir bool
	c := &cobra.Command{
		Use:   "module NAME",
		Short: "Write a module in C, with a Makefile, a chain and tests",
		Long: `Writes the folder NAME with a module, a chain that loads it, and tests of both. A
module in C is built by make, which needs clang; its functions are called by
chains as load("./NAME.o", "NAME") has them. With --weir the module is written
in the language of chains, and needs nothing but weir.`,
		Example: `  weir new module score
  weir new module score --weir`,
		Args:              wants("NAME"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: runs(func(_ context.Context, args []string) error {
			return a.writeModule(args[0], inWeir)
		}),
	}
	c.Flags().BoolVar(&inWeir, "weir", false, "a module in the language of chains")
	return c
}

func (a *app) writeModule(name string, inWeir bool) error {
	if why := unfit(name, inWeir); why != "" {
		return usage("%s", why)
	}
	files, err := skeleton.Module(name, inWeir)
	if err != nil {
		return err
	}
	if err := os.Mkdir(name, 0o755); errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("new module %s: there is a file or folder of that name: take another name", name)
	} else if err != nil {
		return fmt.Errorf("new module %s: %w", name, err)
	}
	for _, f := range files {
		path := filepath.Join(name, f.Name)
		if err := os.WriteFile(path, f.Content, 0o644); err != nil {
			return fmt.Errorf("new module %s: %w", name, err)
		}
		fmt.Fprintln(a.out, path)
	}
	return nil
}
