package datapath

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/cilium/ebpf"

	"weir/lang"
	"weir/lang/ir"
	"weir/lang/value"
)

// A Fate is what becomes of something at a swap.
type Fate string

// The fates.
const (
	Kept      Fate = "kept"      // a map: both generations have the same one; a param: its value
	Converted Fate = "converted" // the entries were copied
	Emptied   Fate = "emptied"   // the entries do not fit
	New       Fate = "new"       // the generation before had none of that name
	Dropped   Fate = "dropped"   // the new generation has none of that name
	Reset     Fate = "reset"     // a param: it has its default, since its type is another
)

// A Change says what became of a map, or of a param that was set, at a swap.
type Change struct {
	Name string
	Fate Fate

	Copied, Left int    // Converted: entries that were copied, and that had no room
	Why          string // what is different; empty if nothing is
	Value        string // of a param: what it is now
}

// An heir is what takes over from a State.
type heir struct {
	from    *State
	place   *unit     // what runs at the place that a program is loaded for; nil: nothing
	changes []*Change // of user maps

	taken map[*ebpf.Map]*ebpf.Map // maps of programs that were adopted, by those of from
}

// change decides what becomes of the content of a user map in the next
// generation's m.
func change(old *Map, m *lang.Map) Change {
	now := &Map{Map: *m}
	c := Change{Name: m.Name, Fate: Emptied}
	var differs []string
	differ := func(format string, args ...any) { differs = append(differs, fmt.Sprintf(format, args...)) }
	if old.Kind != m.Kind {
		differ("it is a %s and was a %s", m.Kind, old.Kind)
	} else if now.PerCPU() && !old.PerCPU() {
		differ("each CPU has values of its own")
	} else if old.PerCPU() && !now.PerCPU() {
		differ("CPUs share the values")
	}
	if old.Size != m.Size {
		differ("its size is %d and was %d", m.Size, old.Size)
	}
	if !old.Key.Equal(m.Key) {
		differ("its keys are %s and were %s", m.Key, old.Key)
	}
	if !old.Value.Equal(m.Value) {
		differ("its values are %s and were %s", m.Value, old.Value)
	}
	if (old.TTL > 0) != (m.TTL > 0) {
		differ("entries expire in one of them only")
	}
	c.Why = strings.Join(differs, "; ")
	_, fits := recast(m.Value, old.Value)
	switch {
	case c.Why == "" && fitsSpec(old.obj, mapSpec(m)):
		c.Fate = Kept
	case !old.Listed() || !now.Listed() || !old.Key.Equal(m.Key) || !fits ||
		old.isArray() != now.isArray() || (old.Spec.Kind == ir.LPMTrie) != (m.Spec.Kind == ir.LPMTrie):
	default:
		c.Fate = Converted
	}
	return c
}

// fitsSpec reports whether a map of the kernel is as spec wants it.
func fitsSpec(obj *ebpf.Map, spec *ebpf.MapSpec) bool {
	return obj.Type() == spec.Type && obj.KeySize() == spec.KeySize && obj.ValueSize() == spec.ValueSize &&
		obj.MaxEntries() == spec.MaxEntries
}

// inherit returns the kernel's map for m: that of the generation before, or nil
// if one is to be made. If the entries are to be copied it says so.
func (s *State) inherit(m *lang.Map) (obj *ebpf.Map, copied bool, err error) {
	if s.heir == nil {
		return nil, false, nil
	}
	if m.System == lang.TallyMap {
		return s.heir.tally(m, s.was(m.Text))
	}
	if m.System == lang.OriginMap {
		obj, err := s.heir.origins()
		return obj, false, err
	}
	if m.System == lang.UserMap {
		return s.heir.receivers()
	}
	if m.System != lang.User {
		return nil, false, nil
	}
	c := &Change{Name: m.Name, Fate: New}
	s.heir.changes = append(s.heir.changes, c)
	old, err := s.heir.from.Map(s.was(m.Name))
	if err != nil {
		return nil, false, nil
	}
	if *c = change(old, m); c.Fate == Kept {
		obj, err = old.obj.Clone()
	}
	return obj, c.Fate == Converted, wrap(err, "map %s", m.Name)
}

// tally finds the tally of the same values, whose text was that: what counts goes on.
func (h *heir) tally(m *lang.Map, text string) (*ebpf.Map, bool, error) {
	for _, old := range h.from.mapsOf(lang.TallyMap) {
		if old.Text == text && old.Key.Equal(m.Key) && fitsSpec(old.obj, mapSpec(m)) {
			obj, err := old.obj.Clone()
			return obj, false, err
		}
	}
	return nil, false, nil
}

// origins finds where connections were to go: processes that are connected go on to
// see it.
func (h *heir) origins() (obj *ebpf.Map, err error) {
	err = h.from.each(lang.OriginMap, func(_ *unit, m *ebpf.Map) error {
		if obj == nil {
			obj, err = m.Clone()
		}
		return err
	})
	return obj, err
}

// receivers finds the AF_XDP sockets of the place: who receives goes on to.
func (h *heir) receivers() (obj *ebpf.Map, copied bool, err error) {
	if h.place == nil {
		return nil, false, nil
	}
	if was := h.place.system(lang.UserMap); was != nil {
		obj, err = was.Clone()
	}
	return obj, false, err
}

// copyOld copies the entries of the generation before into a map of u, which is
// new and empty.
func (s *State) copyOld(u *unit, m *lang.Map) error {
	old, err := s.heir.from.Map(s.was(m.Name))
	if err != nil {
		return err
	}
	v := &conversion{from: old, to: s.newMap(u, m, u.maps[m.Spec.Name])}
	v.value, _ = recast(m.Value, old.Value)
	for _, c := range s.heir.changes {
		if c.Name == m.Name {
			c.Copied, c.Left, err = v.run()
		}
	}
	return wrap(err, "copy map %s", m.Name)
}

// A conversion copies the entries of a map into another of the same keys.
type conversion struct {
	from, to   *Map
	value      func(dst, src []byte)
	keys, vals []byte
	perCPU     [][][]byte // instead of vals, where the new map has a value for each CPU
	cpus, left int
}

func (v *conversion) run() (copied, left int, err error) {
	if v.cpus, err = ebpf.PossibleCPU(); err != nil {
		return 0, 0, err
	}
	now := v.from.now()
	if err = v.from.walkCopies(func(key []byte, copies [][]byte) error {
		v.add(key, copies, now)
		return nil
	}); err != nil {
		return 0, 0, err
	}
	if !v.to.PerCPU() {
		copied, err = v.to.fill(context.Background(), v.keys, v.vals, nil)
		return copied, v.left, err
	}
	for i, c := range v.perCPU {
		key := v.keys[i*v.to.Spec.KeySize:][:v.to.Spec.KeySize]
		if err := v.to.obj.Update(key, c, ebpf.UpdateAny); err != nil {
			return i, v.left, v.to.because(err, "set", key)
		}
	}
	if v.to.came != nil {
		err = v.to.came(int64(len(v.perCPU)))
	}
	return len(v.perCPU), v.left, err
}

// add takes an entry, unless it has expired or there is no room for it.
func (v *conversion) add(key []byte, copies [][]byte, now uint64) {
	var live [][]byte
	some := false
	for _, b := range copies {
		if !v.from.live(b, now) {
			b = nil
		}
		some = some || b != nil
		live = append(live, b)
	}
	if !some {
		return
	}
	full := len(v.keys)/v.to.Spec.KeySize >= int(v.to.Spec.MaxEntries)
	if full || v.to.isArray() && v.to.Key.Word(key) >= uint64(v.to.Size) {
		v.left++
		return
	}
	v.keys = append(v.keys, key...)
	if v.from.PerCPU() && !v.to.PerCPU() {
		live = [][]byte{v.from.merge(copies)}
	}
	for i, b := range live {
		live[i] = v.stored(b, now)
	}
	if !v.to.PerCPU() {
		v.vals = append(v.vals, live[0]...)
		return
	}
	if !v.from.PerCPU() { // one CPU has it all: what is read is the sum
		for range v.cpus - 1 {
			live = append(live, v.stored(nil, now))
		}
	}
	v.perCPU = append(v.perCPU, live)
}

// stored returns what the kernel keeps in the new map of what it kept in the old
// one; nil stands for a CPU that has nothing.
func (v *conversion) stored(old []byte, now uint64) []byte {
	out := make([]byte, v.to.Spec.ValueSize)
	if old == nil {
		return out
	}
	if v.to.Set() && v.to.TTL == 0 {
		out[0] = 1
		return out
	}
	v.value(out, old)
	if v.to.TTL > 0 {
		written := now
		if v.from.TTL > 0 {
			written = binary.NativeEndian.Uint64(old[v.from.timeAt():])
		}
		binary.NativeEndian.PutUint64(out[v.to.timeAt():], written)
	}
	return out
}

// recast returns how a value of one type is written as one of another, or false
// if they do not fit: integers may become wider, records may get and lose
// fields.
func recast(to, from value.Type) (func(dst, src []byte), bool) {
	switch {
	case to.Equal(from):
		n := to.Size()
		return func(dst, src []byte) { copy(dst[:n], src) }, true
	case to.Kind != from.Kind:
		return nil, false
	case to.Kind == value.Int:
		wider := to.Width > from.Width && (to.Signed || !from.Signed)
		return func(dst, src []byte) { to.PutWord(dst, from.Word(src)) }, wider
	case to.Kind == value.Record, to.Kind == value.Tuple && len(to.Elems) == len(from.Elems):
		return recastElems(to, from)
	}
	return nil, false
}

func recastElems(to, from value.Type) (func(dst, src []byte), bool) {
	var moves []func(dst, src []byte)
	for i, e := range to.Elems {
		j := i
		if to.Kind == value.Record {
			if j = from.Field(to.Names[i]); j < 0 {
				continue // a new field is zero
			}
		}
		f, ok := recast(e, from.Elems[j])
		if !ok {
			return nil, false
		}
		at, was := to.Offset(i), from.Offset(j)
		moves = append(moves, func(dst, src []byte) { f(dst[at:], src[was:]) })
	}
	return func(dst, src []byte) {
		for _, m := range moves {
			m(dst, src)
		}
	}, len(moves) > 0
}

// dropped adds the maps that the new generation has no more.
func (s *State) dropped() {
	for _, old := range s.heir.from.Maps() {
		if _, err := s.Map(renamed(s.heir.from, s, old.Name)); errors.Is(err, ErrNotFound) {
			s.heir.changes = append(s.heir.changes, &Change{Name: old.Name, Fate: Dropped})
		}
	}
}
