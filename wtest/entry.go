package wtest

import (
	"fmt"
	"slices"

	"go.starlark.net/starlark"

	"weir/datapath"
	"weir/lang/check"
	"weir/lang/value"
)

// An entry is one of a map, with the octets of its key.
type entry struct {
	key  []byte
	k, v starlark.Value
}

// entries returns all entries of a map in the order of their keys.
func (t *table) entries(m *datapath.Map) (out []entry, err error) {
	err = m.Each(func(key, val []byte) error {
		key = slices.Clone(key)
		out = append(out, entry{key, check.Decode(m.Key, key), t.decode(m, key, val)})
		return nil
	})
	slices.SortFunc(out, func(a, b entry) int { return m.Key.Compare(a.key, b.key) })
	return out, err
}

// decode returns the value of an entry. That a field of it is written writes the entry,
// as in a chain; what else is in the entry by then stays.
func (t *table) decode(m *datapath.Map, key, val []byte) starlark.Value {
	return check.DecodeEntry(m.Value, val, func(off int, field []byte) error {
		m, err := t.kernel()
		if err != nil {
			return err
		}
		now, ok, err := t.exactly(m, key)
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("map %s: %s is no key of it: write %s[…] = the whole record", t.name, m.Key.Format(key), t.name)
		}
		copy(now[off:], field)
		return m.Update(key, now)
	})
}

// exactly returns the value of that key, and of no other one that an lpm finds by it.
func (t *table) exactly(m *datapath.Map, key []byte) (val []byte, ok bool, err error) {
	val, ok, err = m.Lookup(key)
	if k := m.Key.Kind; err != nil || !ok || k != value.Prefix && k != value.Prefix4 && k != value.Prefix6 {
		return val, ok, err
	}
	ok = false
	err = m.Each(func(k, v []byte) error {
		ok = ok || m.Key.Compare(k, key) == 0
		return nil
	})
	return val, ok, err
}
