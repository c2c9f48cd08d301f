package ref

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// What is answered, and how: the answers are decoded, and their checksums
// computed anew.
func TestReject(t *testing.T) {
	syn := func(l *layers.TCP) *layers.TCP { l.SrcPort, l.DstPort, l.Seq, l.SYN = 4000, 80, 7, true; return l }
	echo6 := build(t, eth(layers.EthernetTypeIPv6), ipv6(layers.IPProtocolICMPv6),
		&layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(128, 0)}, &layers.ICMPv6Echo{Identifier: 1})
	group := build(t, eth(layers.EthernetTypeIPv4), ipv4(layers.IPProtocolUDP), &layers.UDP{SrcPort: 1, DstPort: 2})
	group[30] = 230 // its destination
	for _, x := range []struct {
		name  string
		frame []byte
		want  string // "" for no answer
	}{
		{"syn", build(t, eth(layers.EthernetTypeIPv4), ipv4(layers.IPProtocolTCP), syn(&layers.TCP{})), "reset 0 8"},
		{"syn with data", build(t, eth(layers.EthernetTypeIPv6), ipv6(layers.IPProtocolTCP), syn(&layers.TCP{}), gopacket.Payload("abc")), "reset 0 11"},
		{"acknowledgement", build(t, eth(layers.EthernetTypeIPv4), ipv4(layers.IPProtocolTCP), &layers.TCP{ACK: true, Ack: 99}), "reset 99 0"},
		{"reset", build(t, eth(layers.EthernetTypeIPv4), ipv4(layers.IPProtocolTCP), &layers.TCP{RST: true}), ""},
		{"udp", build(t, eth(layers.EthernetTypeIPv4), ipv4(layers.IPProtocolUDP), &layers.UDP{SrcPort: 1, DstPort: 2}, gopacket.Payload("hello")), "icmp 3 13"},
		{"echo", echo6, "icmp 1 1"},
		{"unreachable", build(t, eth(layers.EthernetTypeIPv4), ipv4(layers.IPProtocolICMPv4), &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(3, 1)}), ""},
		{"to a group", group, ""},
		{"no ip", append(group[:12:12], make([]byte, 30)...), ""},
	} {
		r := run(t, (&world{}).open(t, "def main(pkt):\n    return reject()\n"), x.frame)
		if x.want == "" {
			if r.Verdict != "DROP" || !bytes.Equal(r.Frame, x.frame) {
				t.Errorf("%s: %s, want a DROP of the packet as it was", x.name, r.Verdict)
			}
			continue
		}
		if r.Verdict != "REJECT" {
			t.Errorf("%s: %s, want REJECT", x.name, r.Verdict)
			continue
		}
		verify(t, r.Frame)
		if got := described(r.Frame); got != x.want {
			t.Errorf("%s: answered by %q, want %q", x.name, got, x.want)
		}
		if !bytes.Equal(r.Frame[:6], x.frame[6:12]) || !bytes.Equal(r.Frame[6:12], x.frame[:6]) {
			t.Errorf("%s: from %x to %x", x.name, r.Frame[6:12], r.Frame[:6])
		}
	}
}

// described is what an answer says.
func described(f []byte) string {
	p := gopacket.NewPacket(f, layers.LayerTypeEthernet, gopacket.Default)
	if t, ok := p.Layer(layers.LayerTypeTCP).(*layers.TCP); ok && t.RST {
		return fmt.Sprintf("reset %d %d", t.Seq, t.Ack)
	}
	if i, ok := p.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4); ok {
		return fmt.Sprintf("icmp %d %d", i.TypeCode.Type(), i.TypeCode.Code())
	}
	if i, ok := p.Layer(layers.LayerTypeICMPv6).(*layers.ICMPv6); ok {
		return fmt.Sprintf("icmp %d %d", i.TypeCode.Type(), i.TypeCode.Code())
	}
	return "nothing"
}
