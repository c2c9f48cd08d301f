package frames

import (
	"encoding/binary"
	"strings"

	"github.com/gopacket/gopacket/layers"
)

// asked is a standard query (RFC 1035) with one question, for A.
func asked(name string) []byte {
	out := []byte{0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}
	for l := range strings.SplitSeq(name, ".") {
		out = append(append(out, byte(len(l))), l...)
	}
	return append(out, 0, 0, 1, 0, 1)
}

// sized puts the length of body, in n octets, before it.
func sized(n int, body []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body)))[4-n:], body...)
}

// clientHello is a TLS ClientHello (RFC 8446, 4.1.2) that asks for name, behind another
// extension.
func clientHello(name string) []byte {
	sni := sized(2, sized(2, append([]byte{0}, sized(2, []byte(name))...)))
	ext := join([]byte{0x0a, 0x0a, 0, 0}, []byte{0, 0}, sni, []byte{0, 43, 0, 3, 2, 3, 4})
	body := join([]byte{3, 3}, fill(32), sized(1, fill(32)), sized(2, []byte{0x13, 1}), []byte{1, 0}, sized(2, ext))
	return join([]byte{22, 3, 1}, sized(2, append([]byte{1}, sized(3, body)...)))
}

// apps has messages of protocols above UDP and TCP: whole, cut and hostile ones.
func apps() []Frame {
	over := func(v6 bool, l layer, payload []byte) []byte {
		proto := layers.IPProtocolUDP
		if _, ok := l.(*layers.TCP); ok {
			proto = layers.IPProtocolTCP
		}
		if v6 {
			return over6(ip6(proto, client6, server6), l, raw(payload...))
		}
		return over4(ip4(proto, client4, server4), l, raw(payload...))
	}
	dns := func(v6 bool, message []byte) []byte { return over(v6, udp(40001, 53), message) }
	web := func(v6 bool, port layers.TCPPort, message []byte) []byte {
		return over(v6, tcp(40000, port, "PA"), message)
	}
	query, hello := asked("www.example.org"), clientHello("www.example.org")
	quic := join([]byte{0xc3, 0, 0, 0, 1, 8}, fill(8), sized(1, nil), fill(20))
	return []Frame{
		{"udp6-dns-query-upper", dns(true, asked("WWW.Example.Org"))},
		{"tcp4-dns-query", web(false, 53, sized(2, query))},
		{"udp4-dns-pointer", dns(false, join(query[:20], []byte{0xc0, 12, 0, 1, 0, 1}))},
		{"udp4-dns-cut", dns(false, query[:22])},
		{"udp6-dns-long", dns(true, asked(strings.Repeat("b.", 60)+strings.Repeat("x", 63)+".example.org"))},
		{"tcp4-tls-hello", web(false, 443, hello)},
		{"tcp6-tls-hello-cut", web(true, 443, hello[:len(hello)-12])},
		{"tcp4-tls-beyond-end", web(false, 443, patch(hello, 3, 0xff, 0xff, 1, 0, 0xff, 0xfb))},
		{"tcp6-http-post", web(true, 80, []byte("POST /admin/x HTTP/1.1\r\nAccept: */*\r\nhost:\t Example.com:80\r\n\r\n"))},
		{"udp6-quic-initial", over(true, udp(40001, 443), quic)},
		{"udp4-quic-short", over(false, udp(40001, 443), join([]byte{0x43}, fill(40)))},
	}
}
