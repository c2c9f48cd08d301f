package frames

import (
	"slices"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

func arp(op uint16) *layers.ARP {
	return &layers.ARP{
		AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4,
		HwAddressSize: 6, ProtAddressSize: 4, Operation: op,
		SourceHwAddress: macClient, SourceProtAddress: client4,
		DstHwAddress: make([]byte, 6), DstProtAddress: server4,
	}
}

// tagged has one, two and three tags of both kinds.
func tagged() []Frame {
	v4 := []layer{ip4(layers.IPProtocolTCP, client4, server4), tcp(40000, 80, "PA"), raw(request...)}
	u4 := []layer{ip4(layers.IPProtocolUDP, client4, dns4), udp(40001, 53), raw(fill(12)...)}
	v6 := []layer{ip6(nextTCP, client6, server6), tcp(40000, 443, "S")}
	x6 := []layer{ip6(nextHop, client6, server6), gopacket.Payload(padded(nextUDP, 1)), udp(40001, 53), raw(fill(12)...)}
	with := func(tpid uint16, ls []layer, tags ...layer) []byte {
		return frame(append(append([]layer{ether(tpid)}, tags...), ls...)...)
	}
	return []Frame{
		{"vlan-tcp4", with(typeQ, v4, tag(0, 0, 100, typeIPv4))},
		{"vlan-prio-dei-udp4", with(typeQ, u4, tag(5, 1, 4094, typeIPv4))},
		{"vlan-0-tcp6", with(typeQ, v6, tag(7, 0, 0, typeIPv6))},
		{"vlan-hop-by-hop-udp6", with(typeQ, x6, tag(0, 0, 101, typeIPv6))},
		{"vlan-arp", with(typeQ, []layer{arp(1)}, tag(0, 0, 100, typeARP))},
		{"vlan-ad-tcp4", with(typeAD, v4, tag(1, 0, 200, typeIPv4))},
		{"vlan-unknown", with(typeQ, nil, tag(0, 0, 100, typeLLDP), raw(fill(20)...))},
		{"vlan2-ad-q-tcp4", with(typeAD, v4, tag(1, 0, 200, typeQ), tag(2, 1, 300, typeIPv4))},
		{"vlan2-ad-q-udp6", with(typeAD, x6, tag(0, 0, 200, typeQ), tag(0, 0, 300, typeIPv6))},
		{"vlan2-q-q-udp4", with(typeQ, u4, tag(0, 0, 1, typeQ), tag(0, 0, 2, typeIPv4))},
		{"vlan2-q-ad-tcp6", with(typeQ, v6, tag(0, 0, 1, typeAD), tag(0, 0, 2, typeIPv6))},
		{"vlan3-tcp4", with(typeAD, v4, tag(0, 0, 1, typeQ), tag(0, 0, 2, typeQ), tag(0, 0, 3, typeIPv4))},
	}
}

func link() []Frame {
	chassis := []byte{2, 7, 4, 2, 0, 0, 0, 0, 1, 4, 2, 7, 'x', 6, 2, 0, 120, 0, 0}
	// IEEE 802.3: a length where the type is, then LLC.
	length := []byte{0, 38, 0x42, 0x42, 3}
	back := slices.Concat(macClient, macServer, []byte{typeARP >> 8, typeARP & 255})
	cast := append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, macClient...)
	return []Frame{
		{"arp-request", frame(raw(append(cast, typeARP>>8, typeARP&255)...), arp(1))},
		{"arp-reply", frame(ether(typeARP), arp(2))},
		{"arp-reply-to-client", frame(raw(back...), arp(2))},
		{"lldp-plain", frame(ether(typeLLDP), raw(chassis...))},
		{"llc-length", frame(raw(append(append([]byte{}, cast...), length...)...), raw(fill(35)...))},
		{"type-0", frame(ether(0), raw(fill(46)...))},
	}
}
