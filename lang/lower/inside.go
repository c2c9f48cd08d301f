package lower

import (
	"weir/lang/ir"
	"weir/packet"
)

// The packet inside a tunnel. The function weir_inside finds its headers, given what
// walk has found of the packet around it, and gives what walk does. The facts about
// the headers of the two are of one kind (layer), and found by the same code: deep
// exchanges them for as long as it looks inside.
//
//	pkt            walk(ctx)            ──► word ──► facts.layer
//	                                         │
//	pkt.inner      inside(ctx, word)    ──► word ──► facts.other
//
// Its headers always take the slow path of package comment: found by the function,
// read in place where they are linear. Programs that do not ask pay nothing.

// Tunnels: protocols of IP (IANA), UDP ports, EtherTypes in GRE and Geneve.
const (
	protoIP4 = 4
	protoIP6 = 41
	protoGRE = 47
	protoEth = 143 // RFC 8986

	portVXLAN  = 4789 // RFC 7348
	portGeneve = 6081 // RFC 8926
	portGUE    = 6080 // draft-ietf-intarea-gue

	etherIP4    = 0x0800
	etherIP6    = 0x86dd
	etherBridge = 0x6558 // Ethernet, RFC 1701

	// maxInside is beyond where a packet inside begins at most. What walk finds in it
	// then stays below maxOffset.
	maxInside = 0x2000
)

// walkInside has the bits of which one is set where there is a packet inside.
const walkInside = 3<<walkKind | 1<<walkEth

// ask finds the packet inside.
func (l *lowerer) ask() {
	if l.st.asked {
		return
	}
	l.needL3()
	w := l.callFunc(l.insideFunc(), l.ctx, l.walked())
	l.set(l.facts.other.walk, l.opi(ir.OpOr, w, 1<<walkDone))
	l.st.asked = true
}

// deep runs f with the facts about the packet inside in place of those of the packet.
func (l *lowerer) deep(f func() parts) parts {
	l.ask()
	l.turn()
	p := f()
	l.turn()
	return p
}

func (l *lowerer) turn() {
	l.facts.layer, l.facts.other = l.facts.other, l.facts.layer
	l.needs.mention, l.needs.deep = l.needs.deep, l.needs.mention
	l.st.found, l.st.deep = l.st.deep, l.st.found
	l.inner = !l.inner
}

// ethInside is pkt.inner.eth or a tag behind it, whose view is where it lies.
func (l *lowerer) ethInside(h packet.Header) parts {
	w := l.get(l.facts.walk)
	l3, tags := l.field(w, walkL3Off, 16), l.field(w, walkTags, 2)
	least := map[packet.Header]int64{packet.Eth: 0, packet.VLAN: 1, packet.VLAN2: 2}[h]
	start := l.op(ir.OpSub, l.opi(ir.OpSub, l3, ethSize), l.opi(ir.OpShl, tags, 2))
	has, enough, none, done := l.block(), l.block(), l.block(), l.block()
	p, place := l.newVar(), l.newVar()
	l.branch(ir.Test, w, l.konst(1<<walkEth), has, none)
	l.start(has)
	l.branch(ir.UGe, tags, l.konst(least), enough, none)
	l.start(enough)
	if h == packet.Eth {
		l.reach(l.opi(ir.OpAnd, start, maxOffset), ethSize, l3, l.copySlot("eth", 16), none, func(q, at *ir.Value) {
			l.set(p, q)
			l.set(place, at)
			l.jump(done)
		})
	} else {
		l.set(p, l.opi(ir.OpAdd, start, ethSize+4*(least-1)))
		l.set(place, l.konst(0))
		l.jump(done)
	}
	l.start(none)
	l.set(p, l.konst(0))
	l.set(place, l.konst(0))
	l.jump(done)
	l.start(done)
	if h != packet.Eth {
		return parts{l.get(p)}
	}
	return parts{l.fresh(l.get(p)), l.get(place)}
}

// lenInside is pkt.inner.len: to where the packet around it ends, and as if 14 octets
// stood before the IP header where there is no Ethernet header; 0 where it is not there.
func (l *lowerer) lenInside() *ir.Value {
	l.ask()
	w := l.get(l.facts.other.walk)
	return l.choose1(func(then, els *ir.Block) { l.branch(ir.Test, w, l.konst(walkInside), then, els) },
		func() *ir.Value {
			tags := l.opi(ir.OpShl, l.field(w, walkTags, 2), 2)
			start := l.op(ir.OpSub, l.opi(ir.OpSub, l.field(w, walkL3Off, 16), ethSize), tags)
			end := l.greater(l.smaller(l.ipEnd(), l.bufLen()), start)
			return l.op(ir.OpSub, end, start)
		}, func() *ir.Value { return l.konst(0) })
}

// insideFunc returns the function weir_inside(ctx, word).
func (l *lowerer) insideFunc() *ir.Func {
	if l.insideFn != nil {
		return l.insideFn
	}
	body := func(w *walker) (word *ir.Value) {
		word = w.add(ir.OpParam, ir.Int)
		word.Imm = 1
		w.inside, w.needs = true, &needs{all: true}
		w.tunnel(word)
		return word
	}
	l.insideFn = l.global("weir_inside", 2)
	var word *ir.Value
	l.near(l.insideFn, func(w *walker) { word = body(w) }, func(w *walker) *ir.Value {
		l.insideFarFn = l.global("weir_inside_far", 2)
		far := l.newWalker(l.insideFarFn)
		far.buf = far.slot("buf", 8, 8)
		body(far)
		return w.callFunc(l.insideFarFn, w.ctx, word)
	})
	return l.insideFn
}

// nothing gives that there is no IP header: of the packet inside, whether it has an
// Ethernet header all the same.
func (w *walker) nothing() {
	r := w.konst(1 << walkDone)
	if w.inside {
		r = w.op(ir.OpOr, r, w.opi(ir.OpShl, w.plus(w.get(w.off), 2), walkL3Off))
		r = w.op(ir.OpOr, r, w.opi(ir.OpShl, w.get(w.eth), walkEth))
		r = w.op(ir.OpOr, r, w.opi(ir.OpShl, w.get(w.tags), walkTags))
	}
	w.cur.Return(r)
}

// tunnel looks for a tunnel's header where word has the L4 header, and for the headers
// of the packet inside behind it. A segment routing header is to be at its end.
func (w *walker) tunnel(word *ir.Value) {
	w.none = w.block()
	for _, v := range []variable{w.off, w.typ, w.tags, w.eth, w.srh} {
		w.set(v, w.konst(0))
	}
	field := func(shift, bits uint) *ir.Value {
		return w.opi(ir.OpAnd, w.opi(ir.OpShr, word, int64(shift)), 1<<bits-1)
	}
	l4, srh, proto := field(walkL4Off, 16), field(walkSRHOff, 16), field(0, 8)
	there, near, routed, last := w.block(), w.block(), w.block(), w.block()
	w.branch(ir.Test, word, w.konst(1<<walkL4), there, w.none)
	w.start(there)
	w.branch(ir.ULt, l4, w.konst(maxInside), near, w.none)
	w.start(near)
	w.branch(ir.Ne, srh, w.konst(0), routed, last)
	w.start(routed)
	// It was whole; walk gives no more than maxOffset.
	w.branch(ir.Eq, w.octets(w.plus(w.opi(ir.OpAnd, srh, maxOffset), 3), 1, w.none), w.konst(0), last, w.none)
	w.start(last)
	l3, eth := w.block(), w.block()
	for _, t := range []struct {
		proto int64
		take  func()
	}{
		{protoIP4, func() { w.type3(l4, w.konst(etherIP4), l3) }},
		{protoIP6, func() { w.type3(l4, w.konst(etherIP6), l3) }},
		{protoEth, func() { w.frameAt(l4, eth) }},
		{protoGRE, func() { w.gre(l4, l3, eth) }},
		{protoUDP, func() { w.udp(l4, l3, eth) }},
	} {
		w.on(proto, t.proto, t.take)
	}
	w.jump(w.none)
	w.start(eth)
	at := w.opi(ir.OpAnd, w.get(w.off), maxOffset)
	w.octets(w.plus(at, 1), 1, w.none)
	w.set(w.eth, w.konst(1))
	w.set(w.off, at)
	w.set(w.typ, w.octets(at, 2, w.none))
	w.tag()
	w.tag()
	w.jump(l3)
	w.start(l3)
	w.set(w.off, w.opi(ir.OpAnd, w.get(w.off), maxOffset))
	w.layer3s()
}

// on runs take where x is n.
func (w *walker) on(x *ir.Value, n int64, take func()) {
	hit, next := w.block(), w.block()
	w.branch(ir.Eq, x, w.konst(n), hit, next)
	w.start(hit)
	take()
	w.start(next)
}

// type3 goes on with an L3 header of an EtherType at at.
func (w *walker) type3(at, typ *ir.Value, l3 *ir.Block) {
	w.set(w.typ, typ)
	w.set(w.off, w.plus(at, -2))
	w.jump(l3)
}

// frameAt goes on with an Ethernet header at at.
func (w *walker) frameAt(at *ir.Value, eth *ir.Block) {
	w.set(w.off, w.plus(at, 12))
	w.jump(eth)
}

// typed goes on by an EtherType, as GRE and Geneve have it.
func (w *walker) typed(at, typ *ir.Value, l3, eth *ir.Block) {
	w.on(typ, etherIP4, func() { w.type3(at, typ, l3) })
	w.on(typ, etherIP6, func() { w.type3(at, typ, l3) })
	w.on(typ, etherBridge, func() { w.frameAt(at, eth) })
	w.jump(w.none)
}

// gre takes a header of GRE: see gre.go.
func (w *walker) gre(l4 *ir.Value, l3, eth *ir.Block) {
	head := w.octets(l4, 4, w.none)
	plain := w.block()
	w.branch(ir.Test, head, w.konst((greRouting<<8|greVersion)<<16), w.none, plain)
	w.start(plain)
	at := w.plus(l4, int64(packet.GRE.Size()))
	for bit := int64(31); bit >= 28; bit-- {
		if 1<<bit != greRouting<<24 {
			at = w.op(ir.OpAdd, at, w.opi(ir.OpAnd, w.opi(ir.OpShr, head, bit-2), 4))
		}
	}
	w.typed(at, w.opi(ir.OpAnd, head, 0xffff), l3, eth)
}

// udp takes a header of a tunnel over UDP.
//
//	VXLAN   | flags: 8 = I |   0    | network id    | 0 |
//	Geneve  | ver 2, words of options 6 | flags | EtherType | network id | 0 |
//	GUE 0   | ver 2 = 0, control 1, words 5 | protocol | flags 16 |
//	GUE 1   | an IP header, whose version begins with 01
func (w *walker) udp(l4 *ir.Value, l3, eth *ir.Block) {
	port := w.octets(w.plus(l4, 2), 2, w.none)
	at := w.plus(l4, int64(packet.UDP.Size()))
	w.on(port, portVXLAN, func() {
		known := w.block()
		w.branch(ir.Test, w.octets(at, 1, w.none), w.konst(0x08), known, w.none)
		w.start(known)
		w.frameAt(w.plus(at, 8), eth)
	})
	w.on(port, portGeneve, func() {
		head := w.octets(at, 4, w.none)
		known := w.block()
		w.branch(ir.Test, head, w.konst(0xc0000000), w.none, known)
		w.start(known)
		options := w.opi(ir.OpAnd, w.opi(ir.OpShr, head, 22), 0xfc)
		w.typed(w.op(ir.OpAdd, w.plus(at, 8), options), w.opi(ir.OpAnd, head, 0xffff), l3, eth)
	})
	w.on(port, portGUE, func() {
		head := w.octets(at, 2, w.none)
		kind, proto := w.opi(ir.OpShr, head, 12), w.opi(ir.OpAnd, head, 0xff)
		w.on(kind, 4, func() { w.type3(at, w.konst(etherIP4), l3) })
		w.on(kind, 6, func() { w.type3(at, w.konst(etherIP6), l3) })
		plain := w.block()
		w.branch(ir.Test, head, w.konst(0xe000), w.none, plain)
		w.start(plain)
		data := w.op(ir.OpAdd, w.plus(at, 4), w.opi(ir.OpAnd, w.opi(ir.OpShr, head, 6), 0x7c))
		w.on(proto, protoIP4, func() { w.type3(data, w.konst(etherIP4), l3) })
		w.on(proto, protoIP6, func() { w.type3(data, w.konst(etherIP6), l3) })
		w.on(proto, protoEth, func() { w.frameAt(data, eth) })
		w.jump(w.none)
	})
	w.jump(w.none)
}
