package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"weir/bench"
	"weir/internal/term"
)

func (a *app) bench() *cobra.Command {
	var asJSON bool
	var svg string
	var names []string
	for _, b := range bench.All() {
		names = append(names, b.Name)
	}
	c := &cobra.Command{
		Use:   "bench [NAME]",
		Short: "Measure weir on this machine, beside its peers",
		Long: `Runs a set of measurements, or lists the sets that there are. Figures are
medians of interleaved runs. A/A is ours against ours in the same run: how
far two equal figures lie apart. What is sent is counted at the hook; where
that does not match, the row is INVALID. Needs root.`,
		Example: `  weir bench
  weir bench compile
  weir bench compile --json --svg compile.svg`,
		Args: wants("[NAME]"),
		RunE: runs(func(ctx context.Context, args []string) error {
			if len(args) == 0 {
				return a.listBenches()
			}
			b, err := bench.Find(args[0])
			if err != nil {
				return usage("%w (there are: %s)", err, strings.Join(names, ", "))
			}
			return a.measure(ctx, b, asJSON, svg)
		}),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print an object a row, as soon as it is there")
	c.Flags().StringVar(&svg, "svg", "", "write a chart to this file")
	c.MarkFlagFilename("svg", "svg")
	return c
}

func (a *app) listBenches() error {
	tb := term.Table{Head: []string{"NAME", "MEASURES"}}
	for _, b := range bench.All() {
		tb.Add(b.Name, b.Summary)
	}
	return tb.Write(a.out)
}

// measure runs a bench. A row that is not valid fails the command; a goal that
// was missed does not.
func (a *app) measure(ctx context.Context, b bench.Bench, asJSON bool, svg string) (err error) {
	var chart *os.File
	if svg != "" {
		// Before it is known whether there is something to write: a wrong name
		// is said at once.
		if chart, err = os.Create(svg); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, chart.Close()) }()
	}
	enc := term.JSON(a.out)
	rows, err := b.Run(ctx, func(r bench.Row) {
		if asJSON {
			enc.Encode(r)
		} else if a.err.Terminal {
			fmt.Fprintf(a.err, "measured: %s\n", r.Row)
		}
	})
	if err != nil {
		return err
	}
	if !asJSON {
		tb := term.Table{Head: bench.Head()}
		for _, r := range rows {
			tb.Add(r.Cells()...)
		}
		if err := tb.Write(a.out); err != nil {
			return err
		}
	}
	if chart != nil {
		if err := bench.SVG(chart, b, rows); err != nil {
			return err
		}
	}
	for _, r := range rows {
		if !r.Valid {
			return fmt.Errorf("bench %s: %s: of %d packets %d were counted at the hook", b.Name, r.Row, r.Sent, r.Counted)
		}
	}
	return nil
}
