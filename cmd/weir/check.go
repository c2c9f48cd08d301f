package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"weir/internal/child"
	"weir/internal/term"
	"weir/lang"
	"weir/lang/diag"
)

// A checker is one run of weir check.
type checker struct {
	*app
	chain
	hook string
	json bool
	name string // of standard input
	text []byte // standard input, once it is read
}

func (a *app) check() *cobra.Command {
	k := &checker{app: a}
	c := &cobra.Command{
		Use:   "check FILE[:FUNC]...|-e TEXT",
		Short: "Say what is wrong with chains, or that they are right",
		Long: `Compiles each chain for a hook and throws the program away. No kernel is
asked and no root is needed. Of a file of tests (NAME_test.weir) all is checked that
can be without running them. - is standard input, called by --file in messages
and for what it loads.

With --json each diagnostic is an object on a line of standard output: file,
line, col, end_line, end_col (behind the place), severity (error or warning),
code, message, hint. Lines and columns count from 1, columns in characters; a
line of 0 is the file as a whole.`,
		Example: `  weir check edge.weir
  weir check edge.weir:outgoing --hook tc-egress
  weir check --json --file edge.weir - <edge.weir`,
		Args:              k.wants("FILE…"),
		ValidArgsFunction: completeChains,
		RunE: runs(func(ctx context.Context, args []string) error {
			return k.run(ctx, k.args(args))
		}),
	}
	k.flag(c)
	hookFlag(c, &k.hook)
	c.Flags().BoolVar(&k.json, "json", false, "print diagnostics as JSON lines on standard output")
	c.Flags().StringVar(&k.name, "file", "standard input", "the name of what is read from standard input")
	return c
}

// all checks every file, also behind one that is wrong.
func (k *checker) all(ctx context.Context, args []string, doing func(string)) error {
	bad := false
	for _, arg := range args {
		r, err := k.request(arg)
		if err != nil {
			return err
		}
		doing(r.File)
		var ps []*lang.Program
		said := ""
		if isTest(r) {
			said, err = k.tests(ctx, r)
		} else {
			ps, _, err = child.Compile(ctx, r, child.Limits{})
		}
		var ds diag.List
		switch {
		case err == nil && ps != nil:
			ds = ps[0].Warnings
		case err == nil:
		case errors.As(err, &ds):
		case k.json && ctx.Err() == nil: // who reads JSON reads nothing else
			ds = diag.List{{Pos: diag.Pos{File: r.File}, Code: "file", Message: err.Error()}}
		default:
			return err
		}
		bad = bad || err != nil
		k.tell(ds)
		if err == nil && !k.json {
			fmt.Fprintf(k.out, "%s: ok%s\n", term.Clean(arg), said)
		}
	}
	if bad {
		return errSilent
	}
	return nil
}

// tell shows diagnostics as they were asked for.
func (k *checker) tell(ds diag.List) {
	if k.json {
		k.printDiagsJSON(ds)
	} else {
		k.printDiags(ds)
	}
}

// request returns the compile of an argument.
func (k *checker) request(arg string) (child.Request, error) {
	r := k.chain.request(arg)
	r.Forms = []child.Form{{}}
	if err := compileAt(&r, k.hook); err != nil || r.File != "-" {
		return r, err
	}
	if k.text == nil {
		text, err := io.ReadAll(k.in)
		if err != nil {
			return r, err
		}
		k.text = append(text, '\n') // a text without octets would be read from the file
	}
	r.File, r.Source = k.name, k.text
	return r, nil
}

// printDiagsJSON writes an object a line.
func (a *app) printDiagsJSON(ds diag.List) {
	enc := term.JSON(a.out)
	for _, d := range ds {
		severity := "error"
		if d.Warning {
			severity = "warning"
		}
		end := d.End()
		enc.Encode(struct {
			File     string `json:"file"`
			Line     int    `json:"line"`
			Col      int    `json:"col"`
			EndLine  int    `json:"end_line"`
			EndCol   int    `json:"end_col"`
			Severity string `json:"severity"`
			Code     string `json:"code"`
			Message  string `json:"message"`
			Hint     string `json:"hint"`
		}{d.Pos.File, d.Pos.Line, d.Pos.Col, end.Line, end.Col, severity, d.Code, d.Message, d.Hint})
	}
}
