package std_test

import (
	"math/rand/v2"
	"testing"

	"weir/internal/frames"
)

// Packets and bytes are those that were sent, by key and by colour, for frames of all
// kinds.
func TestCounters(t *testing.T) {
	r := newRig(t, `
load("std/counters.weir", "alternate", "counters")

all  = counters(u64, 1024)
twos = alternate(u64, 1024)

def main(pkt):
    q = pkt.payload.view(Ask)
    if q and q.a == 77:
        a, c = all.by_key[q.b], twos.by_key[q.b]
        answers.emit(a.packets)
        answers.emit(a.bytes)
        answers.emit(c.packets0)
        answers.emit(c.bytes1)
        return PASS
    all.add(pkt.len % 8, pkt)
    twos.add(pkt.len % 8, pkt.len % 2, pkt)
    return PASS
`)
	stock := frames.All()
	var want [8][4]uint64
	rnd := rand.New(rand.NewPCG(7, 8))
	for range 5000 {
		f := stock[rnd.IntN(len(stock))].Data
		if len(f) > 1500 {
			continue
		}
		r.send(0, f)
		w := &want[len(f)%8]
		w[0]++
		w[1] += uint64(len(f))
		w[2] += uint64(1 - len(f)%2)
		w[3] += uint64(len(f) % 2 * len(f))
	}
	for k, w := range want {
		got := r.ask(0, 77, uint64(k))
		if len(got) != 4 || [4]uint64(got) != w {
			t.Errorf("key %d: got %d, want %d", k, got, w)
		}
	}
}
