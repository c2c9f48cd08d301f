package lower

import (
	"weir/lang/ir"
	"weir/packet"
)

// facts are variables that hold what parsing has found. They are worked out at
// the first mention on each way; state says where they hold.
type facts struct {
	data, end variable // linear part of the buffer
	length    variable // octets of the buffer
	now       variable
	zero      variable // see opaque
	meta      variable // 1 if the outer tag stands beside the buffer

	ip4, ip6 variable // pointer or 0
	l3       variable // place of either
	walk     variable // result of walk, or 0 where the fast path was taken

	l4      map[packet.Header]variable // pointer or 0
	l4Place variable
	proto   variable // the L4 protocol, for IPv6
	frag    variable // 1 if a fragment, for IPv6
	payload variable // start of the payload in the buffer, or 0

	start, stop variable // of the payload, as a value of the language

	fresh map[*ir.Value]int // pointers into the packet and their epochs
}

func (f *facts) init(l *lowerer) {
	for _, v := range []*variable{&f.data, &f.end, &f.length, &f.now, &f.zero, &f.meta, &f.ip4, &f.ip6, &f.l3,
		&f.walk, &f.l4Place, &f.proto, &f.frag, &f.payload, &f.start, &f.stop} {
		*v = l.newVar()
	}
	f.l4 = map[packet.Header]variable{}
	for _, h := range []packet.Header{packet.TCP, packet.UDP, packet.SCTP, packet.ICMP4, packet.ICMP6} {
		f.l4[h] = l.newVar()
		l.pointers[f.l4[h]] = true
	}
	l.pointers[f.ip4], l.pointers[f.ip6] = true, true
	f.fresh = map[*ir.Value]int{}
}

// reparse forgets where the headers are.
func (st *state) reparse() { st.l3, st.l4, st.payload = false, false, false }

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

// bounds reads the bounds from the context.
func (l *lowerer) bounds() (data, end *ir.Value) {
	at, to := skbData, skbEnd
	if l.xdp() {
		at, to = xdpData, xdpEnd
	}
	data = l.add(ir.OpPktData, ir.Ptr, l.ctx)
	data.Off, data.Width = at, 4
	end = l.add(ir.OpPktEnd, ir.Ptr, l.ctx)
	end.Off, end.Width = to, 4
	return data, end
}

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
	typeIP6  = 0xdd86
	typeTag  = 0x0081 // 802.1Q, TPID 0x8100
	typeSTag = 0xa888 // 802.1ad, TPID 0x88a8
	ethSize  = 14
)

// Results of walk.
const (
	walkKind     = 8  // 2 bits: 0 neither, 1 IPv4, 2 IPv6
	walkFragment = 10 // 1 bit: a fragment, be it the first
	walkL4       = 11 // 1 bit: protocol and offset are those of an L4 header
	walkDone     = 12 // always 1
	walkL3Off    = 16 // 16 bits
	walkL4Off    = 32 // 16 bits; bits 0 to 7 are the protocol
)

func (l *lowerer) field(w *ir.Value, shift, bits uint) *ir.Value {
	return l.opi(ir.OpAnd, l.opi(ir.OpShr, w, int64(shift)), 1<<bits-1)
}

// needL3 finds the IP header.
func (l *lowerer) needL3() {
	if l.st.l3 {
		return
	}
	f := &l.facts
	slow, none, done := l.coldBlock(), l.block(), l.block()
	if l.opts.Copy {
		l.jump(slow)
		l.slowL3(slow, done)
		l.start(done)
		l.st.l3 = true
		return
	}
	eth := l.block()
	p := l.within(0, ethSize, eth, slow)
	l.start(eth)
	t := l.load(2, p, 12)
	if l.needs.header[packet.IP4] {
		v4, next := l.block(), l.block()
		l.branch(ir.Eq, t, l.konst(typeIP4), v4, next)
		l.start(v4)
		l.fastL3(packet.IP4, slow, done)
		l.start(next)
	}
	if l.needs.header[packet.IP6] {
		v6, next := l.block(), l.block()
		l.branch(ir.Eq, t, l.konst(typeIP6), v6, next)
		l.start(v6)
		l.fastL3(packet.IP6, slow, done)
		l.start(next)
	}
	for _, tag := range []int64{typeTag, typeSTag} {
		next := l.block()
		l.branch(ir.Eq, t, l.konst(tag), slow, next)
		l.start(next)
	}
	l.jump(none)
	l.start(none)
	l.noL3(done, 1<<walkDone)
	l.chilled(func() { l.slowL3(slow, done) })
	l.start(done)
	l.st.l3 = true
	for _, v := range []variable{f.ip4, f.ip6} {
		l.fresh(l.get(v))
	}
}

func (l *lowerer) coldBlock() *ir.Block {
	blk := l.block()
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

// noL3 leaves with no IP header. Where the walk has not been asked for it needs
// none: its result says that there is nothing.
func (l *lowerer) noL3(done *ir.Block, walk int64) {
	f := &l.facts
	for _, v := range []variable{f.ip4, f.ip6, f.l3} {
		l.set(v, l.konst(0))
	}
	l.set(f.walk, l.konst(walk))
	l.jump(done)
}

// fastL3 takes the header that stands right behind the Ethernet header; IPv4
// with options is for the slow path.
func (l *lowerer) fastL3(h packet.Header, slow, done *ir.Block) {
	f := &l.facts
	ok, good := l.block(), l.block()
	p := l.within(ethSize, int64(h.Size()), ok, slow)
	l.start(ok)
	first := l.load(1, p, 0)
	mine, other := f.ip4, f.ip6
	if h == packet.IP4 {
		l.branch(ir.Eq, first, l.konst(0x45), good, slow)
	} else {
		mine, other = other, mine
		l.branch(ir.Eq, l.opi(ir.OpAnd, first, 0xf0), l.konst(0x60), good, slow)
	}
	l.start(good)
	l.set(mine, p)
	l.set(other, l.konst(0))
	l.set(f.l3, l.konst(ethSize))
	l.set(f.walk, l.konst(0))
	l.jump(done)
}

// slowL3 walks, and copies the IP header to the stack.
func (l *lowerer) slowL3(slow, done *ir.Block) {
	f := &l.facts
	l.start(slow)
	if l.cur == nil {
		return
	}
	// The verifier does not know what walk gives; that it is not 0 matters.
	w := l.opi(ir.OpOr, l.callFunc(l.walk(), l.ctx), 1<<walkDone)
	none := l.block()
	off := l.field(w, walkL3Off, 16)
	copyTo := l.slot("ip", 40, 8)
	take := func(h packet.Header, kind int64) {
		if !l.needs.header[h] {
			return
		}
		hit, next, good := l.block(), l.block(), l.block()
		l.branch(ir.Eq, l.field(w, walkKind, 2), l.konst(kind), hit, next)
		l.start(hit)
		r := l.loadBytes(l.xdp(), off, copyTo, h.Size())
		l.branch(ir.Eq, r, l.konst(0), good, none)
		l.start(good)
		mine, other := f.ip4, f.ip6
		if h == packet.IP6 {
			mine, other = other, mine
		}
		l.set(mine, copyTo)
		l.set(other, l.konst(0))
		l.set(f.l3, l.opi(ir.OpOr, off, 1<<slowBit))
		l.set(f.walk, w)
		l.jump(done)
		l.start(next)
	}
	take(packet.IP4, 1)
	take(packet.IP6, 2)
	l.jump(none)
	l.start(none)
	for _, v := range []variable{f.ip4, f.ip6, f.l3} {
		l.set(v, l.konst(0))
	}
	l.set(f.walk, w)
	l.jump(done)
}
