package twins

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"weir/hook"
)

var hooks = []hook.Hook{hook.XDP, hook.TCIngress}

// open loads the twin of that name.
func open(t *testing.T, name string, h hook.Hook) *Pair {
	t.Helper()
	all := All()
	p, err := all[slices.IndexFunc(all, func(t Twin) bool { return t.Name == name })].Open(h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// A chain and its twin do the same at each hook, in every version.
func TestTwins(t *testing.T) {
	for _, tw := range All() {
		for _, h := range hooks {
			t.Run(tw.Name+"/"+h.String(), func(t *testing.T) {
				if err := open(t, tw.Name, h).Check(); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

// Ten chains that follow one another do what one file does that holds them, and
// alone they do not.
func TestJoined(t *testing.T) {
	for _, h := range hooks {
		p, err := Joined(h)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if err := p.Check(); err != nil {
			t.Errorf("%s: %v", h, err)
		}
		if len(p.alone) != 10 {
			t.Errorf("%s: %d chains, want 10", h, len(p.alone))
		}
		p.peers = p.alone
		if err := p.Check(); !errors.Is(err, ErrDiffer) {
			t.Errorf("%s: each alone: %v, want %v", h, err, ErrDiffer)
		}
	}
}

// Rows of modules let every packet pass. Chains are one program, of one
// length; small functions are a part of it, and the others are called.
func TestModules(t *testing.T) {
	for _, h := range hooks {
		p, err := Modules(h, 1, MaxModules)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if err := p.Passes(); err != nil {
			t.Errorf("%s: %v", h, err)
		}
		// Of a called one there is the function, too: four instructions more at least.
		least := map[Kind]int{Chains: 0, Small: 2, Called: 6, TailCalls: 0}
		for i, k := range []Kind{Chains, Small, Called, TailCalls} {
			one, many := p.peers[2*i].insns, p.peers[2*i+1].insns
			if each := (many - one) / (MaxModules - 1); each < least[k] || least[k] < 6 && each > least[k]+1 {
				t.Errorf("%s: %s: one has %d instructions, %d have %d", h, k, one, MaxModules, many)
			}
		}
	}
}

// A twin that does something else is found out.
func TestCheckTells(t *testing.T) {
	p := open(t, "flows", hook.XDP)
	other := open(t, "record", hook.XDP)
	p.peers, other.peers = other.peers, p.peers
	if err := p.Check(); !errors.Is(err, ErrDiffer) {
		t.Errorf("flows beside the twin of record: %v, want %v", err, ErrDiffer)
	}
}

// Every packet that is sent comes to a return, the same for all programs, and
// the packets vary.
func TestMeasureCounts(t *testing.T) {
	for _, h := range hooks {
		ts, err := open(t, "nat", h).Measure(context.Background(), Options{Rounds: 2, Batch: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range append(ts.Peers, ts.Again) {
			if x.Counted() != x.Sent || !slices.Equal(x.Exits, ts.Ours.Exits) {
				t.Errorf("%s: %s: %d sent, returns %v, of weir %v", h, x.Name, x.Sent, x.Exits, ts.Ours.Exits)
			}
		}
		for i, x := range ts.Ours.Exits[1:] {
			if x.Packets == 0 {
				t.Errorf("%s: nothing came to return %d of nat.weir: %v", h, i+1, ts.Ours.Exits)
			}
		}
	}
}

// Each twin's timed frames are of one length, in the number that feeders ask for.
func TestFrames(t *testing.T) {
	for _, tw := range All() {
		frames := tw.timed(newTraffic())
		if len(frames) != flows {
			t.Errorf("%s: %d frames, want %d", tw.Name, len(frames), flows)
		}
		for _, f := range frames {
			if len(f) != len(frames[0]) {
				t.Fatalf("%s: frames of %d and of %d bytes", tw.Name, len(frames[0]), len(f))
			}
		}
	}
}
