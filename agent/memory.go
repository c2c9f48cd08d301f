package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"weir/agent/audit"
	"weir/agent/store"
	"weir/state"
)

// ErrNotKept is the error of a change that was made, and will not survive a reboot, since
// the store cannot be written. That is tried again at each look.
var ErrNotKept = errors.New("it is done, but it will not survive a reboot")

// memory is what an agent knows beside its file, and where it is kept.
type memory struct {
	store.Content
	store   *store.Store // nil: nowhere
	log     *audit.Log
	loaded  bool // Content has what was in the store
	unsaved bool // and more
}

// remember loads what is in the store. What an agent without it has done since it began
// comes before.
func (a *Agent) remember() error {
	m := &a.kept
	if m.store == nil || m.loaded {
		return nil
	}
	old, err := m.store.Load(a.o.Clock.Now())
	var aside *store.Aside
	if err != nil && !errors.As(err, &aside) {
		return err
	}
	for _, v := range slices.Backward(m.History) {
		old.Push(v)
	}
	if old.Entries == nil {
		old.Entries, old.Params = map[store.Key]store.Dynamic{}, map[string]store.Dynamic{}
	}
	maps.Copy(old.Entries, m.Entries)
	maps.Copy(old.Params, m.Params)
	m.Content, m.loaded, m.unsaved = old, true, true
	if v := a.inForce(); v != nil {
		a.status.source(sourceOf(v))
	}
	return err
}

// save writes to the store what is not there yet. Its error wraps ErrNotKept.
func (a *Agent) save() error {
	m := &a.kept
	err := a.remember()
	a.setAside(&err)
	if err == nil && m.unsaved && m.store != nil {
		err = m.store.Save(&m.Content, a.o.Clock.Now())
		a.setAside(&err)
	}
	m.unsaved = m.unsaved && err != nil
	a.status.stored(err, len(m.Entries), len(m.Params))
	a.told.stored(err)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotKept, err)
	}
	return nil
}

// setAside tells of a corrupt store that has made room for a new one, which is no error
// any more.
func (a *Agent) setAside(err *error) {
	var aside *store.Aside
	if errors.As(*err, &aside) {
		a.told.log.Error("the store was corrupt: a new one begins, without what only that one knew", "is now", aside.Path, "why", aside.Why)
		a.status.storeFailed()
		*err = nil
	}
}

// record writes a change to the audit log: one of a plan, which may be nil.
func (a *Agent) record(r audit.Record, p *state.Plan, failed error) {
	if a.kept.log == nil {
		return
	}
	r.Time, r.Outcome = a.o.Clock.Now().UTC(), audit.Done
	if failed != nil && !errors.Is(failed, ErrNotKept) {
		r.Outcome = failed.Error()
	}
	var err error
	if p != nil {
		r.Difference, err = json.Marshal(p)
	}
	if err = errors.Join(err, a.kept.log.Write(r)); err != nil {
		a.status.auditLost()
	}
	a.told.audited(err)
}

// stamp is a time as it is kept: see [store.Dynamic].
func stamp(t time.Time) time.Time { return t.Round(0).UTC() }

// Audit returns the last records of the audit log, the oldest first; all if last is 0.
func (a *Agent) Audit(last int) ([]audit.Record, error) {
	if a.o.State == "" {
		return nil, errors.New("this agent keeps no audit log")
	}
	return audit.Read(a.o.State, last)
}
