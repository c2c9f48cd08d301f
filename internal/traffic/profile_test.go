package traffic

import (
	"context"
	"slices"
	"testing"
	"time"

	"weir/datapath"
	"weir/hook"
	"weir/lang"
	"weir/trace"
)

// TestProfileUnderLoad swaps what takes the time of statements in and out while a flood
// and a download run: each packet is seen by it or by the plain chain, and no other, and
// a profile has each packet that it saw at each line to which that came.
func TestProfileUnderLoad(t *testing.T) {
	s := newSwapTest(t)
	before := descriptors(t)
	g := s.attach(t, "swap", s.chains[0]...)
	watcher := s.attach(t, "observer", datapath.Chain{
		Where: s.chains[0][1].Where, Program: compile(t, observer, place{at: s.down, hook: hook.TCIngress}, false),
	})
	defer s.k.DetachAll(context.Background())
	o := datapath.Options{Name: "swap", Pin: true, Replace: true, Trial: true, Confirm: time.Hour}
	for _, c := range s.chains[0] {
		o.Chains = append(o.Chains, datapath.Chain{Where: c.Where, Program: must(c.Program.Again(lang.Options{Times: 16}))(t)})
	}

	profiles, profiled := long(15, 150), uint64(0)
	st, octets := s.underLoad(t, func() {
		for range profiles {
			trial := s.attachAs(t, o)
			eventually(t, "packets are profiled", func() bool { return exitsOf(t, trial.Attachments[0]) > 1000 })
			if err := s.k.Withdraw(t.Context(), trial); err != nil {
				t.Fatal(err)
			}
			profiled += s.profiled(t, trial)
			s.ends(t, trial)
		}
	})
	all := counted(t, g.State, "all")
	s.ends(t, g)
	seen := exitsOf(t, watcher.Attachments[0])
	if err := watcher.Close(); err != nil {
		t.Error(err)
	}
	s.addUp(t, st, seen, all)
	if profiled == 0 || profiled >= all {
		t.Errorf("%d of %d packets were profiled", profiled, all)
	}
	t.Logf("%d profiles of %d packets, under %.0f packets/s (%d in all), and a download of %d MB in %d packets",
		profiles, profiled, float64(st.Sent)/st.Elapsed.Seconds(), st.Sent, octets>>20, seen)
	if _, err := s.k.DetachAll(t.Context()); err != nil {
		t.Error(err)
	}
	s.checkGone(t)
	eventually(t, "descriptors are closed", func() bool { return descriptors(t) <= before })
}

// profiled returns how many packets are in the profile of a generation that has ended.
func (s *swapTest) profiled(t *testing.T, g *datapath.Generation) uint64 {
	t.Helper()
	p := must(trace.Live(g))(t)
	dropped, passed := exitsOf(t, g.Attachments[0]), exitsOf(t, g.Attachments[1])
	want := map[int]uint64{6: dropped + passed, 7: dropped + passed, 8: dropped + passed, 9: dropped, 10: passed} // of swapChain
	for line, n := range want {
		i := slices.IndexFunc(p.Lines, func(l trace.LineCost) bool { return l.Line == line })
		if i < 0 || p.Lines[i].Packets == nil || *p.Lines[i].Packets != n {
			t.Errorf("line %d: %+v, want %d packets", line, p.Lines, n)
		}
	}
	if p.Packets != dropped+passed || p.Timed == 0 || p.Timed > p.Packets {
		t.Errorf("%d packets in the profile, %d timed, %d + %d exits", p.Packets, p.Timed, dropped, passed)
	}
	return p.Packets
}
