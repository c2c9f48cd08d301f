package lower

import (
	"weir/lang/ir"
	"weir/packet"
)

// L3 where the context gives no bounds. At netfilter a call of the kernel gives the
// header's address. For a packet socket the header is copied to the stack by one
// call, or two for IPv6.

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

// sliceL3 takes the header at the start of the buffer, where it lies, if it has no
// options. copyTo is for one that does not lie together.
func (l *lowerer) sliceL3(copyTo *ir.Value, slow, none, done *ir.Block) {
	have := l.block()
	first := l.fetch(l.konst(0), copyTo, packet.IP4.Size(), have, slow)
	l.start(have)
	l.eachVersion(l.opi(ir.OpAnd, l.load(1, first, 0), 0xf0), none, func(h packet.Header) {
		p, good := first, l.block()
		if h == packet.IP4 {
			l.branch(ir.Eq, l.load(1, p, 0), l.konst(0x45), good, slow)
		} else {
			p = l.fetch(l.konst(0), copyTo, packet.IP6.Size(), good, slow)
		}
		l.start(good)
		l.setL3(h, p, l.konst(1<<slowBit), l.konst(0))
		l.jump(done)
	})
}

// copyL3 copies the header behind an Ethernet header without tags, and takes it
// where it has no options.
func (l *lowerer) copyL3(to *ir.Value, slow, done *ir.Block) {
	ok, size4 := l.block(), int64(packet.IP4.Size())
	start := l.opi(ir.OpAdd, to, -ethSize)
	l.branch(ir.Eq, l.loadBytes(l.konst(0), start, ethSize+int(size4)), l.konst(0), ok, slow)
	l.start(ok)
	typ := l.load(2, to, -2)
	for _, k := range l3Kinds[:2] {
		if !l.needs.header[k.h] {
			continue
		}
		hit, next, good := l.block(), l.block(), l.block()
		l.branch(ir.Eq, typ, l.konst(k.typ), hit, next)
		l.start(hit)
		if k.h == packet.IP4 {
			l.branch(ir.Eq, l.load(1, to, 0), l.konst(0x45), good, slow)
		} else {
			have := l.block()
			l.branch(ir.Eq, l.opi(ir.OpAnd, l.load(1, to, 0), 0xf0), l.konst(0x60), have, slow)
			l.start(have)
			rest := l.loadBytes(l.konst(ethSize+size4), l.opi(ir.OpAdd, to, size4), packet.IP6.Size()-int(size4))
			l.branch(ir.Eq, rest, l.konst(0), good, slow)
		}
		l.start(good)
		l.setL3(k.h, to, l.konst(ethSize|1<<slowBit), l.konst(0))
		l.jump(done)
		l.start(next)
	}
	l.jump(slow) // tags, ARP, or nothing
}
