package lower

import (
	"weir/lang/check"
	"weir/lang/ir"
	"weir/lang/value"
	"weir/packet"
)

// Reads of bytes. Offsets in the buffer count from its start, offsets on the
// wire from the start of the frame; they differ where a tag stands beside the
// buffer, and where packets begin with the IP header: 14 octets count before it.

// room is the greatest offset that is read in place; beyond it the helper reads.
// The verifier knows offsets into a packet up to 0xffff.
const room = 0x7fff

// bufRead reads w octets at off of the buffer, big-endian, zero if they are not
// all there.
func (l *lowerer) bufRead(off *ir.Value, w int) *ir.Value {
	if l.turns > 1 {
		off = l.op(ir.OpXor, off, l.opaque())
	}
	v := l.newVar()
	l.soft[v] = true
	if !l.inPlace() {
		done := l.block()
		l.slowRead(v, off, w, done)
		l.start(done)
		return l.get(v)
	}
	in, yes, done := l.block(), l.block(), l.block()
	no := l.coldBlock()
	l.branch(ir.ULe, off, l.konst(room), in, no)
	l.start(in)
	// Bounds of their own: else the verifier remembers of each read that was
	// tried how far it reached, and follows that to the program's end.
	data, end := l.bounds()
	p := l.op(ir.OpAdd, data, off)
	l.branch(ir.ULe, l.opi(ir.OpAdd, p, int64(w)), end, yes, no)
	l.start(yes)
	l.set(v, l.swap(w, l.load(w, p, 0)))
	l.jump(done)
	l.start(no)
	l.chilled(func() { l.slowRead(v, off, w, done) })
	l.start(done)
	return l.get(v)
}

// nearRead reads two octets at off of the buffer, among the first headers: what
// other checks of the packet's bounds have shown does for it.
func (l *lowerer) nearRead(off int64) *ir.Value {
	if !l.inPlace() {
		return l.bufRead(l.konst(off), 2)
	}
	v := l.newVar()
	l.soft[v] = true
	in, out, done := l.block(), l.coldBlock(), l.block()
	p := l.within(off, 2, in, out)
	l.start(in)
	l.set(v, l.swap(2, l.load(2, p, 0)))
	l.jump(done)
	l.start(out)
	l.chilled(func() { l.slowRead(v, l.konst(off), 2, done) })
	l.start(done)
	return l.get(v)
}

func (l *lowerer) slowRead(v variable, off *ir.Value, w int, done *ir.Block) {
	if !l.linear() || l.opts.Copy {
		ok, good, bad := l.block(), l.block(), l.block()
		l.branch(ir.ULe, off, l.konst(1<<30), ok, bad)
		l.start(ok)
		s := l.slot("read", 8, 8)
		r := l.loadBytes(off, s, w)
		l.branch(ir.Eq, r, l.konst(0), good, bad)
		l.start(good)
		l.set(v, l.swap(w, l.load(w, s, 0)))
		l.jump(done)
		l.start(bad)
	}
	l.set(v, l.konst(0))
	l.jump(done)
}

// wireRead reads w octets at off of the frame.
func (l *lowerer) wireRead(off *ir.Value, w int) *ir.Value {
	if l.xdp() {
		return l.bufRead(off, w)
	}
	beside := l.coldBlock()
	plain, done, v := l.block(), l.block(), l.newVar()
	l.soft[v] = true
	at := l.inBuffer(off, plain, beside)
	if l.start(beside); l.cur != nil {
		l.set(v, l.callFunc(l.wire(), l.ctx, off, l.konst(int64(w))))
		l.jump(done)
	}
	if l.start(plain); l.cur != nil {
		l.set(v, l.bufRead(at, w))
		l.jump(done)
	}
	l.start(done)
	return l.get(v)
}

// inBuffer branches by whether the octets of the frame from off on are all in the
// buffer, and gives where they are there. They are not where the outer tag stands
// beside it, and in place of an Ethernet header that the hook has not.
func (l *lowerer) inBuffer(off *ir.Value, yes, no *ir.Block) *ir.Value {
	if l.info.Ethernet {
		l.branch(ir.Eq, l.tagBeside(), l.konst(0), yes, no)
		return off
	}
	at := l.opi(ir.OpSub, off, ethSize)
	l.branch(ir.UGe, off, l.konst(ethSize), yes, no)
	return at
}

// read lowers pkt.u16(off) and pkt.payload.u16(off).
func (l *lowerer) read(e *check.Read) *ir.Value {
	if e.Span == nil {
		return l.wireRead(l.expr(e.Off)[0], e.Width)
	}
	p := l.expr(e.Span)
	off := l.expr(e.Off)[0]
	return l.choose1(func(then, els *ir.Block) { l.inside(e.Span.Type(), p, off, e.Width, then, els) },
		func() *ir.Value {
			if e.Span.Type().Frame {
				return l.wireRead(l.op(ir.OpAdd, p[0], off), e.Width)
			}
			return l.bufRead(l.op(ir.OpAdd, p[0], off), e.Width)
		},
		func() *ir.Value { return l.konst(0) })
}

// payload lowers pkt.payload: where it starts and ends in the buffer.
func (l *lowerer) payload() parts {
	l.needL4()
	f := &l.facts
	if !l.st.payload {
		l.needPayload()
		l.st.payload = true
	}
	return parts{l.get(f.start), l.get(f.stop)}
}

func (l *lowerer) needPayload() {
	f := &l.facts
	start := l.get(f.payload)
	end := l.newVar()
	l.set(end, l.konst(0))
	there, done := l.block(), l.block()
	l.branch(ir.Ne, start, l.konst(0), there, done)
	l.start(there)
	e := l.smaller(l.ipEnd(), l.bufLen())
	l.set(end, l.greater(e, start))
	l.jump(done)
	l.start(done)
	stop := l.get(end)
	if l.needs.loops || l.opts.Copy {
		// The many ways here would each be followed through what comes.
		start, stop = l.forgotten(start), l.forgotten(stop)
	}
	l.set(f.start, start)
	l.set(f.stop, stop)
}

// forgotten is an offset of which the verifier knows no more than its width.
func (l *lowerer) forgotten(off *ir.Value) *ir.Value {
	return l.opi(ir.OpAnd, l.op(ir.OpXor, off, l.loadZero()), 0x1ffff)
}

// loadZero reads a zero that only the running program knows to be one.
func (l *lowerer) loadZero() *ir.Value {
	v := l.load(8, l.mapValue(l.maps[ScratchMap], 0), 0)
	v.Fresh = true
	return v
}

// ipEnd returns where the packet ends by its IP header, which is there.
func (l *lowerer) ipEnd() *ir.Value {
	f := &l.facts
	n := l.ipLen(l.get(f.ip4), l.get(f.ip6), l.get(f.l3))
	return l.op(ir.OpAdd, n, l.opi(ir.OpAnd, l.get(f.l3), 0xffff))
}

// ipLen returns the octets from the IP header's start to the packet's end, by
// whichever header is there; 0 without one.
func (l *lowerer) ipLen(p4, p6, place *ir.Value) *ir.Value {
	zero := func() *ir.Value { return l.konst(0) }
	return l.choose1(func(then, els *ir.Block) {
		p4 = l.pointer(packet.IP4, p4, place)
		l.branch(ir.Ne, p4, l.konst(0), then, els)
	}, func() *ir.Value { return l.swap(2, l.load(2, p4, 2)) },
		func() *ir.Value {
			return l.choose1(func(then, els *ir.Block) {
				p6 = l.pointer(packet.IP6, p6, place)
				l.branch(ir.Ne, p6, l.konst(0), then, els)
			}, func() *ir.Value { return l.opi(ir.OpAdd, l.swap(2, l.load(2, p6, 4)), 40) }, zero)
		})
}

// offset lowers X.offset: where a header, a span or a header that is laid over bytes
// begins in the frame.
func (l *lowerer) offset(e *check.OffsetOf) *ir.Value {
	t := e.X.Type()
	v := l.expr(e.X)
	tags := map[packet.Header]int64{packet.VLAN: ethSize, packet.VLAN2: ethSize + 4}
	switch {
	case t.Frame:
		return v[0]
	case t.Header == packet.Eth:
		return l.konst(0)
	case tags[t.Header] > 0:
		return l.opi(ir.OpMul, v[0], tags[t.Header])
	}
	return l.choose1(func(then, els *ir.Block) { l.there(t, v, then, els) },
		func() *ir.Value {
			at := v[0]
			if t.Kind == value.View {
				at = offsetOf(l, v[len(v)-1])
				if t.Header == packet.L4 {
					at = offsetOf(l, v[1])
				}
			}
			if !l.info.Ethernet {
				return l.opi(ir.OpAdd, at, ethSize)
			}
			return l.op(ir.OpAdd, at, l.opi(ir.OpShl, l.tagBeside(), 2))
		}, func() *ir.Value { return l.konst(0) })
}

func (l *lowerer) smaller(x, y *ir.Value) *ir.Value {
	return l.choose1(func(then, els *ir.Block) { l.branch(ir.ULe, x, y, then, els) },
		func() *ir.Value { return x }, func() *ir.Value { return y })
}

func (l *lowerer) greater(x, y *ir.Value) *ir.Value {
	return l.choose1(func(then, els *ir.Block) { l.branch(ir.ULe, y, x, then, els) },
		func() *ir.Value { return x }, func() *ir.Value { return y })
}

// headerField reads a field of a view, zero if the header is not there.
func (l *lowerer) headerField(e *check.HeaderField) parts {
	h, f := e.View.Type().Header, e.Field
	if l.conn() {
		return l.connAddr(h, f.Name, e.T)
	}
	v := l.expr(e.View)
	if e.View.Type().Inner && !l.inner {
		return l.deep(func() parts { return l.fieldOf(e, v) })
	}
	return l.fieldOf(e, v)
}

// fieldOf reads a field of the view v, of the packet that is looked at.
func (l *lowerer) fieldOf(e *check.HeaderField, v parts) parts {
	h, f := e.View.Type().Header, e.Field
	switch {
	case h == packet.VLAN || h == packet.VLAN2:
		return parts{l.tagField(h, v[0], f)}
	case h == packet.Eth && f.Name == "type" && !l.inner:
		return parts{l.wireType()}
	case h == packet.IP:
		return l.ipField(v, f)
	case h == packet.GRE && f.Virtual:
		return parts{l.greField(v, f)}
	case h == packet.TCP && f.Virtual:
		val, _ := l.mss(v)
		return parts{val}
	}
	return l.choose(e.T, func(then, els *ir.Block) {
		v[0] = l.pointer(h, v[0], v[1])
		l.branch(ir.Ne, v[0], l.konst(0), then, els)
	}, func() parts { return l.loadField(v[0], f) },
		func() parts { return l.zero(e.T) })
}

// loadField reads a field of the header at p.
func (l *lowerer) loadField(p *ir.Value, f packet.Field) parts {
	switch f.Kind {
	case packet.MAC:
		return parts{l.loadMAC(p, f.Off)}
	case packet.Addr4:
		if f.Off%4 != 0 { // as of ARP, which may be a copy on the stack
			return parts{l.op(ir.OpOr, l.load(2, p, f.Off), l.opi(ir.OpShl, l.load(2, p, f.Off+2), 16))}
		}
		return parts{l.load(4, p, f.Off)}
	case packet.Addr6:
		return l.loadParts(p, f.Off, value.IP6T)
	}
	return parts{l.extract(l.swap(f.Bytes, l.load(f.Bytes, p, f.Off)), f)}
}

// extract takes a field out of its storage unit.
func (l *lowerer) extract(unit *ir.Value, f packet.Field) *ir.Value {
	if f.Shift > 0 {
		unit = l.opi(ir.OpShr, unit, int64(f.Shift))
	}
	if f.Shift+f.Bits < 8*f.Bytes {
		unit = l.opi(ir.OpAnd, unit, 1<<f.Bits-1)
	}
	if f.Scale > 1 {
		unit = l.opi(ir.OpMul, unit, int64(f.Scale))
	}
	return unit
}
