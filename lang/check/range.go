package check

import (
	"go.starlark.net/syntax"

	"weir/lang/value"
)

// forRange is for x in range(…).
func (p *pass) forRange(s *syntax.ForStmt, call *syntax.CallExpr) {
	r, ok := p.rangeArgs(call)
	id, isName := unparen(s.Vars).(*syntax.Ident)
	if !isName {
		p.errorf(s.Vars, "type", "write for i in range(…)", "range() gives one number a turn")
		ok = false
	}
	if !ok {
		p.skipLoop(s)
		return
	}
	l := p.enterLoop(s)
	v := p.loopVar(id, r.t)
	if v == nil {
		p.leaveLoop()
		p.skipLoop(s)
		return
	}
	before := p.fl.clone()
	p.fl.mark(v)
	if p.info.inLoop[s][v.index] {
		delete(p.fl.bounds, v.local)
	} else if r.known {
		p.fl.bounds[v.local] = r.bounds
	}
	body := p.block(s.Body)
	p.leaveLoop()
	after := meet(meet(p.fl, l.continues), l.breaks)
	p.fl = before
	p.emit(&Range{Pos: posOf(s.For), Var: v.local, Start: r.start, Stop: r.stop, Step: r.step, Max: r.max, Body: body})
	if r.certain && after != nil {
		p.fl = after
	} else {
		p.fl = meet(before, after)
	}
	p.fl = p.fl.clone()
	p.fl.dead = before.dead
	if r.max == 0 {
		return // there is no turn that could set it
	}
	p.fl.mark(v)
	p.fl.forget(v)
	if r.known {
		p.fl.bounds[v.local] = r.bounds.union(interval{0, 0})
	}
	if p.info.inLoop[s][v.index] {
		p.fl.forget(v)
	}
}

// A rangeOfLoop is what range(…) says about a loop.
type rangeOfLoop struct {
	t           value.Type
	start, stop Expr
	step        int64
	max         int
	certain     bool // there is a turn for certain
	known       bool
	bounds      interval // of the variable, if known
}

// rangeArgs types the arguments of range(stop), range(start, stop) and
// range(start, stop, step), each with max =.
func (p *pass) rangeArgs(call *syntax.CallExpr) (r rangeOfLoop, ok bool) {
	var pos []passed
	var limit passed
	for _, a := range call.Args {
		if b, isName := a.(*syntax.BinaryExpr); isName && b.Op == syntax.EQ {
			if n := b.X.(*syntax.Ident).Name; n != "max" {
				p.errorf(a, "call", didYouMean(n, "", []string{"max"}), "range() has no argument %s", n)
				return r, false
			}
			limit = passed{e: b.Y, o: p.expr(b.Y)}
			continue
		}
		pos = append(pos, passed{e: a, o: p.expr(a)})
	}
	if len(pos) == 0 || len(pos) > 3 {
		p.errorf(call, "call", "write range(n), range(start, stop) or range(start, stop, step)", "range() takes one to three numbers, not %d", len(pos))
		return r, false
	}
	xs := make([]Expr, len(pos))
	for i, a := range pos {
		if xs[i] = p.intValue(a.e, a.o, "what range() counts with"); xs[i] == nil {
			return r, false
		}
		r.t.Signed = r.t.Signed || xs[i].Type().Signed
	}
	r.t.Kind, r.t.Width = value.Int, 8
	r.start, r.stop, r.step = intConst(0, false, at(call)), xs[0], 1
	if len(xs) > 1 {
		r.start, r.stop = xs[0], xs[1]
	}
	if len(xs) > 2 {
		c, isConst := xs[2].(*Const)
		if isConst {
			r.step, isConst = constInt(c).Int64()
		}
		if !isConst || r.step == 0 {
			p.errorf(pos[2].e, "type", "write a number that is not 0", "the step of a loop is known before packets come, and not 0")
			return r, false
		}
	}
	return r, p.rangeMax(call, &r, limit)
}

// rangeMax works out how many turns a range loop has at most.
func (p *pass) rangeMax(call *syntax.CallExpr, r *rangeOfLoop, limit passed) bool {
	n := p.rangeTurns(r)
	if limit.e != nil {
		c, ok := p.maxOf(limit)
		if !ok {
			return false
		}
		if n < 0 || n > c {
			n, r.certain = c, r.certain && n >= 0
			p.limitBounds(r, c)
		}
	}
	const anything = 1 << 20 // a bound that is no more than the width of a field
	switch {
	case n < 0 || n > anything:
		p.errorf(call, "loop", "write range(n, max = 64), range(min(n, 64)) or mask it: n & 63", "how many turns this loop has at most is not known")
	case n > maxTurns:
		p.errorf(call, "limit", "write range(n, max = 64), or min(n, 64)", "the loop can have %d turns, more than the limit of %d", n, maxTurns)
	default:
		r.max = int(n)
		return true
	}
	p.want(r.start)
	p.want(r.stop)
	return false
}

// rangeTurns is the greatest number of turns by the bounds of start and stop, or
// -1 if it is not known.
func (p *pass) rangeTurns(r *rangeOfLoop) int64 {
	a, okA := p.bounds(r.start)
	b, okB := p.bounds(r.stop)
	if !okA && !r.start.Type().Signed && r.step > 0 {
		a, okA = interval{0, wide}, true
	}
	if !okB && !r.stop.Type().Signed && r.step < 0 {
		b, okB = interval{0, wide}, true
	}
	if !okA || !okB {
		return -1
	}
	r.known = a.hi < wide && b.hi < wide
	r.bounds = interval{min(a.lo, b.lo), max(a.hi, b.hi)}
	if r.step < 0 {
		r.certain = turns(a.lo, b.hi, r.step) > 0
		return turns(a.hi, b.lo, r.step)
	}
	if b.hi > a.lo {
		r.bounds = interval{a.lo, b.hi - 1}
	}
	r.certain = turns(a.hi, b.lo, r.step) > 0
	return turns(a.lo, b.hi, r.step)
}

// limitBounds bounds the variable of a loop that has c turns at most.
func (p *pass) limitBounds(r *rangeOfLoop, c int64) {
	a, ok := p.bounds(r.start)
	r.known = ok
	if last := (c - 1) * r.step; last > 0 {
		r.bounds = interval{a.lo, a.hi + last}
	} else {
		r.bounds = interval{a.lo + last, a.hi}
	}
}

// maxOf reads max = N of a range.
func (p *pass) maxOf(limit passed) (int64, bool) {
	c, isConst := p.constIndex(limit.o)
	switch {
	case limit.o.bad():
		return 0, false
	case !isConst || c < 1:
		p.errorf(limit.e, "type", "write a number: max = 64", "the max of a loop is known before packets come, and at least 1")
		return 0, false
	case c > maxTurns:
		p.errorf(limit.e, "limit", "split the work over packets, or look at less", "max = %d is more than the limit of %d turns", c, maxTurns)
		return 0, false
	}
	return c, true
}

// turns is how many numbers range(start, stop, step) gives.
func turns(start, stop, step int64) int64 {
	if step > 0 && stop > start {
		return (stop - start + step - 1) / step
	}
	if step < 0 && stop < start {
		return (start - stop - step - 1) / -step
	}
	return 0
}
