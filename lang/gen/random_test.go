package gen

import (
	"errors"
	"flag"
	"math/rand/v2"
	"syscall"
	"testing"

	"weir/lang/ir"
	"weir/lang/ir/irtest"
	"weir/lang/opt"
)

var (
	count = flag.Int("random", 300, "number of random programs")
	first = flag.Uint64("seed", 0, "first seed")
	size  = flag.Int("size", 60, "size of random programs")
)

func packets(seed uint64) [][]byte {
	r := rand.New(rand.NewPCG(seed, 2))
	list := make([][]byte, 4)
	for i := range list {
		list[i] = make([]byte, irtest.PacketSize+i)
		for k := range list[i] {
			if i%2 == 0 || r.IntN(3) > 0 {
				list[i][k] = byte(r.Uint32())
			}
		}
	}
	return append(list, make([]byte, 20))
}

// TestRandom compares the kernel with the interpreter, on programs as they
// were made and as package opt leaves them.
func TestRandom(t *testing.T) {
	ran := 0
	for seed := *first; seed < *first+uint64(*count); seed++ {
		model := irtest.Random(seed, *size)
		optimised := irtest.Random(seed, *size)
		opt.Run(optimised, opt.Options{})
		for _, p := range []*ir.Program{model, optimised} {
			coll, err := tryLoad(t, p)
			if errors.Is(err, syscall.E2BIG) {
				continue // the verifier goes round every loop, and gives up on some
			}
			if err != nil {
				t.Fatalf("seed %d: %v\n%s", seed, err, p)
			}
			ran++
			compare(t, coll, p, model, packets(seed)...)
			coll.Close()
		}
	}
	if ran < *count {
		t.Errorf("%d of %d programs ran", ran, 2**count)
	}
}
