package check

import (
	"errors"
	"path"
	"strings"

	"go.starlark.net/syntax"

	"weir/lang/diag"
)

// argumentAt finds the argument that an error is about in the call whose bracket
// opens at pos; if it is not there, the place is the bracket.
func (b *builder) argumentAt(pos diag.Pos, h *hintError) diag.Pos {
	m := b.modules[path.Clean(pos.File)]
	if m == nil || m.syntax == nil {
		return pos
	}
	syntax.Walk(m.syntax, func(n syntax.Node) bool {
		call, ok := n.(*syntax.CallExpr)
		if !ok || posOf(call.Lparen) != pos {
			return true
		}
		pos = argumentOf(call, h, pos)
		return false
	})
	return pos
}

// argumentOf is where the argument of a call is that an error is about; if it has no
// such argument, other.
func argumentOf(call *syntax.CallExpr, h *hintError, other diag.Pos) diag.Pos {
	for i, a := range call.Args {
		eq, named := a.(*syntax.BinaryExpr)
		named = named && eq.Op == syntax.EQ
		if named && eq.X.(*syntax.Ident).Name == h.arg || !named && i < len(h.names) && h.names[i] == h.arg {
			if named && h.within > 0 {
				a = eq.Y
			}
			return literalAt(a, h.within)
		}
	}
	return other
}

// literalAt is where the n-th character is of a string that stands in the source, 1
// for the first; where it is not written plainly, where it begins.
func literalAt(e syntax.Expr, n int) diag.Pos {
	pos := at(e)
	l, ok := unparen(e).(*syntax.Literal)
	if !ok || n == 0 {
		return pos
	}
	if text, isText := l.Value.(string); isText && l.Raw == `"`+text+`"` && !strings.Contains(text, "\n") {
		pos.Col += n
	}
	return pos
}

// staticError reports what a call of build time says, at the argument that it is
// about.
func (p *pass) staticError(e *syntax.CallExpr, err error) {
	var h *hintError
	if !errors.As(err, &h) {
		p.errorf(e, "type", "call it at the top level of the file", "%s", firstLine(err.Error()))
		return
	}
	pos := at(e)
	if h.arg != "" {
		pos = argumentOf(e, h, pos)
	}
	p.errorAt(pos, h.code, h.hint, "%s", h.msg)
}
