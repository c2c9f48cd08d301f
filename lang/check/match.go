package check

import (
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/diag"
	"weir/lang/value"
)

// MatchFile stands for the file of Options.Match in messages.
const MatchFile = "--match"

// match types the condition of Options.Match.
func (b *builder) match(p *Program) diag.List {
	pos := diag.Pos{File: MatchFile, Line: 1, Col: 1}
	hint := `write what a packet shall be, as in pkt.ip4.src == ip4("192.0.2.1")`
	if f, err := dialect.Parse(MatchFile, []byte(b.opts.Match), 0); err == nil && oneExpr(f) == nil {
		b.sources.Add(MatchFile, []byte(b.opts.Match))
		b.errorf(pos, "syntax", hint, "the match is not one expression")
		return nil
	}
	m := b.root(MatchFile, []byte(b.opts.Match))
	if m == nil {
		return nil
	}
	c := newChecker(b, p, root{module: m, fn: "main", name: MatchFile})
	fn := m.globals["main"].(*starlark.Function)
	f := callee{name: "main", def: b.defs[posOf(fn.Position())], fn: fn}
	s := c.special(f, []argument{{typ: value.PacketT}}, false)
	c.collect(s, map[*special]bool{})
	p.Funcs = append(p.Funcs, c.funcs...)
	p.Match = s.out
	if s.moves.what != "" && c.diags.Err() == nil {
		c.errorf(pos, "match", hint, "a match looks at the packet and changes nothing, but %s it", s.moves.what)
	}
	return c.diags
}

// wrapMatch makes of a text that is one expression the function that tells whether
// that holds.
func wrapMatch(f *syntax.File, subject string) {
	e := oneExpr(f)
	if e == nil {
		return
	}
	start := syntax.MakePosition(&f.Path, 1, 0)
	result := func(name string) []syntax.Stmt {
		return []syntax.Stmt{&syntax.ReturnStmt{Return: start, Result: &syntax.Ident{NamePos: start, Name: name}}}
	}
	f.Stmts = []syntax.Stmt{&syntax.DefStmt{
		Def: start, Lparen: start, Rparen: start,
		Name:   &syntax.Ident{NamePos: start, Name: "main"},
		Params: []syntax.Expr{&syntax.Ident{NamePos: start, Name: subject}},
		Body:   append([]syntax.Stmt{&syntax.IfStmt{If: start, Cond: e, True: result("True")}}, result("False")...),
	}}
}

// oneExpr returns the expression that f is, or nil.
func oneExpr(f *syntax.File) syntax.Expr {
	if len(f.Stmts) != 1 {
		return nil
	}
	e, ok := f.Stmts[0].(*syntax.ExprStmt)
	if !ok {
		return nil
	}
	return e.X
}
