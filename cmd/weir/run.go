package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"weir/datapath"
	"weir/internal/live"
	"weir/internal/term"
)

func (a *app) run() *cobra.Command {
	var l loading
	var asJSON bool
	var duration time.Duration
	c := &cobra.Command{
		Use:   "run FILE[:FUNC]|-e TEXT --on [NETNS/]INTERFACE[:HOOK]...",
		Short: "Run a chain and watch it, until ^C",
		Long: `Compiles a chain, attaches it, and shows what it does: packets and rates by
place, verdicts and reasons by source line, counters, and what full maps have
refused. On a terminal the view is drawn again in place; elsewhere it is a
line every second, or an object with --json.

The chain is gone when the command ends, also when the reader of its output
does. So it is when it is killed (kill -9), but for mode clsact: there a filter
stays, which the next run or attach of that name at that place removes, and so
does weir detach NAME.

Chains that run at once may have the same name: each has its own maps. Only in
mode clsact the second at the same place is refused.`,
		Example: `  weir run edge.weir --on eth0
  weir run edge.weir --on eth0 --on eth1:tc-ingress --set limit=500
  weir run edge.weir --on blue/veth0 --for 10s --json
  weir run -e 'drop("dns") if pkt.udp.dport == 53 else PASS' --on eth0`,
		Args:              l.wants("FILE"),
		ValidArgsFunction: completeFiles,
		RunE: runs(func(ctx context.Context, args []string) error {
			if duration < 0 {
				return usage("--for %v is in the past", duration)
			}
			// Else a write to a pipe that nobody reads would end the process
			// before it has detached. Now the write fails.
			pipe := make(chan os.Signal, 1)
			signal.Notify(pipe, unix.SIGPIPE)
			defer signal.Stop(pipe)
			o, err := l.options(ctx, a, l.args(args)[0])
			if err != nil {
				return err
			}
			g, err := a.kernel.Attach(ctx, o)
			if err != nil {
				return err
			}
			if duration > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, duration)
				defer cancel()
			}
			err = a.watch(ctx, g, asJSON)
			if errors.Is(err, unix.EPIPE) {
				err = nil // whoever watched has seen enough
			}
			return errors.Join(err, g.Close())
		}),
	}
	l.flags(c)
	jsonFlag(c, &asJSON)
	c.Flags().Lookup("json").Usage = "print a JSON object every second"
	c.Flags().DurationVar(&duration, "for", 0, "end after this long, as in 10s")
	return c
}

// watch shows g every second until ctx ends, and a last time then.
func (a *app) watch(ctx context.Context, g *datapath.Generation, asJSON bool) error {
	show := a.shower(asJSON)
	defer show.close()
	texts := live.Texts(g)
	first, err := live.Take(g)
	if err != nil {
		return err
	}
	if err := show.view(live.Make(g.Name, first.Time, first, first, texts), false); err != nil {
		return err
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for before, last := first, false; !last; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			last = true
		}
		now, err := live.Take(g)
		if err != nil {
			return err
		}
		if last {
			before = first // the last view tells the whole: its rates are means
		}
		if err := show.view(live.Make(g.Name, first.Time, before, now, texts), last); err != nil {
			return err
		}
		before = now
	}
	return nil
}

// A shower shows views in one of three forms.
type shower struct {
	t      *term.Term
	json   bool
	screen *term.Screen // nil if nothing is drawn in place
}

func (a *app) shower(asJSON bool) *shower {
	s := &shower{t: a.out, json: asJSON}
	if a.out.Terminal && !asJSON {
		s.screen = term.NewScreen(a.out)
	}
	return s
}

// view shows v; of the last one, which sums up, everything.
func (s *shower) view(v live.View, last bool) error {
	var err error
	switch {
	case s.json:
		var b []byte
		if b, err = v.JSON(); err == nil {
			_, err = fmt.Fprintf(s.t, "%s\n", b)
		}
	case s.screen != nil:
		s.screen.Draw(v.Lines(s.t))
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
