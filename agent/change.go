package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"weir/agent/audit"
	"weir/agent/store"
	"weir/config"
	"weir/datapath"
	"weir/state"
)

// ErrWaiting is the error of a change while a config waits to be confirmed.
var ErrWaiting = errors.New("a config waits to be confirmed")

// Diff returns what [Agent.Apply] would change; of nil, what differs from what is in
// force. Its error is a [diag.List] where the config or a chain is wrong.
func (a *Agent) Diff(ctx context.Context, b *config.Bundle) (*state.Plan, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if b == nil {
		v := a.inForce()
		if v == nil {
			return nil, fmt.Errorf("diff: %w", ErrNoHistory)
		}
		b = v.Bundle
	}
	d, err := a.foreign(ctx, b)
	if err != nil {
		return nil, err
	}
	return d.Plan(a.o.Kernel)
}

// foreign finds what a config means that is not in force.
func (a *Agent) foreign(ctx context.Context, b *config.Bundle) (*state.Desired, error) {
	if err := b.Check(); err != nil {
		return nil, err
	}
	o := a.o.Config
	o.Bundle = b
	c, err := config.Load(b.Name, o)
	if err != nil {
		return nil, err
	}
	d, err := state.Resolve(ctx, c)
	if err != nil {
		return nil, err
	}
	x, _, _ := a.extra()
	d, _ = d.With(x)
	return d, nil
}

// Apply makes what runs what a config says that who has given, and returns what was
// changed. It is held until the agent's own file changes, or another is given. If it
// fails all is as it was before; the error is a [diag.List] where the config or a chain
// is wrong. With a time to confirm it returns when it runs; it is held when it is
// confirmed, and taken back if not. An error that wraps [ErrNotKept] comes with the plan:
// it is done.
func (a *Agent) Apply(ctx context.Context, who string, b *config.Bundle, o state.Options) (*state.Plan, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.give(ctx, audit.Record{Who: who, What: "apply", Config: b.Name}, b, o)
}

// give is Apply, with what is told of it.
func (a *Agent) give(ctx context.Context, r audit.Record, b *config.Bundle, o state.Options) (*state.Plan, error) {
	p, err := a.change(ctx, r.Who, b, o)
	if err == nil && a.wait != nil {
		r.Why = "waits to be confirmed"
	}
	a.record(r, p, err)
	if err == nil && a.wait == nil {
		err = a.save()
	}
	return p, err
}

// change applies b and holds it, or waits until it is confirmed.
func (a *Agent) change(ctx context.Context, who string, b *config.Bundle, o state.Options) (*state.Plan, error) {
	if a.wait != nil {
		return nil, fmt.Errorf("apply: %w: confirm it or take it back first", ErrWaiting)
	}
	if a.now.file == nil {
		if err := a.read(); err != nil {
			return nil, err
		}
	}
	d, err := a.foreign(ctx, b)
	if err != nil {
		return nil, err
	}
	p, err := d.Plan(a.o.Kernel)
	if err != nil {
		return nil, err
	}
	v := store.Version{Who: who, Since: stamp(a.o.Clock.Now()), Bundle: b, Digest: b.Digest(), File: a.now.digest}
	if p.Empty() {
		a.apply(v)
		return p, nil
	}
	if o.Confirm > 0 && len(d.Chains) == 0 {
		return nil, errors.New("apply: the config names no place that is there: nothing would be left that could be confirmed")
	}
	done, err := p.Apply(ctx, a.o.Kernel, o)
	if err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	a.told.plan(p, "given by "+who)
	if done.Generation != nil {
		a.told.ended(done.Generation)
	}
	if o.Confirm > 0 {
		a.await(ctx, done, v, o.Confirm)
		return p, nil
	}
	if done.Generation != nil {
		done.Generation.Close()
	}
	a.apply(v)
	a.Wake("a config is given")
	return p, nil
}

// apply notes that a version is in force.
func (a *Agent) apply(v store.Version) {
	if now := a.inForce(); now != nil && now.Digest == v.Digest && now.File == v.File {
		return
	}
	a.kept.Push(v)
	a.kept.unsaved = true
	a.status.source(sourceOf(&v))
}

// A waiting is a version that waits to be confirmed.
type waiting struct {
	version store.Version
	done    *state.Applied
	by      string        // who decides; guarded by Agent.mu
	cancel  func()        // takes it back
	over    chan struct{} // closed when err says what became of it
	err     error
}

// await waits in the background until it is confirmed, or its time is over.
func (a *Agent) await(ctx context.Context, done *state.Applied, v store.Version, d time.Duration) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	w := &waiting{version: v, done: done, cancel: cancel, over: make(chan struct{})}
	a.wait = w
	a.status.waits(a.o.Clock.Now().Add(d))
	a.told.log.Info("it waits to be confirmed", "for", d)
	go func() {
		defer cancel()
		err := a.o.Kernel.Await(ctx, done.Generation)
		a.mu.Lock()
		defer a.mu.Unlock()
		a.decided(w, err)
	}()
}

// decided ends the waiting: err says that nobody has confirmed.
func (a *Agent) decided(w *waiting, err error) {
	a.wait = nil
	a.status.waits(time.Time{})
	r := audit.Record{Who: cmp.Or(w.by, byAgent), What: "confirm", Config: w.version.Bundle.Name}
	if err == nil {
		a.told.log.Info("it is confirmed", "by", r.Who)
		a.apply(w.version)
		w.err = a.save()
	} else {
		r.What, r.Why = "take back", err.Error()
		a.told.log.Warn("it is taken back", "why", err)
		undone := w.done.Undo(context.Background())
		w.err = errors.Join(err, undone)
		err = undone
	}
	a.record(r, nil, err)
	w.err = errors.Join(w.err, w.done.Generation.Close())
	close(w.over)
	a.Wake("what waited is decided")
}

// waits returns what waits to be confirmed, which is decided by who from now on, or nil.
func (a *Agent) waits(who string) *waiting {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.wait != nil {
		a.wait.by = who
	}
	return a.wait
}

// giveUp takes back what waits to be confirmed.
func (a *Agent) giveUp() {
	if w := a.waits(byAgent); w != nil {
		w.cancel()
		<-w.over
	}
}

// Confirm lets a config stay that was applied with a time to confirm. The error wraps
// [datapath.ErrNotFound] if none waits.
func (a *Agent) Confirm(ctx context.Context, who string) error {
	w := a.waits(who)
	err := a.o.Kernel.Confirm(ctx, state.Name)
	if w == nil { // it may be one that was applied past this agent
		a.mu.Lock()
		defer a.mu.Unlock()
		a.record(audit.Record{Who: who, What: "confirm"}, nil, err)
	}
	if err != nil || w == nil {
		return err
	}
	select {
	case <-w.over:
		return w.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Rollback holds the config that was in force before, on behalf of who, and returns
// what was changed. What waits to be confirmed is taken back instead; the plan is nil
// if nothing was in force before that. The error wraps [ErrNoHistory] if there is
// nothing to go back to.
func (a *Agent) Rollback(ctx context.Context, who string) (*state.Plan, error) {
	if w := a.waits(who); w != nil {
		p, err := a.Diff(ctx, nil)
		if err != nil && !errors.Is(err, ErrNoHistory) {
			return nil, err
		}
		w.cancel()
		<-w.over
		switch {
		case w.err == nil:
			return nil, errors.New("roll back: it was confirmed just now")
		case !errors.Is(w.err, datapath.ErrUnconfirmed):
			return nil, w.err
		}
		return p, nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.kept.History) < 2 {
		return nil, fmt.Errorf("roll back: %w", ErrNoHistory)
	}
	b := a.kept.History[1].Bundle
	return a.give(ctx, audit.Record{Who: who, What: "roll back", Config: b.Name}, b, state.Options{})
}

// ErrNoHistory says that no config was in force before.
var ErrNoHistory = errors.New("no config was in force before")
