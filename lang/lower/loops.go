package lower

import (
	"weir/lang/check"
	"weir/lang/ir"
)

// A loop is where break and continue go.
type loop struct{ exit, next *ir.Block }

// enter begins a loop head: what is known there must hold on every turn. The condition
// of a loop may change the packet, too.
func (l *lowerer) enter(head *ir.Block, loop check.Stmt) {
	st := l.st
	w := mayWrite([]check.Stmt{loop})
	if w.any && l.stale() {
		st.epoch, st.data = l.newEpoch(), false
	}
	if w.any {
		st.forgetInside()
	}
	if w.moves {
		st.reparse()
	}
	if w.packet {
		st.length, st.meta = false, false
	}
	l.loopHead(head, st)
}

// opaque returns a zero that only the running program knows to be one. Xored into
// a number makes the verifier forget what it knows of it (after an addition it
// would go on to know how the two relate). Within a loop that is
// what keeps it from following every number that a variable can have, and every
// offset that is read, each a state of its own.
func (l *lowerer) opaque() *ir.Value { return l.get(l.facts.zero) }

// blurred returns x with a zero xored in that only the running program knows to
// be one. Two that blur the same number are two numbers to the verifier: it would
// keep apart states that differ in nothing but which of their numbers are equal.
func (l *lowerer) blurred(x, zero *ir.Value) *ir.Value {
	v := l.op(ir.OpXor, x, zero)
	v.Fresh = true
	return v
}

// forget xors the zero into the numbers that a loop hands from turn to turn.
func (l *lowerer) forget(loop check.Stmt) {
	_, set := l.carried(loop)
	for _, v := range set {
		if l.soft[v] {
			l.set(v, l.blurred(l.get(v), l.opaque()))
		}
	}
}

// counted lowers a loop of at most max turns. test ends the head with a branch to
// body or exit; step is run at the end of each turn. A hidden counter that the
// verifier can follow bounds the loop where the test alone does not.
func (l *lowerer) counted(stmt check.Stmt, body []check.Stmt, max int, bounded bool, test func(body, exit *ir.Block), turn, step func()) {
	head, work, next, exit := l.block(), l.block(), l.block(), l.block()
	if max > 1 {
		if l.turns == 1 {
			l.set(l.facts.zero, l.loadZero())
		}
		l.forget(stmt)
	}
	costly, at := l.turns*max*cost(body) > maxShortLoop, l.watch.at
	var count variable
	if !bounded {
		count = l.newVar()
		l.set(count, l.konst(0))
	}
	l.enter(head, stmt)
	if !bounded {
		in := l.block()
		l.branch(ir.ULt, l.get(count), l.konst(int64(max)), in, exit)
		l.start(in)
	}
	test(work, exit)
	l.start(work)
	if l.cur != nil {
		turn()
	}
	l.turns *= max
	l.loops = append(l.loops, loop{exit: exit, next: next})
	if l.cur != nil {
		l.stmts(body)
	}
	l.loops = l.loops[:len(l.loops)-1]
	l.turns /= max
	l.jump(next)
	l.start(next)
	if l.cur != nil {
		l.lap(at, nil)
		step()
		if costly {
			l.forget(stmt)
		}
		if !bounded {
			l.set(count, l.opi(ir.OpAdd, l.get(count), 1))
		}
		l.jump(head)
	}
	l.seal(head)
	l.start(exit)
}

func (l *lowerer) rangeLoop(s *check.Range) {
	if s.Max <= 0 {
		return
	}
	start, stop := l.expr(s.Start)[0], l.expr(s.Stop)[0]
	l.hoist(s.Body)
	if _, set := l.frame().vars[s.Var]; !set && l.frame().ret != nil {
		l.assign(s.Var, l.zero(s.Var.Type)) // the call may be in a loop
	}
	c := ir.ULt
	switch {
	case s.Step < 0:
		c = ir.SGt
	case s.Start.Type().Signed || s.Stop.Type().Signed:
		c = ir.SLt
	}
	_, k1 := s.Start.(*check.Const)
	_, k2 := s.Stop.(*check.Const)
	at, end := l.newVar(), l.newVar()
	l.set(at, start)
	l.set(end, stop)
	if l.tooLong(s, s.Body, s.Max) {
		l.outlined(s, s.Body, l.konst(int64(s.Max)), []variable{at, end}, func(i *ir.Value, work, exit *ir.Block) {
			x := l.op(ir.OpAdd, l.get(at), l.opi(ir.OpMul, i, s.Step))
			in := l.block()
			l.branch(c, x, l.get(end), in, exit)
			l.start(in)
			l.assign(s.Var, parts{x})
			l.assigned(s.Var, parts{x})
			l.jump(work)
		})
		return
	}
	l.counted(s, s.Body, s.Max, k1 && k2,
		func(body, exit *ir.Block) { l.branch(c, l.get(at), l.get(end), body, exit) },
		func() {
			l.assign(s.Var, parts{l.get(at)})
			l.assigned(s.Var, parts{l.get(at)})
		},
		func() { l.set(at, l.opi(ir.OpAdd, l.get(at), s.Step)) })
}

func (l *lowerer) whileLoop(s *check.While) {
	l.hoist([]check.Stmt{s})
	if l.tooLong(s, s.Body, s.Max) {
		body := append([]check.Stmt{&check.If{Pos: s.Pos, Cond: s.Cond, Else: []check.Stmt{&check.Break{Pos: s.Pos}}}}, s.Body...)
		l.outlined(s, body, l.konst(int64(s.Max)+1), nil, func(_ *ir.Value, work, _ *ir.Block) { l.jump(work) })
		return
	}
	l.counted(s, s.Body, s.Max, false,
		func(body, exit *ir.Block) { l.turnOrEnd(s, body, exit) },
		func() {}, func() {})
}

// turnOrEnd leads to the body of a while, or behind it, and notes which of the two.
func (l *lowerer) turnOrEnd(s *check.While, body, exit *ir.Block) {
	if !l.opts.Steps {
		l.cond(s.Cond, body, exit)
		return
	}
	yes, no := l.block(), l.block()
	l.cond(s.Cond, yes, no)
	for _, way := range []struct {
		from, to *ir.Block
		holds    bool
	}{{yes, body, true}, {no, exit, false}} {
		l.start(way.from)
		l.branched(s.Pos, way.holds)
		l.jump(way.to)
	}
}

func (l *lowerer) unrolled(s *check.Unrolled) {
	exit := l.block()
	for _, turn := range s.Turns {
		if l.cur == nil || l.tooBig() {
			break
		}
		next := l.block()
		l.loops = append(l.loops, loop{exit: exit, next: next})
		l.stmts(turn)
		l.loops = l.loops[:len(l.loops)-1]
		l.jump(next)
		l.start(next)
	}
	l.jump(exit)
	l.start(exit)
}
