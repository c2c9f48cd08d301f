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

	"weir/attach"
)

// dirs returns the folders of all NAMEs, sorted.
func (k Kernel) dirs() ([]string, error) {
	if !isBPF(k.root()) {
		return nil, nil
	}
	entries, err := os.ReadDir(k.root())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var out []string
	for _, e := range entries {
		if e.IsDir() {
			out = append(out, filepath.Join(k.root(), e.Name()))
		}
	}
	return out, err
}

// settle ends what killed processes have begun, and takes back what was not
// confirmed in time, and trials that nobody holds. It is called under the lock. Each NAME is settled whatever
// becomes of the others; all that could not be is in the error.
func (k Kernel) settle() error {
	dirs, err := k.dirs()
	errs := []error{err}
	for _, dir := range dirs {
		errs = append(errs, k.settleName(dir))
	}
	return errors.Join(errs...)
}

// settleFor is settle before a change of one NAME: that others cannot be settled is
// not its matter. List tells of them.
func (k Kernel) settleFor(name string) error {
	k.settle()
	dirs, err := k.dirs()
	if !slices.Contains(dirs, k.dir(name)) {
		return err
	}
	return k.settleName(k.dir(name))
}

// settled reports whether nothing is to be done in the folder of a NAME.
func settled(dir string) bool {
	r, err := readRecord(dir)
	if err != nil {
		return !errors.Is(err, os.ErrNotExist) // nor can one that is damaged be mended
	}
	numbers, err := generations(dir)
	more := slices.ContainsFunc(numbers, func(n int) bool { return n != r.Generation && n != r.Previous && n != r.Before })
	return err == nil && !r.Busy && !more && !r.overdue() && !r.abandoned(dir)
}

// settleName settles what is in the folder of a NAME.
func (k Kernel) settleName(dir string) error {
	if settled(dir) {
		return nil
	}
	return wrap(k.mendName(dir), "clean up %s", unescape(filepath.Base(dir)))
}

func (k Kernel) mendName(dir string) error {
	name := unescape(filepath.Base(dir))
	r, err := readRecord(dir)
	if errors.Is(err, os.ErrNotExist) {
		return remove(dir)
	}
	if err != nil {
		return err
	}
	if err := k.agree(name, r); err != nil {
		return err
	}
	if r.overdue() || r.abandoned(dir) {
		_, err = k.rollback(name, r)
	}
	return err
}

// agree makes what is attached agree with the record, and removes what neither
// of its generations needs.
func (k Kernel) agree(name string, r record) error {
	dir := k.dir(name)
	g, err := k.openNumber(name, r.Generation)
	if err != nil {
		return err
	}
	defer g.Close()
	ours := programs(dir)
	kept := map[string]bool{}
	for _, a := range g.Attachments {
		kept[a.Key()] = true
	}
	if err := removeOtherFilters(dir, r.Generation, kept); err != nil {
		return err
	}
	if err := keepOnly(dir, r.Generation, r.Previous, r.Before); err != nil {
		return err
	}
	// A rollback that was cut short writes that manifest, too.
	if err := vacate(filepath.Join(dir, strconv.Itoa(r.Previous), manifestName+nextSuffix)); err != nil {
		return err
	}
	for _, a := range g.Attachments {
		if a.link == nil {
			continue
		}
		if err := a.link.Restore(a.unit.obj, ours...); err != nil {
			return err
		}
		a.Record = a.link.Record
	}
	if err := g.repin(dir); err != nil {
		return err
	}
	if err := removeLinks(dir, kept); err != nil {
		return err
	}
	if _, err := attach.Sweep(name); err != nil {
		return err
	}
	r.Busy = false
	return r.write(dir)
}

// removeOtherFilters is removeFilters of all generations but one.
func removeOtherFilters(dir string, but int, kept map[string]bool) error {
	numbers, err := generations(dir)
	if err != nil {
		return err
	}
	for _, n := range numbers {
		if n == but {
			continue
		}
		if _, err := removeFilters(filepath.Join(dir, strconv.Itoa(n)), kept); err != nil {
			return err
		}
	}
	return nil
}

// programs returns the programs that are pinned in the folder of a NAME.
func programs(dir string) []ebpf.ProgramID {
	var ids []ebpf.ProgramID
	pins, _ := filepath.Glob(filepath.Join(dir, "*", "prog", "*"))
	for _, path := range pins {
		p, err := ebpf.LoadPinnedProgram(path, &ebpf.LoadPinOptions{ReadOnly: true})
		if err != nil {
			continue
		}
		if info, err := p.Info(); err == nil {
			id, _ := info.ID()
			ids = append(ids, id)
		}
		p.Close()
	}
	return ids
}

// keepOnly removes all generations but those of these numbers.
func keepOnly(dir string, keep ...int) error {
	numbers, err := generations(dir)
	if err != nil {
		return err
	}
	for _, n := range numbers {
		if slices.Contains(keep, n) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, strconv.Itoa(n))); err != nil {
			return fmt.Errorf("remove generation %d: %w", n, err)
		}
	}
	return nil
}

// mendWait is how long reading waits for another process's change before it
// shows what is there.
const mendWait = 10 * time.Second

// mend is settle before something is read: what cannot be mended is shown as it
// is. It takes the lock only if there is something to do; who has it is at work.
func (k Kernel) mend() error {
	dirs, _ := k.dirs()
	if !slices.ContainsFunc(dirs, func(d string) bool { return !settled(d) }) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), mendWait)
	defer cancel()
	unlock, err := k.lock(ctx)
	if err != nil {
		return nil
	}
	defer unlock()
	return k.settle()
}
