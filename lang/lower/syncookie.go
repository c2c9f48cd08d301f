package lower

import (
	"weir/lang/check"
	"weir/lang/ir"
	"weir/packet"
)

// SYN cookies are the kernel's: its secret, its clock, its table of segment sizes. The
// helpers take the two headers from wherever they are, so global functions copy them
// to the stack, which does for tags, extension headers and fragments of a frame alike:
// weir_syncookie(ctx, IP header, TCP header, 1 if it is IPv6).

// synCookie lowers syncookie(pkt) and syncookie_ok(pkt).
func (l *lowerer) synCookie(e *check.SynCookie) parts {
	ip, tcp := l.expr(e.IP), l.expr(e.TCP)
	l.pos = e.P
	return l.choose(e.T, func(then, els *ir.Block) { l.branch(ir.Ne, tcp[0], l.konst(0), then, els) },
		func() parts {
			six := l.cmp(ir.Eq, ip[0], l.konst(0))
			at, to := offsetOf(l, ip[2]), offsetOf(l, tcp[1])
			if e.Check {
				return parts{l.callMove("weir_syncookie_ok", (*mover).checkCookie, at, to, six)}
			}
			c := l.callMove("weir_syncookie", (*mover).makeCookie, at, to, six)
			return parts{l.width(ir.OpZExt, 4, c), l.opi(ir.OpAnd, l.opi(ir.OpShr, c, 32), 0xffff)}
		}, func() parts { return l.zero(e.T) })
}

// eachIP makes the same for either family: body gets the size of the header and
// whether it is IPv6. It goes on behind, in neither.
func (m *mover) eachIP(six *ir.Value, body func(size int, six bool)) {
	v6, v4 := m.block(), m.block()
	m.branch(ir.Ne, six, m.konst(0), v6, v4)
	m.start(v6)
	body(packet.IP6.Size(), true)
	m.start(v4)
	body(packet.IP4.Size(), false)
	m.cur = nil
}

// makeCookie gives the cookie in the low 32 bits, and the MSS in those above.
func (m *mover) makeCookie(args []*ir.Value) {
	at, to := args[0], args[1]
	ip, tcp := m.slot("ip", packet.IP6.Size(), 8), m.slot("tcp", 64, 8)
	for off := 0; off < 64; off += 8 { // the kernel copies as much as there is
		m.store(8, tcp, off, m.konst(0))
	}
	m.eachIP(args[2], func(size int, six bool) {
		m.take(at, ip, size)
		m.take(to, tcp, packet.TCP.Size())
		n := m.opi(ir.OpShl, m.opi(ir.OpShr, m.load(1, tcp, 12), 4), 2)
		whole := m.block()
		m.branch(ir.UGe, n, m.konst(int64(packet.TCP.Size())), whole, m.none)
		m.start(whole)
		m.must(m.loadSome(to, tcp, n))
		helper := map[bool]int64{false: helperGenCookie4, true: helperGenCookie6}[six]
		c := m.call(helper, "tcp_raw_gen_syncookie", ir.Int, ip, tcp, n)
		good := m.block()
		m.branch(ir.SGt, c, m.konst(0), good, m.none)
		m.start(good)
		m.cur.Return(c)
	})
}

// checkCookie gives 1 if the packet acknowledges a cookie.
func (m *mover) checkCookie(args []*ir.Value) {
	at, to := args[0], args[1]
	ip, tcp := m.slot("ip", packet.IP6.Size(), 8), m.slot("tcp", 24, 8)
	m.eachIP(args[2], func(size int, six bool) {
		m.take(at, ip, size)
		m.take(to, tcp, packet.TCP.Size())
		helper := map[bool]int64{false: helperCheckCookie4, true: helperCheckCookie6}[six]
		m.must(m.call(helper, "tcp_raw_check_syncookie", ir.Int, ip, tcp))
		m.cur.Return(m.konst(1))
	})
}
