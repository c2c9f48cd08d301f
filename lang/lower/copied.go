package lower

import (
	"weir/lang/ir"
	"weir/packet"
)

// L3 where no octet can be read in place: the header is copied to the stack by one
// call of the kernel, or two for IPv6.

// copyAt is where in its slot the copy of the L3 header lies: what comes before it
// in the buffer ends there, so that one call copies both and the header is aligned.
const copyAt = 16

// copyOfL3 is the place of the copy.
func (l *lowerer) copyOfL3() *ir.Value {
	if l.way.direct() {
		return l.copySlot("ip", 40)
	}
	return l.opi(ir.OpAdd, l.copySlot("ip", copyAt+40), copyAt)
}

// copyL3 copies the header of a packet without tags, and takes it where it has no
// options.
func (l *lowerer) copyL3(to *ir.Value, slow, none, done *ir.Block) {
	at, ok := l.start0(), l.block()
	before := l.opi(ir.OpAdd, to, -at)
	l.branch(ir.Eq, l.loadBytes(l.konst(0), before, int(at)+packet.IP4.Size()), l.konst(0), ok, slow)
	l.start(ok)
	take := func(h packet.Header) {
		good := l.block()
		if h == packet.IP4 {
			l.branch(ir.Eq, l.load(1, to, 0), l.konst(0x45), good, slow)
		} else {
			have, first := l.block(), int64(packet.IP4.Size())
			l.branch(ir.Eq, l.opi(ir.OpAnd, l.load(1, to, 0), 0xf0), l.konst(0x60), have, slow)
			l.start(have)
			rest := l.loadBytes(l.konst(at+first), l.opi(ir.OpAdd, to, first), packet.IP6.Size()-int(first))
			l.branch(ir.Eq, rest, l.konst(0), good, slow)
		}
		l.start(good)
		l.setL3(h, to, l.konst(at|1<<slowBit), l.konst(0))
		l.jump(done)
	}
	if !l.info.Ethernet {
		l.eachVersion(l.opi(ir.OpAnd, l.load(1, to, 0), 0xf0), none, take)
		return
	}
	typ := l.load(2, to, -2)
	for _, k := range l3Kinds[:2] {
		if !l.needs.header[k.h] {
			continue
		}
		hit, next := l.block(), l.block()
		l.branch(ir.Eq, typ, l.konst(k.typ), hit, next)
		l.start(hit)
		take(k.h)
		l.start(next)
	}
	l.jump(slow) // tags, ARP, or nothing
}
