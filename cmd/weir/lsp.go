package main

import (
	"context"

	"github.com/spf13/cobra"

	"weir/internal/child"
	"weir/internal/lsp"
	"weir/lang"
)

// inspectLimits are narrower than those of a compile: an editor asks at every
// pause of the one who types.
var inspectLimits = child.Limits{Time: child.DefaultTime / 6}

func (a *app) lsp() *cobra.Command {
	return &cobra.Command{
		Use:   "lsp",
		Short: "Serve an editor: errors, types, completion",
		Long: `Speaks the Language Server Protocol on standard input and output: errors as
you type, what a name is, completion, go to definition, formatting, symbols.
Editors start it; docs/editors says how to tell them.`,
		Example: `  weir lsp`,
		Args:    wants(),
		RunE: runs(func(ctx context.Context, _ []string) error {
			s := lsp.New(a.in, a.out, lsp.Options{
				Version: version,
				Inspect: func(ctx context.Context, name string, text []byte) (lang.Inspection, error) {
					return child.Inspect(ctx, child.Request{File: name, Source: text}, inspectLimits)
				},
			})
			return s.Run(ctx)
		}),
	}
}
