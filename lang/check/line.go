package check

import (
	"slices"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/value"
)

// A one-liner (Options.Line) is the body of def main(pkt), or def main(conn) at the
// hooks of connections, without that line:
//
//	seen = lru(ip4)             a declaration: stays at the top level
//	pkt.ip.proto                a value: count(pkt.ip.proto)
//	DROP if pkt.udp else PASS   a verdict: return DROP if …
//	count("all")                nothing, done as ever
//
// A text that defines main itself is taken as the file that it is.
//
// The tree of the text is turned into that of such a file, so that every
// position is one of the text.

// declarations are the builtins by which a file declares something.
var declarations = map[string]bool{
	"table": true, "lru": true, "array": true, "lpm": true, "ring": true, "bloom": true, "queue": true, "stack": true,
	"param": true, "record": true, "header": true, "struct": true,
}

// tree parses a file, an attached one-liner into the tree of the file that it
// stands for.
func (b *builder) tree(file string, src []byte) (*syntax.File, error) {
	f, err := dialect.Parse(file, src, 0)
	if err == nil && file == MatchFile {
		wrapMatch(f, subjectAt(b.opts.Hook))
		return f, nil
	}
	if err != nil || !b.opts.Line || file != b.files[0] {
		return f, err
	}
	if slices.ContainsFunc(f.Stmts, isMain) {
		b.opts.Line = false // a whole file, given as one
		return f, nil
	}
	wrapLine(f, subjectAt(b.opts.Hook))
	return f, nil
}

func isMain(s syntax.Stmt) bool {
	d, ok := s.(*syntax.DefStmt)
	return ok && d.Name.Name == "main"
}

// wrapLine makes the statements of f the body of main, but for those that
// belong to the top level.
func wrapLine(f *syntax.File, subject string) {
	start := syntax.MakePosition(&f.Path, 1, 0) // where no def of the text can be
	main := &syntax.DefStmt{
		Def: start, Lparen: start, Rparen: start,
		Name:   &syntax.Ident{NamePos: start, Name: "main"},
		Params: []syntax.Expr{&syntax.Ident{NamePos: start, Name: subject}},
	}
	var top []syntax.Stmt
	loaded := map[string]bool{}
	for _, s := range f.Stmts {
		if isTop(s, loaded) {
			top = append(top, s)
		} else {
			main.Body = append(main.Body, s)
		}
	}
	if len(main.Body) == 0 {
		main.Body = []syntax.Stmt{&syntax.BranchStmt{Token: syntax.PASS, TokenPos: start}}
	}
	f.Stmts = append(top, main)
}

// isTop reports whether a statement of a one-liner is a load, a def or a
// declaration. The names that it loads are added to loaded.
func isTop(s syntax.Stmt, loaded map[string]bool) bool {
	switch s := s.(type) {
	case *syntax.LoadStmt:
		for _, id := range s.To {
			loaded[id.Name] = true
		}
		return true
	case *syntax.DefStmt:
		return true
	case *syntax.AssignStmt:
		return s.Op == syntax.EQ && isDeclaration(s.RHS, loaded)
	}
	return false
}

func isDeclaration(e syntax.Expr, loaded map[string]bool) bool {
	declares := false
	syntax.Walk(e, func(n syntax.Node) bool {
		if call, ok := n.(*syntax.CallExpr); ok {
			id, ok := call.Fn.(*syntax.Ident)
			declares = declares || ok && (declarations[id.Name] || loaded[id.Name] && !mentions(e, "pkt") && !mentions(e, "conn"))
		}
		return true
	})
	return declares
}

// mentions reports whether a name stands in n.
func mentions(n syntax.Node, name string) bool {
	found := false
	syntax.Walk(n, func(n syntax.Node) bool {
		id, ok := n.(*syntax.Ident)
		found = found || ok && id.Name == name
		return true
	})
	return found
}

// lineStmt types an expression that stands alone in a one-liner. Where a file
// would be warned that a header was not tested, the test is made here: packets
// without the header are not counted as zeros. What gives a verdict is computed
// for all packets, as in a file.
func (p *pass) lineStmt(s *syntax.ExprStmt) {
	before, verdict := len(p.unguarded), false
	body := p.nested(func() { verdict = p.lineExpr(s) })
	tested := p.fl.has
	for _, r := range p.unguarded[before:] {
		if !verdict && tested&bitOf(r.view()) == 0 {
			view := &Header{Base{r.view(), at(s)}}
			body = []Stmt{&If{Pos: at(s), Cond: p.truthOf(view), Then: body}}
			tested |= impliedBy(r.view())
		}
	}
	p.unguarded = p.unguarded[:before]
	*p.out = append(*p.out, body...)
}

// lineExpr does what the type of the expression says: see the table above. It
// reports whether that is a return.
func (p *pass) lineExpr(s *syntax.ExprStmt) (verdict bool) {
	o := p.try(s.X)
	if _, ok := o.v.(verdictVal); ok || o.x != nil && o.x.Type().Kind == value.Verdict {
		p.returnStmt(&syntax.ReturnStmt{Result: s.X})
		return true
	}
	if o.bad() || o.v == starlark.None || o.x != nil && (o.x.Type().Kind == value.None || effects(o.x)) || isString(s.X) {
		p.exprStmt(s)
		return false
	}
	x := s.X
	if o.x != nil && isThereOrNot(o.x.Type().Kind) {
		x = callOf("bool", x)
	}
	p.callStmt(callOf("count", x))
	return false
}

func isString(e syntax.Expr) bool {
	lit, ok := e.(*syntax.Literal)
	return ok && lit.Token == syntax.STRING
}

// isThereOrNot reports whether values of a kind are no more than conditions.
func isThereOrNot(k value.Kind) bool {
	return k == value.Packet || k == value.View || k == value.Span || k == value.Record
}

// callOf is the call NAME(x) of a builtin.
func callOf(name string, x syntax.Expr) *syntax.CallExpr {
	start, end := leftmost(x), endOf(x)
	end.Col-- // the text of the call is that of x
	fn := &syntax.Ident{NamePos: start, Name: name, Binding: &resolve.Binding{Scope: resolve.Predeclared}}
	return &syntax.CallExpr{Fn: fn, Lparen: start, Args: []syntax.Expr{x}, Rparen: end}
}

// try types an expression and forgets what was told and emitted.
func (p *pass) try(e syntax.Expr) (o operand) {
	diags, unguarded, changed, lost, fl := p.diags, p.unguarded, p.changed, p.lost, p.fl
	moves, first := p.moves, p.s.moves
	p.fl = fl.clone()
	p.nested(func() { o = p.expr(e) })
	p.diags, p.unguarded, p.changed, p.lost, p.fl = diags, unguarded, changed, lost, fl
	p.moves, p.s.moves = moves, first
	return o
}
