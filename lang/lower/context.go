package lower

import (
	"weir/lang/check"
	"weir/lang/ir"
)

// What the context of the program holds beside the packet.

// packetField reads pkt.NAME.
func (l *lowerer) packetField(name string) *ir.Value {
	switch name {
	case "len":
		return l.frameLen()
	case "now":
		return l.now()
	case "segments":
		return l.segments()
	case "hash":
		// The field of the context is 0 until somebody has asked.
		return l.width(ir.OpZExt, 4, l.call(helperHashRecalc, "get_hash_recalc", ir.Int, l.ctx))
	}
	return l.load(4, l.ctx, l.contextField(name))
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
	l.store(4, l.ctx, l.contextField(s.Name), l.expr(s.X)[0])
	l.cur.Values[len(l.cur.Values)-1].Sym = "ctx" // see gen's stored
}

// segments is how many packets of the wire this one is. At XDP nothing has been
// merged yet, and packets that nobody has counted are one.
func (l *lowerer) segments() *ir.Value {
	if l.xdp() {
		return l.konst(1)
	}
	return l.greater(l.load(4, l.ctx, skbGSOSegs), l.konst(1))
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
