package check

import (
	"slices"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/value"
)

// packetCall calls a builtin of packet time.
func (p *pass) packetCall(e *syntax.CallExpr, b *packetBuiltin) operand {
	pos := at(e)
	switch b.name {
	case "count", "hist", "log":
		p.errorf(e, "type", "write it on a line of its own", "%s() gives no value", b.name)
		return operand{}
	case "sample":
		args, ok := p.passArgs(e, b.name, []string{"n"}, 1, 1)
		if !ok {
			return operand{}
		}
		if n := p.intValue(args[0].e, args[0].o, "n of sample()"); n != nil {
			return run(&Sample{Base{value.BoolT, pos}, n})
		}
	case "rand":
		if _, ok := p.passArgs(e, b.name, nil, 0, 0); ok {
			return run(&Rand{Base{value.U64, pos}})
		}
	case "now":
		if _, ok := p.passArgs(e, b.name, nil, 0, 0); ok {
			return run(&PacketField{Base{value.U64, pos}, "now", false})
		}
	case "cpu":
		if _, ok := p.passArgs(e, b.name, nil, 0, 0); ok {
			return run(&CPU{Base{value.U32, pos}})
		}
	case "hash_of":
		return p.hashCall(e)
	case "redirect_cpu", "to_user":
		return p.redirect(e, b.name)
	case "fib":
		return p.fibCall(e)
	case "clone":
		return p.cloneCall(e)
	case "mask":
		return p.maskCall(e)
	case "bit_length":
		return p.bitLength(e)
	case "tai":
		if _, ok := p.passArgs(e, b.name, nil, 0, 0); ok {
			return run(&TAI{Base{value.U64, pos}})
		}
	case "syncookie", "syncookie_ok":
		return p.synCookie(e, b.name)
	}
	return operand{}
}

func (p *pass) hashCall(e *syntax.CallExpr) operand {
	args, ok := p.passArgs(e, "hash_of", []string{"x", "seed"}, 2, 1)
	if !ok {
		return operand{}
	}
	x := p.value(args[0].e, args[0].o)
	if x == nil {
		return operand{}
	}
	if !hashable(x.Type()) {
		p.errorf(args[0].e, "type", "hash a field, or a tuple of fields: hash_of((ip.src, ip.dst))", "%s has no hash", what(x.Type()))
		return operand{}
	}
	if t := x.Type(); t.Kind == value.Int && t.Width < 8 {
		x = convertInt(x, norm(t), at(e)) // integers are hashed as 64 bits, whatever their width
	}
	var seed Expr = intConst(0, false, at(e))
	if args[1].e != nil {
		if seed = p.intValue(args[1].e, args[1].o, "the seed"); seed == nil {
			return operand{}
		}
	}
	return run(&HashOf{Base{value.U32, at(e)}, x, seed})
}

// builtinCall calls a builtin that exists at build time as well.
func (p *pass) builtinCall(e *syntax.CallExpr, b *starlark.Builtin) operand {
	switch name := b.Name(); name {
	case "min", "max":
		return p.minMax(e, b)
	case "abs":
		args, ok := p.passArgs(e, name, []string{"x"}, 1, 1)
		if !ok {
			return operand{}
		}
		return p.abs(e, args[0])
	case "len":
		return p.lenOf(e)
	case "int":
		args, ok := p.passArgs(e, name, []string{"x"}, 1, 1)
		if !ok {
			return operand{}
		}
		if x := p.intValue(args[0].e, args[0].o, "what int() is made of"); x != nil {
			return run(x)
		}
		return operand{}
	case "drop":
		return p.drop(e, b)
	case "redirect", "redirect_peer":
		return p.redirect(e, name)
	case "to_socket":
		return p.toSocket(e)
	case "reject":
		if len(e.Args) > 0 {
			p.errorf(e, "call", "write reject()", "reject() takes no arguments")
		} else if p.mayRedirect(e, name) {
			return known(verdictVal{v: Verdict{Action: Reject}})
		}
		p.args(e)
		return operand{}
	case "interface", "ns":
		return p.callStatic(e, b, name)
	case "table", "lru", "array", "lpm", "ring", "bloom", "queue", "stack", "param", "record", "struct":
		p.errorf(e, "build", "declare it at the top level, or in a function that the top level calls", "%s() is for build time: a packet cannot declare anything", name)
	case "print":
		p.errorf(e, "python", "log(\"{}\", x) tells whoever watches", "print() is for build time only")
	case "fail":
		p.failCall(e, b)
	case "range":
		return p.rangeCall(e, b)
	default:
		if hint, ok := pythonNames[name]; ok && !staticOnly[name] {
			p.errorf(e, "python", hint, "%s() is for build time only", name)
			p.args(e)
			return operand{}
		}
		return p.callStatic(e, b, name)
	}
	p.args(e)
	return operand{}
}

// staticOnly are builtins that can be called with build-time values anywhere.
var staticOnly = map[string]bool{"str": true, "len": true}

// failCall ends the compile with a message of the chain's own.
func (p *pass) failCall(e *syntax.CallExpr, b *starlark.Builtin) {
	o := p.args1(e)
	msg := "fail() was reached"
	if s, ok := o.v.(starlark.String); ok {
		msg = "fail: " + string(s)
	}
	p.errorf(e, "fail", "the file asks for this with fail(); for a packet, return a verdict", "%s", clip(msg))
}

func (p *pass) args1(e *syntax.CallExpr) operand {
	if len(e.Args) == 0 {
		return operand{}
	}
	if b, ok := e.Args[0].(*syntax.BinaryExpr); ok && b.Op == syntax.EQ {
		return operand{}
	}
	return p.expr(e.Args[0])
}

// rangeCall is range(…) as a value: known at build time.
func (p *pass) rangeCall(e *syntax.CallExpr, b *starlark.Builtin) operand {
	return p.callStatic(e, b, "range")
}

// minMax is min or max of two or more integers, or of a build-time list.
func (p *pass) minMax(e *syntax.CallExpr, b *starlark.Builtin) operand {
	name := b.Name()
	var xs []Expr
	for i, a := range e.Args {
		if _, named := a.(*syntax.BinaryExpr); named && a.(*syntax.BinaryExpr).Op == syntax.EQ {
			p.errorf(a, "call", "it takes two integers or more", "%s() has no such argument at packet time", name)
			return operand{}
		}
		o := p.expr(a)
		if o.bad() {
			return operand{}
		}
		if len(e.Args) == 1 && o.v != nil {
			return p.callStatic(e, b, name)
		}
		x := p.intValue(e.Args[i], o, "what "+name+"() compares")
		if x == nil {
			return operand{}
		}
		xs = append(xs, x)
	}
	if len(xs) < 2 {
		p.errorf(e, "call", "write "+name+"(a, b)", "%s() takes two integers or more", name)
		return operand{}
	}
	x := xs[0]
	for _, y := range xs[1:] {
		x = minMaxOf(name == "max", x, y)
	}
	return run(x)
}

func minMaxOf(isMax bool, x, y Expr) Expr {
	signed := x.Type().Signed || y.Type().Signed
	t := value.Type{Kind: value.Int, Width: 8, Signed: signed}
	if a, ok := x.(*Const); ok {
		if b, ok := y.(*Const); ok {
			less := a.Bits < b.Bits
			if signed {
				less = int64(a.Bits) < int64(b.Bits)
			}
			bits := a.Bits
			if less == isMax {
				bits = b.Bits
			}
			return &Const{Base: Base{t, a.P}, Bits: bits}
		}
	}
	return &MinMax{Base{t, x.Pos()}, isMax, x, y}
}

func (p *pass) abs(e *syntax.CallExpr, a passed) operand {
	x := p.intValue(a.e, a.o, "what abs() is made of")
	if x == nil {
		return operand{}
	}
	if c, ok := x.(*Const); ok {
		bits := c.Bits
		if c.T.Signed && int64(bits) < 0 {
			bits = -bits
		}
		return run(intConst(bits, c.T.Signed, at(e)))
	}
	return run(&Abs{Base{norm(x.Type()), at(e)}, x})
}

// lenOf is len of a build-time value.
func (p *pass) lenOf(e *syntax.CallExpr) operand {
	args, ok := p.passArgs(e, "len", []string{"x"}, 1, 1)
	if !ok {
		return operand{}
	}
	o := args[0].o
	if o.v != nil {
		if b, ok := o.v.(starlark.Bytes); ok {
			return known(starlark.MakeInt(len(b)))
		}
		if n := starlark.Len(o.v); n >= 0 {
			return known(starlark.MakeInt(n))
		}
		if m, ok := o.v.(*mapVal); ok {
			p.errorf(e, "type", "count in a counter of your own; weir maps shows how many there are", "the entries of %s cannot be counted while a packet is handled", m.m.Name)
			return operand{}
		}
		p.errorf(e, "type", "lists, dicts, tuples and strings have a length", "%s has no length", describe(o.v))
		return operand{}
	}
	switch t := o.x.Type(); t.Kind {
	case value.Packet:
		if p.conn() {
			return p.hintTo(e, "one of its fields: conn.dport", the["conn"])
		}
		return p.hintTo(e, "pkt.len", "the packet")
	case value.Span:
		if t.Laid() {
			return p.hintTo(e, "H.size of what header() gave", what(t))
		}
		return p.hintTo(e, ".len, as in pkt.payload.len", what(t))
	case value.Tuple:
		return known(starlark.MakeInt(len(t.Elems)))
	case value.Octets:
		return known(starlark.MakeInt(t.Width))
	default:
		p.errorf(e, "type", "lists, dicts, tuples and strings have a length", "%s has no length", what(t))
	}
	return operand{}
}

func (p *pass) hintTo(e syntax.Node, write, what string) operand {
	p.errorf(e, "type", "write "+write, "len() does not measure %s", what)
	return operand{}
}

// drop is drop("reason").
func (p *pass) drop(e *syntax.CallExpr, b *starlark.Builtin) operand {
	args, ok := p.passArgs(e, "drop", []string{"reason"}, 1, 0)
	if !ok {
		return operand{}
	}
	if args[0].e == nil {
		p.errorf(e, "call", "write drop(\"reason\"), or DROP without one", "drop() needs a reason")
		return operand{}
	}
	if _, ok := args[0].o.v.(starlark.String); !ok {
		p.errorf(args[0].e, "type", "write drop(\"reason\")", "the reason of a drop is a string that is known at build time")
		return operand{}
	}
	v, err := buildDrop(nil, "drop", starlark.Tuple{args[0].o.v}, nil)
	if err != nil {
		p.fail(e, err)
		return operand{}
	}
	return known(v)
}

// convert calls a type: u16(x), ip4("…"), R(a = 1).
func (p *pass) convert(e *syntax.CallExpr, t *typeVal) operand {
	if t.T.Kind == value.Record {
		return p.newRecord(e, t)
	}
	if t.T.Kind == value.Octets && len(e.Args) > 1 {
		return p.octetsOfInts(e, t.T)
	}
	args, ok := p.passArgs(e, t.T.String(), []string{"x"}, 1, 1)
	if !ok {
		return operand{}
	}
	n, o := args[0].e, args[0].o
	if c, isConst := o.x.(*Const); isConst && staticOf(c) != nil && t.T.Kind != value.Int && t.T.Kind != value.Bool {
		o = known(staticOf(c))
	}
	switch t.T.Kind {
	case value.Int:
		if x := p.intValue(n, o, "what "+t.T.String()+"() is made of"); x != nil {
			return run(convertInt(x, t.T, at(e)))
		}
		return operand{}
	case value.Bool:
		return p.boolOf(n, p.truth(n, o))
	}
	if o.v != nil && !isParam(o.v) {
		if lacksLength(t.T, o.v) {
			p.warnf(e, "prefix", lengthHint, "%s", lengthMessage(o.v))
		}
		v, err := makeValue(t.T, o.v)
		if err != nil {
			p.fail(n, err)
			return operand{}
		}
		return known(v)
	}
	x := p.value(n, o)
	if x == nil {
		return operand{}
	}
	from := x.Type()
	switch {
	case from.Equal(t.T):
		return run(x)
	case t.T.Kind == value.IP && isIP(from.Kind):
		return run(p.coerce(x, value.IPT))
	case t.T.Kind == value.Octets && t.T.Width <= 8 && from.Kind == value.Int:
		return run(&Words{Base{t.T, at(e)}, []Expr{x}})
	case from.Kind == value.Int && (t.T.Kind == value.IP4 || t.T.Kind == value.MAC):
		return run(&Convert{Base{t.T, at(e)}, x})
	case from.Kind == value.IP && isIP(t.T.Kind):
		return run(&Convert{Base{t.T, at(e)}, x})
	case from.Kind == value.Octets && from.Width == t.T.Size() && (t.T.Kind == value.IP4 || t.T.Kind == value.IP6 || t.T.Kind == value.MAC):
		return run(&Convert{Base{t.T, at(e)}, x})
	}
	p.errorf(e, "type", "write "+example(t.T), "%s cannot be made of %s", article(t.T), what(from))
	return operand{}
}

// newRecord is R(a = 1); fields that are not given are zero.
func (p *pass) newRecord(e *syntax.CallExpr, t *typeVal) operand {
	r := &NewRecord{Base: Base{t.T, at(e)}, Fields: make([]Expr, len(t.T.Elems))}
	args, ok := p.passArgs(e, "record", t.T.Names, 0, 0)
	if !ok {
		return operand{}
	}
	for i, a := range args {
		if a.e == nil {
			r.Fields[i] = p.zero(t.T.Elems[i], at(e))
			continue
		}
		if r.Fields[i] = p.store(a.e, p.value(a.e, a.o), t.T.Elems[i], "field "+t.T.Names[i]); r.Fields[i] == nil {
			return operand{}
		}
	}
	return run(r)
}

// hashable reports whether values of t have a hash: those of records have none, since a
// reference may be false.
func hashable(t value.Type) bool {
	return t.Stored() && t.Kind != value.Record && !slices.ContainsFunc(t.Elems, func(e value.Type) bool { return !hashable(e) })
}
