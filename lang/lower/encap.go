package lower

import (
	"weir/lang/check"
	"weir/lang/ir"
	"weir/lang/value"
	"weir/packet"
)

// pkt.encap(). What differs from kind to kind is written where it is called, into a slot,
// since most of it is constant there. What looks at the packet and what moves it are
// global functions:
//
//	flow(ctx, word)                ──► hash, traffic class and length of what goes inside
//	grow(ctx, at, n, flags)        ──► room for n octets, 0: none
//	the slot                       ──► [Ethernet] IP [UDP] [tunnel] into the room
//	settle(ctx, n)                 ──► the kernel looks at the frame anew, where it must
//
// A tunnel of packets has its room behind the Ethernet header and the tags, which stay
// outermost; one of frames has it before the frame, and a copy of the addresses.

// What weir_flow gives.
const (
	flowClass = 32 // 8 bits: traffic class; bits 0 to 31 are the hash
	flowLen   = 48 // 16 bits: length of the IP packet, 0 for none, cut to 65,535
)

// What a grow gives.
const (
	grown     = 1
	unsettled = 2 // what the kernel knows of the frame is old
)

// Flags of bpf_skb_adjust_room.
const (
	roomFixedGSO = 1 << 0 // segments keep their size
	roomIP4      = 1 << 1
	roomIP6      = 1 << 2
	roomGRE      = 1 << 3
	roomUDP      = 1 << 4
	roomEth      = 1<<6 | ethSize<<56 // an Ethernet header inside
	roomToIP4    = 1 << 7             // decapsulation: IPv4 is left
	roomToIP6    = 1 << 8
	roomMAC      = 1 // mode: behind the Ethernet header
)

// An outer is the header of a tunnel while it is laid out in a slot.
type outer struct {
	*lowerer
	e    *check.Move
	p    *ir.Value    // where the IP header lies
	n    int          // octets from there on
	args []parts      // of e, nil for what is not given
	flow *ir.Value    // what weir_flow gave
	size *ir.Value    // octets of what goes inside
	kind [2]*ir.Value // what is inside as a protocol of IP, and as an EtherType
}

// encap lowers pkt.encap().
func (l *lowerer) encap(e *check.Move) *ir.Value {
	o := &outer{lowerer: l, e: e, n: outerSize(e)}
	for _, a := range e.Args {
		if a == nil {
			o.args = append(o.args, nil)
			continue
		}
		o.args = append(o.args, l.expr(a))
	}
	l.pos = e.P
	l.needL3()
	w := l.walked()
	o.flow = l.callFunc(l.flowFunc(), l.ctx, w)
	fits, no, done := l.block(), l.block(), l.block()
	ok := l.newVar()
	var at, slot, from *ir.Value
	before := int64(2) // octets of the slot before the IP header: the type
	if e.Tunnel.Kind.Frames() {
		before, at, o.size = ethSize, l.konst(0), l.frameLen()
		slot = l.slot("outer", 16+(o.n+7)&^7, 8)
		o.p = l.opi(ir.OpAdd, slot, 16)
		from = l.opi(ir.OpAdd, slot, 2)
		have := l.block()
		l.branch(ir.Eq, l.loadBytes(l.konst(0), from, 12), l.konst(0), have, no)
		l.start(have)
	} else {
		slot = l.slot("outer", 8+(o.n+7)&^7, 8)
		o.p = l.opi(ir.OpAdd, slot, 8)
		from = l.opi(ir.OpAdd, slot, 6)
		kind, ip := l.field(w, walkKind, 2), l.block()
		l.branch(ir.ULe, l.opi(ir.OpSub, kind, 1), l.konst(1), ip, no)
		l.start(ip)
		at = l.field(w, walkL3Off, 16)
		o.size = l.smaller(l.opi(ir.OpShr, o.flow, flowLen), l.op(ir.OpSub, l.bufLen(), at))
		six := l.opi(ir.OpSub, kind, 1)
		o.kind[0] = l.opi(ir.OpAdd, l.opi(ir.OpMul, six, protoIP6-protoIP4), protoIP4)
		o.kind[1] = l.opi(ir.OpAdd, l.opi(ir.OpMul, six, etherIP6-etherIP4), etherIP4)
	}
	l.branch(ir.ULe, o.size, l.konst(int64(0xffff-o.n)), fits, no)
	l.start(fits)
	o.oneOnly(no)
	beside := l.tagBeside()
	r := o.grow(at)
	l.moved()
	room := l.block()
	l.branch(ir.Ne, r, l.konst(0), room, no)
	l.start(room)
	o.lay()
	if e.Tunnel.Sum {
		o.laySum(w, at, beside)
	}
	if e.Tunnel.Kind.Frames() {
		l.storeBytes(l.konst(0), from, int(before)+o.n)
	} else {
		l.storeBytes(l.opi(ir.OpSub, at, 2), from, int(before)+o.n)
	}
	o.settled(r)
	l.set(ok, l.konst(1))
	l.jump(done)
	l.start(no)
	l.set(ok, l.konst(0))
	l.jump(done)
	l.start(done)
	l.moved()
	return l.get(ok)
}

// settled has the kernel look at the frame anew where the move left that to do.
func (o *outer) settled(r *ir.Value) {
	if o.xdp() {
		return
	}
	old, done := o.coldBlock(), o.block()
	o.branch(ir.Eq, r, o.konst(unsettled), old, done)
	o.start(old)
	o.callMove("weir_settle", func(m *mover, args []*ir.Value) { m.settle(args[0]); m.done() }, o.konst(int64(o.room())))
	o.jump(done)
	o.start(done)
}

// room is how many octets the frame grows by.
func (o *outer) room() int {
	if o.e.Tunnel.Kind.Frames() {
		return ethSize + o.n
	}
	return o.n
}

// outerSize returns the octets of a tunnel's headers from the IP header on.
func outerSize(e *check.Move) int {
	t := e.Tunnel
	n := packet.IP4.Size()
	if t.V6 {
		n = packet.IP6.Size()
	}
	if t.Kind.UDP() {
		n += packet.UDP.Size()
	}
	switch t.Kind {
	case check.GRE:
		n += packet.GRE.Size()
		if e.Args[check.TunnelID] != nil {
			n += 4
		}
	case check.GUE:
		if !t.Direct {
			n += 4
		}
	case check.VXLAN, check.Geneve:
		n += 8
	case check.SRv6:
		n += packet.SRH.Size() + 16*(len(e.Args)-check.TunnelSegments)
	}
	return n
}

// grow makes room at at.
func (o *outer) grow(at *ir.Value) *ir.Value {
	flags := int64(roomIP4)
	if o.e.Tunnel.V6 {
		flags = roomIP6
	}
	switch {
	case o.e.Tunnel.Kind.UDP():
		flags |= roomUDP
	case o.e.Tunnel.Kind == check.GRE:
		flags |= roomGRE
	}
	if o.e.Tunnel.Kind.Frames() {
		return o.callMove("weir_grow_frame", (*mover).growFrame, o.konst(int64(o.room())), o.konst(flags|roomEth))
	}
	return o.callMove("weir_grow", (*mover).grow, at, o.konst(int64(o.room())), o.konst(flags))
}

// arg is an argument that is an integer, or what stands for it.
func (o *outer) arg(i int, missing func() *ir.Value) *ir.Value {
	if o.args[i] == nil {
		return missing()
	}
	return o.args[i][0]
}

func (o *outer) number(i int, missing int64) *ir.Value {
	return o.arg(i, func() *ir.Value { return o.konst(missing) })
}

// big stores x at off as the wire has it.
func (o *outer) big(w, off int, x *ir.Value) {
	o.store(w, o.p, off, o.swap(w, o.width(ir.OpZExt, w, x)))
}

// lay writes the headers into the slot.
func (o *outer) lay() {
	t := o.e.Tunnel
	off := packet.IP4.Size()
	if t.V6 {
		off = packet.IP6.Size()
		o.store(2, o.p, -2, o.konst(typeIP6))
		o.layIP6()
	} else {
		o.store(2, o.p, -2, o.konst(typeIP4))
		o.layIP4()
	}
	if t.Kind.UDP() {
		o.big(2, off, o.arg(check.TunnelSport, func() *ir.Value {
			return o.opi(ir.OpOr, o.opi(ir.OpAnd, o.opi(ir.OpShr, o.flow, 16), 0x3fff), 0xc000)
		}))
		port := map[check.TunnelKind]int64{check.GUE: portGUE, check.VXLAN: portVXLAN, check.Geneve: portGeneve}[t.Kind]
		o.big(2, off+2, o.number(check.TunnelDport, port))
		o.big(2, off+4, o.plusSize(o.n-off))
		o.store(2, o.p, off+6, o.konst(0))
		off += packet.UDP.Size()
	}
	switch t.Kind {
	case check.GRE:
		flags := int64(0)
		if o.args[check.TunnelID] != nil {
			flags = greKey
			o.big(4, off+4, o.args[check.TunnelID][0])
		}
		o.store(2, o.p, off, o.konst(flags))
		o.big(2, off+2, o.kind[1])
	case check.GUE:
		if !t.Direct {
			o.store(4, o.p, off, o.opi(ir.OpShl, o.kind[0], 8))
		}
	case check.VXLAN:
		o.store(4, o.p, off, o.konst(0x08))
		o.big(4, off+4, o.opi(ir.OpShl, o.args[check.TunnelID][0], 8))
	case check.Geneve:
		o.big(4, off, o.konst(etherBridge))
		o.big(4, off+4, o.opi(ir.OpShl, o.args[check.TunnelID][0], 8))
	case check.SRv6:
		o.laySRH(off)
	}
}

// plusSize is n octets more than what goes inside.
func (o *outer) plusSize(n int) *ir.Value { return o.opi(ir.OpAdd, o.size, int64(n)) }

// class is the traffic class: RFC 6040, section 4.1, has the ECN field copied.
func (o *outer) class() *ir.Value {
	of := o.opi(ir.OpAnd, o.opi(ir.OpShr, o.flow, flowClass), 0xff)
	if o.args[check.TunnelDSCP] == nil {
		return of
	}
	dscp := o.opi(ir.OpAnd, o.args[check.TunnelDSCP][0], 0x3f)
	return o.op(ir.OpOr, o.opi(ir.OpShl, dscp, 2), o.opi(ir.OpAnd, of, 3))
}

// proto is the protocol that the IP header names.
func (o *outer) proto() *ir.Value {
	switch o.e.Tunnel.Kind {
	case check.IPIP:
		return o.kind[0]
	case check.GRE:
		return o.konst(protoGRE)
	case check.SRv6:
		return o.konst(43)
	}
	return o.konst(protoUDP)
}

// layIP4 writes an IPv4 header that says that the packet is not to be fragmented: its
// identification means nothing then (RFC 6864, section 4.1).
func (o *outer) layIP4() {
	words := []*ir.Value{
		o.opi(ir.OpOr, o.opi(ir.OpShl, o.class(), 8), 0x45),
		o.swap(2, o.width(ir.OpZExt, 2, o.plusSize(o.n))),
		o.konst(0),
		o.konst(0x0040), // DF
		o.op(ir.OpOr, o.opi(ir.OpAnd, o.number(check.TunnelTTL, 64), 0xff), o.opi(ir.OpShl, o.proto(), 8)),
	}
	src, dst := o.args[check.TunnelSrc][0], o.args[check.TunnelDst][0]
	sum := o.op(ir.OpAdd, src, dst)
	for i, w := range words {
		sum = o.op(ir.OpAdd, sum, w)
		o.store(2, o.p, 2*i, w)
	}
	o.store(2, o.p, 10, o.opi(ir.OpXor, o.fold(sum), 0xffff))
	o.store(4, o.p, 12, src)
	o.store(4, o.p, 16, dst)
}

// layIP6 writes an IPv6 header, whose flow label is of the flow (RFC 6438).
func (o *outer) layIP6() {
	first := o.op(ir.OpOr, o.opi(ir.OpShl, o.class(), 20), o.opi(ir.OpAnd, o.opi(ir.OpShr, o.flow, 12), 0xfffff))
	o.big(4, 0, o.opi(ir.OpOr, first, 6<<28))
	o.big(2, 4, o.plusSize(o.n-packet.IP6.Size()))
	o.store(1, o.p, 6, o.proto())
	o.store(1, o.p, 7, o.number(check.TunnelTTL, 64))
	o.storeParts(o.p, 8, value.IP6T, o.args[check.TunnelSrc])
	dst := o.args[check.TunnelDst]
	if dst == nil {
		dst = o.args[check.TunnelSegments]
	}
	o.storeParts(o.p, 24, value.IP6T, dst)
}

// laySRH writes a segment routing header: see segment. The list is in reverse order.
func (o *outer) laySRH(off int) {
	list := o.args[check.TunnelSegments:]
	n := len(list)
	o.store(1, o.p, off, o.kind[0])
	o.store(1, o.p, off+1, o.konst(int64(2*n)))
	o.store(2, o.p, off+2, o.konst(int64(4|(n-1)<<8)))
	o.store(4, o.p, off+4, o.konst(int64(n-1)))
	for i, s := range list {
		o.storeParts(o.p, off+packet.SRH.Size()+16*(n-1-i), value.IP6T, s)
	}
}
