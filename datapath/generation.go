package datapath

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"weir/attach"
	"weir/lang"
)

// A Generation is all that runs under one NAME.
type Generation struct {
	*State
	Name        string
	Number      int
	Previous    int       // the one to roll back to; 0: none
	Time        time.Time // when it was attached
	Pinned      bool      // it outlives this process
	Attachments []*Attachment

	// Confirm is how long was left for [Kernel.Confirm]; 0: it stays.
	Confirm time.Duration
	Trial   bool // nobody can confirm it, see [Options].Trial

	// What became of what the generation before had, if this one has just taken
	// its place.
	MapChanges, ParamChanges []Change

	next int                                              // a number that no generation of the name has
	lock func(context.Context) (unlock func(), err error) // of changes; nil if opened
	held *os.File                                         // the lock of a trial, by who attached it
}

// closeWait is how long Close waits for other processes' changes.
const closeWait = 5 * time.Second

// An Attachment is a program of a generation at its place.
type Attachment struct {
	attach.Record
	Program *lang.Program // of an opened generation without code and first content
	unit    *unit
	row     int          // of the unit's exits, see share.go
	link    *attach.Link // nil if its pin was removed by hand
	stopped bool         // by Generation.Stop
}

// Exits returns the counters of the ways in which packets ended here.
func (a *Attachment) Exits() ([]ExitCount, error) {
	x, err := a.unit.exits(a.row)
	return x, wrap(err, "%s", a.Where)
}

// SystemMap returns the kernel's map of that use of the program here, or nil. It
// is closed with the generation.
func (a *Attachment) SystemMap(use lang.System) *ebpf.Map { return a.unit.system(use) }

// Attached reports whether the program is still at its place, or was until
// [Generation.Stop]: it is not when the interface is gone.
func (a *Attachment) Attached() (bool, error) {
	if a.stopped {
		return true, nil
	}
	if a.link == nil {
		return false, nil
	}
	return a.link.Attached()
}

func (a *Attachment) detach() error {
	if a.link == nil {
		return nil
	}
	return a.link.Detach()
}

func (a *Attachment) close() error {
	if a.link == nil {
		return nil
	}
	return a.link.Close()
}

// LinkID returns the kernel's number of the link, 0 for a clsact filter.
func (a *Attachment) LinkID() link.ID {
	if a.link == nil {
		return 0
	}
	return a.link.ID()
}

// ProgramID returns the kernel's number of the program. Several places may share one.
func (a *Attachment) ProgramID() ebpf.ProgramID { return a.unit.id }

// Tag returns the kernel's hash of the program's instructions, 16 digits: the same
// for the same chain at the same kind of place, on kernels that compute it alike. Of
// an opened generation it is that of the manifest.
func (a *Attachment) Tag() string { return a.unit.tag }

// Close releases what this process holds. A generation that is not pinned ends
// with it.
func (g *Generation) Close() error {
	errs := []error{g.Stop()}
	for _, a := range g.Attachments {
		if g.Pinned {
			errs = append(errs, a.close())
		}
	}
	g.Attachments = nil
	if g.held != nil {
		errs = append(errs, g.held.Close())
		g.held = nil
	}
	return errors.Join(append(errs, g.State.Close())...)
}

// Stop takes the programs of a generation that is not pinned from their places.
// Its state can still be read: it changes no more. Stop does nothing to a pinned
// one, nor a second time.
func (g *Generation) Stop() error {
	if g.Pinned {
		return nil
	}
	if g.lock != nil {
		// The queueing discipline of clsact filters is shared with other
		// processes. A lock that cannot be had must not keep the chain in place.
		ctx, cancel := context.WithTimeout(context.Background(), closeWait)
		defer cancel()
		if unlock, err := g.lock(ctx); err == nil {
			defer unlock()
		}
	}
	var errs []error
	for _, a := range slices.Backward(g.Attachments) {
		if a.stopped {
			continue
		}
		there, _ := a.Attached()
		errs = append(errs, a.detach())
		a.stopped, a.link = there, nil
	}
	return errors.Join(errs...)
}

// Open finds a pinned generation. The error wraps [ErrNotFound] if there is none
// of that name.
func (k Kernel) Open(name string) (*Generation, error) {
	k.mend()
	g, err := k.open(name)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, illegible(name, err)
	}
	return g, k.instead(err)
}

// instead adds to an error that something was not found what there is.
func (k Kernel) instead(err error) error {
	if !errors.Is(err, ErrNotFound) {
		return err
	}
	ms, _ := k.manifests()
	if len(ms) == 0 {
		return fmt.Errorf("%w (nothing is attached)", err)
	}
	var names []string
	for _, m := range ms {
		names = append(names, m.Name)
	}
	return fmt.Errorf("%w%s", err, thereAre(names))
}

// Names returns the names of all pinned generations, sorted.
func (k Kernel) Names() ([]string, error) {
	merr := k.mend()
	var names []string
	ms, err := k.manifests()
	err = errors.Join(merr, err)
	for _, m := range ms {
		names = append(names, m.Name)
	}
	return names, err
}

// manifests reads the manifests of all generations that run, sorted by their
// folder's name.
func (k Kernel) manifests() ([]*manifest, error) {
	if err := k.readable(); err != nil {
		return nil, err
	}
	dirs, err := k.dirs()
	errs := []error{err}
	var ms []*manifest
	for _, dir := range dirs {
		var m *manifest
		err := running(dir, func(r record) (err error) {
			m, err = readManifest(filepath.Join(dir, strconv.Itoa(r.Generation), manifestName))
			return err
		})
		if err == nil {
			ms = append(ms, m)
		} else if !errors.Is(err, ErrNotFound) {
			errs = append(errs, illegible(unescape(filepath.Base(dir)), err))
		}
	}
	return ms, errors.Join(errs...)
}

// illegible says of what a NAME has pinned that it cannot be read, and what to do.
func illegible(name string, err error) error {
	if errors.Is(err, os.ErrPermission) {
		return permission(err)
	}
	return fmt.Errorf("%s cannot be read: %w: weir detach %s takes it away", name, err, name)
}

// List opens all pinned generations that run, sorted by name. They see the network
// namespaces that there are when the first is looked for. The caller closes
// them. What cannot be opened is in the error; the others are returned all the
// same.
func (k Kernel) List() ([]*Generation, error) {
	names, err := k.Names()
	errs := []error{err}
	var out []*Generation
	find := new(attach.Finder)
	for _, n := range names {
		g, err := k.open(n)
		if err == nil {
			for _, a := range g.Attachments {
				if a.link != nil {
					a.link.Share(find)
				}
			}
			out = append(out, g)
		} else if !errors.Is(err, ErrNotFound) {
			errs = append(errs, illegible(n, err))
		}
	}
	return out, errors.Join(errs...)
}

// Kept opens the generations that are kept for [Kernel.Rollback], sorted by name:
// none of them is attached. The caller closes them. What cannot be opened is left out.
func (k Kernel) Kept() []*Generation {
	dirs, _ := k.dirs()
	var out []*Generation
	for _, dir := range dirs {
		r, err := readRecord(dir)
		if err != nil || r.Previous == 0 {
			continue
		}
		if g, err := k.openNumber(unescape(filepath.Base(dir)), r.Previous); err == nil {
			out = append(out, g)
		}
	}
	return out
}

// open opens the generation of a NAME that runs. If it is replaced meanwhile the
// next one is opened.
func (k Kernel) open(name string) (g *Generation, err error) {
	if err := k.readable(); err != nil {
		return nil, err
	}
	err = running(k.dir(name), func(r record) (err error) {
		if g, err = k.openNumber(name, r.Generation); err != nil {
			return err
		}
		g.Previous, g.next = r.Previous, r.next()
		if r.Until != 0 {
			g.Confirm, g.Trial = max(r.Until-uptime(), 1), r.Trial
		}
		return nil
	})
	if errors.Is(err, ErrNotFound) {
		err = wrap(err, "%s", name)
	}
	return g, err
}

// running calls f with the record of what is in the folder of a NAME, again if f
// fails and another generation runs by then. The error wraps [ErrNotFound] if
// there is no record.
func running(dir string, f func(record) error) error {
	for try := 0; ; try++ {
		r, err := readRecord(dir)
		if errors.Is(err, os.ErrNotExist) {
			return ErrNotFound
		}
		if err != nil {
			return permission(err)
		}
		if err = f(r); err == nil {
			return nil
		}
		if now, rerr := readRecord(dir); try == 3 || rerr == nil && now == r {
			return err
		}
	}
}

// record is what stands for g in the kernel while it runs.
func (g *Generation) record() record {
	return record{Generation: g.Number, Previous: g.Previous, Last: g.next - 1}
}

// openNumber opens a generation of a NAME, whether it runs or not.
func (k Kernel) openNumber(name string, number int) (*Generation, error) {
	dir := filepath.Join(k.dir(name), strconv.Itoa(number))
	m, err := readManifest(filepath.Join(dir, manifestName))
	if err != nil {
		return nil, permission(err)
	}
	g := &Generation{State: newState(), Name: m.Name, Number: m.Number, Time: m.Time, Pinned: true}
	for _, mu := range m.Units {
		if err := g.openUnit(dir, m, mu); err != nil {
			return nil, errors.Join(wrap(err, "open %s", name), g.Close())
		}
	}
	for _, ma := range m.Attachments {
		if err := g.openAttachment(ma); err != nil {
			return nil, errors.Join(wrap(err, "open %s", name), g.Close())
		}
	}
	return g, nil
}

// repin writes down where g's programs are attached now.
func (g *Generation) repin(dir string) error {
	dir = filepath.Join(dir, strconv.Itoa(g.Number))
	m, err := readManifest(filepath.Join(dir, manifestName))
	if err != nil {
		return err
	}
	for i, a := range g.Attachments {
		m.Attachments[i].Record = a.Record
	}
	return m.pin(dir)
}

func (g *Generation) openUnit(dir string, m *manifest, mu manifestUnit) (err error) {
	u := &unit{prog: m.Programs[mu.Program], point: mu.Point, frags: mu.Frags, maps: map[string]*ebpf.Map{}}
	g.units = append(g.units, u)
	for name, file := range mu.Maps {
		obj := g.maps[file]
		if obj == nil {
			if obj, err = ebpf.LoadPinnedMap(filepath.Join(dir, "map", file), nil); err != nil {
				return err
			}
			g.maps[file] = obj
		}
		u.maps[name] = obj
	}
	if m := u.system(lang.ParamMap); m != nil {
		// Mapped once, here: the library does it without a lock.
		if _, err := m.Memory(); err != nil {
			return err
		}
	}
	if u.obj, err = ebpf.LoadPinnedProgram(filepath.Join(dir, "prog", mu.File), nil); err != nil {
		return err
	}
	err = u.identify()
	u.tag, u.sum = mu.Tag, mu.Sum
	return err
}

func (g *Generation) openAttachment(ma manifestAttachment) (err error) {
	u := g.units[ma.Unit]
	a := &Attachment{Record: ma.Record, Program: u.prog, unit: u, row: ma.Row}
	if a.link, err = attach.Open(ma.Record); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	g.Attachments = append(g.Attachments, a)
	return nil
}

// linkPin returns the path of the pin of a link that a generation makes. Its number is
// in it, since by then the place of an earlier one may be called something else.
func linkPin(dir string, w attach.Where, generation int) string {
	return filepath.Join(dir, "link", strconv.Itoa(generation)+":"+pinName(w))
}

// pinName returns the file name of what belongs to a place.
func pinName(w attach.Where) string {
	if w.Point != "" {
		return escape(w.String()+":"+w.Point, ":-")
	}
	return escape(w.String(), ":-")
}
