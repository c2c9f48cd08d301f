package lower

import (
	"weir/hook"
	"weir/lang/check"
	"weir/lang/ir"
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
	answer, q := l.askFib(e)
	l.readRoute(r, answer, q)
	l.jump(done)
	l.start(done)
	return parts{r, l.konst(0)}
}

// askFib makes the question and asks it: the answer of the kernel, and where it is.
func (l *lowerer) askFib(e *check.Fib) (answer, q *ir.Value) {
	dst, src := l.expr(e.Dst), l.expr(e.Src)
	proto, sport, dport := l.expr(e.Proto)[0], l.expr(e.Sport)[0], l.expr(e.Dport)[0]
	class, size := l.expr(e.Class)[0], l.expr(e.Len)[0]
	l.pos = e.P
	q = l.slot("fib", fibSize, 8)
	l.clear(q, fibSize, 8)
	l.store(1, q, fibProto, proto)
	l.store(2, q, fibSport, l.swap(2, sport))
	l.store(2, q, fibDport, l.swap(2, dport))
	// Without a length the kernel looks at the one of its buffer, and not at the MTU
	// of the route.
	l.store(2, q, fibLen, l.greater(l.smaller(size, l.konst(0xffff)), l.konst(1)))
	l.store(4, q, fibIfIndex, l.load(4, l.ctx, ctxIfIndex(l)))
	v4, v6, both, from := l.block(), l.block(), l.block(), l.block()
	l.unlessMapped(dst, v6, v4)
	l.start(v4)
	l.store(1, q, fibFamily, l.konst(familyIP4))
	l.store(1, q, fibClass, l.opi(ir.OpShr, class, 20))
	l.store(4, q, fibDst, l.opi(ir.OpShr, dst[1], 32))
	l.unlessMapped(src, both, from)
	l.start(from)
	l.store(4, q, fibSrc, l.opi(ir.OpShr, src[1], 32))
	l.jump(both)
	l.start(v6)
	l.store(1, q, fibFamily, l.konst(familyIP6))
	l.store(4, q, fibClass, l.swap(4, l.width(ir.OpZExt, 4, class)))
	l.store(8, q, fibDst, dst[0])
	l.store(8, q, fibDst+8, dst[1])
	own := l.block()
	l.unlessMapped(src, own, both) // an address of the other family is none
	l.start(own)
	l.store(8, q, fibSrc, src[0])
	l.store(8, q, fibSrc+8, src[1])
	l.jump(both)
	l.start(both)
	flags := int64(0)
	if l.opts.Hook == hook.TCEgress {
		flags = fibOutput
	}
	return l.call(helperFib, "fib_lookup", ir.Int, l.ctx, q, l.konst(fibSize), l.konst(flags)), q
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
