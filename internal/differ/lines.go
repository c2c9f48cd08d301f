package differ

import (
	"encoding/binary"
	"fmt"
	"maps"
	"time"

	"github.com/cilium/ebpf/ringbuf"
	"github.com/google/go-cmp/cmp"

	"weir/lang"
)

// reach notes a statement that the reference reached.
func (k *kernel) reach(file string, line, col int) {
	at := lang.Line{File: file, Line: line, Col: col}
	if k.c.lines || k.c.times > 0 {
		k.lines[at]++
	}
	if k.c.steps {
		k.way = append(k.way, at)
	}
}

// startWay forgets the way of the packet before.
func (k *kernel) startWay() error {
	k.way = nil
	if k.ring != nil {
		return nil
	}
	return k.state.ForgetSteps(k.prog)
}

// compareWay compares the statements that a packet met, one after another. Where there
// was no room for all of them in the kernel, those at first.
func (k *kernel) compareWay() error {
	if !k.c.steps {
		return nil
	}
	met, lost, err := k.met()
	if err != nil {
		return err
	}
	var got []lang.Line
	for _, s := range met {
		if s.Kind == lang.StepReached {
			got = append(got, s.At)
		}
	}
	want := k.way
	if lost > 0 {
		want = want[:min(len(want), len(got))]
	}
	if d := cmp.Diff(want, got); d != "" {
		return fmt.Errorf("way (-reference +kernel):\n%s", d)
	}
	return nil
}

// openRing lets the program tell of every packet, if it does so by a ring.
func (k *kernel) openRing() error {
	m := k.state.SystemMap(k.prog, lang.StepRing)
	if m == nil {
		return nil
	}
	mem, err := k.state.SystemMap(k.prog, lang.StepMap).Memory()
	if err == nil {
		_, err = mem.WriteAt(binary.NativeEndian.AppendUint64(nil, 1<<40), 0)
	}
	if err == nil {
		k.ring, err = ringbuf.NewReader(m)
	}
	return err
}

// met returns the steps of the packet that ran, and how many octets of them are lost.
func (k *kernel) met() ([]lang.Met, uint64, error) {
	if k.ring == nil {
		return k.state.Steps(k.prog)
	}
	k.ring.SetDeadline(time.Unix(1, 0)) // do not wait
	rec, err := k.ring.Read()
	if err != nil {
		return nil, 0, fmt.Errorf("nothing is told of the packet: %w", err)
	}
	told, err := k.prog.DecodeTold(rec.RawSample)
	if err != nil {
		return nil, 0, err
	}
	return told.Met, told.Lost, k.compareOutcome(told.Outcome)
}

// compareOutcome compares what is told of the end with what the trace has.
func (k *kernel) compareOutcome(told lang.Outcome) error {
	b, err := k.state.SystemMap(k.prog, lang.TraceMap).LookupBytes(uint32(0))
	if err != nil {
		return err
	}
	traced, err := lang.DecodeOutcome(b)
	if err == nil && traced != told {
		err = fmt.Errorf("told is %+v, traced %+v", told, traced)
	}
	return err
}

// compareLines compares how often each statement was reached.
func (k *kernel) compareLines() error {
	m := k.state.SystemMap(k.prog, lang.LineMap)
	if m == nil {
		return nil
	}
	b, err := m.LookupBytes(uint32(0))
	if err != nil {
		return fmt.Errorf("lines: %w", err)
	}
	got := map[lang.Line]uint64{}
	for i, l := range k.prog.Lines {
		got[l] += binary.NativeEndian.Uint64(b[8*i:])
	}
	maps.DeleteFunc(got, func(_ lang.Line, n uint64) bool { return n == 0 })
	if d := cmp.Diff(k.lines, got); d != "" {
		return fmt.Errorf("lines reached (-reference +kernel):\n%s", d)
	}
	return k.compareTimes(got)
}

// compareTimes compares how often time was taken with how often each statement was
// reached, where it is taken of each packet: once for each, and once more for what
// comes back to a statement.
func (k *kernel) compareTimes(reached map[lang.Line]uint64) error {
	m := k.state.SystemMap(k.prog, lang.TimeMap)
	if m == nil {
		return nil
	}
	b, err := m.LookupBytes(uint32(0))
	if err != nil {
		return fmt.Errorf("times: %w", err)
	}
	clock, laps := k.prog.DecodeTimes(b)
	if n := k.packets; k.c.times == 1 && clock.N != n || clock.N > n {
		return fmt.Errorf("times: %d of %d packets were timed", clock.N, n)
	}
	timed := map[lang.Line]uint64{}
	for i, l := range laps {
		timed[k.prog.Times[i]] += l.N
	}
	for at, n := range timed {
		if k.c.times == 1 && n < reached[at] {
			return fmt.Errorf("times: %v was reached %d times and timed %d times", at, reached[at], n)
		}
	}
	return nil
}
