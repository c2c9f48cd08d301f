package check

import (
	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/diag"
	"weir/lang/value"
)

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
	for _, x := range vs {
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
		if p.info.assigned[b.Index] > 1 || p.info.usedOutside(s, b.Index) || inBody {
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
