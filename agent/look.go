package agent

import (
	"context"
	"errors"
	"fmt"

	"weir/agent/audit"
	"weir/agent/store"
	"weir/attach"
	"weir/config"
	"weir/lang/diag"
	"weir/state"
)

// current is what the last look has read.
type current struct {
	file   *config.Bundle // the agent's own; nil: it is to be read anew
	digest string         // of file
	want   *state.Desired // nil: it is to be resolved anew
	of     string         // the digest of the version that want is of
	spaces []string       // network namespaces of want, as files
	wrong  error          // why another version is wrong; nil: it is to be resolved anew
	bad    string         // the digest of that version
}

// settle is look, and returns what it has found. Of a file that is wrong it returns the
// error, and keeps to what was applied last.
func (a *Agent) settle(ctx context.Context, why string) (found finding, err error) {
	if !a.same(why) {
		a.now.want, a.now.wrong = nil, nil
		if err := a.read(); err != nil {
			return found, err
		}
	}
	v := a.wanted()
	err = a.keep(ctx, v, why, &found)
	if good := a.inForce(); err != nil && ctx.Err() == nil && good != nil && good.Digest != v.Digest {
		if a.keep(ctx, *good, why, &found) == nil {
			a.told.instead(good)
		}
	}
	a.files.only(append(a.now.file.Names(), a.now.spaces...))
	return found, err
}

// same reports whether what shall be is the same as at the last look: only the
// interval is over, no file is another, and no place was missing.
func (a *Agent) same(why string) bool {
	n := &a.now
	return (why == interval || why == expired) && n.file != nil && n.want != nil && len(n.want.Absent) == 0 && !a.files.changed()
}

// wanted is the version that shall be in force: what somebody gave, as long as the
// agent's own file is what it was then, else that file.
func (a *Agent) wanted() store.Version {
	if good := a.inForce(); good != nil && good.File == a.now.digest {
		return *good
	}
	return store.Version{Who: "file " + a.now.file.Name, Since: stamp(a.o.Clock.Now()), Bundle: a.now.file, Digest: a.now.digest}
}

// inForce is the version that was applied last; nil: none was.
func (a *Agent) inForce() *store.Version {
	if len(a.kept.History) == 0 {
		return nil
	}
	return &a.kept.History[0]
}

// keep makes what runs equal to a version.
func (a *Agent) keep(ctx context.Context, v store.Version, why string, found *finding) error {
	d, err := a.resolve(ctx, &v)
	if err != nil {
		return err
	}
	x, over, reset := a.extra()
	d, left := d.With(x)
	a.told.left(left)
	p, err := d.Plan(a.o.Kernel)
	if err != nil {
		return err
	}
	a.told.absent(p.Absent)
	found.known, found.absent, found.places = true, p.Absent, len(d.Chains)
	found.generation = p.Running()
	if !p.Empty() {
		done, err := p.Apply(ctx, a.o.Kernel, state.Options{})
		if err != nil {
			return fmt.Errorf("apply: %w", err)
		}
		found.changed, found.generation = true, 0
		a.told.plan(p, why)
		if g := done.Generation; g != nil {
			found.generation = g.Number
			a.told.ended(g)
			defer g.Close()
		}
	}
	a.recordLook(&v, p, why, len(over)+len(reset) > 0)
	a.forget(over, reset)
	a.apply(v)
	return nil
}

// recordLook writes to the audit log what a look has changed.
func (a *Agent) recordLook(v *store.Version, p *state.Plan, why string, expiry bool) {
	r := audit.Record{Who: byAgent, What: "keep", Config: v.Bundle.Name, Why: why}
	switch now := a.inForce(); {
	case now == nil || now.Digest != v.Digest || now.File != v.File:
		r.Who, r.What = v.Who, "apply"
	case expiry:
		r.Who, r.What = byExpiry, "expire"
	case p.Empty():
		return
	}
	a.record(r, p, nil)
}

// tries is how often a config is read again that names files that were not watched.
const tries = 5

// read reads the agent's own file, with all that it is made of. It is watched before it
// is read, so that no change is missed.
func (a *Agent) read() error {
	a.now.file = nil
	for range tries {
		a.files.look()
		b, err := state.Bundle(a.o.File, a.o.Config)
		if err != nil {
			return err
		}
		if a.files.add(b.Names()...) {
			continue
		}
		a.now.file, a.now.digest = b, b.Digest()
		return nil
	}
	return fmt.Errorf("config %s: its files change faster than they can be read", a.o.File)
}

// resolve finds what a version means on this machine. What it meant the last time holds
// until a look forgets it.
func (a *Agent) resolve(ctx context.Context, v *store.Version) (*state.Desired, error) {
	switch {
	case a.now.want != nil && a.now.of == v.Digest:
		return a.now.want, nil
	case a.now.wrong != nil && a.now.bad == v.Digest:
		return nil, a.now.wrong
	}
	d, err := a.compile(ctx, v)
	if diagnostics(err) != nil {
		a.now.wrong, a.now.bad = err, v.Digest
	}
	if err != nil {
		return nil, err
	}
	a.told.warnings(d.Warnings)
	a.now.want, a.now.of = d, v.Digest
	return d, nil
}

// compile is resolve of what was not resolved before.
func (a *Agent) compile(ctx context.Context, v *store.Version) (*state.Desired, error) {
	o := a.o.Config
	o.Bundle = v.Bundle
	c, err := config.Load(v.Bundle.Name, o)
	if err != nil {
		return nil, err
	}
	// They are heard of before it is looked what is there.
	a.nets.set(c)
	a.now.spaces = spaces(c)
	a.files.add(a.now.spaces...)
	return state.Resolve(ctx, c)
}

// spaces returns the network namespaces that a config names, which are files.
func spaces(c *config.Config) (out []string) {
	for _, p := range c.Places {
		if p.Netns != "" {
			out = append(out, attach.NetnsPath(p.Netns))
		}
	}
	return out
}

func diagnostics(err error) (l diag.List) {
	errors.As(err, &l)
	return l
}
