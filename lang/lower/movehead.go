package lower

import (
	"weir/lang/check"
	"weir/lang/ir"
)

// The head of the frame at traffic control. bpf_skb_change_head grows it, and
// leaves what the kernel knows of the headers behind it in place. Nothing cuts it:
// bpf_skb_adjust_room takes bytes away behind the Ethernet header only, and of IP
// packets only. But the kernel pops tags, four bytes at offset 12, of any packet
// that it takes for a tagged one; so that is what the packet is made:
//
//	        0          12     16
//	start   | MACs     | rest …                 push a tag, push another: one
//	tagged  | MACs     | tag  | rest …          goes into the data, one stays beside
//	pop     | MACs     | rest …                 again and again: while bytes 16 and 17
//	                                            say tag, the kernel goes on to take
//	                                            the packet for a tagged one
//
// In the end the kernel knows the type of what is left, and where its header is.

// push: n zero octets before the frame.
func (m *mover) push(args []*ir.Value) {
	n := args[0]
	m.atMost(n, m.konst(check.MaxPush))
	some, nothing := m.block(), m.block()
	m.branch(ir.Ne, n, m.konst(0), some, nothing)
	m.start(nothing)
	m.done()
	m.start(some)
	if m.xdp {
		m.must(m.helper(helperXDPHead, "xdp_adjust_head", m.op(ir.OpSub, m.konst(0), n)))
		m.zeros(n)
		m.done()
		return
	}
	settle := m.block()
	m.growHead(n, settle)
	m.start(settle)
	m.settle(n)
	m.done()
}

// growHead makes room of n octets before the frame and goes to done.
func (m *mover) growHead(n *ir.Value, done *ir.Block) {
	tag, plain := m.block(), m.block()
	m.branch(ir.Ne, m.beside(), m.konst(0), tag, plain)
	m.start(plain)
	m.must(m.helper(helperChangeHead, "skb_change_head", n, m.konst(0)))
	m.jump(done)
	m.start(tag)
	m.pushBeside(n, done)
}

// settle tells the kernel, on the way in, that the header behind the Ethernet
// header of a grown frame is that of the frame, and which type it has: it would
// go on with the old one, and a bridge would send the frame as it was. A packet
// that stands for several is left as it is: it can only be taken apart by what the
// kernel knows of it. Between a tag that goes into the data and one that comes out
// of them the header moves four bytes to the front (since Linux 6.11; before, the
// old header stays).
func (m *mover) settle(n *ir.Value) {
	if !m.ingress {
		return
	}
	one, done := m.block(), m.block()
	m.branch(ir.ULe, m.load(4, m.ctx, skbGSOSegs), m.konst(1), one, done)
	m.start(one)
	ours := m.makeTagged(func() {})
	rounds := m.plus(m.opi(ir.OpShr, n, 2), 2)
	i := m.newVar()
	m.set(i, m.konst(0))
	head, in, body, out := m.block(), m.block(), m.block(), m.block()
	m.loopHead(head, m.st)
	m.branch(ir.ULt, m.get(i), m.konst(check.MaxPush/4+2), in, out)
	m.start(in)
	m.branch(ir.ULt, m.get(i), rounds, body, out)
	m.start(body)
	m.tag()
	m.must(m.helper(helperVLANPop, "skb_vlan_pop"))
	m.set(i, m.plus(m.get(i), 1))
	m.jump(head)
	m.seal(head)
	m.start(out)
	extra, clean := m.block(), m.block()
	m.branch(ir.Ne, ours, m.konst(0), extra, clean)
	m.start(extra)
	m.must(m.helper(helperVLANPop, "skb_vlan_pop"))
	m.jump(clean)
	m.start(clean)
	m.dropBeside()
	m.jump(done)
	m.start(done)
}

// tag puts a tag of ours beside; one that was there goes into the data.
func (m *mover) tag() {
	m.must(m.helper(helperVLANPush, "skb_vlan_push", m.konst(dot1Q), m.konst(0)))
}

// makeTagged makes the packet one that the kernel takes for a tagged one, with a
// tag of ours beside, and gives how many octets of ours are in the data. look is
// run where these are the frame.
func (m *mover) makeTagged(look func()) *ir.Value {
	ours := m.newVar()
	beside, plain, tagged := m.block(), m.block(), m.block()
	m.branch(ir.Ne, m.beside(), m.konst(0), beside, plain)
	m.start(beside)
	m.tag()
	look()
	m.set(ours, m.konst(0))
	m.jump(tagged)
	m.start(plain)
	look()
	m.tag()
	m.tag()
	m.set(ours, m.konst(4))
	m.jump(tagged)
	m.start(tagged)
	return m.get(ours)
}

// zeros writes n octets of zero, at least one, at the start of an XDP frame.
func (m *mover) zeros(n *ir.Value) {
	buf := m.slot("zeros", 8, 8)
	m.store(8, buf, 0, m.konst(0))
	i := m.newVar()
	m.set(i, m.konst(0))
	head, body, out := m.block(), m.block(), m.block()
	m.loopHead(head, m.st)
	m.branch(ir.ULt, m.get(i), n, body, out)
	m.start(body)
	// 1 to 8, as the verifier can see.
	left := m.op(ir.OpSub, m.op(ir.OpSub, n, m.get(i)), m.konst(1))
	w := m.newVar()
	few, many, put := m.block(), m.block(), m.block()
	m.branch(ir.ULe, left, m.konst(7), few, many)
	m.start(few)
	m.set(w, m.plus(m.opi(ir.OpAnd, left, 7), 1))
	m.jump(put)
	m.start(many)
	m.set(w, m.konst(8))
	m.jump(put)
	m.start(put)
	m.put(m.get(i), buf, m.get(w))
	m.set(i, m.plus(m.get(i), 8))
	m.jump(head)
	m.seal(head)
	m.start(out)
}

// pushBeside is push where the outer tag stands beside the buffer: it goes into
// the data, behind the addresses, so that it moves along.
func (m *mover) pushBeside(n *ir.Value, done *ir.Block) {
	head := m.slot("head", 16, 8)
	m.take(m.konst(0), head, 12)
	m.store(2, head, 12, m.load(4, m.ctx, skbVLANProto))
	m.store(2, head, 14, m.swap(2, m.load(4, m.ctx, skbVLANTCI)))
	inner, plain := m.block(), m.block()
	isTag(m.builder, m.swap(2, m.load(4, m.ctx, skbProtocol)), inner, plain)

	m.start(plain)
	m.must(m.helper(helperChangeHead, "skb_change_head", m.plus(n, 4), m.konst(0)))
	m.put(n, head, m.konst(16))
	m.dropBeside()
	m.jump(done)

	// With a second tag behind it the kernel also takes bytes 12 to 15 out of the
	// data: there is to be something else before.
	m.start(inner)
	m.must(m.helper(helperChangeHead, "skb_change_head", m.plus(n, 8), m.konst(0)))
	m.put(m.plus(n, 4), head, m.konst(16))
	short, long := m.block(), m.block()
	m.branch(ir.ULt, n, m.konst(12), short, long)
	m.start(short)
	m.put(n, head, m.plus(m.opi(ir.OpAnd, m.op(ir.OpSub, m.konst(11), n), 15), 1))
	m.jump(long)
	m.start(long)
	m.must(m.helper(helperVLANPop, "skb_vlan_pop"))
	m.dropBeside()
	m.jump(done)
}

// dropBeside takes the tag away that stands beside. The helper then moves the next
// one there, which may fail where that is not whole: it stays where it is.
func (m *mover) dropBeside() { m.helper(helperVLANPop, "skb_vlan_pop") }

// cut: n octets of the frame away, from its start on, or with keep 0 those behind
// the addresses: the first 12 octets that are left are those that stood at keep.
func (m *mover) cut(args []*ir.Value) {
	n, keep := args[0], args[1]
	m.atMost(n, m.konst(check.MaxPop))
	m.atMost(m.plus(n, leastFrame), m.length())
	some, nothing := m.block(), m.block()
	m.branch(ir.Ne, n, m.konst(0), some, nothing)
	m.start(nothing)
	m.done()
	m.start(some)
	macs := m.slot("macs", 12, 8)
	ours := m.makeTagged(func() { m.take(keep, macs, 12) })
	// Tags have four octets: what is missing is put before.
	fill := m.opi(ir.OpAnd, m.op(ir.OpSub, m.konst(0), n), 3)
	grow, grown := m.block(), m.block()
	m.branch(ir.Ne, fill, m.konst(0), grow, grown)
	m.start(grow)
	m.must(m.helper(helperChangeHead, "skb_change_head", fill, m.konst(0)))
	m.jump(grown)
	m.start(grown)
	m.popTags(m.opi(ir.OpShr, m.op(ir.OpAdd, m.op(ir.OpAdd, n, fill), ours), 2))
	m.put(m.konst(0), macs, m.konst(12))
	m.dropBeside()
	m.done()
}

// popTags takes k times four octets at offset 12 out of a packet that the kernel
// takes for a tagged one, with a tag beside.
func (m *mover) popTags(k *ir.Value) {
	buf := m.slot("type", 8, 8)
	m.store(8, buf, 0, m.konst(dot1Q))
	i := m.newVar()
	m.set(i, m.konst(1))
	head, body, more, pop, out := m.block(), m.block(), m.block(), m.block(), m.block()
	m.loopHead(head, m.st)
	m.branch(ir.ULe, m.get(i), m.konst(check.MaxPop/4+1), body, out)
	m.start(body)
	m.branch(ir.ULt, m.get(i), k, more, pop)
	m.start(more)
	m.put(m.konst(16), buf, m.konst(2))
	m.must(m.helper(helperVLANPop, "skb_vlan_pop"))
	m.set(i, m.plus(m.get(i), 1))
	m.jump(head)
	m.seal(head)
	m.start(pop)
	m.must(m.helper(helperVLANPop, "skb_vlan_pop"))
	m.jump(out)
	m.start(out)
}
