package traffic

import (
	"slices"
	"testing"

	"weir/hook"
	"weir/lab"
)

// moveChains move the packet, and what should have become of a frame. A bridge
// drops an IP packet that is not whole: what is trimmed is a trailer.
var moveChains = []struct {
	name, source string
	trailer      int
	change       func(f []byte, n line) []byte
}{
	{"vlan_pop", `pkt.vlan_pop()`, 0, func(f []byte, _ line) []byte { return popTag(f) }},
	{"vlan_pop twice", "if pkt.vlan_pop():\n        pkt.vlan_pop()", 0, func(f []byte, _ line) []byte { return popTag(popTag(f)) }},
	{"vlan_push", `pkt.vlan_push(0x123, prio = 5)`, 0, func(f []byte, _ line) []byte { return pushTag(f, 0xa123) }},
	{"vlan_push twice", "pkt.vlan_push(1)\n    pkt.vlan_push(2)", 0, func(f []byte, _ line) []byte { return pushTag(pushTag(f, 1), 2) }},
	{"another tag", "pkt.vlan_pop()\n    pkt.vlan_push(99)", 0, func(f []byte, _ line) []byte { return pushTag(popTag(f), 99) }},
	{"trim", `pkt.trim(5)`, 5, func(f []byte, _ line) []byte { return f[:len(f)-5] }},
	{"push of a header", "pkt.push(14)\n    pkt.eth.dst, pkt.eth.src = mac(\"DST\"), mac(\"SRC\")\n    pkt.eth.type = 0x6558", 0,
		func(f []byte, n line) []byte { return slices.Concat(n.c.MAC, n.a.MAC, []byte{0x65, 0x58}, f) }},
	{"push of 3", "pkt.push(3)\n    pkt.eth.dst, pkt.eth.src = mac(\"DST\"), mac(\"SRC\")", 0,
		func(f []byte, n line) []byte { return overlaid(slices.Concat(make([]byte, 3), f), n) }},
	{"push of 8", "pkt.push(8)\n    pkt.eth.dst, pkt.eth.src = mac(\"DST\"), mac(\"SRC\")", 0,
		func(f []byte, n line) []byte { return overlaid(slices.Concat(make([]byte, 8), f), n) }},
	{"pop of 4", "pkt.pop(4)\n    pkt.eth.dst, pkt.eth.src = mac(\"DST\"), mac(\"SRC\")", 0,
		func(f []byte, n line) []byte { return overlaid(f[4:], n) }},
	{"pop of 9", "pkt.pop(9)\n    pkt.eth.dst, pkt.eth.src = mac(\"DST\"), mac(\"SRC\")", 0,
		func(f []byte, n line) []byte { return overlaid(f[9:], n) }},
	{"push and pop", "pkt.push(6)\n    pkt.pop(6)", 0, func(f []byte, _ line) []byte { return f }},
	{"all", "pkt.vlan_push(7)\n    pkt.push(4)\n    pkt.pop(4)\n    pkt.vlan_pop()\n    pkt.trim(1)\n    pkt.ip.ttl = pkt.ip.ttl", 1,
		func(f []byte, _ line) []byte { return f[:len(f)-1] }},
}

func popTag(f []byte) []byte {
	if t := f[12:14]; !slices.Equal(t, []byte{0x81, 0}) && !slices.Equal(t, []byte{0x88, 0xa8}) {
		return f
	}
	return slices.Concat(f[:12], f[16:])
}

func pushTag(f []byte, tci uint16) []byte {
	return slices.Concat(f[:12], []byte{0x81, 0, byte(tci >> 8), byte(tci)}, f[12:])
}

func overlaid(f []byte, n line) []byte { return slices.Concat(n.c.MAC, n.a.MAC, f[12:]) }

// TestMoves moves what goes over a bridge, with its tags beside the packet at tc.
func TestMoves(t *testing.T) {
	for i, h := range hook.Frames() {
		t.Run(h.String(), func(t *testing.T) {
			n := bridged(t, 0)
			in := capture(t, n.c)
			for _, m := range moveChains {
				t.Run(m.name, func(t *testing.T) {
					c := run(t, text("def main(pkt):\n    if pkt.l4.dport != 4242:\n        return PASS\n    SOURCE\n    count(\"moved\")\n    return PASS\n",
						"SOURCE", m.source, "DST", n.c.MAC, "SRC", n.a.MAC), bridgePlaces(n)[i])
					for _, x := range taggings {
						for _, f := range families {
							t.Run(x.name+"/"+f.name, func(t *testing.T) {
								p := probe(n.a, n.c, f, pattern(60))
								p.tags = x.tags
								before := c.count("moved")
								frame := p.frame(t)
								if h != hook.TCEgress { // behind the bridge
									frame = append(frame, make([]byte, m.trailer)...)
								}
								send(t, n.a, frame)
								sameFrame(t, in, m.change(frame, n))
								if c.count("moved") != before+1 {
									t.Error("the chain has not moved it")
								}
							})
						}
					}
				})
			}
		})
	}
}

// TestMovesMerged carries bulk TCP over a line on which every packet has a tag, put
// on and taken off by chains: packets are as large as the stack makes them.
func TestMovesMerged(t *testing.T) {
	const push = "def main(pkt):\n    if pkt.tcp:\n        pkt.vlan_push(77)\n        if pkt.len > 5000:\n            count(\"merged\")\n    return PASS\n"
	const pop = "def main(pkt):\n    if pkt.vlan.id == 77 and pkt.vlan_pop() and pkt.tcp:\n        count(\"popped\")\n    return PASS\n"
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			a, b := pair(t, lab.LinkOptions{})
			out := run(t, push, place{at: a, hook: hook.TCEgress})
			in := run(t, pop, place{at: b, hook: hook.TCIngress})
			sendStream(t, a, b, f, pattern(8<<20))
			if out.count("merged") == 0 || in.count("popped") == 0 {
				t.Errorf("%d merged packets got a tag, of %d packets it was taken", out.count("merged"), in.count("popped"))
			}
		})
	}
}
