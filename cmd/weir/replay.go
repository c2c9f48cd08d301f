package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"weir/hook"
	"weir/internal/child"
	"weir/internal/live"
	"weir/internal/term"
	"weir/lang"
	"weir/trace"
)

// clocks are what --clock may be.
var clocks = []string{"real", "capture"}

// replaying is the flags of replay.
type replaying struct {
	chain
	hook, out, clock string
	set              []string
	repeat           int
	json             bool
}

func (a *app) replay() *cobra.Command {
	var r replaying
	c := &cobra.Command{
		Use:   "replay FILE[:FUNC]...|-e TEXT IN.pcap",
		Short: "Run a chain on the packets of a capture, in the kernel but at no hook",
		Long: `Runs each packet of a pcap or pcapng file through the chain by a test run and
tells what became of it. Maps start with their first content and are kept from
packet to packet. The clock is real time, or that of the capture, which never
goes back. A redirect to an interface that is not there is reported, and is no
error. IN.pcap - is standard input; with -w - the capture that comes of it goes
to standard output, and nothing else does.

` + orderHelp,
		Example: `  weir replay edge.weir in.pcap
  weir replay edge.weir in.pcap --json --set limit=10
  weir replay edge.weir in.pcap --hook tc-egress -w out.pcap
  weir replay edge.weir in.pcap --clock capture --repeat 10000
  weir replay shield.weir edge.weir in.pcap`,
		Args:              r.wants("FILE…", "IN.pcap"),
		ValidArgsFunction: completeReplay,
		RunE: runs(func(ctx context.Context, args []string) error {
			return a.doReplay(ctx, r.args(args), &r)
		}),
	}
	r.flag(c)
	hookFlag(c, &r.hook)
	jsonFlag(c, &r.json)
	f := c.Flags()
	f.Lookup("json").Usage = "print an object for each packet, and a summary"
	f.StringVarP(&r.out, "write", "w", "", "write what was not dropped, as the chain left it, to this pcap file, or - for standard output")
	f.StringVar(&r.clock, "clock", "real", "the chain's clock: real or capture")
	f.StringArrayVar(&r.set, "set", nil, "set a param: PARAM=VALUE; may be repeated")
	f.IntVar(&r.repeat, "repeat", 0, "time the chain: run each packet this many times more")
	c.RegisterFlagCompletionFunc("clock", cobra.FixedCompletions(clocks, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func completeReplay(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	exts := []string{"weir"}
	if len(args) > 0 {
		exts = append(exts, "pcap", "pcapng")
	}
	return exts, cobra.ShellCompDirectiveFilterFileExt
}

// maxRepeat is the greatest --repeat, more than anybody will wait for.
const maxRepeat = 1_000_000_000

// wrong says what is wrong with the flags, before anything is run.
func (r *replaying) wrong(out *term.Term) error {
	switch {
	case !slices.Contains(clocks, r.clock):
		return usage("no clock is named %q (there are real and capture)%s", r.clock, didYouMean(r.clock, clocks))
	case r.repeat < 0:
		return usage("--repeat %d is less than nothing", r.repeat)
	case r.repeat > maxRepeat:
		return usage("--repeat %d is more than %d", r.repeat, maxRepeat)
	case r.out == "-" && r.json:
		return usage("-w - and --json cannot both have standard output")
	case r.out == "-" && out.Terminal:
		return usage("-w - writes a capture to standard output, which is a terminal")
	}
	return nil
}

func (a *app) doReplay(ctx context.Context, args []string, r *replaying) error {
	if err := r.wrong(a.out); err != nil {
		return err
	}
	set, err := settings(r.set)
	if err != nil {
		return err
	}
	files, capture := args[:len(args)-1], args[len(args)-1]
	p, o, err := a.replayed(ctx, r.request(files...), r)
	if err != nil {
		return err
	}
	o.Set, o.Repeat = set, r.repeat
	in, _, err := a.open(capture)
	if err != nil {
		return fmt.Errorf("%v", err) // of the file: not a lack of rights for the kernel
	}
	defer in.Close()
	out := bufio.NewWriter(a.out)
	if r.out == "-" {
		o.Out = out
		_, err := trace.Replay(ctx, p, in, o)
		return errors.Join(err, out.Flush())
	}
	enc := term.JSON(out)
	o.Each = func(res trace.Result) error {
		if r.json {
			return enc.Encode(res)
		}
		fmt.Fprintln(out, a.resultLine(res))
		for _, e := range res.Events {
			fmt.Fprintln(out, "        "+live.EventLine(a.out, e))
		}
		return nil // out keeps its error for Flush
	}
	sum, err := replayTo(ctx, r.out, p, in, o)
	// What was run before an error is told; out keeps its own error for Flush.
	if told := err == nil || sum.Packets > 0; told && r.json {
		enc.Encode(sum)
	} else if told {
		a.writeSummary(out, sum)
	}
	if ferr := out.Flush(); err == nil {
		err = ferr
	}
	return err
}

// replayed compiles what Replay needs: the chain with a trace, for XDP another
// for large frames, and to be timed one without a trace.
func (a *app) replayed(ctx context.Context, q child.Request, r *replaying) (*lang.Program, trace.Options, error) {
	var o trace.Options
	f := child.Form{Trace: true, Clock: r.clock == "capture"}
	frags, timed := f, f
	frags.Frags, timed.Trace = true, false
	q.Forms = []child.Form{f, timed, frags}
	if err := compileAt(&q, r.hook); err != nil {
		return nil, o, err
	}
	switch h := q.Forms[0].Hook; {
	case h.Info().Conn:
		return nil, o, noPackets(h)
	case h != hook.XDP:
		q.Forms = q.Forms[:2]
	}
	ps, _, err := child.Compile(ctx, q, child.Limits{})
	if err != nil {
		return nil, o, err
	}
	if h := ps[0].Hook; h.Info().Conn { // by default
		return nil, o, noPackets(h)
	}
	a.printDiags(ps[0].Warnings)
	if o.Timed = ps[1]; ps[0].Hook == hook.XDP {
		o.Frags = ps[2]
	}
	return ps[0], o, nil
}

func noPackets(h hook.Hook) error {
	return usage("a chain at %s sees no packets: try it on connections, with weir run", h)
}

// replayTo replays, with Options.Out at a file of that name if there is one. A
// file that is not whole is removed; what is no file (/dev/null) is left alone.
func replayTo(ctx context.Context, name string, p *lang.Program, in io.Reader, o trace.Options) (trace.Summary, error) {
	if name == "" {
		return trace.Replay(ctx, p, in, o)
	}
	if isFile(in, name) {
		return trace.Summary{}, usage("-w %s is the capture itself", name)
	}
	f, err := os.Create(name)
	if err != nil {
		return trace.Summary{}, fmt.Errorf("%v", err)
	}
	w := bufio.NewWriter(f)
	o.Out = w
	sum, err := trace.Replay(ctx, p, in, o)
	if err = errors.Join(err, w.Flush(), f.Close()); err != nil && isRegular(name) {
		os.Remove(name)
	}
	return sum, err
}

// isFile reports whether in is the open file of that name: writing to it would
// destroy what is to be read.
func isFile(in io.Reader, name string) bool {
	f, ok := in.(*os.File)
	if !ok {
		return false
	}
	reads, err := f.Stat()
	if err != nil {
		return false
	}
	writes, err := os.Stat(name)
	return err == nil && reads.Mode().IsRegular() && os.SameFile(reads, writes)
}

func isRegular(name string) bool {
	info, err := os.Lstat(name)
	return err == nil && info.Mode().IsRegular()
}

// resultLine is a packet's result for people.
func (a *app) resultLine(r trace.Result) string {
	t := a.out
	if r.Error != "" {
		return fmt.Sprintf("%6d  %s", r.N, t.Paint(term.Yellow, term.Clean(r.Error)))
	}
	lens := fmt.Sprintf("%d bytes", r.InLen)
	if r.OutLen != r.InLen {
		lens = fmt.Sprintf("%d -> %d bytes", r.InLen, r.OutLen)
	}
	at := fmt.Sprintf("line %d", r.Line)
	if r.Chain != "" {
		at = term.Clean(r.Chain) + " " + at
	}
	s := fmt.Sprintf("%6d  %s  %s  %s", r.N, term.Pad(live.Paint(t, r.Verdict), 8, false), at, lens)
	if r.To != "" {
		s += "  to " + term.Clean(r.To)
	}
	if r.Reason != "" {
		s += "  " + term.Clean(r.Reason)
	}
	return s
}

// writeSummary writes what became of all packets.
func (a *app) writeSummary(w io.Writer, s trace.Summary) {
	fmt.Fprintf(w, "\n%s", term.Plural(uint64(s.Packets), "packet"))
	for _, v := range slices.Sorted(maps.Keys(s.Verdicts)) {
		fmt.Fprintf(w, "  %s %s", live.Paint(a.out, v), term.Count(uint64(s.Verdicts[v])))
	}
	fmt.Fprintln(w)
	for _, r := range slices.Sorted(maps.Keys(s.Reasons)) {
		fmt.Fprintf(w, "  reason %s %s\n", term.Clean(r), term.Count(uint64(s.Reasons[r])))
	}
	for _, c := range slices.Sorted(maps.Keys(s.Counts)) {
		fmt.Fprintf(w, "  count %s %s\n", term.Clean(c), term.Count(s.Counts[c]))
	}
	for _, l := range live.HistLines(a.out, s.Histograms) {
		fmt.Fprintln(w, l)
	}
	for _, r := range slices.Sorted(maps.Keys(s.Lost)) {
		fmt.Fprintf(w, "  lost by %s %s\n", term.Clean(r), term.Count(s.Lost[r]))
	}
	if s.Errors > 0 {
		fmt.Fprintf(w, "  %s could not be run\n", term.Plural(uint64(s.Errors), "packet"))
	}
	if s.Truncated > 0 {
		fmt.Fprintf(w, "  the capture holds only a part of %s\n", term.Plural(uint64(s.Truncated), "packet"))
	}
	if s.NsPerPacket != nil {
		fmt.Fprintf(w, "  %.1f ns a packet\n", *s.NsPerPacket)
	}
}
