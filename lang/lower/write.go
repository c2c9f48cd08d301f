package lower

import (
	"weir/lang/check"
	"weir/lang/ir"
	"weir/packet"
)

// A change is what a write did to octets that a checksum covers: the same
// octets before and after, as little-endian loads see them.
type change struct {
	old, new *ir.Value
	bytes    int // 2 or 4 (of a 4: two words)
}

// setHeader writes a field, and brings the checksums that cover it up to date.
// A field of a header that is not there is not written.
func (l *lowerer) setHeader(s *check.SetHeader) {
	if l.conn() {
		l.setConnAddr(s)
		return
	}
	h := s.View.Type().Header
	v := l.expr(s.View)
	x := l.expr(s.X)
	l.written(s, x)
	done := l.block()
	switch {
	case h == packet.VLAN || h == packet.VLAN2:
		there := l.block()
		l.branch(ir.Ne, v[0], l.konst(0), there, done)
		l.start(there)
		l.setTag(h, s.Field, x[0])
	case h == packet.Eth && s.Field.Name == "type":
		l.setWireType(x[0])
	case h == packet.IP:
		l.setIP(v, s.Field, x, done)
	case h == packet.L4:
		l.setPort(v, s.Field, x[0], done)
	case h == packet.GRE && s.Field.Virtual:
		l.setGRE(v, s.Field, x[0], done)
	case h == packet.TCP && s.Field.Virtual:
		l.setMSS(v, x[0], done)
	default:
		l.setField1(h, v, s.Field, x, done)
	}
	l.jump(done)
	l.start(done)
	if moves(h, s.Field) {
		l.st.reparse()
	}
	if h != packet.Eth {
		l.st.forgetInside()
	}
}

// moves reports whether writing a field may change which headers follow.
func moves(h packet.Header, f packet.Field) bool {
	switch f.Name {
	case "type":
		return h == packet.Eth || h == packet.VLAN || h == packet.VLAN2
	case "proto", "next", "frag_off", "mf":
		return h != packet.GRE
	case "len":
		return h == packet.IP4
	}
	return false
}

// setIP writes a field of whichever IP header is there. An address of the other
// family is not written.
func (l *lowerer) setIP(v parts, f packet.Field, x parts, done *ir.Block) {
	n4, n6 := ipNames(f.Name)
	f4, _ := packet.IP4.FieldOf(n4)
	f6, _ := packet.IP6.FieldOf(n6)
	v4, v6 := l.block(), l.block()
	l.branch(ir.Ne, v[0], l.konst(0), v4, v6)
	l.start(v4)
	x4 := x
	if isAddress(f) {
		l.ifMapped(x, func() { x4 = parts{l.opi(ir.OpShr, x[1], 32)} }, done)
	}
	l.setField1(packet.IP4, parts{v[0], v[2]}, f4, x4, done)
	l.jump(done)
	l.start(v6)
	if isAddress(f) {
		other := l.block()
		l.unlessMapped(x, other, done)
		l.start(other)
	}
	l.setField1(packet.IP6, parts{v[1], v[2]}, f6, x, done)
}

// ifMapped goes on with f where x is a mapped IPv4 address, else at other.
func (l *lowerer) ifMapped(x parts, f func(), other *ir.Block) {
	yes := l.block()
	l.unlessMapped(x, other, yes)
	l.start(yes)
	f()
}

func (l *lowerer) unlessMapped(x parts, other, mapped *ir.Block) {
	low := l.block()
	l.branch(ir.Eq, x[0], l.konst(0), low, other)
	l.start(low)
	l.branch(ir.Eq, l.width(ir.OpZExt, 4, x[1]), l.konst(mappedPrefix), mapped, other)
}

// setPort writes a port of TCP or UDP; SCTP's are not written.
func (l *lowerer) setPort(v parts, f packet.Field, x *ir.Value, done *ir.Block) {
	for _, k := range l4Kinds {
		if k.h != packet.TCP && k.h != packet.UDP {
			continue
		}
		hit, next := l.block(), l.block()
		l.branch(ir.Eq, v[2], l.konst(k.proto), hit, next)
		l.start(hit)
		l.setField1(k.h, v[:2], f, parts{x}, done)
		l.jump(done)
		l.start(next)
	}
}

// setField1 writes a field of a header that has bytes of its own.
func (l *lowerer) setField1(h packet.Header, v parts, f packet.Field, x parts, done *ir.Block) {
	p := l.pointer(h, v[0], v[1])
	there := l.block()
	l.branch(ir.Ne, p, l.konst(0), there, done)
	l.start(there)
	var cs []change
	switch f.Kind {
	case packet.MAC:
		l.storeMAC(p, f.Off, x[0])
	case packet.Addr4:
		if f.Off%4 != 0 { // of ARP, which has no checksum
			l.store(2, p, f.Off, x[0])
			l.store(2, p, f.Off+2, l.opi(ir.OpShr, x[0], 16))
			break
		}
		cs = append(cs, l.replace(4, p, f.Off, x[0]))
	case packet.Addr6:
		for i, half := range x {
			cs = append(cs, l.replace(4, p, f.Off+8*i, half),
				l.replace(4, p, f.Off+8*i+4, l.opi(ir.OpShr, half, 32)))
		}
	default:
		cs = append(cs, l.setBits(p, f, x[0]))
	}
	from, to := coverAt(f), coverAt(f)+coverLen(f)
	if at := sumOffset(h); at > 0 && len(cs) > 0 && (h == packet.IP4 || l.xdp()) && h != packet.UDP {
		l.sumAt(p, at, cs)
		from, to = min(from, at), max(to, at+2)
	}
	l.flush(p, v[1], from, to-from)
	l.sumL4(h, p, v[1], f, cs)
	if h != packet.Eth {
		l.wrote()
	}
}

// wrote notes that a header was written: other pointers to it may be out of date.
func (l *lowerer) wrote() {
	switch {
	case !l.xdp():
		l.invalidate()
	case l.needs.moves:
		l.st.epoch = l.newEpoch()
	}
}

// replace stores w octets and returns the change.
func (l *lowerer) replace(w int, p *ir.Value, off int, x *ir.Value) change {
	c := change{old: l.load(w, p, off), new: l.width(ir.OpZExt, w, x), bytes: w}
	l.store(w, p, off, x)
	return c
}

// setBits stores an integer field in its storage unit. The change is of the 16
// bit words that hold it, as a checksum sees them.
func (l *lowerer) setBits(p *ir.Value, f packet.Field, x *ir.Value) change {
	at, n := coverAt(f), coverLen(f)
	old := l.load(n, p, at)
	unit := x
	if f.Scale > 1 {
		unit = l.opi(ir.OpDiv, unit, int64(f.Scale))
	}
	if f.Bits < 8*f.Bytes {
		mask := int64(1)<<f.Bits - 1
		unit = l.opi(ir.OpShl, l.opi(ir.OpAnd, unit, mask), int64(f.Shift))
		was := l.swap(f.Bytes, l.load(f.Bytes, p, f.Off))
		unit = l.op(ir.OpOr, l.opi(ir.OpAnd, was, int64(uint64(1)<<(8*f.Bytes)-1)&^(mask<<f.Shift)), unit)
	}
	unit = l.swap(f.Bytes, unit)
	l.store(f.Bytes, p, f.Off, unit)
	if f.Bytes == n {
		return change{old: old, new: l.width(ir.OpZExt, n, unit), bytes: n}
	}
	// Reckoned, not loaded: a load of more than was just stored waits until that has
	// left the store buffer, some 12 cycles.
	shift := 8 * (f.Off - at)
	rest := l.opi(ir.OpAnd, old, 0xffff&^(0xff<<shift))
	return change{old: old, new: l.op(ir.OpOr, rest, l.opi(ir.OpShl, l.opi(ir.OpAnd, unit, 0xff), int64(shift))), bytes: n}
}

// coverAt and coverLen are the even octets of a header that hold a field.
func coverAt(f packet.Field) int { return f.Off &^ 1 }

func coverLen(f packet.Field) int { return max(f.Bytes, 2) }

// flush writes n octets at off of a header to the packet where p is a copy.
func (l *lowerer) flush(p, place *ir.Value, off, n int) {
	slow, done := l.coldBlock(), l.block()
	l.branch(ir.Test, place, l.konst(1<<slowBit), slow, done)
	l.start(slow)
	at := l.opi(ir.OpAdd, offsetOf(l, place), int64(off))
	if l.xdp() {
		l.call(helperXDPStore, "xdp_store_bytes", ir.Int, l.ctx, at, l.opi(ir.OpAdd, p, int64(off)), l.konst(int64(n)))
	} else {
		l.call(helperStoreBytes, "skb_store_bytes", ir.Int, l.ctx, at, l.opi(ir.OpAdd, p, int64(off)),
			l.konst(int64(n)), l.konst(0))
	}
	l.jump(done)
	l.start(done)
}

// offsetOf is where in the buffer the header of a view begins.
func offsetOf(l *lowerer, place *ir.Value) *ir.Value { return l.opi(ir.OpAnd, place, 1<<slowBit-1) }

// Tags.

// setWireType writes octets 12 and 13 of the frame.
func (l *lowerer) setWireType(x *ir.Value) {
	l.setBeside(func() { l.retag(x, nil) }, func() { l.bufWrite(12, x) })
}

// setBeside chooses by whether the outer tag stands beside the buffer.
func (l *lowerer) setBeside(beside, inside func()) {
	if l.xdp() {
		inside()
		return
	}
	b, in, done := l.coldBlock(), l.block(), l.block()
	l.branch(ir.Ne, l.tagBeside(), l.konst(0), b, in)
	l.start(b)
	beside()
	l.jump(done)
	l.start(in)
	inside()
	l.jump(done)
	l.start(done)
}

// retag changes the tag that stands beside the buffer; nil keeps a part.
func (l *lowerer) retag(tpid, tci *ir.Value) {
	proto := l.load(4, l.ctx, skbVLANProto)
	if tpid != nil {
		proto = l.swap(2, l.width(ir.OpZExt, 2, tpid))
	}
	if tci == nil {
		tci = l.load(4, l.ctx, skbVLANTCI)
	}
	// What the kernel knows to be a second tag it takes out and puts back, with the
	// type that it knows: the chain may have written another one since.
	typ := l.nearRead(ethSize - 2)
	l.call(helperVLANPop, "skb_vlan_pop", ir.Int, l.ctx)
	l.call(helperVLANPush, "skb_vlan_push", ir.Int, l.ctx, proto, tci)
	l.invalidate()
	l.bufWrite(ethSize-2, typ)
}

// bufWrite writes two octets at off of the buffer, big-endian.
func (l *lowerer) bufWrite(off int64, x *ir.Value) {
	in, no, done := l.block(), l.coldBlock(), l.block()
	p := l.within(off, 2, in, no)
	l.start(in)
	l.store(2, p, 0, l.swap(2, x))
	l.jump(done)
	l.start(no)
	if !l.linear() {
		s := l.slot("write", 8, 8)
		l.store(2, s, 0, l.swap(2, x))
		l.storeBytes(l.konst(off), s, 2)
	}
	l.jump(done)
	l.start(done)
}

// setTag writes a field of a tag that is there.
func (l *lowerer) setTag(h packet.Header, f packet.Field, x *ir.Value) {
	at := int64(14 + f.Off)
	if h == packet.VLAN2 {
		at += 4
	}
	unit := func(was *ir.Value) *ir.Value {
		if f.Bits == 16 {
			return x
		}
		mask := int64(1)<<f.Bits - 1
		put := l.opi(ir.OpShl, l.opi(ir.OpAnd, x, mask), int64(f.Shift))
		return l.op(ir.OpOr, l.opi(ir.OpAnd, was, 0xffff&^(mask<<f.Shift)), put)
	}
	l.setBeside(func() {
		if h == packet.VLAN && f.Off == 0 {
			l.retag(nil, unit(l.load(4, l.ctx, skbVLANTCI)))
			return
		}
		l.bufWrite(at-4, unit(l.nearRead(at-4)))
	}, func() { l.bufWrite(at, unit(l.nearRead(at))) })
}
