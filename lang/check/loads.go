package check

import (
	"strings"

	"go.starlark.net/syntax"

	"weir/lang/diag"
)

// Loads returns the files that a chain file or a module loads, as paths beside its own;
// those of the standard library are left out. Of a text with an error in its syntax it
// returns none: whoever compiles it tells that.
func Loads(file string, src []byte) (out []string) {
	f, ok := newBuilder(Options{}, diag.Source{}).parse(file, src)
	if !ok {
		return nil
	}
	for _, s := range f.Stmts {
		l, ok := s.(*syntax.LoadStmt)
		if !ok {
			continue
		}
		if full, err := moduleName(file, l.ModuleName()); err == nil && !strings.HasPrefix(full, "std/") {
			out = append(out, full)
		}
	}
	return out
}
