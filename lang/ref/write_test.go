package ref

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// onesSum is the sum of RFC 1071 over parts, of even length but for the last.
func onesSum(parts ...[]byte) uint16 {
	var sum uint32
	for _, p := range parts {
		for i := 0; i < len(p); i += 2 {
			w := uint32(p[i]) << 8
			if i+1 < len(p) {
				w |= uint32(p[i+1])
			}
			sum += w
		}
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}

// verify recomputes every checksum of a frame that has no tag and no extension
// header: sums over what is covered, the checksum with it, are all ones.
func verify(t *testing.T, f []byte) {
	t.Helper()
	ip := f[14:]
	var pseudo, l4 []byte
	var proto byte
	if ip[0]>>4 == 4 {
		if onesSum(ip[:20]) != 0xffff {
			t.Errorf("IPv4 header checksum %x is wrong: %x", ip[10:12], ip[:20])
		}
		proto, l4 = ip[9], ip[20:]
		pseudo = append(append([]byte(nil), ip[12:20]...), 0, proto)
	} else {
		proto, l4 = ip[6], ip[40:]
		pseudo = append(append([]byte(nil), ip[8:40]...), 0, proto)
	}
	if proto == 1 {
		pseudo = nil
	} else {
		pseudo = binary.BigEndian.AppendUint16(pseudo, uint16(len(l4)))
	}
	if proto == 17 && l4[6] == 0 && l4[7] == 0 {
		return
	}
	if onesSum(pseudo, l4) != 0xffff {
		t.Errorf("checksum of protocol %d is wrong in %x", proto, l4)
	}
}

func TestWrites(t *testing.T) {
	type frame = []byte
	at := func(off int, b ...byte) func(frame) frame { return func(f frame) frame { return change(f, off, b...) } }
	u4, t4, u6, t6, i4, i6 := udp4(t), tcp4(t), udp6(t), tcp6(t), icmp4(t), icmp6(t)
	same := func(f frame) frame { return f }
	for _, tc := range []struct {
		name, body string
		frame      frame
		want       func(frame) frame // but for checksums
	}{
		{"eth", "pkt.eth.src, pkt.eth.dst = pkt.eth.dst, pkt.eth.src", u4, at(0, 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2)},
		{"ip4.src", "pkt.ip4.src = ip4(\"10.1.2.3\")", u4, at(26, 10, 1, 2, 3)},
		{"ip4.src tcp", "pkt.ip4.src = ip4(\"10.1.2.3\")", t4, at(26, 10, 1, 2, 3)},
		{"ip4.dst icmp", "pkt.ip4.dst = ip4(0xff000001)", i4, at(30, 255, 0, 0, 1)},
		{"ip.src", "pkt.ip.src = pkt.ip.dst", t4, at(26, 198, 51, 100, 7)},
		{"ip.src constant", "pkt.ip.src = ip4(\"10.1.2.3\")", t4, at(26, 10, 1, 2, 3)},
		{"ip.src of the other family", "pkt.ip.src = ip(\"2001:db8::9\")", t4, same},
		{"ip.src of the other family, 6", "pkt.ip.src = ip(\"10.0.0.1\")", t6, same},
		{"ip6.src", "pkt.ip6.src = ip6(\"2001:db8::ff:1\")", u6, at(35, 0xff, 0, 1)},
		{"ip6.dst tcp", "pkt.ip6.dst = ip6(\"fe80::1\")", t6, at(38, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)},
		{"ip.dst icmp6", "pkt.ip.dst = ip6(\"fe80::1\")", i6, at(38, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)},
		{"ttl", "pkt.ip4.ttl -= 1", u4, at(22, 63)},
		{"ip.ttl", "pkt.ip.ttl = 5", u4, at(22, 5)},
		{"ip.ttl 6", "pkt.ip.ttl -= 1", u6, at(21, 62)},
		{"hop_limit wraps", "pkt.ip6.hop_limit += 200", u6, at(21, 7)},
		{"dscp", "pkt.ip4.dscp = 10", u4, at(15, 10<<2|1)},
		{"ecn", "pkt.ip.ecn = 3", u4, at(15, 0xbb)},
		{"dscp 6", "pkt.ip.dscp = 10", u6, at(14, 0x62, 0x9a)},
		{"ecn 6", "pkt.ip6.ecn = 2", u6, at(14, 0x6b, 0xaa)},
		{"flow", "pkt.ip6.flow = 0x123456", u6, at(15, 0x92, 0x34, 0x56)},
		{"id", "pkt.ip4.id = 0x11234", u4, at(18, 0x12, 0x34)},
		{"frag_off", "pkt.ip4.frag_off = 1487", u4, at(20, 0, 185)},
		{"flags", "pkt.ip4.mf = True\n    pkt.ip4.df = 1", u4, at(20, 0x60, 0)},
		{"ports", "pkt.udp.sport, pkt.udp.dport = pkt.udp.dport, pkt.udp.sport", u4, at(34, 4000>>8, 4000&255, 0, 53)},
		{"l4 ports", "pkt.l4.dport = 8080", t4, at(36, 8080>>8, 8080&255)},
		{"udp6 port", "pkt.udp.dport += 1", u6, at(56, 4001>>8, 4001&255)},
		{"seq", "pkt.tcp.seq += 0x30000000\n    pkt.tcp.ack = 1", t4, at(38, 0x0e, 0xad, 0xbe, 0xef, 0, 0, 0, 1)},
		{"tcp flags", "pkt.tcp.syn = False\n    pkt.tcp.rst = True\n    pkt.tcp.cwr = True", t4, at(47, 0x94)},
		{"tcp flag beside the data offset", "pkt.tcp.ae = True", t4, at(46, 0x61)},
		{"tcp flags at once", "pkt.tcp.flags |= 0x29", t4, at(47, 0x3b)},
		{"window", "pkt.tcp.window = 65535", t4, at(48, 255, 255)},
		{"icmp", "pkt.icmp4.type = 0\n    pkt.icmp4.id += 1\n    pkt.icmp4.seq = 9", i4, at(34, 0, 0, 0, 0, 0, 78, 0, 9)},
		{"icmp6", "pkt.icmp6.type = 129\n    pkt.icmp6.code = 1", i6, at(54, 129, 1)},
		{"absent", "pkt.tcp.dport = 80\n    pkt.vlan.id = 5\n    pkt.ip6.src = ip6(\"::1\")\n    pkt.icmp4.id = 1", u4, same},
		{"same value", "pkt.ip4.ttl = 64\n    pkt.udp.sport = 53", u4, same},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := (&world{}).open(t, "def main(pkt):\n    "+tc.body+"\n")
			before := append([]byte(nil), tc.frame...)
			r := run(t, c, tc.frame)
			verify(t, tc.frame)
			verify(t, r.Frame)
			if !bytes.Equal(tc.frame, before) {
				t.Fatal("the frame that went in was changed")
			}
			if got, want := blank(r.Frame), blank(tc.want(tc.frame)); !bytes.Equal(got, want) {
				t.Errorf("frame\n got %x\nwant %x", got, want)
			}
		})
	}
}

// blank is a frame without its checksums.
func blank(f []byte) []byte {
	l := walk(f, true)
	out := append([]byte(nil), f...)
	if l.ip4 != absent {
		copy(out[l.ip4+10:], []byte{0, 0})
	}
	if l.l4 != absent {
		copy(out[l.l4+checksums[l.l4kind]:], []byte{0, 0})
	}
	return out
}

func TestChecksumForms(t *testing.T) {
	write := func(body string, f []byte) []byte {
		return run(t, (&world{}).open(t, "def main(pkt):\n    "+body+"\n"), f).Frame
	}
	for name, f := range map[string][]byte{"4": change(udp4(t), 40, 0, 0), "6": change(udp6(t), 60, 0, 0)} {
		got := write("pkt.udp.dport = 1\n    pkt.ip.src = pkt.ip.dst", f)
		if l := walk(got, true); got[l.l4+6] != 0 || got[l.l4+7] != 0 {
			t.Errorf("IPv%s: a UDP checksum of 0 became %x", name, got[l.l4+6:][:2])
		}
	}
	// ~HC + ~m + m' = 0xffff: ~0xfffe + ~0x0035 + 0x0033 = 1 + 0xffca + 0x33
	// = 0xfffe, so that HC' = 1; with m' = 0x34 it would be 0.
	f := change(udp4(t), 40, 0xff, 0xfe)
	if got := write("pkt.udp.sport = 51", f)[40:42]; !bytes.Equal(got, []byte{0, 1}) {
		t.Errorf("got %x, want 0001", got)
	}
	if got := write("pkt.udp.sport = 52", f)[40:42]; !bytes.Equal(got, []byte{0xff, 0xff}) {
		t.Errorf("a UDP checksum that becomes 0: got %x, want ffff", got)
	}
	// The same for TCP, which keeps 0: sport 1234 to 1233.
	if got := write("pkt.tcp.sport = 1233", change(tcp4(t), 50, 0xff, 0xfe))[50:52]; !bytes.Equal(got, []byte{0, 0}) {
		t.Errorf("a TCP checksum that becomes 0: got %x, want 0000", got)
	}
	// A wrong checksum stays as wrong as it was.
	wrong := change(tcp4(t), 50, 0x12, 0x34)
	diff := func(f []byte) uint16 { return onesSum(f[26:34], []byte{0, 6, 0, byte(len(f) - 34)}, f[34:]) }
	if got := write("pkt.tcp.dport = 80", wrong); diff(got) != diff(wrong) {
		t.Errorf("sum of a wrong checksum %x, want %x", diff(got), diff(wrong))
	}
	// Header lengths and protocols do not touch the pseudo header.
	got := write("pkt.ip4.proto = 6\n    pkt.ip4.len = 99", udp4(t))
	if !bytes.Equal(got[34:], udp4(t)[34:]) || onesSum(got[14:34]) != 0xffff || got[23] != 6 || got[17] != 99 {
		t.Errorf("proto and len: %x", got)
	}
	if got := write("pkt.ip4.src = ip4(\"1.1.1.1\")", change(udp4(t), 20, 0, 5)); !bytes.Equal(got[34:], udp4(t)[34:]) {
		t.Errorf("a later fragment has no checksum to change: %x", got[34:])
	}
}

func TestWriteTags(t *testing.T) {
	f := tagged(tagged(udp4(t), 0x8100, 0x7005), 0x88a8, 0xb00a)
	c := (&world{}).open(t, strings.Join([]string{"def main(pkt):", "pkt.vlan.id = 0x1fff", "pkt.vlan.prio = 1", "pkt.vlan2.dei = False", "pkt.vlan2.type = 0x86dd"}, "\n    "))
	got := run(t, c, f).Frame
	if want := change(change(f, 14, 0x3f, 0xff), 18, 0x60, 0x05, 0x86, 0xdd); !bytes.Equal(got, want) {
		t.Errorf("got %x\nwant %x", got[12:22], want[12:22])
	}
}

func TestWriteSCTP(t *testing.T) {
	f := build(t, eth(layers.EthernetTypeIPv4), ipv4(layers.IPProtocolSCTP), &layers.SCTP{SrcPort: 9, DstPort: 10, VerificationTag: 5}, gopacket.Payload("abc"))
	c := (&world{}).open(t, "def main(pkt):\n    pkt.l4.sport = 7\n    count(\"r\", pkt.sctp.sport * 100 + pkt.sctp.dport * 10 + pkt.sctp.tag)\n")
	if r := run(t, c, f); !bytes.Equal(r.Frame, f) || r.Counts["r"] != 1005 {
		t.Errorf("frame %x, counts %v", r.Frame, r.Counts)
	}
}

// A field that says what follows changes what pkt.X finds; a view stays.
func TestWriteStructure(t *testing.T) {
	c := (&world{}).open(t, `
def main(pkt):
    t, i, p = pkt.tcp, pkt.ip, pkt.payload
    pkt.ip4.proto = 253
    count("found", 1 * (not pkt.tcp and not pkt.l4 and not pkt.payload))
    count("proto", i.proto)
    count("kept", 1 if t and t.dport == 443 and p.len == 5 else 0)
    t.dport = 80
    pkt.ip4.proto = 6
    count("again", pkt.tcp.dport)
    pkt.ip4.frag_off = 8
    count("fragment", 1 if i.fragment and not pkt.tcp else 0)
    pkt.ip4.src = ip4("10.0.0.1")
    pkt.ip4.frag_off = 0
    pkt.ip4.len -= 2
    count("payload", pkt.payload.len * 10 + p.len)
    pkt.ip4.len += 2
    pkt.eth.type = 0x86dd
    count("ip", 1 if not pkt.ip4 and not pkt.ip and t else 0)
    pkt.eth.type = 0x800
`)
	r := run(t, c, tcp4(t))
	want := map[string]uint64{"found": 1, "proto": 253, "kept": 1, "again": 80, "fragment": 1, "payload": 35, "ip": 1}
	if d := cmp.Diff(want, r.Counts); d != "" {
		t.Error(d)
	}
	// The address was changed while the TCP header was out of reach.
	if onesSum(r.Frame[14:34]) != 0xffff {
		t.Errorf("IPv4 checksum: %x", r.Frame[14:34])
	}
	back := change(r.Frame, 26, 192, 0, 2, 1)
	if onesSum(back[26:34], []byte{0, 6, 0, byte(len(back) - 34)}, back[34:]) != 0xffff {
		t.Errorf("TCP checksum: %x", back[34:])
	}
}
