package lower

import (
	"weir/lang/check"
	"weir/lang/ir"
)

// What the context of the program holds beside the packet.

// packetField reads pkt.NAME.
func (l *lowerer) packetField(name string) *ir.Value {
	if l.conn() {
		return l.connField(name)
	}
	switch name {
	case "len":
		return l.frameLen()
	case "now":
		return l.now()
	case "segments":
		return l.segments()
	case "hash":
		if l.way == byCopy { // which may not ask; the field is 0 until somebody has
			return l.load(4, l.ctx, skbHash)
		}
		return l.width(ir.OpZExt, 4, l.call(helperHashRecalc, "get_hash_recalc", ir.Int, l.ctx))
	}
	if l.way == byDynptr {
		return l.bufferField(name)
	}
	return l.load(4, l.ctx, l.contextField(name))
}

// bufferField reads an integer from the kernel's own structs, as netfilter has it.
func (l *lowerer) bufferField(name string) *ir.Value {
	switch name {
	case "mark":
		return l.kernelField(4, l.skb(), "sk_buff.mark")
	case "priority":
		return l.kernelField(4, l.skb(), "sk_buff.priority")
	case "queue":
		return l.kernelField(2, l.skb(), "sk_buff.queue_mapping")
	}
	// The interface that the packet came by; without one that it leaves by.
	state := l.load(8, l.ctx, nfState)
	state.Type = ir.Ptr
	index := func(name string) *ir.Value {
		dev := l.kernelField(8, state, name)
		dev.Type = ir.Ptr
		return l.choose1(func(then, els *ir.Block) { l.branch(ir.Ne, dev, l.konst(0), then, els) },
			func() *ir.Value { return l.kernelField(4, dev, "net_device.ifindex") },
			func() *ir.Value { return l.konst(0) })
	}
	in := index("nf_hook_state.in")
	return l.choose1(func(then, els *ir.Block) { l.branch(ir.Ne, in, l.konst(0), then, els) },
		func() *ir.Value { return in }, func() *ir.Value { return index("nf_hook_state.out") })
}

// bufferSegments reads how many segments a socket buffer has been merged from: it
// stands behind the octets of the linear part, at skb_end_pointer().
func (l *lowerer) bufferSegments() *ir.Value {
	off := l.add(ir.OpFieldOff, ir.Int)
	off.Sym = "skb_shared_info.gso_segs"
	shared := l.op(ir.OpAdd, l.kernelField(8, l.skb(), "sk_buff.head"), l.kernelField(4, l.skb(), "sk_buff.end"))
	n := l.slot("segments", 8, 8)
	l.store(8, n, 0, l.konst(0))
	l.call(helperProbeRead, "probe_read_kernel", ir.Int, n, l.konst(2), l.op(ir.OpAdd, shared, off))
	return l.load(2, n, 0)
}

// contextField returns where an integer lies in the context.
func (l *lowerer) contextField(name string) int {
	if l.xdp() {
		return map[string]int{"ifindex": xdpIfIndex, "queue": xdpQueue}[name]
	}
	return map[string]int{"ifindex": skbIfIndex, "queue": skbQueue, "mark": skbMark, "priority": skbPriority}[name]
}

// setPacket lowers pkt.mark = X and pkt.priority = X.
func (l *lowerer) setPacket(s *check.SetPacket) {
	x := l.expr(s.X)[0]
	if l.conn() { // conn.dport
		l.putContext(4, addrPort, l.swap(2, x))
		return
	}
	l.putContext(4, l.contextField(s.Name), x)
}

// segments is how many packets of the wire this one is. At XDP nothing has been
// merged yet, and packets that nobody has counted are one.
func (l *lowerer) segments() *ir.Value {
	if l.xdp() {
		return l.konst(1)
	}
	n := (*ir.Value)(nil)
	if l.way == byDynptr {
		n = l.bufferSegments()
	} else {
		n = l.load(4, l.ctx, skbGSOSegs)
	}
	return l.greater(n, l.konst(1))
}

// now returns the time in ns, read once a packet. Where only some of the ways that
// lead here have read it, the variable tells which: it is 0 on the others.
func (l *lowerer) now() *ir.Value {
	if !l.st.now {
		t := (*ir.Value)(nil)
		if l.timed || l.looping() {
			t = l.chooseFact(func(then, els *ir.Block) { l.branch(ir.Ne, l.get(l.facts.now), l.konst(0), then, els) },
				func() *ir.Value { return l.get(l.facts.now) }, l.clock)
		} else {
			t = l.clock()
		}
		l.set(l.facts.now, t)
		l.st.now, l.timed = true, true
	}
	return l.get(l.facts.now)
}

// clock reads the time.
func (l *lowerer) clock() *ir.Value {
	if l.opts.Clock {
		return l.load(8, l.mapValue(l.maps[ClockMap], 0), 0)
	}
	return l.call(helperKtime, "ktime_get_ns", ir.Int)
}
