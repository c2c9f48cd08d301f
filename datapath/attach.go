package datapath

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cilium/ebpf"

	"weir/attach"
	"weir/lang"
)

// A Chain is a program and the place for it.
type Chain struct {
	Where   attach.Where
	Program *lang.Program // compiled for the hook of Where; one that is shared is the same in all Chains

	// Frags is the same chain compiled for XDP frames of several fragments,
	// taken where the interface's MTU asks for it; nil if there is none.
	Frags *lang.Program

	How *How // how it is attached here; nil: as Options say
}

// How is how programs are attached. What a hook has not is left out there.
type How struct {
	Force bool         // take the place of XDP programs that are not weir's
	Mode  attach.Mode  // the only mode to try
	Order attach.Order // among the programs at each place; a place that was had keeps its own

	// At netfilter; see attach.Options. A place that was had keeps its own priority,
	// and if this is nil a new one gets 0.
	Priority *int32
	Defrag   bool // put packets together before
}

// Options of [Kernel.Attach].
type Options struct {
	How
	Name   string
	Chains []Chain           // at least one, each at another place
	Pin    bool              // the generation outlives this process
	Set    map[string]string // first values of parameters, by name

	// Replace takes the place of the generation that is pinned under the name, if
	// there is one: it goes on with its maps and parameters. With Pin only.
	Replace bool

	// Confirm is how long to wait for [Kernel.Confirm]: then the generation is
	// taken back. Zero: it stays. With Pin only.
	Confirm time.Duration

	// Trial, with Replace and Confirm, is for a generation that nobody can confirm: who
	// attaches it takes it back by [Kernel.Withdraw]; the next command does if he has closed
	// it before or was killed, or if the time is over. What could be rolled back to before can
	// be afterwards.
	Trial bool

	// Loaded is called for each program before it is attached, with the kernel's
	// maps of each use, which may be nil. One that is not attached in the end is
	// closed again.
	Loaded func(system func(lang.System) *ebpf.Map) error
}

// Attach loads programs and attaches them, all or none. With Options.Replace all
// that was attached stays as it was if one fails. The error wraps [ErrExists] if
// something pinned has that name, and is or wraps an [*attach.Error] or a
// [*VerifierError] where these say more.
func (k Kernel) Attach(ctx context.Context, o Options) (*Generation, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	unlock, err := k.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	t := &transaction{ctx: ctx, o: o, dir: k.dir(o.Name), seats: attach.Seats(o.places()), adopted: map[*unit]*unit{}}
	if err := t.twice(); err != nil {
		return nil, err
	}
	if o.Pin {
		if err := k.mount(); err != nil {
			return nil, err
		}
		if err := k.settleFor(o.Name); err != nil {
			return nil, err
		}
	}
	old, err := k.free(o, t.seats)
	if err != nil {
		return nil, err
	}
	t.from = old
	t.g = &Generation{State: newState(), Name: o.Name, Number: 1, Time: time.Now().Round(0), Pinned: o.Pin, lock: k.lock}
	t.g.name = o.Name
	if old != nil {
		defer old.Close()
		t.g.heir = &heir{from: old.State, taken: map[*ebpf.Map]*ebpf.Map{}}
		t.g.Number, t.g.Previous = old.next, old.Number
	}
	if err := k.anchor(&t.o.Order.Anchor); err != nil {
		return nil, wrap(err, "attach %s: %s", o.Name, o.Order)
	}
	if err := t.run(); err != nil {
		return nil, errors.Join(err, t.undo())
	}
	if err := t.finish(); err != nil {
		err = errors.Join(err, t.g.Close())
		return nil, wrap(err, "%s: generation %d runs, but what was before it is not all taken away", o.Name, t.g.Number)
	}
	return t.g, nil
}

func (o Options) check() error {
	if err := CheckName(o.Name); err != nil {
		return err
	}
	if len(o.Chains) == 0 {
		return fmt.Errorf("attach %s: no place is given", o.Name)
	}
	for _, c := range o.Chains {
		for _, p := range []*lang.Program{c.Program, c.Frags} {
			if p != nil && p.Hook != c.Where.Hook {
				return fmt.Errorf("attach %s: a program for %s at %s", o.Name, p.Hook, c.Where)
			}
		}
	}
	return nil
}

func (o Options) places() []attach.Where {
	var out []attach.Where
	for _, c := range o.Chains {
		out = append(out, c.Where)
	}
	return out
}

// twice refuses places that are one.
func (t *transaction) twice() error {
	seen := map[attach.Spot]attach.Where{}
	for i, c := range t.o.Chains {
		s := t.seats[i]
		if s.Err != nil {
			continue // attaching says why
		}
		switch w, ok := seen[s.Spot]; {
		case ok && w == c.Where:
			return fmt.Errorf("attach %s: %s is given twice", t.o.Name, w)
		case ok:
			return fmt.Errorf("attach %s: %s and %s are one place: give it once", t.o.Name, w, c.Where)
		}
		seen[s.Spot] = c.Where
	}
	return nil
}

// free refuses a name that is taken, unless it is to be replaced, and then
// returns what has it; and an interface's XDP that is weir's own under another
// name, also by force: a generation is whole or not there.
func (k Kernel) free(o Options, seats []attach.Seat) (old *Generation, err error) {
	if err := k.freeXDP(o, seats); err != nil {
		return nil, err
	}
	old, err = k.open(o.Name)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("attach %s: %w, and cannot be read: detach it first, or choose another name: %w", o.Name, ErrExists, err)
	}
	switch {
	case !o.Pin || !o.Replace:
		var at []string
		instead := ""
		if o.Pin {
			instead = "replace it, "
		}
		for _, a := range old.Places() {
			at = append(at, a.Where.String())
		}
		err = fmt.Errorf("attach %s: %w on %s: %sdetach it first, or choose another name", o.Name, ErrExists, strings.Join(at, ", "), instead)
	case old.Trial:
		err = fmt.Errorf("attach %s: generation %d is there to be measured: wait until it goes, or take it back with weir rollback %s", o.Name, old.Number, o.Name)
	case old.Confirm > 0:
		err = fmt.Errorf("attach %s: generation %d waits to be confirmed: confirm it or roll it back first", o.Name, old.Number)
	default:
		return old, nil
	}
	return nil, errors.Join(err, old.Close())
}

// A transaction is an attach that may yet fail.
type transaction struct {
	turn
	ctx context.Context
	o   Options
	dir string // of the name
	g   *Generation

	seats []attach.Seat // of Options.Chains
	find  attach.Finder

	adopted map[*unit]*unit // by those of the generation before
}

// path returns the path of a pin of the generation.
func (t *transaction) path(elem ...string) string {
	return filepath.Join(append([]string{t.dir, strconv.Itoa(t.g.Number)}, elem...)...)
}

func (t *transaction) run() error {
	if t.o.Pin {
		for _, d := range []string{t.path("prog"), t.path("map"), filepath.Join(t.dir, "link")} {
			if err := os.MkdirAll(d, 0o700); err != nil {
				return err
			}
		}
	}
	// All programs are loaded before the first is attached: most of what can
	// fail then has not touched a packet.
	all := bundles(t.o.Chains, t.seats)
	if err := t.adoptAll(all); err != nil {
		return err
	}
	for _, b := range all {
		if b.units != nil {
			continue
		}
		us, err := t.bundle(b, b.chain.Program, false, b.sum)
		if err != nil {
			return err
		}
		b.units = us
	}
	if err := t.inherit(); err != nil {
		return err
	}
	if err := t.g.set(t.o.Set); err != nil {
		return err
	}
	if err := t.try(all); err != nil {
		return err
	}
	if err := t.attachAll(all); err != nil {
		return err
	}
	if !t.o.Pin {
		return nil
	}
	if err := t.pin(); err != nil {
		return err
	}
	return t.commit()
}

// load loads a program for a place: names of interfaces mean those of the
// place's network namespace.
func (t *transaction) load(w attach.Where, p *lang.Program, frags bool) (us []*unit, err error) {
	var before *Attachment
	if spot, err := w.Spot(); err == nil {
		before = t.running(spot)
	}
	if t.g.heir != nil {
		t.g.heir.place = nil
		if before != nil {
			t.g.heir.place = before.unit
		}
	}
	err = w.Do(func() (err error) {
		if us, err = t.g.addAll(p, frags, interfaceIndex); err == nil && t.o.Loaded != nil {
			err = t.o.Loaded(us[0].system)
		}
		if err == nil {
			err = us[0].findSockets()
		}
		if err == nil {
			err = us[0].keepSockets(before)
		}
		return err
	})
	return us, wrap(err, "attach %s on %s", t.o.Name, w)
}

// attachAll brings the programs to their places, in the order of these.
func (t *transaction) attachAll(all []*bundle) error {
	of, n := make([]*bundle, len(t.o.Chains)), make([]int, len(t.o.Chains))
	for _, b := range all {
		for k, i := range b.places {
			of[i], n[i] = b, k
		}
	}
	for i := range t.o.Chains {
		if err := t.ctx.Err(); err != nil {
			return err
		}
		for _, u := range slices.Backward(of[i].units) { // the way back first: see attach.WayBack
			if err := t.attach(i, of[i], u, n[i]); err != nil {
				return err
			}
		}
	}
	return t.g.dropUnused()
}

// attach attaches a program of a bundle to place i, which is the nth of the bundle.
func (t *transaction) attach(i int, b *bundle, linear *unit, n int) error {
	c, spot := t.o.Chains[i], t.seats[i].Spot
	o := t.o.at(c)
	o.Linear = func() (*ebpf.Program, error) { return linear.obj, nil }
	if c.Frags != nil {
		o.Frags = func() (*ebpf.Program, error) { return t.ofFragments(b) }
	}
	c.Where.Point, spot.Point = linear.point, linear.point
	if t.o.Pin {
		o.Pin = linkPin(t.dir, c.Where, t.g.Number)
	}
	had := t.running(spot)
	if err := t.stays(had, c.Where, o, t.o.how(c).Priority != nil); err != nil {
		return err
	}
	keep := had != nil && (t.adopted[had.unit] == linear || b.frags != nil && t.adopted[had.unit] == b.frags)
	l, err := t.place(had, c.Where, o, keep)
	if err != nil {
		return err
	}
	a := &Attachment{Record: l.Record, unit: linear, link: l}
	if l.Frags {
		a.unit = b.frags
	}
	a.Program = a.unit.prog
	if n < len(a.unit.rows) { // of the parts of a chain the first has the exits
		a.row = a.unit.rows[n]
	}
	if a.Where = c.Where; t.o.Pin {
		a.Where = t.find.Lasting(c.Where)
	}
	t.g.Attachments = append(t.g.Attachments, a)
	if l.Ifindex == spot.Ifindex {
		return nil
	}
	return a.unit.setRow(l.Ifindex, a.row) // the name was given to another just now
}

// undo takes back all that was done.
func (t *transaction) undo() error {
	errs := []error{t.turn.undo()}
	t.g.Attachments = nil
	errs = append(errs, t.g.State.Close())
	if !t.o.Pin {
		return errors.Join(errs...)
	}
	if t.from == nil {
		return errors.Join(append(errs, wrap(remove(t.dir), "remove pins of %s", t.o.Name))...)
	}
	errs = append(errs, wrap(os.RemoveAll(t.path()), "remove pins of %s", t.o.Name))
	if errors.Join(errs...) == nil { // else the next command tries again
		errs = append(errs, t.from.record().write(t.dir))
	}
	return errors.Join(errs...)
}
