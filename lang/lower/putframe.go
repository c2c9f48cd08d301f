package lower

import (
	"weir/lang/check"
	"weir/lang/ir"
)

// Writes to any place of the frame: pkt.put_u16(off, x) and its like, and fields of
// a header that is laid over the frame. They bring no checksum up to date, and they
// may write over what says which headers follow.
//
// At traffic control the kernel writes, which keeps the sum that a card may have
// made of the whole packet right. Where the outer tag stands beside the buffer,
// octets of the wire are elsewhere:
//
//	wire     0 … 11 | 12 … 15 | 16 …
//	buffer   0 … 11 |  beside | 12 …

// putFrame lowers one.
func (l *lowerer) putFrame(e *check.Put) {
	in, done := l.block(), l.block()
	var off *ir.Value
	var x parts
	if e.Span == nil {
		off = l.expr(e.Off)[0]
		x = l.octetsOf(e)
		l.fits(l.frameLen(), off, e.Width, in, done)
	} else {
		s := l.expr(e.Span)
		off = l.op(ir.OpAdd, s[0], l.expr(e.Off)[0])
		x = l.octetsOf(e)
		l.there(e.Span.Type(), s, in, done)
	}
	l.start(in)
	if l.xdp() {
		l.pokeXDP(off, e.Width, x)
	} else {
		l.poke(off, e.Width, x)
	}
	l.wrote()
	l.jump(done)
	l.start(done)
	l.st.reparse()
}

// pokeXDP writes n octets at off of the frame, where they are.
func (l *lowerer) pokeXDP(off *ir.Value, n int, x parts) {
	done := l.block()
	far := func() {
		m := l.slot("poke", (n+7)&^7, 8)
		l.storeWords(m, n, x)
		l.storeBytes(off, m, n)
		l.jump(done)
	}
	if l.opts.Copy {
		far()
		l.start(done)
		return
	}
	near, in, out := l.block(), l.block(), l.coldBlock()
	l.branch(ir.ULe, off, l.konst(room), near, out)
	l.start(near)
	data, end := l.bounds()
	p := l.op(ir.OpAdd, data, off)
	l.branch(ir.ULe, l.opi(ir.OpAdd, p, int64(n)), end, in, out)
	l.start(in)
	l.storeWords(p, n, x)
	l.jump(done)
	l.start(out)
	if l.linear() {
		l.jump(done)
	} else {
		l.chilled(far)
	}
	l.start(done)
}

// poke writes n octets at off of the frame at traffic control.
func (l *lowerer) poke(off *ir.Value, n int, x parts) {
	at := l.newVar()
	l.set(at, off)
	beside, plain, done := l.coldBlock(), l.block(), l.block()
	l.branch(ir.Eq, l.tagBeside(), l.konst(0), plain, beside)
	l.start(beside)
	rest, behind, across := l.coldBlock(), l.coldBlock(), l.coldBlock()
	if n <= 12 {
		l.branch(ir.ULe, off, l.konst(int64(12-n)), plain, rest)
	} else {
		l.jump(rest)
	}
	l.start(rest)
	l.branch(ir.UGe, off, l.konst(16), behind, across)
	l.start(behind)
	l.set(at, l.opi(ir.OpSub, off, 4))
	l.jump(plain)
	l.start(across)
	l.pokeTag(off, n, x)
	l.jump(done)
	l.start(plain)
	m := l.slot("poke", (n+7)&^7, 8)
	l.storeWords(m, n, x)
	l.call(helperStoreBytes, "skb_store_bytes", ir.Int, l.ctx, l.get(at), m, l.konst(int64(n)), l.konst(flagRecompute))
	l.jump(done)
	l.start(done)
}

// pokeTag writes octets some of which are in the tag that stands beside the buffer:
// those of the tag at once, then the others one by one. It is not the other way round,
// since the kernel changes the tag by what it knows to follow.
func (l *lowerer) pokeTag(off *ir.Value, n int, x parts) {
	tag, mask := l.konst(0), l.konst(0)
	for k, w := range x {
		m := min(8, n-8*k)
		last := l.opi(ir.OpAdd, off, int64(8*k+m-1))
		word := l.opi(ir.OpShr, l.swap(8, w), int64(8*(8-m)))
		ones := l.opi(ir.OpShr, l.konst(-1), int64(8*(8-m)))
		tag = l.op(ir.OpOr, tag, l.callMove("weir_tag_part", (*mover).tagPart, word, last))
		mask = l.op(ir.OpOr, mask, l.callMove("weir_tag_part", (*mover).tagPart, ones, last))
	}
	old := l.op(ir.OpOr, l.opi(ir.OpShl, l.swap(2, l.load(4, l.ctx, skbVLANProto)), 16), l.load(4, l.ctx, skbVLANTCI))
	tag = l.op(ir.OpOr, l.op(ir.OpAnd, old, l.opi(ir.OpXor, mask, 0xffffffff)), tag)
	l.retag(l.opi(ir.OpShr, tag, 16), l.opi(ir.OpAnd, tag, 0xffff))
	for k, w := range x {
		for j := range min(8, n-8*k) {
			octet := l.opi(ir.OpAnd, l.opi(ir.OpShr, w, int64(8*j)), 0xff)
			l.callMove("weir_poke", (*mover).poke, l.opi(ir.OpAdd, off, int64(8*k+j)), octet)
		}
	}
}

// poke writes one octet at an offset of the wire, if it is not one of the tag that
// stands beside the buffer.
func (m *mover) poke(args []*ir.Value) {
	off, octet := args[0], args[1]
	buf := m.slot("octet", 8, 8)
	m.store(8, buf, 0, octet)
	front, rest, back := m.block(), m.block(), m.block()
	m.branch(ir.ULt, off, m.konst(12), front, rest)
	m.start(front)
	m.recomputed(off, buf)
	m.done()
	m.start(rest)
	m.branch(ir.UGe, off, m.konst(16), back, m.none)
	m.start(back)
	m.recomputed(m.plus(off, -4), buf)
	m.done()
}

func (m *mover) recomputed(off, p *ir.Value) {
	m.must(m.helper(helperStoreBytes, "skb_store_bytes", off, p, m.konst(1), m.konst(flagRecompute)))
}

// tagPart gives the octets 12 to 15 of the wire out of a big-endian word, the last of
// whose octets lies at last: 0 for those that are not in it.
//
//	word       | a b c d e f g h |      last = 14
//	wire       7               14 15
//	part             | f g h 0 |
func (m *mover) tagPart(args []*ir.Value) {
	word, last := args[0], args[1]
	m.atMost(last, m.konst(15+7)) // else it begins behind the tag
	before, across := m.block(), m.block()
	m.branch(ir.ULt, last, m.konst(15), before, across)
	m.start(before)
	left := m.op(ir.OpSub, m.konst(15), last)
	m.atMost(left, m.konst(3)) // else it ends before the tag
	m.cur.Return(m.width(ir.OpZExt, 4, m.op(ir.OpShl, word, m.opi(ir.OpShl, left, 3))))
	m.start(across)
	right := m.opi(ir.OpShl, m.opi(ir.OpSub, last, 15), 3)
	m.cur.Return(m.width(ir.OpZExt, 4, m.op(ir.OpShr, word, right)))
	m.cur = nil
}
