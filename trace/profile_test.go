package trace

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/gopacket/gopacket/layers"

	"weir/hook"
	"weir/lang"
)

const profiled = `
seen = table(u32, u64, size = 16)

def even(n):
    return n % 2 == 0

def main(pkt):
    if pkt.len > 200:
        seen[0] += 1
        return drop("large")
    if even(pkt.len):
        return PASS
    return DROP
`

// Each line has the packets that came to it, and the lines together have the time of
// the whole. What is timed goes the way that was counted.
func TestProfile(t *testing.T) {
	for _, h := range []hook.Hook{hook.XDP, hook.NetfilterInput, hook.Socket} {
		t.Run(h.String(), func(t *testing.T) {
			compile := func(o lang.Options) *lang.Program {
				t.Helper()
				o.File, o.Hook = "a.weir", h
				p, err := lang.Compile([]byte(profiled), o)
				if err != nil {
					t.Fatal(err)
				}
				return p
			}
			o := ProfileOptions{
				Counted: compile(lang.Options{Trace: true, Lines: true}),
				Linear:  Timed{compile(lang.Options{}), compile(lang.Options{Times: 1})},
				Repeat:  1000,
			}
			in := pcapFile(t, layers.LinkTypeEthernet, ipFrame(60), ipFrame(61), ipFrame(300), ipFrame(62), ipFrame(63), ipFrame(64), frameOf(9))
			p, err := NewProfile(context.Background(), in, o)
			if errors.Is(err, ebpf.ErrNotSupported) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			checkProfile(t, p)
		})
	}
}

// ipFrame returns a frame of n octets that every hook sees.
func ipFrame(n int) []byte {
	b := frameOf(n)
	b[14] = 0x45
	return b
}

func checkProfile(t *testing.T, p *Profile) {
	t.Helper()
	if p.Packets != 6 || p.Errors != 1 || p.TimedShare != 1 {
		t.Errorf("%d packets, %d errors, timed for %v, want 6, 1, 1", p.Packets, p.Errors, p.TimedShare)
	}
	want := map[int]uint64{5: 5, 8: 6, 9: 1, 10: 1, 11: 5, 12: 3, 13: 2} // with an Ethernet header and without
	ns, share, reached := 0.0, 0.0, uint64(0)
	for _, l := range p.Lines {
		ns += l.NS
		share += l.Share
		switch {
		case l.Line == 7:
			if l.Packets != nil {
				t.Errorf("line 7: %+v, want no packets before and after all statements", l)
			}
		case l.Packets == nil || *l.Packets != want[l.Line]:
			t.Errorf("line %d: %v packets, want %d", l.Line, l.Packets, want[l.Line])
		default:
			reached += *l.Packets
		}
		delete(want, l.Line)
	}
	if len(want) > 0 {
		t.Errorf("no lines for %v", want)
	}
	// Where the clock costs more than all statements of a way, as in emulation, its time
	// is nobody's.
	if ns <= 0 || ns > p.Whole*(1+1e-6) || math.Abs(share-1) > 1e-9 {
		t.Errorf("the lines have %v ns and %v of the time, want at most %v and 1", ns, share, p.Whole)
	}
	// A lap for each statement, for the begin and the end, and for what goes on after a call.
	if laps := float64(reached+2*6+5) / 6; math.Abs(p.Laps-laps) > 1e-9 {
		t.Errorf("%v laps a packet, want %v", p.Laps, laps)
	}
	if p.With <= 0 || p.Clock <= 0 {
		t.Errorf("%v ns profiled, %v plain, %v for the clock", p.With, p.Whole, p.Clock)
	}
}
