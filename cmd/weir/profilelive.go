package main

import (
	"context"
	"fmt"
	"time"

	"weir/datapath"
	"weir/internal/cost"
	"weir/internal/term"
	"weir/lang"
	"weir/trace"
)

// Of a profile of a chain that is attached.
const (
	profileFor    = 10 * time.Second
	profileBefore = time.Second // how long the plain chain is measured before
	profileSample = 16          // one packet in so many is timed
)

// doProfileLive profiles what is attached under a name: a generation that is timed is
// swapped in, and the plain one back.
func (a *app) doProfileLive(ctx context.Context, name string, r *profiling) error {
	if err := r.wrongLive(); err != nil {
		return err
	}
	plain, err := a.openForTrial(name)
	if err != nil {
		return err
	}
	defer plain.Close()
	o, err := trialOf(plain, lang.Options{Times: r.sample})
	if err != nil {
		return err
	}
	o.Confirm = r.duration + trialGrace
	defer unstoppable()()
	defer unpiped()()
	meter, err := cost.Start()
	if err != nil {
		return err
	}
	defer meter.Close()
	share, err := meter.Share()
	if err != nil {
		return err
	}
	whole := a.usedIn(ctx, meter, plain, min(profileBefore, r.duration))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	g, err := a.kernel.Attach(ctx, o)
	if err != nil {
		return err
	}
	defer g.Close()
	fmt.Fprintf(a.err, "%s is profiled for %v, or until ^C\n", term.Clean(name), r.duration)
	running, cancel := a.whileTrial(ctx, g, r.duration)
	defer cancel()
	with := a.usedIn(running, meter, g, r.duration)
	if _, err := a.withdraw(ctx, running, g); err != nil {
		return err
	}
	p, err := trace.Live(g)
	if err != nil {
		return err
	}
	p.Whole, p.With = max(0, whole-share), max(0, with-share)
	return a.tellProfile(p, r)
}

// usedIn waits for a time or until ctx ends, and returns what a run of a generation's
// programs took then, in ns; 0 if there was none.
func (a *app) usedIn(ctx context.Context, m *cost.Meter, g *datapath.Generation, d time.Duration) float64 {
	var ids []cost.Program
	for _, at := range g.Attachments {
		ids = append(ids, at.ProgramID())
	}
	before := m.Read(ids)
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
	var sum cost.Use
	for _, u := range m.Read(ids).Since(before) {
		sum.Runs += u.Runs
		sum.Time += u.Time
	}
	return sum.NsPerRun()
}

// wrongLive says what is wrong with the flags of a profile of what is attached.
func (r *profiling) wrongLive() error {
	if r.sample < 1 {
		return usage("--sample %d times no packet (1 times all)", r.sample)
	}
	return notOfAttached(r.given, r.duration, "hook", "clock", "set", "repeat")
}

// wrongCapture says what is wrong with the flags of a profile of a capture.
func (r *profiling) wrongCapture(a *app) error {
	if err := notOfCapture(r.given, "NAME alone", "for", "sample"); err != nil {
		return err
	}
	return (&replaying{clock: r.clock, repeat: r.repeat}).wrong(a.out)
}
