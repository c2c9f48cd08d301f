package frames

import (
	"encoding/binary"
	"slices"

	"github.com/gopacket/gopacket/layers"
)

// What stands between the Ethernet header and that of IP, and is neither a tag nor a
// tunnel: labels of MPLS, sessions of PPPoE, LLC.
const (
	typeRARP     = 0x8035
	typeMPLS     = 0x8847
	typePPPoED   = 0x8863
	typePPPoES   = 0x8864
	typeIPX      = 0x8137
	typeLoopback = 0x9000
)

// label is an entry of a stack of MPLS (RFC 3032, section 2.1).
//
//	|        label: 20        |exp: 3|S|   TTL: 8   |
func label(n uint32, last bool) layer {
	w := n<<12 | 64
	if last {
		w |= 1 << 8
	}
	return raw(binary.BigEndian.AppendUint32(nil, w)...)
}

// session is the header of PPPoE (RFC 2516, section 4) with the protocol of PPP.
func session(id, proto uint16, inner int) layer {
	b := binary.BigEndian.AppendUint16([]byte{0x11, 0}, id)
	b = binary.BigEndian.AppendUint16(b, uint16(inner+2))
	return raw(binary.BigEndian.AppendUint16(b, proto)...)
}

// between has packets behind labels and in sessions.
func between() []Frame {
	v4 := frame(ip4(layers.IPProtocolTCP, client4, server4), tcp(40000, 80, "PA"), raw(request...))
	u4 := frame(ip4(layers.IPProtocolUDP, client4, dns4), udp(40001, 53), raw(fill(12)...))
	v6 := frame(ip6(nextTCP, client6, server6), tcp(40000, 443, "S"))
	in := func(typ uint16, ls ...layer) []byte { return frame(append([]layer{ether(typ)}, ls...)...) }
	discovery := []byte{0x11, 9, 0, 0, 0, 4, 1, 1, 0, 0}
	return []Frame{
		{"mpls-tcp4", in(typeMPLS, label(100, true), raw(v4...))},
		{"mpls-tcp6", in(typeMPLS, label(101, true), raw(v6...))},
		{"mpls2-tcp4", in(typeMPLS, label(100, false), label(200, true), raw(v4...))},
		{"mpls2-udp4", in(typeMPLS, label(102, false), label(103, true), raw(u4...))},
		{"mpls3-tcp6", in(typeMPLS, label(1, false), label(2, false), label(3, true), raw(v6...))},
		{"mpls-cut", in(typeMPLS, label(100, true))[:16]},
		{"mpls-unknown", in(typeMPLS, label(100, true), raw(fill(30)...))},
		{"vlan-mpls-tcp4", in(typeQ, tag(0, 0, 100, typeMPLS), label(100, true), raw(v4...))},
		{"pppoe-discovery", in(typePPPoED, raw(discovery...))},
		{"pppoe-tcp4", in(typePPPoES, session(17, 0x21, len(v4)), raw(v4...))},
		{"pppoe-udp4", in(typePPPoES, session(18, 0x21, len(u4)), raw(u4...))},
		{"pppoe-tcp6", in(typePPPoES, session(17, 0x57, len(v6)), raw(v6...))},
		{"pppoe-lcp", in(typePPPoES, session(17, 0xc021, 8), raw(9, 1, 0, 8, 0, 0, 0, 0))},
		{"pppoe-cut", in(typePPPoES, session(17, 0x21, 0))[:19]},
		{"vlan-pppoe-tcp4", in(typeQ, tag(0, 0, 100, typePPPoES), session(17, 0x21, len(v4)), raw(v4...))},
	}
}

// logical has frames of IEEE 802.3, and types that few send.
func logical() []Frame {
	short := func(llc ...byte) []byte { return frame(ether(uint16(len(llc)+35)), raw(llc...), raw(fill(35)...)) }
	snap := func(organisation uint32, typ uint16) []byte {
		b := []byte{0xaa, 0xaa, 3, byte(organisation >> 16), byte(organisation >> 8), byte(organisation)}
		return short(binary.BigEndian.AppendUint16(b, typ)...)
	}
	return []Frame{
		{"rarp-request", frame(ether(typeRARP), arp(3))},
		{"llc-netbeui", short(0xf0, 0xf0, 3)},
		{"llc-iso", short(0xfe, 0xfe, 3)},
		{"llc-ipx", short(0xe0, 0xe0, 3)},
		{"llc-ipx-raw", short(0xff, 0xff)},
		{"llc-snap-ipx", snap(0, typeIPX)},
		{"llc-snap-appletalk", snap(0x080007, 0x809b)},
		{"llc-snap-aarp", snap(0, 0x80f3)},
		{"llc-snap-ip4", snap(0, typeIPv4)},
		{"ipx-type", frame(ether(typeIPX), raw(fill(46)...))},
		{"appletalk-type", frame(ether(0x809b), raw(fill(46)...))},
		{"decnet-type", frame(ether(0x6003), raw(fill(46)...))},
		{"loopback-type", frame(ether(typeLoopback), raw(fill(46)...))},
		{"igmp4-report", over4(ip4(layers.IPProtocolIGMP, client4, []byte{224, 0, 0, 251}), raw(0x16, 0, 9, 4, 224, 0, 0, 251))},
		{"vrrp4-advert", over4(ip4(112, client4, []byte{224, 0, 0, 18}), raw(slices.Concat([]byte{0x21, 1, 100, 1, 0, 1}, fill(14))...))},
		{"ip6-multicast-ping", over6(ip6(58, client6, []byte{0xff, 2, 15: 1}), icmp6(128, 0), raw(0, 5, 0, 6))},
	}
}
