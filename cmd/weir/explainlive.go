package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"weir/internal/term"
	"weir/lang"
	"weir/trace"
)

// watching is the flags of explain for a chain that is attached.
type watching struct {
	live     bool
	match    string
	packets  int
	duration time.Duration
}

func (w *watching) flags(c *cobra.Command) {
	f := c.Flags()
	f.BoolVar(&w.live, "live", false, "show the next packets of a chain that is attached")
	f.StringVar(&w.match, "match", "True", "with --live: only packets for which this `EXPR` holds")
	f.IntVar(&w.packets, "packets", 10, "with --live: how many, at most")
	f.DurationVar(&w.duration, "for", time.Minute, "with --live: how long, at most")
}

// wrong says what is wrong with the arguments and flags.
func (e *explaining) wrong(args []string) error {
	if !e.live {
		if err := notOfCapture(e.given, "NAME and --live", "match", "packets", "for"); err != nil {
			return err
		}
		if len(args) == 0 || len(args) == 1 && len(e.lines) == 0 {
			return usage("IN.pcap is missing, or --live for the packets of a chain that is attached")
		}
		return nil
	}
	if err := notOfAttached(e.given, e.duration, "hook", "set", "packet"); err != nil {
		return err
	}
	switch {
	case e.match == "":
		return usage("--match is empty: leave it out to see every packet")
	case len(args) != 1 || len(e.lines) > 0:
		return usage("--live wants the NAME of one chain that is attached, and nothing else")
	case e.packets < 1:
		return usage("--packets %d shows no packet", e.packets)
	}
	return nil
}

// completeExplain completes names of what is attached, and files.
func (a *app) completeExplain(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if live, _ := c.Flags().GetBool("live"); live {
		return a.completeNames(1)(c, args, begun)
	}
	return a.completeProfile(c, args, begun)
}

// doExplainLive shows the way of packets through what is attached under a name: a
// generation that takes notes is swapped in, and the plain one back.
func (a *app) doExplainLive(ctx context.Context, name string, e *explaining) error {
	plain, err := a.openForTrial(name)
	if err != nil {
		return err
	}
	defer plain.Close()
	o, err := trialOf(plain, lang.Options{Steps: true, Match: e.match})
	if err != nil {
		return err
	}
	o.Confirm = e.duration + trialGrace
	t := trace.NewTelling(e.packets)
	defer t.Close()
	o.Loaded = t.Loaded
	defer unstoppable()()
	defer unpiped()()
	g, err := a.kernel.Attach(ctx, o)
	if err != nil {
		return err
	}
	defer g.Close()
	fmt.Fprintf(a.err, "%s is watched for %v, or until ^C\n", term.Clean(name), e.duration)
	running, cancel := a.whileTrial(ctx, g, e.duration)
	defer cancel()
	shown, err := a.tellWays(e, func(each func(trace.Way) error) error { return t.Run(running, g, each) })
	gone, werr := a.withdraw(ctx, running, g)
	if errors.Is(err, unix.EPIPE) {
		err = nil // whoever watched has seen enough
	}
	if err = errors.Join(err, werr); err != nil {
		return err
	}
	missed, err := t.Missed()
	if err != nil {
		return err
	}
	switch {
	case missed > 0:
		fmt.Fprintf(a.err, "%s matched and could not be shown\n", term.Plural(missed, "more packet"))
	case shown == 0 && !gone && ctx.Err() == nil:
		fmt.Fprintf(a.err, "no packet matched in %v\n", e.duration)
	}
	return nil
}

// tellWays shows ways as they come, and returns how many.
func (a *app) tellWays(e *explaining, run func(each func(trace.Way) error) error) (n int, err error) {
	out := bufio.NewWriter(a.out)
	enc := term.JSON(out)
	err = run(func(w trace.Way) error {
		n++
		if e.json {
			if err := enc.Encode(w); err != nil {
				return err
			}
		} else {
			a.writeWay(out, w)
		}
		return out.Flush()
	})
	return n, err
}
