package frames

import (
	"encoding/binary"
	"fmt"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// Offsets in an untagged frame with a plain IPv4 header.
const (
	offIP4     = 14
	offUpper4  = offIP4 + 20
	offUDPSum4 = offUpper4 + 6
)

func tcp4() []Frame {
	to := func(flags string, rest ...layer) []byte {
		ls := []layer{ip4(layers.IPProtocolTCP, client4, server4), tcp(40000, 80, flags)}
		return over4(append(ls, rest...)...)
	}
	withOptions := func(words int) []byte {
		t := tcp(40000, 443, "S")
		t.Options = append(t.Options, layers.TCPOption{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: []byte{5, 180}})
		for range 4*words - 4 {
			t.Options = append(t.Options, layers.TCPOption{OptionType: layers.TCPOptionKindNop})
		}
		return over4(ip4(layers.IPProtocolTCP, inside4, server4), t, raw('h', 'i'))
	}
	reply := over4(ip4(layers.IPProtocolTCP, server4, client4), tcp(80, 40000, "SA"))
	return []Frame{
		{"tcp4-syn", to("S")},
		{"tcp4-syn-ack", reply},
		{"tcp4-ack", to("A")},
		{"tcp4-http-get", to("PA", raw(request...))},
		{"tcp4-fin-ack", to("FA")},
		{"tcp4-rst", to("R")},
		{"tcp4-rst-ack", to("RA")},
		{"tcp4-urg-psh-ack", to("UPA", raw(fill(11)...))},
		{"tcp4-ecn-syn", to("SEC")},
		{"tcp4-null", to("")},
		{"tcp4-xmas", to("FPU")},
		{"tcp4-all-flags", to("FSRPAUECN")},
		{"tcp4-doff-6", withOptions(1)},
		{"tcp4-doff-10", withOptions(5)},
		{"tcp4-doff-15", withOptions(10)},
		{"tcp4-land", over4(ip4(layers.IPProtocolTCP, server4, server4), tcp(139, 139, "S"))},
		{"tcp4-from-outside", over4(ip4(layers.IPProtocolTCP, outside4, inside4), tcp(1024, 22, "S"))},
	}
}

func dnsQuery() *layers.DNS {
	return &layers.DNS{ID: 0xbeef, RD: true, Questions: []layers.DNSQuestion{
		{Name: []byte("example.org"), Type: layers.DNSTypeA, Class: layers.DNSClassIN}}}
}

func dnsAnswer() *layers.DNS {
	d := dnsQuery()
	d.QR, d.RA = true, true
	d.Answers = []layers.DNSResourceRecord{{Name: []byte("example.org"), Type: layers.DNSTypeA,
		Class: layers.DNSClassIN, TTL: 300, IP: outside4}}
	return d
}

// sumZero returns a UDP datagram whose checksum becomes zero when its
// destination port is rewritten to [RewritePort]. A first frame with that port
// and a zero word for payload tells the word that is missing to zero.
func sumZero(build func(dport layers.UDPPort, word []byte) []byte, offSum int) []byte {
	with := build(RewritePort, []byte{0, 0})
	return build(53, with[offSum:offSum+2])
}

func udp4() []Frame {
	send := func(sport, dport layers.UDPPort, payload ...byte) []byte {
		return over4(ip4(layers.IPProtocolUDP, client4, dns4), udp(sport, dport), raw(payload...))
	}
	word := func(dport layers.UDPPort, word []byte) []byte { return send(40001, dport, word...) }
	// The same word, sent with RewritePort at once, gives 0xffff from the start.
	full := word(RewritePort, word(RewritePort, []byte{0, 0})[offUDPSum4:offUDPSum4+2])
	return []Frame{
		{"udp4-dns-query", over4(ip4(layers.IPProtocolUDP, client4, dns4), udp(40001, 53), dnsQuery())},
		{"udp4-dns-answer", over4(ip4(layers.IPProtocolUDP, dns4, client4), udp(53, 40001), dnsAnswer())},
		{"udp4-dns-amplified", over4(ip4(layers.IPProtocolUDP, outside4, client4), udp(53, 40001), raw(fill(600)...))},
		{"udp4-empty", send(40001, 4789)},
		{"udp4-odd", send(40001, 4789, fill(7)...)},
		{"udp4-no-checksum", patch(send(40001, 4789, fill(32)...), offUDPSum4, 0, 0)},
		{"udp4-sum-ffff", full},
		{"udp4-sum-zero-when-rewritten", sumZero(word, offUDPSum4)},
		{"udp4-inside", over4(ip4(layers.IPProtocolUDP, inside4, outside4), udp(123, 123), raw(fill(48)...))},
	}
}

func icmp4() []Frame {
	echo := func(kind uint8, src, dst int) []byte {
		hosts := [][]byte{client4, outside4}
		i := &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(kind, 0), Id: 77, Seq: 3}
		return over4(ip4(layers.IPProtocolICMPv4, hosts[src], hosts[dst]), i, raw(fill(56)...))
	}
	cause := over4(ip4(layers.IPProtocolUDP, client4, server4), udp(40001, 33434), raw(fill(4)...))
	unreachable := &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(layers.ICMPv4TypeDestinationUnreachable, layers.ICMPv4CodePort)}
	return []Frame{
		{"icmp4-echo", echo(layers.ICMPv4TypeEchoRequest, 0, 1)},
		{"icmp4-echo-reply", echo(layers.ICMPv4TypeEchoReply, 1, 0)},
		{"icmp4-unreachable", over4(ip4(layers.IPProtocolICMPv4, server4, client4), unreachable, raw(cause[offIP4:]...))},
	}
}

func other4() []Frame {
	to := func(proto layers.IPProtocol, rest ...layer) []byte {
		return over4(append([]layer{ip4(proto, client4, server4)}, rest...)...)
	}
	// Authentication header (RFC 4302): next header UDP, 24 bytes. The language
	// does not walk it over IPv4.
	ah := []byte{17, 4, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	return []Frame{
		{"sctp4-plain", to(layers.IPProtocolSCTP, &layers.SCTP{SrcPort: 2905, DstPort: 2905, VerificationTag: 0xdeadbeef}, raw(fill(16)...))},
		{"gre4-plain", to(layers.IPProtocolGRE, raw(0, 0, 8, 0), raw(fill(20)...))},
		{"esp4-plain", to(layers.IPProtocolESP, raw(0, 0, 1, 0, 0, 0, 0, 7), raw(fill(24)...))},
		{"ah4-plain", to(layers.IPProtocolAH, raw(ah...), raw(0, 53, 0, 53, 0, 8, 0, 0))},
		{"ipip4-plain", to(layers.IPProtocolIPv4, ip4(layers.IPProtocolUDP, inside4, inside4), udp(1, 2))},
		{"icmp6-over-ip4", to(layers.IPProtocolICMPv6, raw(128, 0, 0, 0, 0, 77, 0, 3))},
		{"proto-255", to(255, raw(fill(30)...))},
	}
}

// options4 has one frame for each header length, 6 to 15 words, with the upper
// protocols in turn, so that no offset behind the header can be a constant.
func options4() []Frame {
	var out []Frame
	for ihl := 6; ihl <= 15; ihl++ {
		ip := ip4(layers.IPProtocolTCP, client4, server4)
		for range 4 * (ihl - 5) {
			ip.Options = append(ip.Options, layers.IPv4Option{OptionType: 1})
		}
		var upper layer = tcp(40000, 80, "PA")
		var payload = request
		switch ihl % 3 {
		case 1:
			ip.Protocol, upper, payload = layers.IPProtocolUDP, udp(40001, 53), fill(20)
		case 2:
			ip.Protocol, payload = layers.IPProtocolICMPv4, fill(9)
			upper = &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(layers.ICMPv4TypeEchoRequest, 0), Id: uint16(ihl)}
		}
		out = append(out, Frame{fmt.Sprintf("ip4-ihl-%d", ihl), over4(ip, upper, raw(payload...))})
	}
	return out
}

func fragments4() []Frame {
	// One datagram of 100 bytes, cut at 48 and 72.
	whole := over4(ip4(layers.IPProtocolUDP, client4, dns4), udp(40001, 53), raw(fill(92)...))[offUpper4:]
	part := func(from, to int, flags layers.IPv4Flag) []byte {
		ip := ip4(layers.IPProtocolUDP, client4, dns4)
		ip.Flags, ip.FragOffset = flags, uint16(from/8)
		return over4(ip, gopacket.Payload(whole[from:to]))
	}
	df := ip4(layers.IPProtocolTCP, client4, server4)
	df.Flags = layers.IPv4DontFragment
	both := ip4(layers.IPProtocolTCP, client4, server4)
	both.Flags = layers.IPv4DontFragment | layers.IPv4MoreFragments
	last := ip4(layers.IPProtocolTCP, outside4, server4)
	last.FragOffset = 0x1fff
	return []Frame{
		{"ip4-fragment-first", part(0, 48, layers.IPv4MoreFragments)},
		{"ip4-fragment-middle", part(48, 72, layers.IPv4MoreFragments)},
		{"ip4-fragment-last", part(72, 100, 0)},
		{"ip4-fragment-tiny", part(0, 8, layers.IPv4MoreFragments)},
		{"ip4-fragment-offset-max", over4(last, raw(fill(40)...))},
		{"ip4-df-and-more", over4(both, tcp(40000, 80, "S"))},
		{"ip4-dont-fragment", over4(df, tcp(40000, 80, "A"))},
	}
}

func limits4() []Frame {
	ttl := func(n uint8) []byte {
		ip := ip4(layers.IPProtocolUDP, client4, outside4)
		ip.TTL = n
		return over4(ip, udp(40001, 33434), raw(fill(3)...))
	}
	tos := ip4(layers.IPProtocolTCP, client4, server4)
	tos.TOS = 46<<2 | 3
	ones := over4(ip4(layers.IPProtocolTCP, client4, server4), tcp(65535, 65535, "A"), raw(fill(4)...))
	binary.BigEndian.PutUint32(ones[offUpper4+4:], 0xffffffff) // seq; the sum is off on purpose
	return []Frame{
		{"ip4-ttl-0", ttl(0)},
		{"ip4-ttl-1", ttl(1)},
		{"ip4-ttl-255", ttl(255)},
		{"ip4-ef-ce", over4(tos, tcp(40000, 443, "PA"), raw(fill(5)...))},
		{"tcp4-seq-max-bad-sum", ones},
		{"tcp4-1514-bytes", over4(ip4(layers.IPProtocolTCP, client4, server4), tcp(40000, 443, "A"), raw(fill(1460)...))},
		{"udp4-payload-3000", over4(ip4(layers.IPProtocolUDP, client4, server4), udp(40001, 443), raw(fill(3000)...))},
	}
}
