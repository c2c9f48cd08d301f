package lower

import (
	"weir/lang/ir"
	"weir/packet"
)

// data and end return the bounds of the buffer's linear part.
func (l *lowerer) data() *ir.Value { l.needData(); return l.get(l.facts.data) }
func (l *lowerer) end() *ir.Value  { l.needData(); return l.get(l.facts.end) }

func (l *lowerer) needData() {
	if l.st.data {
		return
	}
	d, e := l.bounds()
	l.set(l.facts.data, d)
	l.set(l.facts.end, e)
	l.st.data = true
}

// reach gives take a pointer to n octets at off of the buffer and their place:
// into the packet where they are in its linear part, else to a copy that to
// makes room for. It goes to none where they are not there. off is what walk
// has found: header offsets stay far below maxOffset.
//
// Where the L3 header is a copy the L4 header is one, too: a write to the copy
// makes pointers into the packet invalid at traffic control, and the checksum at
// L4 follows in the same statement. So L3 is taken from where L4 is, which walk
// has found at l4; L4 follows it, with l4 nil.
func (l *lowerer) reach(off *ir.Value, n int, l4, to *ir.Value, none *ir.Block, take func(p, place *ir.Value)) {
	direct := func(out *ir.Block) {
		in := l.block()
		near := l.opi(ir.OpAnd, off, maxOffset)
		q := l.op(ir.OpAdd, l.data(), near)
		l.branch(ir.ULe, l.opi(ir.OpAdd, q, int64(n)), l.end(), in, out)
		l.start(in)
		take(q, near)
	}
	if l.linear() && !l.opts.Copy {
		direct(none)
		return
	}
	if l.inPlace() {
		in, copied := l.block(), l.coldBlock()
		if l4 != nil {
			last := l.op(ir.OpAdd, l.data(), l.opi(ir.OpAnd, l4, maxOffset))
			l.branch(ir.ULe, l.opi(ir.OpAdd, last, maxL4), l.end(), in, copied)
			l.start(in)
			direct(copied)
		} else {
			l.branch(ir.Test, l.get(l.facts.l3), l.konst(1<<slowBit), copied, in)
			l.start(in)
			direct(copied)
		}
		l.start(copied)
	}
	good := l.block()
	r := l.loadBytes(off, to, n)
	l.branch(ir.Eq, r, l.konst(0), good, none)
	l.start(good)
	take(to, l.opi(ir.OpOr, off, 1<<slowBit))
}

// maxL4 is the size of the longest L4 header that is copied.
const maxL4 = 24

// maxOffset is beyond the offset of any header: two tags, the longest IP header
// and eight extension headers of 2048 octets. The verifier wants offsets into
// the packet to be below 0xffff (MAX_PACKET_OFF).
const maxOffset = 0x7fff

// within branches to yes with a pointer to off of the buffer if n octets there
// are in its linear part.
func (l *lowerer) within(off, n int64, yes, no *ir.Block) *ir.Value {
	d, e := l.data(), l.end()
	p := d
	if off != 0 {
		p = l.opi(ir.OpAdd, d, off)
	}
	l.branch(ir.ULe, l.opi(ir.OpAdd, d, off+n), e, yes, no)
	return p
}

// Octets as a little-endian load sees them.
const (
	typeIP4  = 0x0008
	typeARP  = 0x0608
	typeIP6  = 0xdd86
	typeTag  = 0x0081 // 802.1Q, TPID 0x8100
	typeSTag = 0xa888 // 802.1ad, TPID 0x88a8
	ethSize  = 14

	arpKind  = 0x00080100 // Ethernet (1), IPv4 (0x0800)
	arpSizes = 0x0406     // 6 octets, 4 octets
)

// Results of walk.
const (
	walkKind     = 8  // 2 bits: 0 none, 1 IPv4, 2 IPv6, 3 ARP
	walkFragment = 10 // 1 bit: a fragment, be it the first
	walkL4       = 11 // 1 bit: protocol and offset are those of an L4 header
	walkDone     = 12 // always 1
	walkEth      = 13 // 1 bit, of the packet inside: it has an Ethernet header
	walkTags     = 14 // 2 bits, of the packet inside: tags behind that
	walkL3Off    = 16 // 16 bits
	walkL4Off    = 32 // 16 bits; bits 0 to 7 are the protocol
	walkSRHOff   = 48 // 16 bits, 0 for none
)

// l3Kinds are the headers that an EtherType names, with what walk calls them.
var l3Kinds = []struct {
	h    packet.Header
	typ  int64
	kind int64
}{
	{packet.IP4, typeIP4, 1}, {packet.IP6, typeIP6, 2}, {packet.ARP, typeARP, 3},
}

func (l *lowerer) field(w *ir.Value, shift, bits uint) *ir.Value {
	return l.opi(ir.OpAnd, l.opi(ir.OpShr, w, int64(shift)), 1<<bits-1)
}

// l3Var is the variable that holds the pointer to a header of l3Kinds.
func (f *facts) l3Var(h packet.Header) variable {
	return map[packet.Header]variable{packet.IP4: f.ip4, packet.IP6: f.ip6, packet.ARP: f.arp}[h]
}

// setL3 sets the facts about the L3 header: h, or none of them.
func (l *lowerer) setL3(h packet.Header, p, place, walk *ir.Value) {
	f := &l.facts
	for _, k := range l3Kinds {
		if k.h == h {
			l.set(f.l3Var(h), p)
		} else {
			l.set(f.l3Var(k.h), l.konst(0))
		}
	}
	l.set(f.l3, place)
	l.set(f.walk, walk)
}

// needL3 finds the IP header, or that of ARP.
func (l *lowerer) needL3() {
	if l.st.l3 {
		return
	}
	slow, none, done := l.coldBlock(), l.block(), l.block()
	if l.opts.Copy || l.inner {
		l.jump(slow)
		l.slowL3(nil, slow, done)
		l.start(done)
		l.st.l3 = true
		return
	}
	var copyTo *ir.Value // of both ways, where both copy
	switch {
	case l.way.direct():
		head := l.block()
		p := l.within(0, l.least(), head, slow)
		l.start(head)
		if l.info.Ethernet {
			l.fastType(p, 0, slow, none, done)
		} else {
			l.fastVersion(p, slow, none, done)
		}
	case l.way == byDynptr:
		copyTo = l.copyOfL3()
		l.sliceL3(copyTo, slow, none, done)
	default:
		copyTo = l.copyOfL3()
		l.copyL3(copyTo, slow, done)
	}
	l.start(none)
	if l.cur != nil {
		// No walk is needed: its result says that there is nothing.
		l.setL3(packet.None, nil, l.konst(0), l.konst(1<<walkDone))
		l.jump(done)
	}
	l.chilled(func() { l.slowL3(copyTo, slow, done) })
	l.start(done)
	l.st.l3 = true
	for _, k := range l3Kinds {
		l.fresh(l.get(l.facts.l3Var(k.h)))
	}
}

// fastType takes the header that the EtherType at data+12+tags says, where tags
// is the octets of tags before it. Where the outer tag stands beside the buffer,
// a second one in it is for the slow path to judge.
func (l *lowerer) fastType(data *ir.Value, tags int, slow, none, done *ir.Block) {
	t := l.load(2, data, 12+tags)
	for _, k := range l3Kinds {
		if !l.needs.header[k.h] {
			continue
		}
		hit, next := l.block(), l.block()
		l.branch(ir.Eq, t, l.konst(k.typ), hit, next)
		l.start(hit)
		l.fastL3(k.h, tags, slow, none, done)
		l.start(next)
	}
	tagged, other := l.block(), l.block()
	l.branch(ir.Eq, t, l.konst(typeTag), tagged, other)
	l.start(other)
	l.branch(ir.Eq, t, l.konst(typeSTag), tagged, none)
	l.start(tagged)
	switch {
	case !l.opts.Tags:
		l.jump(slow)
	case tags == 8:
		l.jump(none)
	default:
		more := l.block()
		if tags == 4 && !l.xdp() {
			one := l.block()
			l.branch(ir.Eq, l.tagBeside(), l.konst(0), one, slow)
			l.start(one)
		}
		l.within(int64(tags+4), l.least(), more, slow)
		l.start(more)
		l.fastType(data, tags+4, slow, none, done)
	}
}

// start0 is where the L3 header of a packet without tags lies in the buffer.
func (l *lowerer) start0() int64 {
	if l.info.Ethernet {
		return ethSize
	}
	return 0
}

// fastVersion takes the IP header at the start of the buffer.
func (l *lowerer) fastVersion(data *ir.Value, slow, none, done *ir.Block) {
	version := l.opi(ir.OpAnd, l.load(1, data, 0), 0xf0)
	l.eachVersion(version, none, func(h packet.Header) { l.fastL3(h, 0, slow, none, done) })
}

// eachVersion goes on with the kind of IP header that is asked for and has the
// version, in the upper half of an octet, or at none.
func (l *lowerer) eachVersion(version *ir.Value, none *ir.Block, take func(h packet.Header)) {
	for _, k := range []struct {
		h       packet.Header
		version int64
	}{{packet.IP4, 0x40}, {packet.IP6, 0x60}} {
		if !l.needs.header[k.h] {
			continue
		}
		hit, next := l.block(), l.block()
		l.branch(ir.Eq, version, l.konst(k.version), hit, next)
		l.start(hit)
		take(k.h)
		l.start(next)
	}
	l.jump(none)
}

// least returns how many octets a frame has at least that holds what the program
// asks for: one check does for the headers that all of them have. Shorter ones,
// which Ethernet pads, go the slow way.
func (l *lowerer) least() int64 {
	n := l.start0()
	for _, k := range l3Kinds { // the first is the shortest
		if l.needs.header[k.h] {
			n += int64(k.h.Size())
			break
		}
	}
	for _, k := range l4Kinds {
		if l.needs.header[k.h] {
			return n + int64(packet.UDP.Size()) // the shortest of them
		}
	}
	return n
}

func (b *builder) coldBlock() *ir.Block {
	blk := b.block()
	blk.Cold = true
	return blk
}

// fresh notes that p is a pointer that is good in this epoch.
func (l *lowerer) fresh(p *ir.Value) *ir.Value {
	l.facts.fresh[p] = l.st.epoch
	return p
}

// isFresh reports whether p is known to be good in this epoch.
func (l *lowerer) isFresh(p *ir.Value) bool {
	e, ok := l.facts.fresh[p]
	return ok && e == l.st.epoch
}

// fastL3 takes the header that stands right behind the Ethernet header and the
// octets of tags; IPv4 with options is for the slow path.
func (l *lowerer) fastL3(h packet.Header, tags int, slow, none, done *ir.Block) {
	ok, good := l.block(), l.block()
	at := l.start0() + int64(tags)
	p := l.within(at, int64(h.Size()), ok, slow)
	l.start(ok)
	switch h {
	case packet.IP4:
		l.branch(ir.Eq, l.load(1, p, 0), l.konst(0x45), good, slow)
	case packet.IP6:
		l.branch(ir.Eq, l.opi(ir.OpAnd, l.load(1, p, 0), 0xf0), l.konst(0x60), good, slow)
	case packet.ARP:
		kind := l.block()
		l.branch(ir.Eq, l.load(4, p, 0), l.konst(arpKind), kind, none)
		l.start(kind)
		l.branch(ir.Eq, l.load(2, p, 4), l.konst(arpSizes), good, none)
	}
	l.start(good)
	l.setL3(h, p, l.konst(at), l.konst(0))
	l.jump(done)
}

// slowL3 walks, and copies the header to the stack: to copyTo, or a place of its
// own where that is nil.
func (l *lowerer) slowL3(copyTo *ir.Value, slow, done *ir.Block) {
	l.start(slow)
	if l.cur == nil {
		return
	}
	// The verifier does not know what walk gives; that it was asked matters.
	w := l.walkFirst()
	none := l.block()
	off := l.field(w, walkL3Off, 16)
	if copyTo == nil {
		copyTo = l.copyOfL3()
	}
	for _, k := range l3Kinds {
		if !l.needs.header[k.h] {
			continue
		}
		hit, next := l.block(), l.block()
		l.branch(ir.Eq, l.field(w, walkKind, 2), l.konst(k.kind), hit, next)
		l.start(hit)
		l.reach(off, k.h.Size(), l.field(w, walkL4Off, 16), copyTo, none, func(p, place *ir.Value) {
			l.setL3(k.h, p, place, w)
			l.jump(done)
		})
		l.start(next)
	}
	l.jump(none)
	l.start(none)
	l.setL3(packet.None, nil, l.konst(0), w)
	l.jump(done)
}
