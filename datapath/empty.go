package datapath

import (
	"context"
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	"weir/lang"
	"weir/lang/ir"
)

// Pop takes the next value out of a queue or stack. It reports false if there is
// none.
func (m *Map) Pop() ([]byte, bool, error) {
	if m.Spec.Kind != ir.Queue && m.Spec.Kind != ir.Stack {
		return nil, false, fmt.Errorf("map %s: a %s has nothing to pop", m.Name, m.Kind)
	}
	out := make([]byte, m.Spec.ValueSize)
	err := m.obj.LookupAndDelete(nil, out)
	if errors.Is(err, ebpf.ErrKeyNotExist) {
		return nil, false, nil
	}
	return out, err == nil, wrap(err, "map %s: pop", m.Name)
}

// Flush removes all entries and returns how many there were. The entries of an
// array become zero. What packets put in meanwhile may stay. Of a ring what waits
// to be read is taken out; a bloom cannot be emptied, and gives an error.
func (m *Map) Flush(ctx context.Context) (int, error) {
	switch m.Spec.Kind {
	case ir.RingBuf:
		return m.flushRing()
	case ir.BloomFilter:
		return 0, fmt.Errorf("map %s: the kernel cannot empty a bloom: attach the chain again", m.Name)
	case ir.Queue, ir.Stack:
		return m.flushQueue(ctx)
	}
	if m.isArray() {
		return m.Size, m.clear()
	}
	var keys [][]byte
	if err := m.walk(func(key, _ []byte) error {
		keys = append(keys, append([]byte(nil), key...))
		return ctx.Err()
	}); err != nil {
		return 0, wrap(err, "map %s: flush", m.Name)
	}
	n := 0
	for i, k := range keys {
		if i%batchSize == 0 && ctx.Err() != nil {
			return n, ctx.Err()
		}
		err := m.Remove(k)
		if errors.Is(err, ErrNoSuchKey) {
			continue // gone by itself
		}
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func (m *Map) flushQueue(ctx context.Context) (n int, err error) {
	for ; n < m.Size && ctx.Err() == nil; n++ {
		_, ok, err := m.Pop()
		if !ok || err != nil {
			return n, err
		}
	}
	return n, ctx.Err()
}

// Waiting returns how many octets of a ring wait to be read.
func (m *Map) Waiting() (n int, err error) {
	w, err := m.watch()
	if err != nil {
		return 0, err
	}
	return w.Waiting(), w.Close()
}

func (m *Map) watch() (*Watcher, error) {
	w := &Watcher{}
	err := w.open(m.obj, func([]byte) (Event, error) { return Event{}, nil })
	return w, wrap(err, "map %s", m.Name)
}

func (m *Map) flushRing() (n int, err error) {
	w, err := m.watch()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	err = w.Drain(func(Event) error { n++; return nil })
	return n, err
}

// clear makes all entries of an array zero.
func (m *Map) clear() error { return wrap(zero(m.obj), "map %s: clear", m.Name) }

// Reset brings the map back to its first content, as lang.Map.Init has it. (That
// of an opened generation is not kept.)
func (m *Map) Reset(ctx context.Context, first []lang.Entry) error {
	if _, err := m.Flush(ctx); err != nil {
		return err
	}
	for _, e := range first {
		if err := m.Update(e.Key, e.Value); err != nil {
			return err
		}
	}
	return nil
}

// Has reports whether the key with that text form is in the map; for an lpm the
// text is an address. A bloom may say so of a key that is not.
func (m *Map) Has(key string) (bool, error) {
	k, err := m.parseKey(key)
	if err != nil {
		return false, err
	}
	if m.isArray() {
		return m.Key.Word(k) < uint64(m.Size), nil
	}
	_, ok, err := m.Lookup(k)
	return ok, err
}
