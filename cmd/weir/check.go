package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"weir/internal/child"
	"weir/internal/term"
	"weir/lang/diag"
)

func (a *app) check() *cobra.Command {
	var hookName string
	var asJSON bool
	var src chain
	c := &cobra.Command{
		Use:   "check FILE[:FUNC]...|-e TEXT",
		Short: "Say what is wrong with chains, or that they are right",
		Long: `Compiles each chain for a hook and throws the program away. No kernel is
asked and no root is needed. With --json each diagnostic is an object on a
line of its own.`,
		Example: `  weir check edge.weir
  weir check edge.weir:outgoing --hook tc-egress`,
		Args:              src.wants("FILE…"),
		ValidArgsFunction: completeFiles,
		RunE: runs(func(ctx context.Context, args []string) error {
			h, err := parseHook(hookName)
			if err != nil {
				return err
			}
			bad := false
			for _, arg := range src.args(args) {
				r := src.request(arg)
				r.Forms = []child.Form{{Hook: h}}
				ps, _, err := child.Compile(ctx, r, child.Limits{})
				var ds diag.List
				if err != nil && !errors.As(err, &ds) {
					return err
				}
				bad = bad || err != nil
				if err == nil {
					ds = ps[0].Warnings
				}
				if asJSON {
					a.printDiagsJSON(ds)
					continue
				}
				a.printDiags(ds)
				if err == nil {
					fmt.Fprintf(a.out, "%s: ok\n", term.Clean(arg))
				}
			}
			if bad {
				return errSilent
			}
			return nil
		}),
	}
	src.flag(c)
	hookFlag(c, &hookName)
	c.Flags().BoolVar(&asJSON, "json", false, "print diagnostics as JSON lines on standard output")
	return c
}

// printDiagsJSON writes an object a line.
func (a *app) printDiagsJSON(ds diag.List) {
	enc := term.JSON(a.out)
	for _, d := range ds {
		kind := "error"
		if d.Warning {
			kind = "warning"
		}
		enc.Encode(struct {
			File    string `json:"file"`
			Line    int    `json:"line"`
			Col     int    `json:"col"`
			Kind    string `json:"kind"`
			Code    string `json:"code"`
			Message string `json:"message"`
			Hint    string `json:"hint"`
		}{d.Pos.File, d.Pos.Line, d.Pos.Col, kind, d.Code, d.Message, d.Hint})
	}
}
