// Package agent keeps what runs equal to what a config says.
//
// The model: an [Agent] is one loop around package state. It looks ([Agent.Run]):
// reads the config, compares with what runs, applies the difference. Then it waits
// until there is a reason to look again:
//
//	config, chains, entries of maps ─ folders ──┐
//	interfaces, addresses, routes ─── netlink ──┼─► wait ─► look ─► Status, log
//	what nobody tells of ──────────── a clock ──┤
//	[Agent.Wake] ───────────────────────────────┘
//
// Reasons come in bursts, so it waits until they pause. A config that is wrong is
// told, and what runs stays. When the agent ends, however it ends, all stays in the
// kernel; the next one takes over what it finds there. One agent runs at a time, which
// a lock sees to ([ErrRunning]).
//
// Beside the loop there is what it says: a log, in which what stays wrong is not
// repeated at each look; [Status]; [Agent.Handler], which serves it; and systemd
// ([Notifier]).
//
// What it does not do: it decides when, and package state does the rest. It keeps
// nothing on disk: the kernel and the config are all that there is to know.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"weir/config"
	"weir/datapath"
	"weir/lang/diag"
	"weir/state"
)

// DefaultInterval is how often an agent looks for what nobody tells it of.
const DefaultInterval = 30 * time.Second

// Options of an Agent.
type Options struct {
	File     string // the config
	Config   config.Options
	Kernel   datapath.Kernel
	Interval time.Duration // between two looks at most; zero: DefaultInterval
	Log      *slog.Logger  // nil: nothing is logged
	Clock    Clock         // nil: the machine's
	Notifier Notifier      // systemd; the zero value tells nobody

	// Listen is the TCP address at which Handler is served, as 127.0.0.1:9450; empty: none.
	Listen string
	// Handlers are served beside /healthz and /readyz, by their paths: see Handler.
	Handlers map[string]http.Handler
}

// A Clock is the time by which an agent goes.
type Clock interface {
	Now() time.Time
	After(time.Duration) <-chan time.Time
}

type machineClock struct{}

func (machineClock) Now() time.Time                         { return time.Now() }
func (machineClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

// An Agent keeps what runs equal to what a config says. Its methods may be called
// concurrently, Run once.
type Agent struct {
	o      Options
	status keeper
	wakes  *wakes
	files  *files
	nets   *nets
	told   told

	want *state.Desired // of the last look; nil: it is to be read anew
}

// New returns an agent. It touches nothing.
func New(o Options) *Agent {
	if o.Interval == 0 {
		o.Interval = DefaultInterval
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = machineClock{}
	}
	a := &Agent{o: o, wakes: newWakes()}
	a.status.s = Status{Config: o.File, Started: o.Clock.Now()}
	a.nets = &nets{wake: a.wakes.add, open: map[string]*netWatch{}}
	a.told = told{log: o.Log, clock: o.Clock}
	return a
}

// Wake makes the agent look, for a reason that it logs.
func (a *Agent) Wake(why string) { a.wakes.add(why) }

// Run looks at once and whenever there is a reason to, until ctx ends; then it returns
// nil. Its error is that of beginning, as ErrRunning: what goes wrong later is in the
// log and in [Agent.Status], and is tried again.
func (a *Agent) Run(ctx context.Context) (err error) {
	release, err := hold(a.o.Kernel)
	if err != nil {
		return err
	}
	defer release()
	shut, err := a.serve()
	if err != nil {
		return err
	}
	defer shut()
	if a.files, err = newFiles(a.wakes.add); err != nil {
		return err
	}
	defer a.files.close()
	defer a.nets.close()
	a.o.Log.Info("the agent begins", "config", a.o.File)
	a.look(ctx, "start")
	ended := a.o.Notifier.begin(a)
	defer ended()
	for {
		why, ok := a.wait(ctx)
		if !ok {
			a.o.Log.Info("the agent ends, and what runs stays")
			return nil
		}
		a.look(ctx, why)
		a.o.Notifier.status(a)
	}
}

// look makes what runs equal to what the config says, once.
func (a *Agent) look(ctx context.Context, why string) {
	began := a.o.Clock.Now()
	a.status.begin(began)
	found, err := a.settle(ctx, why)
	if err != nil {
		a.want = nil
	}
	if ctx.Err() != nil {
		err = nil // it was cut short: nothing is wrong
	}
	a.told.outcome(err)
	found.Outcome = Outcome{At: began, Why: why, Took: a.o.Clock.Now().Sub(began)}
	if err != nil {
		found.Error = err.Error()
	}
	a.status.end(found)
}

// settle is look, and returns what it has found.
func (a *Agent) settle(ctx context.Context, why string) (found finding, err error) {
	if !a.same(why) {
		if a.want, err = a.read(ctx); err != nil {
			return found, err
		}
		a.told.warnings(a.want.Warnings)
	}
	p, err := a.want.Plan(a.o.Kernel)
	if err != nil {
		return found, err
	}
	a.told.absent(p.Absent)
	found.known, found.absent, found.places = true, p.Absent, len(a.want.Chains)
	found.generation = p.Running()
	if p.Empty() {
		return found, nil
	}
	done, err := p.Apply(ctx, a.o.Kernel, state.Options{})
	if err != nil {
		return found, fmt.Errorf("apply: %w", err)
	}
	found.changed, found.generation = true, 0
	a.told.plan(p, why)
	if g := done.Generation; g != nil {
		found.generation = g.Number
		a.told.ended(g)
		return found, g.Close()
	}
	return found, nil
}

// same reports whether what shall be is the same as at the last look: only the
// interval is over, no file is another, and no place was missing.
func (a *Agent) same(why string) bool {
	return why == interval && a.want != nil && len(a.want.Absent) == 0 && !a.files.changed()
}

// tries is how often a config is read again that names files that were not watched.
const tries = 5

// read reads the config. All files that it is made of are watched before they are
// read, so that no change is missed.
func (a *Agent) read(ctx context.Context) (d *state.Desired, err error) {
	a.files.add(a.o.File)
	for range tries {
		a.files.look()
		var c *config.Config
		if c, err = config.Load(a.o.File, a.o.Config); err != nil {
			if a.files.add(blamed(err)...) {
				continue
			}
			return nil, err
		}
		a.nets.set(c)
		if a.files.add(named(c)...) {
			continue
		}
		d, err = state.Resolve(ctx, c)
		if err == nil && a.files.add(sources(d)...) || err != nil && a.files.add(blamed(err)...) {
			continue
		}
		if err == nil {
			a.files.only(append(append(named(c), sources(d)...), a.o.File))
		}
		return d, err
	}
	return d, err
}

// blamed returns the files that an error is about.
func blamed(err error) (out []string) {
	for _, d := range diagnostics(err) {
		out = append(out, d.Pos.File)
	}
	return existing(out)
}

func diagnostics(err error) (l diag.List) {
	errors.As(err, &l)
	return l
}
