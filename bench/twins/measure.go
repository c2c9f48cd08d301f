package twins

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// A Time is what a program took in each round, in ns a packet.
type Time struct {
	Name  string // of the program
	NS    []float64
	Insns int // instructions in the kernel
	Sent  uint64
	Exits []Exit
	Rung  uint64 // bytes that came to rings
}

// Counted returns how many packets came to a return.
func (t Time) Counted() uint64 {
	var n uint64
	for _, x := range t.Exits {
		n += x.Packets
	}
	return n
}

// Times are the outcome of a measurement: the floor, and of the others what they
// took beyond it.
type Times struct {
	Floor, Ours, Again Time
	Peers              []Time
	Alone              []Time // of the parts of a composition
}

// Options of a measurement. The zero value is what a row is worth.
type Options struct {
	Rounds int           // 0: 11
	Batch  time.Duration // of a program in a round; 0: 20 ms
}

// Measure times the programs in turn, round after round, over the same packets.
func (p *Pair) Measure(ctx context.Context, o Options) (Times, error) {
	if o.Rounds == 0 {
		o.Rounds = 11
	}
	if o.Batch == 0 {
		o.Batch = 20 * time.Millisecond
	}
	release, err := ownThread()
	if err != nil {
		return Times{}, err
	}
	defer release()
	turns, err := p.calibrate(o.Batch)
	if err != nil {
		return Times{}, err
	}
	sides := p.sides()
	times := make([]Time, len(sides))
	before := make([][]Exit, len(sides))
	for i, s := range sides {
		times[i] = Time{Name: s.name, Insns: s.insns}
		if before[i], err = s.counted(); err != nil {
			return Times{}, err
		}
	}
	for r := range o.Rounds {
		if err := ctx.Err(); err != nil {
			return Times{}, err
		}
		if err := round(sides, times, r, turns); err != nil {
			return Times{}, err
		}
	}
	for i, s := range sides {
		after, err := s.counted()
		if err != nil {
			return Times{}, err
		}
		times[i].Rung = s.rung
		for k := range after {
			times[i].Exits = append(times[i].Exits, Exit{after[k].Packets - before[i][k].Packets, after[k].Bytes - before[i][k].Bytes})
		}
	}
	return Times{Floor: times[0], Ours: times[1], Again: times[2], Peers: times[3 : 3+len(p.peers)], Alone: times[3+len(p.peers):]}, nil
}

// round runs a batch of each side: the floor first, then the others, beginning
// with another one each round.
func round(sides []*side, times []Time, r, turns int) error {
	for k := range sides {
		i := k
		if k > 0 {
			i = 1 + (k-1+r)%(len(sides)-1)
		}
		d, err := sides[i].batch(turns)
		if err != nil {
			return err
		}
		ns := float64(d.Nanoseconds()) / float64(turns)
		if k > 0 {
			ns -= times[0].NS[r]
		}
		times[i].NS = append(times[i].NS, ns)
		times[i].Sent += uint64(turns)
	}
	return nil
}

func (s *side) counted() ([]Exit, error) {
	if s.exits == nil {
		return nil, nil
	}
	return s.exits()
}

// calibrate returns how many turns the fastest program makes in a batch, and warms
// all of them up.
func (p *Pair) calibrate(batch time.Duration) (int, error) {
	const few = 20_000
	fastest := time.Duration(1 << 62)
	for _, s := range p.sides() {
		var d time.Duration
		for range 3 {
			var err error
			if d, err = s.batch(few); err != nil {
				return 0, err
			}
		}
		fastest = min(fastest, d)
	}
	// Whole passes over the frames, so that each side sees the same.
	passes := int(float64(batch)/float64(max(1, fastest))*few)/len(p.frames) + 1
	return passes * len(p.frames), nil
}

// batch runs the program turns times behind its feeder. Its time is that of the
// thread's own clock: the wall time of the call, less what the call waited. A
// call waits for others that want the CPU, and at XDP for the kernel to change
// its dispatcher to the feeder and back (bpf_dispatcher_change_prog).
func (s *side) batch(turns int) (time.Duration, error) {
	var from, to unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &from); err != nil {
		return 0, err
	}
	o := s.feed.run.RunOptions
	o.Repeat = uint32(turns)
	_, err := s.feed.prog.Run(&o)
	if err != nil {
		return 0, fmt.Errorf("timed run of %s: %w", s.name, err)
	}
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &to); err != nil {
		return 0, err
	}
	for _, r := range s.rings {
		s.rung += r.drain()
	}
	return time.Duration(to.Nano() - from.Nano()), nil
}

// ownThread keeps the goroutine on its thread, whose clock is read, and signals
// from it: a test run that is interrupted would be begun again, and count twice.
// The runtime and the user reach the other threads.
func ownThread() (release func(), err error) {
	runtime.LockOSThread()
	var all, before unix.Sigset_t
	for i := range all.Val {
		all.Val[i]--
	}
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &all, &before); err != nil {
		runtime.UnlockOSThread()
		return nil, fmt.Errorf("mask signals: %w", err)
	}
	return func() {
		// What fails here leaves the thread locked, so that it ends with us.
		if unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil) == nil {
			runtime.UnlockOSThread()
		}
	}, nil
}
