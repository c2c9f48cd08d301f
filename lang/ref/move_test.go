package ref

import (
	"bytes"
	"slices"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

func TestMoves(t *testing.T) {
	f := build(t, eth(layers.EthernetTypeIPv4), ipv4(layers.IPProtocolUDP), &layers.UDP{SrcPort: 1, DstPort: 2}, gopacket.Payload("abcdef"))
	tagged := slices.Concat(f[:12], []byte{0x81, 0, 0x60, 0x05}, f[12:])
	for _, x := range []struct {
		call      string
		in, want  []byte
		done      uint64
		mentioned string
	}{
		{"push(3)", f, slices.Concat([]byte{0, 0, 0}, f), 1, ""},
		{"push(128)", f, slices.Concat(make([]byte, 128), f), 1, ""},
		{"push(pkt.u8(0) + 129)", f, f, 0, ""},
		{"pop(5)", f, f[5:], 1, ""},
		{"pop(pkt.len - 14)", f, f[len(f)-14:], 1, ""},
		{"pop(pkt.len - 13)", f, f, 0, ""},
		{"trim(6)", f, f[:len(f)-6], 1, ""},
		{"trim(pkt.len - 14)", f, f[:14], 1, ""},
		{"trim(pkt.len - 14)", tagged, tagged, 0, "a tag is not cut into"},
		{"trim(pkt.len - 18)", tagged, tagged[:18], 1, ""},
		{"vlan_push(5, prio = 3)", f, tagged, 1, ""},
		{"vlan_push(4096 + pkt.len * 0 + 5, 11)", f, tagged, 1, "low bits"},
		{"vlan_pop()", tagged, f, 1, ""},
		{"vlan_pop()", f, f, 0, ""},
	} {
		c := (&world{}).open(t, "def main(pkt):\n    count(\"done\", pkt."+x.call+" + 0)\n")
		r := run(t, c, x.in)
		if !bytes.Equal(r.Frame, x.want) || r.Counts["done"] != x.done {
			t.Errorf("%s of %x (%s): done %d, %x, want %d, %x", x.call, x.in, x.mentioned, r.Counts["done"], r.Frame, x.done, x.want)
		}
	}
}
