package std_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gopacket/gopacket/layers"
)

// randomTCP is a header with flags, and with an MSS among its options or none.
func randomTCP(r *rand.Rand) *layers.TCP {
	t := &layers.TCP{
		Seq: r.Uint32(), Ack: r.Uint32(), Window: 1000,
		SYN: r.IntN(2) == 0, ACK: r.IntN(2) == 0, ECE: r.IntN(2) == 0, CWR: r.IntN(2) == 0, NS: r.IntN(2) == 0, PSH: r.IntN(2) == 0,
	}
	for range r.IntN(3) {
		t.Options = append(t.Options, layers.TCPOption{OptionType: layers.TCPOptionKindNop})
	}
	if r.IntN(4) > 0 {
		size := uint16(r.IntN(3000))
		t.Options = append(t.Options, layers.TCPOption{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: []byte{byte(size >> 8), byte(size)}})
	}
	return t
}

// lower sets the segment size of a SYN to most, if it is more.
func lower(t *layers.TCP, most uint16) *layers.TCP {
	c := *t
	c.Options = slices.Clone(t.Options)
	for i, o := range c.Options {
		if o.OptionType == layers.TCPOptionKindMSS && t.SYN && uint16(o.OptionData[0])<<8|uint16(o.OptionData[1]) > most {
			c.Options[i].OptionData = []byte{byte(most >> 8), byte(most)}
		}
	}
	return &c
}

// TestMarking changes random packets: what comes out is what gopacket makes of the new
// values, checksums included.
func TestMarking(t *testing.T) {
	for _, tt := range []struct {
		name, source string
		want         func(p *probe)
	}{
		{"dscp_set", `
load("std/dscp.weir", "DSCP", "dscp_set")
def main(pkt):
    dscp_set(pkt, DSCP.EF)
    return PASS
`, func(p *probe) { p.tos = p.tos&3 | 46<<2 }},
		{"dscp_bleach", `
load("std/dscp.weir", "dscp_bleach")
def main(pkt):
    dscp_bleach(pkt)
    return PASS
`, func(p *probe) { p.tos &= 3 }},
		{"dscp_map", `
load("std/dscp.weir", "dscp_map")
m = dscp_map({c: 63 - c for c in range(0, 64, 2)})
def main(pkt):
    m.apply(pkt)
    return PASS
`, func(p *probe) {
			if c := p.tos >> 2; c%2 == 0 {
				p.tos = p.tos&3 | (63-c)<<2
			}
		}},
		{"ecn_mark", `
load("std/ecn.weir", "ecn_mark")
def main(pkt):
    ecn_mark(pkt)
    return PASS
`, func(p *probe) {
			if p.tos&3 != 0 {
				p.tos |= 3
			}
		}},
		{"ecn_clear", `
load("std/ecn.weir", "ecn_clear")
def main(pkt):
    ecn_clear(pkt)
    return PASS
`, func(p *probe) {
			if p.tos&3 != 3 {
				p.tos &^= 3
			}
			if p.tcp != nil && p.tcp.SYN {
				c := *p.tcp
				c.ECE, c.CWR, c.NS = false, false, false
				p.tcp = &c
			}
		}},
		{"mss_clamp", `
load("std/mss.weir", "mss_clamp")
most = param(u16, 1000)
def main(pkt):
    mss_clamp(pkt, most)
    return PASS
`, func(p *probe) {
			if p.tcp != nil {
				p.tcp = lower(p.tcp, 1000)
			}
		}},
		{"mss_clamp_to_mtu", `
load("std/mss.weir", "mss_clamp_to_mtu")
def main(pkt):
    mss_clamp_to_mtu(pkt, 1280)
    return PASS
`, func(p *probe) {
			if p.tcp != nil && p.src.Addr().Is6() {
				p.tcp = lower(p.tcp, 1220)
			} else if p.tcp != nil {
				p.tcp = lower(p.tcp, 1240)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k, r := load(t, tt.source), rand.New(rand.NewPCG(7, 8))
			for range 2000 {
				p := random(r)
				if r.IntN(4) > 0 {
					p.tcp = randomTCP(r)
				}
				in := p.bytes(t)
				tt.want(&p)
				if got, _ := through(t, k, in); !bytes.Equal(got, p.bytes(t)) {
					t.Fatalf("packet %x\ngot    %x\nwant   %x", in, got, p.bytes(t))
				}
			}
		})
	}
}
