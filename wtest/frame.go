package wtest

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"slices"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/check"
	"weir/packet"
)

// A frame is a packet as a value of a test. Its attributes are those that chains
// read: p.ip4.ttl; a header that is not there is None.
type frame struct{ b []byte }

var (
	_ starlark.HasAttrs   = frame{}
	_ starlark.Comparable = frame{}
	_ starlark.Indexable  = frame{}
)

func (f frame) String() string        { return fmt.Sprintf("packet of %d octets", len(f.b)) }
func (f frame) Type() string          { return "packet" }
func (f frame) Freeze()               {}
func (f frame) Truth() starlark.Bool  { return true }
func (f frame) Len() int              { return len(f.b) }
func (f frame) Hash() (uint32, error) { return hash(f.b), nil }

func hash(b []byte) uint32 {
	h := fnv.New32a()
	h.Write(b)
	return h.Sum32()
}

// Index gives an octet.
func (f frame) Index(i int) starlark.Value { return starlark.MakeInt(int(f.b[i])) }

// CompareSameType tells whether the octets are the same.
func (f frame) CompareSameType(op syntax.Token, y starlark.Value, _ int) (bool, error) {
	same := bytes.Equal(f.b, y.(frame).b)
	switch op {
	case syntax.EQL:
		return same, nil
	case syntax.NEQ:
		return !same, nil
	}
	return false, fmt.Errorf("packets can only be compared with == and !=")
}

// Attr gives a header, the payload, the length or the octets.
func (f frame) Attr(name string) (starlark.Value, error) {
	switch name {
	case "bytes":
		return starlark.Bytes(f.b), nil
	case "len":
		return starlark.MakeInt(len(f.b)), nil
	case "payload":
		return starlark.Bytes(f.payload()), nil
	}
	h := packet.Lookup(name)
	if h == packet.None {
		return nil, lacks(f, "a packet", name)
	}
	for _, l := range packet.Layers(f.b) {
		if l.Header == h || h == packet.IP && (l.Header == packet.IP4 || l.Header == packet.IP6) || h == packet.L4 && isL4(l.Header) {
			return view{l.Header, f.b[l.Off:][:l.Size]}, nil
		}
	}
	return starlark.None, nil
}

func isL4(h packet.Header) bool {
	return h == packet.TCP || h == packet.UDP || h == packet.SCTP
}

// payload is what follows the last header that is known.
func (f frame) payload() []byte {
	for _, l := range packet.Layers(f.b) {
		if l.Header == packet.None {
			return f.b[l.Off:]
		}
	}
	return nil
}

// AttrNames lists what stands behind the dot.
func (f frame) AttrNames() []string {
	names := []string{"bytes", "len", "payload"}
	for _, h := range packet.Headers() {
		names = append(names, h.String())
	}
	return names
}

// A view is a header of a frame, with its options.
type view struct {
	h packet.Header
	b []byte
}

var _ starlark.HasAttrs = view{}

func (v view) String() string        { return v.h.String() + " header" }
func (v view) Type() string          { return "header view" }
func (v view) Freeze()               {}
func (v view) Truth() starlark.Bool  { return true }
func (v view) Hash() (uint32, error) { return hash(v.b), nil }

// Attr gives a field, or the octets.
func (v view) Attr(name string) (starlark.Value, error) {
	if name == "bytes" {
		return starlark.Bytes(v.b), nil
	}
	if f, ok := fieldOf(v.h, name); ok {
		return read(f, v.b), nil
	}
	if slices.Contains(v.tails(), name) {
		if options := v.b[v.h.Size():]; name == "options" {
			return starlark.Bytes(options), nil
		} else {
			return starlark.MakeInt(maxSegment(options)), nil
		}
	}
	return nil, lacks(v, "the "+v.String(), name)
}

// AttrNames lists the fields.
func (v view) AttrNames() []string {
	names := append([]string{"bytes"}, v.tails()...)
	for _, f := range fieldsOf(v.h) {
		names = append(names, f.Name)
	}
	return names
}

// tails are the names of what is read behind the fixed part.
func (v view) tails() []string {
	if v.h == packet.IP4 || v.h == packet.TCP {
		return tails[v.h]
	}
	return nil
}

// maxSegment is the value of the first option of that name among those of TCP, 0 where
// there is none of 2 octets (RFC 9293, 3.1 and 3.2).
func maxSegment(options []byte) int {
	for len(options) > 1 && options[0] != 0 {
		size := int(options[1])
		switch {
		case options[0] == 1:
			size = 1
		case size < 2 || size > len(options):
			return 0
		case options[0] == 2 && size == 4:
			return int(options[2])<<8 | int(options[3])
		case options[0] == 2:
			return 0
		}
		options = options[size:]
	}
	return 0
}

// read returns a field of the header b as a chain sees it.
func read(f packet.Field, b []byte) starlark.Value {
	if t, ok := addressTypes[f.Kind]; ok {
		return check.Decode(t, b[f.Off:][:f.Bytes])
	}
	if n := f.Get(b); f.Kind == packet.Flag {
		return starlark.Bool(n != 0)
	} else {
		return starlark.MakeUint64(n)
	}
}
