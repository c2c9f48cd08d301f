package wtest

import (
	"context"
	"errors"
	"fmt"

	"go.starlark.net/starlark"

	"weir/datapath"
	"weir/lang/check"
	"weir/lang/value"
)

// A table is a map of a chain file, with the content that it has in the kernel.
type table struct {
	s    *suite
	file string
	name string
}

var (
	_ starlark.HasSetKey = (*table)(nil)
	_ starlark.HasAttrs  = (*table)(nil)
	_ starlark.Sequence  = (*table)(nil)
	_ starlark.Container = (*table)(nil)
)

func (t *table) String() string        { return "map " + t.name }
func (t *table) Type() string          { return "map" }
func (t *table) Freeze()               {}
func (t *table) Truth() starlark.Bool  { return true }
func (t *table) Hash() (uint32, error) { return hash([]byte(t.file + t.name)), nil }

// kernel returns the map in the kernel.
func (t *table) kernel() (*datapath.Map, error) {
	if t.name == "" {
		return nil, fmt.Errorf("no global of %s leads to this map", t.file)
	}
	m, err := t.s.mapOf(t.file, t.name)
	if err != nil {
		return nil, err
	}
	return m.On(t.s.cpu), nil
}

// entry returns the map and the octets of a key.
func (t *table) entry(k starlark.Value) (*datapath.Map, []byte, error) {
	m, err := t.kernel()
	if err != nil {
		return nil, nil, err
	}
	if m.Keyless() {
		return nil, nil, keyless(m)
	}
	b, err := check.Encode(m.Key, k)
	if err != nil {
		return nil, nil, fmt.Errorf("map %s: key: %w", t.name, err)
	}
	return m, b, nil
}

// Get is m[k]: as in a chain, zero where the key is not there, and for a record None.
func (t *table) Get(k starlark.Value) (starlark.Value, bool, error) {
	m, b, err := t.entry(k)
	if err != nil {
		return nil, false, err
	}
	v, ok, err := m.Lookup(b)
	switch {
	case err != nil:
		return nil, false, err
	case m.Value.Kind == value.None:
		return nil, false, t.valueless(m, "k in "+t.name)
	case !ok && m.Value.Kind == value.Record:
		return starlark.None, true, nil
	case !ok:
		v = make([]byte, m.Value.Size())
	}
	return t.decode(m, b, v), true, nil
}

// valueless is the error of what needs a value, and what is written instead.
func (t *table) valueless(m *datapath.Map, instead string) error {
	what := "set"
	if m.Kind == "bloom" {
		what = m.Kind
	}
	return fmt.Errorf("map %s: a %s has no values: write %s", t.name, what, instead)
}

// keyless is the error of what needs a key.
func keyless(m *datapath.Map) error {
	if m.Kind == "ring" {
		return fmt.Errorf("map %s: a ring has no keys: what a chain puts into it is in r.events of a run", m.Name)
	}
	return fmt.Errorf("map %s: a %s has no keys: write %s.push(v) and %s.pop()", m.Name, m.Kind, m.Name, m.Name)
}

// SetKey is m[k] = v.
func (t *table) SetKey(k, v starlark.Value) error {
	m, b, err := t.entry(k)
	if err != nil {
		return err
	}
	if m.Value.Kind == value.None {
		return t.valueless(m, t.name+".add(k)")
	}
	x, err := check.Encode(m.Value, v)
	if err != nil {
		return fmt.Errorf("map %s: value: %w", t.name, err)
	}
	return m.Update(b, x)
}

// Has is k in m.
func (t *table) Has(k starlark.Value) (bool, error) {
	m, b, err := t.entry(k)
	if err != nil {
		return false, err
	}
	_, ok, err := m.Lookup(b)
	return ok, err
}

// Len is how many entries there are.
func (t *table) Len() int { return len(t.sorted()) }

// Iterate goes through the keys.
func (t *table) Iterate() starlark.Iterator {
	var keys []starlark.Value
	for _, e := range t.sorted() {
		keys = append(keys, e.k)
	}
	return starlark.NewList(keys).Iterate()
}

// sorted returns the entries. The interpreter asks in places where there can be no error:
// what cannot be listed breaks the test at its end.
func (t *table) sorted() []entry {
	m, err := t.kernel()
	var out []entry
	if err == nil {
		out, err = t.entries(m)
	}
	if err != nil && t.s.lost == nil {
		t.s.lost = err
	}
	return out
}

// AttrNames are the methods.
func (t *table) AttrNames() []string {
	return []string{"add", "clear", "discard", "get", "items", "pop", "push"}
}

// Attr gives a method.
func (t *table) Attr(name string) (starlark.Value, error) {
	f, ok := map[string]func(starlark.Tuple) (starlark.Value, error){
		"add": t.add, "clear": t.clear, "discard": t.discard, "get": t.get, "items": t.items, "pop": t.pop, "push": t.push,
	}[name]
	if !ok {
		return nil, lacks(t, "a map", name)
	}
	return starlark.NewBuiltin(t.name+"."+name, func(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		if len(kwargs) > 0 {
			return nil, fmt.Errorf("%s takes no arguments by name", b.Name())
		}
		v, err := f(args)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", b.Name(), err)
		}
		return v, nil
	}), nil
}

func (t *table) add(args starlark.Tuple) (starlark.Value, error) {
	if len(args) != 1 {
		return nil, errors.New("one key is wanted")
	}
	m, b, err := t.entry(args[0])
	if err != nil {
		return nil, err
	}
	if !m.Set() && m.Kind != "bloom" {
		return nil, errors.New("it has values: write m[k] = v")
	}
	return starlark.None, m.Update(b, nil)
}

func (t *table) discard(args starlark.Tuple) (starlark.Value, error) {
	if len(args) != 1 {
		return nil, errors.New("one key is wanted")
	}
	m, b, err := t.entry(args[0])
	if err != nil {
		return nil, err
	}
	if err := m.Remove(b); err != nil && !errors.Is(err, datapath.ErrNoSuchKey) {
		return nil, err
	}
	return starlark.None, nil
}

func (t *table) get(args starlark.Tuple) (starlark.Value, error) {
	if len(args) < 1 || len(args) > 2 {
		return nil, errors.New("a key is wanted, and perhaps a default")
	}
	if len(args) == 2 {
		if ok, err := t.Has(args[0]); err != nil || !ok {
			return args[1], err
		}
	}
	v, _, err := t.Get(args[0])
	return v, err
}

// pop takes a key out, or the next value of a queue or stack, and gives the value.
func (t *table) pop(args starlark.Tuple) (starlark.Value, error) {
	m, err := t.kernel()
	if err != nil {
		return nil, err
	}
	if m.Keyless() && len(args) == 0 {
		v, ok, err := m.Pop()
		if err != nil || !ok {
			return starlark.None, err
		}
		return check.Decode(m.Value, v), nil
	}
	if m.Value.Kind == value.None && m.Kind != "bloom" {
		return nil, t.valueless(m, t.name+".discard(k)")
	}
	v, err := t.get(args)
	if err != nil {
		return nil, err
	}
	check.Unbind(v)
	_, err = t.discard(args[:1])
	return v, err
}

func (t *table) push(args starlark.Tuple) (starlark.Value, error) {
	m, err := t.kernel()
	if err != nil {
		return nil, err
	}
	if !m.Keyless() || len(args) != 1 {
		return nil, errors.New("one value is wanted, of a queue or stack")
	}
	b, err := check.Encode(m.Value, args[0])
	if err != nil {
		return nil, err
	}
	return starlark.None, m.Update(nil, b)
}

func (t *table) items(starlark.Tuple) (starlark.Value, error) {
	m, err := t.kernel()
	if err != nil {
		return nil, err
	}
	es, err := t.entries(m)
	var out []starlark.Value
	for _, e := range es {
		out = append(out, starlark.Tuple{e.k, e.v})
	}
	return starlark.NewList(out), err
}

func (t *table) clear(starlark.Tuple) (starlark.Value, error) {
	m, err := t.kernel()
	if err != nil {
		return nil, err
	}
	_, err = m.Flush(context.Background())
	return starlark.None, err
}
