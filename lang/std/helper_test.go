package std_test

import (
	"encoding/binary"
	"os"
	"slices"
	"testing"
	"time"

	"weir/lang"
	"weir/trace"
)

// A rig is a chain in the kernel that answers questions: up to four numbers in a UDP
// packet, which the chain reads by askHead, and tells what it found by answers.emit.
type rig struct {
	t      *testing.T
	runner *trace.Runner
}

// askHead is what the chain of a rig begins with.
const askHead = `
Ask     = header(a = u64, b = u64, c = u64, d = u64)
answers = ring(u64, size = 65536)
`

// newRig loads a chain whose source is askHead and text.
func newRig(t *testing.T, text string) *rig {
	t.Helper()
	return &rig{t, loaded(t, askHead+text)}
}

// loaded compiles a chain and loads it at XDP.
func loaded(t testing.TB, text string) *trace.Runner {
	t.Helper()
	p, err := lang.Compile([]byte(text), lang.Options{File: "rig.weir", Trace: true, Clock: true, Load: os.ReadFile})
	if err != nil {
		t.Fatal(err)
	}
	r, err := trace.NewRunner(p, trace.RunnerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// ask gives the chain a question at a time of its clock, and returns what it answers.
func (r *rig) ask(at time.Duration, numbers ...uint64) []uint64 {
	r.t.Helper()
	return r.send(at, question(numbers...))
}

// send gives the chain a frame, and returns what it answers.
func (r *rig) send(at time.Duration, frame []byte) (answers []uint64) {
	r.t.Helper()
	_, answers = runAt(r.t, r.runner, frame, time.Unix(0, int64(at)))
	return answers
}

// runAt sends a frame through a chain: what became of it, and the numbers told.
func runAt(t testing.TB, r *trace.Runner, frame []byte, at time.Time) (out []byte, told []uint64) {
	t.Helper()
	var res trace.Result
	err := trace.OnOneCPU(func() (err error) {
		res, out, err = r.Run(frame, at)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if res.Error != "" {
		t.Fatal(res.Error)
	}
	for _, e := range res.Events {
		told = append(told, binary.NativeEndian.Uint64(e.Octets))
	}
	return out, told
}

// question is a frame of UDP over IPv4 that holds four numbers.
func question(numbers ...uint64) []byte {
	f := slices.Concat(
		make([]byte, 12), []byte{8, 0},
		[]byte{0x45, 0, 0, 60, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2},
		[]byte{0, 1, 0, 2, 0, 40, 0, 0},
	)
	for i := range 4 {
		n := uint64(0)
		if i < len(numbers) {
			n = numbers[i]
		}
		f = binary.BigEndian.AppendUint64(f, n)
	}
	return f
}
