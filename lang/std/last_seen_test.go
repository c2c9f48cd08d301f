package std_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// Gaps are those of a map of times.
func TestLastSeen(t *testing.T) {
	r := newRig(t, `
load("std/last_seen.weir", "last_seen")

s = last_seen(u64, 1024)

def main(pkt):
    q = pkt.payload.view(Ask)
    answers.emit(s.touch(q.b) if q.a else s.since(q.b))
    return PASS
`)
	rnd := rand.New(rand.NewPCG(3, 4))
	seen := map[uint64]uint64{}
	now := uint64(time.Hour)
	for i := range 5000 {
		now += rnd.Uint64N(3) * rnd.Uint64N(1e9)
		touch, k := rnd.Uint64N(2), rnd.Uint64N(200)
		want := uint64(math.MaxUint64)
		if at, ok := seen[k]; ok {
			want = now - at
		}
		if touch == 1 {
			seen[k] = now
		}
		if got := r.ask(time.Duration(now), touch, k); len(got) != 1 || got[0] != want {
			t.Fatalf("step %d: key %d: got %d, want %d", i, k, got, want)
		}
	}
}
