package frames

import (
	"encoding/binary"
	"math/rand/v2"
	"net"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// Sizes of what [Random] returns, in bytes.
const (
	minRandom = 14
	maxRandom = 1600
)

// Random returns a frame that r decides: a random stack of layers with random
// fields, right checksums and lengths, and then, half of the time, something
// wrong: the end cut off, bytes flipped, a length field that lies, or a tail
// that no length knows. It is 14 to 1,600 bytes long.
//
// Fields are drawn from few values where chains are likely to compare (ports,
// hosts, flags), so that two frames of a run often meet in a map.
func Random(r *rand.Rand) []byte {
	etherType, ls := randomNetwork(r)
	for range pick(r, 0, 0, 0, 1, 1, 2, 3) {
		tci := tag(uint16(r.IntN(8)), uint16(r.IntN(2)), pick(r, 0, 1, 100, uint16(r.IntN(4096))), etherType)
		ls = append([]layer{tci}, ls...)
		etherType = pick(r, uint16(typeQ), typeAD)
	}
	data := frame(append([]layer{ether(etherType)}, ls...)...)
	if etherType != typeQ && etherType != typeAD && r.IntN(8) == 0 {
		data = segment(etherType == typeIPv6, pick(r, "S", "SA", "A", "PA"), randomOptions(r), randomPayload(r)...)
	}
	off := 14
	for off+4 <= len(data) && isTag(binary.BigEndian.Uint16(data[off-2:])) {
		off += 4
	}
	if r.IntN(2) == 0 {
		data = spoil(r, data, off)
	}
	if len(data) > maxRandom {
		data = data[:maxRandom]
	}
	return data
}

func isTag(etherType uint16) bool { return etherType == typeQ || etherType == typeAD }

// pick returns one of the values.
func pick[T any](r *rand.Rand, values ...T) T { return values[r.IntN(len(values))] }

func randomNetwork(r *rand.Rand) (etherType uint16, ls []layer) {
	switch n := r.IntN(20); {
	case n < 10:
		return typeIPv4, randomIP4(r)
	case n < 18:
		return typeIPv6, randomIP6(r)
	case n < 19:
		a := arp(uint16(1 + r.IntN(2)))
		a.SourceProtAddress, a.DstProtAddress = host4(r), host4(r)
		return typeARP, []layer{a}
	}
	return pick(r, uint16(typeLLDP), 0, uint16(r.Uint32())), []layer{gopacket.Payload(fill(r.IntN(64)))}
}

// host4 draws an address from the nets that may occur.
func host4(r *rand.Rand) net.IP {
	known := []net.IP{client4, server4, dns4, outside4, inside4}
	if r.IntN(2) == 0 {
		return pick(r, known...)
	}
	last := byte(r.IntN(256))
	return pick(r, net.IP{192, 0, 2, last}, net.IP{198, 51, 100, last}, net.IP{203, 0, 113, last},
		net.IP{10, byte(r.IntN(256)), byte(r.IntN(256)), last})
}

func host6(r *rand.Rand) net.IP {
	if r.IntN(2) == 0 {
		return pick(r, client6, server6, dns6, outside6)
	}
	ip := append(net.IP{0x20, 0x01, 0x0d, 0xb8}, fill(12)...)
	binary.BigEndian.PutUint64(ip[8:], r.Uint64())
	return ip
}

func randomIP4(r *rand.Rand) []layer {
	ip := ip4(0, host4(r), host4(r))
	ip.TTL = pick(r, 0, 1, 2, 64, 128, 255, uint8(r.IntN(256)))
	ip.TOS = pick(r, 0, 46<<2, uint8(r.IntN(256)))
	ip.Id = uint16(r.Uint32())
	ip.Flags = layers.IPv4Flag(pick(r, 0, 2, 2, r.IntN(8)))
	if r.IntN(8) == 0 {
		ip.FragOffset = pick(r, 1, 6, uint16(r.IntN(0x2000)))
	}
	for range 4 * pick(r, 0, 0, 0, r.IntN(11)) {
		ip.Options = append(ip.Options, layers.IPv4Option{OptionType: 1})
	}
	proto, upper := randomUpper(r, layers.IPProtocolICMPv4)
	ip.Protocol = proto
	return append([]layer{ip}, upper...)
}

func randomIP6(r *rand.Rand) []layer {
	ip := ip6(0, host6(r), host6(r))
	ip.HopLimit = pick(r, 0, 1, 64, 255, uint8(r.IntN(256)))
	ip.TrafficClass = pick(r, 0, 46<<2, uint8(r.IntN(256)))
	ip.FlowLabel = pick(r, 0, r.Uint32()&0xfffff)
	proto, upper := randomUpper(r, layers.IPProtocolICMPv6)
	// From the last header to the first, each told what comes next.
	next := byte(proto)
	var chain []byte
	for range pick(r, 0, 0, 0, 1, 1, 2, 3, r.IntN(11)) {
		kind := pick(r, byte(nextHop), nextRt, nextDst, nextDst, nextAH, nextFrag)
		chain = append(randomExtension(r, kind, next), chain...)
		next = kind
	}
	ip.NextHeader = layers.IPProtocol(next)
	return append([]layer{ip, gopacket.Payload(chain)}, upper...)
}

func randomExtension(r *rand.Rand, kind, next byte) []byte {
	switch kind {
	case nextFrag:
		return fragment(next, 8*pick(r, 0, 0, 0, 1, r.IntN(0x2000)), r.IntN(2) == 0)
	case nextAH:
		return authentication(next, 4*r.IntN(6))
	case nextRt:
		if r.IntN(2) == 0 {
			return randomSRH(r, next)
		}
		return extension(next, r.IntN(4))
	}
	return padded(next, pick(r, 0, 0, 1, r.IntN(8)))
}

// randomUpper gives the layers above IP; icmp is the family's own ICMP.
func randomUpper(r *rand.Rand, icmp layers.IPProtocol) (layers.IPProtocol, []layer) {
	payload := gopacket.Payload(randomPayload(r))
	port := func() uint16 {
		return pick(r, 22, 53, 80, 443, 4789, 40000, 40001, RewritePort, uint16(r.Uint32()))
	}
	switch r.IntN(13) {
	case 11, 12:
		return randomTunnel(r)
	case 0, 1, 2, 3:
		t := tcp(layers.TCPPort(port()), layers.TCPPort(port()), pick(r, "S", "SA", "A", "PA", "FA", "R", "", "FSRPAUECN"))
		t.Seq, t.Ack, t.Window = r.Uint32(), r.Uint32(), uint16(r.Uint32())
		for range 4 * pick(r, 0, 0, r.IntN(11)) {
			t.Options = append(t.Options, layers.TCPOption{OptionType: layers.TCPOptionKindNop})
		}
		return layers.IPProtocolTCP, []layer{t, payload}
	case 4, 5, 6:
		return layers.IPProtocolUDP, []layer{udp(layers.UDPPort(port()), layers.UDPPort(port())), payload}
	case 7:
		if icmp == layers.IPProtocolICMPv6 {
			id := raw(byte(r.Uint32()), byte(r.Uint32()), 0, byte(r.IntN(4)))
			return icmp, []layer{icmp6(pick(r, 128, 129, 1, uint8(r.Uint32())), uint8(r.IntN(5))), id, payload}
		}
		code := layers.CreateICMPv4TypeCode(pick(r, 0, 3, 8, uint8(r.Uint32())), uint8(r.IntN(5)))
		return icmp, []layer{&layers.ICMPv4{TypeCode: code, Id: uint16(r.Uint32()), Seq: uint16(r.IntN(4))}, payload}
	case 8:
		s := &layers.SCTP{SrcPort: layers.SCTPPort(port()), DstPort: layers.SCTPPort(port()), VerificationTag: r.Uint32()}
		return layers.IPProtocolSCTP, []layer{s, payload}
	case 9:
		return layers.IPProtocolGRE, []layer{gopacket.Payload(randomGRE(r))}
	}
	return pick(r, layers.IPProtocolGRE, layers.IPProtocolESP, layers.IPProtocolICMPv4, layers.IPProtocolICMPv6,
		layers.IPProtocolNoNextHeader, layers.IPProtocol(r.IntN(256))), []layer{payload}
}

func randomPayload(r *rand.Rand) []byte {
	switch r.IntN(6) {
	case 0:
		return nil
	case 1:
		return request
	case 2:
		return fill(r.IntN(1300))
	}
	b := make([]byte, r.IntN(80))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// spoil makes something wrong with a frame whose network header is at off.
func spoil(r *rand.Rand, data []byte, off int) []byte {
	switch r.IntN(6) {
	case 0, 1:
		return data[:minRandom+r.IntN(len(data)-minRandom+1)]
	case 2: // the first bytes behind the tags decide most
		for range 1 + r.IntN(3) {
			if n := min(len(data)-off, 60); n > 0 {
				data[off+r.IntN(n)] ^= 1 << r.IntN(8)
			}
		}
	case 3:
		for range 1 + r.IntN(4) {
			data[r.IntN(len(data))] = byte(r.Uint32())
		}
	case 4: // total length of IPv4, payload length of IPv6
		if field := off + pick(r, 2, 4); field+2 <= len(data) {
			n := pick(r, 0, 20, 24, 40, r.IntN(2000), r.IntN(0x10000))
			binary.BigEndian.PutUint16(data[field:], uint16(n))
		}
	default:
		return append(data, fill(1+r.IntN(40))...)
	}
	return data
}
