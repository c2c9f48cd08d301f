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

	"github.com/cilium/ebpf/link"

	"weir/attach"
)

// Detach takes a NAME away, with its state and the previous generation, also one
// that cannot be read any more, or else what a killed process of that name left
// (see [attach.Sweep]). The error wraps [ErrNotFound] if there is nothing. What
// killed processes left of other NAMEs is settled on the way; List tells where
// that fails.
func (k Kernel) Detach(ctx context.Context, name string) error {
	unlock, err := k.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := k.readable(); err != nil {
		return fmt.Errorf("detach %s: %w", name, err)
	}
	defer k.settle()
	if _, err := os.Lstat(k.dir(name)); err == nil {
		return wrap(take(k.dir(name)), "detach %s", name)
	}
	n, err := sweep(ctx, name)
	if n == 0 && err == nil {
		err = k.instead(ErrNotFound)
	}
	return wrap(err, "detach %s", name)
}

// take takes the folder of a NAME away, the record first: whoever is killed behind
// that leaves a folder without one, which the next command takes away.
func take(dir string) error {
	if err := vacate(filepath.Join(dir, recordName)); err != nil {
		return permission(err)
	}
	return remove(dir)
}

// remove takes away what is pinned in the folder of a NAME, and the folder.
// Links end at once, where the kernel alone would take its time after the last
// pin is gone. Filters that no manifest tells of are swept, which have lost the
// pins of their programs by then.
func remove(dir string) error {
	var errs []error
	numbers, err := generations(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	known := len(numbers) > 0
	for _, n := range numbers {
		all, err := removeFilters(filepath.Join(dir, strconv.Itoa(n)), nil)
		known = known && all
		errs = append(errs, err)
	}
	errs = append(errs, removeLinks(dir, nil))
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil || known {
		return err
	}
	_, err = attach.Sweep(unescape(filepath.Base(dir)))
	return err
}

// removeLinks ends the links in the folder of a NAME but for those of attachments that
// are kept (by [attach.Record.Key]). Of several links of one each has a pin, and one
// that was to take the place of another ends in +next.
func removeLinks(dir string, kept map[string]bool) error {
	pins, err := filepath.Glob(filepath.Join(dir, "link", "*"))
	if err != nil {
		return err
	}
	slices.SortStableFunc(pins, func(a, b string) int { return last(a) - last(b) })
	for _, p := range pins {
		key, which, _ := strings.Cut(filepath.Base(p), "+")
		if kept[key] && !strings.HasSuffix(which, "next") {
			continue
		}
		if l, err := link.LoadPinnedLink(p, nil); err == nil {
			l.Detach() // an interface that is gone already is no matter
			l.Close()
		}
		if err := os.Remove(p); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// last returns 1 for the pin of a link that goes behind others: see attach.WayBack.
func last(pin string) int {
	if attach.WayBack(pin[strings.LastIndexByte(pin, ':')+1:]) {
		return 1
	}
	return 0
}

// removeFilters takes away the clsact filters of a generation that are not kept, and
// the XDP programs for which others made way, which are put back. Of a generation that
// was never whole, or that another version of weir made, nothing is known: see
// [attach.Sweep].
func removeFilters(generation string, kept map[string]bool) (known bool, err error) {
	m, err := readManifest(filepath.Join(generation, manifestName))
	if err != nil {
		return false, nil
	}
	var errs []error
	for _, a := range m.Attachments {
		if a.Record.Mode != attach.Clsact && a.Record.Evicted == attach.Best || kept[a.Record.Key()] {
			continue
		}
		l, err := attach.Open(a.Record)
		if err == nil {
			err = l.Detach()
		}
		if !errors.Is(err, os.ErrNotExist) { // of what another generation has told of already
			errs = append(errs, err)
		}
	}
	return true, errors.Join(errs...)
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

// DetachAll takes away all that is pinned, also what cannot be read any more, and
// returns the names.
func (k Kernel) DetachAll(ctx context.Context) ([]string, error) {
	unlock, err := k.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := k.readable(); err != nil {
		return nil, fmt.Errorf("detach all: %w", err)
	}
	dirs, err := k.dirs()
	errs := []error{err}
	var gone []string
	for _, dir := range dirs {
		name := unescape(filepath.Base(dir))
		if err := take(dir); err != nil {
			errs = append(errs, wrap(err, "detach %s", name))
			continue
		}
		gone = append(gone, name)
	}
	return gone, errors.Join(errs...)
}
