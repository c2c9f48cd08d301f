package opt

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"testing"

	"weir/lang/ir"
	"weir/lang/ir/irtest"
)

var (
	programs = flag.Int("random", 1500, "number of random programs")
	size     = flag.Int("size", 60, "size of random programs")
	first    = flag.Uint64("seed", 0, "first seed")
)

// TestRandom compares what random programs do before, and after each pass.
func TestRandom(t *testing.T) {
	for seed := *first; seed < *first+uint64(*programs); seed++ {
		r := rand.New(rand.NewPCG(seed, 3))
		pkt := make([]byte, irtest.PacketSize)
		for i := range pkt {
			if r.IntN(3) > 0 {
				pkt[i] = byte(r.Uint32())
			}
		}
		p := irtest.Random(seed, *size)
		verdict, want := run(t, p, pkt)
		Run(p, Options{Dump: func(pass string) {
			f := p.Funcs[0]
			if err := ir.Verify(f); err != nil {
				t.Fatalf("seed %d: after %s: %v\n%s", seed, pass, err, f)
			}
			if v, got := run(t, p, pkt); v != verdict || !bytes.Equal(got, want) {
				t.Fatalf("seed %d: after %s: gives %d\n%x\nwant %d\n%x\n%s\nbefore:\n%s", seed, pass, v, got, verdict, want, f, irtest.Random(seed, *size))
			}
		}})
	}
}

func run(t *testing.T, p *ir.Program, pkt []byte) (uint64, []byte) {
	t.Helper()
	m := &irtest.Machine{Packet: bytes.Clone(pkt)}
	v, err := m.Run(p)
	if err != nil {
		t.Fatalf("%v\n%s", err, p)
	}
	return v, m.Packet
}
