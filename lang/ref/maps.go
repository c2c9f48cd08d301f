package ref

import (
	"fmt"
	"time"

	"go.starlark.net/starlark"
)

// mapVal is a table, lru, array or lpm. As a build-time value it can be named
// and passed; it is read and written at packet time only.
type mapVal struct {
	opaque
	kind     string // "table", "lru", "array", "lpm", "ring", "bloom", "queue", "stack"
	key      typ    // of an array, ring, queue or stack: nil
	val      typ    // of a set: nil
	size     uint64
	expiring time.Duration // 0: never
	entries  map[string]*entry
	line     []value // of a queue or stack, what came first in front; of a ring, of this packet
	lost     uint64  // keys refused (table) or forgotten (lru)
	swept    uint64  // ns; when a full table last looked for expired entries
	clock    func() uint64
	uses     uint64
	init     starlark.Value
}

// entry is a key and its value. A reference is the record in val itself, so
// that it stays with the entry when the map has another one for the key.
type entry struct {
	key, val      value
	written, used uint64 // ns; number of the map's use
}

func (m *mapVal) String() string { return m.kind }
func (m *mapVal) Type() string   { return m.kind }

// valueShape is the shape of what m[k] gives.
func (m *mapVal) valueShape() shape {
	if m.val == nil {
		return shape{}
	}
	return m.val.shape()
}

// keyOf is k as the map keeps keys, and its text, which is unique in a type.
// The key of an array is not stored, so that nothing is cut off it.
func (m *mapVal) keyOf(k value) (value, string) {
	if m.key == nil && m.kind != "array" {
		refuse("a %s has no keys", m.kind)
	}
	if m.kind == "array" {
		n := unsigned(needNum(k, "index of an array").bits)
		return n, n.String()
	}
	kept, err := m.key.store(k)
	check(err)
	return kept, kept.String()
}

func (m *mapVal) alive(e *entry) bool {
	return m.expiring == 0 || m.clock()-e.written < uint64(m.expiring)
}

// find is the live entry of a key, or nil.
func (m *mapVal) find(k value) *entry {
	if m.kind == "lpm" {
		return m.longest(k)
	}
	_, text := m.keyOf(k)
	e := m.entries[text]
	if e == nil || !m.alive(e) {
		return nil
	}
	m.uses++
	e.used = m.uses
	return e
}

// longest is the entry of the longest prefix that holds an address.
func (m *mapVal) longest(k value) *entry {
	var best *entry
	for _, e := range m.entries {
		p := e.key.(prefixVal)
		if inPrefix(k, p) && (best == nil || p.bits > best.key.(prefixVal).bits) {
			best = e
		}
	}
	return best
}

// get is m.get(k, d); d is nil where none was given.
func (m *mapVal) get(k, d value) value {
	if m.val == nil {
		refuse("a set has no values")
	}
	if e := m.find(k); e != nil {
		return e.val
	}
	if d != nil {
		return d
	}
	return m.val.zero()
}

// put is m[k] = v, and in a set (v nil) m.add(k). A table that is full
// refuses a new key, an lru forgets the one that was used longest ago.
func (m *mapVal) put(k, v value) {
	if m.kind == "lpm" {
		refuse("an lpm is not written at packet time")
	}
	var kept value
	if m.val != nil {
		var err error
		kept, err = m.val.store(v)
		check(err)
	}
	key, text := m.keyOf(k)
	old := m.entries[text]
	if m.kind == "array" && old == nil {
		return // past the end
	}
	if old == nil && !m.room() {
		return
	}
	m.uses++
	e := &entry{key: key, val: kept, used: m.uses}
	if m.expiring != 0 {
		e.written = m.clock()
	}
	if r, ok := kept.(*recordObj); ok && m.expiring != 0 {
		r.written = func() { e.written = m.clock() }
	}
	m.entries[text] = e
}

// room makes room for one more key.
func (m *mapVal) room() bool {
	if m.expiring != 0 && uint64(len(m.entries)) >= m.size {
		m.sweep()
	}
	if uint64(len(m.entries)) < m.size {
		return true
	}
	m.lost++
	if m.kind == "table" {
		return false
	}
	oldest := ""
	for text, e := range m.entries {
		if oldest == "" || e.used < m.entries[oldest].used {
			oldest = text
		}
	}
	delete(m.entries, oldest)
	return true
}

// sweep takes out what has expired. A table does so at most once in a
// sixteenth of the time to live, and in 200 ns for each entry of its size.
func (m *mapVal) sweep() {
	now := m.clock()
	pause := max(uint64(m.expiring)/16, 200*m.size)
	if m.kind == "table" && m.swept != 0 && now-m.swept < pause {
		return
	}
	m.swept = now
	for text, e := range m.entries {
		if !m.alive(e) {
			delete(m.entries, text)
		}
	}
}

// add is m.incr(k, n): the new value, also where there was no room for it.
func (m *mapVal) add(k value, n num) value {
	if st, ok := m.val.(*scalar); !ok || !st.isInt() {
		refuse("incr: the values of the map are no integers")
	}
	old := m.get(k, nil).(num)
	sum, err := m.val.store(num{bits: old.bits + n.bits})
	check(err)
	m.put(k, sum)
	return sum
}

// pop is m.pop(k): the value that was there, of a record a copy; or zero.
func (m *mapVal) pop(k value) value {
	if m.kind == "array" || m.kind == "lpm" {
		refuse("pop: an entry of an %s cannot be removed", m.kind)
	}
	e := m.find(k)
	if e != nil {
		_, text := m.keyOf(k)
		delete(m.entries, text)
	}
	switch {
	case m.val == nil:
		return starlark.None
	case e == nil:
		return m.val.zero()
	}
	v, err := m.val.store(e.val)
	check(err)
	return v
}

// method calls m.name(args).
func (m *mapVal) method(name string, args []value, named map[string]value) value {
	arg := func(i int, word string, d value) value {
		if i < len(args) {
			return args[i]
		}
		if v, ok := named[word]; ok {
			return v
		}
		if d == nil {
			refuse("%s: no value for %s", name, word)
		}
		return d
	}
	switch {
	case m.kind == "ring" && name == "emit":
		m.emit(args, named)
		return starlark.None
	case (m.kind == "queue" || m.kind == "stack") && name == "push":
		return starlark.Bool(m.push(arg(0, "value", nil)))
	case (m.kind == "queue" || m.kind == "stack") && name == "pop":
		return m.next()
	case m.kind == "bloom" && name == "discard":
		refuse("a bloom forgets nothing")
	}
	switch name {
	case "get":
		d := arg(1, "d", starlark.None)
		if d == starlark.None {
			d = nil
		}
		return m.meet(m.get(arg(0, "k", nil), d), d)
	case "incr":
		return m.add(arg(0, "k", nil), needNum(arg(1, "n", unsigned(1)), "incr"))
	case "pop":
		if m.val == nil {
			refuse("pop: a set has .discard")
		}
		return m.pop(arg(0, "k", nil))
	case "add", "discard":
		if m.val != nil || m.kind == "lpm" {
			refuse("%s: a %s with values is no set", name, m.kind)
		}
		if name == "add" {
			m.put(arg(0, "k", nil), nil)
		} else {
			m.pop(arg(0, "k", nil))
		}
		return starlark.None
	}
	refuse("a %s has no %s", m.kind, name)
	return nil
}

// meet gives a value the shape that m.get(k, d) has.
func (m *mapVal) meet(v, d value) value {
	s := m.val.shape()
	if d != nil {
		s = join(s, shapeOf(d))
	}
	return raise(v, s)
}

// reset fills the map with its first content.
func (m *mapVal) reset() error {
	m.entries, m.line = map[string]*entry{}, nil
	if m.kind == "array" {
		for i := range m.size {
			n := unsigned(i)
			z, err := m.val.store(m.val.zero())
			if err != nil {
				return err
			}
			m.entries[n.String()] = &entry{key: n, val: z}
		}
	}
	var items []starlark.Tuple
	switch init := m.init.(type) {
	case nil, starlark.NoneType:
	case *starlark.Dict:
		items = init.Items()
	case starlark.Iterable:
		it := init.Iterate()
		defer it.Done()
		for x, i := starlark.Value(nil), 0; it.Next(&x); i++ {
			if m.kind == "queue" || m.kind == "stack" {
				m.push(toPacket(x))
			} else if m.kind == "array" {
				items = append(items, starlark.Tuple{starlark.MakeInt(i), x})
			} else {
				items = append(items, starlark.Tuple{x, nil})
			}
		}
	default:
		return fmt.Errorf("init: want a dict or a list, not %s", init.Type())
	}
	return m.fill(items)
}

func (m *mapVal) fill(items []starlark.Tuple) error {
	if uint64(len(items)) > m.size {
		return fmt.Errorf("init: %d entries for a size of %d", len(items), m.size)
	}
	for _, item := range items {
		if (item[1] == nil) != (m.val == nil) {
			return fmt.Errorf("init: a set takes a list of keys, a map a dict")
		}
		key, text := m.keyOf(toPacket(item[0]))
		e := &entry{key: key}
		if item[1] != nil {
			v, err := m.val.store(toPacket(item[1]))
			if err != nil {
				return fmt.Errorf("init: %w", err)
			}
			e.val = v
		}
		if m.expiring != 0 {
			e.written = m.clock()
			if r, ok := e.val.(*recordObj); ok {
				r.written = func() { e.written = m.clock() }
			}
		}
		m.entries[text] = e
	}
	return nil
}

// dump is what the map holds, as texts.
func (m *mapVal) dump() map[string]string {
	out := map[string]string{}
	for i, v := range m.line {
		out[fmt.Sprint(i)] = v.String()
	}
	for text, e := range m.entries {
		if !m.alive(e) {
			continue
		}
		out[text] = ""
		if e.val != nil {
			out[text] = e.val.String()
		}
	}
	return out
}
