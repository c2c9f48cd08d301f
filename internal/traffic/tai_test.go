package traffic

import (
	"testing"

	"golang.org/x/sys/unix"

	"weir/hook"
	"weir/lab"
)

// TestTAI: the clock of a chain is CLOCK_TAI of this host.
func TestTAI(t *testing.T) {
	now := func() uint64 {
		var ts unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_TAI, &ts); err != nil {
			t.Fatal(err)
		}
		return uint64(ts.Nano())
	}
	for _, h := range []hook.Hook{hook.XDP, hook.TCIngress} {
		a, b := pair(t, lab.LinkOptions{})
		c := run(t, `
times = array(u64, size = 2)

def main(pkt):
    if pkt.udp.dport == 4242:
        times[0] = tai()
        times[1] = tai()
    return PASS
`, place{at: b, hook: h})
		in := capture(t, b)
		before := now()
		send(t, a, probe(a, b, families[0], pattern(30)).frame(t))
		sameFrame(t, in, probe(a, b, families[0], pattern(30)).frame(t))
		after, got := now(), c.array("times")
		if got[0] < before || got[1] < got[0] || got[1] > after {
			t.Errorf("%s: %d and %d, want them between %d and %d", h, got[0], got[1], before, after)
		}
	}
}
