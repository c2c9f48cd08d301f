package twins

import (
	"context"
	"testing"
	"time"

	"weir/hook"
)

// openPlace loads the small filter at a hook.
func openPlace(t *testing.T, tw Twin, h hook.Hook) *Pair {
	t.Helper()
	p, err := tw.Open(h)
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

// The small filter and its twin do the same at every hook of packets, and what is timed is
// dropped, or passes, whole.
func TestPlaces(t *testing.T) {
	for _, h := range hook.All() {
		if h.Info().Conn {
			continue // which has no packets
		}
		for i, tw := range []Twin{Drop(), Pass()} {
			t.Run(h.String()+"/"+tw.Title, func(t *testing.T) {
				p := openPlace(t, tw, h)
				if err := p.Check(); err != nil {
					t.Fatal(err)
				}
				ts, err := p.Measure(context.Background(), Options{Rounds: 2, Batch: time.Millisecond})
				if err != nil {
					t.Fatal(err)
				}
				for _, x := range append(ts.Peers, ts.Ours, ts.Again) {
					if n := x.Exits[i].Packets; n != x.Sent {
						t.Errorf("%s: %d sent, returns %v", x.Name, x.Sent, x.Exits)
					}
				}
			})
		}
	}
}
