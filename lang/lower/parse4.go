package lower

import (
	"weir/lang/ir"
	"weir/packet"
)

// l4Kinds are the L4 headers that can be parsed, with their protocol numbers
// and the IP headers that carry them.
var l4Kinds = []struct {
	h        packet.Header
	proto    int64
	ip4, ip6 bool
}{
	{packet.TCP, 6, true, true},
	{packet.UDP, 17, true, true},
	{packet.ICMP4, 1, true, false},
	{packet.ICMP6, 58, false, true},
	{packet.SCTP, 132, true, true},
	{packet.GRE, 47, true, true},
	{packet.ESP, 50, true, true},
}

// hasPayload reports whether pkt.payload starts behind an L4 header.
func hasPayload(h packet.Header) bool { return h != packet.GRE && h != packet.ESP }

// extensions are the IPv6 extension headers that are walked: hop-by-hop,
// routing, fragment, destination options (RFC 8200), authentication (RFC 4302).
var extensions = []int64{0, 43, 44, 60, 51}

// needL4 finds the L4 header.
func (l *lowerer) needL4() {
	l.needL3()
	if l.st.l4 {
		return
	}
	f := &l.facts
	slow, none, done := l.coldBlock(), l.block(), l.block()
	var copyTo *ir.Value // of both ways, where both copy
	if !l.way.direct() {
		copyTo = l.copySlot("l4", maxL4)
	}
	if l.opts.Copy || l.inner {
		l.jump(slow)
	} else {
		l.fastL4s(copyTo, slow, none, done)
	}
	l.chilled(func() { l.slowL4(copyTo, slow, none, done) })
	l.start(none)
	l.setL4(packet.None, nil, nil, nil)
	l.jump(done)
	l.start(done)
	l.st.l4 = true
	for _, k := range l4Kinds {
		l.fresh(l.get(f.l4[k.h]))
	}
}

// fastL4s takes the header behind whichever IP header the fast path has taken.
func (l *lowerer) fastL4s(copyTo *ir.Value, slow, none, done *ir.Block) {
	fast := l.block()
	l.branchWalked(slow, fast)
	l.start(fast)
	for _, ip := range []packet.Header{packet.IP4, packet.IP6} {
		if !l.needs.header[ip] {
			continue
		}
		p := l.ipPointer(ip)
		there, next := l.block(), l.block()
		l.branch(ir.Ne, p, l.konst(0), there, next)
		l.start(there)
		l.fastL4(ip, p, copyTo, slow, none, done)
		l.start(next)
	}
	l.noL4(l.konst(0), l.konst(0))
	l.jump(none)
}

// noL4 notes what is known of an IP packet without an L4 header.
func (l *lowerer) noL4(proto, frag *ir.Value) {
	l.set(l.facts.proto, proto)
	l.set(l.facts.frag, frag)
}

// setL4 sets the facts about the L4 header: h, or none of them.
func (l *lowerer) setL4(h packet.Header, p, place, payload *ir.Value) {
	f := &l.facts
	zero := l.konst(0)
	for _, k := range l4Kinds {
		if k.h == h {
			l.set(f.l4[k.h], p)
		} else {
			l.set(f.l4[k.h], zero)
		}
	}
	if h == packet.None {
		place, payload = zero, zero
	}
	l.set(f.l4Place, place)
	l.set(f.payload, payload)
}

// fastL4 takes the header that stands right behind an IP header that has no
// options or extensions: where it lies, or copied to copyTo.
func (l *lowerer) fastL4(ip packet.Header, h, copyTo *ir.Value, slow, none, done *ir.Block) {
	size, proto := int64(20), (*ir.Value)(nil)
	if ip == packet.IP4 {
		first := l.block()
		l.noL4(l.konst(0), l.konst(0)) // IPv4 reads its own field
		l.branch(ir.Test, l.load(2, h, 6), l.konst(0xff1f), none, first)
		l.start(first)
		proto = l.load(1, h, 9)
	} else {
		size = 40
		proto = l.load(1, h, 6)
		l.noL4(proto, l.konst(0))
	}
	for _, k := range l4Kinds {
		if !l.needs.header[k.h] || (ip == packet.IP4 && !k.ip4) || (ip == packet.IP6 && !k.ip6) {
			continue
		}
		hit, next, ok := l.block(), l.block(), l.block()
		l.branch(ir.Eq, proto, l.konst(k.proto), hit, next)
		l.start(hit)
		short := slow
		if l.linear() {
			short = none
		}
		if l.way.direct() {
			p := l.opi(ir.OpAdd, h, size)
			l.branch(ir.ULe, l.opi(ir.OpAdd, p, int64(k.h.Size())), l.end(), ok, short)
			l.start(ok)
			off := l.opi(ir.OpAdd, l.get(l.facts.l3), size)
			l.takeL4(k.h, p, off, off, none, done)
		} else {
			off := l.opi(ir.OpAdd, l.opi(ir.OpAnd, l.get(l.facts.l3), 0xffff), size)
			p := l.fetch(off, copyTo, k.h.Size(), ok, none)
			l.start(ok)
			l.takeL4(k.h, p, l.opi(ir.OpOr, off, 1<<slowBit), off, none, done)
		}
		l.start(next)
	}
	if ip == packet.IP6 {
		for _, x := range extensions {
			next := l.block()
			l.branch(ir.Eq, proto, l.konst(x), slow, next)
			l.start(next)
		}
	}
	l.jump(none)
}

// takeL4 takes the header at p if it is valid; its fixed part is there.
func (l *lowerer) takeL4(h packet.Header, p, place, off *ir.Value, none, done *ir.Block) {
	size := l.konst(int64(h.Size()))
	switch h {
	case packet.GRE:
		l.wholeGRE(p, off, none)
	case packet.TCP:
		long, good := l.block(), l.block()
		size = l.opi(ir.OpAnd, l.opi(ir.OpShr, l.load(1, p, 12), 2), 0x3c)
		l.branch(ir.UGe, size, l.konst(20), long, none)
		l.start(long)
		l.branch(ir.ULe, l.op(ir.OpAdd, off, size), l.bufLen(), good, none)
		l.start(good)
	}
	payload := l.konst(0)
	if hasPayload(h) {
		payload = l.op(ir.OpAdd, off, size)
	}
	if l.opts.Copy && hasPayload(h) {
		payload = l.forgotten(payload)
	}
	l.setL4(h, p, place, payload)
	l.jump(done)
}

// walked returns what walk gives, which is asked if that has not been done.
func (l *lowerer) walked() *ir.Value {
	f := &l.facts
	if l.opts.Copy || l.inner {
		return l.get(f.walk)
	}
	w := l.chooseFact(l.branchWalked, func() *ir.Value { return l.get(f.walk) }, l.walkNow)
	l.set(f.walk, w)
	return w
}

// walkFirst returns what walk gives, which has not been asked; of the packet inside
// it has.
func (l *lowerer) walkFirst() *ir.Value {
	if l.inner {
		return l.get(l.facts.walk)
	}
	return l.opi(ir.OpOr, l.callFunc(l.walk(), l.ctx), 1<<walkDone)
}

// branchWalked branches by whether walk has been asked. The verifier
// of Linux 6.1 does not see that a value with a bit set is not 0 (BPF_JNE in
// is_branch_taken); it sees that the bit is set.
func (l *lowerer) branchWalked(yes, no *ir.Block) {
	l.branch(ir.Test, l.get(l.facts.walk), l.konst(1<<walkDone), yes, no)
}

// walkNow asks walk, on from an IPv6 header that is known.
func (l *lowerer) walkNow() *ir.Value {
	if !l.needs.header[packet.IP6] {
		return l.walkFirst()
	}
	f := &l.facts
	p := l.ipPointer(packet.IP6)
	return l.chooseFact(func(then, els *ir.Block) { l.branch(ir.Ne, p, l.konst(0), then, els) },
		func() *ir.Value {
			at := l.opi(ir.OpAdd, l.opi(ir.OpAnd, l.get(f.l3), maxOffset), int64(packet.IP6.Size()))
			return l.opi(ir.OpOr, l.callFunc(l.walkOn(), l.ctx, at, l.load(1, p, 6)), 1<<walkDone)
		}, l.walkFirst)
}

// slowL4 walks if that has not been done, and copies the header to the stack: to
// copyTo, or a place of its own where that is nil.
func (l *lowerer) slowL4(copyTo *ir.Value, slow, none, done *ir.Block) {
	l.start(slow)
	if l.cur == nil {
		return
	}
	w := l.walked()
	proto := l.opi(ir.OpAnd, w, 0xff)
	l.noL4(proto, l.field(w, walkFragment, 1))
	there := l.block()
	l.branch(ir.Test, w, l.konst(1<<walkL4), there, none)
	l.start(there)
	off := l.field(w, walkL4Off, 16)
	kind := l.field(w, walkKind, 2)
	if copyTo == nil {
		copyTo = l.copySlot("l4", maxL4)
	}
	for _, k := range l4Kinds {
		if !l.needs.header[k.h] {
			continue
		}
		hit, next := l.block(), l.block()
		l.branch(ir.Eq, proto, l.konst(k.proto), hit, next)
		l.start(hit)
		if k.ip4 != k.ip6 {
			want, right := int64(1), l.block()
			if k.ip6 {
				want = 2
			}
			l.branch(ir.Eq, kind, l.konst(want), right, none)
			l.start(right)
		}
		l.reach(off, k.h.Size(), nil, copyTo, none, func(p, place *ir.Value) {
			l.takeL4(k.h, p, place, off, none, done)
		})
		l.start(next)
	}
	l.jump(none)
}

// choose1 is choose of one part, a number or a pointer.
func (l *lowerer) choose1(cond func(then, els *ir.Block), x, y func() *ir.Value) *ir.Value {
	v := l.newVar()
	l.soft[v] = true
	return l.chooseInto(v, cond, x, y)
}

// chooseFact is choose1 of what the verifier must be able to follow.
func (l *lowerer) chooseFact(cond func(then, els *ir.Block), x, y func() *ir.Value) *ir.Value {
	return l.chooseInto(l.newVar(), cond, x, y)
}

func (l *lowerer) chooseInto(v variable, cond func(then, els *ir.Block), x, y func() *ir.Value) *ir.Value {
	then, els, done := l.block(), l.block(), l.block()
	cond(then, els)
	l.start(then)
	if l.cur != nil {
		l.set(v, x())
		l.jump(done)
	}
	l.start(els)
	if l.cur != nil {
		l.set(v, y())
		l.jump(done)
	}
	l.start(done)
	return l.get(v)
}

// bufLen returns the octets of the buffer, fragments included, without a tag
// that stands beside it.
func (l *lowerer) bufLen() *ir.Value {
	if l.linear() && l.opts.Copy {
		data, end := l.bounds() // a number of its own at each mention
		return l.op(ir.OpSub, end, data)
	}
	if l.linear() {
		return l.op(ir.OpSub, l.end(), l.data())
	}
	switch l.way {
	case byXDP:
	case byDynptr:
		return l.kernelField(4, l.skb(), "sk_buff.len")
	default:
		return l.load(4, l.ctx, skbLen)
	}
	if !l.st.length || l.opts.Copy {
		l.set(l.facts.length, l.call(helperXDPLen, "xdp_get_buff_len", ir.Int, l.ctx))
		l.st.length = true
	}
	return l.get(l.facts.length)
}

// frameLen returns the octets of the frame on the wire. Where the hook has no
// Ethernet header it counts as if there was one.
func (l *lowerer) frameLen() *ir.Value {
	n := l.bufLen()
	switch {
	case l.xdp():
		return n
	case !l.info.Ethernet:
		return l.opi(ir.OpAdd, n, ethSize)
	}
	return l.op(ir.OpAdd, n, l.opi(ir.OpShl, l.tagBeside(), 2))
}

// tagBeside is 1 if the kernel has moved the outer tag beside the buffer. It is
// never so at XDP, and not told where there is no Ethernet header.
func (l *lowerer) tagBeside() *ir.Value {
	if l.xdp() || !l.info.Ethernet {
		return l.konst(0)
	}
	if !l.st.meta {
		l.set(l.facts.meta, l.opi(ir.OpAnd, l.load(4, l.ctx, skbVLANPresent), 1))
		l.st.meta = true
	}
	return l.get(l.facts.meta)
}
