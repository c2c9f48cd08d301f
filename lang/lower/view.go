package lower

import (
	"weir/lang/ir"
	"weir/lang/value"
	"weir/packet"
)

// view lowers pkt.NAME.
func (l *lowerer) view(h packet.Header) parts {
	if l.conn() {
		return l.zero(value.Type{Kind: value.View, Header: h})
	}
	f := &l.facts
	switch h {
	case packet.Eth, packet.VLAN, packet.VLAN2:
		if l.inner {
			return l.ethInside(h)
		}
	}
	switch h {
	case packet.Eth:
		return parts{l.ethPointer(), l.konst(0)}
	case packet.VLAN, packet.VLAN2:
		return parts{l.tagThere(h)}
	case packet.IP4, packet.IP6, packet.ARP:
		l.needL3()
		return parts{l.get(f.l3Var(h)), l.get(f.l3)}
	case packet.SRH:
		l.needSRH()
		return parts{l.get(f.srh), l.get(f.srhPlace)}
	case packet.IP:
		l.needL3()
		return parts{l.get(f.ip4), l.get(f.ip6), l.get(f.l3)}
	case packet.L4:
		l.needL4()
		return l.anyL4()
	}
	l.needL4()
	return parts{l.get(f.l4[h]), l.get(f.l4Place)}
}

// anyL4 is whichever of TCP, UDP and SCTP is there.
func (l *lowerer) anyL4() parts {
	f := &l.facts
	p := parts{l.konst(0), l.get(f.l4Place), l.konst(0)}
	fresh := true // as fresh as the pointers that it is one of
	for _, k := range l4Kinds {
		if k.h != packet.TCP && k.h != packet.UDP && k.h != packet.SCTP {
			continue
		}
		rest := p
		x := l.get(f.l4[k.h])
		fresh = fresh && l.isFresh(x)
		ptr, proto := l.newVar(), l.newVar()
		hit, miss, done := l.block(), l.block(), l.block()
		l.branch(ir.Ne, x, l.konst(0), hit, miss)
		l.start(hit)
		l.set(ptr, x)
		l.set(proto, l.konst(k.proto))
		l.jump(done)
		l.start(miss)
		l.set(ptr, rest[0])
		l.set(proto, rest[2])
		l.jump(done)
		l.start(done)
		p = parts{l.get(ptr), rest[1], l.get(proto)}
	}
	if fresh {
		l.fresh(p[0])
	}
	return p
}

// ethPointer returns a pointer to the Ethernet header, or 0.
func (l *lowerer) ethPointer() *ir.Value {
	if !l.way.direct() {
		return l.ethCopy()
	}
	yes, no := l.block(), l.coldBlock()
	p := l.within(0, ethSize, yes, no)
	return l.fresh(l.orNull(l.newVar(), p, yes, no))
}

// ethCopy returns a pointer to a copy of the Ethernet header, or 0. It is copied
// once a packet.
func (l *lowerer) ethCopy() *ir.Value {
	if l.st.eth {
		return l.get(l.facts.eth)
	}
	to, v := l.slot("eth", 16, 8), l.facts.eth
	yes, no := l.block(), l.block()
	l.branch(ir.Eq, l.loadBytes(l.konst(0), to, ethSize), l.konst(0), yes, no)
	p := l.orNull(v, to, yes, no)
	l.st.eth = true
	return p
}

// orNull sets v to p where yes leads, and to 0 where no does.
func (l *lowerer) orNull(v variable, p *ir.Value, yes, no *ir.Block) *ir.Value {
	done := l.block()
	l.start(yes)
	l.set(v, p)
	l.jump(done)
	l.start(no)
	l.set(v, l.konst(0))
	l.jump(done)
	l.start(done)
	return l.get(v)
}

// ipPointer returns the pointer of an IP header that is known to be there, good
// in this epoch.
func (l *lowerer) ipPointer(h packet.Header) *ir.Value {
	v := l.facts.ip4
	if h == packet.IP6 {
		v = l.facts.ip6
	}
	return l.pointer(h, l.get(v), l.get(l.facts.l3))
}

// pointer returns the pointer of a view, good in this epoch. Where a write may
// have come between, it is derived from the view's place; the verifier then
// wants to see it compared with the packet's end again, and where it is not
// within (which does not happen) the header is taken as not there. A copy is
// made anew if there may be another copy of the same header, which was written.
func (l *lowerer) pointer(h packet.Header, p, place *ir.Value) *ir.Value {
	if !l.stale() || l.isFresh(p) {
		return p
	}
	size := h.Size()
	if h == packet.L4 {
		size = packet.UDP.Size() // the shortest of them
	}
	v := l.newVar()
	have, slow, fast, done := l.block(), l.coldBlock(), l.block(), l.block()
	l.set(v, p)
	l.branch(ir.Ne, p, l.konst(0), have, done)
	l.start(have)
	l.branch(ir.Test, place, l.konst(1<<slowBit), slow, fast)
	l.start(slow)
	if l.needs.moves {
		l.loadBytes(offsetOf(l, place), p, size)
	}
	l.jump(done)
	l.start(fast)
	if !l.xdp() {
		l.derive(v, place, size)
	}
	l.jump(done)
	l.start(done)
	// A view that is tested for being there and then used gets one derivation.
	return l.fresh(l.get(v))
}

// stale reports whether pointers of views can get out of date in the program: at
// traffic control by any write, at XDP by one that makes headers be parsed and
// copied again.
func (l *lowerer) stale() bool {
	if l.xdp() {
		return l.needs.moves
	}
	return l.needs.writes
}

// derive sets v to a pointer to size octets at place, or 0.
func (l *lowerer) derive(v variable, place *ir.Value, size int) {
	yes, no := l.block(), l.coldBlock()
	q := l.op(ir.OpAdd, l.data(), l.opi(ir.OpAnd, place, 0xffff))
	l.branch(ir.ULe, l.opi(ir.OpAdd, q, int64(size)), l.end(), yes, no)
	l.orNull(v, q, yes, no)
}
