package modules_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cilium/ebpf"

	"weir/datapath"
	"weir/examples/modules"
	"weir/hook"
	"weir/lang"
)

// A program in the order of a hook does what it does alone: with every packet, and in
// its maps.
func TestSamples(t *testing.T) {
	for name, fn := range map[string]string{"xdp1": "xdp_prog1", "xdp2": "xdp_prog2"} {
		t.Run(name, func(t *testing.T) {
			object, err := modules.Load("c/" + name + ".o")
			if err != nil {
				t.Fatal(err)
			}
			spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
			if err != nil {
				t.Fatal(err)
			}
			alone, err := ebpf.NewCollection(spec)
			if err != nil {
				t.Fatal(err)
			}
			defer alone.Close()
			p, err := lang.Compile([]byte("def main(pkt):\n    return PASS\n"), lang.Options{
				File: "first.weir", Hook: hook.XDP, Load: modules.Load, Then: []lang.Part{{File: "c/" + name + ".o", Func: fn, Source: object}},
			})
			if err != nil {
				t.Fatal(err)
			}
			s, err := datapath.Load(p, datapath.LoadOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			verdicts := map[uint32]int{}
			for i, frame := range sampleFrames(random(3)) {
				want, wantFrame := runOn(t, alone.Programs[fn], frame)
				got, gotFrame := runOn(t, s.Object(p), frame)
				if got != want || !bytes.Equal(gotFrame, wantFrame) {
					t.Fatalf("frame %d, % x: %d % x, alone %d % x", i, frame, got, gotFrame, want, wantFrame)
				}
				verdicts[got]++
			}
			if name == "xdp2" && len(verdicts) != 2 {
				t.Errorf("verdicts %v: the frames say nothing", verdicts)
			}
			if name == "xdp1" {
				sameCounts(t, alone.Maps["rxcnt"], s)
			}
		})
	}
}

// sampleFrames are of several kinds, some of them cut off.
func sampleFrames(rng *rand.Rand) (frames [][]byte) {
	for range 300 {
		b := make([]byte, 14+rng.IntN(60))
		for i := range b {
			b[i] = byte(rng.UintN(256))
		}
		binary.BigEndian.PutUint16(b[12:], []uint16{0x0800, 0x0800, 0x86dd, 0x8100, 0x0806}[rng.IntN(5)])
		if len(b) > 23 {
			b[23] = []byte{17, 6, 1}[rng.IntN(3)]
		}
		frames = append(frames, b)
	}
	return frames
}

func runOn(t *testing.T, prog *ebpf.Program, frame []byte) (uint32, []byte) {
	t.Helper()
	o := ebpf.RunOptions{Data: bytes.Clone(frame), DataOut: make([]byte, 256)}
	ret, err := prog.Run(&o)
	if err != nil {
		t.Fatal(err)
	}
	return ret, o.DataOut
}

// sameCounts compares a per-CPU array with the chain's xdp1.rxcnt, summed.
func sameCounts(t *testing.T, alone *ebpf.Map, s *datapath.State) {
	t.Helper()
	m, err := s.Map("xdp1.rxcnt")
	if err != nil {
		t.Fatal(err)
	}
	some := 0
	for proto := range uint32(256) {
		var perCPU []uint64
		if err := alone.Lookup(proto, &perCPU); err != nil {
			t.Fatal(err)
		}
		var sum uint64
		for _, n := range perCPU {
			sum += n
		}
		if got, err := m.Get(fmt.Sprint(proto)); err != nil || got != fmt.Sprint(sum) {
			t.Errorf("protocol %d: %s, %v; alone %d", proto, got, err, sum)
		}
		if sum > 0 {
			some++
		}
	}
	if some < 3 {
		t.Errorf("%d protocols were counted", some)
	}
}

// An editor knows the functions of an object, and how C declares them.
func TestInspect(t *testing.T) {
	src, err := modules.Load("acl.weir")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	in := lang.Inspect(src, lang.Options{File: "acl.weir", Load: modules.Load})
	for _, f := range in.Facts {
		got[f.Name] = f.Kind + " " + f.Type + " " + f.Text
	}
	if want := "function score(f) In C: __u32 score(struct flow *f)"; got["score"] != want || len(in.Diags) > 0 {
		t.Errorf("score is %q, want %q; diagnostics %v", got["score"], want, in.Diags)
	}
	if want := "type record(src = ip4, dst = ip4, sport = u16, dport = u16, proto = u8, flags = u8, len = u16) "; got["flow"] != want {
		t.Errorf("flow is %q, want %q", got["flow"], want)
	}
}
