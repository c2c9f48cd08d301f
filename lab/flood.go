package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"
)

// A Flood is an attack on whoever is at the other end of a veth: copies of one
// frame, each with another source, that arrive there as native XDP frames, up
// to some 15 million a second and core. It is bounded: Packets or Duration
// must be set.
//
// The receiving end must take XDP frames: see Host.EnableXDPReceive. The
// frames never touch the sender's own stack and cost its CPU what the
// receiver's processing costs, since that runs in the sender's system call.
type Flood struct {
	// Iface of the attacker's host, at which frames leave.
	Iface string
	// Template is the frame: Ethernet, up to two VLAN tags, IPv4 or IPv6 without
	// extension headers. See UDPFrame and SYNFrame. A UDP checksum of 0 stays 0;
	// all others are made right for each packet.
	Template []byte
	// Sources takes each packet's source address at random from a network. Of
	// an IPv6 network it varies the last 32 bits at most.
	Sources netip.Prefix
	// SourceSet takes it at random from a list instead.
	SourceSet []netip.Addr
	// RandomPort takes each packet's source port at random from 1024 up.
	RandomPort bool
	// Packets and Duration end the flood, whichever comes first; zero is no
	// bound of this kind.
	Packets  uint64
	Duration time.Duration
	// PPS is the rate in packets a second, zero as fast as possible. It is held
	// by pauses between batches of some milliseconds.
	PPS uint64
	// CPU, if Pin is set, is where the flood (and with it the receiver's NAPI)
	// runs.
	Pin bool
	CPU int
	// Urgent gives it the highest priority of those that are not real-time.
	Urgent bool
}

// FloodStats are what a flood has done.
type FloodStats struct {
	// Sent counts frames that were handed to the interface.
	Sent uint64
	// Lost counts those of Sent that the receiving end did not take: its ring
	// was full, or it takes no XDP frames at all.
	Lost    uint64
	Elapsed time.Duration
	// CPU is the time of the processor in the sender's system calls: what others
	// on it took is not in it, the receiver's work is, but for what the kernel
	// leaves to ksoftirqd.
	CPU time.Duration
	// Fastest is the time of a packet, in ns, in the fastest span of some
	// milliseconds: what it costs where nothing comes between, and without what the
	// kernel needs to begin and to end. 0 if the flood was too short to tell.
	Fastest float64
}

// ErrNotReceived says that the other end takes no XDP frames.
var ErrNotReceived = errors.New("the other end of the veth takes no XDP frames (see EnableXDPReceive)")

const (
	// maxCall is how many packets one system call sends. To set one up cost
	// 0.02 ms here and 25 ms where it was measured before: it must be many.
	maxCall = 4 << 20
	// paceEvery is the pause between two batches of a flood with a rate.
	paceEvery = 2 * time.Millisecond
)

// Flood runs the flood from the host until a bound is reached or ctx ends,
// which is no error: it stops within some 50 ms. If nothing at all was
// received, it returns an error that wraps ErrNotReceived.
func (h *Host) Flood(ctx context.Context, o Flood) (FloodStats, error) {
	st, err := h.flood(ctx, o)
	if err == nil && st.Sent > 0 && st.Lost == st.Sent {
		err = ErrNotReceived
	}
	if err != nil {
		return st, fmt.Errorf("host %s: flood on %s: %w", h.name, o.Iface, err)
	}
	return st, nil
}

func (h *Host) flood(ctx context.Context, o Flood) (FloodStats, error) {
	if o.Packets == 0 && o.Duration == 0 {
		return FloodStats{}, ErrUnbounded
	}
	i, err := h.Link(o.Iface)
	if err != nil {
		return FloodStats{}, err
	}
	if err := rlimit.RemoveMemlock(); err != nil {
		return FloodStats{}, err
	}
	src, err := newFloodSource(o, i.Index)
	if err != nil {
		return FloodStats{}, err
	}
	defer src.close()

	before, err := h.veth(o.Iface)
	if err != nil {
		return FloodStats{}, err
	}
	if o.Duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.Duration)
		defer cancel()
	}
	var st FloodStats
	// The system call redirects to interfaces of the namespace it is made in.
	watched := src.watch()
	err = h.Do(func() (err error) {
		from := threadTime()
		defer func() { st.CPU = threadTime() - from }()
		st.Elapsed, err = src.run(ctx, o)
		return err
	})
	st.Fastest = watched()
	var serr error
	if st.Sent, serr = src.sent(); serr != nil {
		err = errors.Join(err, serr)
	}
	after, verr := h.veth(o.Iface)
	if err = errors.Join(err, verr); err != nil {
		return st, err
	}
	st.Lost = st.Sent - min(st.Sent, after-before)
	return st, nil
}

// threadTime is the calling thread's clock, or 0 if it cannot be read.
func threadTime() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// veth returns how many frames that were redirected to a veth interface its
// other end has taken. Ordinary packets are not among them.
func (h *Host) veth(ifname string) (uint64, error) {
	stats, err := h.ethtoolStats(ifname)
	if err != nil {
		return 0, err
	}
	var n uint64
	found := false
	for k, v := range stats {
		// tx_queue_0_xdp_xmit; beside it is tx_queue_0_xdp_xmit_errors.
		if strings.HasPrefix(k, "tx_queue_") && strings.HasSuffix(k, "_xdp_xmit") {
			n += v
			found = true
		}
	}
	if !found {
		return 0, fmt.Errorf("%s is no veth", ifname)
	}
	return n, nil
}

// run sends, on the calling thread, until a bound is reached. It gives the time that
// the sending took.
func (s *floodSource) run(ctx context.Context, o Flood) (elapsed time.Duration, err error) {
	if o.Pin {
		var old, one unix.CPUSet
		if err := unix.SchedGetaffinity(0, &old); err != nil {
			return 0, fmt.Errorf("affinity: %w", err)
		}
		one.Set(o.CPU)
		if err := unix.SchedSetaffinity(0, &one); err != nil {
			return 0, fmt.Errorf("pin to CPU %d: %w", o.CPU, err)
		}
		defer unix.SchedSetaffinity(0, &old)
	}
	if o.Urgent {
		defer urgent()()
	}
	defer s.interruptAtEnd(ctx)()
	start := time.Now()
	defer func() { elapsed = time.Since(start) }()
	return 0, s.batches(ctx, o, start)
}

// batches sends a batch after another.
func (s *floodSource) batches(ctx context.Context, o Flood, start time.Time) error {
	var sent uint64
	idle := 0
	for ctx.Err() == nil {
		want := uint64(maxCall)
		if o.PPS > 0 {
			due := uint64(float64(o.PPS) * time.Since(start).Seconds())
			want = min(want, due-min(due, sent))
		}
		if o.Packets > 0 {
			want = min(want, o.Packets-sent)
		}
		if want > 0 {
			if err := s.send(uint32(want)); err != nil {
				return err
			}
			now, err := s.sent()
			if err != nil {
				return err
			}
			if o.Packets > 0 && now >= o.Packets {
				return nil
			}
			// A signal may end a call early, but not a hundred of them.
			if idle++; now > sent {
				idle = 0
			}
			if idle > 100 && ctx.Err() == nil {
				return errors.New("the flood program sends nothing")
			}
			sent = now
		}
		if o.PPS > 0 {
			time.Sleep(paceEvery)
		}
	}
	return nil
}

// urgent gives the calling thread the highest priority, if it may, and returns a
// function that gives it its own again.
func urgent() (done func()) {
	tid := unix.Gettid()
	old, err := unix.Getpriority(unix.PRIO_PROCESS, tid) // 20 - nice, from the bare system call
	if err != nil || unix.Setpriority(unix.PRIO_PROCESS, tid, -20) != nil {
		return func() {}
	}
	return func() { unix.Setpriority(unix.PRIO_PROCESS, tid, 20-old) }
}

// interruptAtEnd makes the calling thread's system call return when ctx ends.
// The caller calls done when it makes no more of them.
func (s *floodSource) interruptAtEnd(ctx context.Context) (done func()) {
	tid := unix.Gettid()
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-quit:
			return
		case <-ctx.Done():
		}
		// Again and again: a signal that comes just before the call is lost.
		for {
			// SIGURG is what the Go runtime interrupts its own threads with.
			unix.Tgkill(unix.Getpid(), tid, unix.SIGURG)
			select {
			case <-quit:
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	}()
	return func() { close(quit); <-ended }
}

// A floodSource is the loaded program of a flood with its maps.
type floodSource struct {
	prog    *ebpf.Program
	counter *ebpf.Map // one uint64 per CPU: frames redirected
	sources *ebpf.Map // nil without a set
	frame   []byte
}

func (s *floodSource) close() {
	for _, m := range []*ebpf.Map{s.counter, s.sources} {
		if m != nil {
			m.Close()
		}
	}
	if s.prog != nil {
		s.prog.Close()
	}
}

// sent returns how many frames the program has handed to the interface.
func (s *floodSource) sent() (uint64, error) {
	var perCPU []uint64
	if err := s.counter.Lookup(uint32(0), &perCPU); err != nil {
		return 0, fmt.Errorf("read flood counter: %w", err)
	}
	var n uint64
	for _, v := range perCPU {
		n += v
	}
	return n, nil
}
