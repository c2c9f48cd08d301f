package datapath

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"weir/lang"
	"weir/lang/ir"
	"weir/lang/value"
)

// A Map is a map that a chain declares, seen as the language sees it: keys and
// values without what the kernel keeps beside them. Keys and values are octets
// as package value stores them, or texts. Entries that have expired are not
// there.
//
// With one copy of each value per CPU, what is written is written to every
// copy, and what is read is the sum of the copies' integers; of what cannot be
// summed, the first copy that is not zero. Copies that have expired do not count.
type Map struct {
	lang.Map
	obj  *ebpf.Map
	now  func() uint64
	came func(n int64) error // counts keys that user space put into an lru; nil elsewhere
	one  bool                // of the copies that CPUs have that of cpu is read
	cpu  int
}

// On returns the map as a chain sees it on that CPU: of the copies of a value its own
// is read. What is written goes to all, as ever.
func (m *Map) On(cpu int) *Map {
	out := *m
	out.one, out.cpu = true, cpu
	return &out
}

// Maps returns the maps that the chain declares, in order.
func (s *State) Maps() []*Map { return s.mapsOf(lang.User) }

func (s *State) mapsOf(use lang.System) []*Map {
	var out []*Map
	seen := map[*ebpf.Map]bool{}
	for _, u := range s.units {
		for i := range u.prog.Maps {
			m := &u.prog.Maps[i]
			if obj := u.maps[m.Spec.Name]; m.System == use && !seen[obj] {
				seen[obj] = true
				out = append(out, s.newMap(u, m, obj))
			}
		}
	}
	return out
}

// Map returns the map of that name. The error wraps [ErrNotFound].
func (s *State) Map(name string) (*Map, error) {
	var names []string
	for _, m := range s.Maps() {
		if m.Name == name {
			return m, nil
		}
		names = append(names, m.Name)
	}
	return nil, fmt.Errorf("map %s: %w%s", name, ErrNotFound, thereAre(names))
}

// newMap is newMap of a map of u that is in use.
func (s *State) newMap(u *unit, m *lang.Map, obj *ebpf.Map) *Map {
	out := newMap(m, obj, s.now)
	if m.System == lang.TallyMap {
		out.Name = tallyName(m)
	}
	if out.forgets() {
		out.came = func(n int64) error { return u.came(out.Name, n) }
	}
	return out
}

// came adds n to what user space put into an lru. Two processes that do so at
// once may lose one of the two; no packet's count is in danger.
func (u *unit) came(name string, n int64) error {
	m, names := u.system(lang.RefusedMap), userMaps(u.prog)
	slot := uint32(len(names) + slices.Index(names, name))
	if m == nil || n == 0 {
		return nil
	}
	var perCPU []uint64
	if err := m.Lookup(slot, &perCPU); err != nil {
		return fmt.Errorf("count keys of map %s: %w", name, err)
	}
	perCPU[0] += uint64(n)
	return wrap(m.Put(slot, perCPU), "count keys of map %s", name)
}

func newMap(m *lang.Map, obj *ebpf.Map, now uint64) *Map {
	out := &Map{Map: *m, obj: obj, now: monotonic}
	if now != 0 {
		out.now = func() uint64 { return now }
	}
	return out
}

// monotonic returns the time that bpf_ktime_get_ns gives a chain.
func monotonic() uint64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0 // cannot fail with a valid clock
	}
	return uint64(ts.Nano())
}

// Set reports whether the map is a set: its entries have no values.
func (m *Map) Set() bool { return m.Value.Kind == value.None }

// Keyless reports whether the map is a ring, queue or stack: its entries have no
// keys.
func (m *Map) Keyless() bool { return m.Key.Kind == value.None }

// Listed reports whether the kernel can list what is in the map.
func (m *Map) Listed() bool { return !m.Keyless() && m.Spec.Kind != ir.BloomFilter }

// PerCPU reports whether each CPU has values of its own.
func (m *Map) PerCPU() bool {
	k := m.Spec.Kind
	return k == ir.PerCPUArray || k == ir.PerCPUHash || k == ir.LRUPerCPUHash
}

// forgets reports whether a full map makes room by itself.
func (m *Map) forgets() bool { return m.Spec.Kind == ir.LRUHash || m.Spec.Kind == ir.LRUPerCPUHash }

func (m *Map) isArray() bool { return m.Spec.Kind == ir.Array || m.Spec.Kind == ir.PerCPUArray }

// timeAt returns where in a value of the kernel the time of its last write is.
func (m *Map) timeAt() int { return (m.Value.Size() + 7) &^ 7 }

// stored returns what the kernel keeps of a value, written at now.
func (m *Map) stored(val []byte, now uint64) []byte {
	b := make([]byte, m.Spec.ValueSize)
	switch {
	case m.TTL > 0:
		copy(b, val)
		binary.NativeEndian.PutUint64(b[m.timeAt():], now)
	case m.Set():
		b[0] = 1
	default:
		copy(b, val)
	}
	return b
}

// live reports whether what the kernel keeps as b has not expired.
func (m *Map) live(b []byte, now uint64) bool {
	if m.TTL == 0 {
		return true
	}
	written := binary.NativeEndian.Uint64(b[m.timeAt():])
	return now < written || now-written < uint64(m.TTL)
}

// Lookup returns the value of a key, an lpm's that of the longest prefix that
// holds it. It reports false if there is none. The value of a set is empty.
func (m *Map) Lookup(key []byte) ([]byte, bool, error) {
	if m.Keyless() {
		return nil, false, m.keyless()
	}
	val, err := m.lookup(key)
	if errors.Is(err, ebpf.ErrKeyNotExist) || err == nil && !m.live(val, m.now()) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("map %s: look up %s: %w", m.Name, m.Key.Format(key), err)
	}
	return val[:m.Value.Size()], true, nil
}

// keyless is the error of what needs a key.
func (m *Map) keyless() error {
	return fmt.Errorf("map %s: a %s has no keys", m.Name, m.Kind)
}

func (m *Map) lookup(key []byte) ([]byte, error) {
	if m.Spec.Kind == ir.BloomFilter { // what is asked for is where others give their value
		out := slices.Clone(key)
		return out, m.obj.Lookup(nil, out)
	}
	if !m.PerCPU() {
		out := make([]byte, m.Spec.ValueSize)
		return out, m.obj.Lookup(key, out)
	}
	var perCPU [][]byte
	if err := m.obj.Lookup(key, &perCPU); err != nil {
		return nil, err
	}
	return m.merge(perCPU), nil
}

// merge makes one value of those of all CPUs; the last write counts as its time.
func (m *Map) merge(perCPU [][]byte) []byte {
	if m.one {
		perCPU = perCPU[m.cpu:][:1]
	}
	out := make([]byte, m.Spec.ValueSize)
	for _, b := range perCPU {
		if !m.live(b, m.now()) {
			continue
		}
		addValue(m.Value, out, b)
		if m.TTL > 0 {
			at := m.timeAt()
			t := max(binary.NativeEndian.Uint64(out[at:]), binary.NativeEndian.Uint64(b[at:]))
			binary.NativeEndian.PutUint64(out[at:], t)
		}
	}
	return out
}

func addValue(t value.Type, sum, b []byte) {
	switch t.Kind {
	case value.Int:
		t.PutWord(sum, t.Word(sum)+t.Word(b))
	case value.Tuple, value.Record:
		for i, e := range t.Elems {
			off := t.Offset(i)
			addValue(e, sum[off:off+e.Size()], b[off:])
		}
	default:
		if !slices.ContainsFunc(sum, func(c byte) bool { return c != 0 }) {
			copy(sum, b)
		}
	}
}

// Update sets the value of a key; that of a set is ignored. The error wraps
// [ErrFull] if there is no room.
func (m *Map) Update(key, val []byte) error {
	switch {
	case m.Spec.Kind == ir.RingBuf:
		return fmt.Errorf("map %s: only the chain writes to a ring", m.Name)
	case m.Keyless():
		return m.explain(m.obj.Update(nil, val, ebpf.UpdateAny), "push", nil)
	case m.Spec.Kind == ir.BloomFilter:
		return m.explain(m.obj.Update(nil, key, ebpf.UpdateAny), "add", key)
	}
	return m.explain(m.update(key, m.stored(val, m.now())), "set", key)
}

func (m *Map) update(key, stored []byte) error {
	fresh, err := m.put(key, stored)
	if fresh {
		return m.came(1)
	}
	return err
}

// put writes an entry and reports whether its key is one to count.
func (m *Map) put(key, stored []byte) (fresh bool, err error) {
	if m.came != nil {
		err := m.write(key, stored, ebpf.UpdateNoExist)
		if !errors.Is(err, ebpf.ErrKeyExist) {
			return err == nil, err
		}
	}
	return false, m.write(key, stored, ebpf.UpdateAny)
}

func (m *Map) write(key, stored []byte, flags ebpf.MapUpdateFlags) error {
	if !m.PerCPU() {
		return m.obj.Update(key, stored, flags)
	}
	n, err := ebpf.PossibleCPU()
	if err != nil {
		return err
	}
	perCPU := make([][]byte, n)
	for i := range perCPU {
		perCPU[i] = stored
	}
	return m.obj.Update(key, perCPU, flags)
}

// explain says which map it was, and why.
func (m *Map) explain(err error, op string, key []byte) error {
	return wrap(m.because(err, op, key), "map %s", m.Name)
}

func (m *Map) because(err error, op string, key []byte) error {
	switch {
	case err == nil:
		return nil
	case m.isArray() && (errors.Is(err, unix.E2BIG) || errors.Is(err, ebpf.ErrKeyNotExist)):
		err = fmt.Errorf("past the end: %w (the last index is %d)", ErrNoSuchKey, m.Size-1)
	case errors.Is(err, unix.E2BIG), errors.Is(err, unix.ENOSPC):
		err = fmt.Errorf("%w: there is room for %d entries", ErrFull, m.Spec.MaxEntries)
	case errors.Is(err, ebpf.ErrKeyNotExist):
		err = ErrNoSuchKey
	}
	if m.Keyless() {
		return fmt.Errorf("%s: %w", op, err)
	}
	return fmt.Errorf("%s %s: %w", op, m.Key.Format(key), err)
}

// Remove removes a key. The error wraps [ErrNoSuchKey] if it is not there.
func (m *Map) Remove(key []byte) error {
	switch {
	case m.Keyless():
		return m.keyless()
	case m.Spec.Kind == ir.BloomFilter:
		return fmt.Errorf("map %s: remove %s: a bloom forgets no key alone", m.Name, m.Key.Format(key))
	}
	if m.isArray() {
		return fmt.Errorf("map %s: remove %s: the entries of an array cannot be removed", m.Name, m.Key.Format(key))
	}
	err := m.obj.Delete(key)
	if err == nil && m.came != nil {
		return m.came(-1)
	}
	return m.explain(err, "remove", key)
}

// Get is [Map.Lookup] of texts. The error wraps [ErrNoSuchKey] if the key is
// not there.
func (m *Map) Get(key string) (string, error) {
	k, err := m.parseKey(key)
	if err != nil {
		return "", err
	}
	v, ok, err := m.Lookup(k)
	if err == nil && !ok {
		err = m.explain(ebpf.ErrKeyNotExist, "look up", k)
	}
	if err != nil {
		return "", err
	}
	return m.Value.Format(v), nil
}

// Put is [Map.Update] of texts. The value of a set is empty, and so is the key of
// a queue or stack.
func (m *Map) Put(key, val string) error {
	if m.Keyless() {
		v, err := m.parseValue(val)
		if err != nil {
			return err
		}
		return m.Update(nil, v)
	}
	k, err := m.parseKey(key)
	if err != nil {
		return err
	}
	v, err := m.parseValue(val)
	if err != nil {
		return err
	}
	return m.Update(k, v)
}

// Delete is [Map.Remove] of a text.
func (m *Map) Delete(key string) error {
	k, err := m.parseKey(key)
	if err != nil {
		return err
	}
	return m.Remove(k)
}

func (m *Map) parseKey(s string) ([]byte, error) {
	if m.Keyless() {
		return nil, m.keyless()
	}
	b, err := m.Key.Parse(s)
	return b, wrap(err, "map %s: key", m.Name)
}

func (m *Map) parseValue(s string) ([]byte, error) {
	if s == "" && !m.Set() {
		return nil, fmt.Errorf("map %s: the value is missing (want %s)", m.Name, m.Value)
	}
	b, err := m.Value.Parse(s)
	return b, wrap(err, "map %s: value", m.Name)
}
