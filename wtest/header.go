package wtest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"weir/internal/spell"
	"weir/lang/check"
	"weir/lang/value"
	"weir/packet"
)

// A header is one that a test describes: the fields that it sets, before the rest is
// worked out from the packet around it.
type header struct {
	h     packet.Header
	set   map[string]setField
	tail  []byte // options of ip4 and tcp, segments of srh
	extra gre
}

type setField struct {
	field  packet.Field
	number uint64
	octets []byte // of an address
}

// gre are the optional fields of a GRE header.
type gre struct {
	key, seq       uint32
	hasKey, hasSeq bool
}

var _ starlark.Value = (*header)(nil)

func (h *header) String() string {
	return h.h.String() + "(" + strings.Join(sorted(h.set), ", ") + ")"
}
func (h *header) Type() string         { return "header" }
func (h *header) Freeze()              {}
func (h *header) Truth() starlark.Bool { return true }
func (h *header) Hash() (uint32, error) {
	return 0, fmt.Errorf("unhashable: header")
}

// Fields that tests may set and chains do not have, since the kernel or the compiler
// keeps them right.
var hidden = map[packet.Header][]packet.Field{
	packet.IP4:   {run("version", 0, 1, 4, 4), run("checksum", 10, 2, 0, 16)},
	packet.IP6:   {run("version", 0, 1, 4, 4), run("len", 4, 2, 0, 16)},
	packet.TCP:   {run("checksum", 16, 2, 0, 16), run("urgent", 18, 2, 0, 16)},
	packet.UDP:   {run("checksum", 6, 2, 0, 16)},
	packet.ICMP4: {run("checksum", 2, 2, 0, 16)},
	packet.ICMP6: {run("checksum", 2, 2, 0, 16)},
	packet.SCTP:  {run("checksum", 8, 4, 0, 32)},
	packet.GRE:   {run("version", 1, 1, 0, 3)},
	packet.ARP: {
		run("htype", 0, 2, 0, 16), run("ptype", 2, 2, 0, 16), run("hlen", 4, 1, 0, 8), run("plen", 5, 1, 0, 8),
	},
	packet.SRH: {run("hdrlen", 1, 1, 0, 8), run("type", 2, 1, 0, 8)},
}

func run(name string, off, bytes, shift, bits int) packet.Field {
	return packet.Field{Name: name, Off: off, Bytes: bytes, Shift: shift, Bits: bits, Scale: 1}
}

// fieldsOf returns the fields of a header that lie in it, in the order of the wire.
func fieldsOf(h packet.Header) []packet.Field {
	var out []packet.Field
	for _, f := range slices.Concat(h.Fields(), hidden[h]) {
		if !f.Virtual {
			out = append(out, f)
		}
	}
	slices.SortStableFunc(out, func(a, b packet.Field) int {
		return cmp.Or(cmp.Compare(a.Off, b.Off), cmp.Compare(b.Shift, a.Shift))
	})
	return out
}

func fieldOf(h packet.Header, name string) (packet.Field, bool) {
	fs := fieldsOf(h)
	i := slices.IndexFunc(fs, func(f packet.Field) bool { return f.Name == name })
	if i < 0 {
		return packet.Field{}, false
	}
	return fs[i], true
}

// tails are the keywords that give what follows the fixed part of a header.
var tails = map[packet.Header][]string{
	packet.IP4: {"options"}, packet.TCP: {"options", "mss"}, packet.SRH: {"segments"}, packet.GRE: {"key", "seq"},
}

// newHeader is eth(), ip4() and so on.
func newHeader(h packet.Header, kwargs []starlark.Tuple) (*header, error) {
	out := &header{h: h, set: map[string]setField{}}
	for _, kw := range kwargs {
		name := string(kw[0].(starlark.String))
		if err := out.give(name, kw[1]); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", h, name, err)
		}
	}
	return out, nil
}

func (h *header) give(name string, v starlark.Value) error {
	if slices.Contains(tails[h.h], name) {
		return h.giveTail(name, v)
	}
	f, ok := fieldOf(h.h, name)
	if !ok {
		names := slices.Clone(tails[h.h])
		for _, f := range fieldsOf(h.h) {
			names = append(names, f.Name)
		}
		slices.Sort(names)
		if near := spell.Nearest(name, names); near != "" {
			return fmt.Errorf("there is no such field: did you mean %s?", near)
		}
		return fmt.Errorf("there is no such field (there are %s)", strings.Join(names, ", "))
	}
	if f.Kind != packet.Uint && f.Kind != packet.Flag {
		b, err := address(f.Kind, v)
		h.set[name] = setField{field: f, octets: b}
		return err
	}
	n, err := number(v, f.Max())
	if err == nil && f.Scale > 1 && n%uint64(f.Scale) != 0 {
		err = fmt.Errorf("%d is no multiple of %d", n, f.Scale)
	}
	h.set[name] = setField{field: f, number: n}
	return err
}

func (h *header) giveTail(name string, v starlark.Value) error {
	switch name {
	case "key", "seq":
		n, err := number(v, 1<<32-1)
		if name == "key" {
			h.extra.key, h.extra.hasKey = uint32(n), true
		} else {
			h.extra.seq, h.extra.hasSeq = uint32(n), true
		}
		return err
	case "mss":
		n, err := number(v, 1<<16-1)
		h.tail = append(h.tail, 2, 4, byte(n>>8), byte(n)) // RFC 9293, 3.2
		return err
	case "segments":
		list, ok := v.(starlark.Iterable)
		if !ok {
			return fmt.Errorf("a list of addresses is wanted, not %s", v.Type())
		}
		it := list.Iterate()
		defer it.Done()
		for x := starlark.Value(nil); it.Next(&x); {
			b, err := address(packet.Addr6, x)
			if err != nil {
				return err
			}
			h.tail = append(h.tail, b...)
		}
		return nil
	}
	b, ok := v.(starlark.Bytes)
	if !ok {
		return fmt.Errorf("bytes are wanted, like b\"\\x01\\x02\", not %s", v.Type())
	}
	h.tail = append(h.tail, b...)
	return nil
}

var addressTypes = map[packet.Kind]value.Type{
	packet.MAC: value.MACT, packet.Addr4: value.IP4T, packet.Addr6: value.IP6T,
}

// address returns the octets of an address, which may be a text.
func address(k packet.Kind, v starlark.Value) ([]byte, error) {
	t := addressTypes[k]
	a, err := check.Make(t, v)
	if err != nil {
		return nil, err
	}
	return check.Encode(t, a)
}

func number(v starlark.Value, most uint64) (uint64, error) {
	if b, ok := v.(starlark.Bool); ok {
		v = starlark.MakeInt(0)
		if b {
			v = starlark.MakeInt(1)
		}
	}
	n, ok := v.(starlark.Int)
	if !ok {
		return 0, fmt.Errorf("an integer is wanted, not %s", v.Type())
	}
	u, ok := n.Uint64()
	if !ok || u > most {
		return 0, fmt.Errorf("%s does not fit: 0 to %d do", n, most)
	}
	return u, nil
}
