package lower

import (
	"weir/lang/ir"
	"weir/lang/value"
	"weir/packet"
)

// ipField reads a field of pkt.ip, whichever header is there.
func (l *lowerer) ipField(v parts, f packet.Field) parts {
	switch f.Name {
	case "src", "dst":
		f4, _ := packet.IP4.FieldOf(f.Name)
		f6, _ := packet.IP6.FieldOf(f.Name)
		return l.either(v, value.IPT,
			func(p *ir.Value) parts { return l.mapped(l.load(4, p, f4.Off)) },
			func(p *ir.Value) parts { return l.loadParts(p, f6.Off, value.IP6T) })
	case "len":
		return parts{l.ipLen(v[0], v[1], v[2])}
	case "proto":
		return l.either(v, value.U64,
			func(p *ir.Value) parts { return parts{l.load(1, p, 9)} },
			func(*ir.Value) parts { l.needL4(); return parts{l.get(l.facts.proto)} })
	case "fragment":
		return l.either(v, value.U64,
			func(p *ir.Value) parts {
				return parts{l.truth(func(then, els *ir.Block) {
					l.branch(ir.Test, l.load(2, p, 6), l.konst(0xff3f), then, els)
				})}
			},
			func(*ir.Value) parts { l.needL4(); return parts{l.get(l.facts.frag)} })
	}
	n4, n6 := ipNames(f.Name)
	f4, _ := packet.IP4.FieldOf(n4)
	f6, _ := packet.IP6.FieldOf(n6)
	return l.either(v, value.U64,
		func(p *ir.Value) parts { return l.loadField(p, f4) },
		func(p *ir.Value) parts { return l.loadField(p, f6) })
}

// ipNames returns what a field of pkt.ip is called in the two headers.
func ipNames(name string) (in4, in6 string) {
	if name == "ttl" {
		return "ttl", "hop_limit"
	}
	return name, name
}

// either reads from the IPv4 header, the IPv6 header, or gives zero.
func (l *lowerer) either(v parts, t value.Type, f4, f6 func(*ir.Value) parts) parts {
	p4, p6 := v[0], v[1]
	return l.choose(t, func(then, els *ir.Block) {
		p4 = l.pointer(packet.IP4, p4, v[2])
		l.branch(ir.Ne, p4, l.konst(0), then, els)
	}, func() parts { return f4(p4) },
		func() parts {
			return l.choose(t, func(then, els *ir.Block) {
				p6 = l.pointer(packet.IP6, p6, v[2])
				l.branch(ir.Ne, p6, l.konst(0), then, els)
			}, func() parts { return f6(p6) }, func() parts { return l.zero(t) })
		})
}

// mappedPrefix is the ::ffff of a mapped IPv4 address (RFC 4291, 2.5.5.2), as a
// little-endian load of the low half sees it.
const mappedPrefix = 0xffff0000

// mapped turns an IPv4 address into one of either family.
func (b *builder) mapped(ip4 *ir.Value) parts {
	lo := b.opi(ir.OpOr, b.opi(ir.OpShl, ip4, 32), mappedPrefix)
	return parts{b.konst(0), lo}
}

// ofFamily is the address of one family that an address of either holds, zero if
// it holds one of the other.
func (l *lowerer) ofFamily(t value.Type, x parts) parts {
	none := func() parts { return l.zero(t) }
	cond := func(then, els *ir.Block) { l.unlessMapped(x, els, then) }
	if t.Kind == value.IP4 {
		return l.choose(t, cond, func() parts { return parts{l.opi(ir.OpShr, x[1], 32)} }, none)
	}
	return l.choose(t, cond, none, func() parts { return x })
}

// truth makes 1 or 0 of a branch.
func (l *lowerer) truth(cond func(then, els *ir.Block)) *ir.Value {
	return l.choose1(cond, func() *ir.Value { return l.konst(1) }, func() *ir.Value { return l.konst(0) })
}

// Tags. beside says where the outer one stands; see tagBeside.

func isTag(b *builder, t *ir.Value, then, els *ir.Block) {
	next := b.block()
	b.branch(ir.Eq, t, b.konst(0x8100), then, next)
	b.start(next)
	b.branch(ir.Eq, t, b.konst(0x88a8), then, els)
}

// wireType is octets 12 and 13 of the frame.
func (l *lowerer) wireType() *ir.Value {
	return l.ifBeside(
		func() *ir.Value { return l.swap(2, l.load(4, l.ctx, skbVLANProto)) },
		func() *ir.Value { return l.nearRead(12) })
}

// ifBeside chooses by whether the outer tag stands beside the buffer.
func (l *lowerer) ifBeside(beside, inside func() *ir.Value) *ir.Value {
	if l.xdp() {
		return inside()
	}
	return l.choose1(func(then, els *ir.Block) {
		then.Cold = true
		l.branch(ir.Ne, l.tagBeside(), l.konst(0), then, els)
	}, beside, inside)
}

// tagThere is 1 if the tag is in the frame, whole.
func (l *lowerer) tagThere(h packet.Header) *ir.Value {
	one := func() *ir.Value { return l.konst(1) }
	outer := func() *ir.Value { return l.tagAt(12) }
	if h == packet.VLAN {
		return l.ifBeside(one, outer)
	}
	return l.ifBeside(outer, func() *ir.Value {
		return l.choose1(func(then, els *ir.Block) { l.branch(ir.Ne, outer(), l.konst(0), then, els) },
			func() *ir.Value { return l.tagAt(16) }, func() *ir.Value { return l.konst(0) })
	})
}

// tagAt is 1 if a TPID stands at off of the buffer and its tag behind it.
func (l *lowerer) tagAt(off int64) *ir.Value {
	return l.truth(func(then, els *ir.Block) {
		if l.inPlace() {
			in, out := l.block(), els
			if !l.linear() {
				out = l.coldBlock()
			}
			p := l.within(off, 6, in, out)
			l.start(in)
			isTag(l.builder, l.swap(2, l.load(2, p, 0)), then, els)
			if l.linear() {
				return
			}
			l.start(out)
		}
		long := l.block()
		l.branch(ir.UGe, l.bufLen(), l.konst(off+6), long, els)
		l.start(long)
		isTag(l.builder, l.bufRead(l.konst(off), 2), then, els)
	})
}

// tagField reads a field of a tag, zero if there is none.
func (l *lowerer) tagField(h packet.Header, there *ir.Value, f packet.Field) *ir.Value {
	if l.inner { // there is where it lies
		return l.choose1(func(then, els *ir.Block) { l.branch(ir.Ne, there, l.konst(0), then, els) },
			func() *ir.Value { return l.extract(l.bufRead(l.opi(ir.OpAdd, there, int64(f.Off)), 2), f) },
			func() *ir.Value { return l.konst(0) })
	}
	at := int64(14 + f.Off)
	if h == packet.VLAN2 {
		at += 4
	}
	zero := func() *ir.Value { return l.konst(0) }
	return l.choose1(func(then, els *ir.Block) { l.branch(ir.Ne, there, l.konst(0), then, els) },
		func() *ir.Value {
			unit := l.ifBeside(func() *ir.Value {
				if h == packet.VLAN && f.Off == 0 {
					return l.load(4, l.ctx, skbVLANTCI)
				}
				return l.nearRead(at - 4)
			}, func() *ir.Value { return l.nearRead(at) })
			return l.extract(unit, f)
		}, zero)
}
