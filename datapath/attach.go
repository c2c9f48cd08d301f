package datapath

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/cilium/ebpf"

	"weir/attach"
	"weir/hook"
	"weir/lang"
)

// A Chain is a program and the place for it.
type Chain struct {
	Where   attach.Where
	Program *lang.Program // compiled for the hook of Where

	// Frags is the same chain compiled for XDP frames of several fragments,
	// taken where the interface's MTU asks for it; nil if there is none.
	Frags *lang.Program
}

// Options of [Kernel.Attach].
type Options struct {
	Name    string
	Chains  []Chain           // at least one, each at another place
	Pin     bool              // the generation outlives this process
	Replace bool              // take the place of XDP programs that are not weir's
	Mode    attach.Mode       // the only mode to try
	Order   attach.Order      // among the programs at each place
	Set     map[string]string // first values of parameters, by name

	// Loaded is called for each program before it is attached, with the kernel's
	// maps of each use, which may be nil. One that is not attached in the end is
	// closed again.
	Loaded func(system func(lang.System) *ebpf.Map) error
}

// Attach loads programs and attaches them, all or none. The error wraps
// [ErrExists] if something pinned has that name, and is or wraps an
// [*attach.Error] or a [*VerifierError] where these say more.
func (k Kernel) Attach(ctx context.Context, o Options) (*Generation, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	unlock, err := k.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if o.Pin {
		if err := k.mount(); err != nil {
			return nil, err
		}
		if err := k.sweep(); err != nil {
			return nil, err
		}
	}
	if err := k.free(o); err != nil {
		return nil, err
	}
	t := &transaction{ctx: ctx, o: o, dir: k.dir(o.Name)}
	t.g = &Generation{State: newState(), Name: o.Name, Number: 1, Time: time.Now().Round(0), Pinned: o.Pin, lock: k.lock}
	t.g.name = o.Name
	if err := k.anchor(&t.o.Order.Anchor); err != nil {
		return nil, wrap(err, "attach %s: %s", o.Name, o.Order)
	}
	if err := t.run(); err != nil {
		return nil, errors.Join(err, t.undo())
	}
	return t.g, nil
}

func (o Options) check() error {
	if err := checkName(o.Name); err != nil {
		return err
	}
	if len(o.Chains) == 0 {
		return fmt.Errorf("attach %s: no place is given", o.Name)
	}
	seen := map[attach.Where]bool{}
	for _, c := range o.Chains {
		if seen[c.Where] {
			return fmt.Errorf("attach %s: %s is given twice", o.Name, c.Where)
		}
		seen[c.Where] = true
		for _, p := range []*lang.Program{c.Program, c.Frags} {
			if p != nil && p.Hook != c.Where.Hook {
				return fmt.Errorf("attach %s: a program for %s at %s", o.Name, p.Hook, c.Where)
			}
		}
	}
	return nil
}

// free refuses a name that is taken, and an interface's XDP that is weir's own, also
// where it is to be replaced: a generation is whole or not there.
func (k Kernel) free(o Options) error {
	if path := k.manifest(o.Name); path != "" {
		if _, err := readManifest(path); err != nil {
			return fmt.Errorf("attach %s: %w, and cannot be read: detach it first, or choose another name: %w", o.Name, ErrExists, err)
		}
	}
	ms, _ := k.manifests() // what of others cannot be read is not in the way
	for _, m := range ms {
		var at []string
		for _, a := range m.Attachments {
			at = append(at, a.Record.Where.String())
		}
		if m.Name == o.Name {
			return fmt.Errorf("attach %s: %w on %s: detach it first, or choose another name", o.Name, ErrExists, strings.Join(at, ", "))
		}
		for _, c := range o.Chains {
			if c.Where.Hook == hook.XDP && m.runs(c.Where) {
				return fmt.Errorf("attach %s on %s: %w by weir's own %s: detach that first", o.Name, c.Where, attach.ErrInUse, m.Name)
			}
		}
	}
	return nil
}

// runs reports whether the generation is still attached at w.
func (m *manifest) runs(w attach.Where) bool {
	for _, a := range m.Attachments {
		if a.Record.Where != w {
			continue
		}
		l, err := attach.Open(a.Record)
		if err != nil {
			return false
		}
		defer l.Close()
		ok, _ := l.Attached()
		return ok
	}
	return false
}

// A transaction is an attach that may yet fail.
type transaction struct {
	ctx context.Context
	o   Options
	dir string // of the name
	g   *Generation
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
	units := make([]*unit, len(t.o.Chains))
	for i, c := range t.o.Chains {
		u, err := t.load(c.Where, c.Program, false)
		if err != nil {
			return err
		}
		units[i] = u
	}
	if err := t.g.set(t.o.Set); err != nil {
		return err
	}
	for i, c := range t.o.Chains {
		if err := t.ctx.Err(); err != nil {
			return err
		}
		if err := t.attach(c, units[i]); err != nil {
			return err
		}
	}
	if !t.o.Pin {
		return nil
	}
	return t.pin()
}

// load loads a program for a place: names of interfaces mean those of the
// place's network namespace.
func (t *transaction) load(w attach.Where, p *lang.Program, frags bool) (*unit, error) {
	var u *unit
	err := w.Do(func() (err error) {
		if u, err = t.g.add(p, frags, interfaceIndex); err == nil && t.o.Loaded != nil {
			err = t.o.Loaded(u.system)
		}
		return err
	})
	return u, wrap(err, "attach %s on %s", t.o.Name, w)
}

func (t *transaction) attach(c Chain, linear *unit) error {
	o := attach.Options{Chain: t.o.Name, Mode: t.o.Mode, Order: t.o.Order, Replace: t.o.Replace && c.Where.Hook == hook.XDP}
	o.Linear = func() (*ebpf.Program, error) { return linear.obj, nil }
	var frags *unit
	if c.Frags != nil {
		o.Frags = func() (_ *ebpf.Program, err error) {
			if frags, err = t.load(c.Where, c.Frags, true); err != nil {
				return nil, err
			}
			return frags.obj, nil
		}
	}
	if t.o.Pin {
		o.Pin = filepath.Join(t.dir, "link", pinName(c.Where))
	}
	l, err := attach.Attach(c.Where, o)
	if err != nil {
		return err
	}
	used, unused := linear, frags
	if l.Frags {
		used, unused = frags, linear
	}
	t.g.Attachments = append(t.g.Attachments, &Attachment{Record: l.Record, Program: used.prog, unit: used, link: l})
	if unused == nil {
		return nil
	}
	return t.g.drop(unused)
}

// pin pins maps and programs and, last, the manifest.
func (t *transaction) pin() error {
	m := &manifest{Format: manifestFormat, Name: t.g.Name, Number: t.g.Number, Time: t.g.Time}
	files := map[*ebpf.Map]string{}
	for i, a := range t.g.Attachments {
		ma := manifestAttachment{Record: a.Record, Program: t.program(m, i), Tag: a.Tag(), Maps: map[string]string{}}
		for name, obj := range a.unit.maps {
			if files[obj] == "" {
				files[obj] = fmt.Sprintf("%s:%d", escape(name, ""), i)
				if err := obj.Pin(t.path("map", files[obj])); err != nil {
					return wrap(err, "pin map %s", name)
				}
			}
			ma.Maps[name] = files[obj]
		}
		if err := a.unit.obj.Pin(t.path("prog", pinName(a.Where))); err != nil {
			return wrap(err, "pin program")
		}
		m.Attachments = append(m.Attachments, ma)
	}
	obj, err := m.store()
	if err != nil {
		return err
	}
	defer obj.Close()
	return wrap(obj.Pin(t.path(manifestName)), "pin manifest")
}

// program returns the index in m.Programs of attachment i's program.
func (t *transaction) program(m *manifest, i int) int {
	for j, a := range t.g.Attachments[:i] {
		if a.Program == t.g.Attachments[i].Program {
			return m.Attachments[j].Program
		}
	}
	m.Programs = append(m.Programs, inert(t.g.Attachments[i].Program))
	return len(m.Programs) - 1
}

// undo takes back all that was done.
func (t *transaction) undo() error {
	var errs []error
	for _, a := range t.g.Attachments {
		errs = append(errs, a.detach())
	}
	t.g.Attachments = nil
	errs = append(errs, t.g.State.Close())
	if t.o.Pin {
		errs = append(errs, wrap(removePins(t.dir, t.path()), "remove pins of %s", t.o.Name))
	}
	return errors.Join(errs...)
}
