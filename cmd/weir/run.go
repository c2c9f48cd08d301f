package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"weir/datapath"
	"weir/internal/live"
	"weir/internal/term"
	"weir/lang/diag"
	"weir/trace"
)

// running is the flags of run.
type running struct {
	loading
	json     bool
	duration time.Duration
	interval time.Duration
	packets  uint64
	keeping
}

func (a *app) run() *cobra.Command {
	var r running
	c := &cobra.Command{
		Use:   "run FILE[:FUNC]...|-e TEXT --on [NETNS/]INTERFACE[:HOOK]...",
		Short: "Run a chain and watch it, until ^C",
		Long: `Compiles a chain, attaches it, and shows what it does: packets and rates by
place, verdicts and reasons by source line, counters, and what full maps have
refused. On a terminal the view is drawn again in place; elsewhere it is a
line every second, or an object with --json.

-e takes the text of a chain instead of a file: docs/oneliners.md has the rule
and twenty of them. -w keeps what the chain drops in a pcapng file, with the
reason and the source line as a comment of each packet; -w - writes it to
standard output, for tshark -r - or wireshark -k -i -. At hook socket, where
nothing is dropped, -w keeps what the chain passes: it is a filter of captures. So that a flood does not
fill the disk, at most --rate packets a second are kept; what was not is told.

The chain is gone when the command ends, also when the reader of its output
does. So it is when it is killed (kill -9), but for mode clsact: there a filter
stays, which the next run or attach of that name at that place removes, and so
does weir detach NAME.

Chains that run at once may have the same name: each has its own maps. Only in
mode clsact the second at the same place is refused.

` + orderHelp,
		Example: `  weir run edge.weir --on eth0
  weir run edge.weir --on eth0 --on eth1:tc-ingress --set limit=500
  weir run edge.weir --on blue/veth0 --for 10s --json
  weir run shield.weir edge.weir --on eth0
  weir run edge.weir --on @cgroup-ingress=/
  weir run -e 'PASS if pkt.icmp4 else DROP' --on eth0:socket -w icmp.pcapng --snap 96
  weir run -e 'drop("dns") if pkt.udp.dport == 53 else PASS' --on eth0 -w drops.pcapng`,
		Args:              r.wants("FILE…"),
		ValidArgsFunction: completeChains,
		RunE: runs(func(ctx context.Context, args []string) error {
			return a.doRun(ctx, r.args(args), &r)
		}),
	}
	r.loading.flags(a, c)
	r.keeping.flags(c)
	jsonFlag(c, &r.json)
	f := c.Flags()
	f.Lookup("json").Usage = "print a JSON object every interval"
	f.DurationVar(&r.duration, "for", 0, "end after this long, as in 10s")
	f.DurationVar(&r.interval, "interval", time.Second, "show it this often; 0: only at the end")
	f.Uint64Var(&r.packets, "packets", 0, "end when this many packets have come, or a few more")
	return c
}

// wrong says what is wrong with the flags, before anything is run.
func (r *running) wrong(out *term.Term) error {
	switch {
	case r.duration < 0:
		return usage("--for %v is in the past", r.duration)
	case r.interval < 0:
		return usage("--interval %v is in the past", r.interval)
	case r.write == "-" && r.json:
		return usage("-w - and --json cannot both have standard output")
	}
	return r.keeping.wrong(out)
}

func (a *app) doRun(ctx context.Context, args []string, r *running) error {
	if err := r.wrong(a.out); err != nil {
		return err
	}
	defer unpiped()()
	r.capture = r.write != ""
	o, err := r.options(ctx, a, args)
	if err != nil {
		return err
	}
	file, err := r.create(a.out)
	if err != nil {
		return err
	}
	defer file.Close()
	if r.capture {
		r.buffers = trace.NewDropBuffers(r.drops)
		defer r.buffers.Close()
		o.Loaded = r.buffers.Loaded
	}
	g, err := a.kernel.Attach(ctx, o)
	if err != nil {
		return err
	}
	a.tellEnded(g)
	if r.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.duration)
		defer cancel()
	}
	err = a.watch(ctx, g, r, file)
	if errors.Is(err, unix.EPIPE) {
		err = nil // whoever watched has seen enough
	}
	return errors.Join(err, g.Close())
}

// A watch shows a generation until something ends it.
type watch struct {
	g      *datapath.Generation
	show   *shower
	events *datapath.Watcher
	texts  diag.Source
	drops  *drops // nil if none are kept
	first  live.Sample
}

// watch shows g at each interval until ctx ends or enough packets have come, and
// a last time then, when the chain is no longer at its places.
func (a *app) watch(ctx context.Context, g *datapath.Generation, r *running, file io.Writer) error {
	w := &watch{g: g, texts: live.Texts(g)}
	w.show = a.shower(r)
	defer w.show.close()
	var err error
	if w.events, err = g.Watch(); err != nil {
		return err
	}
	defer w.events.Close()
	if r.buffers != nil {
		if w.drops, err = keep(ctx, g, r.buffers, file, w.texts); err != nil {
			return err
		}
		defer w.drops.close()
	}
	if w.first, err = live.Take(g); err != nil {
		return err
	}
	before := w.first
	if err := w.view(before, before, false); err != nil {
		return err
	}
	for {
		more, err := w.wait(ctx, r)
		if err != nil {
			return err
		}
		if !more {
			return w.last()
		}
		now, err := live.Take(g)
		if err != nil {
			return err
		}
		if err := w.view(before, now, false); err != nil {
			return err
		}
		before = now
	}
}

// lookEvery is how often packets are counted when their number ends the command.
const lookEvery = 20 * time.Millisecond

// wait reports true when it is time for a view, false at the end.
func (w *watch) wait(ctx context.Context, r *running) (more bool, err error) {
	var tick, look <-chan time.Time
	if r.interval > 0 {
		tick = time.After(r.interval)
	}
	if r.packets > 0 {
		t := time.NewTicker(lookEvery)
		defer t.Stop()
		look = t.C
	}
	told, stop := looking(w.events)
	defer stop()
	for {
		select {
		case <-told:
			if err := w.events.Drain(w.show.event); err != nil {
				return false, err
			}
		case <-ctx.Done():
			return false, nil
		case err := <-w.drops.failed():
			return false, err
		case <-tick:
			return true, nil
		case <-look:
			n, err := packets(w.g)
			if err != nil || n >= r.packets {
				return false, err
			}
		}
	}
}

// packets is how many packets have come, at all places.
func packets(g *datapath.Generation) (n uint64, err error) {
	for _, a := range g.Places() {
		exits, err := a.Exits()
		if err != nil {
			return n, err
		}
		for _, x := range exits {
			n += x.Packets
		}
	}
	return n, nil
}

// last ends the chain, and shows the whole: its rates are means.
func (w *watch) last() error {
	if err := w.g.Stop(); err != nil {
		return err
	}
	now, err := live.Take(w.g)
	if err != nil {
		return err
	}
	if err := w.drops.close(); err != nil {
		return err
	}
	if err := w.events.Drain(w.show.event); err != nil {
		return err
	}
	return w.view(w.first, now, true)
}

func (w *watch) view(before, now live.Sample, last bool) error {
	v := live.Make(w.g.Name, w.first.Time, before, now, w.texts)
	var err error
	if v.Drops, err = w.drops.count(); err != nil {
		return err
	}
	return w.show.view(v, last)
}

// A shower shows views in one of three forms.
type shower struct {
	t      *term.Term
	json   bool
	end    bool         // only the last view
	screen *term.Screen // nil if nothing is drawn in place
	events []string     // the last ones, to be drawn with the view
}

func (a *app) shower(r *running) *shower {
	s := &shower{t: a.out, json: r.json, end: r.interval == 0}
	if r.write == "-" {
		return &shower{t: a.err, end: true} // standard output is the capture's
	}
	if a.out.Terminal && !r.json {
		s.screen = term.NewScreen(a.out)
	}
	return s
}

// view shows v; of the last one, which sums up, everything.
func (s *shower) view(v live.View, last bool) error {
	var err error
	switch {
	case s.end && !last:
	case s.json:
		var b []byte
		if b, err = v.JSON(); err == nil {
			_, err = fmt.Fprintf(s.t, "%s\n", b)
		}
	case s.screen != nil:
		lines := v.Lines(s.t)
		if len(s.events) > 0 {
			lines = append(append(lines, ""), s.events...)
		}
		s.screen.Draw(lines)
	case last:
		_, err = fmt.Fprintln(s.t, strings.Join(v.Lines(s.t), "\n"))
	default:
		_, err = fmt.Fprintln(s.t, v.Brief())
	}
	return err
}

func (s *shower) close() {
	if s.screen != nil {
		s.screen.Close()
	}
}
