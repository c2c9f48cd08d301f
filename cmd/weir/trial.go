package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"weir/datapath"
	"weir/hook"
	"weir/internal/term"
	"weir/lang"
)

// trialGrace is how long after its time a trial generation stays if the process that
// swapped it in has died: then others take it back.
const trialGrace = 2 * time.Second

// openForTrial opens what is attached under a name, to look into it.
func (a *app) openForTrial(name string) (*datapath.Generation, error) {
	g, err := a.kernel.Open(name)
	if errors.Is(err, datapath.ErrNotFound) && filepath.Ext(name) == ".weir" {
		return nil, usage("IN.pcap is missing: the chain of a file is given packets, and nothing is attached as %s", name)
	}
	return g, err
}

// trialOf compiles what runs once more, with what as says, for the places where it is.
// They share programs as before, but if each is to tell of packets of its own.
func trialOf(g *datapath.Generation, as lang.Options) (datapath.Options, error) {
	o := datapath.Options{Name: g.Name, Pin: true, Replace: true, Trial: true}
	compiled := map[*lang.Program]datapath.Chain{}
	shared := sharedPrograms(g)
	for _, at := range g.Places() {
		w := at.Where
		if w.Hook == hook.Connect {
			return o, fmt.Errorf("%s is at %s: what is done for connections cannot be looked into", g.Name, w)
		}
		if s := at.Standing(); s.There {
			w = s.Where // which may have another name by now
		}
		c, ok := compiled[at.Program]
		if !ok {
			var err error
			as.Shared = as.Match == "" && shared[at.ProgramID()]
			if c.Program, err = at.Program.Again(as); err == nil && w.Hook == hook.XDP {
				frags := as
				frags.Frags = true
				c.Frags, err = at.Program.Again(frags)
			}
			if err != nil {
				return o, fmt.Errorf("compile %s to look into it: %w", g.Name, err)
			}
			compiled[at.Program] = c
		}
		c.Where = w
		o.Chains = append(o.Chains, c)
	}
	return o, nil
}

// trialLook is how often a trial looks whether another command has ended it.
const trialLook = 100 * time.Millisecond

// errNoPlace is why a trial ends that is at no place any more.
var errNoPlace = errors.New("every interface, network namespace or cgroup that it was at is gone")

// whileTrial returns a context that ends with ctx, after a time, when another command has
// taken the trial back, and with errNoPlace when no place of it is left: no packet comes
// to it then.
func (a *app) whileTrial(ctx context.Context, g *datapath.Generation, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, d)
	ctx, end := context.WithCancelCause(ctx)
	go func() {
		tick := time.NewTicker(trialLook)
		defer tick.Stop()
		for a.kernel.Current(g) {
			if !slices.ContainsFunc(g.Attachments, placed) {
				end(errNoPlace)
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
		end(nil)
	}()
	return ctx, cancel
}

// placed reports whether a program is at a place, as far as can be told: it may be one
// that cannot be reached.
func placed(at *datapath.Attachment) bool {
	there, err := at.Attached()
	return there || err != nil || at.Standing().There // moved with its interface, which has a filter
}

// withdraw swaps the plain generation back, unless another command has done so, which it
// tells and reports. The error is of a trial that ended with errNoPlace, too: running is
// what whileTrial gave.
func (a *app) withdraw(ctx, running context.Context, g *datapath.Generation) (gone bool, err error) {
	why := context.Cause(running)
	err = a.kernel.Withdraw(context.WithoutCancel(ctx), g)
	if errors.Is(err, datapath.ErrNotFound) {
		fmt.Fprintf(a.err, "another command has taken %s back\n", term.Clean(g.Name))
		return true, nil
	}
	if err == nil && errors.Is(why, errNoPlace) {
		err = fmt.Errorf("no packet comes to %s: %w. Attach it with --replace where packets come, or detach it", g.Name, why)
	}
	return false, err
}

// notOfCapture refuses flags that are for what is attached, which is asked for as says.
func notOfCapture(given func(string) bool, as string, flags ...string) error {
	if f := firstGiven(given, flags); f != "" {
		return usage("--%s is for a chain that is attached: give its %s", f, as)
	}
	return nil
}

// notOfAttached refuses flags that are for the packets of a capture, and a time in which
// no packet can come.
func notOfAttached(given func(string) bool, d time.Duration, flags ...string) error {
	if f := firstGiven(given, flags); f != "" {
		return usage("--%s is for the packets of a capture: give FILE and IN.pcap", f)
	}
	if d <= 0 {
		return usage("--for %v leaves no time to see packets", d)
	}
	return nil
}

// firstGiven returns the first of the flags that was given, or "".
func firstGiven(given func(string) bool, flags []string) string {
	if i := slices.IndexFunc(flags, given); i >= 0 {
		return flags[i]
	}
	return ""
}
