package lower

import (
	"weir/hook"
	"weir/lang/check"
	"weir/lang/ir"
	"weir/packet"
)

// Octets of struct bpf_fib_lookup of linux/bpf.h. The kernel answers in the
// question: the gateway comes where the destination was.
//
//	 0 family  1 protocol  2 sport  4 dport  6 length, then MTU  8 ifindex
//	12 class                              16 source
//	32 destination, then gateway          48 table, then tag
//	52 mark, then source MAC              58 destination MAC
const (
	fibFamily, fibProto, fibSport, fibDport = 0, 1, 2, 4
	fibLen, fibIfIndex, fibClass, fibSrc    = 6, 8, 12, 16
	fibDst, fibSourceMAC, fibMAC, fibSize   = 32, 52, 58, 64

	fibOutput           = 2 // BPF_FIB_LOOKUP_OUTPUT: by the interface that it names
	fibNoNeigh    int64 = 7
	fibFragNeeded int64 = 8
)

// fib asks the kernel for the way of a packet.
func (l *lowerer) fib(e *check.Fib) parts {
	r := l.slot("route", check.RouteT.Size(), 8)
	l.clear(r, check.RouteT.Size(), 8)
	ask, none, done := l.block(), l.block(), l.block()
	if e.There != nil {
		l.cond(e.There, ask, none)
		l.start(none)
		l.setRoute(r, check.RouteWhy, l.konst(check.NotForwarded))
		l.jump(done)
		l.start(ask)
	}
	q, asked := l.slot("fib", fibSize, 8), l.block()
	l.clear(q, fibSize, 8)
	if e.There != nil {
		l.ofPacket(e, q, asked)
	}
	l.ofAddress(e, q, asked)
	l.start(asked)
	flags := int64(0)
	if l.opts.Hook == hook.TCEgress {
		flags = fibOutput
	}
	answer := l.call(helperFib, "fib_lookup", ir.Int, l.ctx, q, l.konst(fibSize), l.konst(flags))
	l.readRoute(r, answer, q)
	l.jump(done)
	l.start(done)
	return parts{r, l.konst(0)}
}

// ofPacket makes the question about the packet itself and goes to asked: from the header
// that is there, where as a value its addresses would be looked at for their families
// again and again. It goes on where an address of IPv6 stands for one of IPv4.
func (l *lowerer) ofPacket(e *check.Fib, q *ir.Value, asked *ir.Block) {
	ip, l4 := l.view(packet.IP), l.view(packet.L4)
	size := l.expr(e.Len)[0]
	l.pos = e.P
	l.limits(q, size)
	ports, none := l.block(), l.block()
	p := l.pointer(packet.L4, l4[0], l4[1])
	l.branch(ir.Ne, p, l.konst(0), ports, none)
	l.start(ports)
	l.store(2, q, fibSport, l.load(2, p, 0))
	l.store(2, q, fibDport, l.load(2, p, 2))
	l.jump(none)
	l.start(none)
	four, six, there, real, own, mapped := l.block(), l.block(), l.block(), l.block(), l.block(), l.coldBlock()
	p4 := l.pointer(packet.IP4, ip[0], ip[2])
	l.branch(ir.Ne, p4, l.konst(0), four, six)
	l.start(four)
	l.store(1, q, fibFamily, l.konst(familyIP4))
	l.store(1, q, fibProto, l.load(1, p4, 9))
	l.store(1, q, fibClass, l.opi(ir.OpAnd, l.load(1, p4, 1), 0xfc))
	l.store(4, q, fibSrc, l.load(4, p4, 12))
	l.store(4, q, fibDst, l.load(4, p4, 16))
	l.jump(asked)
	l.start(six)
	p6 := l.pointer(packet.IP6, ip[1], ip[2])
	l.branch(ir.Ne, p6, l.konst(0), there, mapped)
	l.start(there)
	dst := parts{l.load(8, p6, 24), l.load(8, p6, 32)}
	l.unlessMapped(dst, real, mapped)
	l.start(real)
	l.store(1, q, fibFamily, l.konst(familyIP6))
	l.store(1, q, fibProto, l.get(l.facts.proto))
	l.store(4, q, fibClass, l.swap(4, l.opi(ir.OpAnd, l.swap(4, l.load(4, p6, 0)), 0x0fcfffff)))
	l.store(8, q, fibDst, dst[0])
	l.store(8, q, fibDst+8, dst[1])
	src := parts{l.load(8, p6, 8), l.load(8, p6, 16)}
	l.unlessMapped(src, own, asked)
	l.start(own)
	l.store(8, q, fibSrc, src[0])
	l.store(8, q, fibSrc+8, src[1])
	l.jump(asked)
	l.start(mapped)
}

// limits sets what the kernel knows of the packet besides its headers. Without a length it
// looks at the one of its buffer, and not at the MTU of the route.
func (l *lowerer) limits(q, size *ir.Value) {
	l.store(2, q, fibLen, l.greater(l.smaller(size, l.konst(0xffff)), l.konst(1)))
	l.store(4, q, fibIfIndex, l.load(4, l.ctx, ctxIfIndex(l)))
}

// ofAddress makes the question about an address, and goes to asked.
func (l *lowerer) ofAddress(e *check.Fib, q *ir.Value, asked *ir.Block) {
	dst, src := l.expr(e.Dst), l.expr(e.Src)
	proto, sport, dport := l.expr(e.Proto)[0], l.expr(e.Sport)[0], l.expr(e.Dport)[0]
	class, size := l.expr(e.Class)[0], l.expr(e.Len)[0]
	l.pos = e.P
	l.store(1, q, fibProto, proto)
	l.store(2, q, fibSport, l.swap(2, sport))
	l.store(2, q, fibDport, l.swap(2, dport))
	l.limits(q, size)
	v4, v6, from := l.block(), l.block(), l.block()
	l.unlessMapped(dst, v6, v4)
	l.start(v4)
	l.store(1, q, fibFamily, l.konst(familyIP4))
	l.store(1, q, fibClass, l.opi(ir.OpShr, class, 20))
	l.store(4, q, fibDst, l.opi(ir.OpShr, dst[1], 32))
	l.unlessMapped(src, asked, from)
	l.start(from)
	l.store(4, q, fibSrc, l.opi(ir.OpShr, src[1], 32))
	l.jump(asked)
	l.start(v6)
	l.store(1, q, fibFamily, l.konst(familyIP6))
	l.store(4, q, fibClass, l.swap(4, l.width(ir.OpZExt, 4, class)))
	l.store(8, q, fibDst, dst[0])
	l.store(8, q, fibDst+8, dst[1])
	own := l.block()
	l.unlessMapped(src, own, asked) // an address of the other family is none
	l.start(own)
	l.store(8, q, fibSrc, src[0])
	l.store(8, q, fibSrc+8, src[1])
	l.jump(asked)
}

// readRoute turns the kernel's answer into a route. What the kernel has not found
// stays zero.
func (l *lowerer) readRoute(r, answer, q *ir.Value) {
	heard, refused, done := l.block(), l.coldBlock(), l.block()
	l.branch(ir.ULe, answer, l.konst(check.NoAnswer-1), heard, refused)
	l.start(refused)
	l.setRoute(r, check.RouteWhy, l.konst(check.NoAnswer))
	l.jump(done)
	l.start(heard)
	l.setRoute(r, check.RouteWhy, answer)
	way, failed, none, near, mtu := l.block(), l.block(), l.block(), l.block(), l.block()
	l.branch(ir.Eq, answer, l.konst(0), way, failed)
	l.start(failed)
	l.branch(ir.Eq, answer, l.konst(fibNoNeigh), way, none)
	l.start(none)
	l.branch(ir.Eq, answer, l.konst(fibFragNeeded), mtu, done)
	l.start(way)
	l.setRoute(r, check.RouteIfIndex, l.load(4, q, fibIfIndex))
	l.setRoute(r, check.RouteGateway, l.gateway(q)...)
	l.branch(ir.Eq, answer, l.konst(0), near, done)
	l.start(near)
	l.setRoute(r, check.RouteSource, l.loadMAC(q, fibSourceMAC))
	l.setRoute(r, check.RouteNeighbour, l.neighbour(q))
	l.jump(mtu)
	l.start(mtu)
	l.setRoute(r, check.RouteMTU, l.load(2, q, fibLen))
	l.jump(done)
	l.start(done)
}

// neighbour is the destination's MAC address. The kernel stores it as four octets and two
// (memcpy of 6 in bpf_fib_set_fwd_params): loads of two lie in one of these, where one of
// four at an aligned place would wait for both to leave the store buffer.
func (l *lowerer) neighbour(q *ir.Value) *ir.Value {
	two := func(at int) *ir.Value { return l.opi(ir.OpShl, l.load(2, q, fibMAC+at), int64(8*at)) }
	return l.op(ir.OpOr, l.op(ir.OpOr, l.load(2, q, fibMAC), two(2)), two(4))
}

// gateway is the address that the packet goes to next. A route of IPv4 may lead to
// a router that has but an IPv6 address (RFC 5549).
func (l *lowerer) gateway(q *ir.Value) parts {
	return l.choose(check.RouteT.Elems[check.RouteGateway],
		func(then, els *ir.Block) { l.branch(ir.Eq, l.load(1, q, fibFamily), l.konst(familyIP4), then, els) },
		func() parts { return l.mapped(l.load(4, q, fibDst)) },
		func() parts { return parts{l.load(8, q, fibDst), l.load(8, q, fibDst+8)} })
}

func (l *lowerer) setRoute(r *ir.Value, field int, x ...*ir.Value) {
	l.storeParts(r, check.RouteT.Offset(field), check.RouteT.Elems[field], x)
}
