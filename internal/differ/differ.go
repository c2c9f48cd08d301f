// Package differ runs one chain twice, in the reference evaluator and in the
// kernel, and tells where they disagree.
//
// A [Case] is a chain; [Case.Run] compiles it for a hook, loads it, and feeds
// both sides the same frames in the same order. After each frame it compares
// verdict, reason, line, redirect target and the frame as it was left; at the
// end counters, what full tables refused and the contents of all maps. It
// knows nothing of how either side works.
package differ

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"weir/datapath"
	"weir/hook"
	"weir/lang"
	"weir/lang/ref"
	"weir/lang/std"
)

// A Case is a chain to run.
type Case struct {
	File   string
	Func   string
	Source []byte
	Then   []lang.Part // the chains that PASS goes on to
	// What the kernel keeps beside each packet, but at XDP.
	Mark, Priority, Segments uint32

	fib func(ref.FIBQuery) ref.FIBRoute // what the reference is told of ways; nil: there are none
	// What the reference is told of SYN cookies; nil: there are none.
	cookie   func(ip, tcp []byte) (cookie uint32, mss uint16)
	cookieOK func(ip, tcp []byte) bool

	observe bool // the first chain's verdicts are counted, and everything passes

	lines  bool // count how often each statement is reached
	steps  bool // note the way of each packet
	told   bool // and hand it on by the ring
	times  int  // take the time of each, of one packet in so many
	unlike bool // packets come as no chain of it expects: what it says is wrong may be so
}

// A Frame is a packet and what to call it.
type Frame struct {
	Name string
	Data []byte
}

// lo is the interface that all names of cases are taken for, but for those that begin
// with no: there is none of these.
const lo = 1

// interfaceOf is the index of an interface that a case names.
func interfaceOf(name string) uint32 {
	if strings.HasPrefix(name, "no") {
		return 1 << 30
	}
	return lo
}

// linear is how many octets of an XDP frame a test run has in one piece: a page without
// XDP_PACKET_HEADROOM, and the octets of struct skb_shared_info.
const linear = 4096 - 256 - 320

func load(name string) ([]byte, error) {
	if strings.HasPrefix(name, "std/") {
		return std.Read(name)
	}
	return os.ReadFile(name)
}

// Compile compiles the case for a hook, with the trace that Run reads.
func (c Case) Compile(h hook.Hook, frags bool) (*lang.Program, error) {
	o := lang.Options{
		File: c.File, Func: c.Func, Hook: h, Frags: frags, Trace: true, Clock: true, Lines: c.lines, Steps: c.steps, Times: c.times, Load: readModule, Then: c.Then, Observe: c.observe,
		Shared: sharedForm(h, frags),
	}
	if c.told && !h.Info().Conn {
		o.Match = "pkt.ip4 or not pkt.ip4"
	}
	return lang.Compile(c.Source, o)
}

// sharedForm reports whether the form for several places is run: of the other variants it
// is that for one.
func sharedForm(h hook.Hook, frags bool) bool { return frags || h == hook.TCEgress }

func readModule(name string) ([]byte, error) { return os.ReadFile(name) }

// Run runs the case at a hook on frames. Its error tells the first frame on
// which the two disagree, or what differs at the end.
func (c Case) Run(h hook.Hook, frags bool, frames []Frame) error {
	free, err := oneCPU()
	if err != nil {
		return err
	}
	defer free()
	k, want, err := c.open(h, frags)
	if err != nil {
		return err
	}
	defer k.close()
	for _, f := range frames {
		if err := k.compare(want, f); err != nil {
			return fmt.Errorf("frame %s: %w\n%s", f.Name, err, hex.Dump(f.Data[:min(len(f.Data), 96)]))
		}
	}
	return k.compareState(want)
}

// close releases what the kernel holds.
func (k *kernel) close() {
	if k.events != nil {
		k.events.Close()
	}
	if k.ring != nil {
		k.ring.Close()
	}
	k.state.Close()
}

// open loads the case into both sides. The caller closes the kernel's.
func (c Case) open(h hook.Hook, frags bool) (*kernel, *ref.Chain, error) {
	if h.Netfilter() { // whose test run begins with nothing beside the packet
		c.Mark, c.Priority, c.Segments = 0, 0, 0
	}
	p, err := c.Compile(h, frags)
	if err != nil {
		return nil, nil, fmt.Errorf("compile: %w", err)
	}
	st, err := datapath.Load(p, datapath.LoadOptions{Now: epoch, Interface: func(name string) (uint32, error) { return interfaceOf(name), nil }})
	if err != nil {
		return nil, nil, err
	}
	k := &kernel{c: c, prog: p, state: st, object: st.Object(p), now: epoch, lines: map[lang.Line]uint64{}}
	if k.events, err = st.Watch(); err == nil {
		err = k.openRing()
	}
	if err != nil {
		k.close()
		return nil, nil, err
	}
	copied := 0
	if h == hook.XDP {
		copied = linear
	}
	want, err := ref.Open(c.File, c.Source, ref.Options{
		Func: c.Func, Then: c.then(), Observe: c.observe, Load: load, Hook: h.String(), IfIndex: lo, CPUs: ebpf.MustPossibleCPU(), Copied: copied,
		Mark: c.Mark, Priority: c.Priority, Segments: c.Segments,
		Interface: interfaceOf,
		Now:       func() uint64 { return k.now },
		Rand:      k.draw,
		FIB:       c.fib, SynCookie: c.cookie, CookieOK: c.cookieOK,
		Clone:   func(ifindex uint32) bool { return ifindex == lo },
		Reached: k.reach,
	})
	if err != nil {
		k.close()
		return nil, nil, fmt.Errorf("reference: %w", err)
	}
	return k, want, nil
}

// then is c.Then for the reference.
func (c Case) then() (out []ref.Part) {
	for _, p := range c.Then {
		out = append(out, ref.Part(p))
	}
	return out
}

// refused reports whether the kernel's test run does not take a frame: as a
// socket buffer it must have a whole IP header where its type says so.
func refused(h hook.Hook, frame []byte, err error) bool {
	return h != hook.XDP && len(frame) < 14+40 && errors.Is(err, unix.EINVAL)
}

// The clock of both sides starts at epoch and goes on by tick from frame to
// frame, both in ns.
const (
	epoch = 1_000_000_000
	tick  = 1_000_000
)

type kernel struct {
	c      Case
	prog   *lang.Program
	state  *datapath.State
	object *ebpf.Program
	counts map[string]uint64
	hists  map[string][lang.HistBuckets]uint64
	events *datapath.Watcher
	ring   *ringbuf.Reader // of what is told; nil: nothing is
	now    uint64          // ns
	drawn  uint64          // by rand() and sample()
	lines  map[lang.Line]uint64
	way    []lang.Line // of the packet through the reference

	packets uint64 // that were run
}

// codes are what the kernel is told for a verdict.
var codes = map[hook.Hook]map[string]uint32{
	hook.XDP:       {"PASS": 2, "ACCEPT": 2, "DROP": 1, "TX": 3, "REDIRECT": 4, "REJECT": 3, "USER": 4},
	hook.TCIngress: {"PASS": 1<<32 - 1, "ACCEPT": 0, "DROP": 2, "TX": 7, "REDIRECT": 7, "REJECT": 7},
	hook.TCEgress:  {"PASS": 1<<32 - 1, "ACCEPT": 0, "DROP": 2, "TX": 0, "REDIRECT": 7, "REJECT": 7}, // it is on its way out
	hook.Socket:    {"PASS": 0, "ACCEPT": 0, "DROP": 0},                                              // nobody reads from the socket
}

// codeOf returns what the kernel is told for a verdict.
func codeOf(h hook.Hook, verdict string) uint32 {
	of, ok := codes[h]
	if !ok { // netfilter and cgroups
		of = map[string]uint32{"PASS": 1, "ACCEPT": 1, "DROP": 0}
	}
	return of[verdict]
}

// bare is a frame as a hook sees it: where that has no Ethernet header there are
// zeros.
func bare(h hook.Hook, frame []byte) []byte {
	if h.Info().Ethernet {
		return frame
	}
	return append(make([]byte, 14), frame[14:]...)
}

// tick lets the clock of both sides go on.
func (k *kernel) tick() error {
	k.now += tick
	clock := k.state.SystemMap(k.prog, lang.ClockMap)
	if clock == nil {
		return nil
	}
	if err := clock.Put(uint32(0), [2]uint64{k.now, k.drawn}); err != nil {
		return fmt.Errorf("clock: %w", err)
	}
	return nil
}

// draw is the next number that rand() gives under a clock of its own, as
// docs/language.md has it.
func (k *kernel) draw() uint64 {
	k.drawn += 0x9e3779b97f4a7c15
	n := k.drawn
	n = (n ^ n>>33) * 0xff51afd7ed558ccd
	n = (n ^ n>>33) * 0xc4ceb9fe1a85ec53
	return n ^ n>>33
}

func (k *kernel) compare(r *ref.Chain, f Frame) error {
	opts, sees := datapath.NewTestRun(k.prog.Hook, f.Data, make([]byte, len(f.Data)+256))
	if !sees {
		return nil
	}
	if err := k.tick(); err != nil {
		return err
	}
	var beside [skbSize]byte
	if k.prog.Hook != hook.XDP && !k.prog.Hook.Netfilter() {
		opts.Context, opts.ContextOut = k.c.context(), &beside
	}
	if err := k.startWay(); err != nil {
		return err
	}
	code, err := k.object.Run(&opts.RunOptions)
	if refused(k.prog.Hook, f.Data, err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("test run: %w", err)
	}
	k.packets++
	want, err := r.Run(bare(k.prog.Hook, bytes.Clone(f.Data)))
	if err != nil {
		return fmt.Errorf("reference: %w", err)
	}
	o, x, err := k.outcome()
	if err != nil {
		return err
	}
	got := ref.Result{
		Chain: k.prog.Chains[x.Chain].Name, Verdict: x.Verdict, Reason: x.Reason, Line: x.Line, Target: o.To, Frame: bare(k.prog.Hook, o.Frame(opts.Frame())),
	}
	if x.ToGroup {
		got.Target, got.Group = 0, k.prog.Groups[o.To]
	}
	got.Mark, got.Priority = left(beside)
	if o.Length != len(want.Frame) {
		return fmt.Errorf("frame length %d, want %d", o.Length, len(want.Frame))
	}
	if c := codeOf(k.prog.Hook, x.Verdict); c != code {
		return fmt.Errorf("the kernel was told %d for %s, want %d", code, x.Verdict, c)
	}
	if err := difference(want, got); err != nil {
		return err
	}
	if err := k.compareWay(); err != nil {
		return err
	}
	return k.note(want)
}

// difference says in what the kernel's result is another than that of the reference.
func difference(want, got ref.Result) error {
	w := ref.Result{Chain: want.Chain, Verdict: want.Verdict, Reason: want.Reason, Line: want.Line, Target: want.Target, Group: want.Group, Frame: want.Frame,
		Mark: want.Mark, Priority: want.Priority}
	for _, r := range []*ref.Result{&w, &got} {
		if r.Verdict != "REDIRECT" && r.Verdict != "USER" {
			r.Target = 0
		}
	}
	if bytes.Equal(w.Frame, got.Frame) {
		w.Frame, got.Frame = nil, nil // cmp takes a long time over equal octets
	}
	if d := cmp.Diff(w, got); d != "" {
		return fmt.Errorf("(-reference +kernel):\n%s", d)
	}
	return nil
}

// outcome reads how the program ended.
func (k *kernel) outcome() (lang.Outcome, lang.Exit, error) {
	var trace [lang.OutcomeSize]byte
	if err := k.state.SystemMap(k.prog, lang.TraceMap).Lookup(uint32(0), &trace); err != nil {
		return lang.Outcome{}, lang.Exit{}, fmt.Errorf("trace: %w", err)
	}
	o, err := lang.DecodeOutcome(trace[:])
	if err == nil && o.Exit >= uint64(len(k.prog.Exits)) {
		err = fmt.Errorf("trace names exit %d of %d", o.Exit, len(k.prog.Exits))
	}
	if err != nil {
		return o, lang.Exit{}, err
	}
	return o, k.prog.Exits[o.Exit], nil
}

// errWrong is told of a case that finds itself wrong.
var errWrong = errors.New(`reason "wrong": both sides give what the case says is not so`)

// note adds up what the reference counted, and compares what was told at once.
func (k *kernel) note(want ref.Result) error {
	if k.counts == nil {
		k.counts = map[string]uint64{}
	}
	for name, n := range want.Counts {
		k.counts[name] += n
	}
	k.noteHists(want.Hists)
	if err := k.compareEvents(want); err != nil {
		return err
	}
	if want.Reason == "wrong" && !k.c.unlike {
		return errWrong
	}
	return nil
}

// compareState compares counters and maps.
func (k *kernel) compareState(r *ref.Chain) error {
	got, err := k.state.Counts()
	if err != nil {
		return err
	}
	counts := map[string]uint64{}
	for _, c := range got {
		if c.N > 0 {
			counts[c.Name] = c.N
		}
	}
	maps.DeleteFunc(k.counts, func(_ string, n uint64) bool { return n == 0 })
	if d := cmp.Diff(k.counts, counts); d != "" && len(k.counts)+len(counts) > 0 {
		return fmt.Errorf("counts (-reference +kernel):\n%s", d)
	}
	if err := k.compareHists(); err != nil {
		return err
	}
	if err := k.compareLines(); err != nil {
		return err
	}
	want := r.Maps()
	k.state.At(k.now)
	for _, m := range k.state.Maps() {
		content, err := contentOf(m)
		if err != nil {
			return err
		}
		if content == nil {
			continue
		}
		w, ok := want[m.Name]
		if !ok {
			return fmt.Errorf("the reference has no map %s (it has %v)", m.Name, slices.Sorted(maps.Keys(want)))
		}
		maps.DeleteFunc(w, func(k, v string) bool { // cmp takes a long time over many entries
			got, both := content[k]
			if both = both && got == v; both {
				delete(content, k)
			}
			return both
		})
		if d := cmp.Diff(w, content); d != "" && len(w)+len(content) > 0 {
			return fmt.Errorf("map %s (-reference +kernel):\n%s", m.Name, d)
		}
	}
	return nil
}
