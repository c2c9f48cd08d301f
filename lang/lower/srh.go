package lower

import (
	"weir/lang/check"
	"weir/lang/ir"
	"weir/lang/value"
	"weir/packet"
)

// needSRH finds the segment routing header. Extension headers are for the slow
// path, and so the header is always a copy.
func (l *lowerer) needSRH() {
	l.needL3()
	if l.st.srh {
		return
	}
	f := &l.facts
	slow, none, done := l.coldBlock(), l.block(), l.block()
	if l.opts.Copy || l.inner {
		l.jump(slow)
	} else {
		l.mayExtend(slow, none)
	}
	l.chilled(func() { l.copySRH(slow, none, done) })
	l.start(none)
	l.set(f.srh, l.konst(0))
	l.set(f.srhPlace, l.konst(0))
	l.jump(done)
	l.start(done)
	l.st.srh = true
	l.fresh(l.get(f.srh))
}

// mayExtend branches to yes where an extension header follows that of IPv6, or
// where the walk has been asked for already.
func (l *lowerer) mayExtend(yes, no *ir.Block) {
	fast, six, good := l.block(), l.block(), l.block()
	l.branchWalked(yes, fast)
	l.start(fast)
	l.branch(ir.Ne, l.get(l.facts.ip6), l.konst(0), six, no)
	l.start(six)
	p := l.ipPointer(packet.IP6)
	l.branch(ir.Ne, p, l.konst(0), good, no)
	l.start(good)
	next := l.load(1, p, 6)
	for _, x := range extensions {
		other := l.block()
		l.branch(ir.Eq, next, l.konst(x), yes, other)
		l.start(other)
	}
	l.jump(no)
}

// copySRH walks if that has not been done, and copies the header to the stack.
func (l *lowerer) copySRH(slow, none, done *ir.Block) {
	f := &l.facts
	l.start(slow)
	if l.cur == nil {
		return
	}
	w := l.walked()
	off := l.opi(ir.OpShr, w, walkSRHOff)
	there, ok := l.block(), l.block()
	l.branch(ir.Ne, off, l.konst(0), there, none)
	l.start(there)
	copyTo := l.copySlot("srh", packet.SRH.Size())
	r := l.loadBytes(off, copyTo, packet.SRH.Size())
	l.branch(ir.Eq, r, l.konst(0), ok, none)
	l.start(ok)
	l.set(f.srh, copyTo)
	l.set(f.srhPlace, l.opi(ir.OpOr, off, 1<<slowBit))
	l.jump(done)
}

// segment reads an entry of the segment list, zero where the header has none of
// that number: by its last entry, and by its length.
//
//	+------+-----+--------+------+------------+-------+-----+------------+-----
//	| next | len | type 4 | left | last entry | flags | tag | segment(0) | …
//	+------+-----+--------+------+------------+-------+-----+------------+-----
//	  len counts eights of octets behind the first
func (l *lowerer) segment(e *check.Segment) parts {
	v := l.expr(e.View)
	i := l.expr(e.I)[0]
	p, in := l.pointer(packet.SRH, v[0], v[1]), l.slot("segment", 16, 8)
	return l.choose(e.T, func(then, els *ir.Block) {
		there, entry, whole := l.block(), l.block(), l.block()
		l.branch(ir.Ne, p, l.konst(0), there, els)
		l.start(there)
		l.branch(ir.ULe, i, l.load(1, p, 4), entry, els)
		l.start(entry)
		n := l.opi(ir.OpAnd, i, 0xff)
		l.branch(ir.ULe, l.opi(ir.OpShl, l.opi(ir.OpAdd, n, 1), 1), l.load(1, p, 1), whole, els)
		l.start(whole)
		off := l.opi(ir.OpAdd, l.opi(ir.OpAnd, v[1], 0xffff), int64(packet.SRH.Size()))
		off = l.op(ir.OpAdd, off, l.opi(ir.OpShl, n, 4))
		l.branch(ir.Eq, l.loadBytes(off, in, 16), l.konst(0), then, els)
	}, func() parts { return l.loadParts(in, 0, value.IP6T) },
		func() parts { return l.zero(e.T) })
}
