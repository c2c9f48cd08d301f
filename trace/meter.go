package trace

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"weir/datapath"
	"weir/hook"
	"weir/lang"
)

// A meter times a packet on two programs in turn, round after round: the plain chain,
// and the chain that takes the time of each statement. What counts of each is the mean of the middle half of the
// rounds, so that one in which the machine did something else does not.
//
// As with a stopwatch, a packet that the chain leaves as it was is run in calls of many
// turns, one that it changes in many calls of one turn.
type meter struct {
	empty        *ebpf.Program
	plain, timed *Runner
	turns        int           // of a round; 0: what takes about roundTime
	overhead     time.Duration // of a single turn
	floor        float64       // what a turn of a program takes that does nothing, in ns
}

// Of a measurement: an odd number of rounds, and how long one takes of each program.
const (
	rounds    = 5
	roundTime = 5 * time.Millisecond
)

// A sample is what one packet took, in ns.
type sample struct {
	plain, timed float64   // without what an empty program takes
	clock        float64   // two readings of the clock
	ns           []float64 // from reading to reading, of lang.Program.Times
	laps         []float64 // how often that was
}

func newMeter(o ProfileOptions, start time.Time) (m *meter, err error) {
	m = &meter{turns: o.Repeat / rounds}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.close())
		}
	}()
	ro := RunnerOptions{Frags: o.Frags.Plain, Set: o.Set, Start: start}
	if m.plain, err = newRunner(o.Linear.Plain, ro); err != nil {
		return m, err
	}
	ro.Frags = o.Frags.Timed
	if m.timed, err = newRunner(o.Linear.Timed, ro); err != nil {
		return m, err
	}
	typ := m.plain.chains[0].linear.obj.Type()
	if m.empty, err = emptyProgram(typ); err != nil {
		return m, err
	}
	if m.overhead, err = singleTurn(m.empty); err != nil {
		return m, err
	}
	m.floor, err = floorOf(m.empty, m.plain.chains[0].linear.prog.Hook)
	return m, err
}

func (m *meter) close() error {
	var errs []error
	for _, r := range []*Runner{m.plain, m.timed} {
		if r != nil {
			errs = append(errs, r.Close())
		}
	}
	if m.empty != nil {
		errs = append(errs, m.empty.Close())
	}
	return errors.Join(errs...)
}

// emptyProgram loads a program that does nothing.
func emptyProgram(t ebpf.ProgramType) (*ebpf.Program, error) {
	spec := &ebpf.ProgramSpec{
		Name: "weir_empty", Type: t, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 1), asm.Return()},
	}
	if t == ebpf.Netfilter {
		spec.AttachType = ebpf.AttachNetfilter
	}
	p, err := ebpf.NewProgram(spec)
	if err != nil {
		return nil, fmt.Errorf("calibrate: %w", err)
	}
	return p, nil
}

// floorOf returns what a turn takes of a program that does nothing.
func floorOf(empty *ebpf.Program, h hook.Hook) (ns float64, err error) {
	const turns = 100_000
	t, _ := datapath.NewTestRun(h, calibrationFrame(), nil)
	w := &watching{data: t.Data, beside: t.Context}
	for range rounds {
		x, err := w.run(empty, turns)
		if err != nil {
			return 0, fmt.Errorf("calibrate: %w", err)
		}
		ns += x / rounds
	}
	return ns, nil
}

// time times a packet. It returns the program whose laps the sample has.
func (m *meter) time(ctx context.Context, p pick) (sample, *lang.Program, error) {
	plain, err := m.plain.choose(m.plain.chains[0], len(p.data))
	if err != nil {
		return sample{}, nil, err
	}
	timed, err := m.timed.choose(m.timed.chains[0], len(p.data))
	if err != nil {
		return sample{}, nil, err
	}
	for _, x := range []*run{plain, timed} {
		if x.clock != nil {
			if err := put64(x.clock, 0, uint64(p.at.UnixNano())); err != nil {
				return sample{}, nil, err
			}
		}
	}
	t, _ := datapath.NewTestRun(plain.prog.Hook, p.data, nil)
	w := &watching{m: m, data: t.Data, beside: t.Context, once: !p.same}
	reader := &lapReader{m: m.timed.SystemMap(timed.prog, lang.TimeMap), p: timed.prog}
	var all []sample
	for range rounds {
		if err := ctx.Err(); err != nil {
			return sample{}, nil, err
		}
		x, err := w.round(plain.obj, timed.obj, reader)
		if err != nil {
			return sample{}, nil, fmt.Errorf("timed test run: %w", err)
		}
		all = append(all, x)
	}
	return middle(all), timed.prog, nil
}

// watching is the measurement of one frame.
type watching struct {
	m      *meter
	data   []byte
	beside any  // what the kernel is told beside the frame; nil: nothing
	once   bool // each turn needs a frame of its own

	plainTurns, timedTurns int
}

// round times both programs once.
func (w *watching) round(plain, timed *ebpf.Program, r *lapReader) (s sample, err error) {
	if s.plain, err = w.batch(plain, &w.plainTurns); err != nil {
		return s, err
	}
	if w.timedTurns == 0 { // how many turns are enough
		if _, err = w.batch(timed, &w.timedTurns); err != nil {
			return s, err
		}
	}
	if err := r.read(); err != nil {
		return s, err
	}
	if s.timed, err = w.batch(timed, &w.timedTurns); err != nil {
		return s, err
	}
	clock, laps, err := r.since()
	if err != nil {
		return s, err
	}
	s.plain, s.timed = s.plain-w.m.floor, s.timed-w.m.floor
	s.clock = float64(clock.NS) / float64(max(clock.N, 1))
	for _, l := range laps {
		s.ns = append(s.ns, float64(l.NS)/float64(w.timedTurns))
		s.laps = append(s.laps, float64(l.N)/float64(w.timedTurns))
	}
	return s, nil
}

// batch runs a program so many turns, and finds out how many if that is 0. It returns
// what a turn took in ns.
func (w *watching) batch(p *ebpf.Program, turns *int) (float64, error) {
	if *turns == 0 {
		if *turns = w.m.turns; *turns == 0 {
			one := 1000
			if w.once {
				one = 10
			}
			ns, err := w.run(p, one)
			if err != nil {
				return 0, err
			}
			*turns = max(1, int(float64(roundTime)/max(ns, 1)))
			if w.once {
				*turns = min(*turns, singles)
			}
		}
	}
	return w.run(p, *turns)
}

// singles is how many calls of one turn a round makes at most: each takes far longer
// than its turn.
const singles = 50

// run returns the ns of a turn. The kernel tells whole ns, rounded down.
func (w *watching) run(p *ebpf.Program, turns int) (float64, error) {
	if !w.once {
		return manyTurns(p, w.data, w.beside, turns)
	}
	var total time.Duration
	for range turns {
		_, d, err := p.Benchmark(w.data, 1, nil)
		if err != nil {
			return 0, err
		}
		total += d
	}
	return float64(total.Nanoseconds())/float64(turns) - float64(w.m.overhead.Nanoseconds()), nil
}

// manyTurns returns the ns of a turn of a test run of many, in which the kernel is told
// what beside says: the library tells no time then, and that of the thread is as good.
func manyTurns(p *ebpf.Program, data []byte, beside any, turns int) (float64, error) {
	if beside == nil {
		_, d, err := p.Benchmark(data, turns, nil)
		return float64(d.Nanoseconds()), err
	}
	start := threadTime()
	_, err := p.Run(&ebpf.RunOptions{Data: data, Context: beside, Repeat: uint32(turns)})
	return float64(threadTime()-start) / float64(turns), err
}

// threadTime is how long this thread has run, in ns.
func threadTime() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		return 0 // cannot fail with a valid clock
	}
	return ts.Nano()
}

// middle takes of each number the mean of the middle half.
func middle(all []sample) (out sample) {
	of := func(get func(sample) float64) (sum float64) {
		var v []float64
		for _, s := range all {
			v = append(v, get(s))
		}
		slices.Sort(v)
		v = v[len(v)/4 : len(v)-len(v)/4]
		for _, x := range v {
			sum += x
		}
		return sum / float64(len(v))
	}
	out.plain = of(func(s sample) float64 { return s.plain })
	out.timed = of(func(s sample) float64 { return s.timed })
	out.clock = of(func(s sample) float64 { return s.clock })
	for i := range all[0].laps {
		out.ns = append(out.ns, of(func(s sample) float64 { return s.ns[i] }))
		out.laps = append(out.laps, of(func(s sample) float64 { return s.laps[i] }))
	}
	return out
}

// A lapReader reads what a program that takes the time has written down.
type lapReader struct {
	m     *ebpf.Map
	p     *lang.Program
	clock lang.Lap
	laps  []lang.Lap
}

func (r *lapReader) read() error {
	b, err := r.m.LookupBytes(uint32(0))
	if err != nil {
		return fmt.Errorf("read times: %w", err)
	}
	r.clock, r.laps = r.p.DecodeTimes(b)
	return nil
}

// since returns what has come since the last reading.
func (r *lapReader) since() (lang.Lap, []lang.Lap, error) {
	clock, laps := r.clock, r.laps
	if err := r.read(); err != nil {
		return lang.Lap{}, nil, err
	}
	out := slices.Clone(r.laps)
	for i := range out {
		out[i] = out[i].Sub(laps[i])
	}
	return r.clock.Sub(clock), out, nil
}
