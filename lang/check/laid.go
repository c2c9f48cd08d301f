package check

import (
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/value"
)

// A headerVal is what header(…) gives: a header of the chain's own. It is laid
// over bytes by SPAN.view(H, off), which gives a span that has its fields.
type headerVal struct{ t value.Type }

var (
	_ starlark.Callable = (*headerVal)(nil)
	_ starlark.HasAttrs = (*headerVal)(nil)
)

const layHint = "write pkt.payload.view(H), or pkt.payload.view(H, off = 4)"

func (h *headerVal) String() string        { return h.t.String() }
func (h *headerVal) Type() string          { return "header" }
func (h *headerVal) Freeze()               {}
func (h *headerVal) Truth() starlark.Bool  { return true }
func (h *headerVal) Hash() (uint32, error) { return hashOf([]byte(h.String())), nil }
func (h *headerVal) Name() string          { return "header" }
func (h *headerVal) AttrNames() []string   { return []string{"size"} }

// size is how many octets the header has.
func (h *headerVal) size() int { return h.t.WireOffset(len(h.t.Elems)) }

// Attr gives H.size.
func (h *headerVal) Attr(name string) (starlark.Value, error) {
	if name == "size" {
		return starlark.MakeInt(h.size()), nil
	}
	return nil, nil
}

// CallInternal refuses: no header is made at build time.
func (h *headerVal) CallInternal(*starlark.Thread, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
	return nil, fault("type", layHint, "a header is laid over bytes, not made")
}

// declareHeader is header(type = u8, …).
func declareHeader(_ *starlark.Thread, _ string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	const form = "write header(type = u8, id = u16)"
	if len(args) > 0 {
		return nil, fault("call", form, "the fields of a header are given by name")
	}
	if len(kwargs) == 0 {
		return nil, fault("call", form, "a header needs a field")
	}
	h := &headerVal{value.Type{Kind: value.Span}}
	for _, kw := range kwargs {
		name := string(kw[0].(starlark.String))
		t, err := typeOf(kw[1])
		if err == nil {
			err = onTheWire(t)
		}
		if err != nil {
			return nil, within("field "+name, err)
		}
		h.t.Names, h.t.Elems = append(h.t.Names, name), append(h.t.Elems, t)
	}
	return h, nil
}

// onTheWire says why a field of a header has no type t.
func onTheWire(t value.Type) error {
	hint := "fields of a header are u8 … i64, ip4, ip6, mac and octets(n)"
	switch t.Kind {
	case value.Int, value.IP4, value.IP6, value.MAC, value.Octets:
		return nil
	case value.Bool:
		hint = "write u8, and test a bit: h.flags & 0x80 != 0"
	case value.IP:
		hint = "write ip4 or ip6, which have 4 and 16 bytes"
	case value.Record, value.Tuple:
		hint = "write its fields one by one, or lay a second header behind the first: .view(H, off = 8)"
	}
	return fault("type", hint, "%s has no one form in packets", article(t))
}

// layHeader is SPAN.view(H, off = 0).
func (p *pass) layHeader(e *syntax.CallExpr, span Expr) operand {
	args, ok := p.passArgs(e, "view", []string{"header", "off"}, 2, 1)
	if !ok {
		return operand{}
	}
	h, ok := args[0].o.v.(*headerVal)
	if !ok {
		var given string
		if args[0].o.x != nil {
			given = what(args[0].o.x.Type())
		} else {
			given = describe(args[0].o.v)
		}
		p.errorf(args[0].e, "type", "declare one at the top level of the file: H = header(type = u8, id = u16)", "view() lays a header over bytes, not %s", given)
		return operand{}
	}
	off := Expr(intConst(0, false, at(e)))
	if args[1].e != nil {
		off = p.offset(args[1], "the header is not there")
	}
	if off == nil {
		return operand{}
	}
	t := h.t
	t.Frame = span == nil
	if span != nil {
		t.Inner = span.Type().Inner
	}
	return run(&Laid{Base{t, at(e)}, span, off})
}

// fieldOfLaid is the index of a field of a header laid over bytes, or -1 after
// an error.
func (p *pass) fieldOfLaid(e *syntax.DotExpr, t value.Type) int {
	i := t.Field(e.Name.Name)
	if i < 0 {
		p.errorAt(posOf(e.Name.NamePos), "name", didYouMean(e.Name.Name, "", t.Names), "the header has no field %s", e.Name.Name)
	}
	return i
}

// laidField reads a field of a header laid over bytes.
func (p *pass) laidField(e *syntax.DotExpr, view Expr) operand {
	if e.Name.Name == "offset" && view.Type().Field("offset") < 0 {
		p.testedLaid(e, view, false)
		return p.offsetOf(e, view)
	}
	i := p.fieldOfLaid(e, view.Type())
	if i < 0 {
		return operand{}
	}
	p.testedLaid(e, view, false)
	t, pos := view.Type().Elems[i], at(e)
	off := intConst(uint64(view.Type().WireOffset(i)), false, pos)
	whole := value.Type{Kind: value.Int, Width: t.Size()}
	switch {
	case t.Equal(whole):
		return run(&Read{Base{t, pos}, view, off, t.Width})
	case t.Kind == value.Int, t.Kind == value.IP4:
		return run(&Convert{Base{t, pos}, &Read{Base{whole, pos}, view, off, whole.Width}})
	case t.Kind == value.Octets:
		return run(&BytesAt{Base{t, pos}, view, off})
	}
	return run(&Convert{Base{t, pos}, &BytesAt{Base{octetsOf(t.Size()), pos}, view, off}})
}

// laidIn is the bit of the local that a header of the chain's own is in, if its
// tests are followed: a function's parameters were tested by who calls it.
func (p *pass) laidIn(x Expr) headers {
	ref, ok := x.(*LocalRef)
	if !ok || !x.Type().Laid() {
		return 0
	}
	for _, v := range p.s.vars[len(p.s.args):] {
		if v.local == ref.Local {
			return laidBit(v)
		}
	}
	return 0
}

// testedLaid warns of a field whose header was not tested.
func (p *pass) testedLaid(e *syntax.DotExpr, view Expr, write bool) {
	if p.c.b.opts.Line || p.fl.dead {
		return
	}
	hint := "keep it in a local and test that first: h = pkt.payload.view(H)"
	if ref, ok := view.(*LocalRef); ok {
		if in := p.laidIn(view); in == 0 || p.fl.has&in != 0 {
			return
		}
		hint = "test it first: if " + ref.Local.Name + ":"
	}
	field := e.Name.Name
	if write {
		p.warnf(e, "unguarded", hint, "writing %s of a header that is not wholly there does nothing", field)
		return
	}
	p.warnf(e, "unguarded", hint, "%s of a header that is not wholly there reads as zero", field)
}

// setLaid stores in a field of a header laid over bytes.
func (p *pass) setLaid(l *syntax.DotExpr, view Expr, rhs syntax.Expr, o operand) {
	name := l.Name
	if !view.Type().Laid() {
		p.errorAt(posOf(name.NamePos), "type", "write bytes with .put_u8(off, x) and its like, or lay a header over them: .view(H)", "%s has no field to assign to", what(view.Type()))
		return
	}
	i := p.fieldOfLaid(l, view.Type())
	if i < 0 || p.isInside(l, view.Type()) || !p.mayPut(posOf(name.NamePos)) {
		return
	}
	p.testedLaid(l, view, true)
	t := view.Type().Elems[i]
	x := p.store(rhs, p.value(rhs, o), t, "field "+name.Name)
	if x == nil {
		return
	}
	if _, ok := view.(*LocalRef); !ok {
		x = p.keep(x) // what is stored is computed before the bytes are found
	}
	off := intConst(uint64(view.Type().WireOffset(i)), false, at(l))
	p.emit(&Eval{Pos: at(l), X: &Put{Base{value.Type{}, at(l)}, view, off, x, t.Size()}})
}

// augmentLaid types VIEW.field OP= e.
func (p *pass) augmentLaid(s *syntax.AssignStmt, l *syntax.DotExpr, op syntax.Token, rhs operand, view Expr) {
	if _, ok := view.(*LocalRef); !ok {
		view = p.keep(view) // it is laid over the bytes once
	}
	before := len(p.diags)
	if old := p.laidField(l, view); !old.bad() {
		p.diags = p.diags[:before] // that nothing was tested is said once
		p.setLaid(l, view, s.RHS, p.binary(s, s.OpPos, op, l, old, s.RHS, rhs))
	}
}
