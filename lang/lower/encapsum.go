package lower

import (
	"weir/lang/ir"
	"weir/packet"
)

// The UDP checksum of a tunnel over IPv6. Where the packet inside has a checksum of TCP,
// UDP or ICMP, what this covers is not added up: with the checksum, and the pseudo
// header, it is 0xffff. So it costs no pass over the bytes, and is right where the
// checksum inside has yet to be computed. The kernel calls that local checksum offload
// (Documentation/networking/checksum-offloads.rst).
//
//	outer IPv6 | UDP, tunnel | Ethernet, IP |  L4 …  | padding
//	 (pseudo)      added         added       ~pseudo    added

// oneOnly leaves for no where the kernel has merged the packet of several: each part
// would have a checksum of its own, and the kernel is not told to make one.
func (o *outer) oneOnly(no *ir.Block) {
	if !o.e.Tunnel.Sum || o.xdp() {
		return
	}
	one := o.block()
	o.branch(ir.Eq, o.load(4, o.ctx, skbGSOSize), o.konst(0), one, no)
	o.start(one)
}

// laySum writes the checksum into the slot, in which the headers are laid. w is what
// walk had found of the packet before room was made for them, and beside whether a tag
// stood beside it.
func (o *outer) laySum(w, at, beside *ir.Value) {
	from, shift := o.konst(int64(o.room())), o.konst(int64(o.room()))
	if !o.e.Tunnel.Kind.Frames() {
		from = o.opi(ir.OpAdd, at, int64(o.room()))
	} else {
		shift = o.op(ir.OpAdd, shift, o.opi(ir.OpShl, beside, 2))
	}
	sum := o.swap(2, o.callFunc(o.insideSum(), o.ctx, w, from, o.size, shift))
	off := packet.IP6.Size()
	for i := off; i < o.n; i += 2 {
		sum = o.op(ir.OpAdd, sum, o.load(2, o.p, i))
	}
	for i := 8; i < off; i += 4 { // the addresses
		sum = o.op(ir.OpAdd, sum, o.load(4, o.p, i))
	}
	sum = o.op(ir.OpAdd, sum, o.swap(2, o.width(ir.OpZExt, 2, o.plusSize(o.n-off))))
	sum = o.opi(ir.OpXor, o.fold16(o.opi(ir.OpAdd, sum, protoUDP<<8)), 0xffff)
	sum = o.choose1(func(then, els *ir.Block) { o.branch(ir.Eq, sum, o.konst(0), then, els) },
		func() *ir.Value { return o.konst(0xffff) }, func() *ir.Value { return sum }) // RFC 768
	o.store(2, o.p, off+6, sum)
}

// insideSum returns the function weir_inside_sum(ctx, word, from, n, shift): the sum of
// n octets at from of the buffer, which are what word was found of, shifted by so many.
func (l *lowerer) insideSum() *ir.Func {
	return l.moveFunc("weir_inside_sum", 4, l.sumInside(l.moveFunc("weir_sum", 2, (*mover).sum)))
}

func (l *lowerer) sumInside(sum *ir.Func) func(*mover, []*ir.Value) {
	return func(m *mover, args []*ir.Value) {
		word, from, n, shift := args[0], args[1], args[2], args[3]
		field := func(at, bits uint) *ir.Value { return m.opi(ir.OpAnd, m.opi(ir.OpShr, word, int64(at)), 1<<bits-1) }
		l3 := m.op(ir.OpAdd, field(walkL3Off, 16), shift)
		l4 := m.op(ir.OpAdd, field(walkL4Off, 16), shift)
		proto, kind := field(0, 8), field(walkKind, 2)
		end := m.op(ir.OpAdd, from, n)
		all, known := m.block(), m.block()
		add := func(off, n *ir.Value) *ir.Value { return m.callFunc(sum, m.ctx, off, n) }
		buf := m.slot("length", 8, 8)
		stop, addresses := m.newVar(), m.newVar()

		whole := m.block()
		m.branch(ir.Eq, m.opi(ir.OpAnd, word, 1<<walkL4|1<<walkFragment), m.konst(1<<walkL4), whole, all)
		m.start(whole)
		have := m.block()
		length := func(off int64, plus int64, at, size int64) {
			m.must(m.loadBytes(m.plus(l3, off), buf, 2))
			m.set(stop, m.op(ir.OpAdd, l3, m.plus(m.swap(2, m.load(2, buf, 0)), plus)))
			m.set(addresses, add(m.plus(l3, at), m.konst(size)))
			m.jump(have)
		}
		m.on(kind, 1, func() { length(2, 0, 12, 8) })
		m.on(kind, 2, func() { length(4, 40, 8, 32) })
		m.jump(all)
		m.start(have)
		inside, some := m.block(), m.block()
		m.branch(ir.ULe, m.get(stop), end, inside, all)
		m.start(inside)
		size := m.op(ir.OpSub, m.get(stop), l4)
		m.branch(ir.ULe, m.plus(l4, int64(packet.UDP.Size())), m.get(stop), some, all)
		m.start(some)
		pseudo := m.newVar()
		m.set(pseudo, m.op(ir.OpAdd, m.get(addresses), m.op(ir.OpAdd, size, proto)))
		m.on(proto, 6, func() { m.jump(known) })
		m.on(proto, protoUDP, func() {
			m.must(m.loadBytes(m.plus(l4, 6), buf, 2))
			m.branch(ir.Ne, m.load(2, buf, 0), m.konst(0), known, all)
		})
		m.on(m.op(ir.OpOr, m.opi(ir.OpShl, kind, 8), proto), 1<<8|1, func() {
			m.set(pseudo, m.konst(0))
			m.jump(known)
		})
		m.on(m.op(ir.OpOr, m.opi(ir.OpShl, kind, 8), proto), 2<<8|58, func() { m.jump(known) })
		m.jump(all)

		m.start(known)
		total := m.op(ir.OpAdd, add(from, m.op(ir.OpSub, l4, from)), m.opi(ir.OpXor, m.fold16(m.get(pseudo)), 0xffff))
		tail := add(m.get(stop), m.op(ir.OpSub, end, m.get(stop)))
		// Behind an odd number of octets they count the other way round.
		odd := m.opi(ir.OpShl, m.opi(ir.OpAnd, m.op(ir.OpSub, m.get(stop), from), 1), 3)
		m.cur.Return(m.fold16(m.op(ir.OpAdd, total, m.op(ir.OpShl, tail, odd))))
		m.start(all)
		m.cur.Return(add(from, n))
		m.cur = nil
	}
}
