package check

import (
	"cmp"
	"maps"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/diag"
	"weir/lang/value"
)

// MatchFile stands for the file of Options.Match in messages.
const MatchFile = "--match"

// matchName is what the function of a match is called: no file can name it.
const matchName = "the match"

// match types the condition of Options.Match, which sees what the file of the first
// chain does but for functions: what they do could not be undone. It returns nil if
// there is nothing to type.
func (b *builder) match(p *Program, first *module) *checker {
	pos := diag.Pos{File: MatchFile, Line: 1, Col: 1}
	hint := `write what a packet shall be, as in pkt.ip4.src == ip4("192.0.2.1")`
	if f, err := dialect.Parse(MatchFile, []byte(b.opts.Match), 0); err == nil && oneExpr(f) == nil {
		b.sources.Add(MatchFile, []byte(b.opts.Match))
		b.errorf(pos, "syntax", hint, "the match is not one expression")
		return nil
	}
	b.env = maps.Clone(b.env)
	for _, values := range []starlark.StringDict{first.loaded, first.globals} {
		for name, v := range values {
			if _, ok := v.(*starlark.Function); !ok {
				b.env[name] = v
			}
		}
	}
	m := b.root(MatchFile, []byte(b.opts.Match))
	if m == nil {
		return nil
	}
	c := newChecker(b, p, root{module: m, fn: matchName, name: MatchFile})
	fn := m.globals[matchName].(*starlark.Function)
	f := callee{name: matchName, def: b.defs[posOf(fn.Position())], fn: fn}
	s := c.special(f, []argument{{typ: value.PacketT}}, false)
	c.collect(s, map[*special]bool{})
	p.Funcs = append(p.Funcs, c.funcs...)
	p.Match = s.out
	if c.diags.Err() != nil {
		return c
	}
	does := ""
	if eachStmt(s.out.Body, func(s Stmt) { does = cmp.Or(does, deed(s)) }); s.moves.what != "" {
		does = s.moves.what + " it"
	}
	if does != "" {
		c.errorf(pos, "match", hint, "a match looks at the packet and changes nothing, but %s", does)
	}
	return c
}

// deed says what a statement of a match does that none may do, or "".
func deed(s Stmt) (does string) {
	var of Expr
	switch s := s.(type) {
	case *Assign:
		of = s.X
	case *If:
		of = s.Cond
	case *While:
		of = s.Cond
	case *Range, *Unrolled, *Block, *Return, *Break, *Continue, *Mark:
	default:
		return "this one does"
	}
	walk(of, func(x Expr) {
		switch x := x.(type) {
		case *Call, *CallObject:
			does = "this one calls a function"
		case *Put, *Incr, *Enqueue, *Dequeue:
			does = "this one writes into a map"
		case *Lookup:
			if x.Remove {
				does = "this one writes into a map"
			}
		case *Clone:
			does = "this one sends a packet"
		}
	})
	return does
}

// noMatch refuses what is known while the chain is compiled, but for what says so.
func (p *pass) noMatch(n syntax.Node, v starlark.Value) bool {
	switch v.(type) {
	case starlark.Bool, starlark.Int:
		return false
	}
	if p.s.name != matchName {
		return false
	}
	p.noCondition(n, describe(v), "it is the same for every packet: compare something of the packet with it")
	return true
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
		Name:   &syntax.Ident{NamePos: start, Name: matchName},
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
