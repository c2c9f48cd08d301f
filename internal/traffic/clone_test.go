package traffic

import (
	"bytes"
	"testing"

	"weir/hook"
	"weir/lab"
)

// cloneChain sends a copy aside, then changes the packet and sends it back, or on.
const cloneChain = `
def main(pkt):
    if pkt.udp.dport != 4242:
        return PASS
    pkt.eth.src = mac("02:00:00:00:00:77")
    if not clone("eth9") or clone(60000):
        return drop("wrong")
    pkt.payload.put_u8(0, 0x77)
    count("copied")
    return TX
`

// TestClone sends copies to a third host, with and without a tag: the copy is the
// packet of then, and the packet goes on with what was written since.
func TestClone(t *testing.T) {
	for _, h := range []hook.Hook{hook.TCIngress, hook.TCEgress} {
		for _, tags := range [][]tag{nil, {{0x8100, 5}}, {{0x88a8, 5}, {0x8100, 6}}} {
			l := newLab(t)
			a, m, z := newHost(t, l, "a"), newHost(t, l, "m"), newHost(t, l, "z")
			a0, m0 := link(t, l, a, m, "eth0", "eth0", lab.LinkOptions{})
			_, z0 := link(t, l, m, z, "eth9", "eth0", lab.LinkOptions{})
			c := run(t, cloneChain, place{at: m0, hook: h})
			back, aside := captureOf(t, a0, a0.MAC), captureOf(t, z0, a0.MAC)
			p := probe(m0, a0, families[0], pattern(30)).with(func(p *packet) { p.tags = tags })
			for range 3 {
				if h == hook.TCEgress {
					sendQueued(t, m0, p.frame(t))
				} else {
					send(t, a0, p.frame(t))
				}
			}
			copied := p.with(func(p *packet) { p.from.MAC = []byte{2, 0, 0, 0, 0, 0x77} })
			changed := copied.with(func(p *packet) { p.payload = append([]byte{0x77}, p.payload[1:]...) })
			for range 3 {
				sameFrame(t, aside, copied.frame(t))
				sameFrame(t, back, changed.frame(t))
			}
			if got := c.count("copied"); got != 3 {
				t.Errorf("%s, %d tags: %d copied, want 3", h, len(tags), got)
			}
		}
	}
}

// captureOf watches what arrives at an interface for a MAC address.
func captureOf(t *testing.T, i lab.Iface, to []byte) *lab.Capture {
	t.Helper()
	c := must(i.Host.Capture(i.Name, lab.CaptureOptions{Filter: func(f []byte) bool { return bytes.Equal(f[:6], to) }}))(t)
	t.Cleanup(func() { c.Close() })
	return c
}
