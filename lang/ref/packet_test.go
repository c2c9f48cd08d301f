package ref

import (
	"encoding/binary"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

func TestFields(t *testing.T) {
	frames := map[string][]byte{"udp4": udp4(t), "tcp4": tcp4(t), "udp6": udp6(t), "tcp6": tcp6(t), "icmp4": icmp4(t), "icmp6": icmp6(t)}
	for _, tc := range []struct {
		frame, expr string
		want        uint64
	}{
		{"udp4", "pkt.len", 52},
		{"udp4", "pkt.ifindex * 100 + pkt.queue", 703},
		{"udp4", "pkt.eth.src == mac(\"02:00:00:00:00:01\")", 1},
		{"udp4", "pkt.eth.dst == mac(\"02:00:00:00:00:02\")", 1},
		{"udp4", "pkt.eth.type", 0x800},
		{"udp4", "pkt.ip4.src == ip4(\"192.0.2.1\")", 1},
		{"udp4", "pkt.ip.dst == ip4(\"198.51.100.7\")", 1},
		{"udp4", "pkt.ip4.ttl * 1000 + pkt.ip.ttl", 64064},
		{"udp4", "pkt.ip4.dscp * 10 + pkt.ip4.ecn", 461},
		{"udp4", "pkt.ip.dscp * 10 + pkt.ip.ecn", 461},
		{"udp4", "pkt.ip4.id", 0x1234},
		{"udp4", "pkt.ip4.ihl", 5},
		{"udp4", "pkt.ip4.len", 38},
		{"udp4", "pkt.ip.len", 38},
		{"udp4", "pkt.ip.proto", 17},
		{"udp4", "pkt.ip.fragment", 0},
		{"udp4", "pkt.udp.sport * 10000 + pkt.udp.dport", 534000},
		{"udp4", "pkt.l4.dport", 4000},
		{"udp4", "pkt.udp.len", 18},
		{"udp4", "pkt.payload.len", 10},
		{"udp4", "pkt.payload.startswith(b\"GET \")", 1},
		{"udp4", "pkt.payload.startswith(b\"GET /index.html\")", 0},
		{"udp4", "pkt.payload.u32(0)", 0x47455420},
		{"udp4", "pkt.payload.u64(2)", 0x54202f696e646578},
		{"udp4", "pkt.payload.u64(3)", 0},
		{"udp4", "pkt.payload.u8(9)", 'x'},
		{"udp4", "pkt.payload.u8(10)", 0},
		{"udp4", "pkt.payload.u8(-1)", 0},
		{"udp4", "pkt.u16(12)", 0x800},
		{"udp4", "pkt.u32(49)", 0},
		{"udp4", "pkt.u8(51)", 'x'},
		{"udp4", "pkt.u8(0xffffffffffffffff)", 0},
		{"udp4", "not pkt.tcp and not pkt.ip6 and not pkt.vlan and not pkt.sctp and not pkt.icmp4", 1},
		{"udp4", "pkt.tcp.dport + pkt.ip6.flow + pkt.vlan.id + pkt.tcp.syn", 0},
		{"udp4", "pkt.ip6.src == ip6(\"::\")", 1},
		{"udp4", "1 if pkt.payload and pkt.l4 else 0", 1},
		{"tcp4", "pkt.tcp.sport * 10000 + pkt.tcp.dport", 12340443},
		{"tcp4", "pkt.tcp.seq", 0xdeadbeef},
		{"tcp4", "pkt.tcp.ack", 0x01020304},
		{"tcp4", "pkt.tcp.doff", 6},
		{"tcp4", "pkt.tcp.flags", 0x12},
		{"tcp4", "pkt.tcp.syn and pkt.tcp.ack_flag and not pkt.tcp.fin and not pkt.tcp.rst", 1},
		{"tcp4", "pkt.tcp.window", 512},
		{"tcp4", "pkt.payload.startswith(b\"hello\")", 1},
		{"udp6", "pkt.ip6.src == ip6(\"2001:db8::1\")", 1},
		{"udp6", "pkt.ip.dst == ip6(\"2001:db8::2\")", 1},
		{"udp6", "pkt.ip.dst in prefix6(\"2001:db8::/64\")", 1},
		{"udp6", "pkt.ip6.flow", 0xabcde},
		{"udp6", "pkt.ip6.dscp * 10 + pkt.ip.ecn", 461},
		{"udp6", "pkt.ip6.hop_limit * 1000 + pkt.ip.ttl", 63063},
		{"udp6", "pkt.ip6.next", 17},
		{"udp6", "pkt.ip.len", 51},
		{"udp6", "pkt.payload.len", 3},
		{"tcp6", "pkt.tcp.fin", 1},
		{"icmp4", "pkt.icmp4.type * 1000000 + pkt.icmp4.code * 10000 + pkt.icmp4.id * 10 + pkt.icmp4.seq", 8000775},
		{"icmp4", "not pkt.icmp6 and not pkt.l4", 1},
		{"icmp4", "pkt.payload.len", 4},
		{"icmp6", "pkt.icmp6.type * 1000000 + pkt.icmp6.id * 10 + pkt.icmp6.seq", 128000094},
		{"icmp6", "not pkt.icmp4", 1},
		{"icmp6", "pkt.payload.startswith(b\"ping\")", 1},
	} {
		t.Run(tc.frame+" "+tc.expr, func(t *testing.T) {
			if got := eval(t, "", "", "1 * ("+tc.expr+")", frames[tc.frame]); got != tc.want {
				t.Errorf("got %d (%#x), want %d (%#x)", got, got, tc.want, tc.want)
			}
		})
	}
}

// tagged puts tags between the addresses and the EtherType of a frame.
func tagged(frame []byte, tpid uint16, tci uint16) []byte {
	out := append([]byte(nil), frame[:12]...)
	out = binary.BigEndian.AppendUint16(out, tpid)
	out = binary.BigEndian.AppendUint16(out, tci)
	return append(out, frame[12:]...)
}

func change(frame []byte, off int, b ...byte) []byte {
	out := append([]byte(nil), frame...)
	copy(out[off:], b)
	return out
}

// seen is what the tests of the walk look at, as bits of one number.
const seen = `
def see(pkt):
    r = 0
    for i, there in enumerate((pkt.eth, pkt.vlan, pkt.vlan2, pkt.ip4, pkt.ip6, pkt.ip, pkt.tcp, pkt.udp, pkt.sctp, pkt.icmp4, pkt.icmp6, pkt.l4, pkt.payload)):
        if there:
            r |= 1 << i
    return r
`

func bitsOf(names ...string) (n uint64) {
	for i, name := range []string{"eth", "vlan", "vlan2", "ip4", "ip6", "ip", "tcp", "udp", "sctp", "icmp4", "icmp6", "l4", "payload"} {
		for _, want := range names {
			if name == want {
				n |= 1 << i
			}
		}
	}
	return n
}

// ext6 is an IPv6 frame with extension headers before a UDP header.
func ext6(t *testing.T, first byte, exts ...[]byte) []byte {
	f := udp6(t)
	out := append([]byte(nil), f[:54]...)
	n := 0
	for _, e := range exts {
		out = append(out, e...)
		n += len(e)
	}
	out = append(out, f[54:]...)
	out[20] = first
	binary.BigEndian.PutUint16(out[18:], binary.BigEndian.Uint16(f[18:])+uint16(n))
	return out
}

func opts6(next byte, units int) []byte {
	return append([]byte{next, byte(units)}, make([]byte, 6+units*8)...)
}

func fragment6(next byte, off uint16) []byte {
	return []byte{next, 0, byte(off >> 5), byte(off << 3), 0, 0, 0, 1}
}

func many6(n int) (out [][]byte) {
	for i := range n {
		next := byte(60)
		if i == n-1 {
			next = 17
		}
		out = append(out, opts6(next, 0))
	}
	return out
}

func TestWalk(t *testing.T) {
	u4, t4, u6 := udp4(t), tcp4(t), udp6(t)
	v4 := []string{"eth", "ip4", "ip"}
	v6 := []string{"eth", "ip6", "ip"}
	udp := []string{"udp", "l4", "payload"}
	with := func(a []string, b ...string) []string { return append(append([]string(nil), a...), b...) }
	sctp := build(t, eth(layers.EthernetTypeIPv4), ipv4(layers.IPProtocolSCTP), &layers.SCTP{SrcPort: 9, DstPort: 10, VerificationTag: 5})
	for _, tc := range []struct {
		name  string
		frame []byte
		want  []string
		proto uint64
		frag  bool
	}{
		{"udp", u4, with(v4, udp...), 17, false},
		{"tcp", t4, with(v4, "tcp", "l4", "payload"), 6, false},
		{"sctp", sctp, with(v4, "sctp", "l4", "payload"), 132, false},
		{"icmp4", icmp4(t), with(v4, "icmp4", "payload"), 1, false},
		{"icmp6", icmp6(t), with(v6, "icmp6", "payload"), 58, false},
		{"13 bytes", u4[:13], nil, 0, false},
		{"14 bytes", u4[:14], []string{"eth"}, 0, false},
		{"empty", nil, nil, 0, false},
		{"ip4 cut", u4[:33], []string{"eth"}, 0, false},
		{"ip4 whole", u4[:34], v4, 17, false},
		{"udp cut", u4[:41], v4, 17, false},
		{"udp whole", u4[:42], with(v4, udp...), 17, false},
		{"tcp options cut", t4[:57], v4, 6, false},
		{"tcp options whole", t4[:58], with(v4, "tcp", "l4", "payload"), 6, false},
		{"tcp doff 4", change(t4, 46, 0x40), v4, 6, false},
		{"version 6 in ip4", change(u4, 14, 0x65), []string{"eth"}, 0, false},
		{"ihl 4", change(u4, 14, 0x44), []string{"eth"}, 0, false},
		{"ihl past the frame", change(u4[:42], 14, 0x4f), []string{"eth"}, 0, false},
		{"ihl 6", change(u4, 14, 0x46), with(v4, udp...), 17, false},
		{"ip length ignored", change(u4, 16, 0, 20), with(v4, udp...), 17, false},
		{"first fragment", change(u4, 20, 0x20, 0), with(v4, udp...), 17, true},
		{"later fragment", change(u4, 20, 0x20, 1), v4, 17, true},
		{"last fragment", change(u4, 20, 0, 1), v4, 17, true},
		{"df", change(u4, 20, 0x40, 0), with(v4, udp...), 17, false},
		{"icmp6 over ip4", change(icmp4(t), 23, 58), v4, 58, false},
		{"icmp4 over ip6", change(icmp6(t), 20, 1), v6, 1, false},
		{"tag", tagged(u4, 0x8100, 5), with(v4, with(udp, "vlan")...), 17, false},
		{"two tags", tagged(tagged(u4, 0x8100, 5), 0x88a8, 6), with(v4, with(udp, "vlan", "vlan2")...), 17, false},
		{"two tags, other order", tagged(tagged(u4, 0x88a8, 5), 0x8100, 6), with(v4, with(udp, "vlan", "vlan2")...), 17, false},
		{"three tags", tagged(tagged(tagged(u4, 0x8100, 5), 0x8100, 6), 0x8100, 7), []string{"eth", "vlan", "vlan2"}, 0, false},
		{"tag cut", tagged(u4, 0x8100, 5)[:17], []string{"eth"}, 0, false},
		{"tag whole", tagged(u4, 0x8100, 5)[:18], []string{"eth", "vlan"}, 0, false},
		{"udp6", u6, with(v6, udp...), 17, false},
		{"ip6 cut", u6[:53], []string{"eth"}, 0, false},
		{"version 4 in ip6", change(u6, 14, 0x45), []string{"eth"}, 0, false},
		{"hop-by-hop", ext6(t, 0, opts6(17, 0)), with(v6, udp...), 17, false},
		{"hop, routing, destination", ext6(t, 0, opts6(43, 1), opts6(60, 0), opts6(17, 2)), with(v6, udp...), 17, false},
		{"AH", ext6(t, 51, append([]byte{17, 4}, make([]byte, 22)...)), with(v6, udp...), 17, false},
		{"atomic fragment", ext6(t, 44, fragment6(17, 0)), with(v6, udp...), 17, true},
		{"later fragment6", ext6(t, 44, fragment6(17, 1)), v6, 17, true},
		{"later fragment6 of options", ext6(t, 44, fragment6(60, 9), opts6(17, 0)), v6, 60, true},
		{"eight", ext6(t, 60, many6(8)...), with(v6, udp...), 17, false},
		{"nine", ext6(t, 60, many6(9)...), v6, 60, false},
		{"extension cut", ext6(t, 0, opts6(17, 0))[:61], v6, 0, false},
		{"extension of one byte", ext6(t, 0, opts6(17, 0))[:55], v6, 0, false},
		{"extension longer than the frame", change(ext6(t, 0, opts6(17, 0)), 55, 200), v6, 0, false},
		{"second extension cut", ext6(t, 0, opts6(43, 0), opts6(17, 0))[:65], v6, 43, false},
		{"fragment header cut", ext6(t, 44, fragment6(17, 0))[:60], v6, 44, false},
		{"esp", ext6(t, 50, opts6(17, 0)), v6, 50, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got, want := eval(t, seen, "", "see(pkt)", tc.frame), bitsOf(tc.want...); got != want {
				t.Errorf("seen %013b, want %013b (%v)", got, want, tc.want)
			}
			if got := eval(t, "", "", "pkt.ip.proto", tc.frame); got != tc.proto {
				t.Errorf("proto %d, want %d", got, tc.proto)
			}
			if got := eval(t, "", "", "1 * pkt.ip.fragment", tc.frame); got == 1 != tc.frag {
				t.Errorf("fragment %d, want %v", got, tc.frag)
			}
		})
	}
}

func TestTags(t *testing.T) {
	f := tagged(tagged(udp4(t), 0x8100, 0x7005), 0x88a8, 0xb00a)
	for expr, want := range map[string]uint64{
		"pkt.eth.type": 0x88a8, "pkt.vlan.type": 0x8100, "pkt.vlan2.type": 0x800,
		"pkt.vlan.id": 10, "pkt.vlan.prio": 5, "pkt.vlan.dei": 1,
		"pkt.vlan2.id": 5, "pkt.vlan2.prio": 3, "pkt.vlan2.dei": 1,
		"pkt.udp.dport": 4000, "pkt.len": 60,
	} {
		if got := eval(t, "", "", "1 * "+expr, f); got != want {
			t.Errorf("%s = %#x, want %#x", expr, got, want)
		}
	}
}

// The payload ends at the IP length or the frame's end.
func TestPayload(t *testing.T) {
	u4, u6 := udp4(t), udp6(t)
	for _, tc := range []struct {
		name  string
		frame []byte
		want  uint64
	}{
		{"whole", u4, 10},
		{"padded", append(append([]byte(nil), u4...), 0, 0, 0, 0), 10},
		{"cut", u4[:45], 3},
		{"ip length shorter", change(u4, 16, 0, 30), 2},
		{"ip length before the payload", change(u4, 16, 0, 20), 0},
		{"ip6 padded", append(append([]byte(nil), u6...), 0, 0), 3},
		{"ip6 length 0", change(u6, 18, 0, 0), 0},
		{"no l4", change(u4, 23, 200), 0},
		{"udp length ignored", change(u4, 38, 0, 9), 10},
		{"tcp options", tcp4(t), 5},
	} {
		if got := eval(t, "", "", "pkt.payload.len", tc.frame); got != tc.want {
			t.Errorf("%s: payload of %d bytes, want %d", tc.name, got, tc.want)
		}
	}
	if got := eval(t, "", "", "pkt.payload.u16(2)", change(u4, 16, 0, 31)); got != 0 {
		t.Errorf("a read over the end gives %#x, want 0", got)
	}
}

func TestIPv4Options(t *testing.T) {
	ip := ipv4(layers.IPProtocolUDP)
	ip.Options = []layers.IPv4Option{{OptionType: 1}, {OptionType: 1}, {OptionType: 1}, {OptionType: 1}}
	ip.Flags, ip.FragOffset = layers.IPv4MoreFragments|layers.IPv4DontFragment, 0
	f := build(t, eth(layers.EthernetTypeIPv4), ip, &layers.UDP{SrcPort: 53, DstPort: 4000}, gopacket.Payload("x"))
	for expr, want := range map[string]uint64{
		"pkt.ip4.ihl": 6, "pkt.udp.dport": 4000, "pkt.ip4.mf": 1, "pkt.ip4.df": 1, "pkt.ip.fragment": 1, "pkt.payload.len": 1,
	} {
		if got := eval(t, "", "", "1 * "+expr, f); got != want {
			t.Errorf("%s = %d, want %d", expr, got, want)
		}
	}
	if got := eval(t, "", "", "pkt.ip4.frag_off", change(f, 20, 0x20, 185)); got != 1480 {
		t.Errorf("frag_off = %d, want 1480", got)
	}
}
