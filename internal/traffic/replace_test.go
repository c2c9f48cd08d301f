package traffic

import (
	"context"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"

	"weir/attach"
	"weir/datapath"
	"weir/hook"
	"weir/lab"
)

const countChain = `
def main(pkt):
    if pkt.udp.dport != 4242:
        return PASS
    count("seen")
    return DROP
`

// loaded loads a chain that a link can be given.
func loaded(t *testing.T, h hook.Hook) (*ebpf.Program, func() uint64) {
	t.Helper()
	if err := rlimit.RemoveMemlock(); err != nil {
		t.Fatal(err)
	}
	p := compile(t, countChain, place{hook: h}, false)
	s := must(datapath.Load(p, datapath.LoadOptions{}))(t)
	t.Cleanup(func() { s.Close() })
	c := &chain{t, &datapath.Generation{State: s}}
	return s.Object(p), func() uint64 { return c.count("seen") }
}

// TestReplace puts one program in the place of another while packets come: each
// packet is seen by the one or by the other. (At netfilter both are there for a
// moment; what the first drops the second does not see.)
func TestReplace(t *testing.T) {
	for _, h := range []hook.Hook{hook.XDP, hook.TCIngress, hook.NetfilterPrerouting} {
		t.Run(h.String(), func(t *testing.T) {
			a, b := pair(t, lab.LinkOptions{})
			old, seenOld := loaded(t, h)
			next, seenNext := loaded(t, h)
			l := must(attach.Attach(place{at: b, hook: h}.where(), attach.Options{
				Chain: "traffic", Linear: func() (*ebpf.Program, error) { return old, nil },
			}))(t)
			t.Cleanup(func() { l.Detach() })
			f := udpFlood(t, a, b)
			f.Duration, f.PPS = 2*time.Minute, 50_000 // it is ended when both have seen enough
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			done := make(chan lab.FloodStats, 1)
			go func() {
				st, err := a.Host.Flood(ctx, f)
				if err != nil {
					t.Error(err)
				}
				done <- st
			}()
			enough, swaps, progs := long[uint64](20_000, 400_000), 0, []*ebpf.Program{next, old}
			eventually(t, "both programs see packets", func() bool {
				if err := l.Update(progs[swaps%2]); err != nil {
					t.Fatal(err)
				}
				swaps++
				return min(seenOld(), seenNext()) > enough
			})
			stop()
			st := <-done
			if seenOld()+seenNext() != st.Sent-st.Lost {
				t.Errorf("sent %d, lost %d, seen by the old %d, by the new %d", st.Sent, st.Lost, seenOld(), seenNext())
			}
			t.Logf("sent %d, %d swaps, seen by the one %d, by the other %d", st.Sent, swaps, seenOld(), seenNext())
		})
	}
}
