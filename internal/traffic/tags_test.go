package traffic

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"weir/hook"
	"weir/lab"
)

// tagReads notes all that it can read of packets for port 4242: every octet of
// the frame in every width, and what the tags say.
const tagReads = `
w8  = array(u64, size = 112)
w16 = array(u64, size = 112)
w32 = array(u64, size = 112)
w64 = array(u64, size = 112)
f   = array(u64, size = 24)

def main(pkt):
    if pkt.l4.dport != 4242:
        return PASS
    for i in range(112):
        w8[i]  = pkt.u8(i)
        w16[i] = pkt.u16(i)
        w32[i] = pkt.u32(i)
        w64[i] = pkt.u64(i)
    f[0] = pkt.len
    f[1] = pkt.eth.type
    if pkt.vlan:
        f[2] = 1
    f[3], f[4], f[5], f[6] = pkt.vlan.id, pkt.vlan.prio, pkt.vlan.dei + 0, pkt.vlan.type
    if pkt.vlan2:
        f[7] = 1
    f[8], f[9], f[10], f[11] = pkt.vlan2.id, pkt.vlan2.prio, pkt.vlan2.dei + 0, pkt.vlan2.type
    f[12], f[13], f[14] = pkt.payload.len, pkt.payload.u8(0), pkt.ip.ttl
    f[15], f[16], f[17] = pkt.u16(12), pkt.u32(14), pkt.u64(10)
    f[18], f[19], f[20] = pkt.u16(11), pkt.u32(13), pkt.u64(15)
    if pkt.eth.src == mac("SRC") and pkt.eth.dst == mac("DST") and pkt.payload.startswith(b"weir"):
        f[21] = 1
    count("seen")
    return PASS
`

// taggings are the ways in which frames are tagged.
var taggings = []struct {
	name string
	tags []tag
}{
	{"untagged", nil},
	{"802.1Q", []tag{{0x8100, 0x0064}}},
	{"802.1Q priority and dei", []tag{{0x8100, 0xbffe}}},
	{"802.1Q id 0", []tag{{0x8100, 0xe000}}},
	{"802.1ad", []tag{{0x88a8, 0x50c8}}},
	{"802.1ad and 802.1Q", []tag{{0x88a8, 0x2064}, {0x8100, 0x712c}}},
	{"twice 802.1Q", []tag{{0x8100, 0x0001}, {0x8100, 0xffff}}},
}

// bridgePlaces are where a chain on a bridged line sees what goes from a to c.
func bridgePlaces(n line) []place {
	return []place{
		{at: n.m0, hook: hook.XDP}, {at: n.m0, hook: hook.TCIngress}, {at: n.m1, hook: hook.TCEgress},
	}
}

// TestTagsRead sends tagged frames over a bridge. At tc the kernel has moved the
// outer tag beside the packet; the chain reads the frame of the wire.
func TestTagsRead(t *testing.T) {
	for i, h := range hook.Frames() {
		t.Run(h.String(), func(t *testing.T) {
			n := bridged(t, 0)
			c := run(t, text(tagReads, "SRC", n.a.MAC, "DST", n.c.MAC), bridgePlaces(n)[i])
			in := capture(t, n.c)
			for _, x := range taggings {
				for _, f := range families {
					for _, proto := range []byte{protoUDP, protoTCP} {
						t.Run(fmt.Sprintf("%s/%s/%d", x.name, f.name, proto), func(t *testing.T) {
							p := probe(n.a, n.c, f, append([]byte("weir"), pattern(24)...))
							p.tags, p.proto = x.tags, proto
							tagsRead(t, c, n.a, in, p)
						})
					}
				}
			}
		})
	}
}

func tagsRead(t *testing.T, c *chain, from lab.Iface, in *lab.Capture, p packet) {
	f := p.frame(t)
	before := c.count("seen")
	for i := range uint32(24) {
		if err := must(c.Map("f"))(t).Put(fmt.Sprint(i), "0"); err != nil {
			t.Fatal(err)
		}
	}
	send(t, from, f)
	sameFrame(t, in, f)
	if n := c.count("seen") - before; n != 1 {
		t.Fatalf("seen %d times, want 1", n)
	}
	for name, width := range map[string]int{"w8": 1, "w16": 2, "w32": 4, "w64": 8} {
		for off, got := range c.array(name) {
			if want := wire(f, off, width); got != want {
				t.Errorf("%s at %d: %#x, want %#x", name, off, got, want)
			}
		}
	}
	want := make([]uint64, 24)
	want[0], want[1] = uint64(len(f)), wire(f, 12, 2)
	for i, g := range p.tags {
		tci := uint64(g.tci)
		copy(want[2+5*i:], []uint64{1, tci & 0xfff, tci >> 13, tci >> 12 & 1, wire(f, 16+4*i, 2)})
	}
	want[12], want[13], want[14] = uint64(len(p.payload)), uint64(p.payload[0]), 64
	want[15], want[16], want[17] = wire(f, 12, 2), wire(f, 14, 4), wire(f, 10, 8)
	want[18], want[19], want[20] = wire(f, 11, 2), wire(f, 13, 4), wire(f, 15, 8)
	want[21] = 1
	if d := cmp.Diff(want, c.array("f")); d != "" {
		t.Errorf("fields (-want +got):\n%s", d)
	}
}

// capture watches what arrives at an interface, MAC addresses of tests only.
func capture(t *testing.T, i lab.Iface) *lab.Capture {
	t.Helper()
	return captureOf(t, i, i.MAC)
}

// sameFrame ends the test unless the next frame that arrives is want.
func sameFrame(t *testing.T, in *lab.Capture, want []byte) lab.Frame {
	t.Helper()
	fs, err := in.Frames(bounded(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(fs[0].Data, want) {
		t.Fatalf("arrived (-want +got):\n%s", cmp.Diff(hex.Dump(want), hex.Dump(fs[0].Data)))
	}
	return fs[0]
}

// tagWrites are chains that write, and what should have become of a frame.
var tagWrites = []struct {
	name, source string
	change       func(p *packet, tags []tag)
}{
	{"vlan.id", `pkt.vlan.id = 0xabc`, func(_ *packet, g []tag) { g[0].tci = g[0].tci&0xf000 | 0xabc }},
	{"vlan.id 0", `pkt.vlan.id = 0`, func(_ *packet, g []tag) { g[0].tci &= 0xf000 }},
	{"vlan.prio", `pkt.vlan.prio = 5`, func(_ *packet, g []tag) { g[0].tci = g[0].tci&0x1fff | 5<<13 }},
	{"vlan.dei", `pkt.vlan.dei = not pkt.vlan.dei`, func(_ *packet, g []tag) { g[0].tci ^= 0x1000 }},
	{"eth.type", `pkt.eth.type = 0x88a8`, func(_ *packet, g []tag) { g[0].tpid = 0x88a8 }},
	{"eth.type 802.1Q", `pkt.eth.type = 0x8100`, func(_ *packet, g []tag) { g[0].tpid = 0x8100 }},
	{"vlan2.id", `pkt.vlan2.id = 0x123`, func(_ *packet, g []tag) {
		if len(g) > 1 {
			g[1].tci = g[1].tci&0xf000 | 0x123
		}
	}},
	{"vlan2.prio", `pkt.vlan2.prio = 1`, func(_ *packet, g []tag) {
		if len(g) > 1 {
			g[1].tci = g[1].tci&0x1fff | 1<<13
		}
	}},
	{"vlan.type", `pkt.vlan.type = 0x88a8 if pkt.vlan2 else pkt.vlan.type`, func(_ *packet, g []tag) {
		if len(g) > 1 {
			g[1].tpid = 0x88a8
		}
	}},
	{"both ids", "t = pkt.vlan.id\n    pkt.vlan.id = pkt.vlan2.id\n    pkt.vlan2.id = t", func(_ *packet, g []tag) {
		if len(g) < 2 {
			g[0].tci &= 0xf000
			return
		}
		x, y := g[0].tci, g[1].tci
		g[0].tci, g[1].tci = x&0xf000|y&0xfff, y&0xf000|x&0xfff
	}},
	{"ip.ttl", `pkt.ip.ttl = 9`, func(p *packet, _ []tag) { p.ttl = 9 }},
	{"udp.dport", `pkt.udp.dport = 53`, func(p *packet, _ []tag) { p.to = atPort(p.to, 53) }},
	{"addresses", "s = pkt.ip.src\n    pkt.ip.src = pkt.ip.dst\n    pkt.ip.dst = s", func(p *packet, _ []tag) {
		x, y := p.from.Addr.Addr(), p.to.Addr.Addr()
		p.from, p.to = atAddr(p.from, y), atAddr(p.to, x)
	}},
	{"all", "pkt.vlan.id = 7\n    pkt.ip.ttl = 3\n    pkt.vlan.prio = 2\n    pkt.udp.sport = 99\n    pkt.ip.dscp = 10", func(p *packet, g []tag) {
		g[0].tci = g[0].tci&0x1000 | 2<<13 | 7
		p.ttl, p.tos = 3, 10<<2
		p.from = atPort(p.from, 99)
	}},
}

// TestTagsWritten writes to tags and behind them; the frame that arrives is the
// one that gopacket builds with the new values.
func TestTagsWritten(t *testing.T) {
	for i, h := range hook.Frames() {
		t.Run(h.String(), func(t *testing.T) {
			n := bridged(t, 0)
			in := capture(t, n.c)
			for _, w := range tagWrites {
				t.Run(w.name, func(t *testing.T) {
					run(t, "def main(pkt):\n    if not pkt.vlan or not pkt.udp:\n        return PASS\n    "+w.source+"\n    return PASS\n", bridgePlaces(n)[i])
					for _, x := range taggings[1:] {
						for _, f := range families {
							p := probe(n.a, n.c, f, pattern(40))
							p.tags = x.tags
							t.Run(x.name+"/"+f.name, func(t *testing.T) {
								send(t, n.a, p.frame(t))
								want := p.with(func(p *packet) { w.change(p, p.tags) })
								sameFrame(t, in, want.frame(t))
							})
						}
					}
				})
			}
		})
	}
}

// TestTagInData sends tagged frames out of a socket: at tc-egress the tag is
// still in the data, where others of the kernel's have it beside.
func TestTagInData(t *testing.T) {
	n := bridged(t, 0)
	c := run(t, text(tagReads, "SRC", n.a.MAC, "DST", n.c.MAC), place{at: n.a, hook: hook.TCEgress})
	in := capture(t, n.c)
	for _, x := range taggings {
		t.Run(x.name, func(t *testing.T) {
			p := probe(n.a, n.c, families[0], append([]byte("weir"), pattern(24)...))
			p.tags = x.tags
			f := p.frame(t)
			sendQueued(t, n.a, f)
			sameFrame(t, in, f)
			got := c.array("f")
			if got[0] != uint64(len(f)) || got[15] != wire(f, 12, 2) || got[16] != wire(f, 14, 4) || got[17] != wire(f, 10, 8) {
				t.Errorf("read %x of\n%s", got, hex.Dump(f))
			}
		})
	}
}
