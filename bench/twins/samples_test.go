package twins

import (
	"testing"
	"time"

	"weir/hook"
)

// Every packet that is sent to the sample of a module comes to one of its returns, each
// time anew: what a sample has changed is restored.
func TestSamples(t *testing.T) {
	for _, name := range Samples() {
		h := hook.XDP
		if name == "std/mirror.weir" { // which sends copies
			h = hook.TCIngress
		}
		t.Run(name, func(t *testing.T) {
			p, err := Sample(name, h)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			ts, err := p.Measure(t.Context(), Options{Rounds: 1, Batch: 2 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			if ts.Ours.Sent == 0 || ts.Ours.Sent != ts.Ours.Counted() {
				t.Errorf("%d sent, %d counted", ts.Ours.Sent, ts.Ours.Counted())
			}
		})
	}
}
