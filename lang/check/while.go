package check

import (
	"go.starlark.net/resolve"
	"go.starlark.net/syntax"
)

// whileStmt types a while loop. It needs a counter: a local that each turn
// changes by a constant, and that the condition compares with a known bound.
func (p *pass) whileStmt(s *syntax.WhileStmt) {
	entry := p.fl.clone()
	l := p.enterLoop(s)
	c := p.cond(s.Cond)
	if c.known && !c.holds {
		p.leaveLoop()
		p.fl = entry
		return
	}
	limit, reason := p.turnsOf(s, entry)
	head := p.fl.clone()
	p.fl.has |= c.facts.yes
	body := p.block(s.Body)
	p.leaveLoop()
	exit := head.clone()
	exit.has |= c.facts.no
	p.fl = exit
	switch {
	case c.known:
		p.errorf(s.Cond, "loop", "write for i in range(64): and leave it with break", "this loop has no end that the compiler can see: its condition always holds")
	case c.x == nil: // an error was told about its condition
	case reason != "":
		p.errorf(s.Cond, "loop", "write for i in range(64): and leave it with break, or count: while i < 64: … i += 1", "how many turns this loop has is not known: %s", reason)
	case limit > 1<<20:
		p.errorf(s.Cond, "loop", "write for i in range(64): and leave it with break, or add a bound: while i < 64 and …", "how many turns this loop has is not known: its bound can be anything")
	case limit > maxTurns:
		p.errorf(s.Cond, "limit", "count in larger steps, or less far", "the loop can have %d turns, more than the limit of %d", limit, maxTurns)
	case c.x != nil:
		p.fl.dead = entry.dead
		p.emit(&While{Pos: posOf(s.While), Cond: c.x, Max: int(max(limit, 1)), Body: body})
	}
	p.fl = meet(exit, l.breaks).clone()
	p.fl.dead = entry.dead
}

// turnsOf proves how many turns a while loop has at most: the least that one of
// the comparisons of its condition proves. Or it gives the reason why it cannot.
func (p *pass) turnsOf(s *syntax.WhileStmt, entry *flow) (limit int64, reason string) {
	reason = "its condition compares no counter with a known bound"
	proved := false
	for _, cmp := range conjuncts(s.Cond) {
		op, ok := comparisons[cmp.Op]
		if !ok || op == Eq {
			continue
		}
		n, why := p.counterTurns(s, entry, op, cmp.X, cmp.Y)
		if why != "" {
			if m, w := p.counterTurns(s, entry, mirrored[op], cmp.Y, cmp.X); w == "" {
				n, why = m, ""
			}
		}
		switch {
		case why == "" && proved:
			limit = min(limit, n)
		case why == "":
			limit, proved = n, true
		case why != noCounter:
			reason = why
		}
	}
	if proved {
		return limit, ""
	}
	return 0, reason
}

const noCounter = "no counter"

var mirrored = map[Op]Op{Lt: Gt, Gt: Lt, Le: Ge, Ge: Le, Ne: Ne}

// conjuncts are the comparisons all of which must hold for e to hold.
func conjuncts(e syntax.Expr) []*syntax.BinaryExpr {
	b, ok := unparen(e).(*syntax.BinaryExpr)
	if !ok {
		return nil
	}
	if b.Op == syntax.AND {
		return append(conjuncts(b.X), conjuncts(b.Y)...)
	}
	return []*syntax.BinaryExpr{b}
}

// counterTurns proves the turns of while X OP Y, where X is the counter.
func (p *pass) counterTurns(s *syntax.WhileStmt, entry *flow, op Op, x, y syntax.Expr) (int64, string) {
	id, ok := unparen(x).(*syntax.Ident)
	if !ok {
		return 0, noCounter
	}
	b, ok := id.Binding.(*resolve.Binding)
	if !ok || b.Scope != resolve.Local && b.Scope != resolve.Cell || !p.info.inLoop[s][b.Index] {
		return 0, noCounter
	}
	v := p.s.vars[b.Index]
	step, why := p.stepOf(s, id.Name, b)
	if why != "" {
		return 0, why
	}
	o := p.quiet(y)
	if o.bad() {
		return 0, noCounter
	}
	ye := p.value(y, o)
	if ye == nil {
		return 0, noCounter
	}
	bound, ok := p.bounds(ye)
	if !ok {
		p.want(ye)
		return 0, "the greatest value of what " + id.Name + " is compared with is not known"
	}
	start, ok := entry.bounds[v.local]
	signed := v.typ.Signed || ye.Type().Signed
	if !ok {
		if signed || step < 0 {
			return 0, "the value that " + id.Name + " begins with is not known"
		}
		start = interval{0, wide}
	}
	switch {
	case step > 0 && op == Lt:
		return turns(start.lo, bound.hi, step), ""
	case step > 0 && op == Le:
		return turns(start.lo, bound.hi+1, step), ""
	case step < 0 && op == Gt && (signed || lands(start, bound.lo, step)):
		return turns(start.hi, bound.lo, step), ""
	case step < 0 && op == Ge && (signed || lands(start, bound.lo-1, step)):
		return turns(start.hi, bound.lo-1, step), ""
	case op == Ne && bound.lo == bound.hi && start.lo == start.hi && (bound.lo-start.lo)%step == 0 && (bound.lo-start.lo)/step >= 0:
		return (bound.lo - start.lo) / step, ""
	case op == Ne && !p.steady(s, ye):
		return 0, "what " + id.Name + " is compared with can change from turn to turn, so it can be missed: compare with <"
	case op == Ne && (step == 1 && start.hi <= bound.lo):
		return bound.hi - start.lo, ""
	case op == Ne && (step == -1 && start.lo >= bound.hi):
		return start.hi - bound.lo, ""
	case step < 0 && (op == Gt || op == Ge):
		return 0, id.Name + " is never negative, so it can step over its bound and wrap: compare with a greater bound, or let it begin as a signed number: " + id.Name + " = i64(…)"
	}
	return 0, id.Name + " moves away from its bound"
}

// steady reports whether x is the same in all turns of a loop.
func (p *pass) steady(s *syntax.WhileStmt, x Expr) bool {
	same := true
	walk(x, func(e Expr) {
		switch e := e.(type) {
		case *Const, *Unary, *Binary, *MinMax, *Abs, *Convert:
		case *PacketField: // the length changes when the packet moves
			same = same && !e.Inner && (e.Name != "len" || !p.s.loopMoves[s])
		case *LocalRef:
			for i := range p.info.inLoop[s] {
				same = same && p.s.vars[i].local != e.Local
			}
		default:
			same = false
		}
	})
	return same
}

// lands reports whether a counter that goes down while it is greater than bound
// ends at 0 or above, so that it does not wrap.
func lands(start interval, bound, step int64) bool {
	if bound < 0 {
		return false
	}
	if start.lo == start.hi && start.lo >= bound {
		return start.lo+turns(start.lo, bound, step)*step >= 0
	}
	return bound >= -step-1
}

// quiet types an expression whose errors were told already.
func (p *pass) quiet(e syntax.Expr) operand {
	diags, unguarded := p.diags, p.unguarded
	o := p.expr(e)
	p.diags, p.unguarded = diags, unguarded
	return o
}

// stepOf finds by how much each turn changes a counter: by one statement of the
// body itself, before anything that goes on with the next turn.
func (p *pass) stepOf(s *syntax.WhileStmt, name string, b *resolve.Binding) (step int64, why string) {
	isCounter := func(e syntax.Expr) bool {
		id, ok := unparen(e).(*syntax.Ident)
		if !ok {
			return false
		}
		o, ok := id.Binding.(*resolve.Binding)
		return ok && o == b
	}
	found := false
	for _, st := range s.Body {
		a, ok := st.(*syntax.AssignStmt)
		if ok && isCounter(a.LHS) && !found {
			if step, ok = p.stepBy(a, isCounter); !ok || step == 0 || step > 1<<32 || step < -1<<32 {
				return 0, name + " does not change by a constant"
			}
			found = true
			continue
		}
		if assigns(st, b) {
			return 0, name + " is changed in more than one place, or not in every turn"
		}
		if !found && continues(st) {
			return 0, "continue can come before " + name + " has changed"
		}
	}
	if !found {
		return 0, name + " does not change in the loop"
	}
	return step, ""
}

// stepBy is the constant that a statement adds to the counter.
func (p *pass) stepBy(a *syntax.AssignStmt, isCounter func(syntax.Expr) bool) (int64, bool) {
	rhs, op := a.RHS, a.Op
	if op == syntax.EQ {
		bin, ok := unparen(a.RHS).(*syntax.BinaryExpr)
		if !ok {
			return 0, false
		}
		switch {
		case isCounter(bin.X):
			rhs = bin.Y
		case isCounter(bin.Y) && bin.Op == syntax.PLUS:
			rhs = bin.X
		default:
			return 0, false
		}
		op = map[syntax.Token]syntax.Token{syntax.PLUS: syntax.PLUS_EQ, syntax.MINUS: syntax.MINUS_EQ}[bin.Op]
	}
	n, ok := p.constIndex(p.quiet(rhs))
	switch {
	case ok && op == syntax.PLUS_EQ:
		return n, true
	case ok && op == syntax.MINUS_EQ:
		return -n, true
	}
	return 0, false
}

// assigns reports whether a statement, or one in it, assigns to a local.
func assigns(st syntax.Stmt, b *resolve.Binding) bool {
	found := false
	set := func(id *syntax.Ident) { found = found || id.Binding == any(b) }
	syntax.Walk(st, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.AssignStmt:
			eachTarget(n.LHS, set)
		case *syntax.ForStmt:
			eachTarget(n.Vars, set)
		}
		return true
	})
	return found
}

// continues reports whether a statement can go on with the next turn of the
// loop around it.
func continues(st syntax.Stmt) bool {
	found := false
	syntax.Walk(st, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.ForStmt, *syntax.WhileStmt, *syntax.DefStmt:
			return false
		case *syntax.BranchStmt:
			found = found || n.Token == syntax.CONTINUE
		}
		return true
	})
	return found
}
