package agent

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"
)

// Reasons of an agent to which nobody has told anything.
const (
	interval = "interval"
	expired  = "something expires" // that was put for a time
)

// changedFiles is why an agent looks at whether files have changed.
const changedFiles = "files"

const (
	// pause is how long reasons have to pause before they are looked into: an editor
	// writes a file in several steps, and interfaces come with addresses.
	pause = 100 * time.Millisecond
	// patience is how long they may go on.
	patience = 2 * time.Second
)

// wakes are reasons to look that have come up since the last time.
type wakes struct {
	came chan struct{} // of room for one: there are reasons

	mu   sync.Mutex
	whys []string
}

func newWakes() *wakes { return &wakes{came: make(chan struct{}, 1)} }

// manyWhys is how many reasons are told.
const manyWhys = 5

func (w *wakes) add(why string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Contains(w.whys, why) && len(w.whys) <= manyWhys {
		w.whys = append(w.whys, why)
	}
	w.again()
}

// again has the loop think anew how long it sleeps.
func (w *wakes) again() {
	select {
	case w.came <- struct{}{}:
	default:
	}
}

// take returns the reasons, and forgets them.
func (w *wakes) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	whys := w.whys
	w.whys = nil
	return whys
}

// sleep waits for a reason to look, and returns it; false when ctx has ended.
func (a *Agent) sleep(ctx context.Context) (why string, ok bool) {
	due := a.o.Clock.Now().Add(a.o.Interval)
	for {
		at, reason := due, interval
		// What had expired before the last look, and is there still, waits as all does
		// that goes wrong.
		if next := a.nextExpiry(); next.After(a.Status().Looked.At) && next.Before(due) {
			at, reason = next, expired
		}
		select {
		case <-ctx.Done():
			return "", false
		case <-a.o.Clock.After(at.Sub(a.o.Clock.Now())):
			return reason, true
		case <-a.wakes.came:
		}
		if !a.quiet(ctx) {
			return "", false
		}
		// What happens in a folder may have nothing to do with the config.
		whys := a.wakes.take()
		if i := slices.Index(whys, changedFiles); i >= 0 && !a.files.changed() {
			whys = slices.Delete(whys, i, i+1)
		}
		if n := len(whys); n > manyWhys {
			whys[n-1] = "and more"
		}
		if len(whys) > 0 {
			return strings.Join(whys, ", "), true
		}
	}
}

// quiet waits until no more reasons come, for a while; false when ctx has ended.
func (a *Agent) quiet(ctx context.Context) bool {
	for end := a.o.Clock.Now().Add(patience); a.o.Clock.Now().Before(end); {
		select {
		case <-ctx.Done():
			return false
		case <-a.wakes.came:
		case <-a.o.Clock.After(pause):
			return true
		}
	}
	return true
}
