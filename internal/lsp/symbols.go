package lsp

import (
	"context"
	"strings"

	"go.starlark.net/syntax"

	"weir/lang/diag"
	"weir/lang/format"
)

// symbols lists the functions and names of a document.
func (s *Server) symbols(_ context.Context, d *document, _ int) any {
	out := []symbol{}
	if f := d.tree(0); f != nil {
		out = append(out, symbolsOf(strings.Split(d.text, "\n"), f.Stmts)...)
	}
	return out
}

func symbolsOf(lines []string, stmts []syntax.Stmt) []symbol {
	place := func(p syntax.Position) position {
		return columnOf(lines, diag.Pos{Line: int(p.Line), Col: int(p.Col)})
	}
	extent := func(n syntax.Node) span {
		start, end := n.Span()
		return span{place(start), place(end)}
	}
	var out []symbol
	seen := map[string]bool{}
	for _, st := range stmts {
		switch st := st.(type) {
		case *syntax.DefStmt:
			var params []string
			for _, p := range st.Params {
				if b, ok := p.(*syntax.BinaryExpr); ok {
					p = b.X
				}
				if id, ok := p.(*syntax.Ident); ok {
					params = append(params, id.Name)
				}
			}
			out = append(out, symbol{
				Name: st.Name.Name, Detail: "(" + strings.Join(params, ", ") + ")", Kind: symbolFunction,
				Range: extent(st), SelectionRange: extent(st.Name), Children: defsOf(symbolsOf(lines, st.Body)),
			})
		case *syntax.AssignStmt:
			if id, ok := st.LHS.(*syntax.Ident); ok && st.Op == syntax.EQ && !seen[id.Name] {
				seen[id.Name] = true
				out = append(out, symbol{Name: id.Name, Kind: symbolVariable, Range: extent(st), SelectionRange: extent(id)})
			}
		}
	}
	return out
}

// defsOf are the functions of a list: locals are no symbols.
func defsOf(all []symbol) []symbol {
	var out []symbol
	for _, s := range all {
		if s.Kind == symbolFunction {
			out = append(out, s)
		}
	}
	return out
}

// formatting formats a whole document; one with a syntax error stays as it is.
func (s *Server) formatting(_ context.Context, d *document, _ int) any {
	out, err := format.Source(d.name, []byte(d.text))
	if err != nil || string(out) == d.text {
		return []textEdit{}
	}
	return []textEdit{{span{position{}, positionOf(d.text, len(d.text))}, string(out)}}
}
