// Package agent keeps what runs equal to what a config says.
//
// The model: an [Agent] is one loop around package state. It looks ([Agent.Run]):
// reads its file, compares what shall be with what runs, applies the difference. Then it
// waits until there is a reason to look again:
//
//	config, chains, entries of maps ─ folders ──┐
//	interfaces, addresses, routes ─── netlink ──┼─► wait ─► look ─► Status, log
//	what nobody tells of ──────────── a clock ──┤
//	[Agent.Wake] ───────────────────────────────┘
//
// What shall be is its file or, until that changes, a config that somebody gave to it
// ([Agent.Apply], [Agent.Confirm], [Agent.Rollback]); and beside it the entries and
// params that somebody has put ([Agent.Put], [Agent.Remove], [Agent.SetParam]). Looks
// and calls are one after the other. What of that is not in the file is kept in a store,
// where a reboot does not reach it, and all changes are in an audit log: packages store
// and audit.
//
// Reasons come in bursts, so it waits until they pause. A config that is wrong is
// told, and what was applied last is kept. When the agent ends, however it ends, all stays in the
// kernel; the next one takes over what it finds there. One agent runs at a time, which
// a lock sees to ([ErrRunning]).
//
// Beside the loop there is what it says: a log, in which what stays wrong is not
// repeated at each look; [Status]; [Agent.Handler], which serves it; and systemd
// ([Notifier]).
//
// What it does not do: it decides what and when, and package state does the rest. What
// runs it learns from the kernel, never from its store.
package agent

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"weir/agent/audit"
	"weir/agent/store"
	"weir/config"
	"weir/datapath"
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

	// State is the folder of what survives a reboot and is not in the file, and of the
	// audit log; empty: nothing does.
	State string

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

	// mu is held by what changes what runs, from its beginning to its end: looks and
	// calls from outside are one after the other.
	mu   sync.Mutex
	told told
	now  current
	kept memory
	wait *waiting // what waits to be confirmed; nil: nothing does
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
	a.kept.Entries, a.kept.Params = map[store.Key]store.Dynamic{}, map[string]store.Dynamic{}
	if o.State != "" {
		a.kept.store, a.kept.log = store.New(o.State), audit.New(o.State)
	}
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
	defer a.close()
	a.o.Log.Info("the agent begins", "config", a.o.File)
	a.begin(ctx)
	a.look(ctx, "start")
	ended := a.o.Notifier.begin(a)
	defer ended()
	for {
		why, ok := a.sleep(ctx)
		if !ok {
			a.o.Log.Info("the agent ends, and what runs stays")
			return nil
		}
		a.look(ctx, why)
		a.o.Notifier.status(a)
	}
}

// begin remembers what is in the store, and takes back what an agent that was killed has
// left waiting to be confirmed.
func (a *Agent) begin(ctx context.Context) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.save() // it is told, and tried again
	g, err := a.o.Kernel.Open(state.Name)
	if err != nil {
		return // nothing runs, or the look tells
	}
	defer g.Close()
	if g.Confirm == 0 || g.Trial {
		return
	}
	_, err = a.o.Kernel.Rollback(ctx, state.Name)
	l := a.told.log.With("generation", g.Number)
	if err != nil {
		l.Error("what nobody has confirmed cannot be taken back", "error", err)
	} else {
		l.Warn("what nobody has confirmed is taken back")
	}
	a.record(audit.Record{Who: byAgent, What: "take back", Why: "start"}, nil, err)
}

// close ends what the loop has begun.
func (a *Agent) close() {
	a.giveUp()
	a.mu.Lock()
	defer a.mu.Unlock()
	if s := a.kept.store; s != nil {
		s.Close() // what was saved is saved
	}
}

// look makes what runs equal to what it shall be, once. While a config waits to be
// confirmed it does nothing.
func (a *Agent) look(ctx context.Context, why string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.wait != nil {
		return
	}
	began := a.o.Clock.Now()
	a.status.begin(began)
	found, err := a.settle(ctx, why)
	a.save() // likewise
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
