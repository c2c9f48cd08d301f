package datapath

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
	Time        time.Time // when it was attached
	Pinned      bool      // it outlives this process
	Attachments []*Attachment

	lock func(context.Context) (unlock func(), err error) // of changes; nil if opened
}

// closeWait is how long Close waits for other processes' changes.
const closeWait = 5 * time.Second

// An Attachment is a program of a generation at its place.
type Attachment struct {
	attach.Record
	Program *lang.Program // of an opened generation without code and first content
	unit    *unit
	link    *attach.Link // nil if its pin was removed by hand
	stopped bool         // by Generation.Stop
}

// Exits returns the counters of the ways in which packets ended here.
func (a *Attachment) Exits() ([]ExitCount, error) {
	x, err := a.unit.exits()
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

// ProgramID returns the kernel's number of the program.
func (a *Attachment) ProgramID() ebpf.ProgramID {
	info, err := a.unit.obj.Info()
	if err != nil {
		return 0
	}
	id, _ := info.ID()
	return id
}

// Tag returns the kernel's hash of the program's instructions, 16 digits: the same
// for the same chain at the same kind of place, on kernels that compute it alike.
func (a *Attachment) Tag() string {
	info, err := a.unit.obj.Info()
	if err != nil {
		return ""
	}
	return info.Tag
}

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
	for _, a := range g.Attachments {
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
	g, err := k.open(name)
	if errors.Is(err, ErrNotFound) {
		names, _ := k.Names()
		err = fmt.Errorf("%w%s", err, attached(names))
	}
	return g, err
}

func attached(names []string) string {
	if len(names) == 0 {
		return " (nothing is attached)"
	}
	return thereAre(names)
}

// manifest returns the path of a generation's manifest, or "" if there is none.
func (k Kernel) manifest(name string) string {
	paths, err := filepath.Glob(filepath.Join(k.dir(name), "*", manifestName))
	if err != nil || len(paths) == 0 || !isBPF(paths[0]) {
		return ""
	}
	return paths[len(paths)-1]
}

// Names returns the names of all pinned generations, sorted.
func (k Kernel) Names() ([]string, error) {
	var names []string
	ms, err := k.manifests()
	for _, m := range ms {
		names = append(names, m.Name)
	}
	return names, err
}

// manifests reads all manifests, sorted by their folder's name.
func (k Kernel) manifests() ([]*manifest, error) {
	if err := k.readable(); err != nil {
		return nil, err
	}
	if !isBPF(k.root()) {
		return nil, nil
	}
	paths, err := filepath.Glob(filepath.Join(k.root(), "*", "*", manifestName))
	if err != nil {
		return nil, err
	}
	var ms []*manifest
	var errs []error
	for _, p := range paths {
		m, err := readManifest(p)
		if err == nil {
			ms = append(ms, m)
		} else if !errors.Is(err, os.ErrNotExist) { // detached meanwhile
			errs = append(errs, permission(err))
		}
	}
	return ms, errors.Join(errs...)
}

// List opens all pinned generations, sorted by name. The caller closes them.
// What cannot be opened is in the error; the others are returned all the same.
func (k Kernel) List() ([]*Generation, error) {
	names, err := k.Names()
	errs := []error{err}
	var out []*Generation
	for _, n := range names {
		g, err := k.open(n)
		if err == nil {
			out = append(out, g)
		} else if !errors.Is(err, ErrNotFound) {
			errs = append(errs, err)
		}
	}
	return out, errors.Join(errs...)
}

func (k Kernel) open(name string) (*Generation, error) {
	if err := k.readable(); err != nil {
		return nil, err
	}
	path := k.manifest(name)
	if path == "" {
		return nil, fmt.Errorf("%s: %w", name, ErrNotFound)
	}
	m, err := readManifest(path)
	if err != nil {
		return nil, permission(err)
	}
	g := &Generation{State: newState(), Name: m.Name, Number: m.Number, Time: m.Time, Pinned: true}
	for _, ma := range m.Attachments {
		if err := g.openAttachment(filepath.Dir(path), m, ma); err != nil {
			return nil, errors.Join(wrap(err, "open %s", name), g.Close())
		}
	}
	return g, nil
}

func (g *Generation) openAttachment(dir string, m *manifest, ma manifestAttachment) error {
	u := &unit{prog: m.Programs[ma.Program], frags: ma.Record.Frags, maps: map[string]*ebpf.Map{}}
	g.units = append(g.units, u)
	for name, file := range ma.Maps {
		obj := g.maps[file]
		if obj == nil {
			var err error
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
	var err error
	u.obj, err = ebpf.LoadPinnedProgram(filepath.Join(dir, "prog", pinName(ma.Record.Where)), nil)
	if err != nil {
		return err
	}
	a := &Attachment{Record: ma.Record, Program: u.prog, unit: u}
	if a.link, err = attach.Open(ma.Record); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	g.Attachments = append(g.Attachments, a)
	return nil
}

// pinName returns the file name of what belongs to a place.
func pinName(w attach.Where) string { return escape(w.String(), ":-") }

// Detach takes a pinned generation away, with its state, also one that cannot be
// read any more, or else what a killed process of that name left (see
// [attach.Sweep]). The error wraps [ErrNotFound] if there is nothing.
func (k Kernel) Detach(ctx context.Context, name string) error {
	unlock, err := k.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	g, err := k.Open(name)
	switch {
	case err == nil:
		return k.detach(g)
	case errors.Is(err, ErrNotFound):
		if n, serr := sweep(ctx, name); n > 0 || serr != nil {
			return wrap(serr, "detach %s", name)
		}
		return fmt.Errorf("detach %w", err)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("detach %w", err)
	}
	// The pins are all that holds the links.
	return wrap(removePins(k.dir(name), filepath.Dir(k.manifest(name))), "detach %s", name)
}

// sweep takes away what killed processes left of a name. The kernel lets go of a
// dying process's programs a moment after its end, and namespaces come and go:
// what is not found at once is looked for again.
func sweep(ctx context.Context, name string) (int, error) {
	for try := 0; ; try++ {
		n, err := attach.Sweep(name)
		if n > 0 || err != nil || try == 4 {
			return n, err
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// DetachAll takes all pinned generations away and returns their names.
func (k Kernel) DetachAll(ctx context.Context) ([]string, error) {
	names, err := k.Names()
	errs := []error{err}
	var gone []string
	for _, name := range names {
		err := k.Detach(ctx, name)
		if err == nil {
			gone = append(gone, name)
		} else if !errors.Is(err, ErrNotFound) {
			errs = append(errs, err)
		}
	}
	return gone, errors.Join(errs...)
}

// detach ends the links first and the record last, so that after a failure in
// between it can be done again.
func (k Kernel) detach(g *Generation) error {
	var errs []error
	for _, a := range g.Attachments {
		errs = append(errs, a.detach())
	}
	g.Attachments = nil
	errs = append(errs, g.State.Close())
	if err := errors.Join(errs...); err != nil {
		return err
	}
	dir := k.dir(g.Name)
	return wrap(removePins(dir, filepath.Join(dir, strconv.Itoa(g.Number))), "detach %s", g.Name)
}

// removePins removes the folder of a name, the manifest of its generation first:
// what is left after a failure counts as left behind. Links that are pinned
// there end: at once, where the kernel alone would take its time after the last
// pin is gone.
func removePins(dir, generation string) error {
	if err := os.Remove(filepath.Join(generation, manifestName)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	pins, err := filepath.Glob(filepath.Join(dir, "link", "*"))
	if err != nil {
		return err
	}
	for _, p := range pins {
		if l, err := link.LoadPinnedLink(p, nil); err == nil {
			l.Detach() // an interface that is gone already is no matter
			l.Close()
		}
	}
	return os.RemoveAll(dir)
}
