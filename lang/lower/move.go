package lower

import (
	"weir/hook"
	"weir/lang/check"
	"weir/lang/ir"
	"weir/packet"
)

// Moves of the packet: pkt.push and its like. Each is a global function, looked at
// by the verifier once, that gives 1 if it was done and 0 if it left the packet as
// it was. After it all pointers are bad, and headers are found anew.

// leastFrame is how many bytes a move leaves at least: the kernel takes no frame
// without an Ethernet header (ETH_HLEN).
const leastFrame = ethSize

// dot1Q is the TPID of a tag that is pushed, as a little-endian load sees it.
const dot1Q = typeTag

// move lowers a move.
func (l *lowerer) move(e *check.Move) *ir.Value {
	switch e.Op {
	case check.Encap:
		return l.encap(e)
	case check.Decap:
		l.pos = e.P
		return l.decap()
	}
	var args []*ir.Value
	for _, a := range e.Args {
		args = append(args, l.expr(a)[0])
	}
	l.pos = e.P
	var done *ir.Value
	switch e.Op {
	case check.VLANPush:
		id, prio := l.opi(ir.OpAnd, args[0], 0xfff), l.opi(ir.OpAnd, args[1], 7)
		done = l.callMove("weir_vlan_push", (*mover).vlanPush, l.op(ir.OpOr, id, l.opi(ir.OpShl, prio, 13)))
	case check.VLANPop:
		if l.xdp() {
			done = l.callMove("weir_vlan_pop", (*mover).untag)
		} else {
			done = l.popTag()
		}
	case check.Push:
		done = l.callMove("weir_push", (*mover).push, args[0])
	case check.Pop:
		if l.xdp() {
			done = l.callMove("weir_pop", (*mover).cutHead, args[0])
		} else {
			done = l.callMove("weir_cut", (*mover).cut, args[0], args[0])
		}
	case check.Trim:
		// A tag that stands beside the buffer cannot be cut into, so it is not
		// where it is in the buffer.
		least := l.opi(ir.OpAdd, l.opi(ir.OpShl, l.tagThere(packet.VLAN), 2), leastFrame)
		done = l.callMove("weir_trim", (*mover).trim, args[0], least)
	}
	l.moved()
	return done
}

// moved forgets all that was known of where the packet's bytes are.
func (l *lowerer) moved() {
	l.st.reparse()
	l.st.length, l.st.meta = false, false
	l.invalidate()
}

// callMove calls a function that is made at its first call.
func (l *lowerer) callMove(name string, body func(*mover, []*ir.Value), args ...*ir.Value) *ir.Value {
	return l.callFunc(l.moveFunc(name, len(args), body), append([]*ir.Value{l.ctx}, args...)...)
}

// moveFunc is a function of the context and n integers, which is made once.
func (l *lowerer) moveFunc(name string, n int, body func(*mover, []*ir.Value)) *ir.Func {
	f := l.moves[name]
	if f != nil {
		return f
	}
	f = l.global(name, 1+n)
	l.moves[name] = f
	m := &mover{walker{builder: l.sub(f), xdp: l.xdp(), layer3: !l.info.Ethernet}, l.opts.Hook == hook.TCIngress}
	var params []*ir.Value
	for i := range n {
		p := m.add(ir.OpParam, ir.Int)
		p.Imm = int64(i) + 1
		params = append(params, p)
	}
	m.none = m.block()
	body(m, params)
	m.start(m.none)
	if m.cur != nil {
		m.cur.Return(m.konst(0))
	}
	return f
}

// popTag takes the outer tag away at traffic control. The kernel's helper is right
// where what the kernel knows of the packet agrees with its bytes; where the chain
// has written an EtherType since, it does not.
func (l *lowerer) popTag() *ir.Value {
	return l.choose1(func(then, els *ir.Block) { l.branch(ir.Ne, l.tagThere(packet.VLAN), l.konst(0), then, els) },
		func() *ir.Value {
			proto := l.load(4, l.ctx, skbProtocol)
			return l.choose1(func(then, els *ir.Block) {
				inner, plain := l.coldBlock(), l.block()
				isTag(l.builder, l.swap(2, proto), inner, plain)
				l.start(inner)
				l.branch(ir.Eq, l.swap(2, proto), l.bufRead(l.konst(12), 2), then, els)
				l.start(plain)
				l.branch(ir.Ne, l.tagBeside(), l.konst(0), then, els)
			}, func() *ir.Value {
				// It also puts a second tag beside, and reports an error if there is
				// but a part of one: the first is gone all the same.
				before := l.frameLen()
				l.call(helperVLANPop, "skb_vlan_pop", ir.Int, l.ctx)
				l.moved()
				return l.truth(func(then, els *ir.Block) { l.branch(ir.ULt, l.frameLen(), before, then, els) })
			}, func() *ir.Value {
				return l.callMove("weir_cut", (*mover).cut, l.konst(4), l.konst(0))
			})
		}, func() *ir.Value { return l.konst(0) })
}

// A mover makes the body of one function that moves the packet.
type mover struct {
	walker
	ingress bool // traffic control on the way in
}

// atMost goes on if x ≤ n.
func (m *mover) atMost(x, n *ir.Value) {
	ok := m.block()
	m.branch(ir.ULe, x, n, ok, m.none)
	m.start(ok)
}

func (m *mover) done() {
	m.cur.Return(m.konst(1))
	m.cur = nil
}

// helper calls a kernel helper whose first argument is the packet.
func (m *mover) helper(id int64, name string, args ...*ir.Value) *ir.Value {
	return m.call(id, name, ir.Int, append([]*ir.Value{m.ctx}, args...)...)
}

// head goes on with a pointer to the frame if its first n bytes are in the linear
// part.
func (m *mover) head(n int64) *ir.Value {
	data := m.add(ir.OpPktData, ir.Ptr, m.ctx)
	data.Off, data.Width = xdpData, 4
	end := m.add(ir.OpPktEnd, ir.Ptr, m.ctx)
	end.Off, end.Width = xdpEnd, 4
	m.atMost(m.opi(ir.OpAdd, data, n), end)
	return data
}

// length is the octets of the frame on the wire.
func (m *mover) length() *ir.Value {
	if m.xdp {
		return m.helper(helperXDPLen, "xdp_get_buff_len")
	}
	return m.op(ir.OpAdd, m.load(4, m.ctx, skbLen), m.opi(ir.OpShl, m.beside(), 2))
}

// beside is 1 if the outer tag stands beside the buffer.
func (m *mover) beside() *ir.Value { return m.opi(ir.OpAnd, m.load(4, m.ctx, skbVLANPresent), 1) }

// put copies n octets from p to off of the buffer.
func (m *mover) put(off, p, n *ir.Value) {
	if m.xdp {
		m.must(m.helper(helperXDPStore, "xdp_store_bytes", off, p, n))
		return
	}
	m.must(m.helper(helperStoreBytes, "skb_store_bytes", off, p, n, m.konst(0)))
}

// take copies n octets at off of the buffer to p.
func (m *mover) take(off, p *ir.Value, n int) { m.must(m.loadBytes(off, p, n)) }

// vlanPush: a tag with the control information tci.
func (m *mover) vlanPush(args []*ir.Value) {
	tci := args[0]
	if !m.xdp {
		m.must(m.helper(helperVLANPush, "skb_vlan_push", m.konst(dot1Q), tci))
		m.done()
		return
	}
	m.head(ethSize)
	m.must(m.helper(helperXDPHead, "xdp_adjust_head", m.konst(-4)))
	p := m.head(ethSize + 4)
	a, b := m.load(8, p, 4), m.load(4, p, 12)
	m.store(8, p, 0, a)
	m.store(4, p, 8, b)
	m.store(2, p, 12, m.konst(dot1Q))
	m.store(2, p, 14, m.swap(2, tci))
	m.done()
}

// untag: the outer tag away, at XDP.
func (m *mover) untag([]*ir.Value) {
	p := m.head(ethSize + 4)
	tagged := m.block()
	isTag(m.builder, m.swap(2, m.load(2, p, 12)), tagged, m.none)
	m.start(tagged)
	a, b := m.load(8, p, 0), m.load(4, p, 8)
	m.must(m.helper(helperXDPHead, "xdp_adjust_head", m.konst(4)))
	p = m.head(ethSize)
	m.store(8, p, 0, a)
	m.store(4, p, 8, b)
	m.done()
}

// cutHead: the first n octets away, at XDP, where the kernel sees to it that an
// Ethernet header is left.
func (m *mover) cutHead(args []*ir.Value) {
	m.atMost(args[0], m.konst(check.MaxPop))
	m.must(m.helper(helperXDPHead, "xdp_adjust_head", args[0]))
	m.done()
}

// trim: the last n octets away, if the frame keeps the least number.
func (m *mover) trim(args []*ir.Value) {
	n, least := args[0], args[1]
	m.atMost(n, m.konst(check.MaxTrim))
	size := m.length()
	m.atMost(m.op(ir.OpAdd, n, least), size)
	if m.xdp {
		m.must(m.helper(helperXDPTail, "xdp_adjust_tail", m.op(ir.OpSub, m.konst(0), n)))
		m.done()
		return
	}
	// Of a packet that stands for several the last bytes of the last are no
	// trailer of the others.
	merged, one := m.block(), m.block()
	m.branch(ir.ULe, m.load(4, m.ctx, skbGSOSegs), m.konst(1), one, merged)
	m.start(merged)
	m.branch(ir.Eq, n, m.konst(0), one, m.none)
	m.start(one)
	m.must(m.helper(helperChangeTail, "skb_change_tail", m.op(ir.OpSub, m.load(4, m.ctx, skbLen), n), m.konst(0)))
	m.done()
}
