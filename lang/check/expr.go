package check

import (
	"math/big"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/value"
)

// expr types an expression.
func (p *pass) expr(e syntax.Expr) operand {
	switch e := e.(type) {
	case *syntax.ParenExpr:
		return p.expr(e.X)
	case *syntax.Ident:
		return p.ident(e)
	case *syntax.Literal:
		return p.literal(e)
	case *syntax.UnaryExpr:
		return p.unary(e)
	case *syntax.BinaryExpr:
		return p.binaryExpr(e)
	case *syntax.CondExpr:
		return p.choose(e)
	case *syntax.DotExpr:
		return p.attrOf(e, p.expr(e.X))
	case *syntax.IndexExpr:
		return p.index(e)
	case *syntax.CallExpr:
		return p.call(e)
	case *syntax.TupleExpr:
		return p.tuple(e)
	case *syntax.ListExpr:
		return p.listExpr(e)
	case *syntax.DictExpr:
		p.errorf(e, "python", "make it at the top level of the file; named values of one packet are a record(a = u32)", "a dict cannot be made while a packet is handled")
	case *syntax.Comprehension:
		p.errorf(e, "python", "make the list at the top level of the file, or use a for loop", "comprehensions are for build time only")
	case *syntax.SliceExpr:
		p.errorf(e, "python", sliceHint(p.expr(e.X)), "slices are for build time only")
	case *syntax.LambdaExpr:
		return known(&localFunc{def: p.c.b.defs[posOf(e.Lambda)], name: "lambda", outer: p, params: e.Params})
	default:
		p.errorf(e, "syntax", "", "this expression means nothing here")
	}
	return operand{}
}

func (p *pass) literal(e *syntax.Literal) operand {
	switch v := e.Value.(type) {
	case string:
		if e.Token == syntax.BYTES {
			return known(starlark.Bytes(v))
		}
		return known(starlark.String(v))
	case int64:
		return known(starlark.MakeInt64(v))
	case *big.Int:
		return known(starlark.MakeBigInt(v))
	case float64:
		p.errorf(e, "type", "compute with integers, and divide with //", "a fraction has no value at packet time")
	}
	return operand{}
}

// ident reads a name.
func (p *pass) ident(id *syntax.Ident) operand {
	b, ok := id.Binding.(*resolve.Binding)
	if !ok {
		return operand{}
	}
	switch b.Scope {
	case resolve.Local, resolve.Cell:
		return p.local(id, p.s.vars[b.Index])
	case resolve.Free:
		return p.free(id, p.s.callee, b.Index)
	case resolve.Global:
		if v := p.c.globalsOf(p.s.callee)[id.Name]; v != nil {
			return known(v)
		}
		p.errorf(id, "name", "set it on every way through the top level of the file", "%s has no value: the statement that sets it did not run", id.Name)
	case resolve.Predeclared:
		return known(p.c.b.env[id.Name])
	case resolve.Universal:
		return known(starlark.Universe[id.Name])
	}
	return operand{}
}

// local reads a local.
func (p *pass) local(id *syntax.Ident, v *variable) operand {
	if x, ok := p.turn[v]; ok {
		return known(x)
	}
	if !p.fl.isSet(v) {
		p.notSet(id, v)
		p.fl.mark(v) // told once
		if v.typ.Kind == value.None && v.static == nil {
			v.bad = true
		}
		return operand{}
	}
	p.stillThere(id, v)
	switch {
	case v.static != nil:
		return known(v.static)
	case v.typ.Kind == value.None:
		return operand{} // an error was told where it was assigned
	case v.typ.Kind == value.Packet:
		return run(&LocalRef{Base{v.typ, posOf(id.NamePos)}, p.packetParam()})
	}
	return run(&LocalRef{Base{v.typ, posOf(id.NamePos)}, v.local})
}

// packetParam is the local that holds the packet, whatever it is called. A nested
// function that uses the packet of the one around it gets a parameter for it.
func (p *pass) packetParam() *Local {
	for _, l := range p.s.out.Params {
		if l.Type.Kind == value.Packet {
			return l
		}
	}
	p.s.hidden = &Local{Name: "pkt", Type: value.PacketT, Pos: p.s.pos()}
	p.s.out.Params = append(p.s.out.Params, p.s.hidden)
	return p.s.hidden
}

func (p *pass) notSet(id *syntax.Ident, v *variable) {
	if _, global := p.c.globalsOf(p.s.callee)[id.Name]; global {
		p.errorf(id, "state", "keep what changes from packet to packet in a map; what lasts for one packet needs a name of its own",
			"%s is assigned in %s, so it is not the file's %s, and it is read before it is set", id.Name, p.s.name, id.Name)
		return
	}
	p.errorf(id, "flow", "give it a value on every way that leads here, best where it first appears", "%s may be used before it is set", id.Name)
}

// free reads a variable of the function around a nested one.
func (p *pass) free(id *syntax.Ident, f callee, index int) operand {
	if f.fn != nil {
		if _, v := f.fn.FreeVar(index); v != nil {
			return known(v)
		}
		p.errorf(id, "name", "set it before the function that uses it is handed on", "%s has no value: nothing was assigned to it at build time", id.Name)
		return operand{}
	}
	outer := f.local.outer
	b := f.def.FreeVars[index]
	if b.Scope == resolve.Free {
		return p.free(id, outer.s.callee, b.Index)
	}
	v := outer.s.vars[b.Index]
	if x, ok := outer.turn[v]; ok {
		return known(x)
	}
	if v.static != nil {
		return known(v.static)
	}
	if v.bad {
		return operand{}
	}
	if v.typ.Kind == value.Packet {
		return run(&LocalRef{Base{v.typ, posOf(id.NamePos)}, p.packetParam()})
	}
	p.errorf(id, "closure", "give "+f.name+" a parameter for it", "%s uses %s of the function around it, which changes from packet to packet", f.name, id.Name)
	return operand{}
}

// globals are those of the file that defines the function. The interpreter makes
// a dict of them at each call, so they are kept.
func (c *checker) globalsOf(f callee) starlark.StringDict {
	for f.fn == nil {
		f = f.local.outer.s.callee
	}
	m := f.fn.Module()
	g, ok := c.globals[m]
	if !ok {
		g = f.fn.Globals()
		c.globals[m] = g
	}
	return g
}

// choose is X if COND else Y.
func (p *pass) choose(e *syntax.CondExpr) operand {
	c := p.cond(e.Cond)
	if c.known {
		if c.holds {
			return p.expr(e.True)
		}
		return p.expr(e.False)
	}
	before := p.fl
	p.fl = before.clone()
	p.fl.has |= c.facts.yes
	t := p.expr(e.True)
	then := p.fl
	p.fl = before.clone()
	p.fl.has |= c.facts.no
	f := p.expr(e.False)
	p.fl = meet(then, p.fl)
	if t.bad() || f.bad() {
		return operand{}
	}
	if t.v != nil && f.v != nil && !scalar(t.v) && staticKey(t.v) == staticKey(f.v) {
		return t
	}
	for _, o := range []operand{t, f} {
		if o.v != nil && !plain(o.v) && !isRecord(o.v) {
			p.errorf(e, "type", "write if and else with a statement for each", "which of two %ss is taken is known only when a packet comes", o.v.Type())
			return operand{}
		}
	}
	x, y := p.value(e.True, t), p.value(e.False, f)
	if x == nil || y == nil || c.x == nil {
		return operand{}
	}
	j, ok := join(x.Type(), y.Type())
	if !ok {
		p.errorf(e, "type", localHint(x.Type(), y.Type()), "both sides need one type, but these are %s and %s", what(x.Type()), what(y.Type()))
		return operand{}
	}
	return run(&Choose{Base{j, at(e)}, c.x, p.coerce(x, j), p.coerce(y, j)})
}

// source is how the chain calls a build-time value, if that is a plain path.
func source(e syntax.Expr, v starlark.Value) string {
	switch e := unparen(e).(type) {
	case *syntax.Ident:
		return e.Name
	case *syntax.DotExpr:
		if s := source(e.X, nil); s != "" {
			return s + "." + e.Name.Name
		}
	}
	if v == nil {
		return ""
	}
	return describe(v)
}

func isRecord(v starlark.Value) bool {
	_, ok := v.(*recordVal)
	return ok
}

// tuple is (a, b); known at build time if all of it is.
func (p *pass) tuple(e *syntax.TupleExpr) operand {
	ops := make([]operand, len(e.List))
	static, bad := true, false
	for i, x := range e.List {
		ops[i] = p.expr(x)
		bad = bad || ops[i].bad()
		_, param := ops[i].v.(*paramVal)
		static = static && ops[i].v != nil && !param
	}
	if bad {
		return operand{}
	}
	if static {
		t := make(starlark.Tuple, len(ops))
		for i, o := range ops {
			t[i] = o.v
		}
		return known(t)
	}
	t := &TupleOf{Base: Base{value.Type{Kind: value.Tuple}, at(e)}}
	for i, o := range ops {
		x := p.value(e.List[i], o)
		if x == nil {
			return operand{}
		}
		if k := x.Type().Kind; k == value.View || k == value.Span || k == value.Packet {
			p.errorf(e.List[i], "type", "put its fields into the tuple", "%s cannot be part of a tuple", what(x.Type()))
			return operand{}
		}
		t.Elems = append(t.Elems, x)
		t.T.Elems = append(t.T.Elems, norm(x.Type()))
	}
	return run(t)
}

// listExpr is a list of constants, as in x in [80, 443].
func (p *pass) listExpr(e *syntax.ListExpr) operand {
	var elems []starlark.Value
	for _, x := range e.List {
		o := p.expr(x)
		if o.bad() {
			return operand{}
		}
		if o.v == nil {
			c, ok := o.x.(*Const)
			v := staticOf(c)
			if !ok || v == nil {
				p.errorf(x, "python", "use a map, or a tuple: x in (a, b)", "a list cannot be made while a packet is handled")
				return operand{}
			}
			o.v = v
		}
		elems = append(elems, o.v)
	}
	l := starlark.NewList(elems)
	l.Freeze()
	return known(l)
}

// staticOf is the build-time value of a constant, or nil.
func staticOf(c *Const) starlark.Value {
	if c == nil {
		return nil
	}
	switch c.T.Kind {
	case value.Int:
		return constInt(c)
	case value.Bool:
		return starlark.Bool(c.Bits != 0)
	case value.IP4, value.IP6, value.IP:
		a := addrVal{kind: c.T.Kind}
		copy(a.b[:], mapped(c.Octets))
		return a
	case value.MAC:
		a := addrVal{kind: value.MAC}
		copy(a.b[:], c.Octets)
		return a
	case value.Octets:
		return starlark.Bytes(c.Octets)
	}
	return nil
}
