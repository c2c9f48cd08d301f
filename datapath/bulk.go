package datapath

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"unsafe"

	"github.com/cilium/ebpf"

	"weir/lang/value"
)

// batchSize is how many entries go into one system call: enough that calls cost
// nothing, few enough that progress is seen and an interrupt is obeyed at once.
const batchSize = 8192

// A BadLine is a line that [Map.Load] could not read.
type BadLine struct {
	Line int
	Err  error
}

// Error returns line 7: "x" is not an ip4 (want …).
func (b BadLine) Error() string { return fmt.Sprintf("line %d: %v", b.Line, b.Err) }

// BadLines are all lines of a text that could not be read, in order.
type BadLines []BadLine

// Error returns the first ones, a line each.
func (b BadLines) Error() string {
	const most = 10
	var s []string
	for _, l := range b[:min(len(b), most)] {
		s = append(s, l.Error())
	}
	if len(b) > most {
		s = append(s, fmt.Sprintf("and %d lines more", len(b)-most))
	}
	return strings.Join(s, "\n")
}

// FillOptions are options of [Map.Load].
type FillOptions struct {
	Skip     bool              // load the good lines although there are bad ones
	Progress func(done, n int) // called after each batch
}

// Load adds many entries: lines KEY, or KEY VALUE, in text form; empty lines
// and what follows a # are skipped. Lines that cannot be read are returned as
// [BadLines], and then nothing is loaded unless o.Skip is set. It returns how
// many lines were loaded; if the map is full in the middle, or ctx is done, what
// was loaded stays. The error then wraps [ErrFull].
func (m *Map) Load(ctx context.Context, r io.Reader, o FillOptions) (int, error) {
	keys, vals, bad, err := m.read(ctx, r)
	if err != nil {
		return 0, fmt.Errorf("map %s: %w", m.Name, err)
	}
	var badErr error
	if len(bad) > 0 {
		badErr = fmt.Errorf("map %s: %w", m.Name, bad)
		if !o.Skip {
			return 0, badErr
		}
	}
	if n := len(keys) / m.Spec.KeySize; m.forgets() && n > int(m.Spec.MaxEntries) {
		return 0, fmt.Errorf("map %s: %w: %d entries for a room of %d would push each other out", m.Name, ErrFull, n, m.Spec.MaxEntries)
	}
	n, err := m.fill(ctx, keys, vals, o.Progress)
	if err != nil {
		err = fmt.Errorf("map %s: after %d of %d entries: %w", m.Name, n, len(keys)/m.Spec.KeySize, err)
	}
	return n, errors.Join(err, badErr)
}

// read parses all lines into keys and values of the kernel, one behind another.
func (m *Map) read(ctx context.Context, r io.Reader) (keys, vals []byte, bad BadLines, err error) {
	now := m.now()
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 64<<10), 1<<20)
	for n := 1; sc.Scan(); n++ {
		if n%batchSize == 0 && ctx.Err() != nil {
			return nil, nil, nil, ctx.Err()
		}
		line, _, _ := strings.Cut(sc.Text(), "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		k, v, err := m.Entry(line)
		if err != nil {
			bad = append(bad, BadLine{n, err})
			continue
		}
		keys = append(keys, k...)
		vals = append(vals, m.stored(v, now)...)
	}
	return keys, vals, bad, sc.Err()
}

// Entry reads an entry in its text form: KEY of a set, else KEY VALUE.
func (m *Map) Entry(line string) (key, val []byte, err error) {
	k, v := value.Cut(line)
	if key, err = m.Key.Parse(k); err != nil {
		return nil, nil, err
	}
	if v == "" && !m.Set() {
		return nil, nil, fmt.Errorf("the value is missing (want %s)", m.Value)
	}
	val, err = m.Value.Parse(v)
	return key, val, err
}

// init loads the first content that the chain declares.
func (m *Map) init() error {
	now := m.now()
	var keys, vals []byte
	if !m.Listed() {
		for _, e := range m.Init {
			if err := m.Update(e.Key, e.Value); err != nil {
				return err
			}
		}
		return nil
	}
	for _, e := range m.Init {
		keys = append(keys, e.Key...)
		vals = append(vals, m.stored(e.Value, now)...)
	}
	_, err := m.fill(context.Background(), keys, vals, nil)
	return err // createMap says which map
}

// fill writes entries in batches, or one by one where the kernel has no batches
// for the map. It returns how many were written.
func (m *Map) fill(ctx context.Context, keys, vals []byte, progress func(done, n int)) (int, error) {
	ks, vs := m.Spec.KeySize, m.Spec.ValueSize
	n := len(keys) / ks
	batches := !m.PerCPU() && m.came == nil // what is new must be counted
	for done := 0; done < n; {
		if err := ctx.Err(); err != nil {
			return done, err
		}
		c := min(batchSize, n-done)
		k, v := keys[done*ks:(done+c)*ks], vals[done*vs:(done+c)*vs]
		var written int
		var err error
		if batches {
			written, err = m.obj.BatchUpdate(elements(k, ks), elements(v, vs), nil)
			if errors.Is(err, ebpf.ErrNotSupported) {
				batches = false
				continue
			}
		} else {
			written, err = m.fillSingly(k, v)
		}
		done += written
		if err != nil {
			at := min(done, n-1)
			return done, m.because(err, "set", keys[at*ks:(at+1)*ks])
		}
		if progress != nil {
			progress(done, n)
		}
	}
	return n, nil
}

func (m *Map) fillSingly(keys, vals []byte) (n int, err error) {
	ks, vs := m.Spec.KeySize, m.Spec.ValueSize
	came := int64(0)
	for ; n < len(keys)/ks && err == nil; n++ {
		var fresh bool
		if fresh, err = m.put(keys[n*ks:(n+1)*ks], vals[n*vs:(n+1)*vs]); err != nil {
			break
		}
		if fresh {
			came++
		}
	}
	if came > 0 {
		err = errors.Join(err, m.came(came))
	}
	return n, err
}

// elements returns b as a slice of arrays of size octets, in the same memory:
// the form that the library takes batches in.
func elements(b []byte, size int) any {
	if len(b) == 0 {
		return nil
	}
	t := reflect.ArrayOf(size, reflect.TypeFor[byte]())
	first := reflect.NewAt(reflect.ArrayOf(len(b)/size, t), unsafe.Pointer(unsafe.SliceData(b)))
	return first.Elem().Slice(0, len(b)/size).Interface()
}

// Each calls f for every entry, in no order, until it returns an error, which
// Each returns. Key and value are valid during the call. Entries that come or
// go meanwhile may be missed.
func (m *Map) Each(f func(key, val []byte) error) error {
	if !m.Listed() {
		return fmt.Errorf("map %s: what is in a %s cannot be listed", m.Name, m.Kind)
	}
	now := m.now()
	err := m.walk(func(k, v []byte) error {
		if !m.live(v, now) {
			return nil
		}
		return f(k, v[:m.Value.Size()])
	})
	return wrap(err, "map %s", m.Name)
}

func (m *Map) walk(f func(key, stored []byte) error) error {
	if m.PerCPU() {
		return m.walkCopies(func(key []byte, copies [][]byte) error { return f(key, m.merge(copies)) })
	}
	ks, vs := m.Spec.KeySize, m.Spec.ValueSize
	c := min(batchSize, max(int(m.Spec.MaxEntries), 64))
	keys, vals := make([]byte, c*ks), make([]byte, c*vs)
	var cursor ebpf.MapBatchCursor
	for {
		n, err := m.obj.BatchLookup(&cursor, elements(keys, ks), elements(vals, vs), nil)
		if errors.Is(err, ebpf.ErrNotSupported) {
			return m.walkSingly(f)
		}
		if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return err
		}
		for i := range n {
			if err := f(keys[i*ks:(i+1)*ks], vals[i*vs:(i+1)*vs]); err != nil {
				return err
			}
		}
		if err != nil {
			return nil // that was the last batch
		}
	}
}

// walkCopies is walk with the copies of all CPUs: one, where there is one value.
func (m *Map) walkCopies(f func(key []byte, copies [][]byte) error) error {
	if !m.PerCPU() {
		return m.walk(func(k, v []byte) error { return f(k, [][]byte{v}) })
	}
	key := make([]byte, m.Spec.KeySize)
	var perCPU [][]byte
	it := m.obj.Iterate()
	for it.Next(&key, &perCPU) {
		if err := f(key, perCPU); err != nil {
			return err
		}
	}
	return it.Err()
}

func (m *Map) walkSingly(f func(key, stored []byte) error) error {
	key, val := make([]byte, m.Spec.KeySize), make([]byte, m.Spec.ValueSize)
	it := m.obj.Iterate()
	for it.Next(&key, &val) {
		if err := f(key, val); err != nil {
			return err
		}
	}
	return it.Err()
}
