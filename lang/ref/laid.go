package ref

import (
	"encoding/binary"
	"fmt"
	"slices"

	"go.starlark.net/starlark"
)

// headerType is header(type = u8, …): fields one behind the other, big-endian.
// view() lays it over a run of bytes.
type headerType struct {
	opaque
	names []string
	types []typ
	at    []int // where each field begins; the last is where the header ends
}

func (h *headerType) String() string { return "header type" }
func (h *headerType) Type() string   { return "header" }

// Attr is h.size at build time; at packet time it is the same.
func (h *headerType) Attr(name string) (starlark.Value, error) {
	if name == "size" {
		return starlark.MakeInt(h.size()), nil
	}
	return nil, nil
}

// AttrNames is part of starlark.HasAttrs.
func (h *headerType) AttrNames() []string { return []string{"size"} }

func (h *headerType) size() int { return h.at[len(h.at)-1] }

// newHeaderType is the builtin header(…).
func newHeaderType(args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(args) != 0 || len(kwargs) == 0 {
		return nil, fmt.Errorf("header: want fields, as in header(id = u16)")
	}
	h := &headerType{at: []int{0}}
	for _, kw := range kwargs {
		t, err := typeOf(kw[1])
		if err != nil {
			return nil, fmt.Errorf("header: field %s: %w", kw[0], err)
		}
		n := wireBytes(t)
		if n == 0 {
			return nil, fmt.Errorf("header: field %s: not of %s", kw[0], kw[1])
		}
		h.names = append(h.names, string(kw[0].(starlark.String)))
		h.types = append(h.types, t)
		h.at = append(h.at, h.size()+n)
	}
	return h, nil
}

// wireBytes is how many bytes a field of a type has; 0 if there are no such.
func wireBytes(t typ) int {
	switch t := t.(type) {
	case *octetsType:
		return t.n
	case *scalar:
		return map[*scalar]int{typeIP4: 4, typeIP6: 16, typeMAC: 6}[t] + t.bits/8
	}
	return 0
}

// field is the number of a field, which must be there.
func (h *headerType) field(name string) int {
	for i, n := range h.names {
		if n == name {
			return i
		}
	}
	refuse("the header has no field %s", name)
	return 0
}

// has says that a header that is laid over the bytes has a field of that name.
func (p *payload) has(name string) bool { return p.laid != nil && slices.Contains(p.laid.names, name) }

// view lays a header over the bytes at off, if all of it fits there.
func (p *payload) view(h *headerType, off num) *payload {
	b, ok := p.take(off, uint64(h.size()))
	if !ok {
		return &payload{p: p.p, laid: h, raw: p.raw}
	}
	return &payload{p: p.p, laid: h, at: p.at + int(off.bits), bytes: b, ok: true, raw: p.raw}
}

// get is a field of a header that is laid over the bytes.
func (p *payload) get(name string) value {
	i := p.laid.field(name)
	start := p.laid.at[i]
	b, ok := p.take(unsigned(uint64(start)), uint64(p.laid.at[i+1]-start))
	switch t := p.laid.types[i]; t {
	case typeIP4:
		return ip4Val(b)
	case typeIP6:
		return ip6Val(b)
	case typeMAC:
		return macVal(b)
	default:
		if s, isScalar := t.(*scalar); isScalar {
			return s.keep(binary.BigEndian.Uint64(append(make([]byte, 8-len(b)), b...)))
		}
		return octets{text: string(b), ok: ok}
	}
}

// set writes a field of a header that is laid over the bytes.
func (p *payload) set(name string, v value) {
	if p.laid == nil {
		refuse("%s of bytes cannot be written", name)
	}
	i := p.laid.field(name)
	kept, err := p.laid.types[i].store(v)
	check(err)
	n := p.laid.at[i+1] - p.laid.at[i]
	var b []byte
	switch k := kept.(type) {
	case num:
		b = binary.BigEndian.AppendUint64(nil, k.bits)[8-n:]
	case ip4Val:
		b = k[:]
	case ip6Val:
		b = k[:]
	case macVal:
		b = k[:]
	case octets:
		b = []byte(k.text)
	}
	p.put(unsigned(uint64(p.laid.at[i])), b)
}
