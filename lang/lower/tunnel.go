package lower

import (
	"weir/lang/check"
	"weir/lang/ir"
)

// What looks at the packet for a tunnel, and what moves it.
//
// At traffic control bpf_skb_adjust_room makes and takes room behind the Ethernet header
// of IP packets, and knows of tunnels: packets that the kernel has merged are taken
// apart later with an outer header each. It asks what the kernel knows of the packet,
// not its bytes; where the two differ, of other packets, of those with a tag in the data
// and of tunnels in tunnels, the head of the frame is moved as push and pop do. So a
// merged packet that the helper does not take is left as it is.

// flowFunc returns the function weir_flow(ctx, word): see the constants flow….
func (l *lowerer) flowFunc() *ir.Func {
	if l.flowFn != nil {
		return l.flowFn
	}
	l.flowFn = l.global("weir_flow", 2)
	w := &walker{builder: l.sub(l.flowFn), xdp: l.xdp()}
	word := w.add(ir.OpParam, ir.Int)
	word.Imm = 1
	w.none = w.block()
	field := func(shift, bits uint) *ir.Value {
		return w.opi(ir.OpAnd, w.opi(ir.OpShr, word, int64(shift)), 1<<bits-1)
	}
	hash, class, size := w.newVar(), w.newVar(), w.newVar()
	buf := w.slot("addresses", 40, 8)
	l3, kind, proto := field(walkL3Off, 16), field(walkKind, 2), field(0, 8)
	have := w.block()
	w.set(hash, w.konst(0))
	mix := func(x *ir.Value) { w.set(hash, w.mixed(w.get(hash), x)) }
	w.on(kind, 1, func() {
		w.must(w.loadBytes(l3, buf, 20))
		w.set(class, w.load(1, buf, 1))
		w.set(size, w.swap(2, w.load(2, buf, 2)))
		mix(w.load(4, buf, 12))
		mix(w.load(4, buf, 16))
		w.jump(have)
	})
	w.on(kind, 2, func() {
		w.must(w.loadBytes(l3, buf, 40))
		w.set(class, w.opi(ir.OpAnd, w.opi(ir.OpShr, w.swap(2, w.load(2, buf, 0)), 4), 0xff))
		w.set(size, w.plus(w.swap(2, w.load(2, buf, 4)), 40))
		for i := range 4 {
			mix(w.load(8, buf, 8+8*i))
		}
		w.jump(have)
	})
	w.jump(w.none)
	w.start(have)
	mix(proto)
	ports, done := w.block(), w.block()
	whole := w.block()
	w.branch(ir.Eq, w.opi(ir.OpAnd, word, 1<<walkL4|1<<walkFragment), w.konst(1<<walkL4), whole, done)
	w.start(whole)
	for _, h := range []int64{6, protoUDP, 132} {
		next := w.block()
		w.branch(ir.Eq, proto, w.konst(h), ports, next)
		w.start(next)
	}
	w.jump(done)
	w.start(ports)
	there := w.block()
	w.branch(ir.Eq, w.loadBytes(field(walkL4Off, 16), buf, 4), w.konst(0), there, done)
	w.start(there)
	mix(w.load(4, buf, 0))
	w.jump(done)
	w.start(done)
	r := w.width(ir.OpZExt, 4, w.get(hash))
	r = w.op(ir.OpOr, r, w.opi(ir.OpShl, w.get(class), flowClass))
	small, large := w.block(), w.block()
	w.branch(ir.ULe, w.get(size), w.konst(0xffff), small, large)
	w.start(large)
	w.cur.Return(w.op(ir.OpOr, r, w.konst(-1<<flowLen)))
	w.start(small)
	w.cur.Return(w.op(ir.OpOr, r, w.opi(ir.OpShl, w.get(size), flowLen)))
	w.start(w.none)
	w.cur.Return(w.konst(0))
	return l.flowFn
}

// must goes on if x is 0, and leaves for none otherwise.
func (w *walker) must(x *ir.Value) {
	ok := w.block()
	w.branch(ir.Eq, w.width(ir.OpZExt, 4, x), w.konst(0), ok, w.none)
	w.start(ok)
}

// maxHead is where an IP header begins at most: behind two tags.
const maxHead = ethSize + 8

// takeHead copies what stands before the IP header at at to a slot, and gives it and its
// length, as the verifier can see it.
func (m *mover) takeHead(at *ir.Value) (head, size *ir.Value) {
	m.atMost(m.konst(ethSize), at)
	m.atMost(at, m.konst(maxHead))
	head = m.slot("head", 32, 8)
	for off := 0; off < 32; off += 8 {
		m.store(8, head, off, m.konst(0))
	}
	m.take(m.konst(0), head, maxHead) // an IP header follows, of 20 octets at least
	return head, m.plus(m.opi(ir.OpAnd, m.opi(ir.OpSub, at, ethSize), 15), ethSize)
}

// plainIP goes on where what the kernel knows of the packet is what its bytes say: IP
// behind an Ethernet header without tags in the data; else at no. head are its first
// maxHead octets. The kernel tells what it takes for the IP header: the lengths of two
// that stand in one another differ.
func (m *mover) plainIP(head *ir.Value, no *ir.Block) (typ *ir.Value) {
	typ = m.load(2, head, 12)
	same, ip := m.block(), m.block()
	m.branch(ir.Eq, typ, m.load(4, m.ctx, skbProtocol), same, no)
	m.start(same)
	next := m.block()
	m.branch(ir.Eq, typ, m.konst(typeIP4), ip, next)
	m.start(next)
	m.branch(ir.Eq, typ, m.konst(typeIP6), ip, no)
	m.start(ip)
	net := m.slot("net", 8, 8)
	have := m.block()
	r := m.helper(helperLoadRelative, "skb_load_bytes_relative", m.konst(0), net, m.konst(8), m.konst(fromNet))
	m.branch(ir.Eq, m.width(ir.OpZExt, 4, r), m.konst(0), have, no)
	m.start(have)
	for off := 0; off < 8; off += 2 {
		equal := m.block()
		m.branch(ir.Eq, m.load(2, net, off), m.load(2, head, ethSize+off), equal, no)
		m.start(equal)
	}
	return typ
}

// one goes on if the packet is not merged of several.
func (m *mover) one() {
	ok := m.block()
	m.branch(ir.Eq, m.load(4, m.ctx, skbGSOSize), m.konst(0), ok, m.none)
	m.start(ok)
}

// adjust tries to make room of n octets behind the Ethernet header, and goes on at no if
// that fails. Segments of TCP become shorter, so that they fit as before; those of UDP
// keep their size.
func (m *mover) adjust(n, flags *ir.Value, no *ir.Block) {
	ok, again := m.block(), m.block()
	try := func(flags *ir.Value, no *ir.Block) {
		r := m.helper(helperAdjustRoom, "skb_adjust_room", n, m.konst(roomMAC), flags)
		m.branch(ir.Eq, m.width(ir.OpZExt, 4, r), m.konst(0), ok, no)
	}
	try(flags, again)
	m.start(again)
	try(m.opi(ir.OpOr, flags, roomFixedGSO), no)
	m.start(ok)
}

// bareHead copies the first maxHead octets to head, and goes on at no if they are not
// all there or a tag stands beside them.
func (m *mover) bareHead(head *ir.Value, no *ir.Block) {
	plain, have := m.block(), m.block()
	m.branch(ir.Eq, m.beside(), m.konst(0), plain, no)
	m.start(plain)
	m.branch(ir.Eq, m.width(ir.OpZExt, 4, m.loadBytes(m.konst(0), head, maxHead)), m.konst(0), have, no)
	m.start(have)
}

// grow: n octets of room before the IP header at at.
func (m *mover) grow(args []*ir.Value) {
	at, n, flags := args[0], args[1], args[2]
	head, size := m.takeHead(at)
	if m.xdp {
		m.must(m.helper(helperXDPHead, "xdp_adjust_head", m.op(ir.OpSub, m.konst(0), n)))
		m.put(m.konst(0), head, size)
		m.done()
		return
	}
	slow := m.coldBlock()
	m.plainIP(head, slow)
	m.adjust(n, flags, slow)
	m.done()
	m.start(slow)
	m.one()
	m.atMost(n, m.konst(check.MaxPush))
	m.must(m.helper(helperChangeHead, "skb_change_head", n, m.konst(0)))
	m.put(m.konst(0), head, size)
	m.cur.Return(m.konst(unsettled))
	m.cur = nil
}

// growFrame: n octets of room before the frame.
func (m *mover) growFrame(args []*ir.Value) {
	n, flags := args[0], args[1]
	if m.xdp {
		m.must(m.helper(helperXDPHead, "xdp_adjust_head", m.op(ir.OpSub, m.konst(0), n)))
		m.done()
		return
	}
	head := m.slot("head", 24, 8)
	slow := m.coldBlock()
	m.bareHead(head, slow)
	m.plainIP(head, slow)
	m.adjust(n, flags, slow)
	m.put(n, head, m.konst(ethSize))
	m.done()
	m.start(slow)
	m.one()
	m.atMost(n, m.konst(check.MaxPush))
	done := m.block()
	m.growHead(n, done)
	m.start(done)
	m.cur.Return(m.konst(unsettled))
	m.cur = nil
}

// decap lowers pkt.decap().
func (l *lowerer) decap() *ir.Value {
	l.ask()
	in, w := l.get(l.facts.other.walk), l.walked()
	ok := l.newVar()
	there, whole, packets, frames, no, done := l.block(), l.block(), l.block(), l.block(), l.block(), l.block()
	l.branch(ir.Test, in, l.konst(walkInside), there, no)
	l.start(there)
	l.branch(ir.Test, w, l.konst(1<<walkFragment), no, whole)
	l.start(whole)
	at, l3 := l.field(w, walkL3Off, 16), l.field(in, walkL3Off, 16)
	kind := l.field(in, walkKind, 2)
	six := l.opi(ir.OpSub, kind, 1) // of IP
	l.branch(ir.Test, in, l.konst(1<<walkEth), frames, packets)
	l.start(packets)
	typ := l.opi(ir.OpAdd, l.opi(ir.OpMul, six, typeIP6-typeIP4), typeIP4)
	l.set(ok, l.callMove("weir_shrink", (*mover).shrink, at, l3, typ))
	l.jump(done)
	l.start(frames)
	tags := l.opi(ir.OpShl, l.field(in, walkTags, 2), 2)
	eth := l.op(ir.OpSub, l.opi(ir.OpSub, l3, ethSize), tags)
	if l.xdp() {
		l.set(ok, l.callMove("weir_shrink_frame", (*mover).cutFront, eth))
	} else {
		// Of a frame with IP the type, or 0: only then does the kernel's helper do.
		plain := l.choose1(func(then, els *ir.Block) {
			bare := l.block()
			l.branch(ir.Eq, tags, l.konst(0), bare, els)
			l.start(bare)
			l.branch(ir.ULe, six, l.konst(1), then, els)
		}, func() *ir.Value { return l.opi(ir.OpAdd, l.opi(ir.OpMul, six, typeIP6-typeIP4), typeIP4) },
			func() *ir.Value { return l.konst(0) })
		l.set(ok, l.callMove("weir_shrink_frame", (*mover).shrinkFrame, eth, plain))
	}
	l.jump(done)
	l.start(no)
	l.set(ok, l.konst(0))
	l.jump(done)
	l.start(done)
	l.moved()
	return l.get(ok)
}

// cutFront: the first n octets away, at XDP.
func (m *mover) cutFront(args []*ir.Value) {
	m.must(m.helper(helperXDPHead, "xdp_adjust_head", args[0]))
	m.done()
}

// left tries to take n octets away behind the Ethernet header, of type typ, so that IP
// of type to is left, and goes on at no if that fails. Before Linux 6.3 the kernel does
// not go over to the other family: then retype is to follow when the type is written.
func (m *mover) left(n, typ, to *ir.Value, no *ir.Block) (stale variable) {
	ok, same, other, four, six, try := m.block(), m.block(), m.block(), m.block(), m.block(), m.block()
	again, old := m.block(), m.block()
	flags := m.newVar()
	stale = m.newVar()
	m.set(stale, m.konst(0))
	m.branch(ir.Eq, typ, to, same, other)
	m.start(same)
	m.set(flags, m.konst(roomFixedGSO))
	m.jump(try)
	m.start(other)
	m.branch(ir.Eq, to, m.konst(typeIP4), four, six)
	m.start(four)
	m.set(flags, m.konst(roomFixedGSO|roomToIP4))
	m.jump(try)
	m.start(six)
	m.set(flags, m.konst(roomFixedGSO|roomToIP6))
	m.jump(try)
	m.start(try)
	adjust := func(flags *ir.Value, yes, no *ir.Block) {
		r := m.helper(helperAdjustRoom, "skb_adjust_room", m.op(ir.OpSub, m.konst(0), n), m.konst(roomMAC), flags)
		m.branch(ir.Eq, m.width(ir.OpZExt, 4, r), m.konst(0), yes, no)
	}
	adjust(m.get(flags), ok, again)
	m.start(again)
	adjust(m.konst(roomFixedGSO), old, no)
	m.start(old)
	m.set(stale, m.konst(1))
	m.jump(ok)
	m.start(ok)
	return stale
}

// retype has the kernel read the type of the frame anew, if left says so: as it takes a
// tag out of the data.
func (m *mover) retype(stale variable) {
	old, done := m.block(), m.block()
	m.branch(ir.Ne, m.get(stale), m.konst(0), old, done)
	m.start(old)
	for range 2 {
		m.tag()
	}
	for range 2 {
		m.must(m.helper(helperVLANPop, "skb_vlan_pop"))
	}
	m.jump(done)
	m.start(done)
}

// shrink: what lies between at, where the IP header is, and in, where the one inside is,
// away; the type before it becomes typ.
func (m *mover) shrink(args []*ir.Value) {
	at, in, typ := args[0], args[1], args[2]
	head, size := m.takeHead(at)
	kind := m.slot("type", 8, 8)
	m.store(8, kind, 0, m.konst(0))
	m.store(2, kind, 0, typ)
	n := m.op(ir.OpSub, in, at)
	if m.xdp {
		m.must(m.helper(helperXDPHead, "xdp_adjust_head", n))
		m.put(m.konst(0), head, size)
		m.put(m.plus(at, -2), kind, m.konst(2))
		m.done()
		return
	}
	slow := m.coldBlock()
	old := m.plainIP(head, slow)
	stale := m.left(n, old, typ, slow)
	m.put(m.konst(12), kind, m.konst(2))
	m.retype(stale)
	m.done()
	m.start(slow)
	m.one()
	m.atMost(n, m.konst(check.MaxPop))
	// What stands behind the addresses moves to where it is left, the tag beside too.
	tag, plain := m.block(), m.block()
	m.branch(ir.Ne, m.beside(), m.konst(0), tag, plain)
	m.start(tag)
	beside := m.slot("tag", 8, 8)
	m.store(2, beside, 0, m.load(4, m.ctx, skbVLANProto))
	m.store(2, beside, 2, m.swap(2, m.load(4, m.ctx, skbVLANTCI)))
	m.put(m.op(ir.OpSub, in, m.plus(at, -8)), beside, m.konst(4))
	m.jump(plain)
	m.start(plain)
	tail := m.plus(size, -12)
	m.put(m.op(ir.OpSub, in, m.plus(at, -12)), m.opi(ir.OpAdd, head, 12), tail)
	m.put(m.plus(in, -2), kind, m.konst(2))
	m.cut([]*ir.Value{n, m.konst(0)})
}

// shrinkFrame: what lies before the Ethernet header at eth away. typ is its type if IP
// follows it, else 0.
func (m *mover) shrinkFrame(args []*ir.Value) {
	eth, typ := args[0], args[1]
	head := m.slot("head", 24, 8)
	inner := m.slot("inner", 16, 8)
	m.take(eth, inner, ethSize)
	slow, ip := m.coldBlock(), m.block()
	m.branch(ir.Ne, typ, m.konst(0), ip, slow)
	m.start(ip)
	m.bareHead(head, slow)
	old := m.plainIP(head, slow)
	stale := m.left(eth, old, typ, slow) // as much as stands before it
	m.put(m.konst(0), inner, m.konst(ethSize))
	m.retype(stale)
	m.done()
	m.start(slow)
	m.one()
	n := m.op(ir.OpAdd, eth, m.opi(ir.OpShl, m.beside(), 2))
	m.atMost(n, m.konst(check.MaxPop))
	m.cut([]*ir.Value{n, n})
}
