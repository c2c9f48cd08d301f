package lower

import (
	"weir/lang/ir"
	"weir/packet"
)

// GRE: RFC 2784 and 2890. Each flag of the first octet adds four octets.
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-----------------+-----+-------------------------------+
//	|C|R|K|S|                 | ver |             proto             |
//	+-+-+-+-+-----------------+-----+-------------------------------+
//	|         checksum (C)          |                               |
//	|                            key (K)                            |
//	|                            seq (S)                            |
//	+---------------------------------------------------------------+
const (
	greSum     = 0x80 // C
	greRouting = 0x40 // R, of RFC 1701: what follows has no fixed place
	greKey     = 0x20 // K
	greSeq     = 0x10 // S
	greVersion = 0x07 // of the second octet
)

// wholeGRE leaves for none if the header at p, whose fixed part is there, is not
// of version 0, has routing, or is not wholly in the frame.
func (l *lowerer) wholeGRE(p, off *ir.Value, none *ir.Block) {
	plain, good := l.block(), l.block()
	first := l.load(2, p, 0)
	l.branch(ir.Test, first, l.konst(greRouting|greVersion<<8), none, plain)
	l.start(plain)
	size := l.opi(ir.OpAdd, off, int64(packet.GRE.Size()))
	for bit := int64(7); bit >= 4; bit-- {
		if 1<<bit != greRouting {
			size = l.op(ir.OpAdd, size, l.word(first, bit))
		}
	}
	l.branch(ir.ULe, size, l.bufLen(), good, none)
	l.start(good)
}

// word is 4 if a bit of the flags is set, else 0.
func (l *lowerer) word(flags *ir.Value, bit int64) *ir.Value {
	return l.opi(ir.OpAnd, l.opi(ir.OpShr, flags, bit-2), 4)
}

// grePart branches to then with the place in the buffer of key or seq where the
// header is there and has it.
func (l *lowerer) grePart(v parts, f packet.Field, then, els *ir.Block) *ir.Value {
	p, there, has := l.pointer(packet.GRE, v[0], v[1]), l.block(), l.block()
	l.branch(ir.Ne, p, l.konst(0), there, els)
	l.start(there)
	flags, want := l.load(1, p, 0), int64(greKey)
	if f.Name == "seq" {
		want = greSeq
	}
	l.branch(ir.Test, flags, l.konst(want), has, els)
	l.start(has)
	off := l.opi(ir.OpAdd, l.opi(ir.OpAnd, v[1], 0xffff), int64(packet.GRE.Size()))
	off = l.op(ir.OpAdd, off, l.word(flags, 7))
	if f.Name == "seq" {
		off = l.op(ir.OpAdd, off, l.word(flags, 5))
	}
	l.jump(then)
	return off
}

// greField reads key or seq, zero if they are not there.
func (l *lowerer) greField(v parts, f packet.Field) *ir.Value {
	var off *ir.Value
	return l.choose1(func(then, els *ir.Block) { off = l.grePart(v, f, then, els) },
		func() *ir.Value { return l.bufRead(off, 4) }, func() *ir.Value { return l.konst(0) })
}

// setGRE writes key or seq where they are there.
func (l *lowerer) setGRE(v parts, f packet.Field, x *ir.Value, done *ir.Block) {
	then := l.block()
	off := l.grePart(v, f, then, done)
	l.start(then)
	p := l.pointer(packet.GRE, v[0], v[1])
	c := change{old: l.swap(4, l.bufRead(off, 4)), new: l.swap(4, x), bytes: 4}
	l.sumGRE(p, v[1], []change{c})
	l.bufPut(off, 4, x, flagRecompute)
	l.wrote()
}

// sumGRE brings the checksum of the GRE header at p up to date, if it has one.
func (l *lowerer) sumGRE(p, place *ir.Value, cs []change) {
	there, have, done := l.block(), l.block(), l.block()
	l.branch(ir.Ne, p, l.konst(0), there, done)
	l.start(there)
	l.branch(ir.Test, l.load(1, p, 0), l.konst(greSum), have, done)
	l.start(have)
	at := l.opi(ir.OpAdd, l.opi(ir.OpAnd, place, 0xffff), int64(packet.GRE.Size()))
	l.bufPut(at, 2, l.swap(2, l.adjust(l.swap(2, l.bufRead(at, 2)), cs)), flagRecompute)
	l.jump(done)
	l.start(done)
}

// bufPut writes the low w octets of x at off of the buffer, big-endian. They are
// there. flags is flagRecompute where no checksum of the packet follows, so that
// the sum that the card has made of it must.
func (l *lowerer) bufPut(off *ir.Value, w int, x *ir.Value, flags int64) {
	s := l.slot("put", 8, 8)
	l.store(w, s, 0, l.swap(w, x))
	if l.xdp() {
		l.call(helperXDPStore, "xdp_store_bytes", ir.Int, l.ctx, off, s, l.konst(int64(w)))
		return
	}
	l.call(helperStoreBytes, "skb_store_bytes", ir.Int, l.ctx, off, s, l.konst(int64(w)), l.konst(flags))
	l.invalidate()
}
