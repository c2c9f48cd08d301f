package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"weir/bench"
	"weir/hook"
	"weir/internal/term"
)

func (a *app) bench() *cobra.Command {
	var asJSON bool
	var svg, rows, hookName, asm string
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
  weir bench apply
  weir bench compile
  weir bench lang --run find --json --svg find.svg
  weir bench lang --hook xdp --run 'NAT|record'
  weir bench hooks --hook netfilter-input
  weir bench std --run rate
  weir bench lang --asm 'NAT with checksums'`,
		Args: wants("[NAME]"),
		RunE: runs(func(ctx context.Context, args []string) error {
			if len(args) == 0 {
				return a.listBenches()
			}
			b, err := bench.Find(args[0])
			if err != nil {
				return usage("%w (there are: %s)", err, strings.Join(names, ", "))
			}
			if asm != "" {
				return a.listing(b, asm, hookName)
			}
			o, err := selection(b, rows, hookName)
			if err != nil {
				return err
			}
			return a.measure(ctx, b, o, asJSON, svg)
		}),
		ValidArgsFunction: completeFirst(names),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print an object a row, as soon as it is there")
	c.Flags().StringVar(&rows, "run", "", "of hooks, lang and std: only rows whose name matches this expression")
	c.Flags().StringVar(&hookName, "hook", "", "of hooks, lang and std: only this hook")
	c.Flags().StringVar(&asm, "asm", "", "of lang and hooks: print the instructions of this row, those of C beside")
	c.Flags().StringVar(&svg, "svg", "", "write a chart to this file")
	c.MarkFlagFilename("svg", "svg")
	return c
}

// selection reads the flags that choose rows.
func selection(b bench.Bench, rows, hookName string) (o bench.Options, err error) {
	if !b.Chosen && (rows != "" || hookName != "") {
		return o, usage("bench %s measures all of its rows: --run and --hook are for others", b.Name)
	}
	if hookName != "" {
		if _, err := parseHook(hookName); err != nil {
			return o, err
		}
		o.Hook = hookName
	}
	if rows != "" {
		if o.Rows, err = regexp.Compile(rows); err != nil {
			return o, usage("--run: %w", err)
		}
	}
	return o, nil
}

// listing prints instructions instead of measuring.
func (a *app) listing(b bench.Bench, row, hookName string) error {
	if !b.Compares {
		return usage("bench %s has no programs to list: --asm is for others", b.Name)
	}
	h := hook.XDP
	if hookName != "" {
		var err error
		if h, err = parseHook(hookName); err != nil {
			return err
		}
	}
	text, err := bench.Listing(row, h)
	if errors.Is(err, bench.ErrNoRow) {
		return usage("%w", err)
	}
	fmt.Fprint(a.out, text)
	return err
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
func (a *app) measure(ctx context.Context, b bench.Bench, o bench.Options, asJSON bool, svg string) (err error) {
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
	rows, err := b.Run(ctx, o, func(r bench.Row) {
		if asJSON {
			enc.Encode(r)
		} else if a.err.Terminal {
			fmt.Fprintf(a.err, "measured: %s\n", r.Row)
		}
	})
	if errors.Is(err, bench.ErrNoRow) {
		return usage("%w", err)
	}
	if err != nil {
		return err
	}
	if !asJSON {
		var tb term.Table
		tb.Head, tb.Rows = bench.Table(rows)
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
			return fmt.Errorf("bench %s: %s: not valid: %s", b.Name, r.Row, r.Invalid())
		}
	}
	return nil
}
