package std_test

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// sketchHash is hash_of of integers, as docs/language.md has it.
func sketchHash(seed uint64, words ...uint64) uint64 {
	sum := uint64(0)
	for i, w := range words {
		w += (seed ^ 0xe7037ed1a0b428db) * (finish(uint64(i+1)*golden) | 1)
		sum += w & math.MaxUint32 * (w >> 32)
	}
	return finish(sum) & math.MaxUint32
}

const golden = uint64(0x9e3779b97f4a7c15)

func finish(n uint64) uint64 {
	n = (n ^ n>>33) * 0xff51afd7ed558ccd
	n = (n ^ n>>33) * 0xc4ceb9fe1a85ec53
	return n ^ n>>33
}

// A countMin is the sketch of one window.
type countMin struct {
	seed, width uint64
	cells       [4][]uint64
}

func newCountMin(seed, width uint64) *countMin {
	c := &countMin{seed: seed, width: width}
	for i := range c.cells {
		c.cells[i] = make([]uint64, width)
	}
	return c
}

func (c *countMin) of(k uint64) (cells [4]*uint64, least uint64) {
	h := sketchHash(c.seed, k)
	step := sketchHash(0, h) | 1
	least = math.MaxUint64
	for row := range cells {
		cells[row] = &c.cells[row][(h+uint64(row)*step)&(c.width-1)]
		least = min(least, *cells[row])
	}
	return cells, least
}

func (c *countMin) add(k, n uint64) uint64 {
	cells, least := c.of(k)
	for _, cell := range cells {
		*cell = max(*cell, least+n)
	}
	return least + n
}

// seed is that of the sketch s in a window.
func (r *rig) seed(turn uint64) (seed uint64) {
	r.t.Helper()
	for _, m := range r.runner.Maps() {
		if m.Name != "s.secret" {
			continue
		}
		if err := m.Each(func(_, v []byte) error {
			seed = binary.NativeEndian.Uint64(v) + turn*golden
			return nil
		}); err != nil {
			r.t.Fatal(err)
		}
	}
	if seed == 0 {
		r.t.Fatal("no seed was drawn")
	}
	return seed
}

// keys gives 100,000 keys of packets: at random out of a million, and by Zipf's law.
func keys() map[string]func() uint64 {
	r := rand.New(rand.NewPCG(21, 22))
	z := rand.NewZipf(r, 1.1, 1, 1<<20)
	return map[string]func() uint64{
		"random": func() uint64 { return r.Uint64N(1 << 20) },
		"zipf":   z.Uint64,
	}
}

const sketched = 100_000

// A sketch has the counts of the same in Go, with the seed that it drew: never less than
// the truth, and within the bound that the module tells.
func TestCountMin(t *testing.T) {
	for name, next := range keys() {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, `
load("std/sketch.weir", "count_min")

s = count_min(window = 1000000000)

def main(pkt):
    q = pkt.payload.view(Ask)
    if q.b:
        s.add(q.a)
    else:
        answers.emit(s.estimate(q.a))
        answers.emit(s.estimate(q.a, ago = 1))
    return PASS
`)
			const turn = 3600
			at := turn * time.Second
			first := next()
			r.ask(at, first, 1)
			seed := r.seed(turn)
			model, truth := newCountMin(seed, 16384), map[uint64]uint64{first: 1}
			model.add(first, 1)
			for range sketched - 1 {
				k := next()
				r.ask(at, k, 1)
				model.add(k, 1)
				truth[k]++
			}
			over, far := 0, 0
			for k, n := range truth {
				_, want := model.of(k)
				if want < n {
					t.Fatalf("key %d: %d of %d", k, want, n)
				}
				if want > n {
					over++
				}
				if float64(want-n) > math.E/16384*sketched {
					far++
				}
				if len(truth) > 20000 && k%20 != 0 {
					continue
				}
				if got := r.ask(at, k); got[0] != want || got[1] != 0 {
					t.Fatalf("key %d: got %d, want %d and 0", k, got, want)
				}
				if got := r.ask(at+time.Second, k); got[0] != 0 || got[1] != want {
					t.Fatalf("key %d in the next window: got %d, want 0 and %d", k, got, want)
				}
				if got := r.ask(at+2*time.Second, k); got[0] != 0 || got[1] != 0 {
					t.Fatalf("key %d two windows later: got %d", k, got)
				}
			}
			t.Logf("%d keys, %d are counted too high, %d by more than the bound", len(truth), over, far)
			if far*54 > len(truth) {
				t.Errorf("%d of %d keys are counted too high", far, len(truth))
			}
			// The next window has a seed of its own, and begins with nothing.
			if got := r.ask(at+2*time.Second, first, 1); len(got) != 0 {
				t.Fatal(got)
			}
			if got := r.ask(at+2*time.Second, first); got[0] != 1 || got[1] != 0 {
				t.Errorf("the first of a window counts %d", got)
			}
		})
	}
}

// Whoever has a hundredth of all is told, and nobody who has much less.
func TestHeavyHitters(t *testing.T) {
	r := newRig(t, `
load("std/sketch.weir", "heavy_hitters")

s = heavy_hitters(key = u64, window = 1000000000000)

def main(pkt):
    q = pkt.payload.view(Ask)
    answers.emit(s.add(q.a, share = 100))
    return PASS
`)
	next := keys()["zipf"]
	truth, told := map[uint64]uint64{}, map[uint64]uint64{}
	at := time.Hour
	for i := range uint64(sketched) {
		k := next()
		truth[k]++
		heavy := r.ask(at, k)[0] == 1
		all, n := i+1, truth[k]
		if n >= 100 && n*100 >= all && !heavy {
			t.Fatalf("key %d has %d of %d, and is not told", k, n, all)
		}
		if heavy && float64(n)+math.E/16384*float64(all) < float64(all)/100 {
			t.Fatalf("key %d has %d of %d, and is told", k, n, all)
		}
		if heavy {
			told[k] = n
		}
	}
	if len(told) < 5 {
		t.Errorf("%d keys are told", len(told))
	}
	for _, m := range r.runner.Maps() {
		if m.Name != "s.top" {
			continue
		}
		rows := 0
		if err := m.Each(func(k, v []byte) error {
			rows++
			key, window, n := binary.NativeEndian.Uint64(k), binary.NativeEndian.Uint64(v), binary.NativeEndian.Uint64(v[8:])
			if window != 3 || n < told[key] || float64(n-told[key]) > math.E/16384*sketched {
				t.Errorf("the table has key %d with %d in window %d, of %d", key, n, window, told[key])
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if rows != len(told) {
			t.Errorf("the table has %d keys of %d", rows, len(told))
		}
	}
}

// Different values are counted as the bitmap in Go says, within the error that the
// module tells, each key by itself, and anew in each window.
func TestDistinct(t *testing.T) {
	r := newRig(t, `
load("std/sketch.weir", "distinct")

s = distinct(key = u64, window = 1000000000, bits = 1024, size = 65536)

def main(pkt):
    q = pkt.payload.view(Ask)
    answers.emit(s.add(q.a, q.b) if q.c else s.estimate(q.a))
    return PASS
`)
	const turn, bits = 3600, 1024
	at := turn * time.Second
	r.ask(at, 1<<40, 0, 1)
	seed := r.seed(turn)
	rnd := rand.New(rand.NewPCG(23, 24))
	met := []float64{0}
	for i := range bits {
		met = append(met, met[i]+bits/float64(bits-i))
	}
	var worst float64
	for key := range uint64(20) {
		set, seen := map[uint64]bool{}, map[uint64]bool{}
		several := 50 << (key % 7)
		for range 2 * several {
			x := rnd.Uint64N(uint64(several)) * 7919
			seen[x] = true
			set[sketchHash(seed, key, x)&(bits-1)] = true
			got := r.ask(at, key, x, 1)[0]
			if want := met[len(set)]; math.Abs(float64(got)-want) > 1 {
				t.Fatalf("key %d: got %d, want %.1f", key, got, want)
			}
		}
		got, n := float64(r.ask(at, key)[0]), float64(len(seen))
		load := n / bits
		deviation := math.Sqrt(bits*(math.Exp(load)-load-1)) + 1
		if math.Abs(got-n) > 5*deviation {
			t.Errorf("key %d: %.0f of %.0f", key, got, n)
		}
		worst = max(worst, math.Abs(got-n)/n)
		if got := r.ask(at+time.Second, key)[0]; got != 0 {
			t.Errorf("key %d in the next window: %d", key, got)
		}
	}
	t.Logf("the greatest error is %.1f %%", 100*worst)
}

// Seeds are drawn, differ from window to window, and keys that meet in one window do
// not meet in the next.
func TestSketchSeeds(t *testing.T) {
	r := newRig(t, `
load("std/sketch.weir", "count_min")

s = count_min(window = 1000000000, width = 32)

def main(pkt):
    q = pkt.payload.view(Ask)
    if q.b:
        s.add(q.a, q.b)
    answers.emit(s.estimate(q.a))
    return PASS
`)
	meets := func(at time.Duration) (out map[uint64]bool) {
		out = map[uint64]bool{}
		r.ask(at, 1<<40, 1000)
		for k := range uint64(20000) {
			if r.ask(at, k)[0] > 0 {
				out[k] = true
			}
		}
		return out
	}
	one, two := meets(time.Hour), meets(time.Hour+time.Second)
	both := 0
	for k := range one {
		if two[k] {
			both++
		}
	}
	// Of 20,000 keys some 312 have the cells of another one where a row begins at
	// any of 32 places with 16 steps (odd ones): 1 in 512.
	if len(one) < 10 || len(two) < 10 || both*4 > len(one) {
		t.Errorf("%d keys meet another one, in the next window %d, in both %d", len(one), len(two), both)
	}
}
