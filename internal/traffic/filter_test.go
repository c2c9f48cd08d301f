package traffic

import (
	"fmt"
	"strings"
	"testing"

	"weir/hook"
	"weir/lang/pcap"
	"weir/lang/ref"
)

// tagFilters look at tags, behind them, and at octets here and there.
var tagFilters = []string{
	"vlan", "vlan 100", "vlan 200", "vlan and vlan", "vlan and udp port 4242", "vlan and vlan and tcp dst port 4242",
	"vlan and host 192.0.2.1", "vlan and ip6", "not vlan", "udp port 4242", "tcp or udp", "ip or ip6", "vlan and ether[14:2] = 0x0064",
	"ether[12:2] = 0x8100", "ether[14:2] & 0xfff = 100", "ether[10:4] & 0xffff = 0x88a8", "ether[16:2] = 0x8100", "len > 80", "len = 74",
	"ether[(ether[0] & 1) + 12:2] = 0x8100", "ether[(ether[0] & 1) + 11:4] & 0xffff = 0xa888", "ether[(ether[0] & 1) + 15:2] = 0x6408",
	"ether[(ether[0] & 1) + 16:2] = 0x0800", "ether[ether[17] + 2] > 0", "ether[len - 1] > 0", "ether[len - 4:4] > 0", "ether[len - 3:4] > 0",
	"vlan and ip[ip[0] & 0xf] > 0", "ether host 02:00:00:00:00:01", "ether[60] > 16 and vlan",
}

// Filters hold for tagged frames as they were on the wire, also where the kernel has
// moved the outer tag beside the packet.
func TestTagsFiltered(t *testing.T) {
	var b strings.Builder
	for i, f := range tagFilters {
		fmt.Fprintf(&b, "f%d = pcap_filter(%q)\n", i, f)
	}
	b.WriteString("def main(pkt):\n    if pkt.l4.dport != 4242:\n        return PASS\n")
	for i := range tagFilters {
		fmt.Fprintf(&b, "    if f%d(pkt):\n        count(\"%d\")\n", i, i)
	}
	for i, h := range hook.Frames() {
		t.Run(h.String(), func(t *testing.T) {
			n := bridged(t, 0)
			c := run(t, b.String(), bridgePlaces(n)[i])
			in := capture(t, n.c)
			for _, x := range taggings {
				for _, f := range families {
					p := probe(n.a, n.c, f, append([]byte("weir"), pattern(24)...))
					p.tags = x.tags
					t.Run(x.name+"/"+f.name, func(t *testing.T) {
						tagsFiltered(t, c, p.frame(t), func(f []byte) { send(t, n.a, f); sameFrame(t, in, f) })
					})
				}
			}
		})
	}
}

func tagsFiltered(t *testing.T, c *chain, frame []byte, pass func([]byte)) {
	before := make([]uint64, len(tagFilters))
	for i := range tagFilters {
		before[i] = c.count(fmt.Sprint(i))
	}
	pass(frame)
	held := 0
	for i, text := range tagFilters {
		f, err := pcap.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		got, want := c.count(fmt.Sprint(i))-before[i] == 1, ref.FilterHolds(f, frame, true)
		if got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
		if want {
			held++
		}
	}
	if held < 4 {
		t.Errorf("%d filters held", held)
	}
}
