package std_test

import (
	"math/rand/v2"
	"testing"
)

// Each n-th packet of a key is taken, whatever other keys do.
func TestCountdown(t *testing.T) {
	r := newRig(t, `
load("std/sample.weir", "countdown")

s = countdown(u64, 1024)

def main(pkt):
    q = pkt.payload.view(Ask)
    answers.emit(s.every(q.a, q.b))
    return PASS
`)
	rnd := rand.New(rand.NewPCG(5, 6))
	seen := map[uint64]uint64{}
	for i := range 5000 {
		k, n := rnd.Uint64N(20), rnd.Uint64N(5)
		seen[k]++
		want := uint64(0)
		if n > 0 && seen[k]%n == 0 {
			want = 1
		}
		if got := r.ask(0, k, n); len(got) != 1 || got[0] != want {
			t.Fatalf("step %d: key %d, one in %d: got %d, want %d", i, k, n, got, want)
		}
	}
}

// With jitter the gaps lie between 1 and 2n-1, each comes as often, and n is their mean.
func TestJitter(t *testing.T) {
	r := newRig(t, `
load("std/sample.weir", "jitter")

s = jitter(u64, 1024)

def main(pkt):
    q = pkt.payload.view(Ask)
    answers.emit(s.jittered(q.a, q.b))
    return PASS
`)
	const n, packets = 8, 40000
	gaps, last := map[int]int{}, 0
	for i := 1; i <= packets; i++ {
		if got := r.ask(0, 1, n); len(got) != 1 {
			t.Fatalf("packet %d: %d answers", i, len(got))
		} else if got[0] == 1 {
			gaps[i-last]++
			last = i
		}
	}
	taken := 0
	for gap, times := range gaps {
		if gap < 1 || gap >= 2*n {
			t.Errorf("a gap of %d packets", gap)
		}
		taken += times
	}
	// Of some 5,000 gaps each length has 333, with a standard deviation of 18; that of
	// the mean is 4.3/71: six of each are once in 1e8 runs.
	for gap := 1; gap < 2*n; gap++ {
		if c := gaps[gap]; c < 333-6*18 || c > 333+6*18 {
			t.Errorf("gap %d: %d times of %d", gap, c, taken)
		}
	}
	if mean := float64(last) / float64(taken); mean < n-0.37 || mean > n+0.37 {
		t.Errorf("%d of %d packets are taken, one in %.2f", taken, packets, mean)
	}
	if got := r.ask(0, 2, 1); got[0] != 1 {
		t.Error("one in 1 is not taken")
	}
	if got := r.ask(0, 3, 0); got[0] != 0 {
		t.Error("none is taken")
	}
}
