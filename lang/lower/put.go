package lower

import (
	"weir/lang/check"
	"weir/lang/ir"
	"weir/lang/value"
	"weir/packet"
)

// putBytes lowers SPAN.put_u16(off, x) and its like: the octets, and the checksum of
// the L4 header that is there. Where that is SCTP, whose checksum cannot follow,
// nothing is written.
func (l *lowerer) putBytes(e *check.Put) {
	if e.Span == nil || e.Span.Type().Frame {
		l.putFrame(e)
		return
	}
	s := l.expr(e.Span)
	off := l.expr(e.Off)[0]
	x := l.octetsOf(e)
	l.needL4()
	in, plain, done := l.block(), l.block(), l.block()
	l.inside(e.Span.Type(), s, off, e.Width, in, done)
	l.start(in)
	l.branch(ir.Eq, l.get(l.facts.l4[packet.SCTP]), l.konst(0), plain, done)
	l.start(plain)
	place := l.op(ir.OpAdd, s[0], off)
	old := l.exchange(place, e.Width, x, done)
	d := l.difference(place, old, x)
	summed := l.block()
	for _, k := range l4Kinds {
		if sumOffset(k.h) > 0 {
			l.sumPayload(k.h, d, summed)
		}
	}
	l.jump(summed)
	l.start(summed)
	l.wrote()
	l.jump(done)
	l.start(done)
	l.st.forgetInside()
}

// octetsOf computes what a put writes, as it lies in the packet.
func (l *lowerer) octetsOf(e *check.Put) parts {
	x := core(e.X.Type(), l.expr(e.X))
	l.pos = e.P
	if e.X.Type().Kind != value.Int {
		return x
	}
	if e.Width < 8 {
		x = parts{l.width(ir.OpZExt, e.Width, x[0])}
	}
	return parts{l.swap(e.Width, x[0])}
}

// exchange writes n octets at off of the buffer and gives what was there; where
// they cannot be written it leaves for no.
func (l *lowerer) exchange(off *ir.Value, n int, x parts, no *ir.Block) parts {
	old := l.newVars(len(x))
	done := l.block()
	if !l.opts.Copy {
		near, in, far := l.block(), l.block(), l.coldBlock()
		l.branch(ir.ULe, off, l.konst(room), near, far)
		l.start(near)
		data, end := l.bounds()
		p := l.op(ir.OpAdd, data, off)
		l.branch(ir.ULe, l.opi(ir.OpAdd, p, int64(n)), end, in, far)
		l.start(in)
		l.setAll(old, l.loadOctets(p, 0, n))
		l.storeWords(p, n, x)
		l.jump(done)
		l.start(far)
	}
	if l.linear() && !l.opts.Copy {
		l.jump(no)
	} else {
		l.chilled(func() { l.exchangeFar(old, off, n, x, done, no) })
	}
	l.start(done)
	return l.getAll(old)
}

// exchangeFar is exchange by helpers, wherever the octets are.
func (l *lowerer) exchangeFar(old []variable, off *ir.Value, n int, x parts, done, no *ir.Block) {
	near, good := l.block(), l.block()
	l.branch(ir.ULe, off, l.konst(1<<30), near, no)
	l.start(near)
	m := l.slot("put", (n+7)&^7, 8)
	l.branch(ir.Eq, l.loadBytes(off, m, n), l.konst(0), good, no)
	l.start(good)
	l.setAll(old, l.loadOctets(m, 0, n))
	l.storeWords(m, n, x)
	l.storeBytes(off, m, n)
	l.jump(done)
}

func (l *lowerer) storeWords(p *ir.Value, n int, x parts) {
	for i, w := range x {
		l.storeOctets(p, 8*i, min(8, n-8*i), w)
	}
}

// difference returns what a write at place adds to the sum of 16-bit words, as
// little-endian loads see them, of what lies at even offsets. Headers begin at
// even offsets: at an odd one the octets count the other way round (RFC 1071,
// 2(B)).
func (l *lowerer) difference(place *ir.Value, old, x parts) *ir.Value {
	sum := l.konst(0)
	add := func(y *ir.Value) { sum = l.op(ir.OpAdd, sum, y) }
	for i := range x {
		add(l.opi(ir.OpXor, l.width(ir.OpZExt, 4, old[i]), 0xffffffff))
		add(l.opi(ir.OpXor, l.opi(ir.OpShr, old[i], 32), 0xffffffff))
		add(l.width(ir.OpZExt, 4, x[i]))
		add(l.opi(ir.OpShr, x[i], 32))
	}
	// Turned by eight bits at an odd offset: a branch would be two ways more for the
	// verifier at each write.
	odd := l.opi(ir.OpShl, l.opi(ir.OpAnd, place, 1), 3)
	return l.carry(l.carry(l.op(ir.OpShl, l.fold(sum), odd)))
}

// sumPayload brings the checksum of an L4 header up to date, if it is there,
// after a write behind it, and goes to summed.
func (l *lowerer) sumPayload(h packet.Header, d *ir.Value, summed *ir.Block) {
	there, good, done := l.block(), l.block(), l.block()
	q := l.get(l.facts.l4[h])
	l.branch(ir.Ne, q, l.konst(0), there, done)
	l.start(there)
	at := l.get(l.facts.l4Place)
	q = l.pointer(h, q, at)
	l.branch(ir.Ne, q, l.konst(0), good, done)
	l.start(good)
	l.sumHeader(h, q, at, []change{{old: l.konst(0xffff), new: d, bytes: 2}}, false)
	l.jump(summed)
	l.start(done)
}
