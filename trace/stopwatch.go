package trace

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"weir/lang"
)

// A stopwatch times packets on a copy of the program, so that the runs do not
// change what is counted.
//
// A test run that repeats hands the changed packet to the next turn. A packet
// that the chain leaves as it was is timed in one call of many turns; one that
// it changes in many calls of one turn, each with a fresh copy. A single turn
// costs more than one of many (the clock is read around it, and what it needs
// is no longer in the cache): what it costs with an empty program is taken off.
type stopwatch struct {
	r        *Runner
	repeat   int
	overhead time.Duration // of a single turn
	packets  int
	ns       float64
}

func newStopwatch(p *lang.Program, o Options, start time.Time) (*stopwatch, error) {
	if o.Timed != nil {
		p = o.Timed
	}
	r, err := newRunner(p, RunnerOptions{Frags: o.Frags, Set: o.Set, Start: start})
	if err != nil {
		return nil, err
	}
	s := &stopwatch{r: r, repeat: o.Repeat}
	if s.overhead, err = singleTurn(r.linear.obj.Type()); err != nil {
		r.Close()
		return nil, err
	}
	return s, nil
}

func (s *stopwatch) close() { s.r.Close() }

// time runs a packet that the chain made out of.
func (s *stopwatch) time(frame, out []byte, at time.Time) error {
	x, err := s.r.choose(len(frame))
	if err != nil || x == nil {
		return err
	}
	if x.clock != nil {
		if err := put64(x.clock, 0, uint64(at.UnixNano())); err != nil {
			return err
		}
	}
	calls, turns := 1, s.repeat
	if !bytes.Equal(frame, out) {
		calls, turns = s.repeat, 1
	}
	var total time.Duration
	for range calls {
		_, d, err := x.obj.Benchmark(frame, turns, nil)
		if err != nil {
			return fmt.Errorf("timed test run: %w", err)
		}
		if total += d; turns == 1 {
			total -= min(d, s.overhead)
		}
	}
	s.packets++
	s.ns += float64(total.Nanoseconds()) / float64(calls)
	return nil
}

// mean returns the mean over packets.
func (s *stopwatch) mean() *float64 {
	m := 0.0
	if s.packets > 0 {
		m = s.ns / float64(s.packets)
	}
	return &m
}

// singleTurn returns what a test run of one turn takes longer than one of many,
// with a program that does nothing.
func singleTurn(t ebpf.ProgramType) (time.Duration, error) {
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "weir_empty", Type: t, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()},
	})
	if err != nil {
		return 0, fmt.Errorf("calibrate: %w", err)
	}
	defer p.Close()
	frame := make([]byte, 64)
	_, many, err := p.Benchmark(frame, 100_000, nil)
	if err != nil {
		return 0, fmt.Errorf("calibrate: %w", err)
	}
	singles := make([]time.Duration, 201)
	for i := range singles {
		if _, singles[i], err = p.Benchmark(frame, 1, nil); err != nil {
			return 0, fmt.Errorf("calibrate: %w", err)
		}
	}
	slices.Sort(singles)
	return max(0, singles[len(singles)/2]-many), nil
}
