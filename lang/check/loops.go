package check

import (
	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/diag"
	"weir/lang/value"
	"weir/packet"
)

// A loop is one that the pass is in.
type loop struct {
	breaks, continues *flow
	stmt              syntax.Stmt     // nil: laid out turn by turn
	entered           map[*Local]bool // views that had ended before it
	moves             int             // of the packet before it
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
	after := p.fl.clone() // the body is typed for its errors
	p.enterLoop(s)
	p.block(s.Body)
	p.leaveLoop()
	p.fl = after
}

// enterLoop forgets what the body of a loop may change.
func (p *pass) enterLoop(s syntax.Stmt) *loop {
	for i := range p.info.inLoop[s] {
		p.fl.forget(p.s.vars[i])
		delete(p.turn, p.s.vars[i])
	}
	l := &loop{stmt: s, entered: map[*Local]bool{}, moves: p.moves}
	for v := range p.fl.ended {
		l.entered[v] = true
	}
	if p.s.loopMoves[s] {
		p.fl.has &= bit(packet.Eth)
		clear(p.fl.tests)
	}
	for v, m := range p.s.loopEnds[s] {
		p.fl.end(v, m)
	}
	p.loops = append(p.loops, l)
	return l
}

func (p *pass) leaveLoop() {
	p.endLoop(p.loops[len(p.loops)-1])
	p.loops = p.loops[:len(p.loops)-1]
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
