package check

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"go.starlark.net/starlark"

	"weir/lang/value"
)

// Decode returns the value of the interpreter that b stores. It is the inverse of
// [Encode].
func Decode(t value.Type, b []byte) starlark.Value {
	switch t.Kind {
	case value.Int:
		if t.Signed {
			return starlark.MakeInt64(int64(t.Word(b)))
		}
		return starlark.MakeUint64(t.Word(b))
	case value.Bool:
		return starlark.Bool(b[0] != 0)
	case value.IP4:
		return addrOf(t.Kind, netip.AddrFrom4([4]byte(b)))
	case value.IP6, value.IP:
		return addrVal{kind: t.Kind, b: [16]byte(b)}
	case value.MAC:
		a := addrVal{kind: t.Kind}
		copy(a.b[:6], b)
		return a
	case value.Octets:
		if t.Text {
			return starlark.String(bytes.TrimRight(b[:t.Width], "\x00"))
		}
		return starlark.Bytes(b[:t.Width])
	case value.Prefix4, value.Prefix6:
		p := prefixVal{kind: t.Kind, bits: int(binary.LittleEndian.Uint32(b)), v4: t.Kind == value.Prefix4}
		if p.v4 {
			p.b = netip.AddrFrom4([4]byte(b[4:8])).As16()
		} else {
			copy(p.b[:], b[4:])
		}
		return p
	case value.Prefix:
		p := prefixVal{kind: t.Kind}
		p.v4, p.bits = value.Family(b)
		copy(p.b[:], b[8:])
		return p
	case value.Tuple:
		return starlark.Tuple(decodeAll(t, b))
	case value.Record:
		return &recordVal{t: &typeVal{t}, fields: decodeAll(t, b)}
	}
	return starlark.None
}

func decodeAll(t value.Type, b []byte) []starlark.Value {
	out := make([]starlark.Value, len(t.Elems))
	for i, e := range t.Elems {
		off := t.Offset(i)
		out[i] = Decode(e, b[off:off+e.Size()])
	}
	return out
}

// DecodeEntry is [Decode] of what stands in a map: a write of a field is given to write,
// with where in b the field is and what it is to be.
func DecodeEntry(t value.Type, b []byte, write func(off int, field []byte) error) starlark.Value {
	v := Decode(t, b)
	bind(v, 0, write)
	return v
}

// bind lets the records in v, which stands at off, write.
func bind(v starlark.Value, off int, write func(off int, field []byte) error) {
	if r, ok := v.(*recordVal); ok {
		r.write = func(at int, field []byte) error { return write(off+at, field) }
		for i, f := range r.fields {
			bind(f, off+r.t.T.Offset(i), write)
		}
	}
}

// Unbind makes a value of [DecodeEntry] one that stands in no map.
func Unbind(v starlark.Value) {
	if r, ok := v.(*recordVal); ok {
		r.write = nil
		for _, f := range r.fields {
			Unbind(f)
		}
	}
}
