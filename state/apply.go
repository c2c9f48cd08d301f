package state

import (
	"context"
	"errors"
	"fmt"
	"time"

	"weir/datapath"
)

// Options of [Plan.Apply].
type Options struct {
	// Confirm is how long the new state may wait to be confirmed: see
	// [datapath.Options]. Zero: it stays.
	Confirm time.Duration
}

// An Applied is a plan that has been carried out.
type Applied struct {
	// Generation is what runs; nil if nothing does. The caller closes it.
	Generation *datapath.Generation

	k       datapath.Kernel
	plan    *Plan
	swapped bool // it is another generation than before
	undo    []func() error
}

// Apply makes it so. If it fails all is as it was before.
func (p *Plan) Apply(ctx context.Context, k datapath.Kernel, o Options) (*Applied, error) {
	a := &Applied{k: k, plan: p}
	switch {
	case p.first && (p.part || len(p.d.Chains) == 0):
		return a, nil
	case len(p.d.Chains) == 0 && !p.part:
		return a, k.Detach(ctx, Name)
	}
	var err error
	if a.swapped = !p.part && (len(p.Places) > 0 || p.first || o.Confirm > 0); a.swapped {
		a.Generation, err = k.Attach(ctx, datapath.Options{
			Name: Name, Chains: p.d.Chains, Pin: true, Replace: true, Set: p.d.Params, Confirm: o.Confirm,
		})
	} else {
		a.Generation, err = k.Open(Name)
	}
	if err != nil {
		return nil, err
	}
	if err := a.change(ctx); err != nil {
		return nil, errors.Join(err, a.Undo(context.WithoutCancel(ctx)), a.Generation.Close())
	}
	return a, nil
}

// change sets params and entries of maps that go on. Those of new maps are there.
func (a *Applied) change(ctx context.Context) error {
	now, err := a.Generation.Params()
	if err != nil {
		return err
	}
	for _, x := range now {
		to, ok := a.plan.d.Params[x.Name]
		if !ok {
			continue
		}
		if w, err := x.Type.ParseWord(to); err == nil && w == x.Word {
			continue
		}
		a.undo = append(a.undo, func() error { return a.Generation.SetParam(x.Name, x.Text()) })
		if err := a.Generation.SetParam(x.Name, to); err != nil {
			return fmt.Errorf("param %s: %w", x.Name, err)
		}
	}
	for i := range a.plan.d.Maps {
		if err := ctx.Err(); err != nil {
			return err
		}
		c := &MapChange{Name: a.plan.d.Maps[i].Map.Name, content: &a.plan.d.Maps[i]}
		if err := a.fill(c); err != nil {
			return fmt.Errorf("map %s: %w", c.Name, err)
		}
	}
	return nil
}

// fill brings a map to what it shall hold. What goes goes first: there may be no room.
func (a *Applied) fill(c *MapChange) error {
	if err := c.compare(a.Generation); err != nil {
		return err
	}
	if len(c.put)+len(c.take) == 0 {
		return nil
	}
	m, err := a.Generation.Map(c.Name)
	if err != nil {
		return err
	}
	a.undo = append(a.undo, func() error { return c.back(m) })
	for _, k := range c.take {
		if err := remove(m, []byte(k)); err != nil {
			return err
		}
	}
	for _, e := range c.put {
		if err := m.Update(e.Key, e.Value); err != nil {
			return err
		}
	}
	return nil
}

// back puts what a map held back into it.
func (c *MapChange) back(m *datapath.Map) error {
	var errs []error
	for _, e := range c.put {
		if _, ok := c.there[string(e.Key)]; !ok {
			errs = append(errs, remove(m, e.Key))
		}
	}
	for _, e := range c.put {
		if v, ok := c.there[string(e.Key)]; ok {
			errs = append(errs, m.Update(e.Key, v))
		}
	}
	for _, k := range c.take {
		errs = append(errs, m.Update([]byte(k), c.there[k]))
	}
	return errors.Join(errs...)
}

// remove takes a key out; of an array it makes it zero. That it is gone already is fine.
func remove(m *datapath.Map, key []byte) error {
	if isArray(&m.Map) {
		return m.Update(key, make([]byte, m.Value.Size()))
	}
	if err := m.Remove(key); !errors.Is(err, datapath.ErrNoSuchKey) {
		return err
	}
	return nil
}

// Undo goes back to what was before: also after Apply has succeeded, as when nobody has
// confirmed it.
func (a *Applied) Undo(ctx context.Context) error {
	var errs []error
	for i := len(a.undo) - 1; i >= 0; i-- {
		errs = append(errs, a.undo[i]())
	}
	a.undo = nil
	switch {
	case !a.swapped || !a.k.Current(a.Generation):
	case a.plan.first:
		errs = append(errs, a.k.Detach(ctx, Name))
	default:
		_, err := a.k.Rollback(ctx, Name)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
