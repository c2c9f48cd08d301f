package lower

import (
	"weir/lang/ir"
	"weir/packet"
)

// The answer of reject() is made of the packet, in place. TCP is answered by a
// reset (RFC 9293, 3.10.7.1), all else by ICMP "communication administratively
// prohibited" (RFC 1812, 5.2.7.1; RFC 4443, 3.1) with as much of the packet as
// fits 576 or 1280 bytes (RFC 1812, 4.3.2.3; RFC 4443, 2.4 c). Tags stay.
//
//	packet   | MACs … | IP | TCP | …           | MACs … | IP | …
//	answer   | MACs … | IP | TCP |             | MACs … | IP | ICMP | IP | … cut
//
// No answer is given to what has no whole L4 header where it needs one, to
// fragments but the first, to ICMP errors and redirects, to neighbour discovery, to
// resets, and to and from addresses that are not those of one host (RFC 1812,
// 4.3.2.7; RFC 4443, 2.4 e).
//
// What is not mended: at traffic control, where the checksum of the packet was yet
// to be computed by a card, and the interface that the answer leaves by has one
// that does so, it computes a checksum of the quoted packet after that of ICMP.
// Stations with such interfaces (veth, loopback) do not look at the latter.
const (
	ttlOfAnswer = 64
	quote4      = 576 - 20 - 8
	quote6      = 1280 - 40 - 8
	chunk       = 32 // octets that are summed at once
)

// A rejecter makes the function that answers: it gives 1, or 0 if there is to be
// no answer; the packet is then to be dropped, and may be changed.
type rejecter struct {
	mover
	six          bool
	size         int64     // of the IP header of the answer
	l2, l4       *ir.Value // offsets of the packet's headers
	length       *ir.Value // of the buffer
	said, have   *ir.Value // octets of the IP packet, as it says and as there are
	mac, ip, tcp *ir.Value // copies of headers
	out          *ir.Value // IP and L4 headers of the answer
}

func (l *lowerer) reject() *ir.Value {
	walk := l.walk()
	return l.callMove("weir_reject", func(m *mover, _ []*ir.Value) {
		r := &rejecter{mover: *m}
		r.frame(r.callFunc(walk, r.ctx))
		m.cur = r.cur
	})
}

func (r *rejecter) part(w *ir.Value, shift, bits uint) *ir.Value {
	return r.opi(ir.OpAnd, r.opi(ir.OpShr, w, int64(shift)), 1<<bits-1)
}

// only goes on if the condition holds.
func (r *rejecter) only(c ir.Cond, x *ir.Value, n int64) {
	ok := r.block()
	r.branch(c, x, r.konst(n), ok, r.none)
	r.start(ok)
}

// frame answers the packet in which walk has found w.
func (r *rejecter) frame(w *ir.Value) {
	r.only(ir.Test, w, 1<<walkL4)
	r.l2, r.l4 = r.part(w, walkL3Off, 16), r.part(w, walkL4Off, 16)
	r.only(ir.UGe, r.l2, ethSize)
	r.only(ir.ULe, r.l2, ethSize+8)
	r.mac, r.ip, r.tcp = r.slot("macs", 24, 8), r.slot("ip", 40, 8), r.slot("l4", 20, 4)
	r.out = r.slot("answer", 64, 8)
	r.must(r.helper(r.loadHelper(), "load_bytes", r.konst(0), r.mac, r.l2))
	r.only(ir.Eq, r.opi(ir.OpAnd, r.load(1, r.mac, 0), 1), 0) // to one station
	if r.xdp {
		r.length = r.helper(helperXDPLen, "xdp_get_buff_len")
	} else {
		r.length = r.load(4, r.ctx, skbLen)
	}
	proto := r.opi(ir.OpAnd, w, 0xff)
	v4, v6 := r.block(), r.block()
	r.branch(ir.Eq, r.part(w, walkKind, 2), r.konst(1), v4, v6)
	r.start(v4)
	r.six, r.size = false, 20
	r.packet4()
	r.answer(proto, packet.ICMP4)
	r.start(v6)
	r.six, r.size = true, 40
	r.packet6()
	r.answer(proto, packet.ICMP6)
}

func (r *rejecter) loadHelper() int64 {
	if r.xdp {
		return helperXDPLoad
	}
	return helperLoadBytes
}

// packet4 looks at the IPv4 header.
func (r *rejecter) packet4() {
	r.take(r.l2, r.ip, 20)
	for _, at := range []int{12, 16} { // not to or from groups, nor class E
		r.only(ir.ULt, r.load(1, r.ip, at), 224)
	}
	r.only(ir.Ne, r.load(1, r.ip, 12), 0)
	r.lengths(r.swap(2, r.load(2, r.ip, 2)))
}

// packet6 looks at the IPv6 header.
func (r *rejecter) packet6() {
	r.take(r.l2, r.ip, 40)
	for _, at := range []int{8, 24} {
		r.only(ir.Ne, r.load(1, r.ip, at), 0xff)
	}
	r.only(ir.Ne, r.op(ir.OpOr, r.load(8, r.ip, 8), r.load(8, r.ip, 16)), 0)
	r.lengths(r.plus(r.swap(2, r.load(2, r.ip, 4)), 40))
}

func (r *rejecter) lengths(said *ir.Value) {
	r.said = said
	r.have = r.less(said, r.op(ir.OpSub, r.length, r.l2))
	r.only(ir.UGe, r.have, r.size)
}

func (r *rejecter) less(x, y *ir.Value) *ir.Value {
	v := r.newVar()
	first, second, done := r.block(), r.block(), r.block()
	r.branch(ir.ULe, x, y, first, second)
	r.start(first)
	r.set(v, x)
	r.jump(done)
	r.start(second)
	r.set(v, y)
	r.jump(done)
	r.start(done)
	return r.get(v)
}

// answer chooses the answer by the protocol.
func (r *rejecter) answer(proto *ir.Value, icmp packet.Header) {
	tcp, other, message, plain := r.block(), r.block(), r.block(), r.block()
	r.branch(ir.Eq, proto, r.konst(6), tcp, other)
	r.start(tcp)
	r.reset()
	r.start(other)
	number := int64(1)
	if icmp == packet.ICMP6 {
		number = 58
	}
	r.branch(ir.Eq, proto, r.konst(number), message, plain)
	r.start(message)
	r.take(r.l4, r.tcp, 8)
	t := r.load(1, r.tcp, 0)
	if icmp == packet.ICMP6 {
		r.only(ir.UGe, t, 128)
		r.inquiry(t, 133, 134, 135, 136, 137)
	} else {
		r.inquiry(t, 3, 4, 5, 11, 12)
	}
	r.jump(plain)
	r.start(plain)
	r.unreachable()
}

// inquiry goes on if an ICMP type is none of those.
func (r *rejecter) inquiry(t *ir.Value, none ...int64) {
	for _, n := range none {
		r.only(ir.Ne, t, n)
	}
}

// unreachable makes the answer of ICMP.
func (r *rejecter) unreachable() {
	most, kind, proto := int64(quote4), int64(3|13<<8), int64(1)
	if r.six {
		most, kind, proto = quote6, 1|1<<8, 58
	}
	n := r.less(r.have, r.konst(most))
	r.resize(r.op(ir.OpAdd, r.l2, n))
	head := r.size + 8
	if r.xdp {
		r.must(r.helper(helperXDPHead, "xdp_adjust_head", r.konst(-head)))
	} else {
		r.must(r.helper(helperChangeHead, "skb_change_head", r.konst(head), r.konst(0)))
	}
	r.header(proto, r.plus(n, 8))
	at := int(r.size)
	r.store(4, r.out, at, r.konst(kind))
	r.store(4, r.out, at+4, r.konst(0))
	sum := r.op(ir.OpAdd, r.words(r.out, at, 8), r.sumOf(r.plus(r.l2, head), n, most))
	if r.six {
		sum = r.op(ir.OpAdd, sum, r.pseudo(proto, r.plus(n, 8)))
	}
	r.store(2, r.out, at+2, r.opi(ir.OpXor, r.fold(sum), 0xffff))
	r.finish(head)
}

// reset makes the answer of TCP.
func (r *rejecter) reset() {
	r.take(r.l4, r.tcp, 20)
	size := r.opi(ir.OpAnd, r.opi(ir.OpShr, r.load(1, r.tcp, 12), 2), 0x3c)
	r.only(ir.UGe, size, 20)
	r.atMost(r.op(ir.OpAdd, r.l4, size), r.length)
	flags := r.load(1, r.tcp, 13)
	r.only(ir.Eq, r.opi(ir.OpAnd, flags, 4), 0)
	r.header(6, r.konst(20))
	at := int(r.size)
	r.store(2, r.out, at, r.load(2, r.tcp, 2))
	r.store(2, r.out, at+2, r.load(2, r.tcp, 0))
	r.store(4, r.out, at+16, r.konst(0)) // checksum and urgent pointer
	acked, fresh, done := r.block(), r.block(), r.block()
	r.branch(ir.Test, flags, r.konst(0x10), acked, fresh)
	r.start(acked)
	r.store(4, r.out, at+4, r.load(4, r.tcp, 8))
	r.store(4, r.out, at+8, r.konst(0))
	r.store(4, r.out, at+12, r.konst(0x50|0x04<<8))
	r.jump(done)
	r.start(fresh)
	// The segment's length counts SYN and FIN.
	n := r.op(ir.OpSub, r.op(ir.OpSub, r.said, r.op(ir.OpSub, r.l4, r.l2)), size)
	n = r.op(ir.OpAdd, n, r.opi(ir.OpAnd, flags, 1))
	n = r.op(ir.OpAdd, n, r.opi(ir.OpAnd, r.opi(ir.OpShr, flags, 1), 1))
	r.store(4, r.out, at+4, r.konst(0))
	r.store(4, r.out, at+8, r.swap(4, r.op(ir.OpAdd, r.swap(4, r.load(4, r.tcp, 4)), n)))
	r.store(4, r.out, at+12, r.konst(0x50|0x14<<8))
	r.jump(done)
	r.start(done)
	r.resize(r.plus(r.l2, r.size+20))
	pseudo := r.pseudo(6, r.konst(20))
	sum := r.fold(r.op(ir.OpAdd, pseudo, r.words(r.out, at, 20)))
	if r.xdp {
		r.store(2, r.out, at+16, r.opi(ir.OpXor, sum, 0xffff))
		r.finish(r.size + 20)
		return
	}
	r.finishTCP(pseudo, sum)
}
