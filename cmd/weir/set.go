package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"weir/datapath"
	"weir/internal/term"
	"weir/lang/value"
)

func (a *app) set() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "set NAME [PARAM=VALUE]...",
		Short: "Change params of a running chain, or list them",
		Example: `  weir set edge limit=500
  weir set edge`,
		Args:              wants("NAME", "[PARAM=VALUE]…"),
		ValidArgsFunction: a.completeParams,
		RunE: runs(func(_ context.Context, args []string) error {
			values, err := settings(args[1:])
			if err != nil {
				return err
			}
			g, err := a.kernel.Open(args[0])
			if err != nil {
				return err
			}
			defer g.Close()
			ps, err := g.Params()
			if err != nil {
				return err
			}
			if len(values) > 0 {
				return setAll(g, ps, values)
			}
			if asJSON {
				return term.JSON(a.out).Encode(paramRows(ps))
			}
			for _, p := range ps {
				fmt.Fprintln(a.out, paramLine(p))
			}
			return nil
		}),
	}
	jsonFlag(c, &asJSON)
	return c
}

// setAll sets params, all or none.
func setAll(g *datapath.Generation, ps []datapath.ParamValue, values map[string]string) error {
	known := make(map[string]value.Type)
	for _, p := range ps {
		known[p.Name] = p.Type
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		t, ok := known[name]
		if !ok {
			return g.SetParam(name, values[name]) // which tells what there is
		}
		if _, err := t.Parse(values[name]); err != nil {
			return fmt.Errorf("param %s: %w", name, err)
		}
	}
	for name, v := range values {
		if err := g.SetParam(name, v); err != nil {
			return err
		}
	}
	return nil
}

// paramLine is a param as people read it: limit = 2000 pps  per source.
func paramLine(p datapath.ParamValue) string {
	s := p.Name + " = " + p.Text()
	if p.Unit != "" {
		s += " " + p.Unit
	}
	if p.Help != "" {
		s += "  " + p.Help
	}
	return term.Clean(s)
}

// A paramRow is a param in JSON.
type paramRow struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Type  string `json:"type"`
	Unit  string `json:"unit"`
	Help  string `json:"help"`
}

func paramRows(ps []datapath.ParamValue) []paramRow {
	rows := []paramRow{}
	for _, p := range ps {
		rows = append(rows, paramRow{p.Name, p.Text(), p.Type.String(), p.Unit, p.Help})
	}
	return rows
}
