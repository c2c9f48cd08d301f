package check

import (
	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/diag"
	"weir/lang/value"
	"weir/packet"
)

// assignStmt types x = e, x OP= e and a, b = e.
func (p *pass) assignStmt(s *syntax.AssignStmt) {
	if s.Op != syntax.EQ {
		p.augmented(s)
		return
	}
	lhs := unparen(s.LHS)
	targets, ok := targetList(lhs)
	if !ok {
		o := p.expr(s.RHS)
		p.assign(lhs, s.RHS, o)
		return
	}
	parts := p.split(s.RHS, len(targets))
	if parts == nil {
		return
	}
	// All of the right side is computed before anything is stored.
	block := p.nested(func() {
		for i := range parts {
			if parts[i].x != nil {
				parts[i].x = p.keep(parts[i].x)
			}
		}
		for i, t := range targets {
			p.assign(unparen(t), s.RHS, parts[i])
		}
	})
	if len(block) > 0 {
		p.emit(&Block{Pos: at(s), Body: block})
	}
}

func targetList(e syntax.Expr) ([]syntax.Expr, bool) {
	switch e := e.(type) {
	case *syntax.TupleExpr:
		return e.List, true
	case *syntax.ListExpr:
		return e.List, true
	}
	return nil, false
}

// split gives the n values of the right side of a parallel assignment.
func (p *pass) split(rhs syntax.Expr, n int) []operand {
	var parts []operand
	if list, ok := targetList(unparen(rhs)); ok {
		var moves []int
		for _, e := range list {
			parts = append(parts, p.expr(e))
			moves = append(moves, p.moves)
		}
		for i, o := range parts {
			p.overtaken(list[i], o, moves[i])
		}
	} else {
		o := p.expr(rhs)
		switch {
		case o.bad():
			return nil
		case o.v != nil:
			it := starlark.Iterate(o.v)
			if it == nil {
				p.errorf(rhs, "type", "give it a tuple", "%s cannot be taken apart into %d values", describe(o.v), n)
				return nil
			}
			defer it.Done()
			var v starlark.Value
			for it.Next(&v) && len(parts) <= maxTurns {
				parts = append(parts, known(v))
			}
		case o.x.Type().Kind != value.Tuple:
			p.errorf(rhs, "type", "give it a tuple", "%s cannot be taken apart into %d values", what(o.x.Type()), n)
			return nil
		default:
			if effects(o.x) {
				o.x = p.keep(o.x)
			}
			for i := range o.x.Type().Elems {
				parts = append(parts, run(p.element(o.x, i)))
			}
		}
	}
	if len(parts) != n {
		p.errorf(rhs, "type", "both sides need as many", "%d values are assigned to %d names", len(parts), n)
		return nil
	}
	return parts
}

// element is x[i] of a tuple.
func (p *pass) element(x Expr, i int) Expr {
	if t, ok := x.(*TupleOf); ok {
		return t.Elems[i]
	}
	return &Element{Base{x.Type().Elems[i], x.Pos()}, x, i}
}

// assign stores an operand in a name, a field or an entry of a map.
func (p *pass) assign(lhs syntax.Expr, rhs syntax.Expr, o operand) {
	switch lhs := lhs.(type) {
	case *syntax.Ident:
		if o.v == starlark.None {
			p.errorf(rhs, "python", "begin with 0, False or a value of its own; of a record, look it up where it is needed", "nothing is None at packet time")
			o = operand{}
		}
		p.setLocal(lhs, o)
	case *syntax.DotExpr:
		p.setAttr(lhs, rhs, o)
	case *syntax.IndexExpr:
		p.setIndex(lhs, rhs, o)
	case *syntax.SliceExpr:
		p.errorf(lhs, "python", "store the elements one by one", "slices are for build time only")
	case *syntax.TupleExpr, *syntax.ListExpr:
		p.errorf(lhs, "type", "take the inner one apart on a line of its own", "only one level of names can be assigned at once")
	}
}

// setLocal assigns to a local.
func (p *pass) setLocal(id *syntax.Ident, o operand) {
	b, ok := id.Binding.(*resolve.Binding)
	if !ok || b.Scope != resolve.Local && b.Scope != resolve.Cell {
		p.errorf(id, "state", "keep what changes from packet to packet in a map", "%s belongs to the file: packet-time code cannot change it", id.Name)
		return
	}
	v := p.s.vars[b.Index]
	defer func() { p.fl.mark(v) }()
	delete(p.turn, v)
	p.fl.forget(v)
	delete(p.fl.ended, v.local)
	if o.bad() {
		p.lost = true
		if v.typ.Kind == value.None && v.static == nil {
			v.bad = true
		}
		return
	}
	pos := posOf(id.NamePos)
	p.shadows(id)
	if o.v != nil && !scalar(o.v) && !(isBytes(o.v) && p.info.assigned[b.Index] > 1) {
		p.bindStatic(v, o.v, pos)
		return
	}
	x := p.value(id, o)
	if x == nil {
		return
	}
	p.setVar(v, x, pos)
}

// scalar reports whether a build-time value can be a run-time value.
func scalar(v starlark.Value) bool {
	switch v := v.(type) {
	case starlark.Bool, starlark.Int, addrVal, verdictVal, *paramVal, ifaceVal:
		return true
	case starlark.Tuple:
		for _, e := range v {
			if !scalar(e) {
				return false
			}
		}
		return len(v) > 0
	}
	return false
}

// plain reports whether a build-time value can be a run-time value, bytes among
// them: these stay known as long as nothing else is assigned to their name.
func plain(v starlark.Value) bool {
	switch v := v.(type) {
	case starlark.Bytes:
		return true
	case starlark.Tuple:
		for _, e := range v {
			if !plain(e) {
				return false
			}
		}
		return len(v) > 0
	}
	return scalar(v)
}

// bindStatic makes a local a name for a value known at build time.
func (p *pass) bindStatic(v *variable, x starlark.Value, pos diag.Pos) {
	switch {
	case v.typ.Kind != value.None:
		p.errorAt(pos, "type", "use another name", "%s is %s since line %d, and cannot be %s as well", v.name, what(v.typ), v.first.Line, describe(x))
	case v.static == nil:
		v.static, v.first = x, pos
	case !sameStatic(v.static, x):
		p.errorAt(pos, "type", "use another name, or pass it to a function as an argument",
			"%s already is %s, and what is known at build time only cannot change from packet to packet", v.name, describe(v.static))
	}
}

func sameStatic(a, b starlark.Value) bool {
	if f, ok := a.(*localFunc); ok {
		g, ok := b.(*localFunc)
		return ok && f.def == g.def
	}
	if staticKey(a) == staticKey(b) {
		return true
	}
	same, err := starlark.Equal(a, b)
	return err == nil && same && a.Type() == b.Type()
}

// setVar assigns a run-time value to a local.
func (p *pass) setVar(v *variable, x Expr, pos diag.Pos) {
	t := norm(x.Type())
	switch {
	case v.static != nil:
		p.errorAt(pos, "type", "use another name", "%s already is %s, and cannot be %s as well", v.name, describe(v.static), what(x.Type()))
		return
	case v.typ.Kind == value.None:
		v.typ, v.first, v.local.Type = t, pos, t
		p.changed = p.changed || v.bad // readers before this were silenced
	default:
		j, ok := join(v.typ, t)
		if !ok {
			p.errorAt(pos, "type", localHint(v.typ, t), "%s is %s since line %d, and cannot be %s as well", v.name, what(v.typ), v.first.Line, what(x.Type()))
			return
		}
		if !j.Equal(v.typ) {
			v.typ, v.local.Type = j, j
			p.changed = true
		}
	}
	if v.typ.Kind == value.Packet {
		return
	}
	x = p.coerce(x, v.typ)
	p.emit(&Assign{Pos: pos, Local: v.local, X: x})
	if b, ok := p.bounds(x); ok && len(p.fl.bounds) < maxTracked {
		p.fl.bounds[v.local] = b
	}
	if f := p.factsOf(x); f != (facts{}) && len(p.fl.tests) < maxTracked {
		p.fl.tests[v.local] = f
	}
}

func localHint(old, t value.Type) string {
	if isIP(old.Kind) && isIP(t.Kind) {
		return "a local has one type: ip(x) holds both families"
	}
	if old.Kind == value.View && t.Kind == value.View && old.Inner == t.Inner {
		switch {
		case old.Header == packet.IP4 || old.Header == packet.IP6:
			return "a local has one type: pkt.ip is whichever is there"
		case old.Header == packet.TCP || old.Header == packet.UDP || old.Header == packet.SCTP:
			return "a local has one type: pkt.l4 is whichever is there"
		}
	}
	return "a local has one type: use another name"
}

// augmented types x OP= e.
func (p *pass) augmented(s *syntax.AssignStmt) {
	lhs := unparen(s.LHS)
	op := s.Op - syntax.PLUS_EQ + syntax.PLUS
	moves := p.moves
	rhs := p.expr(s.RHS)
	switch l := lhs.(type) {
	case *syntax.Ident:
		old := p.ident(l)
		if old.bad() {
			p.setLocal(l, operand{})
			return
		}
		p.setLocal(l, p.binary(s, s.OpPos, op, l, old, s.RHS, rhs))
	case *syntax.DotExpr:
		p.augmentAttr(s, l, op, rhs, moves)
	case *syntax.IndexExpr:
		p.augmentIndex(s, l, op, rhs)
	default:
		p.errorf(lhs, "syntax", "change one value at a time", "%s needs a name, a field or an entry of a map on its left", s.Op)
	}
}

// updates are the operators that a map or field can do in place.
var updates = map[syntax.Token]Update{
	syntax.PLUS: AddTo, syntax.MINUS: SubFrom, syntax.PIPE: OrInto, syntax.AMP: AndInto, syntax.CIRCUMFLEX: XorInto,
}

// setAttr stores in a field of a header or record.
func (p *pass) setAttr(l *syntax.DotExpr, rhs syntax.Expr, o operand) {
	base := p.expr(l.X)
	if base.bad() || o.bad() {
		return
	}
	name := l.Name.Name
	if base.v != nil {
		p.errorAt(posOf(l.Name.NamePos), "state", "keep what changes from packet to packet in a map", "%s belongs to the file: packet-time code cannot change it", source(l.X, base.v))
		return
	}
	switch t := base.x.Type(); t.Kind {
	case value.View:
		if f, ok := p.headerField(l, base.x, true); ok {
			p.storeHeader(l, base.x, f, rhs, o)
		}
	case value.Record:
		if i := p.recordField(l, t); i >= 0 {
			if x := p.store(rhs, p.value(rhs, o), t.Elems[i], "field "+name); x != nil {
				p.emit(&SetField{Pos: at(l), Rec: base.x, Index: i, X: x})
			}
		}
	case value.Packet:
		if !p.observes(posOf(l.Name.NamePos)) {
			p.setPacket(l, base.x, rhs, o)
		}
	case value.Span:
		p.setLaid(l, base.x, rhs, o)
	default:
		p.errorAt(posOf(l.Name.NamePos), "type", "fields of headers and records can be assigned to", "%s has no field to assign to", what(t))
	}
}

func (p *pass) storeHeader(l *syntax.DotExpr, view Expr, f packet.Field, rhs syntax.Expr, o operand) {
	if p.isInside(l, view.Type()) || !p.mayWrite(l, view.Type().Header, f) {
		return
	}
	x := p.value(rhs, o)
	if x == nil {
		return
	}
	place := view.Type().Header.String() + "." + f.Name
	if _, isConst := x.(*Const); f.Kind == packet.Flag && x.Type().Kind == value.Int && !isConst {
		// Storing keeps the low bits: of one bit the lowest.
		x = &Convert{Base{value.BoolT, x.Pos()}, arith(And, x, intConst(1, false, x.Pos()))}
	}
	if x = p.store(rhs, x, storedAs(f), place); x == nil {
		return
	}
	if c, ok := x.(*Const); ok && f.Kind == packet.Uint && c.Bits > f.Max() {
		p.errorf(rhs, "range", "it holds 0 to "+itoa(f.Max()), "%s does not fit %s", constInt(c), place)
		return
	}
	if moveIn(x) {
		x = p.keep(x) // what is stored is computed before the header is found
	}
	p.emit(&SetHeader{Pos: at(l), View: view, Field: f, X: x})
}

func (p *pass) augmentAttr(s *syntax.AssignStmt, l *syntax.DotExpr, op syntax.Token, rhs operand, moves int) {
	base := p.expr(l.X)
	p.overtaken(l, base, moves) // it is read before the right side is computed
	if base.bad() || rhs.bad() {
		return
	}
	if base.x != nil && base.x.Type().Kind == value.Record {
		i := p.recordField(l, base.x.Type())
		if i < 0 {
			return
		}
		t := base.x.Type().Elems[i]
		if u, ok := updates[op]; ok && t.Kind == value.Int {
			if x := p.intValue(s.RHS, rhs, "what is added"); x != nil {
				p.emit(&SetField{Pos: at(l), Rec: base.x, Index: i, Op: u, X: x})
			}
			return
		}
		rec := base.x
		if _, ok := rec.(*LocalRef); !ok {
			rec = p.keep(rec)
		}
		old := run(&Field{Base{t, at(l)}, rec, i})
		x := p.value(s.RHS, p.binary(s, s.OpPos, op, l, old, s.RHS, rhs))
		if x = p.store(s.RHS, x, t, "field "+l.Name.Name); x != nil {
			p.emit(&SetField{Pos: at(l), Rec: rec, Index: i, X: x})
		}
		return
	}
	if base.x != nil && base.x.Type().Laid() {
		p.augmentLaid(s, l, op, rhs, base.x)
		return
	}
	old := p.attrOf(l, base)
	if old.bad() {
		return
	}
	p.setAttr(l, s.RHS, p.binary(s, s.OpPos, op, l, old, s.RHS, rhs))
}
