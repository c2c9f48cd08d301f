package frames

import (
	"encoding/binary"
	"math/rand/v2"
	"net"
	"slices"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// Flags of GRE in its first byte (RFC 2784, RFC 2890; routing is of RFC 1701).
const (
	greSum     = 0x80
	greRouting = 0x40
	greKey     = 0x20
	greSeq     = 0x10
)

// gre is a GRE header with what its flags say, and a payload; its checksum is
// right.
func gre(flags, version byte, proto uint16, key, seq uint32, payload []byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{flags, version}, proto)
	if flags&greSum != 0 {
		b = append(b, 0, 0, 0, 0)
	}
	if flags&greKey != 0 {
		b = binary.BigEndian.AppendUint32(b, key)
	}
	if flags&greSeq != 0 {
		b = binary.BigEndian.AppendUint32(b, seq)
	}
	b = append(b, payload...)
	if flags&greSum != 0 {
		binary.BigEndian.PutUint16(b[4:], gopacket.FoldChecksum(gopacket.ComputeChecksum(b, 0)))
	}
	return b
}

// srh is a segment routing header (RFC 8754). room is how many segments its
// length has room for, which may be fewer or more than last says.
func srh(next, left, last byte, room int) []byte {
	b := []byte{next, byte(2 * room), 4, left, last, 0x28, 0xbe, 0xef}
	for i := range room {
		b = append(b, net.ParseIP("2001:db8:5::")...)
		b[len(b)-1] = byte(i + 1)
	}
	return b
}

func gre4and6() []Frame {
	inner := over4(ip4(layers.IPProtocolUDP, inside4, inside4), udp(1, 2), raw(fill(6)...))[14:]
	to := func(flags, version byte) []byte {
		return over4(ip4(layers.IPProtocolGRE, client4, server4), raw(gre(flags, version, typeIPv4, 0xcafe0001, 0x01020304, inner)...))
	}
	all := to(greSum|greKey|greSeq, 0)
	options := ip4(layers.IPProtocolGRE, client4, server4)
	options.Options = []layers.IPv4Option{{OptionType: 1}, {OptionType: 1}, {OptionType: 1}, {OptionType: 1}}
	six := func(ls ...layer) []byte { return over6(append([]layer{ip6(47, client6, server6)}, ls...)...) }
	later := ip4(layers.IPProtocolGRE, client4, server4)
	later.FragOffset = 3
	return []Frame{
		{"gre4-key", to(greKey, 0)},
		{"gre4-seq", to(greSeq, 0)},
		{"gre4-sum", to(greSum, 0)},
		{"gre4-key-seq", to(greKey|greSeq, 0)},
		{"gre4-sum-key", to(greSum|greKey, 0)},
		{"gre4-sum-seq", to(greSum|greSeq, 0)},
		{"gre4-all", all},
		{"gre4-reserved-bits", to(greKey|0x0f, 0xf8)},
		{"gre4-routing", to(greRouting|greKey, 0)},
		{"gre4-version-1", to(greKey|greSeq, 1)},
		{"gre4-cut-key", slices.Clone(all[:offUpper4+10])},
		{"gre4-cut-seq", slices.Clone(all[:offUpper4+15])},
		{"gre4-cut-flags", slices.Clone(all[:offUpper4+3])},
		{"gre4-header-alone", slices.Clone(all[:offUpper4+16])},
		{"gre4-ihl-6", over4(options, raw(gre(greSum|greKey, 0, typeIPv6, 9, 9, fill(9))...))},
		{"gre4-fragment-later", over4(later, raw(gre(greKey, 0, typeIPv4, 9, 9, fill(9))...))},
		{"gre6-key", six(raw(gre(greKey, 0, typeIPv6, 77, 0, fill(20))...))},
		{"gre6-destination-all", extended(47, []byte{nextDst}, raw(gre(greSum|greKey|greSeq, 0, typeIPv4, 78, 79, fill(21))...))},
		{"vlan-gre4-key", frame(ether(typeQ), tag(0, 0, 100, typeIPv4), ip4(layers.IPProtocolGRE, client4, server4),
			raw(gre(greKey|greSeq, 0, typeIPv4, 80, 81, fill(22))...))},
		{"esp4-cut", over4(ip4(layers.IPProtocolESP, client4, server4), raw(0, 0, 1, 0, 0, 0, 0))},
		{"esp4-header-alone", over4(ip4(layers.IPProtocolESP, client4, server4), raw(0, 0, 2, 0, 0, 0, 0, 9))},
		{"esp6-destination", extended(nextESP, []byte{nextDst}, raw(0, 0, 1, 0, 0, 0, 0, 8), raw(fill(12)...))},
	}
}

func segments6() []Frame {
	udpTo := []layer{udp(40001, 53), raw(fill(10)...)}
	by := func(first byte, chain []byte, ls ...layer) []byte {
		all := []layer{ip6(layers.IPProtocol(first), client6, server6), gopacket.Payload(chain)}
		return over6(append(all, ls...)...)
	}
	three := srh(nextUDP, 2, 2, 3)
	hop := slices.Concat(padded(nextRt, 0), srh(nextTCP, 0, 1, 2))
	two := slices.Concat(srh(nextRt, 1, 1, 2), srh(nextUDP, 0, 0, 1))
	other := slices.Concat(extension(nextRt, 1), srh(nextUDP, 1, 1, 2))
	cutNext := slices.Concat(srh(nextDst, 1, 1, 2), padded(nextUDP, 2)[:5])
	later := slices.Concat(srh(nextFrag, 1, 1, 2), fragment(nextUDP, 64, true))
	return []Frame{
		{"srh-three", by(nextRt, three, udpTo...)},
		{"srh-one-done", by(nextRt, srh(nextTCP, 0, 0, 1), tcp(40000, 80, "PA"), raw(request...))},
		{"srh-behind-hop", by(nextHop, hop, tcp(40000, 80, "S"))},
		{"srh-two", by(nextRt, two, udpTo...)},
		{"srh-behind-type-1", by(nextRt, other, udpTo...)},
		{"srh-no-segments", by(nextRt, srh(nextUDP, 0, 0, 0), udpTo...)},
		{"srh-last-beyond-length", by(nextRt, srh(nextUDP, 9, 9, 2), udpTo...)},
		{"srh-last-before-length", by(nextRt, srh(nextUDP, 0, 0, 3), udpTo...)},
		{"srh-sixteen-icmp6", by(nextRt, srh(58, 15, 15, 16), icmp6(128, 0), raw(0, 5, 0, 6))},
		{"srh-next-cut", by(nextRt, cutNext)},
		{"srh-cut", slices.Clone(by(nextRt, three, udpTo...)[:offUpper6+55])},
		{"srh-cut-fixed", slices.Clone(by(nextRt, three, udpTo...)[:offUpper6+7])},
		{"srh-fragment-later", by(nextRt, later, raw(fill(16)...))},
		{"srh-gre6", by(nextRt, srh(47, 1, 1, 2), raw(gre(greKey, 0, typeIPv4, 5, 0, fill(8))...))},
		{"vlan-srh", frame(ether(typeQ), tag(0, 0, 100, typeIPv6), ip6(nextRt, client6, server6), gopacket.Payload(three), udp(40001, 53))},
	}
}

func arps() []Frame {
	reply := frame(ether(typeARP), arp(2))
	return []Frame{
		{"arp-padded", slices.Concat(reply, make([]byte, 18))},
		{"arp-cut", slices.Clone(reply[:41])},
		{"arp-hardware-6", patch(reply, 14, 0, 6)},
		{"arp-protocol-ip6", patch(reply, 16, 0x86, 0xdd)},
		{"arp-sizes-8-4", patch(reply, 18, 8)},
		{"arp-other-hardware", patch(reply, 27, 9)},
		{"arp-gratuitous", patch(reply, 32, 255, 255, 255, 255, 255, 255, 192, 0, 2, 1)},
		{"arp-op-65535", patch(reply, 20, 0xff, 0xff)},
		{"vlan2-arp", frame(ether(typeAD), tag(0, 0, 200, typeQ), tag(0, 0, 100, typeARP), arp(1))},
	}
}

func randomGRE(r *rand.Rand) []byte {
	flags := byte(pick(r, 0, greKey, greKey|greSeq, greSum|greKey|greSeq, r.IntN(256)))
	return gre(flags, byte(pick(r, 0, 0, 0, r.IntN(256))), pick(r, typeIPv4, typeIPv6, uint16(r.Uint32())),
		pick(r, 7, r.Uint32()), r.Uint32(), randomPayload(r))
}

func randomSRH(r *rand.Rand, next byte) []byte {
	room := pick(r, 1, 2, 3, r.IntN(6))
	return srh(next, byte(r.IntN(room+1)), byte(pick(r, room-1, room-1, r.IntN(8))), room)
}
