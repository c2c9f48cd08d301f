package traffic

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"weir/hook"
)

// jumboChain reads 4,096 octets from a parameter on, and some that the compiler
// knows.
const jumboChain = `
base = param(u32, 0)
w64  = array(u64, size = 4096)
f    = array(u64, size = 8)

def main(pkt):
    if pkt.udp.dport != 4242:
        return PASS
    for i in range(4096):
        w64[i] = pkt.u64(base + i)
    p = pkt.payload
    f[0], f[1], f[2] = pkt.len, p.len, p.u8(8900)
    f[3], f[4], f[5] = p.u64(8900), p.u64(p.len - 8), p.u64(p.len - 7)
    f[6], f[7] = p.u16(4095 - 42), p.u32(3500)
    if p.u32(8900) == NEEDLE:
        return drop("needle")
    return PASS
`

// TestJumbo reads every octet of frames of 9,000 octets and decides by one deep
// in them. At XDP such frames come in fragments.
func TestJumbo(t *testing.T) {
	needle := []byte("ndl!")
	for i, h := range hook.Frames() {
		t.Run(h.String(), func(t *testing.T) {
			n := bridged(t, 9000)
			c := run(t, text(jumboChain, "NEEDLE", binary.BigEndian.Uint32(needle)), bridgePlaces(n)[i])
			if frags := c.Attachments[0].Frags; frags != (h == hook.XDP) {
				t.Fatalf("the variant for fragments: %t", frags)
			}
			in := capture(t, n.c)
			for _, f := range families {
				p := probe(n.a, n.c, f, pattern(8950))
				frame := p.frame(t)
				for base := 0; base < len(frame); base += 4096 {
					c.set("base", base)
					send(t, n.a, frame)
					sameFrame(t, in, frame)
					for i, got := range c.array("w64") {
						if want := wire(frame, base+i, 8); got != want {
							t.Fatalf("%s: octet %d: %#x, want %#x", f.name, base+i, got, want)
						}
					}
				}
				b, size := p.payload, len(p.payload)
				want := []uint64{uint64(len(frame)), uint64(size), wire(b, 8900, 1), wire(b, 8900, 8),
					wire(b, size-8, 8), 0, wire(b, 4095-42, 2), wire(b, 3500, 4)}
				if got := c.array("f"); !slices.Equal(got, want) {
					t.Errorf("%s: read %x, want %x", f.name, got, want)
				}
				copy(p.payload[8900:], needle)
				send(t, n.a, p.frame(t), frame)
				sameFrame(t, in, frame) // the one with the needle has not come
			}
			if got := c.dropped("needle"); got != 2 {
				t.Errorf("%d dropped, want 2", got)
			}
		})
	}
}

// TestDeepHeader writes a header that lies behind 4,096 octets of IPv6
// extension headers, and so in a fragment of an XDP frame.
func TestDeepHeader(t *testing.T) {
	// Two headers of 2,048 octets: hop-by-hop and destination options, which
	// consist of options PadN of 255 octets (RFC 8200, 4.2).
	ext := append(padding(60), padding(protoUDP)...)
	const source = `
def main(pkt):
    if pkt.udp.dport == 4242:
        pkt.udp.dport = 53
        pkt.ip.dst = ip("fd00::77")
        pkt.udp.sport = pkt.udp.sport + 1
        pkt.ip6.hop_limit = 3
        count("seen")
    return PASS
`
	for i, h := range hook.Frames() {
		t.Run(h.String(), func(t *testing.T) {
			n := bridged(t, 9000)
			c := run(t, source, bridgePlaces(n)[i])
			in := capture(t, n.c)
			for _, tags := range [][]tag{nil, {{0x8100, 5}}} {
				p := probe(n.a, n.c, families[1], pattern(1000))
				p.ext, p.tags = ext, tags
				send(t, n.a, p.frame(t))
				want := p.with(func(p *packet) {
					p.to = atPort(atAddr(p.to, netip.MustParseAddr("fd00::77")), 53)
					p.from, p.ttl = atPort(p.from, 4001), 3
				})
				sameFrame(t, in, want.frame(t))
			}
			if got := c.count("seen"); got != 2 {
				t.Errorf("seen %d, want 2", got)
			}
		})
	}
}

// padding is an extension header of 2,048 octets that says nothing.
func padding(next byte) []byte {
	b := make([]byte, 2048)
	b[0], b[1] = next, 255
	for at := 2; at < len(b); {
		n := min(257, len(b)-at)
		b[at], b[at+1] = 1, byte(n-2)
		at += n
	}
	return b
}
