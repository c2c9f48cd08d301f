package trace

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"weir/datapath"
	"weir/hook"
	"weir/lang"
)

// A Runner is a program that takes frames one after another, or several that share
// maps. It is used by one goroutine at a time.
type Runner struct {
	*datapath.State
	chains    []chain
	names     map[int]string // of interfaces that redirects name
	maxLinear int            // octets of an XDP frame in one piece; 0: not known yet
	out       []byte
	events    *datapath.Watcher
}

// A chain is a program of a Runner, and the same for XDP frames of several
// fragments; nil: there is none.
type chain struct{ linear, frags *run }

// run is one of the programs of a Runner.
type run struct {
	prog  *lang.Program
	obj   *ebpf.Program
	trace *ebpf.Memory
	clock *ebpf.Memory // nil: the program reads the real time
}

// RunnerOptions are options of [NewRunner].
type RunnerOptions struct {
	// Frags is the same chain compiled for XDP frames of several fragments,
	// which large frames are given to.
	Frags *lang.Program
	Set   map[string]string // first values of parameters, by name
	Start time.Time         // when first content of expiring maps was written, for programs with a clock map
}

// NewRunner loads a program that was compiled with lang.Options.Trace.
// Interfaces that it names need not be there.
func NewRunner(p *lang.Program, o RunnerOptions) (*Runner, error) {
	if !uses(p, lang.TraceMap) || o.Frags != nil && !uses(o.Frags, lang.TraceMap) {
		return nil, fmt.Errorf("program %s was not compiled to be traced", p.Name)
	}
	return newRunner(p, o)
}

func newRunner(p *lang.Program, o RunnerOptions) (*Runner, error) {
	r := &Runner{names: map[int]string{}, out: make([]byte, maxFrame+1024), events: &datapath.Watcher{}}
	lo := datapath.LoadOptions{Frags: o.Frags, Set: o.Set, Interface: r.index}
	if uses(p, lang.ClockMap) && !o.Start.IsZero() {
		lo.Now = uint64(o.Start.UnixNano())
	}
	var err error
	if r.State, err = datapath.Load(p, lo); err != nil {
		return nil, err
	}
	if err := r.take(p, o.Frags); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// Add loads one more program, which was compiled like the first, with maps that are
// those of the first where both call them by one name. It is run by [Runner.RunAs].
func (r *Runner) Add(p, frags *lang.Program) error {
	if err := r.State.Add(p, datapath.LoadOptions{Frags: frags, Interface: r.index}); err != nil {
		return err
	}
	return r.take(p, frags)
}

// take opens what was loaded.
func (r *Runner) take(p, frags *lang.Program) (err error) {
	if err := r.events.Close(); err != nil {
		return err
	}
	if r.events, err = r.State.Watch(); err != nil {
		return err
	}
	var c chain
	if c.linear, err = r.open(p); err == nil && frags != nil {
		c.frags, err = r.open(frags)
	}
	r.chains = append(r.chains, c)
	return err
}

// Close releases the programs and their maps.
func (r *Runner) Close() error { return errors.Join(r.events.Close(), r.State.Close()) }

func uses(p *lang.Program, use lang.System) bool {
	for i := range p.Maps {
		if p.Maps[i].System == use {
			return true
		}
	}
	return false
}

func (r *Runner) open(p *lang.Program) (*run, error) {
	x := &run{prog: p, obj: r.Object(p)}
	var err error
	if m := r.SystemMap(p, lang.TraceMap); m != nil {
		if x.trace, err = m.Memory(); err != nil {
			return nil, err
		}
	}
	if m := r.SystemMap(p, lang.ClockMap); m != nil {
		x.clock, err = m.Memory()
	}
	return x, err
}

// Reset is [datapath.State.Reset], which may load programs again. Programs with a clock
// map draw the same random numbers again.
func (r *Runner) Reset(ctx context.Context) error {
	if err := r.State.Reset(ctx); err != nil {
		return err
	}
	for _, c := range r.chains {
		c.linear.obj = r.Object(c.linear.prog)
		if c.frags != nil {
			c.frags.obj = r.Object(c.frags.prog)
		}
		for _, x := range []*run{c.linear, c.frags} {
			if x == nil || x.clock == nil {
				continue
			}
			if err := put64(x.clock, 8, 0); err != nil { // chance begins anew
				return err
			}
		}
	}
	return nil
}

// firstMissing numbers interfaces that are not there, above what the kernel
// gives out.
const firstMissing = 1 << 30

// Index returns the index that an interface has in test runs: its own, or, if it is not
// there, one that comes of its name.
func Index(name string) uint32 {
	if i, err := net.InterfaceByName(name); err == nil {
		return uint32(i.Index)
	}
	h := fnv.New32a()
	h.Write([]byte(name))
	return firstMissing | h.Sum32()>>2
}

// index is Index, which the runner knows from then on.
func (r *Runner) index(name string) (uint32, error) {
	for n, known := range r.names {
		if known == name {
			return uint32(n), nil
		}
	}
	n := Index(name)
	if other, ok := r.names[int(n)]; ok {
		return 0, fmt.Errorf("interfaces %s and %s, which are not there, cannot be told apart: rename one", name, other)
	}
	r.names[int(n)] = name
	return n, nil
}

// interfaceName returns the name of a redirect's target, or its number.
func (r *Runner) interfaceName(index int) string {
	if name := r.names[index]; name != "" {
		return name
	}
	return InterfaceName(index)
}

// InterfaceName returns the name of an interface, or its number if it is not there.
func InterfaceName(index int) string {
	if i, err := net.InterfaceByIndex(index); err == nil {
		return i.Name
	}
	return strconv.Itoa(index)
}

// Frames that test runs take.
const (
	minFrame = 14       // an Ethernet header: bpf_test_init in net/bpf/test_run.c
	maxFrame = 64 << 10 // more than any interface carries
	noExit   = ^uint64(0)
)

// Run gives a frame to the first program, at the time at if it has a clock map. It
// returns the frame as the chain left it, which is valid until the next Run,
// also where the verdict is DROP. What cannot be run is told in Result.Error;
// the error is of the machine. Result.N is not set.
func (r *Runner) Run(frame []byte, at time.Time) (Result, []byte, error) {
	return r.run(r.chains[0], frame, at)
}

// RunAs is Run of a program that was added.
func (r *Runner) RunAs(p *lang.Program, frame []byte, at time.Time) (Result, []byte, error) {
	i := slices.IndexFunc(r.chains, func(c chain) bool { return c.linear.prog == p })
	if i < 0 {
		return Result{}, nil, fmt.Errorf("program %s was not added", p.Name)
	}
	return r.run(r.chains[i], frame, at)
}

func (r *Runner) run(c chain, frame []byte, at time.Time) (Result, []byte, error) {
	res := Result{InLen: len(frame)}
	x, err := r.choose(c, len(frame))
	if err != nil {
		return res, nil, err
	}
	if x == nil || len(frame) < minFrame || len(frame) > maxFrame {
		res.Error = r.refusal(c, frame)
		return res, nil, nil
	}
	if x.clock != nil {
		if err := put64(x.clock, 0, uint64(at.UnixNano())); err != nil {
			return res, nil, err
		}
	}
	if err := put64(x.trace, 0, noExit); err != nil {
		return res, nil, err
	}
	o, sees := datapath.NewTestRun(x.prog.Hook, frame, r.out)
	if !sees {
		res.Error = fmt.Sprintf("frame of %d octets: no IP packet as %s sees them, untagged and with a whole header", len(frame), x.prog.Hook)
		return res, nil, nil
	}
	ret, err := x.obj.Run(&o.RunOptions)
	if errors.Is(err, unix.EINVAL) {
		res.Error = r.refusal(c, frame)
		return res, nil, nil
	}
	if err != nil {
		return res, nil, fmt.Errorf("test run: %w", err)
	}
	if err := r.events.Drain(func(e datapath.Event) error {
		res.Events = append(res.Events, e)
		return nil
	}); err != nil {
		return res, nil, err
	}
	out, err := r.tell(&res, x, int32(ret), o.Frame())
	res.OutLen = len(out)
	return res, out, err
}

// refusal says why a frame cannot be run.
func (r *Runner) refusal(c chain, frame []byte) string {
	n := len(frame)
	switch h := c.linear.prog.Hook; {
	case n < minFrame:
		return fmt.Sprintf("frame of %d octets: shorter than an Ethernet header", n)
	case n > maxFrame:
		return fmt.Sprintf("frame of %d octets: larger than any that is replayed, which are up to %d octets", n, maxFrame)
	case h == hook.XDP && c.frags == nil:
		return fmt.Sprintf("frame of %d octets: the program takes XDP frames in one piece, up to %d octets", n, r.maxLinear)
	case h != hook.XDP && n < minFrame+fixedHeader(frame):
		return fmt.Sprintf("frame of %d octets: cut off in the IP header, which this kernel's test run does not take at %s", n, h)
	default:
		return fmt.Sprintf("frame of %d octets: larger than this kernel's test run takes at %s", n, h)
	}
}

// fixedHeader returns how many octets must follow the Ethernet header for a
// test run at tc: those of struct iphdr or ipv6hdr (bpf_prog_test_run_skb, seen
// on Linux 6.18; older kernels take less).
func fixedHeader(frame []byte) int {
	switch binary.BigEndian.Uint16(frame[12:]) {
	case 0x0800:
		return 20
	case 0x86dd:
		return 40
	}
	return 0
}

// choose returns the program of c for a frame of n octets, or nil if there is none.
func (r *Runner) choose(c chain, n int) (*run, error) {
	const alwaysLinear = 2048 // on pages of 4 KiB and more
	if c.linear.prog.Hook != hook.XDP || n <= alwaysLinear {
		return c.linear, nil
	}
	if r.maxLinear == 0 {
		var err error
		if r.maxLinear, err = linearXDP(); err != nil {
			return nil, err
		}
	}
	if n <= r.maxLinear {
		return c.linear, nil
	}
	return c.frags, nil
}

// linearXDP returns how many octets of a frame a test run puts in one piece, by
// a program that returns data_end - data.
func linearXDP() (int, error) {
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "weir_linear", Type: ebpf.XDP, License: "GPL", Flags: unix.BPF_F_XDP_HAS_FRAGS,
		Instructions: asm.Instructions{
			asm.LoadMem(asm.R0, asm.R1, 4, asm.Word), // xdp_md.data_end
			asm.LoadMem(asm.R2, asm.R1, 0, asm.Word), // xdp_md.data
			asm.Sub.Reg(asm.R0, asm.R2),
			asm.Return(),
		},
	})
	if err != nil {
		return 0, fmt.Errorf("measure linear part of XDP frames: %w", err)
	}
	defer p.Close()
	n, err := p.Run(&ebpf.RunOptions{Data: make([]byte, maxFrame)})
	if err != nil {
		return 0, fmt.Errorf("measure linear part of XDP frames: %w", err)
	}
	return int(n), nil
}

// tell fills in what the program wrote at its end, and returns the frame that the
// kernel's data stand for.
func (r *Runner) tell(res *Result, x *run, ret int32, data []byte) ([]byte, error) {
	var b [lang.OutcomeSize]byte
	if _, err := x.trace.ReadAt(b[:], 0); err != nil {
		return nil, err
	}
	o, err := lang.DecodeOutcome(b[:])
	if err != nil {
		return nil, err
	}
	if !res.end(x.prog, o, r.interfaceName) {
		res.Error = fmt.Sprintf("the program returned %d without a verdict", ret)
		return data, nil
	}
	if want, ok := x.prog.Hook.Code(res.Verdict); ok && ret != want {
		res.Error = fmt.Sprintf("the program returned %d for %s, not %d", ret, res.Verdict, want)
	}
	if !x.prog.Hook.Info().Write {
		return data, nil
	}
	return o.Frame(data), nil
}

// end fills in how a program ended; nameOf gives the name of an interface. It reports
// whether the program did.
func (res *Result) end(p *lang.Program, o lang.Outcome, nameOf func(index int) string) bool {
	if o.Exit >= uint64(len(p.Exits)) {
		return false
	}
	e := p.Exits[o.Exit]
	res.Exit, res.Verdict, res.Reason, res.Line = e, e.Verdict, e.Reason, e.Line
	if len(p.Chains) > 1 {
		res.Chain = p.Chains[e.Chain].Name
	}
	switch {
	case e.ToCPU:
		res.To = fmt.Sprintf("cpu%d", o.To)
	case e.ToGroup:
		res.To = p.Groups[o.To]
	case e.Verdict == "USER":
		res.To = fmt.Sprintf("queue%d", o.To)
	case e.Verdict == "REDIRECT" && o.To != 0: // else a program of an object knows
		res.To = nameOf(int(o.To))
	}
	return true
}

func put64(m *ebpf.Memory, off int64, n uint64) error {
	var b [8]byte
	binary.NativeEndian.PutUint64(b[:], n)
	_, err := m.WriteAt(b[:], off)
	return err
}

// CPU returns the first CPU that the thread may run on: under [OnOneCPU] the one that it
// runs on.
func CPU() (int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return 0, fmt.Errorf("stay on one CPU: %w", err)
	}
	cpu := 0
	for !set.IsSet(cpu) {
		cpu++
	}
	return cpu, nil
}

// OnOneCPU runs f on a thread that stays on one CPU.
func OnOneCPU(f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return fmt.Errorf("stay on one CPU: %w", err)
	}
	cpu, err := CPU()
	if err != nil {
		return err
	}
	one.Set(cpu)
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return fmt.Errorf("stay on one CPU: %w", err)
	}
	defer unix.SchedSetaffinity(0, &before)
	return f()
}
