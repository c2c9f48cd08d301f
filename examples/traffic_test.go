package examples_test

import (
	"time"

	"weir/internal/frames"
)

// Who is in the captures: a client and a server of ours, a stranger, and the
// same over IPv6.
const (
	ours4, server4, stranger4 = "192.0.2.10", "192.0.2.1", "203.0.113.9"
	ours6, server6, stranger6 = "2001:db8:1::10", "2001:db8::1", "2001:db8:bad::9"
)

const ms = time.Millisecond

// captures are the packets that the examples are shown with.
var captures = map[string]func() []sent{
	"dns_guard": func() []sent {
		return append([]sent{
			{src: stranger4, dst: server4, l4: udp(4000, 53), body: 40},
			{after: ms, src: "192.0.2.53", dst: server4, l4: udp(53, 4000), body: 900},
			{after: ms, src: stranger4, dst: server4, l4: udp(53, 4000), body: 900},
			{after: ms, src: stranger4, dst: server4, tags: []uint16{7}, l4: udp(53, 4000), body: 900},
			{after: ms, src: stranger4, dst: server4, l4: udp(53, 4000), body: 100},
			{after: ms, src: stranger6, dst: server6, l4: udp(53, 4000), body: 900},
		}, times(14, sent{after: ms, src: "198.51.100.7", dst: server4, l4: tcp(4000, 80, "A"), body: 10})...)
	},
	"dns_filter": func() []sent {
		return stock("udp4-dns-query", "udp4-dns-answer", "udp6-dns-query-upper", "tcp4-dns-query", "udp4-dns-pointer",
			"udp4-dns-cut", "udp6-dns-long", "tcp4-tls-hello", "udp6-quic-initial")
	},
	"dns_tap": func() []sent {
		return append(stock("udp4-dns-query", "udp6-dns-long", "udp4-dns-answer", "udp4-dns-cut", "tcp4-dns-query", "udp6-dns-query-upper", "tcp4-syn"),
			stock("udp6-dns-long")...)
	},
	"sni_filter": func() []sent {
		return stock("tcp4-tls-hello", "tcp6-tls-hello-cut", "tcp4-tls-beyond-end", "tcp6-http-post", "tcp4-syn", "udp4-dns-query")
	},
	"two_level": func() []sent {
		return append(append(times(7, sent{after: ms, src: stranger4, dst: server4, l4: udp(4000, 53)}),
			times(3, sent{after: ms, src: ours4, dst: server4, l4: tcp(4000, 80, "S")})...),
			sent{after: ms, src: stranger6, dst: server6, l4: udp(4000, 443)},
			sent{after: 11 * time.Second, src: stranger4, dst: server4, l4: udp(4000, 53)})
	},
	"stamp_reflector": func() []sent {
		return []sent{
			{src: "192.0.2.9", dst: "192.0.2.1", l4: udp(4000, 862), body: 44},
			{after: ms, src: "2001:db8::9", dst: "2001:db8::1", tags: []uint16{9}, l4: udp(4000, 862), body: 60},
			{after: ms, src: "192.0.2.9", dst: "192.0.2.1", l4: udp(4000, 862), body: 20},
			{after: ms, src: stranger4, dst: "192.0.2.1", l4: udp(4000, 862), body: 44},
			{after: ms, src: "192.0.2.9", dst: "192.0.2.1", l4: udp(4000, 53), body: 44},
		}
	},
	"switch": func() []sent {
		return append(stock("arp-request", "arp-request", "arp-request"),
			sent{after: ms, src: stranger4, dst: server4, l4: udp(4000, 53)},
			sent{after: ms, src: stranger4, dst: server4, tags: []uint16{10}, l4: udp(4000, 53)})
	},
	"srv6_router": func() []sent {
		return []sent{
			{src: stranger4, dst: "10.3.0.1", l4: udp(4000, 53)},
			{after: ms, src: stranger6, dst: "fd03::1", tags: []uint16{9}, l4: tcp(4000, 80, "S")},
			{after: ms, src: stranger4, dst: "10.4.0.1", ttl: 1, l4: udp(4000, 53)},
			{after: ms, src: stranger4, dst: server4, l4: udp(4000, 53)},
			{after: ms, src: stranger6, dst: "fc00:1::e", l4: udp(4000, 53)},
			{after: ms, src: stranger6, dst: "fc00:1::d", l4: udp(4000, 53)},
			{after: ms, src: stranger6, dst: "fcbb:bb00:1:2::", l4: udp(4000, 53)},
		}
	},
	"vlan_router": func() []sent {
		to := func(vlan uint16, src, dst string, p sent) sent {
			p.after, p.src, p.dst, p.tags = ms, src, dst, []uint16{vlan}
			return p
		}
		question, echo := sent{l4: udp(4000, 53)}, sent{l4: icmp4(8), body: 40}
		return append([]sent{
			to(10, "10.0.10.2", "10.0.20.2", question), to(10, "fd00:10::2", "fd00:30::2", question),
			to(10, "10.0.10.2", "10.0.10.1", echo), to(20, "fd00:20::2", "fd00:20::1", sent{l4: icmp6(128), body: 40}),
			to(20, "10.0.20.2", "10.0.10.2", sent{ttl: 1, l4: tcp(4000, 80, "S")}), to(10, "10.0.10.2", server4, question),
			to(40, "10.0.40.2", "10.0.10.2", question),
		}, stock("arp-request")...)
	},
	"flood": func() []sent {
		return append([]sent{
			{src: "198.18.3.4", dst: server4, l4: udp(4000, 53)},
			{src: stranger4, dst: server4, l4: udp(4000, 9999)},
			{src: stranger4, dst: server4, l4: tcp(4000, 80, "S")},
			{src: stranger4, dst: server4, l4: udp(4000, 443), body: 200},
			{src: stranger6, dst: server6, l4: udp(4000, 443), body: 200},
			{src: stranger6, dst: server6, l4: udp(4000, 1900), body: 200},
		}, times(12, sent{after: ms, src: stranger4, dst: server4, tags: []uint16{9}, l4: udp(4000, 53), body: 30})...)
	},
	"knock": func() []sent {
		syn := func(after time.Duration, src string, port int) sent {
			return sent{after: after, src: src, dst: server4, l4: tcp(4000, port, "S")}
		}
		six := syn(ms, stranger6, 22)
		six.dst = server6
		return []sent{
			syn(0, stranger4, 22),
			syn(ms, stranger4, 7000), syn(ms, stranger4, 8000), syn(ms, stranger4, 9000), syn(ms, stranger4, 22),
			{after: ms, src: stranger4, dst: server4, l4: tcp(4000, 22, "A"), body: 100},
			syn(ms, ours4, 22), syn(ms, ours4, 7000), syn(ms, ours4, 9000), syn(ms, ours4, 8000), syn(ms, ours4, 22),
			syn(ms, ours4, 7000), syn(6*time.Second, ours4, 8000), syn(ms, ours4, 22),
			syn(31*time.Second, stranger4, 22), syn(ms, stranger4, 80),
			six, {after: ms, src: stranger4, dst: server4, l4: udp(4000, 7000)},
		}
	},
	"limit": func() []sent {
		ps := times(14, sent{after: 10 * time.Microsecond, src: stranger4, dst: server4, l4: udp(4000, 9), body: 20})
		ps = append(ps, times(14, sent{after: 10 * time.Microsecond, src: stranger6, dst: server6, l4: udp(4000, 9), body: 20})...)
		ps = append(ps, times(3, sent{after: ms, src: stranger4, dst: server4, tags: []uint16{7}, l4: udp(4000, 9), body: 20})...)
		ps = append(ps, times(12, sent{src: ours4, dst: server4, l4: udp(4000, 9), body: 20})...)
		return append(ps, sent{after: ms, src: ours6, dst: server6, l4: tcp(4000, 80, "S")})
	},
	"syn_guard": func() []sent {
		ps := times(6, sent{after: ms, src: stranger4, dst: server4, l4: tcp(4000, 80, "S")})
		ps = append(ps,
			sent{after: ms, src: stranger4, dst: server4, l4: tcp(4000, 80, "A"), body: 100},
			sent{after: ms, src: stranger4, dst: server4, l4: tcp(4000, 80, "SF")},
			sent{after: ms, src: stranger4, dst: server4, l4: tcp(4000, 80, "")},
			sent{after: ms, src: stranger6, dst: server6, l4: tcp(4000, 443, "S")},
			sent{after: ms, src: stranger4, dst: server4, l4: udp(4000, 80)})
		for i := range 14 { // forged addresses, all for one service
			ps = append(ps, sent{src: "198.51.100." + string(rune('1'+i%9)), dst: server4, tags: []uint16{5}, l4: tcp(4000, 25, "S")})
		}
		return append(ps, sent{after: time.Second, src: stranger4, dst: server4, l4: tcp(4000, 80, "S")})
	},
	"vlan_gate": func() []sent {
		to := func(mac byte, src, dst string, tags ...uint16) sent {
			return sent{after: ms, src: src, dst: dst, mac: mac, tags: tags, l4: udp(5060, 5060), body: 60}
		}
		return []sent{
			to(1, ours4, server4, 100), to(1, ours6, server6, 100), to(2, ours4, server4, 200), to(2, ours6, server6, 200),
			to(1, ours4, server4), to(1, ours6, server6), to(1, ours4, server4, 100, 200), to(1, ours4, server4, 1),
			to(2, ours4, server4, 100), to(1, ours4, server4, 200), to(9, ours6, server6, 200), to(1, ours4, server4, 100),
		}
	},
	"ttl_guard": func() []sent {
		to := func(ttl uint8, src, dst string, l4 sent) sent {
			l4.after, l4.src, l4.dst, l4.ttl = ms, src, dst, ttl
			return l4
		}
		bgp, answer, web := sent{l4: tcp(4000, 179, "S")}, sent{l4: tcp(179, 4000, "SA")}, sent{l4: tcp(4000, 80, "S")}
		tagged := sent{tags: []uint16{30}, l4: tcp(4000, 179, "A"), body: 50}
		return []sent{
			to(255, ours4, server4, bgp), to(255, ours4, server4, answer), to(254, stranger4, server4, bgp), to(64, stranger4, server4, answer),
			to(255, ours6, server6, bgp), to(120, stranger6, server6, bgp), to(255, ours4, server4, tagged), to(200, ours4, server4, tagged),
			to(64, stranger4, server4, web), to(1, stranger4, server4, web), to(1, stranger6, server6, web),
			to(255, ours6, server6, sent{l4: icmp6(135), body: 24}), to(254, stranger6, server6, sent{l4: icmp6(136), body: 24}),
			to(64, stranger6, server6, sent{l4: icmp6(128), body: 24}),
		}
	},
	"dscp_mark": func() []sent {
		to := func(src, dst string, dscp uint8, l4 sent) sent {
			l4.after, l4.src, l4.dst, l4.dscp = ms, src, dst, dscp
			return l4
		}
		return []sent{
			to(ours4, stranger4, 0, sent{l4: udp(16384, 16400), body: 160}), to(ours6, stranger6, 0, sent{l4: udp(16384, 16400), body: 160}),
			to(ours4, stranger4, 46, sent{l4: tcp(4000, 443, "A"), body: 100}), to(ours6, stranger6, 18, sent{l4: tcp(443, 4000, "A"), body: 100}),
			to(ours4, stranger4, 46, sent{l4: tcp(4000, 873, "A"), body: 900}), to(ours4, stranger4, 0, sent{l4: tcp(22, 4000, "A"), body: 40}),
			to(ours4, stranger4, 0, sent{l4: udp(4000, 53), body: 40}), to(ours4, stranger4, 46, sent{l4: tcp(4000, 6881, "A"), body: 900}),
			to(ours4, stranger4, 10, sent{tags: []uint16{12}, l4: udp(5060, 5060), body: 300}), to(ours6, stranger6, 12, sent{l4: icmp6(128), body: 40}),
			to(ours4, stranger4, 0, sent{l4: tcp(4000, 16400, "A"), body: 40}), to(ours4, stranger4, 46, sent{cut: 185, l4: udp(16384, 16400), body: 40}),
		}
	},
	"reflector": func() []sent {
		echo := func(src, dst string, sport, dport int) sent {
			return sent{after: ms, src: src, dst: dst, ttl: 50, l4: udp(sport, dport), body: 48}
		}
		tagged, cut := echo(stranger4, server4, 4000, 7), echo(stranger4, server4, 4000, 7)
		tagged.tags, cut.more = []uint16{40}, true
		empty := echo(stranger6, server6, 4000, 7)
		empty.body = 0
		return []sent{
			echo(stranger4, server4, 4000, 7), echo(stranger6, server6, 4000, 7), tagged, empty,
			echo(stranger4, server4, 7, 7), echo(stranger4, server4, 4000, 8), echo(stranger4, "192.0.2.255", 4000, 7), cut,
			{after: ms, src: stranger4, dst: server4, l4: tcp(4000, 7, "S")}, {after: ms, src: stranger4, dst: server4, l4: icmp4(8), body: 56},
		}
	},
	"sampler": func() []sent {
		return []sent{
			{src: ours4, dst: stranger4, l4: tcp(4000, 443, "S")}, {after: ms, src: stranger4, dst: ours4, l4: tcp(443, 4000, "SA")},
			{after: ms, src: ours4, dst: stranger4, l4: tcp(4000, 443, "A"), body: 700}, {after: ms, src: ours6, dst: stranger6, l4: udp(4000, 53), body: 40},
			{after: ms, src: stranger6, dst: ours6, tags: []uint16{5}, l4: udp(53, 4000), body: 300}, {after: ms, src: ours6, dst: stranger6, l4: icmp6(128), body: 40},
			{after: ms, src: ours4, dst: stranger4, tags: []uint16{5, 6}, l4: udp(4000, 123), body: 48}, {after: ms, src: ours4, dst: stranger4, cut: 185, l4: udp(4000, 123), body: 48},
			{after: ms, src: ours4, dst: stranger4, l4: icmp4(8), body: 56}, {after: ms, src: stranger4, dst: ours4, l4: icmp4(0), body: 56},
		}
	},
	"allow_list": func() []sent {
		syn := func(src, dst string, port int) sent {
			return sent{after: ms, src: src, dst: dst, l4: tcp(4000, port, "S")}
		}
		tagged := syn(ours4, server4, 22)
		tagged.tags = []uint16{3}
		return []sent{
			syn(ours4, server4, 22), syn("192.0.2.200", server4, 443), syn("192.0.2.200", server4, 22), syn(stranger4, server4, 443),
			syn(ours6, server6, 22), syn(stranger6, server6, 80), tagged,
			{after: ms, src: stranger4, dst: server4, l4: tcp(80, 4000, "SA")}, {after: ms, src: stranger4, dst: server4, l4: udp(53, 4000), body: 60},
			{after: ms, src: ours4, dst: server4, l4: udp(4000, 53), body: 60}, {after: ms, src: "192.0.2.200", dst: server4, l4: udp(4000, 443), body: 60},
			{after: ms, src: stranger6, dst: server6, ttl: 255, l4: icmp6(135), body: 24}, {after: ms, src: stranger6, dst: server6, l4: icmp6(128), body: 24},
			{after: ms, src: stranger4, dst: server4, l4: icmp4(3), body: 36}, {after: ms, src: stranger4, dst: server4, l4: icmp4(8), body: 36},
		}
	},
}

// stock returns frames that the compiler's tests know by name.
func stock(names ...string) []sent {
	var out []sent
	for _, n := range names {
		out = append(out, sent{after: ms, whole: frames.Named(n).Data})
	}
	return out
}

// times returns a packet n times over.
func times(n int, s sent) []sent {
	var out []sent
	for range n {
		out = append(out, s)
	}
	return out
}
