package check

import (
	"encoding/binary"
	"fmt"

	"go.starlark.net/starlark"

	"weir/lang/value"
)

// encodeInit encodes the first content of a map.
func encodeInit(m *Map, v starlark.Value) ([]Entry, error) {
	if v == nil || v == starlark.None {
		return nil, nil
	}
	pairs, err := initPairs(m, v)
	if err != nil {
		return nil, err
	}
	if len(pairs) > m.Size {
		return nil, fault("limit", fmt.Sprintf("raise size to %d", len(pairs)), "init has %d entries, more than the size of %d", len(pairs), m.Size)
	}
	var out []Entry
	seen := map[string]bool{}
	for _, p := range pairs {
		var e Entry
		if m.Key.Kind != value.None {
			if e.Key, err = encodeAs(m.Key, p[0]); err != nil {
				return nil, within("init key", err)
			}
		}
		if m.Kind == Array {
			if i := binary.LittleEndian.Uint32(e.Key); int(i) >= m.Size {
				return nil, fault("range", fmt.Sprintf("the last index is %d", m.Size-1), "init: index %d is past the end", i)
			}
		}
		if m.Value.Kind != value.None {
			if e.Value, err = encodeAs(m.Value, p[1]); err != nil {
				return nil, within("init value", err)
			}
		}
		if m.Key.Kind != value.None && seen[string(e.Key)] {
			return nil, fault("value", "name each key once", "init has the key %s twice", p[0])
		}
		seen[string(e.Key)] = true
		out = append(out, e)
	}
	return out, nil
}

func initPairs(m *Map, v starlark.Value) ([]starlark.Tuple, error) {
	if d, ok := v.(*starlark.Dict); ok {
		if m.Key.Kind == value.None {
			return nil, fault("type", "give it a list of values", "a %s has no keys, but init is a dict", m.Kind)
		}
		if m.Value.Kind == value.None {
			return nil, fault("type", "give it a list of keys", "a set has no values, but init is a dict")
		}
		return d.Items(), nil
	}
	seq, ok := v.(starlark.Sequence)
	if !ok {
		return nil, fault("type", "write {key: value} or [key]", "init is %s", describe(v))
	}
	var out []starlark.Tuple
	it := seq.Iterate()
	defer it.Done()
	var x starlark.Value
	for i := 0; it.Next(&x); i++ {
		switch {
		case m.Kind == Array || m.Key.Kind == value.None:
			out = append(out, starlark.Tuple{starlark.MakeInt(i), x})
		case m.Value.Kind == value.None:
			out = append(out, starlark.Tuple{x, starlark.None})
		default:
			return nil, fault("type", "write init = {key: value}", "this %s has values, but init is a list", m.Kind)
		}
	}
	return out, nil
}

func encodeAs(t value.Type, v starlark.Value) ([]byte, error) {
	x, err := storeAs(t, v)
	if err != nil {
		return nil, err
	}
	out := make([]byte, t.Size())
	encode(out, t, x)
	return out, nil
}

// encode lays v, of type t, out as package value says. Programs are for
// little-endian machines.
func encode(out []byte, t value.Type, v starlark.Value) {
	switch t.Kind {
	case value.Int:
		t.PutWord(out, bitsOf(v.(starlark.Int)))
	case value.Bool:
		if v.Truth() {
			out[0] = 1
		}
	case value.IP4, value.IP6, value.IP, value.MAC:
		copy(out, v.(addrVal).octets())
	case value.Octets:
		copy(out, v.(starlark.Bytes))
	case value.Prefix:
		p := v.(prefixVal)
		value.PutFamily(out, p.v4, p.bits)
		copy(out[8:], p.b[:])
	case value.Prefix4, value.Prefix6:
		p := v.(prefixVal)
		octets := p.b[:]
		if t.Kind == value.Prefix4 {
			octets = p.b[12:]
		}
		binary.LittleEndian.PutUint32(out, uint32(p.bits))
		copy(out[4:], octets)
	case value.Tuple:
		for i, e := range v.(starlark.Tuple) {
			off := t.Offset(i)
			encode(out[off:off+t.Elems[i].Size()], t.Elems[i], e)
		}
	case value.Record:
		for i, e := range v.(*recordVal).fields {
			off := t.Offset(i)
			encode(out[off:off+t.Elems[i].Size()], t.Elems[i], e)
		}
	}
}
