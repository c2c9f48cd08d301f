package frames

import (
	"encoding/binary"
	"slices"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// cut has frames that end before their headers do.
func cut() []Frame {
	t4 := over4(ip4(layers.IPProtocolTCP, client4, server4), tcp(40000, 80, "PA"), raw(request...))
	u4 := over4(ip4(layers.IPProtocolUDP, client4, dns4), udp(40001, 53), raw(fill(12)...))
	i4 := over4(ip4(layers.IPProtocolICMPv4, client4, dns4), &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(8, 0)})
	s4 := over4(ip4(layers.IPProtocolSCTP, client4, dns4), &layers.SCTP{SrcPort: 1, DstPort: 2}, raw(fill(4)...))
	t6 := over6(ip6(nextTCP, client6, server6), tcp(40000, 80, "PA"), raw(request...))
	hop := extended(nextUDP, []byte{nextHop, nextDst}, udp(40001, 53))
	q := frame(ether(typeQ), tag(0, 0, 100, typeIPv4), raw(t4[14:]...))
	qq := frame(ether(typeAD), tag(0, 0, 100, typeQ), tag(0, 0, 200, typeIPv4), raw(t4[14:]...))
	first := func(n int, data []byte) []byte { return slices.Clone(data[:n]) }
	return []Frame{
		{"cut-eth-ip4", first(14, t4)},
		{"cut-eth-ip6", first(14, t6)},
		{"cut-eth-vlan", first(14, q)},
		{"cut-half-vlan", first(16, q)},
		{"cut-after-vlan", first(18, q)},
		{"cut-half-vlan2", first(20, qq)},
		{"cut-half-ip4", first(24, t4)},
		{"cut-ip4-one-short", first(33, t4)},
		{"cut-after-ip4", first(34, t4)},
		{"cut-half-tcp4", first(44, t4)},
		{"cut-tcp4-one-short", first(53, t4)},
		{"cut-half-udp4", first(38, u4)},
		{"cut-udp4-payload", first(45, u4)},
		{"cut-half-icmp4", first(38, i4)},
		{"cut-half-sctp4", first(42, s4)},
		{"cut-half-ip6", first(34, t6)},
		{"cut-after-ip6", first(54, t6)},
		{"cut-half-tcp6", first(64, t6)},
		{"cut-extension-one-byte", first(55, hop)},
		{"cut-half-extension", first(60, hop)},
		{"cut-second-extension", first(64, hop)},
		{"cut-tcp4-in-payload", first(len(t4)-20, t4)},
	}
}

// lies has frames whose fields contradict their bytes. Header checksums are
// right where there is a header to sum.
func lies() []Frame {
	t4 := over4(ip4(layers.IPProtocolTCP, client4, server4), tcp(40000, 80, "PA"), raw(request...))
	u4 := over4(ip4(layers.IPProtocolUDP, client4, dns4), udp(40001, 53), raw(fill(12)...))
	t6 := over6(ip6(nextTCP, client6, server6), tcp(40000, 80, "PA"), raw(request...))
	hop := extended(nextUDP, []byte{nextHop}, udp(40001, 53), raw(fill(8)...))
	ah := extended(nextUDP, []byte{nextAH}, udp(40001, 53), raw(fill(8)...))
	len4 := func(n int) []byte {
		return resum4(patch(t4, offIP4+2, binary.BigEndian.AppendUint16(nil, uint16(n))...))
	}
	len6 := func(n int) []byte { return patch(t6, offIP6+4, binary.BigEndian.AppendUint16(nil, uint16(n))...) }
	pad := func(data []byte) []byte { return slices.Concat(data, make([]byte, 60-len(data))) }
	short := over4(ip4(layers.IPProtocolUDP, client4, dns4), udp(40001, 53), raw('h', 'i'))
	ack := over4(ip4(layers.IPProtocolTCP, client4, server4), tcp(40000, 80, "A"))
	trailer := slices.Concat(t6, fill(9))
	return []Frame{
		{"ip4-ihl-4", patch(t4, offIP4, 0x44)},
		{"ip4-ihl-beyond-end", patch(ack[:54], offIP4, 0x4f)},
		{"ip4-version-6", patch(t4, offIP4, 0x65)},
		{"ip6-version-4", patch(t6, offIP6, 0x40)},
		{"tcp4-doff-4", patch(t4, offUpper4+12, 0x40)},
		{"tcp4-doff-beyond-end", patch(ack, offUpper4+12, 0xf0)},
		{"tcp6-doff-beyond-ip-len", patch(len6(20), offUpper6+12, 0xf0)},
		{"ip4-len-0", len4(0)},
		{"ip4-len-10", len4(10)},
		{"ip4-len-20", len4(20)},
		{"ip4-len-beyond-end", len4(2000)},
		{"ip4-len-65535", len4(65535)},
		{"ip6-len-0", len6(0)},
		{"ip6-len-8", len6(8)},
		{"ip6-len-30", len6(30)},
		{"ip6-len-beyond-end", len6(4000)},
		{"ip6-trailer", trailer},
		{"ip4-padded-udp", pad(short)},
		{"ip4-padded-tcp", pad(ack)},
		{"udp4-len-short", patch(u4, offUpper4+4, 0, 3)},
		{"udp4-len-beyond-end", patch(u4, offUpper4+4, 0xff, 0xff)},
		{"udp4-bad-sum", patch(u4, offUDPSum4, 0x12, 0x34)},
		{"ip4-bad-sum", patch(u4, offIP4+10, 0xff, 0xff)},
		{"ip6-extension-beyond-end", patch(hop, offUpper6+1, 200)},
		{"ip6-ah-len-0", patch(ah, offUpper6+1, 0)},
		{"ip6-ah-beyond-end", patch(ah, offUpper6+1, 255)},
		{"ip6-hop-not-first", frame(ether(typeIPv6), ip6(nextDst, client6, server6),
			gopacket.Payload(padded(nextHop, 0)), gopacket.Payload(padded(nextUDP, 0)), udp(40001, 53))},
	}
}
