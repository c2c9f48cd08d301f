package check

import (
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/diag"
	"weir/lang/value"
	"weir/packet"
)

// A pass types the body of a special once, with the types of its locals as they
// are known so far.
type pass struct {
	c         *checker
	s         *special
	info      *bodyInfo
	changed   bool // a local's type, or the result's
	fl        *flow
	out       *[]Stmt
	loops     []*loop
	turn      map[*variable]starlark.Value // values of the turn of an unrolled loop
	temps     []*Local
	size      int
	full      bool
	lost      bool     // something was left out of the tree, which needs an error
	unrolling diag.Pos // the outermost loop that is being unrolled

	diags     diag.List
	unguarded []reading
	calls     []*special
	called    map[*special]bool
	tallies   []*Map // that count(x) made

	moves    int // of the packet, so far
	lastMove moving
}

func newPass(c *checker, s *special) *pass {
	return &pass{c: c, s: s, info: c.info(s.def), turn: map[*variable]starlark.Value{}, called: map[*special]bool{}}
}

// run types the body.
func (p *pass) run() {
	p.fl = &flow{set: make([]uint64, len(p.s.vars)/64+1), bounds: map[*Local]interval{}, tests: map[*Local]facts{}}
	if p.c.b.opts.Hook.Info().Ethernet {
		p.fl.has = bit(packet.Eth)
	} else {
		p.fl.has = bit(packet.IP)
	}
	if p.conn() {
		p.fl.has = bit(packet.IP) // one of them is always there
	}
	for i, v := range p.s.vars {
		if i < len(p.s.args) {
			p.fl.mark(v)
			if b := p.s.args[i].bounds; b != nil {
				p.fl.bounds[v.local] = *b
			}
		} else {
			v.static = nil
		}
	}
	p.s.out.Body = p.block(p.s.def.Body)
	if p.fl.dead || p.s.attached || !p.s.hasResult {
		return
	}
	p.errorAt(p.s.pos(), "flow", "end it with a return as well", "%s returns a value in line %d, but can also end without one", p.s.name, p.s.resultAt.Line)
}

// finish hands what the last pass found to the special.
func (p *pass) finish() {
	s := p.s
	s.out.Result, s.out.Moves = s.result, s.moves.pos.Line > 0
	s.diags, s.unguarded, s.calls, s.lost = p.diags, p.unguarded, p.calls, p.lost
	s.tallies = p.tallies
	s.out.Locals = append([]*Local(nil), s.out.Params...)
	for i, v := range s.vars {
		if i >= len(s.args) && v.typ.Kind != value.None && v.typ.Kind != value.Packet && v.static == nil {
			s.out.Locals = append(s.out.Locals, v.local)
		}
	}
	s.out.Locals = append(s.out.Locals, p.temps...)
}

// errorf reports an error at the beginning of n.
func (p *pass) errorf(n syntax.Node, code, hint, format string, args ...any) {
	p.errorAt(at(n), code, hint, format, args...)
}

// warnf reports what is valid but hardly meant.
func (p *pass) warnf(n syntax.Node, code, hint, format string, args ...any) {
	p.report(diag.Diagnostic{Pos: at(n), Code: code, Message: fmt.Sprintf(format, args...), Hint: hint, Warning: true})
}

func (p *pass) errorAt(pos diag.Pos, code, hint, format string, args ...any) {
	p.report(diag.Diagnostic{Pos: pos, Code: code, Message: fmt.Sprintf(format, args...), Hint: hint})
}

// report keeps a diagnostic that was not told before, as by another turn.
func (p *pass) report(d diag.Diagnostic) {
	for _, o := range p.diags {
		if o == d {
			return
		}
	}
	p.diags = append(p.diags, d)
}

// fail reports an error of a builtin at n.
func (p *pass) fail(n syntax.Node, err error) {
	code, hint := hintOf(err)
	if code == "build" {
		code = "type"
	}
	p.errorf(n, code, hint, "%s", err)
}

// at is where a node begins.
func at(n syntax.Node) diag.Pos {
	if e, ok := n.(syntax.Expr); ok {
		return posOf(leftmost(e))
	}
	start, _ := n.Span()
	return posOf(start)
}

// emit adds a statement to the current block.
func (p *pass) emit(s Stmt) {
	if p.fl.dead || p.full {
		return
	}
	if p.size++; p.size > maxStatements {
		p.full = true
		pos := p.s.pos()
		if p.unrolling.Line > 0 {
			pos = p.unrolling
		}
		p.errorAt(pos, "limit", "shorten the lists that it loops over, or loop over range(n), which is not unrolled",
			"%s has more statements than the limit of %d once its loops are unrolled", p.s.name, maxStatements)
		return
	}
	*p.out = append(*p.out, s)
}

// nested collects what f emits.
func (p *pass) nested(f func()) []Stmt {
	old := p.out
	var body []Stmt
	p.out = &body
	f()
	p.out = old
	return body
}

func (p *pass) block(stmts []syntax.Stmt) []Stmt {
	return p.nested(func() { p.stmts(stmts) })
}

func (p *pass) stmts(stmts []syntax.Stmt) {
	for _, s := range stmts {
		if p.full {
			return
		}
		p.stmt(s)
	}
}

// mark notes where a statement begins that does something when it is reached: no def,
// and no docstring. Marks are no part of what the size of a function is measured by.
func (p *pass) mark(s syntax.Stmt) {
	if !p.c.b.opts.Mark || p.fl.dead || p.full {
		return
	}
	switch s := s.(type) {
	case *syntax.DefStmt:
		return
	case *syntax.ExprStmt:
		if l, ok := s.X.(*syntax.Literal); ok && l.Token == syntax.STRING {
			return
		}
	}
	*p.out = append(*p.out, &Mark{at(s)})
}

func (p *pass) stmt(s syntax.Stmt) {
	p.mark(s)
	switch s := s.(type) {
	case *syntax.ExprStmt:
		if p.s.attached && p.c.b.opts.Line {
			p.lineStmt(s)
			return
		}
		p.exprStmt(s)
	case *syntax.AssignStmt:
		p.assignStmt(s)
	case *syntax.IfStmt:
		p.ifStmt(s)
	case *syntax.ForStmt:
		p.forStmt(s)
	case *syntax.WhileStmt:
		p.whileStmt(s)
	case *syntax.ReturnStmt:
		p.returnStmt(s)
	case *syntax.BranchStmt:
		p.branchStmt(s)
	case *syntax.DefStmt:
		f := &localFunc{def: p.c.b.defs[posOf(s.Def)], name: s.Name.Name, outer: p, params: s.Params}
		p.setLocal(s.Name, operand{v: f})
	}
}

// ifStmt types a condition and its branches; of a condition known at build time
// only the branch that is taken.
func (p *pass) ifStmt(s *syntax.IfStmt) {
	c := p.cond(s.Cond)
	if c.known {
		if c.holds {
			p.stmts(s.True)
		} else {
			p.stmts(s.False)
		}
		return
	}
	before := p.fl
	p.fl = before.clone()
	p.fl.has |= c.facts.yes
	then := p.block(s.True)
	afterThen := p.fl
	p.fl = before.clone()
	p.fl.has |= c.facts.no
	els := p.block(s.False)
	afterElse := p.fl
	p.fl = before
	p.lost = p.lost || c.x == nil
	if c.x != nil && (len(then) > 0 || len(els) > 0 || effects(c.x)) {
		p.emit(&If{Pos: posOf(s.If), Cond: c.x, Then: then, Else: els})
	}
	p.fl = meet(afterThen, afterElse)
}

// branchStmt is break, continue or pass. The resolver has checked that there is
// a loop.
func (p *pass) branchStmt(s *syntax.BranchStmt) {
	pos := posOf(s.TokenPos)
	switch s.Token {
	case syntax.BREAK:
		l := p.loops[len(p.loops)-1]
		p.emit(&Break{Pos: pos})
		if !p.fl.dead {
			l.breaks = meet(l.breaks, p.fl.clone())
		}
		p.fl.dead = true
	case syntax.CONTINUE:
		l := p.loops[len(p.loops)-1]
		p.emit(&Continue{Pos: pos})
		if !p.fl.dead {
			l.continues = meet(l.continues, p.fl.clone())
		}
		p.fl.dead = true
	}
}

// returnStmt types a return.
func (p *pass) returnStmt(s *syntax.ReturnStmt) {
	defer func() { p.fl.dead = true }()
	pos := posOf(s.Return)
	if pos.Line == 0 { // of a lambda
		pos = at(s.Result)
	}
	var o operand
	if s.Result != nil {
		o = p.expr(s.Result)
		if o.bad() {
			p.s.failed, p.lost = true, true
			return
		}
		if _, text := o.v.(starlark.String); text && p.s.attached {
			p.errorf(s.Result, "type", p.verdictHint(), "%s is attached and returns a verdict, but this is %s", p.s.name, describe(o.v))
			return
		}
	}
	if s.Result == nil || o.v == starlark.None {
		if p.s.hasResult && !p.s.attached {
			p.errorAt(pos, "type", "return a value here as well", "%s returns a value in line %d, but none here", p.s.name, p.s.resultAt.Line)
		}
		p.emit(&Return{Pos: pos})
		return
	}
	if o.x != nil && o.x.Type().Kind == value.None { // return f(), where f gives nothing
		p.emit(&Eval{Pos: pos, X: o.x})
		p.emit(&Return{Pos: pos})
		return
	}
	x := p.value(s.Result, o)
	if x == nil {
		p.s.failed = true
		return
	}
	if p.s.attached && x.Type().Kind != value.Verdict {
		p.errorf(s.Result, "type", p.verdictHint(),
			"%s is attached and returns a verdict, but this is %s", p.s.name, what(x.Type()))
		return
	}
	p.emit(&Return{Pos: pos, X: p.result(s.Result, x)})
}

// verdictHint says what the hook takes.
func (p *pass) verdictHint() string {
	switch h := p.c.b.opts.Hook.Info(); {
	case h.Choose:
		return "return PASS, ACCEPT, DROP, drop(\"reason\"), reject() or to_socket(\"web\")"
	case h.Conn:
		return "return PASS, ACCEPT, DROP, drop(\"reason\") or reject()"
	}
	return "return PASS, ACCEPT, DROP, drop(\"reason\"), TX or redirect(\"eth1\")"
}

// result joins the type of a returned value with those of the other returns.
func (p *pass) result(n syntax.Node, x Expr) Expr {
	s := p.s
	t := norm(x.Type())
	if !s.hasResult {
		s.hasResult, s.result, s.resultAt = true, t, x.Pos()
		p.changed = true
		return x
	}
	j, ok := join(s.result, t)
	if !ok {
		p.errorf(n, "type", "every return of a function gives the same type", "%s returns %s in line %d, but %s here", s.name, what(s.result), s.resultAt.Line, what(x.Type()))
		return x
	}
	if !j.Equal(s.result) {
		s.result = j
		p.changed = true
	}
	return p.coerce(x, j)
}

// exprStmt types an expression that stands alone.
func (p *pass) exprStmt(s *syntax.ExprStmt) {
	if lit, ok := s.X.(*syntax.Literal); ok && lit.Token == syntax.STRING {
		return // a docstring
	}
	if call, ok := unparen(s.X).(*syntax.CallExpr); ok {
		p.callStmt(call)
		return
	}
	o := p.expr(s.X)
	p.unusedVerdict(s, o)
	if o.x != nil && effects(o.x) {
		p.emit(&Eval{Pos: at(s), X: o.x})
	}
}

func unparen(e syntax.Expr) syntax.Expr {
	for {
		x, ok := e.(*syntax.ParenExpr)
		if !ok {
			return e
		}
		e = x.X
	}
}

// temp makes a local that the chain does not name.
func (p *pass) temp(t value.Type, pos diag.Pos) *Local {
	l := &Local{Name: fmt.Sprintf("$%d", len(p.temps)+1), Type: norm(t), Pos: pos}
	p.temps = append(p.temps, l)
	return l
}

// keep puts x into a temporary, unless it is a constant.
func (p *pass) keep(x Expr) Expr {
	if _, ok := x.(*Const); ok || x == nil || x.Type().Kind == value.Packet {
		return x
	}
	l := p.temp(x.Type(), x.Pos())
	p.emit(&Assign{Pos: x.Pos(), Local: l, X: x})
	return &LocalRef{Base{l.Type, x.Pos()}, l}
}
