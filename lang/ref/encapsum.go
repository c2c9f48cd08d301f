package ref

import (
	"encoding/binary"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"go.starlark.net/starlark"
)

// sum16 is the ones' complement sum of bytes.
func sum16(b []byte) uint32 { return uint32(^gopacket.FoldChecksum(gopacket.ComputeChecksum(b, 0))) }

// insideSum is the sum of what goes inside. Where TCP, UDP or ICMP stand in it with a
// checksum, that is taken to be right, or to become so: with the pseudo header they add
// up to 0xffff.
func (c *capsule) insideSum() uint32 {
	f, l := c.p.frame, c.l
	from := c.at
	if c.frames() {
		from = 0
	}
	data := f[from:][:c.size]
	end := from + c.size
	if !l.reaches || l.fragment || l.ipEnd > end || l.upper+8 > l.ipEnd {
		return sum16(data)
	}
	proto := layers.IPProtocol(f[l.proto])
	var addresses []byte
	if l.ip4 != absent {
		addresses = f[l.ip4+12:][:8]
	} else {
		addresses = f[l.ip6+8:][:32]
	}
	pseudo := sum16(addresses) + uint32(proto) + uint32(l.ipEnd-l.upper)
	switch {
	case proto == layers.IPProtocolTCP, proto == layers.IPProtocolICMPv6 && l.ip6 != absent:
	case proto == layers.IPProtocolUDP && binary.BigEndian.Uint16(f[l.upper+6:]) != 0:
	case proto == layers.IPProtocolICMPv4 && l.ip4 != absent:
		pseudo = 0
	default:
		return sum16(data)
	}
	// The padding, behind as many bytes as there are.
	tail := append(make([]byte, (l.ipEnd-from)&1), f[l.ipEnd:end]...)
	return sum16(f[from:l.upper]) + uint32(^fold(pseudo)) + sum16(tail)
}

// fold is a sum in 16 bits.
func fold(n uint32) uint16 {
	for n > 0xffff {
		n = n&0xffff + n>>16
	}
	return uint16(n)
}

// sumUDP writes the checksum of the UDP header that c.data begins with, over IPv6.
func (c *capsule) sumUDP(inside uint32) {
	src, ok := toPacket(c.named["src"]).(ip6Val)
	if v, given := c.named["sum"]; !ok || given && v == starlark.False {
		return
	}
	dst := toPacket(c.named["dst"]).(ip6Val)
	head := c.data[:len(c.data)-c.size]
	n := sum16(src[:]) + sum16(dst[:]) + uint32(layers.IPProtocolUDP) + uint32(len(c.data)) + sum16(head) + inside
	sum := ^fold(n)
	if sum == 0 {
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(c.data[6:], sum)
}
