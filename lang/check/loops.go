package check

import (
	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/diag"
	"weir/lang/value"
)

// A loop is one that the pass is in.
type loop struct {
	breaks, continues *flow
}

// forStmt types a for loop: over range(…), or over build-time values.
func (p *pass) forStmt(s *syntax.ForStmt) {
	if call, ok := unparen(s.X).(*syntax.CallExpr); ok {
		if b, ok := p.calleeOf(call).v.(*starlark.Builtin); ok && b.Name() == "range" {
			p.forRange(s, call)
			return
		}
	}
	o := p.expr(s.X)
	if o.v == nil {
		if o.x != nil {
			p.errorf(s.X, "type", "loop over range(n, max = 64), or over a list of the file", "%s cannot be looped over", what(o.x.Type()))
		}
		p.skipLoop(s)
		return
	}
	if m, ok := o.v.(*mapVal); ok {
		p.errorf(s.X, "type", "look up what is needed: m[k]; weir maps shows all entries", "the entries of %s cannot be walked while a packet is handled", m.m.Name)
		p.skipLoop(s)
		return
	}
	it := starlark.Iterate(o.v)
	if it == nil {
		p.errorf(s.X, "type", "loop over range(n), a list, or DICT.items()", "%s cannot be looped over", describe(o.v))
		p.skipLoop(s)
		return
	}
	var vs []starlark.Value
	var v starlark.Value
	for len(vs) <= maxTurns && it.Next(&v) {
		vs = append(vs, v)
	}
	it.Done()
	if len(vs) > maxTurns {
		p.errorf(s.X, "limit", "use a map: x in m", "the loop has more turns than the limit of %d", maxTurns)
		p.skipLoop(s)
		return
	}
	if len(vs) > maxUnrolled && p.forTable(s, vs) {
		return
	}
	p.unroll(s, vs)
}

// skipLoop goes on after a loop that was refused: its variables count as set.
func (p *pass) skipLoop(s *syntax.ForStmt) {
	eachTarget(s.Vars, func(id *syntax.Ident) { p.setLocal(id, operand{}) })
	for i := range p.info.inLoop[s] {
		v := p.s.vars[i]
		if v.typ.Kind == value.None && v.static == nil {
			v.bad = true
		}
	}
}

// enterLoop forgets what the body of a loop may change.
func (p *pass) enterLoop(s syntax.Stmt) *loop {
	for i := range p.info.inLoop[s] {
		p.fl.forget(p.s.vars[i])
		delete(p.turn, p.s.vars[i])
	}
	l := &loop{}
	p.loops = append(p.loops, l)
	return l
}

func (p *pass) leaveLoop() { p.loops = p.loops[:len(p.loops)-1] }

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
	p.fl.mark(v)
	p.fl.forget(v)
	if r.known {
		p.fl.bounds[v.local] = r.bounds.union(interval{0, 0})
	}
	if p.info.inLoop[s][v.index] {
		p.fl.forget(v)
	}
}

// loopVar gives a loop's variable the type t, or nil after an error.
func (p *pass) loopVar(id *syntax.Ident, t value.Type) *variable {
	b, ok := id.Binding.(*resolve.Binding)
	if !ok || b.Scope != resolve.Local && b.Scope != resolve.Cell {
		return nil
	}
	v := p.s.vars[b.Index]
	delete(p.turn, v)
	p.fl.forget(v)
	if !p.giveType(v, t, posOf(id.NamePos)) {
		return nil
	}
	return v
}

// giveType joins t into the type of v.
func (p *pass) giveType(v *variable, t value.Type, pos diag.Pos) bool {
	t = norm(t)
	switch {
	case v.static != nil:
		p.errorAt(pos, "type", "use another name", "%s already is %s, and cannot be %s as well", v.name, describe(v.static), what(t))
		return false
	case v.typ.Kind == value.None:
		v.typ, v.first, v.local.Type = t, pos, t
		p.changed = p.changed || v.bad
		return true
	}
	j, ok := join(v.typ, t)
	if !ok {
		p.errorAt(pos, "type", localHint(v.typ, t), "%s is %s since line %d, and cannot be %s as well", v.name, what(v.typ), v.first.Line, what(t))
		return false
	}
	if !j.Equal(v.typ) {
		v.typ, v.local.Type = j, j
		p.changed = true
	}
	return true
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
			limit = passed{b.Y, p.expr(b.Y)}
			continue
		}
		pos = append(pos, passed{a, p.expr(a)})
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
	a, okA := p.bounds(r.start)
	b, okB := p.bounds(r.stop)
	if !okA && !r.start.Type().Signed && r.step > 0 {
		a, okA = interval{0, wide}, true
	}
	if !okB && !r.stop.Type().Signed && r.step < 0 {
		b, okB = interval{0, wide}, true
	}
	n := int64(-1)
	if okA && okB {
		if n = turns(a.lo, b.hi, r.step); r.step < 0 {
			n = turns(a.hi, b.lo, r.step)
		}
		least := turns(a.hi, b.lo, r.step)
		if r.step < 0 {
			least = turns(a.lo, b.hi, r.step)
		}
		r.certain = least > 0
		r.known = a.hi < wide && b.hi < wide
		r.bounds = interval{min(a.lo, b.lo), max(a.hi, b.hi)}
		if r.step > 0 && b.hi > a.lo {
			r.bounds = interval{a.lo, b.hi - 1}
		}
	}
	if limit.e != nil {
		c, isConst := p.constIndex(limit.o)
		switch {
		case limit.o.bad():
			return false
		case !isConst || c < 1:
			p.errorf(limit.e, "type", "write a number: max = 64", "the max of a loop is known before packets come, and at least 1")
			return false
		case c > maxTurns:
			p.errorf(limit.e, "limit", "split the work over packets, or look at less", "max = %d is more than the limit of %d turns", c, maxTurns)
			return false
		}
		if n < 0 || n > c {
			n, r.certain = c, r.certain && n >= 0
		}
	}
	switch {
	case n < 0 || n > 1<<20:
		p.want(r.start)
		p.want(r.stop)
		p.errorf(call, "loop", "write range(n, max = 64), range(min(n, 64)) or mask it: n & 63", "how many turns this loop has at most is not known")
		return false
	case n > maxTurns:
		p.want(r.start)
		p.want(r.stop)
		p.errorf(call, "limit", "write range(n, max = 64), or min(n, 64)", "the loop can have %d turns, more than the limit of %d", n, maxTurns)
		return false
	}
	r.max = int(n)
	return true
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

// unroll types the body of a loop anew for each value.
func (p *pass) unroll(s *syntax.ForStmt, vs []starlark.Value) {
	l := &loop{}
	p.loops = append(p.loops, l)
	u := &Unrolled{Pos: posOf(s.For)}
	last := map[*variable]starlark.Value{}
	if p.unrolling.Line == 0 {
		p.unrolling = u.Pos
		defer func() { p.unrolling = diag.Pos{} }()
	}
	var breaks *flow
	ids := map[*variable]bool{}
	for i, x := range vs {
		if p.full || p.fl.dead {
			break
		}
		for j := range p.info.inLoop[s] {
			p.fl.forget(p.s.vars[j])
		}
		l.breaks, l.continues = nil, nil
		turn := p.nested(func() {
			p.bindTurn(s, s.Vars, x, last, ids)
			p.stmts(s.Body)
		})
		u.Turns = append(u.Turns, turn)
		breaks = meet(breaks, l.breaks)
		p.fl = meet(p.fl, l.continues)
		_ = i
	}
	p.leaveLoop()
	after := p.fl
	p.fl = meet(after, breaks).clone()
	dead := p.fl.dead
	p.fl.dead = false
	for v := range ids {
		delete(p.turn, v)
		if v.typ.Kind == value.None && breaks == nil && !p.info.inLoop[s][v.index] && last[v] != nil {
			v.static = last[v]
		}
	}
	for _, t := range u.Turns {
		if len(t) > 0 {
			p.emit(u)
			break
		}
	}
	if len(vs) == 0 {
		eachTarget(s.Vars, func(id *syntax.Ident) { p.emptyLoop(id) })
	}
	p.fl.dead = dead
}

// emptyLoop leaves the variable of a loop without turns at zero.
func (p *pass) emptyLoop(id *syntax.Ident) {
	if b, ok := id.Binding.(*resolve.Binding); ok && (b.Scope == resolve.Local || b.Scope == resolve.Cell) {
		v := p.s.vars[b.Index]
		v.bad = v.bad || v.typ.Kind == value.None
	}
}

// bindTurn binds the names of a loop to the value of a turn. Where the body does
// not assign to a name, it is known in the body; what can be kept at run time is,
// for after the loop.
func (p *pass) bindTurn(s *syntax.ForStmt, target syntax.Expr, x starlark.Value, last map[*variable]starlark.Value, ids map[*variable]bool) {
	if list, ok := targetList(unparen(target)); ok {
		n := starlark.Len(x)
		ix, ok := x.(starlark.Indexable)
		if !ok || n != len(list) {
			p.errorf(target, "type", "both need as many", "%s cannot be taken apart into %d names", describe(x), len(list))
			for _, t := range list {
				eachTarget(t, func(id *syntax.Ident) { p.setLocal(id, operand{}) })
			}
			return
		}
		for i, t := range list {
			p.bindTurn(s, t, ix.Index(i), last, ids)
		}
		return
	}
	id, ok := unparen(target).(*syntax.Ident)
	if !ok {
		p.errorf(target, "type", "loop over names", "a loop sets names only")
		return
	}
	b, ok := id.Binding.(*resolve.Binding)
	if !ok || b.Scope != resolve.Local && b.Scope != resolve.Cell {
		return
	}
	v := p.s.vars[b.Index]
	ids[v] = true
	last[v] = x
	inBody := p.info.inLoop[s][b.Index]
	if scalar(x) && !isTuple(x) && (v.static == nil) && p.turnFits(v, x) {
		if p.info.assigned[b.Index] > 1 || p.usedAfter(s, v) || inBody {
			p.setLocal(id, known(x))
		}
	} else if inBody {
		p.setLocal(id, known(x))
	}
	if !inBody {
		p.turn[v] = x
	}
	p.fl.mark(v)
}

func isTuple(v starlark.Value) bool {
	_, ok := v.(starlark.Tuple)
	return ok
}

// turnFits reports whether x can be kept in v beside what v holds in other turns.
func (p *pass) turnFits(v *variable, x starlark.Value) bool {
	e, err := p.constant(x, v.first)
	if err != nil {
		return false
	}
	if v.typ.Kind == value.None {
		return true
	}
	_, ok := join(v.typ, norm(e.Type()))
	return ok
}

// usedAfter reports whether v is read outside of the loop s.
func (p *pass) usedAfter(s *syntax.ForStmt, v *variable) bool {
	inside, all := 0, 0
	count := func(n *int) func(syntax.Node) bool {
		return func(node syntax.Node) bool {
			if id, ok := node.(*syntax.Ident); ok {
				if b, ok := id.Binding.(*resolve.Binding); ok && (b.Scope == resolve.Local || b.Scope == resolve.Cell) &&
					b.Index == v.index && b == p.s.def.Locals[v.index] {
					*n++
				}
			}
			return true
		}
	}
	syntax.Walk(s, count(&inside))
	for _, st := range p.s.def.Body {
		syntax.Walk(st, count(&all))
	}
	return all > inside
}

// forTable loops over a long list of constants: the list becomes a table that
// the loop reads. It reports false if the values need to be unrolled.
func (p *pass) forTable(s *syntax.ForStmt, vs []starlark.Value) bool {
	for _, v := range vs {
		if !scalar(v) || isParam(v) {
			return false
		}
	}
	diags := p.diags
	values, t := p.constants(s.X, vs)
	if values == nil {
		p.diags = diags
		return false
	}
	pos := posOf(s.For)
	l := p.enterLoop(s)
	i := p.temp(value.U64, pos)
	ref := &LocalRef{Base{value.U64, pos}, i}
	read := func(vs []Expr, t value.Type) Expr { return &Index{Base{t, pos}, vs, ref} }
	body := p.nested(func() {
		var x Expr
		if t.Kind == value.Tuple {
			x = p.columns(values, t, read, s)
		} else {
			x = read(values, t)
		}
		if list, ok := targetList(unparen(s.Vars)); ok && t.Kind == value.Tuple && len(list) == len(t.Elems) {
			for k, target := range list {
				p.assign(unparen(target), s.X, run(p.element(x, k)))
			}
		} else if ok {
			p.errorf(s.Vars, "type", "both need as many", "%s cannot be taken apart into %d names", what(t), len(list))
			p.skipLoop(s)
		} else {
			p.assign(unparen(s.Vars), s.X, run(x))
		}
		p.stmts(s.Body)
	})
	p.leaveLoop()
	after := meet(meet(p.fl, l.continues), l.breaks)
	p.fl = after.clone()
	dead := p.fl.dead
	p.fl.dead = false
	p.emit(&Range{Pos: pos, Var: i, Start: intConst(0, false, pos), Stop: intConst(uint64(len(vs)), false, pos), Step: 1, Max: len(vs), Body: body})
	p.fl.dead = dead
	for j := range p.info.inLoop[s] {
		p.fl.forget(p.s.vars[j])
	}
	return true
}
