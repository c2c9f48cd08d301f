package trace

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/cilium/ebpf"

	"weir/datapath"
	"weir/lang"
)

// A stopwatch times packets on a copy of the program, so that the runs do not
// change what is counted.
//
// A test run that repeats hands the changed packet to the next turn. A packet
// that the chain leaves as it was is timed in calls of many turns; one that
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
	empty, err := emptyProgram(r.chains[0].linear.obj.Type())
	if err == nil {
		s.overhead, err = singleTurn(empty)
		empty.Close()
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	return s, nil
}

func (s *stopwatch) close() { s.r.Close() }

// time runs a packet that the chain made out of.
func (s *stopwatch) time(ctx context.Context, frame, out []byte, at time.Time) error {
	x, err := s.r.choose(s.r.chains[0], len(frame))
	if err != nil || x == nil {
		return err
	}
	if x.clock != nil {
		if err := put64(x.clock, 0, uint64(at.UnixNano())); err != nil {
			return err
		}
	}
	run, _ := datapath.NewTestRun(x.prog.Hook, frame, nil)
	most := 1 // turns of a call
	if s.repeat > 1 && bytes.Equal(frame, out) {
		ns, err := manyTurns(x.obj, run.Data, run.Context, 1)
		if err != nil {
			return fmt.Errorf("timed test run: %w", err)
		}
		most = max(1, int(float64(maxCall)/max(1, ns)))
	}
	var total float64
	for left := s.repeat; left > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		turns := min(left, most)
		ns, err := manyTurns(x.obj, run.Data, run.Context, turns)
		if err != nil {
			return fmt.Errorf("timed test run: %w", err)
		}
		if turns == 1 {
			ns -= min(ns, float64(s.overhead.Nanoseconds()))
		}
		total += ns * float64(turns)
		left -= turns
	}
	s.packets++
	s.ns += total / float64(s.repeat)
	return nil
}

// maxCall is about how long a call of many turns takes: between calls it is
// seen that the user has had enough.
const maxCall = 100 * time.Millisecond

// mean returns the mean over packets, or nil if none was timed.
func (s *stopwatch) mean() *float64 {
	if s.packets == 0 {
		return nil
	}
	m := s.ns / float64(s.packets)
	return &m
}

// calibrationFrame is what a program is given that does nothing.
func calibrationFrame() []byte {
	frame := make([]byte, 64)
	binary.BigEndian.PutUint16(frame[12:], 0x0800) // netfilter and cgroups take IP alone
	frame[14] = 0x45
	return frame
}

// singleTurn returns what a test run of one turn takes longer than one of many,
// of a program that does nothing.
func singleTurn(empty *ebpf.Program) (time.Duration, error) {
	frame := calibrationFrame()
	_, many, err := empty.Benchmark(frame, 100_000, nil)
	if err != nil {
		return 0, fmt.Errorf("calibrate: %w", err)
	}
	singles := make([]time.Duration, 201)
	for i := range singles {
		if _, singles[i], err = empty.Benchmark(frame, 1, nil); err != nil {
			return 0, fmt.Errorf("calibrate: %w", err)
		}
	}
	slices.Sort(singles)
	return max(0, singles[len(singles)/2]-many), nil
}
