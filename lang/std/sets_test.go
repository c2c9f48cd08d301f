package std_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// A set does what a map of the ends of its entries does.
func TestExpiringSet(t *testing.T) {
	r := newRig(t, `
load("std/sets.weir", "expiring_set")

s = expiring_set(u64, 1024)

def main(pkt):
    q = pkt.payload.view(Ask)
    if q.a == 0:
        s.add(q.b, q.c)
    elif q.a == 1:
        s.discard(q.b)
    elif q.a == 2:
        s.add(q.b)
    answers.emit(s.has(q.b))
    answers.emit(s.left(q.b))
    return PASS
`)
	rnd := rand.New(rand.NewPCG(1, 2))
	until := map[uint64]uint64{}
	now := uint64(time.Hour)
	for i := range 5000 {
		now += rnd.Uint64N(1e6)
		op, k, ns := rnd.Uint64N(8), rnd.Uint64N(50), rnd.Uint64N(1e8)
		if rnd.IntN(20) == 0 {
			ns = math.MaxUint64 - rnd.Uint64N(1e6)
		}
		switch op {
		case 0:
			until[k] = now + ns
			if until[k] < ns {
				until[k] = math.MaxUint64
			}
		case 1:
			delete(until, k)
		case 2:
			until[k] = math.MaxUint64
		}
		has, left := uint64(0), uint64(0)
		if end := until[k]; end > now {
			has, left = 1, end-now
			if end == math.MaxUint64 {
				left = end
			}
		}
		got := r.ask(time.Duration(now), op, k, ns)
		if len(got) != 2 || got[0] != has || got[1] != left {
			t.Fatalf("step %d: operation %d of key %d: got %d, want %d and %d", i, op, k, got, has, left)
		}
	}
}
