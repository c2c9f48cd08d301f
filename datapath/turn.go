package datapath

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf"

	"weir/attach"
	"weir/lang"
)

// A turn takes the places of a NAME from one generation to the next. Until it is
// done each step can be taken back.
type turn struct {
	from  *Generation // nil: nothing ran before
	own   owned       // by the next one, before it takes the first place
	steps []step

	at map[attach.Spot]*Attachment // where those of from are; nil: not looked yet

	byKey map[string]*Attachment // those of from, by attach.Record.Key; nil: not looked yet
}

// A step is a place that was taken.
type step struct {
	link  *attach.Link
	old   *Attachment // whose program was there; nil: none of ours
	frags bool        // as of old
	same  bool        // it stayed
}

// place brings the program of o to w: by a swap of a, which the generation before has
// there, or by attaching it if that is nil. With keep it is the program of a, and the link
// stays as it is if it is as it should be.
func (t *turn) place(a *Attachment, w attach.Where, o attach.Options, keep bool) (*attach.Link, error) {
	if a == nil {
		l, err := attach.Attach(w, o)
		if err == nil {
			t.steps = append(t.steps, step{link: l})
		}
		return l, err
	}
	s := step{link: a.link, old: a, frags: a.link.Frags}
	if s.same = keep && a.link.Runs(a.unit.id); !s.same {
		if err := a.link.Swap(o); err != nil {
			return nil, err
		}
	}
	s.link.Ended = "" // which was told when it was so
	t.steps = append(t.steps, s)
	a.link = nil // it is the new generation's from here on
	return s.link, nil
}

// running returns the attachment of the generation before at a spot, or nil: what counts
// is where that is now, not what its place was called.
func (t *turn) running(spot attach.Spot) *Attachment {
	if t.from == nil {
		return nil
	}
	if t.at == nil {
		t.at = t.from.spots()
	}
	if a := t.at[spot]; a != nil && a.link != nil { // not taken yet
		return a
	}
	return nil
}

// spots returns what g has at each spot.
func (g *Generation) spots() map[attach.Spot]*Attachment {
	links := make([]*attach.Link, len(g.Attachments))
	for i, a := range g.Attachments {
		links[i] = a.link
	}
	at := map[attach.Spot]*Attachment{}
	for i, s := range attach.Spots(links) {
		if s != (attach.Spot{}) {
			at[s] = g.Attachments[i]
		}
	}
	return at
}

// kept returns what the generation before has of an attachment of an earlier one, or
// nil: the program is exchanged, the rest is the same. What is left of one that has
// lost its place is taken away, since it is in the way of the next one's pin.
func (t *turn) kept(r attach.Record) (*Attachment, error) {
	if t.byKey == nil {
		t.byKey = map[string]*Attachment{}
		for _, a := range t.from.Attachments {
			t.byKey[a.Key()] = a
		}
	}
	a := t.byKey[r.Key()]
	if a == nil || a.link == nil {
		return nil, nil
	}
	there, err := a.link.Attached()
	if there || err != nil {
		return a, err
	}
	if err := a.link.Detach(); err != nil {
		return nil, err
	}
	a.link = nil
	return nil, nil
}

// undo takes back all steps, the last first.
func (t *turn) undo() error {
	var errs []error
	for _, s := range slices.Backward(t.steps) {
		if s.old == nil {
			errs = append(errs, s.link.Detach())
			continue
		}
		if !s.same {
			errs = append(errs, s.link.Update(s.old.unit.obj))
		}
		s.link.Frags = s.frags
		s.old.link = s.link
	}
	t.steps = nil
	return errors.Join(errs...)
}

// leave takes the generation before from the places that it alone had, and hands
// on what it has counted there until then.
func (t *turn) leave(to *Generation) error {
	var errs []error
	left := false
	for _, a := range slices.Backward(t.from.Attachments) {
		left = left || a.link != nil
		errs = append(errs, a.detach())
		a.link = nil
	}
	if !left {
		return nil
	}
	quiesce()
	return errors.Join(append(errs, to.goOn(t.from.State, t.own))...)
}

// inherit gives the new generation what the one before leaves it.
func (t *transaction) inherit() error {
	if t.from == nil {
		return nil
	}
	t.g.dropped()
	for _, c := range t.g.heir.changes {
		t.g.MapChanges = append(t.g.MapChanges, *c)
	}
	slices.SortFunc(t.g.MapChanges, func(a, b Change) int { return strings.Compare(a.Name, b.Name) })
	var err error
	t.g.ParamChanges, err = t.g.carryParams(t.o.Set)
	return err
}

// try tests the programs before they take the places of others.
func (t *transaction) try(all []*bundle) error {
	if t.from == nil {
		return nil
	}
	for _, b := range all {
		if t.isAdopted(b.units[0]) {
			continue
		}
		if err := t.selfTest(b.chain.Where, b.chain.Program, false); err != nil {
			return err
		}
	}
	var err error
	if t.own, err = t.g.own(t.from.State); err != nil {
		return err
	}
	r := t.from.record()
	r.Busy = true
	return r.write(t.dir)
}

func (t *transaction) isAdopted(u *unit) bool {
	for _, v := range t.adopted {
		if u == v {
			return true
		}
	}
	return false
}

func (t *transaction) selfTest(w attach.Where, p *lang.Program, frags bool) error {
	params, err := t.g.Params()
	if err != nil {
		return err
	}
	return wrap(w.Do(func() error { return selfTest(p, frags, params) }), "replace %s on %s", t.o.Name, w)
}

// commit makes the new generation the one that runs.
func (t *transaction) commit() error {
	r := record{Generation: t.g.Number, Busy: t.from != nil}
	if t.from != nil {
		quiesce()
		if err := t.g.goOn(t.from.State, t.own); err != nil {
			return err
		}
		r.Previous = t.from.Number
	}
	if t.o.Confirm > 0 {
		r.Until = uptime() + t.o.Confirm
		if t.o.Trial && t.from != nil {
			r.Trial, r.Before = true, t.from.Previous
			if err := t.g.hold(t.path()); err != nil {
				return err
			}
		}
		t.g.Confirm = t.o.Confirm
	}
	return r.write(t.dir)
}

// finish takes away what the new generation has no use for.
func (t *transaction) finish() error {
	t.g.heir = nil
	if t.from == nil {
		return nil
	}
	return t.rest(t.dir, t.g)
}

// rest ends a turn whose outcome stands in the record.
func (t *turn) rest(dir string, to *Generation) error {
	if err := t.leave(to); err != nil {
		return err
	}
	r, err := readRecord(dir)
	if err != nil {
		return err
	}
	if err := keepOnly(dir, r.Generation, r.Previous, r.Before); err != nil {
		return err
	}
	r.Busy = false
	return r.write(dir)
}

// rollback is [Kernel.Rollback] of what has the record r, under the lock.
func (k Kernel) rollback(name string, r record) (int, error) {
	dir := k.dir(name)
	if r.Previous == 0 {
		if r.Until == 0 {
			return 0, fmt.Errorf("roll back %s: generation %d has none before it: %w", name, r.Generation, ErrNotFound)
		}
		return 0, wrap(take(dir), "detach %s", name)
	}
	from, err := k.openNumber(name, r.Generation)
	if err != nil {
		return 0, err
	}
	defer from.Close()
	to, err := k.openNumber(name, r.Previous)
	if err != nil {
		return 0, err
	}
	defer to.Close()
	busy := r
	busy.Busy = true
	if err := busy.write(dir); err != nil {
		return 0, err
	}
	t := &turn{from: from}
	if r.Trial {
		err = from.handBack(to)
	}
	if err = errors.Join(err, t.back(dir, to)); err != nil {
		if uerr := t.undo(); uerr != nil { // the next command tries again
			return 0, errors.Join(err, uerr)
		}
		return 0, errors.Join(err, wrap(r.write(dir), "roll back %s", name))
	}
	next := record{Generation: to.Number, Previous: from.Number, Last: r.next() - 1, Busy: true}
	if r.Until != 0 {
		next.Previous = r.Before
	}
	if err := next.write(dir); err != nil {
		return 0, errors.Join(err, t.undo())
	}
	return to.Number, t.rest(dir, to)
}

// back brings the programs of an earlier generation to their places.
func (t *turn) back(dir string, to *Generation) (err error) {
	if t.own, err = to.own(t.from.State); err != nil {
		return err
	}
	for _, a := range to.Attachments {
		err := t.backTo(dir, to, a)
		if errors.Is(err, attach.ErrNoInterface) || errors.Is(err, attach.ErrNoNetns) || errors.Is(err, attach.ErrNoCgroup) {
			continue // as it would be, had the other generation never run
		}
		if err != nil {
			return err
		}
	}
	quiesce()
	if err := to.goOn(t.from.State, t.own); err != nil {
		return err
	}
	return to.repin(dir)
}

// backTo brings the program of a back to its place: into the link or filter that it
// had, or into what the running generation has there now, or anew.
func (t *turn) backTo(dir string, to *Generation, a *Attachment) error {
	if a.link != nil {
		a.link.Close() // that of the running generation is used
		a.link = nil
	}
	had, err := t.kept(a.Record)
	if err != nil {
		return err
	}
	w := a.Where
	if had == nil {
		if w, err = a.Again(); err != nil {
			return err
		}
		spot, err := w.Spot()
		if err != nil {
			return err
		}
		had = t.running(spot)
	}
	o := attach.Options{
		Chain: to.Name, Mode: a.Mode, Pin: linkPin(dir, a.Where, to.Number), Priority: a.Priority, Defrag: a.Defrag,
		Linear: func() (*ebpf.Program, error) { return a.unit.obj, nil },
	}
	if had != nil {
		o.Mode = attach.Best // that of the link
	}
	l, err := t.place(had, w, o, had != nil && had.unit.id == a.unit.id)
	if err != nil {
		return err
	}
	l.Frags = a.Frags
	w = a.Where
	a.Record, a.link = l.Record, l
	a.Where = w
	return nil
}
