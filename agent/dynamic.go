package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"weir/agent/audit"
	"weir/agent/store"
	"weir/datapath"
	"weir/state"
)

// An Entry is what somebody puts into a map, as text.
type Entry struct {
	Key, Value string    // Value is empty for a set
	Expires    time.Time // the zero time: never
}

// Who changes what nobody has asked for.
const (
	byAgent  = "agent"
	byExpiry = "expiry"
)

// Put puts entries into a map of what is in force, on behalf of who, all or none. They
// are there until they expire or are removed, also after a reboot, and beside what the
// config fills the map with. The error wraps [datapath.ErrNotFound] if there is no such
// map, [state.ErrStated] if the config says an entry, [datapath.ErrFull], [ErrNotKept].
func (a *Agent) Put(ctx context.Context, who, mapName string, entries []Entry) (err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var p *state.Plan
	defer func() { a.record(audit.Record{Who: who, What: "put"}, p, err) }()
	d, err := a.settable(ctx)
	if err != nil {
		return err
	}
	now := stamp(a.o.Clock.Now())
	var x state.Extra
	puts := map[store.Key]store.Dynamic{}
	for _, e := range entries {
		entry := state.Entry{Map: mapName, Key: e.Key, Value: e.Value}
		k, _, err := d.Parse(entry)
		if err == nil {
			err = d.CheckKey(ctx, mapName, k)
		}
		if err != nil {
			return err
		}
		v := store.Dynamic{Value: e.Value, Expires: e.Expires, Who: who, Since: now}
		if err := expires(&v, now); err != nil {
			return fmt.Errorf("map %s: %s: %w", mapName, e.Key, err)
		}
		x.Put = append(x.Put, entry)
		puts[store.Key{Map: mapName, Key: d.Key(mapName, k)}] = v
	}
	if p, err = a.extend(ctx, d, x); err != nil {
		return err
	}
	maps.Copy(a.kept.Entries, puts)
	return a.changed()
}

// Remove takes entries out of a map of what is in force, on behalf of who, all or none;
// be they of people or of packets. The error wraps [datapath.ErrNoSuchKey] if none is
// there, or as that of Put.
func (a *Agent) Remove(ctx context.Context, who, mapName string, keys []string) (err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var p *state.Plan
	defer func() { a.record(audit.Record{Who: who, What: "remove"}, p, err) }()
	d, err := a.settable(ctx)
	if err != nil {
		return err
	}
	var x state.Extra
	there, keys := false, slices.Clone(keys)
	for i, text := range keys {
		k, err := d.ParseKey(mapName, text)
		if err == nil {
			err = d.CheckKey(ctx, mapName, k)
		}
		if err != nil {
			return err
		}
		keys[i] = d.Key(mapName, k)
		x.Gone = append(x.Gone, state.Entry{Map: mapName, Key: keys[i]})
		_, dynamic := a.kept.Entries[store.Key{Map: mapName, Key: keys[i]}]
		there = there || dynamic
	}
	p, err = d.Extend(a.o.Kernel, x)
	if err != nil {
		return err
	}
	if p.Empty() && !there {
		return fmt.Errorf("map %s: remove %s: %w", mapName, keys, datapath.ErrNoSuchKey)
	}
	if err = a.carryOut(ctx, p); err != nil {
		return err
	}
	for _, k := range keys {
		delete(a.kept.Entries, store.Key{Map: mapName, Key: k})
	}
	return a.changed()
}

// SetParam sets a param of what is in force, on behalf of who, until it expires: then it
// is what its chain says. The zero time: it stays, also after a reboot. The error is as
// that of Put.
func (a *Agent) SetParam(ctx context.Context, who, name, value string, until time.Time) (err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var p *state.Plan
	defer func() { a.record(audit.Record{Who: who, What: "set"}, p, err) }()
	d, err := a.settable(ctx)
	if err != nil {
		return err
	}
	if err := d.CheckParam(name, value); err != nil {
		return err
	}
	now := stamp(a.o.Clock.Now())
	v := store.Dynamic{Value: value, Expires: until, Who: who, Since: now}
	if err := expires(&v, now); err != nil {
		return fmt.Errorf("param %s: %w", name, err)
	}
	if p, err = a.extend(ctx, d, state.Extra{Params: map[string]string{name: value}}); err != nil {
		return err
	}
	a.kept.Params[name] = v
	return a.changed()
}

// expires sees to it that d has its time before it.
func expires(d *store.Dynamic, now time.Time) error {
	if d.Expires.IsZero() {
		return nil
	}
	if d.Expires = stamp(d.Expires); d.Over(now) {
		return errors.New("its time is over already")
	}
	return nil
}

// settable is what is in force, beside which something is to be set.
func (a *Agent) settable(ctx context.Context) (*state.Desired, error) {
	if a.wait != nil {
		return nil, fmt.Errorf("%w: confirm it or take it back first", ErrWaiting)
	}
	v := a.inForce()
	if v == nil {
		return nil, errors.New("no config is in force yet")
	}
	return a.resolve(ctx, v)
}

// extend makes what runs as x says.
func (a *Agent) extend(ctx context.Context, d *state.Desired, x state.Extra) (*state.Plan, error) {
	p, err := d.Extend(a.o.Kernel, x)
	if err != nil {
		return nil, err
	}
	return p, a.carryOut(ctx, p)
}

// carryOut applies a plan.
func (a *Agent) carryOut(ctx context.Context, p *state.Plan) error {
	done, err := p.Apply(ctx, a.o.Kernel, state.Options{})
	if err != nil || done.Generation == nil {
		return err
	}
	return done.Generation.Close()
}

// changed keeps what was changed, and has the loop see when it expires.
func (a *Agent) changed() error {
	a.kept.unsaved = true
	a.wakes.again()
	return a.save()
}

// extra is what was put beside the config, and what of that has expired.
func (a *Agent) extra() (x state.Extra, over []store.Key, reset []string) {
	now := a.o.Clock.Now()
	x.Params = map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(a.kept.Params)) {
		if d := a.kept.Params[name]; d.Over(now) {
			reset = append(reset, name)
		} else {
			x.Params[name] = d.Value
		}
	}
	x.Default = reset
	byName := func(a, b store.Key) int { return cmp.Or(cmp.Compare(a.Map, b.Map), cmp.Compare(a.Key, b.Key)) }
	for _, k := range slices.SortedFunc(maps.Keys(a.kept.Entries), byName) {
		d := a.kept.Entries[k]
		e := state.Entry{Map: k.Map, Key: k.Key, Value: d.Value}
		if d.Over(now) {
			over = append(over, k)
			x.Gone = append(x.Gone, e)
		} else {
			x.Put = append(x.Put, e)
		}
	}
	return x, over, reset
}

// forget ends what has expired, once it is gone from what runs. It does not come back if
// the clock does.
func (a *Agent) forget(over []store.Key, reset []string) {
	for _, k := range over {
		delete(a.kept.Entries, k)
	}
	for _, name := range reset {
		delete(a.kept.Params, name)
	}
	a.kept.unsaved = a.kept.unsaved || len(over)+len(reset) > 0
}

// nextExpiry is when the first of what was put expires; the zero time: nothing does.
func (a *Agent) nextExpiry() (next time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, all := range []iter.Seq[store.Dynamic]{maps.Values(a.kept.Entries), maps.Values(a.kept.Params)} {
		for d := range all {
			if !d.Expires.IsZero() && (next.IsZero() || d.Expires.Before(next)) {
				next = d.Expires
			}
		}
	}
	return next
}
