package twins

import (
	"encoding/binary"
	"math/rand/v2"
)

// flows is how many frames a row has; a power of two, as the feeder asks.
const flows = 1024

// Numbers of protocols.
const (
	typeIPv4 = 0x0800
	typeIPv6 = 0x86dd
	typeQ    = 0x8100
	typeAD   = 0x88a8
	protoTCP = 6
	protoUDP = 17
)

// traffic makes frames. The same seed makes the same ones.
type traffic struct{ *rand.Rand }

func newTraffic() *traffic { return &traffic{rand.New(rand.NewPCG(1, 2))} }

// A datagram is what a frame is made of. Zero values are the usual: no tags, no
// options, a frame of 64 bytes.
type datagram struct {
	tags         []uint16 // identifiers, the outer first
	src, dst     uint32   // IPv4
	proto        uint8
	sport, dport uint16
	flags        uint8  // of TCP
	options      []byte // of IPv4
	fragment     uint16 // the field of IPv4
	tcpOptions   []byte
	payload      []byte
	size         int // of the frame, if it is more than what is in it
}

// frame writes the datagram as it is on the wire, with checksums.
func (d datagram) frame() []byte {
	l4 := d.l4()
	ip := make([]byte, 20, 60)
	ip[0], ip[8], ip[9] = byte(0x45+len(d.options)/4), 64, d.proto
	ip = append(ip, d.options...)
	put16(ip[2:], len(ip)+len(l4))
	put16(ip[6:], int(d.fragment))
	binary.BigEndian.PutUint32(ip[12:], d.src)
	binary.BigEndian.PutUint32(ip[16:], d.dst)
	put16(ip[10:], int(checksum(0, ip)))
	f := append(append(link(d.tags, typeIPv4), ip...), l4...)
	return pad(f, max(64, d.size))
}

// l4 returns the transport header and what follows it.
func (d datagram) l4() []byte {
	n, sum := 8, 6
	if d.proto == protoTCP {
		n, sum = 20+len(d.tcpOptions), 16
	}
	b := make([]byte, n, n+len(d.payload))
	put16(b, int(d.sport))
	put16(b[2:], int(d.dport))
	switch d.proto {
	case protoTCP:
		b[12], b[13] = byte(n/4)<<4, d.flags
		copy(b[20:], d.tcpOptions)
	default:
		put16(b[4:], n+len(d.payload))
	}
	b = append(b, d.payload...)
	pseudo := binary.BigEndian.AppendUint32(nil, d.src)
	pseudo = binary.BigEndian.AppendUint32(pseudo, d.dst)
	pseudo = append(pseudo, 0, d.proto, byte(len(b)>>8), byte(len(b)))
	put16(b[sum:], int(checksum(uint32(^checksum(0, pseudo)), b)))
	return b
}

// link is an Ethernet header with tags. Of two the outer is an 802.1ad one.
func link(tags []uint16, proto uint16) []byte {
	f := make([]byte, 12, 256)
	f[0], f[5], f[6], f[11] = 2, 2, 2, 1
	for i, id := range tags {
		t := uint16(typeQ)
		if i == 0 && len(tags) == 2 {
			t = typeAD
		}
		f = binary.BigEndian.AppendUint16(f, t)
		f = binary.BigEndian.AppendUint16(f, id)
	}
	return binary.BigEndian.AppendUint16(f, proto)
}

// pad makes a frame n bytes long, if it is shorter.
func pad(f []byte, n int) []byte {
	return append(f, make([]byte, max(0, n-len(f)))...)
}

func put16(b []byte, x int) { binary.BigEndian.PutUint16(b, uint16(x)) }

// checksum is that of RFC 1071, with a sum to begin with.
func checksum(sum uint32, b []byte) uint16 {
	for i := 0; i < len(b); i += 2 {
		w := uint32(b[i]) << 8
		if i+1 < len(b) {
			w |= uint32(b[i+1])
		}
		sum += w
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}
