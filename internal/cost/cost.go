// Package cost measures what BPF programs cost, by the kernel's run statistics.
//
// The kernel counts runs of all programs, and their time, while at least one
// process asks for it, which costs each run two reads of the clock. A [Meter] asks
// from [Start] to Close; [Meter.Read] tells what programs have used up to then, and
// the difference of two readings is a [Use].
//
// Who only wants to know what the kernel counts anyway reads that ([Now]) while it
// does so for all ([Always]).
//
// It knows programs by the kernel's numbers only, and changes nothing else.
package cost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// A Program is the kernel's number of a program.
type Program = ebpf.ProgramID

// A Use is what a program used in some time.
type Use struct {
	Runs uint64
	Time time.Duration // spent in it, on all CPUs
	Span time.Duration // in which that was; 0: not measured
}

// NsPerRun is how long a run took, in ns; 0 if there was none.
func (u Use) NsPerRun() float64 {
	if u.Runs == 0 {
		return 0
	}
	return float64(u.Time.Nanoseconds()) / float64(u.Runs)
}

// RunsPerSecond is how often it ran.
func (u Use) RunsPerSecond() float64 {
	if u.Span <= 0 {
		return 0
	}
	return float64(u.Runs) / u.Span.Seconds()
}

// CPU is its part of the time of one CPU: 1 is a whole one.
func (u Use) CPU() float64 {
	if u.Span <= 0 {
		return 0
	}
	return float64(u.Time) / float64(u.Span)
}

// A Meter keeps the statistics switched on.
type Meter struct{ off io.Closer }

// Start switches the statistics on. The error wraps [ebpf.ErrNotSupported] on
// kernels that have none, and [os.ErrPermission] without rights.
func Start() (*Meter, error) {
	off, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	switch {
	case errors.Is(err, ebpf.ErrNotSupported):
		return nil, fmt.Errorf("run statistics: %w (needs Linux 5.8)", ebpf.ErrNotSupported)
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("run statistics: %w (needs CAP_SYS_ADMIN)", err)
	case err != nil:
		return nil, fmt.Errorf("run statistics: %w", err)
	}
	return &Meter{off}, nil
}

// Share measures what the statistics add to each run, in ns: the time between their two
// readings of the clock is what they say that a program takes which does nothing.
func (m *Meter) Share() (float64, error) {
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "weir_empty", Type: ebpf.XDP, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()},
	})
	if err != nil {
		return 0, fmt.Errorf("measure run statistics: %w", err)
	}
	defer p.Close()
	const runs = 100_000
	if _, _, err := p.Benchmark(make([]byte, 64), runs, nil); err != nil {
		return 0, fmt.Errorf("measure run statistics: %w", err)
	}
	s, err := p.Stats()
	if err != nil {
		return 0, fmt.Errorf("measure run statistics: %w", err)
	}
	return Use{Runs: s.RunCount, Time: s.Runtime}.NsPerRun(), nil
}

// Close switches them off, unless others want them.
func (m *Meter) Close() error { return m.off.Close() }

// A Reading is what programs have used up to a moment.
type Reading struct {
	At   time.Time
	used map[Program]Use
}

// Always reports whether the kernel counts all the time, as the sysctl
// kernel.bpf_stats_enabled has it.
func Always() bool {
	text, err := os.ReadFile("/proc/sys/kernel/bpf_stats_enabled")
	return err == nil && strings.TrimSpace(string(text)) == "1"
}

// Read is [Now] while the meter keeps the statistics switched on.
func (m *Meter) Read(ids []Program) Reading { return Now(ids) }

// Now reads the statistics of programs; those that are gone are left out.
func Now(ids []Program) Reading {
	r := Reading{time.Now(), make(map[Program]Use, len(ids))}
	for _, id := range ids {
		p, err := ebpf.NewProgramFromID(id)
		if err != nil {
			continue
		}
		if s, err := p.Stats(); err == nil {
			r.used[id] = Use{Runs: s.RunCount, Time: s.Runtime}
		}
		p.Close()
	}
	return r
}

// Used is what a program has used in all the time that was counted.
func (r Reading) Used(id Program) Use { return r.used[id] }

// Since returns what programs used from an earlier reading to r. Programs that are
// not in both are not in it.
func (r Reading) Since(before Reading) map[Program]Use {
	out := make(map[Program]Use, len(r.used))
	for id, now := range r.used {
		if was, ok := before.used[id]; ok {
			out[id] = Use{now.Runs - was.Runs, now.Time - was.Time, r.At.Sub(before.At)}
		}
	}
	return out
}

// Measure measures programs for a time, or until ctx ends.
func Measure(ctx context.Context, d time.Duration, ids []Program) (map[Program]Use, error) {
	m, err := Start()
	if err != nil {
		return nil, err
	}
	before := m.Read(ids)
	select {
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), m.Close())
	case <-time.After(d):
	}
	return m.Read(ids).Since(before), m.Close()
}
