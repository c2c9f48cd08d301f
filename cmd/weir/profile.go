package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"weir/hook"
	"weir/internal/child"
	"weir/internal/term"
	"weir/trace"
)

// profiling is the flags of profile.
type profiling struct {
	chain
	hook, html, pprof string
	clock             string
	set               []string
	repeat, sample    int
	duration          time.Duration
	json              bool

	given func(flag string) bool
}

func (a *app) profile() *cobra.Command {
	var r profiling
	c := &cobra.Command{
		Use:   "profile NAME | FILE[:FUNC]...|-e TEXT IN.pcap",
		Short: "Show where the packets and the nanoseconds of a chain go, line by line",
		Long: `Shows the source with how many packets came to each line, the ns that it takes of a
packet in the mean over all, and its share of the time. See docs/profiling.md for how
that is measured and what it cannot show.

With IN.pcap the packets of a pcap or pcapng file are run through the chain, in the
kernel but at no hook. With NAME alone the chain that is attached is profiled, while
packets flow: one that takes the time is swapped in, with the same maps and params,
and after --for or at ^C the plain one is swapped back, without missing a packet. If
this command is killed, the next weir command does that.

` + orderHelp,
		Example: `  weir profile edge --for 5s
  weir profile edge.weir in.pcap
  weir profile edge.weir in.pcap --hook tc-ingress --html edge.html
  weir profile edge.weir in.pcap --pprof edge.pb.gz
  weir profile edge.weir in.pcap --json`,
		Args:              r.wants("NAME or FILE", "[IN.pcap…]"),
		ValidArgsFunction: a.completeProfile,
		RunE: runs(func(ctx context.Context, args []string) error {
			if len(args) == 1 && len(r.lines) == 0 {
				return a.doProfileLive(ctx, args[0], &r)
			}
			return a.doProfile(ctx, r.args(args), &r)
		}),
	}
	r.flag(c)
	hookFlag(c, &r.hook)
	jsonFlag(c, &r.json)
	f := c.Flags()
	r.given = f.Changed
	f.DurationVar(&r.duration, "for", profileFor, "of NAME: how long")
	f.IntVar(&r.sample, "sample", profileSample, "of NAME: take the time of one packet in so many")
	f.StringVar(&r.html, "html", "", "write the listing to this file, as a page that stands alone")
	f.StringVar(&r.pprof, "pprof", "", "write the lines to this file, for go tool pprof")
	f.StringVar(&r.clock, "clock", "real", "the chain's clock: real or capture")
	f.StringArrayVar(&r.set, "set", nil, "set a param: PARAM=VALUE; may be repeated")
	f.IntVar(&r.repeat, "repeat", 0, "run each packet that is timed this many times (default: as often as 25 ms allow)")
	c.RegisterFlagCompletionFunc("clock", cobra.FixedCompletions(clocks, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// completeProfile completes names of what is attached, and files.
func (a *app) completeProfile(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	files, d := completeReplay(c, args, begun)
	if len(args) > 0 {
		return files, d
	}
	names, _ := a.completeNames(1)(c, args, begun)
	if len(names) > 0 {
		return names, cobra.ShellCompDirectiveDefault
	}
	return files, d
}

func (a *app) doProfile(ctx context.Context, args []string, r *profiling) error {
	if err := r.wrongCapture(a); err != nil {
		return err
	}
	o, err := a.profiled(ctx, r.request(args[:len(args)-1]...), r)
	if err != nil {
		return err
	}
	in, _, err := a.open(args[len(args)-1])
	if err != nil {
		return fmt.Errorf("%v", err) // of the file: not a lack of rights for the kernel
	}
	defer in.Close()
	p, err := trace.NewProfile(ctx, in, o)
	if err != nil {
		return err
	}
	return a.tellProfile(p, r)
}

// profiled compiles what a profile needs: the chain that counts, as it is, and with
// the time of each statement; for XDP the same for large frames.
func (a *app) profiled(ctx context.Context, q child.Request, r *profiling) (o trace.ProfileOptions, err error) {
	f := child.Form{Clock: r.clock == "capture"}
	counted, timed := f, f
	counted.Trace, counted.Lines, timed.Times = true, true, 1
	q.Forms = []child.Form{counted, f, timed}
	for _, x := range q.Forms {
		x.Frags = true
		q.Forms = append(q.Forms, x)
	}
	if err := compileAt(&q, r.hook); err != nil {
		return o, err
	}
	if h := q.Forms[0].Hook; h.Info().Conn {
		return o, noPackets(h)
	} else if h != hook.XDP {
		q.Forms = q.Forms[:3]
	}
	ps, _, err := child.Compile(ctx, q, child.Limits{})
	if err != nil {
		return o, err
	}
	if h := ps[0].Hook; h.Info().Conn { // by default
		return o, noPackets(h)
	}
	a.printDiags(ps[0].Warnings)
	o.Counted, o.Linear = ps[0], trace.Timed{Plain: ps[1], Timed: ps[2]}
	if ps[0].Hook == hook.XDP {
		o.CountedFrags, o.Frags = ps[3], trace.Timed{Plain: ps[4], Timed: ps[5]}
	}
	o.Repeat = r.repeat
	o.Set, err = settings(r.set)
	return o, err
}

// tellProfile shows a profile in the forms that were asked for.
func (a *app) tellProfile(p *trace.Profile, r *profiling) error {
	errs := []error{writeTo(r.html, p.WriteHTML), writeTo(r.pprof, p.WritePprof)}
	if r.json {
		return errors.Join(append(errs, term.JSON(a.out).Encode(p))...)
	}
	errs = append(errs, p.WriteText(a.out, func(class, line string) string {
		line = term.Clean(line)
		switch class {
		case trace.Title:
			return a.out.Paint(term.Bold, line)
		case trace.Hot:
			return a.out.Paint(term.Red, line)
		case trace.Idle:
			return a.out.Paint(term.Faint, line)
		}
		return line
	}))
	return errors.Join(errs...)
}

// writeTo writes a file of that name, if there is one.
func writeTo(name string, write func(io.Writer) error) error {
	if name == "" {
		return nil
	}
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("%v", err)
	}
	return errors.Join(write(f), f.Close())
}
