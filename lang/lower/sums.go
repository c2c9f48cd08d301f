package lower

import (
	"weir/lang/ir"
	"weir/packet"
)

// Checksums: RFC 1624, equation 3, HC' = ~(~HC + ~m + m'), over 16-bit words of
// any order of octets (RFC 1071, 2(B)).

// sumAt brings the checksum at off of the header at p up to date.
func (l *lowerer) sumAt(p *ir.Value, off int, cs []change) {
	l.store(2, p, off, l.adjust(l.load(2, p, off), cs))
}

// adjust returns the checksum sum after changes. What they add is worked out
// apart from sum: it is the same for the IP header and the pseudo header.
func (l *lowerer) adjust(sum *ir.Value, cs []change) *ir.Value {
	var t *ir.Value
	wide := false
	for _, c := range cs {
		wide = wide || c.bytes > 2
		d := l.op(ir.OpAdd, l.opi(ir.OpXor, c.old, 1<<(8*c.bytes)-1), c.new)
		if t != nil {
			d = l.op(ir.OpAdd, t, d)
		}
		t = d
	}
	if wide { // at most 36 bits, to 21
		t = l.carry(t)
	}
	t = l.op(ir.OpAdd, t, l.opi(ir.OpXor, sum, 0xffff))
	return l.opi(ir.OpXor, l.carry(l.carry(t)), 0xffff) // to 17 bits, to 16
}

// fold returns a sum of 16- and 32-bit words as 16 bits. It has at most 38 bits:
// 23 after one carry, 17 after two.
func (l *lowerer) fold(t *ir.Value) *ir.Value { return l.carry(l.carry(l.carry(t))) }

// carry adds what is above the low 16 bits to these.
func (l *lowerer) carry(t *ir.Value) *ir.Value {
	return l.op(ir.OpAdd, l.opi(ir.OpAnd, t, 0xffff), l.opi(ir.OpShr, t, 16))
}

// sumOffset is where the checksum of a header lies, or 0.
func sumOffset(h packet.Header) int {
	switch h {
	case packet.IP4:
		return 10
	case packet.TCP:
		return 16
	case packet.UDP:
		return 6
	case packet.ICMP4, packet.ICMP6:
		return 2
	}
	return 0
}

// sumL4 brings the L4 checksum up to date after a write to h.
func (l *lowerer) sumL4(h packet.Header, p, place *ir.Value, f packet.Field, cs []change) {
	switch {
	case h == packet.Eth || len(cs) == 0:
	case h == packet.GRE:
		l.sumGRE(p, place, cs)
	case h == packet.UDP || sumOffset(h) > 0 && h != packet.IP4 && !l.xdp():
		l.sumHeader(h, p, place, cs, false)
	case coversL4(h, f):
		// The pseudo header of the L4 header that is there.
		end := l.block()
		for _, k := range l4Kinds {
			if sumOffset(k.h) == 0 || k.h == packet.ICMP4 || (k.h == packet.ICMP6 && h == packet.IP4) {
				continue
			}
			l.needL4()
			q, done := l.get(l.facts.l4[k.h]), l.block()
			there := l.block()
			l.branch(ir.Ne, q, l.konst(0), there, done)
			l.start(there)
			at := l.get(l.facts.l4Place)
			q = l.pointer(k.h, q, at)
			good := l.block()
			l.branch(ir.Ne, q, l.konst(0), good, done)
			l.start(good)
			l.sumHeader(k.h, q, at, cs, true)
			l.jump(end)
			l.start(done)
		}
		l.jump(end)
		l.start(end)
	}
}

// sumHeader brings the checksum of the L4 header at p up to date. At traffic
// control the kernel does it: only the kernel knows whether the field holds a
// checksum or the seed of one that the card will compute.
func (l *lowerer) sumHeader(h packet.Header, p, place *ir.Value, cs []change, pseudo bool) {
	off := sumOffset(h)
	if !l.xdp() {
		l.sumByHelper(h, place, cs, pseudo)
		return
	}
	done := l.block()
	if h != packet.UDP {
		l.sumAt(p, off, cs)
		l.flush(p, place, off, 2)
		l.jump(done)
		l.start(done)
		return
	}
	have := l.block()
	old := l.load(2, p, off)
	l.branch(ir.Ne, old, l.konst(0), have, done) // zero: none was sent (RFC 768)
	l.start(have)
	sum := l.adjust(old, cs)
	sum = l.choose1(func(then, els *ir.Block) { l.branch(ir.Eq, sum, l.konst(0), then, els) },
		func() *ir.Value { return l.konst(0xffff) }, func() *ir.Value { return sum })
	l.store(2, p, off, sum)
	l.flush(p, place, off, 2)
	l.jump(done)
	l.start(done)
}

// sumByHelper has the kernel bring a checksum up to date. Pointers into the packet
// are dead after it: see wrote.
func (l *lowerer) sumByHelper(h packet.Header, place *ir.Value, cs []change, pseudo bool) {
	at := l.opi(ir.OpAdd, offsetOf(l, place), int64(sumOffset(h)))
	for _, c := range cs {
		flags := int64(c.bytes)
		if pseudo {
			flags |= flagPseudo
		}
		if h == packet.UDP {
			flags |= flagMangled0
		}
		l.call(helperL4Csum, "l4_csum_replace", ir.Int, l.ctx, at, c.old, c.new, l.konst(flags))
	}
}
