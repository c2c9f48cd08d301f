package datapath

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"

	"weir/lang"
	"weir/lang/value"
)

// An Event is what a chain tells whoever watches: a record of a ring, or a line
// of log(). Its JSON form is fixed.
type Event struct {
	Ring  string          `json:"ring,omitempty"` // "" for a log line
	Value json.RawMessage `json:"value,omitempty"`
	Log   string          `json:"log,omitempty"` // the line
	File  string          `json:"file,omitempty"`
	Line  int             `json:"line,omitempty"` // of the log()
	Text  string          `json:"-"`              // the line, or the record as people write it

	Type   value.Type `json:"-"` // of a ring's record
	Octets []byte     `json:"-"` // the record, as package value stores it
}

// A Watcher reads what rings and logs hold. What one watcher reads no other one
// sees. It is used by one goroutine at a time.
type Watcher struct {
	sources []source
}

type source struct {
	r     *ringbuf.Reader
	event func([]byte) (Event, error)
}

// Watch opens the rings of these names, or all rings and the log if there are
// none. The error wraps [ErrNotFound] if there is no ring of a name. It is to be
// closed.
func (s *State) Watch(names ...string) (*Watcher, error) {
	w := &Watcher{}
	var known []string
	for _, m := range s.Maps() {
		if m.Kind != "ring" {
			continue
		}
		known = append(known, m.Name)
		if len(names) > 0 && !slices.Contains(names, m.Name) {
			continue
		}
		if err := w.open(m.obj, func(b []byte) (Event, error) {
			t := m.Value
			if n := t.Size(); n == 0 || len(b) < n || len(b) >= n+8 { // a C object writes what it likes
				t = value.Type{Kind: value.Octets, Width: len(b)}
			}
			b = b[:t.Size()] // chains write whole words
			return Event{Ring: m.Name, Text: t.Format(b), Value: t.JSON(b), Type: t, Octets: bytes.Clone(b)}, nil
		}); err != nil {
			return nil, errors.Join(wrap(err, "watch %s", m.Name), w.Close())
		}
	}
	for _, n := range names {
		if !slices.Contains(known, n) {
			return nil, errors.Join(fmt.Errorf("ring %s: %w%s", n, ErrNotFound, thereAre(known)), w.Close())
		}
	}
	if len(names) > 0 {
		return w, nil
	}
	err := s.each(lang.LogMap, func(u *unit, m *ebpf.Map) error {
		return w.open(m, u.logLine)
	})
	if err != nil {
		return nil, errors.Join(wrap(err, "watch log"), w.Close())
	}
	return w, nil
}

func (w *Watcher) open(m *ebpf.Map, event func([]byte) (Event, error)) error {
	r, err := ringbuf.NewReader(m)
	if err == nil {
		w.sources = append(w.sources, source{r, event})
	}
	return err
}

// logLine reads a line of the log: see lang.LogMap.
func (u *unit) logLine(b []byte) (Event, error) {
	const head = 8
	if len(b) < head || binary.NativeEndian.Uint64(b) >= uint64(len(u.prog.Logs)) {
		return Event{}, errors.New("a log line that no log() wrote")
	}
	l := u.prog.Logs[binary.NativeEndian.Uint64(b)]
	b = b[head:]
	var text strings.Builder
	for i, part := range l.Parts {
		text.WriteString(part)
		if i < len(l.Type.Elems) {
			t := l.Type.Elems[i]
			text.WriteString(t.Format(b[l.Type.Offset(i):][:t.Size()]))
		}
	}
	return Event{Log: text.String(), Text: text.String(), File: l.File, Line: l.Line}, nil
}

// Empty reports whether there is nothing to watch.
func (w *Watcher) Empty() bool { return len(w.sources) == 0 }

// Waiting returns how many octets wait to be read.
func (w *Watcher) Waiting() int {
	n := 0
	for _, s := range w.sources {
		n += s.r.AvailableBytes()
	}
	return n
}

// Drain calls f for all that is there now, a source after another.
func (w *Watcher) Drain(f func(Event) error) error {
	for _, s := range w.sources {
		s.r.SetDeadline(time.Unix(1, 0)) // do not wait
		if err := s.read(f); err != nil {
			return err
		}
	}
	return nil
}

// Follow calls f, one call at a time, for all that is there and that comes, until
// ctx is done or f returns an error, which Follow returns.
func (w *Watcher) Follow(ctx context.Context, f func(Event) error) error {
	if w.Empty() {
		<-ctx.Done()
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var one sync.Mutex
	errs := make([]error, len(w.sources))
	var all sync.WaitGroup
	for i, s := range w.sources {
		s.r.SetDeadline(time.Time{})
		all.Go(func() {
			defer cancel()
			errs[i] = s.read(func(e Event) error {
				one.Lock()
				defer one.Unlock()
				return f(e)
			})
		})
	}
	<-ctx.Done()
	for _, s := range w.sources {
		errs = append(errs, s.r.Flush()) // what is there is read, and then the call returns
	}
	all.Wait()
	return errors.Join(errs...)
}

// read calls f until the deadline is over or the reader is flushed.
func (s source) read(f func(Event) error) error {
	var rec ringbuf.Record
	for {
		err := s.r.ReadInto(&rec)
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, ringbuf.ErrFlushed) {
			return nil
		}
		if err != nil {
			return err
		}
		e, err := s.event(rec.RawSample)
		if err != nil {
			return err
		}
		if err := f(e); err != nil {
			return err
		}
	}
}

// Close releases the readers. What was not read stays for the next watcher.
func (w *Watcher) Close() error {
	var errs []error
	for _, s := range w.sources {
		errs = append(errs, s.r.Close())
	}
	w.sources = nil
	return errors.Join(errs...)
}

// Lost returns how many records each ring had no room for, and, under the name
// log(), how many lines were written too fast or had no room.
func (s *State) Lost() ([]Count, error) {
	rings := map[string]bool{}
	for _, m := range s.Maps() {
		rings[m.Name] = m.Kind == "ring"
	}
	all, err := s.counts(lang.RefusedMap, twice(userMaps))
	if err != nil {
		return nil, err
	}
	out := slices.DeleteFunc(all, func(c Count) bool { return !rings[c.Name] })
	logs, err := s.counts(lang.RefusedMap, func(p *lang.Program) []string {
		if len(p.Logs) == 0 {
			return nil
		}
		names := make([]string, 2*len(userMaps(p))+1)
		names[len(names)-1] = "log()"
		return names
	})
	return append(out, logs...), err
}
