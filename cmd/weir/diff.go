package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
)

// errDiffers ends a command that has found differences: exit code 3.
var errDiffers = errors.New("there are differences")

func (a *app) diff() *cobra.Command {
	var d desired
	c := &cobra.Command{
		Use:   "diff -f FILE",
		Short: "Show what weir apply would change",
		Long: `Reads a config, compiles its chains, and compares all with what runs: places with
the chains there, params, and entries of the maps that it fills. Changes nothing.

Exit codes: 0 nothing differs, 3 something does, 1 the config or a chain is wrong.`,
		Example: `  weir diff -f edge.yaml
  weir diff -f edge.yaml --json`,
	}
	d.flags(c, "print a JSON object")
	c.RunE = runs(func(ctx context.Context, _ []string) error {
		p, err := a.plan(ctx, &d)
		if err != nil {
			return err
		}
		if err := a.tellPlan(p, d.json); err != nil {
			return err
		}
		if !p.Empty() {
			return errDiffers
		}
		return nil
	})
	return c
}
