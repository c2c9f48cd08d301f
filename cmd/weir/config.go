package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"weir/config"
	"weir/nf"
	"weir/state"
)

func (a *app) config() *cobra.Command {
	c := &cobra.Command{
		Use:     "config",
		Short:   "Check a config, or print its schema",
		Example: `  weir config check -f edge.yaml`,
		Args:    cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(c, args[0])
			}
			return c.Help()
		},
	}
	c.AddCommand(a.configCheck(), a.configSchema())
	return c
}

func (a *app) configCheck() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "check -f FILE",
		Short: "Say all that is wrong with a config and its chains",
		Long: `Reads a config, all that it includes and the files that maps are filled from, and
compiles its chains. Needs no root, and changes nothing.`,
		Example: `  weir config check -f edge.yaml`,
		Args:    wants(),
	}
	fileFlag(c, &file)
	c.RunE = runs(func(ctx context.Context, _ []string) error {
		x, err := config.Load(file, nf.Options(nf.All()...))
		if err != nil {
			return err
		}
		want, err := state.Resolve(ctx, x)
		if err != nil {
			return err
		}
		a.printDiags(want.Warnings)
		for _, s := range want.Absent {
			fmt.Fprintf(a.err, "%s: %s: %v\n", s.Place.Pos, s.At, s.Why)
		}
		return nil
	})
	return c
}

func (a *app) configSchema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON schema of a config, for editors",
		Example: `  weir config schema >weir.schema.json
  weir config schema | head -3`,
		Args: wants(),
		RunE: runs(func(context.Context, []string) error {
			text, err := config.Schema(nf.Options(nf.All()...).Sections)
			if err == nil {
				_, err = a.out.Write(text)
			}
			return err
		}),
	}
}
