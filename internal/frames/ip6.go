package frames

import (
	"net"
	"slices"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// Offsets in an untagged frame with an IPv6 header and nothing in between.
const (
	offIP6     = 14
	offUpper6  = offIP6 + 40
	offUDPSum6 = offUpper6 + 6
)

// IPv6 next-header values (RFC 8200, 4302, 4303).
const (
	nextHop  = 0
	nextTCP  = 6
	nextUDP  = 17
	nextRt   = 43
	nextFrag = 44
	nextESP  = 50
	nextAH   = 51
	nextNone = 59
	nextDst  = 60
)

// extension is a hop-by-hop, routing or destination header: next header, length
// in eights beyond the first, then padding. A routing header reads as type 1
// with no segment left.
func extension(next byte, eights int) []byte {
	b := make([]byte, 8+8*eights)
	b[0], b[1] = next, byte(eights)
	b[2], b[3] = 1, 0
	for i := 4; i < len(b); i++ {
		b[i] = byte(0xa0 + i)
	}
	return b
}

// padded is an extension header of options: one PadN over all of it.
func padded(next byte, eights int) []byte {
	b := make([]byte, 8+8*eights)
	b[0], b[1], b[2], b[3] = next, byte(eights), 1, byte(len(b)-4)
	return b
}

// authentication is an AH (RFC 4302): length in fours, less two.
func authentication(next byte, icv int) []byte {
	b := slices.Concat([]byte{next, byte(1 + icv/4), 0, 0, 0, 0, 1, 1, 0, 0, 0, 2}, fill(icv))
	return b
}

// fragment is the fragment header: offset in eights, and whether more follow.
//
//	+--------+--------+-------------+--+-+--------------------------------+
//	|  next  |   0    |   offset    |00|M|         identification         |
//	+--------+--------+-------------+--+-+--------------------------------+
func fragment(next byte, offset int, more bool) []byte {
	b := []byte{next, 0, byte(offset >> 8), byte(offset), 0xca, 0xfe, 0xba, 0xbe}
	if more {
		b[3] |= 1
	}
	return b
}

// extended is an IPv6 packet with the extension headers in order, each given by
// its own next-header number, before the upper layers.
func extended(upper byte, kinds []byte, ls ...layer) []byte {
	first := upper
	var chain []byte
	for i, kind := range kinds {
		next := upper
		if i+1 < len(kinds) {
			next = kinds[i+1]
		}
		if i == 0 {
			first = kind
		}
		switch kind {
		case nextAH:
			chain = append(chain, authentication(next, 12)...)
		case nextFrag:
			chain = append(chain, fragment(next, 0, false)...)
		case nextRt:
			chain = append(chain, extension(next, i%2)...)
		default:
			chain = append(chain, padded(next, i%3)...)
		}
	}
	all := []layer{ip6(layers.IPProtocol(first), client6, server6), gopacket.Payload(chain)}
	return over6(append(all, ls...)...)
}

func icmp6(kind, code uint8) *layers.ICMPv6 {
	return &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(kind, code)}
}

func upper6() []Frame {
	to := func(next layers.IPProtocol, ls ...layer) []byte {
		return over6(append([]layer{ip6(next, client6, server6)}, ls...)...)
	}
	word := func(dport layers.UDPPort, word []byte) []byte {
		return to(nextUDP, udp(40001, dport), raw(word...))
	}
	dns := func(src, dst net.IP) *layers.IPv6 { return ip6(nextUDP, src, dst) }
	reply := over6(ip6(nextTCP, server6, client6), tcp(80, 40000, "SA"))
	solicited := append(raw(0, 0, 0, 0).(gopacket.Payload), server6...)
	return []Frame{
		{"tcp6-syn", to(nextTCP, tcp(40000, 443, "S"))},
		{"tcp6-syn-ack", reply},
		{"tcp6-http-get", to(nextTCP, tcp(40000, 80, "PA"), raw(request...))},
		{"udp6-dns-query", over6(dns(client6, dns6), udp(40001, 53), dnsQuery())},
		{"udp6-dns-answer", over6(dns(dns6, client6), udp(53, 40001), dnsAnswer())},
		{"udp6-empty", to(nextUDP, udp(40001, 4789))},
		{"udp6-no-checksum", patch(to(nextUDP, udp(40001, 4789), raw(fill(9)...)), offUDPSum6, 0, 0)},
		{"udp6-sum-zero-when-rewritten", sumZero(word, offUDPSum6)},
		{"sctp6-plain", to(layers.IPProtocolSCTP, &layers.SCTP{SrcPort: 2905, DstPort: 36412, VerificationTag: 1}, raw(fill(8)...))},
		{"icmp6-echo", to(layers.IPProtocolICMPv6, icmp6(128, 0), raw(0, 77, 0, 3), raw(fill(32)...))},
		{"icmp6-unreachable", to(layers.IPProtocolICMPv6, icmp6(1, 4), raw(0, 0, 0, 0), raw(fill(48)...))},
		{"icmp6-neighbor-solicitation", to(layers.IPProtocolICMPv6, icmp6(135, 0), solicited)},
		{"icmp4-over-ip6", to(layers.IPProtocolICMPv4, raw(8, 0, 0, 0, 0, 77, 0, 3))},
		{"esp6-plain", to(nextESP, raw(0, 0, 1, 0, 0, 0, 0, 7), raw(fill(24)...))},
		{"ip6-no-next-header", to(nextNone, raw(fill(12)...))},
		{"ip6-from-outside", over6(ip6(nextTCP, outside6, server6), tcp(1024, 22, "S"))},
	}
}

func extensions6() []Frame {
	udpTo := []layer{udp(40001, 53), raw(fill(10)...)}
	tcpTo := []layer{tcp(40000, 80, "PA"), raw(request...)}
	long := func(eights int) []byte {
		return over6(ip6(nextHop, client6, server6), gopacket.Payload(padded(nextUDP, eights)), udp(40001, 53), raw(fill(10)...))
	}
	return []Frame{
		{"ip6-hop-by-hop", extended(nextUDP, []byte{nextHop}, udpTo...)},
		{"ip6-hop-by-hop-32", long(3)},
		{"ip6-hop-by-hop-264", long(32)},
		{"ip6-routing", extended(nextTCP, []byte{nextRt}, tcpTo...)},
		{"ip6-destination", extended(nextTCP, []byte{nextDst}, tcpTo...)},
		{"ip6-ah", extended(nextTCP, []byte{nextAH}, tcpTo...)},
		{"ip6-hop-ah-udp", extended(nextUDP, []byte{nextHop, nextAH}, udpTo...)},
		{"ip6-all-five", extended(nextTCP, []byte{nextHop, nextDst, nextRt, nextFrag, nextAH}, tcpTo...)},
		{"ip6-all-five-icmp6", extended(58, []byte{nextHop, nextDst, nextRt, nextFrag, nextAH}, icmp6(128, 0), raw(0, 5, 0, 6))},
		{"ip6-eight-destination", extended(nextUDP, slices.Repeat([]byte{nextDst}, 8), udpTo...)},
		{"ip6-nine-destination", extended(nextUDP, slices.Repeat([]byte{nextDst}, 9), udpTo...)},
		{"ip6-eight-mixed", extended(nextTCP, []byte{nextHop, nextDst, nextRt, nextAH, nextDst, nextAH, nextRt, nextDst}, tcpTo...)},
		{"ip6-nine-last-ah", extended(nextTCP, append(slices.Repeat([]byte{nextDst}, 8), nextAH), tcpTo...)},
		{"ip6-hop-no-next-header", extended(nextNone, []byte{nextHop})},
		{"ip6-destination-esp", extended(nextESP, []byte{nextDst}, raw(fill(16)...))},
	}
}

func fragments6() []Frame {
	whole := over6(ip6(nextUDP, client6, server6), udp(40001, 53), raw(fill(92)...))[offUpper6:]
	part := func(from, to int, more bool) []byte {
		header := gopacket.Payload(fragment(nextUDP, from, more))
		return over6(ip6(nextFrag, client6, server6), header, gopacket.Payload(whole[from:to]))
	}
	hop := gopacket.Payload(padded(nextFrag, 0))
	// A later fragment whose bytes would read as one more extension header.
	later := gopacket.Payload(fragment(nextDst, 8, true))
	return []Frame{
		{"ip6-fragment-first", part(0, 48, true)},
		{"ip6-fragment-middle", part(48, 72, true)},
		{"ip6-fragment-last", part(72, 100, false)},
		{"ip6-fragment-atomic", part(0, 100, false)},
		{"ip6-hop-fragment-last", over6(ip6(nextHop, client6, server6), hop, gopacket.Payload(fragment(nextTCP, 96, false)), raw(fill(24)...))},
		{"ip6-fragment-later-destination", over6(ip6(nextFrag, client6, server6), later, gopacket.Payload(padded(nextUDP, 0)), udp(1, 2))},
	}
}

func limits6() []Frame {
	limit := func(n uint8) []byte {
		ip := ip6(nextUDP, client6, outside6)
		ip.HopLimit = n
		return over6(ip, udp(40001, 33434), raw(fill(3)...))
	}
	class := ip6(nextTCP, client6, server6)
	class.TrafficClass, class.FlowLabel = 46<<2|1, 0xfedcb
	return []Frame{
		{"ip6-hop-limit-0", limit(0)},
		{"ip6-hop-limit-1", limit(1)},
		{"ip6-hop-limit-255", limit(255)},
		{"ip6-ef-flow", over6(class, tcp(40000, 443, "A"))},
		{"udp6-1514-bytes", over6(ip6(nextUDP, client6, server6), udp(40001, 443), raw(fill(1452)...))},
		{"tcp6-payload-3000", over6(ip6(nextTCP, client6, server6), tcp(40000, 443, "A"), raw(fill(3000)...))},
	}
}
