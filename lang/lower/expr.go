package lower

import (
	"slices"

	"weir/lang/check"
	"weir/lang/ir"
	"weir/lang/value"
	"weir/packet"
)

// expr lowers an expression to its parts.
func (l *lowerer) expr(e check.Expr) parts {
	if p := e.Pos(); p.Line > 0 {
		l.pos = p
	}
	switch e := e.(type) {
	case *check.Const:
		return l.constant(e)
	case *check.LocalRef:
		return l.local(e.Local)
	case *check.Unary:
		x := l.expr(e.X)[0]
		if e.Op == check.Neg {
			return parts{l.add(ir.OpNeg, ir.Int, x)}
		}
		return parts{l.opi(ir.OpXor, x, -1)}
	case *check.Binary:
		return parts{l.binary(e)}
	case *check.MinMax:
		return parts{l.minMax(e)}
	case *check.Abs:
		x := l.expr(e.X)[0]
		return parts{l.choose1(func(then, els *ir.Block) { l.branch(ir.SLt, x, l.konst(0), then, els) },
			func() *ir.Value { return l.add(ir.OpNeg, ir.Int, x) }, func() *ir.Value { return x })}
	case *check.Choose:
		return l.choose(e.T, func(then, els *ir.Block) { l.cond(e.Cond, then, els) },
			func() parts { return l.expr(e.X) }, func() parts { return l.expr(e.Y) })
	case *check.Convert:
		return l.convert(e)
	case *check.TupleOf:
		var p parts
		for _, x := range e.Elems {
			p = append(p, l.expr(x)...)
		}
		return p
	case *check.Words:
		return l.words(e)
	case *check.Element:
		return elem(e.X.Type(), l.expr(e.X), e.Index)
	case *check.NewRecord:
		return l.newRecord(e)
	case *check.Field:
		return l.recordField(e)
	case *check.Call:
		return l.inline(e)
	}
	return l.special(e)
}

// special lowers what is about packets, maps and the machine.
func (l *lowerer) special(e check.Expr) parts {
	switch e := e.(type) {
	case *check.Inside:
		return nil
	case *check.PacketField:
		if e.Inner {
			return parts{l.lenInside()}
		}
		return parts{l.packetField(e.Name)}
	case *check.Header:
		if e.T.Inner {
			return l.deep(func() parts { return l.view(e.T.Header) })
		}
		return l.view(e.T.Header)
	case *check.HeaderField:
		return l.headerField(e)
	case *check.Segment:
		return l.segment(e)
	case *check.Option:
		return l.option(e)
	case *check.Laid:
		return l.laid(e)
	case *check.PayloadOf:
		if e.T.Inner {
			return l.deep(l.payload)
		}
		return l.payload()
	case *check.SpanLen:
		p := l.expr(e.X)
		return parts{l.op(ir.OpSub, p[1], p[0])}
	case *check.Read:
		return parts{l.read(e)}
	case *check.Move:
		return parts{l.move(e)}
	case *check.CallObject:
		return l.callObject(e)
	case *check.BytesAt:
		return l.bytesAt(e)
	case *check.Octet:
		return parts{l.octet(e)}
	case *check.Put:
		l.putBytes(e)
		return nil
	case *check.Find:
		return parts{l.findBytes(l.expr(e.X), e)}
	case *check.RedirectTo:
		return l.redirectTo(e)
	case *check.ParamRef:
		t := e.Param.Type
		t.Width = 8
		if t.Kind == value.Bool {
			t = value.U64
		}
		return l.loadParts(l.mapValue(l.maps[ParamMap], l.params[e.Param]), 0, t)
	case *check.Lookup:
		return l.lookupExpr(e)
	case *check.Incr:
		return parts{l.incr(e.Map, e.Key, check.AddTo, e.N)}
	case *check.Dequeue:
		return l.popQueue(e)
	case *check.Index:
		return l.index(e)
	case *check.Get:
		return l.dictGet(e)
	case *check.Rand:
		return parts{l.random64()}
	case *check.CPU:
		return parts{l.call(helperCPU, "get_smp_processor_id", ir.Int)}
	case *check.HashOf:
		return parts{l.hashOf(e)}
	case *check.Mask:
		return l.mask(e)
	case *check.BitLength:
		return parts{l.bitLength(l.expr(e.X)[0])}
	case *check.TAI:
		if l.opts.Clock { // which is the clock of tests
			return parts{l.clock()}
		}
		return parts{l.call(helperTAI, "ktime_get_tai_ns", ir.Int)}
	case *check.SynCookie:
		return l.synCookie(e)
	case *check.OffsetOf:
		return parts{l.offset(e)}
	case *check.Sum:
		return parts{l.sum(e)}
	case *check.Clone:
		return parts{l.clone(e)}
	case *check.Fib:
		return l.fib(e)
	case *check.Interface:
		return parts{l.ifIndex(e.Name)}
	}
	// What is left is a condition.
	return parts{l.truth(func(then, els *ir.Block) { l.cond(e, then, els) })}
}

func (l *lowerer) ifIndex(name string) *ir.Value {
	v := l.add(ir.OpIfIndex, ir.Int)
	v.Sym = name
	return v
}

// clone sends a copy of the packet. After it pointers into the packet are dead.
func (l *lowerer) clone(e *check.Clone) *ir.Value {
	to := l.width(ir.OpZExt, 4, l.expr(e.To)[0])
	l.pos = e.P
	code := l.call(helperClone, "clone_redirect", ir.Int, l.ctx, to, l.konst(0))
	l.invalidate()
	return l.cmp(ir.Eq, l.width(ir.OpZExt, 4, code), l.konst(0))
}

func (l *lowerer) redirectTo(e *check.RedirectTo) parts {
	var to *ir.Value
	switch {
	case e.Action == check.ToSocket:
		to = l.konst(int64(slices.Index(l.p.Sockets, e.Name)))
	case e.Action == check.ToGroup:
		to = l.konst(int64(slices.Index(l.p.Groups, e.Name)))
	case e.Index != nil:
		to = l.width(ir.OpZExt, 4, l.expr(e.Index)[0])
	default:
		to = l.ifIndex(e.Name)
	}
	i := l.verdictOf(check.Verdict{Action: e.Action})
	return parts{l.konst(int64(e.Action) | int64(i)<<8), to}
}

var binaryOps = [...]ir.Op{
	check.Add: ir.OpAdd, check.Sub: ir.OpSub, check.Mul: ir.OpMul, check.FloorDiv: ir.OpDiv, check.Mod: ir.OpMod,
	check.And: ir.OpAnd, check.Or: ir.OpOr, check.Xor: ir.OpXor, check.Shl: ir.OpShl, check.Shr: ir.OpShr,
}

func (l *lowerer) binary(e *check.Binary) *ir.Value {
	x, y := l.expr(e.X)[0], l.expr(e.Y)[0]
	l.pos = e.P
	op := binaryOps[e.Op]
	if e.T.Signed {
		switch e.Op {
		case check.FloorDiv:
			return l.floorDiv(x, y)
		case check.Mod:
			return l.op(ir.OpSub, x, l.op(ir.OpMul, y, l.floorDiv(x, y)))
		case check.Shr:
			op = ir.OpSar
		}
	}
	return l.op(op, x, y)
}

// floorDiv divides signed integers and rounds down; by zero it gives 0. Before
// Linux 6.6 the machine divides unsigned integers only.
func (l *lowerer) floorDiv(x, y *ir.Value) *ir.Value {
	abs := func(v *ir.Value) *ir.Value {
		s := l.opi(ir.OpSar, v, 63)
		return l.op(ir.OpSub, l.op(ir.OpXor, v, s), s)
	}
	a, b := abs(x), abs(y)
	q := l.op(ir.OpDiv, a, b)
	return l.choose1(func(then, els *ir.Block) {
		l.branch(ir.SLt, l.op(ir.OpXor, x, y), l.konst(0), then, els)
	}, func() *ir.Value {
		return l.choose1(func(then, els *ir.Block) {
			exact := l.op(ir.OpMul, q, b)
			some := l.block()
			l.branch(ir.Eq, b, l.konst(0), els, some)
			l.start(some)
			l.branch(ir.Ne, exact, a, then, els)
		}, func() *ir.Value { return l.opi(ir.OpXor, q, -1) }, // -(q+1)
			func() *ir.Value { return l.add(ir.OpNeg, ir.Int, q) })
	}, func() *ir.Value { return q })
}

func (l *lowerer) minMax(e *check.MinMax) *ir.Value {
	x, y := l.expr(e.X)[0], l.expr(e.Y)[0]
	c := ir.ULe
	switch {
	case e.T.Signed && e.Max:
		c = ir.SGe
	case e.T.Signed:
		c = ir.SLe
	case e.Max:
		c = ir.UGe
	}
	return l.choose1(func(then, els *ir.Block) { l.branch(c, x, y, then, els) },
		func() *ir.Value { return x }, func() *ir.Value { return y })
}

func (l *lowerer) convert(e *check.Convert) parts {
	p := l.expr(e.X)
	from, to := e.X.Type(), e.T
	switch {
	case to.Kind == value.Int && from.Kind == value.IP4:
		return parts{l.swap(4, p[0])}
	case to.Kind == value.Int && from.Kind == value.MAC:
		return parts{l.opi(ir.OpShr, l.swap(8, p[0]), 16)}
	case to.Kind == value.Int && to.Width == 8:
		return p
	case to.Kind == value.Int && to.Signed:
		return parts{l.width(ir.OpSExt, to.Width, p[0])}
	case to.Kind == value.Int:
		return parts{l.width(ir.OpZExt, to.Width, p[0])}
	case to.Kind == value.Bool && from.Kind == value.Int:
		return parts{l.cmp(ir.Ne, p[0], l.konst(0))}
	case from.Kind == value.Octets:
		return core(from, p)
	case to.Kind == value.IP4 && from.Kind == value.Int:
		return parts{l.swap(4, p[0])}
	case to.Kind == value.MAC && from.Kind == value.Int:
		return parts{l.swap(8, l.opi(ir.OpShl, p[0], 16))}
	case to.Kind == value.IP && from.Kind == value.IP4:
		return l.mapped(p[0])
	case from.Kind == value.IP && to.Kind != value.IP:
		return l.ofFamily(to, p)
	}
	return p
}

func (l *lowerer) dictGet(e *check.Get) parts {
	x := l.expr(e.X)
	if len(core(e.X.Type(), x)) == 1 {
		if keys, ok := words(e.Keys); ok {
			return l.pick(e.T, x[0], keys, e.Values, e.Default)
		}
	}
	other := l.orZero(e.Default, e.T)
	done, vs := l.block(), l.softVars(e.T)
	for i, k := range e.Keys {
		hit, next := l.block(), l.block()
		l.equal(e.X.Type(), x, l.expr(k), hit, next)
		l.start(hit)
		l.setAll(vs, l.expr(e.Values[i]))
		l.jump(done)
		l.start(next)
	}
	l.setAll(vs, other)
	l.jump(done)
	l.start(done)
	return l.getAll(vs)
}

func (l *lowerer) orZero(e check.Expr, t value.Type) parts {
	if e == nil {
		return l.zero(t)
	}
	return l.expr(e)
}

func (l *lowerer) newVars(n int) []variable {
	vs := make([]variable, n)
	for i := range vs {
		vs[i] = l.newVar()
	}
	return vs
}

// softVars returns variables for a value of type t, marked for Forget if they may
// be.
func (l *lowerer) softVars(t value.Type) []variable {
	vs := l.newVars(numParts(t))
	for _, v := range vs {
		l.soft[v] = isSoft(t)
	}
	return vs
}

func (l *lowerer) setAll(vs []variable, p parts) {
	for i, v := range vs {
		l.set(v, p[i])
	}
}

func (l *lowerer) getAll(vs []variable) parts {
	p := make(parts, len(vs))
	for i, v := range vs {
		p[i] = l.get(v)
	}
	return p
}

// there lowers the truth of a view, span, Octets or record reference.
func (l *lowerer) there(t value.Type, p parts, then, els *ir.Block) {
	if t.Kind == value.Octets {
		p = p[len(p)-1:]
	}
	if t.Kind == value.Packet {
		l.ask()
		l.branch(ir.Test, l.get(l.facts.other.walk), l.konst(walkInside), then, els)
		return
	}
	if t.Frame {
		p = p[1:]
	}
	if t.Kind == value.View && l.conn() {
		l.connThere(t.Header, then, els)
		return
	}
	if t.Kind == value.View && t.Header == packet.IP {
		next := l.block()
		l.branch(ir.Ne, p[0], l.konst(0), then, next)
		l.start(next)
		l.branch(ir.Ne, p[1], l.konst(0), then, els)
		return
	}
	l.branch(ir.Ne, p[0], l.konst(0), then, els)
}
