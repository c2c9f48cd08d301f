package trace

import (
	"context"
	"math"
	"testing"

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
// the whole.
func TestProfile(t *testing.T) {
	compile := func(o lang.Options) *lang.Program {
		t.Helper()
		o.File, o.Hook = "a.weir", hook.XDP
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
	in := pcapFile(t, layers.LinkTypeEthernet, frameOf(60), frameOf(61), frameOf(300), frameOf(62), frameOf(63), frameOf(64), frameOf(9))
	p, err := NewProfile(context.Background(), in, o)
	if err != nil {
		t.Fatal(err)
	}
	if p.Packets != 6 || p.Errors != 1 || p.TimedShare != 1 {
		t.Errorf("%d packets, %d errors, timed for %v, want 6, 1, 1", p.Packets, p.Errors, p.TimedShare)
	}
	want := map[int]uint64{5: 5, 8: 6, 9: 1, 10: 1, 11: 5, 12: 3, 13: 2}
	ns, share := 0.0, 0.0
	for _, l := range p.Lines {
		if ns += l.NS; l.Line == 7 {
			if l.Packets != nil || l.NS == 0 {
				t.Errorf("line 7: %+v, want the time before and after all statements", l)
			}
			share += l.Share
			continue
		}
		share += l.Share
		if l.Packets == nil || *l.Packets != want[l.Line] {
			t.Errorf("line %d: %v packets, want %d", l.Line, l.Packets, want[l.Line])
		}
		delete(want, l.Line)
	}
	if len(want) > 0 {
		t.Errorf("no lines for %v", want)
	}
	if math.Abs(ns-p.Whole) > 1e-6*p.Whole || math.Abs(share-1) > 1e-9 {
		t.Errorf("the lines have %v ns and %v of the time, want %v and 1", ns, share, p.Whole)
	}
	// Eight readings a packet cost more than none.
	if p.With <= p.Whole || p.Clock <= 0 || p.Laps < 4 {
		t.Errorf("%v ns profiled, %v plain, %v for the clock, %v laps", p.With, p.Whole, p.Clock, p.Laps)
	}
}
