package frames

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// Numbers of tunnels: protocols of IP, UDP ports, the EtherType of Ethernet.
const (
	protoIP4    = 4
	protoIP6    = 41
	protoGRE    = 47
	protoEth    = 143
	portVXLAN   = 4789
	portGeneve  = 6081
	portGUE     = 6080
	typeBridged = 0x6558
)

// vxlan is a header of VXLAN (RFC 7348) with a frame behind it.
func vxlan(flags byte, id uint32, frame []byte) []byte {
	b := binary.BigEndian.AppendUint32([]byte{flags, 0, 0, 0}, id<<8)
	return append(b, frame...)
}

// geneve is a header of Geneve (RFC 8926) with words of options.
func geneve(first byte, proto uint16, words int, data []byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{first | byte(words), 0}, proto)
	b = append(b, 0, 0, 42, 0)
	for range words {
		b = append(b, 0x01, 0x02, 0x80, 0)
	}
	return append(b, data...)
}

// gue is a header of variant 0 of GUE with words of optional fields.
func gue(first, proto byte, words int, data []byte) []byte {
	return slices.Concat([]byte{first | byte(words), proto, 0, 0}, make([]byte, 4*words), data)
}

// tunnels are frames with packets in tunnels.
func tunnels() []Frame {
	tcpIn := over4(ip4(layers.IPProtocolTCP, inside4, server4), tcp(40000, 80, "PA"), raw(request...))
	udpIn := over6(ip6(layers.IPProtocolUDP, client6, dns6), udp(40001, 53), raw(fill(20)...))
	tagged := frame(ether(typeQ), tag(3, 0, 100, typeIPv4), ip4(layers.IPProtocolUDP, inside4, dns4), udp(5353, 53), raw(fill(12)...))
	two := frame(ether(typeAD), tag(1, 0, 200, typeQ), tag(0, 1, 100, typeARP), arp(1))
	in4 := func(proto layers.IPProtocol, b []byte) []byte { return over4(ip4(proto, client4, server4), raw(b...)) }
	in6 := func(proto layers.IPProtocol, b []byte) []byte { return over6(ip6(proto, client6, server6), raw(b...)) }
	udp4 := func(port layers.UDPPort, b []byte) []byte {
		return over4(ip4(layers.IPProtocolUDP, client4, server4), udp(49999, port), raw(b...))
	}
	udp6 := func(port layers.UDPPort, b []byte) []byte {
		return over6(ip6(layers.IPProtocolUDP, client6, server6), udp(49999, port), raw(b...))
	}
	segments := func(left, next byte, b []byte) []byte {
		return over6(ip6(nextRt, client6, server6), gopacket.Payload(srh(next, left, 2, 3)), raw(b...))
	}
	later := ip4(protoIP4, client4, server4)
	later.FragOffset = 4
	first := ip4(protoIP4, client4, server4)
	first.Flags = layers.IPv4MoreFragments
	options := ip4(protoIP4, inside4, client4)
	options.Options = []layers.IPv4Option{{OptionType: 1}, {OptionType: 1}, {OptionType: 1}, {OptionType: 1}}
	fragmentIn := ip4(layers.IPProtocolUDP, client4, dns4)
	fragmentIn.Flags = layers.IPv4MoreFragments
	part := over4(fragmentIn, udp(5353, 53), raw(request[16:]...))
	syn := segment(false, "S", []byte{2, 4, 5, 180})
	routed := over6(ip6(nextRt, client6, server6), gopacket.Payload(srh(nextUDP, 2, 2, 3)), udp(5353, 53), raw(fill(8)...))
	hop := extended(58, []byte{nextHop, nextDst}, icmp6(128, 0), raw(0, 1, 0, 2))
	return []Frame{
		{"tunnel-ipip", in4(protoIP4, tcpIn[14:])},
		{"tunnel-ipip-padded", slices.Concat(in4(protoIP4, over4(ip4(17, inside4, dns4), udp(1, 53))[14:]), make([]byte, 9))},
		{"tunnel-ipip-options", over4(options, raw(tcpIn[14:]...))},
		{"tunnel-ipip-cut", slices.Clone(in4(protoIP4, tcpIn[14:])[:14+20+19])},
		{"tunnel-ipip-cut-tcp", slices.Clone(in4(protoIP4, tcpIn[14:])[:14+20+20+19])},
		{"tunnel-ipip-version", in4(protoIP4, udpIn[14:])},
		{"tunnel-ipip-first-fragment", over4(first, raw(tcpIn[14:]...))},
		{"tunnel-ipip-later-fragment", over4(later, raw(tcpIn[14:]...))},
		{"tunnel-ip6ip", in4(protoIP6, udpIn[14:])},
		{"tunnel-ip6ip6", in6(protoIP6, udpIn[14:])},
		{"tunnel-ip6ip6-extensions", in6(protoIP6, hop[14:])},
		{"tunnel-ipip6", in6(protoIP4, tcpIn[14:])},
		{"tunnel-vlan-ipip", frame(ether(typeQ), tag(0, 0, 100, typeIPv4), ip4(protoIP4, client4, server4), raw(tcpIn[14:]...))},
		{"tunnel-vlan2-ipip6", frame(ether(typeAD), tag(0, 0, 200, typeQ), tag(0, 0, 100, typeIPv6), ip6(protoIP4, client6, server6), raw(tcpIn[14:]...))},
		{"tunnel-gre", in4(protoGRE, gre(0, 0, typeIPv4, 0, 0, tcpIn[14:]))},
		{"tunnel-gre-key", in4(protoGRE, gre(greKey, 0, typeIPv6, 42, 0, udpIn[14:]))},
		{"tunnel-gre-all", in4(protoGRE, gre(greSum|greKey|greSeq, 0, typeIPv4, 42, 9, tcpIn[14:]))},
		{"tunnel-gre-bridged", in4(protoGRE, gre(greKey, 0, typeBridged, 42, 0, tagged))},
		{"tunnel-gre-other", in4(protoGRE, gre(0, 0, 0x88be, 0, 0, tcpIn))},
		{"tunnel-gre6", in6(protoGRE, gre(0, 0, typeIPv4, 0, 0, tcpIn[14:]))},
		{"tunnel-vxlan", udp4(portVXLAN, vxlan(8, 42, tcpIn))},
		{"tunnel-vxlan6", udp6(portVXLAN, vxlan(8, 42, udpIn))},
		{"tunnel-vxlan-tagged", udp4(portVXLAN, vxlan(8, 42, tagged))},
		{"tunnel-vxlan-two-tags", udp4(portVXLAN, vxlan(8, 42, two))},
		{"tunnel-vxlan-lldp", udp4(portVXLAN, vxlan(8, 42, frame(ether(typeLLDP), raw(fill(20)...))))},
		{"tunnel-vxlan-arp", udp4(portVXLAN, vxlan(8, 42, frame(ether(typeARP), arp(1))))},
		{"tunnel-vxlan-no-id", udp4(portVXLAN, vxlan(0, 42, tcpIn))},
		{"tunnel-vxlan-cut", udp4(portVXLAN, vxlan(8, 42, tcpIn[:13]))},
		{"tunnel-vxlan-cut-tag", udp4(portVXLAN, vxlan(8, 42, tagged[:17]))},
		{"tunnel-geneve", udp4(portGeneve, geneve(0, typeBridged, 0, tcpIn))},
		{"tunnel-geneve-options", udp4(portGeneve, geneve(0, typeBridged, 3, udpIn))},
		{"tunnel-geneve-ip", udp6(portGeneve, geneve(0, typeIPv4, 1, tcpIn[14:]))},
		{"tunnel-geneve-version-1", udp4(portGeneve, geneve(0x40, typeBridged, 0, tcpIn))},
		{"tunnel-gue", udp4(portGUE, gue(0, protoIP4, 0, tcpIn[14:]))},
		{"tunnel-gue-fields", udp6(portGUE, gue(0, protoIP6, 2, udpIn[14:]))},
		{"tunnel-gue-control", udp4(portGUE, gue(0x20, protoIP4, 0, tcpIn[14:]))},
		{"tunnel-gue-direct", udp4(portGUE, tcpIn[14:])},
		{"tunnel-gue-direct6", udp4(portGUE, udpIn[14:])},
		{"tunnel-srv6", segments(0, protoIP4, tcpIn[14:])},
		{"tunnel-srv6-in6", segments(0, protoIP6, udpIn[14:])},
		{"tunnel-srv6-frame", segments(0, protoEth, tagged)},
		{"tunnel-srv6-on-its-way", segments(1, protoIP4, tcpIn[14:])},
		{"tunnel-vxlan-fragment-inside", udp4(portVXLAN, vxlan(8, 42, part))},
		{"tunnel-gre-mss", in4(protoGRE, gre(0, 0, typeIPv4, 0, 0, syn[14:]))},
		{"tunnel-ip6ip6-srh-inside", in6(protoIP6, routed[14:])},
		{"tunnel-in-tunnel", udp4(portVXLAN, vxlan(8, 42, in4(protoIP4, tcpIn[14:])))},
	}
}

// randomTunnel gives a protocol of IP with a packet behind it, and what carries that.
func randomTunnel(r *rand.Rand) (layers.IPProtocol, []layer) {
	etherType, ls := randomNetwork(r)
	packet := frame(ls...)
	whole := frame(append([]layer{ether(etherType)}, ls...)...)
	proto := byte(pick(r, protoIP4, protoIP6))
	if etherType == typeIPv6 && r.IntN(8) > 0 {
		proto = protoIP6
	}
	over := func(port layers.UDPPort, b []byte) (layers.IPProtocol, []layer) {
		return layers.IPProtocolUDP, []layer{udp(layers.UDPPort(r.Uint32()), port), gopacket.Payload(b)}
	}
	switch r.IntN(7) {
	case 0:
		return over(portVXLAN, vxlan(pick(r, 8, 8, 8, byte(r.Uint32())), r.Uint32(), whole))
	case 1:
		return over(portGeneve, geneve(0, pick(r, typeBridged, etherType), pick(r, 0, 0, 1, r.IntN(64)), pick(r, whole, packet)))
	case 2:
		return over(portGUE, gue(pick[byte](r, 0, 0, 0x20), pick(r, proto, protoEth), pick(r, 0, 0, r.IntN(32)), packet))
	case 3:
		return over(portGUE, packet)
	case 4:
		flags := byte(pick(r, 0, greKey, greKey|greSeq, greSum))
		return protoGRE, []layer{gopacket.Payload(gre(flags, 0, pick(r, typeBridged, etherType), r.Uint32(), r.Uint32(), pick(r, whole, packet)))}
	case 5:
		return protoEth, []layer{gopacket.Payload(whole)}
	}
	return layers.IPProtocol(proto), []layer{gopacket.Payload(packet)}
}
