package check

import (
	"go.starlark.net/syntax"

	"weir/lang/diag"
)

// Parse gives the syntax tree of a chain file, or tells what is wrong with its
// syntax as Check does. Nothing of the file runs.
func Parse(file string, src []byte) (*syntax.File, diag.List) {
	sources := diag.Source{}
	sources.Add(file, src)
	b := newBuilder(Options{}, sources)
	f, ok := b.parse(file, src)
	if !ok {
		return nil, finish(b.diags, sources)
	}
	return f, nil
}
