package lower

import (
	"encoding/binary"

	"weir/lang/check"
	"weir/lang/ir"
	"weir/lang/value"
	"weir/packet"
)

// parts is a value of the language: see the package comment.
type parts []*ir.Value

// A view has a pointer to the header, null if it is not there, and its place:
// the offset in the buffer, with slowBit if the pointer is to a copy.
//
//	View eth, ip4, ip6, tcp, udp, sctp, icmp4, icmp6   pointer place
//	View l4                                            pointer place protocol
//	View ip                                            pointer4 pointer6 place
//	View vlan, vlan2                                   there
//	Span                                               start end (0 0 if not there)
//	Record                                             pointer timeOffset
//	Octets                                             words, then 1 if they are there
//	Verdict                                            action|index<<8 ifindex
const slowBit = 30

// numParts returns how many parts a value of type t has.
func numParts(t value.Type) int {
	switch t.Kind {
	case value.None, value.Packet, value.Static:
		return 0
	case value.IP6, value.IP, value.Record, value.Verdict, value.Span:
		return 2
	case value.Octets:
		return (t.Width+7)/8 + 1
	case value.Tuple:
		n := 0
		for _, e := range t.Elems {
			n += numParts(e)
		}
		return n
	case value.View:
		switch t.Header {
		case packet.VLAN, packet.VLAN2:
			return 1
		case packet.IP, packet.L4:
			return 3
		}
		return 2
	}
	return 1
}

// isPointer reports whether part i of a value of type t is a pointer.
func isPointer(t value.Type, i int) bool {
	switch t.Kind {
	case value.Record:
		return i == 0
	case value.View:
		return t.Header != packet.VLAN && t.Header != packet.VLAN2 && (i == 0 || i == 1 && t.Header == packet.IP)
	case value.Tuple:
		for _, e := range t.Elems {
			if n := numParts(e); i >= n {
				i -= n
				continue
			}
			return isPointer(e, i)
		}
	}
	return false
}

// isSoft reports whether the parts of a type are plain numbers, which nothing
// that the verifier must follow rests on.
func isSoft(t value.Type) bool {
	switch t.Kind {
	case value.Record, value.View, value.Span, value.Verdict:
		return false
	case value.Tuple:
		for _, e := range t.Elems {
			if !isSoft(e) {
				return false
			}
		}
	}
	return true
}

// elem returns the parts of element i of a tuple.
func elem(t value.Type, p parts, i int) parts {
	at := 0
	for _, e := range t.Elems[:i] {
		at += numParts(e)
	}
	return p[at : at+numParts(t.Elems[i])]
}

// zero returns the zero value of a type: all parts 0.
func (l *lowerer) zero(t value.Type) parts {
	p := make(parts, numParts(t))
	for i := range p {
		p[i] = l.konst(0)
	}
	return p
}

func (l *lowerer) constant(c *check.Const) parts {
	switch c.T.Kind {
	case value.Int, value.Bool:
		return parts{l.konst(int64(c.Bits))}
	case value.Verdict:
		return l.verdict(int(c.Bits))
	}
	var p parts
	o := append([]byte(nil), c.Octets...)
	for len(o) > 0 {
		var w [8]byte
		n := copy(w[:], o)
		o = o[n:]
		p = append(p, l.konst(int64(binary.LittleEndian.Uint64(w[:]))))
	}
	if c.T.Kind == value.Octets {
		p = append(p, l.konst(1))
	}
	return p
}

// storeParts writes a value to memory, as package value lays it out.
func (l *lowerer) storeParts(ptr *ir.Value, off int, t value.Type, p parts) {
	switch t.Kind {
	case value.Int:
		if t.Big {
			p = parts{l.swap(t.Width, p[0])}
		}
		l.store(t.Width, ptr, off, p[0])
	case value.Bool:
		l.store(1, ptr, off, p[0])
	case value.IP4:
		l.store(4, ptr, off, p[0])
	case value.IP6, value.IP:
		l.store(8, ptr, off, p[0])
		l.store(8, ptr, off+8, p[1])
	case value.MAC:
		l.storeMAC(ptr, off, p[0])
	case value.Octets:
		for i, n := 0, t.Width; n > 0; i, n = i+1, n-8 {
			l.storeOctets(ptr, off+8*i, min(n, 8), p[i])
		}
	case value.Tuple:
		for i, e := range t.Elems {
			l.storeParts(ptr, off+t.Offset(i), e, elem(t, p, i))
		}
	case value.Record:
		l.copyRecord(ptr, off, t, p[0])
	}
}

func (l *lowerer) storeOctets(ptr *ir.Value, off, n int, x *ir.Value) {
	w := pieceOf(n)
	l.store(w, ptr, off, x)
	if n > w {
		l.storeOctets(ptr, off+w, n-w, l.opi(ir.OpShr, x, int64(8*w)))
	}
}

// copyRecord copies what src refers to, or zeros if it refers to nothing.
func (l *lowerer) copyRecord(ptr *ir.Value, off int, t value.Type, src *ir.Value) {
	there, gone, done := l.block(), l.block(), l.block()
	l.branch(ir.Ne, src, l.konst(0), there, gone)
	l.start(there)
	for i, e := range t.Elems {
		l.storeParts(ptr, off+t.Offset(i), e, l.loadParts(src, t.Offset(i), e))
	}
	l.jump(done)
	l.start(gone)
	for i, e := range t.Elems {
		l.zeroMemory(ptr, off+t.Offset(i), e)
	}
	l.jump(done)
	l.start(done)
}

func (l *lowerer) zeroMemory(ptr *ir.Value, off int, t value.Type) {
	if t.Kind == value.Record || t.Kind == value.Tuple { // which may have records in it
		for i, e := range t.Elems {
			l.zeroMemory(ptr, off+t.Offset(i), e)
		}
		return
	}
	l.storeParts(ptr, off, t, l.zero(t))
}

// clear writes zeros to size octets at ptr, in the widest stores that align
// allows.
func (b *builder) clear(ptr *ir.Value, size, align int) {
	z := b.konst(0)
	for off := 0; off < size; {
		w := align
		for w > size-off {
			w /= 2
		}
		b.store(w, ptr, off, z)
		off += w
	}
}

// padded reports whether values of the type have octets that no part fills.
func padded(t value.Type) bool {
	if t.Kind != value.Tuple && t.Kind != value.Record {
		return false
	}
	n := 0
	for _, e := range t.Elems {
		if padded(e) {
			return true
		}
		n += e.Size()
	}
	return n != t.Size()
}

// loadParts reads a value from memory. A record is a reference to there.
func (l *lowerer) loadParts(ptr *ir.Value, off int, t value.Type) parts {
	switch t.Kind {
	case value.Int:
		v := l.load(t.Width, ptr, off)
		if t.Big {
			v = l.swap(t.Width, v)
		}
		if t.Signed && t.Width < 8 {
			v = l.width(ir.OpSExt, t.Width, v)
		}
		return parts{v}
	case value.Bool:
		return parts{l.load(1, ptr, off)}
	case value.IP4:
		return parts{l.load(4, ptr, off)}
	case value.IP6, value.IP:
		return parts{l.load(8, ptr, off), l.load(8, ptr, off+8)}
	case value.MAC:
		return parts{l.loadMAC(ptr, off)}
	case value.Octets:
		return append(l.loadOctets(ptr, off, t.Width), l.konst(1))
	case value.Tuple:
		var p parts
		for i, e := range t.Elems {
			p = append(p, l.loadParts(ptr, off+t.Offset(i), e)...)
		}
		return p
	case value.Record:
		return parts{l.opi(ir.OpAdd, ptr, int64(off)), l.konst(0)}
	}
	panic("lower: load of " + t.String())
}

// loadMAC reads six octets at an even offset: in aligned pieces, as the stack
// wants them.
func (l *lowerer) loadMAC(ptr *ir.Value, off int) *ir.Value {
	if off%4 != 0 {
		hi := l.opi(ir.OpShl, l.load(4, ptr, off+2), 16)
		return l.op(ir.OpOr, hi, l.load(2, ptr, off))
	}
	hi := l.opi(ir.OpShl, l.load(2, ptr, off+4), 32)
	return l.op(ir.OpOr, hi, l.load(4, ptr, off))
}

func (l *lowerer) storeMAC(ptr *ir.Value, off int, x *ir.Value) {
	if off%4 != 0 {
		l.store(2, ptr, off, x)
		l.store(4, ptr, off+2, l.opi(ir.OpShr, x, 16))
		return
	}
	l.store(4, ptr, off, x)
	l.store(2, ptr, off+4, l.opi(ir.OpShr, x, 32))
}

// memory returns the address of a piece of stack that holds a value, its
// padding zero.
func (l *lowerer) memory(name string, t value.Type, p parts) *ir.Value {
	s := l.slot(name, t.Size(), slotAlign(t))
	if padded(t) {
		l.clear(s, t.Size(), slotAlign(t))
	}
	l.storeParts(s, 0, t, p)
	return s
}

func slotAlign(t value.Type) int { return max(t.Align(), 4) }
