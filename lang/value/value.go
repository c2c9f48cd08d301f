// Package value describes the values of the language: their types, how those
// that can be stored lie in memory, and how people write them.
//
// A [Type] is plain data, comparable with [Type.Equal] and fit for encoding/gob.
// Integers are stored in host order, but for those of C objects that are not
// ([Type.Big]); addresses and MACs are stored as the octets
// of the wire, so that a chain never swaps what it does not count with. Records
// and tuples are laid out as C lays out a struct, padding zero.
//
// What only exists while a chain runs (views, verdicts, packets) has a type
// here, too, but no size.
package value

import (
	"strconv"
	"strings"

	"weir/packet"
)

// A Kind is a family of types.
type Kind uint8

// The kinds. Those from Verdict on cannot be stored.
const (
	None Kind = iota // no value: of sets, and of functions without one
	Int
	Bool
	IP4
	IP6
	IP // either family; IPv4 as ::ffff:a.b.c.d
	MAC
	Octets
	Prefix4 // keys of an lpm only
	Prefix6
	Prefix
	Tuple
	Record

	Verdict
	View   // of a header: Type.Header
	Span   // octets of the packet: pkt.payload, an option of TCP
	Packet // pkt
	Static // something known at build time: function, map, list, string, type
)

var kindNames = [...]string{
	None: "nothing", Int: "int", Bool: "bool", IP4: "ip4", IP6: "ip6", IP: "ip", MAC: "mac",
	Octets: "octets", Prefix4: "prefix4", Prefix6: "prefix6", Prefix: "prefix", Tuple: "tuple",
	Record: "record", Verdict: "verdict", View: "header", Span: "span of bytes", Packet: "packet",
	Static: "build-time value",
}

// String returns the name of the kind.
func (k Kind) String() string { return kindNames[k] }

// A Type is the type of a value. The zero Type is None.
type Type struct {
	Kind   Kind
	Width  int  // Int: octets when stored, 1, 2, 4 or 8. Octets: how many
	Signed bool // Int
	Big    bool // Int: stored in network order, as C objects have ports
	Text   bool // Octets: people write and read them as text, filled up with zeros
	Elems  []Type
	Names  []string // Record, Span of a header of the chain's own: of Elems
	Header packet.Header
	Frame  bool // Span of a header of the chain's own: it is laid over the frame, at offsets of the wire
	Route  bool // Record: what fib() gives, which is true if its first field, why, is 0
	Inner  bool // Packet, View, Span: of the packet inside a tunnel
}

// Common types.
var (
	U8      = Type{Kind: Int, Width: 1}
	U16     = Type{Kind: Int, Width: 2}
	U32     = Type{Kind: Int, Width: 4}
	U64     = Type{Kind: Int, Width: 8}
	I64     = Type{Kind: Int, Width: 8, Signed: true}
	BoolT   = Type{Kind: Bool}
	IP4T    = Type{Kind: IP4}
	IP6T    = Type{Kind: IP6}
	IPT     = Type{Kind: IP}
	MACT    = Type{Kind: MAC}
	VerdT   = Type{Kind: Verdict}
	PacketT = Type{Kind: Packet}
)

// Equal reports whether t and u are the same type. Whether people see octets as text
// makes no other type of them.
func (t Type) Equal(u Type) bool {
	if t.Kind != u.Kind || t.Width != u.Width || t.Signed != u.Signed || t.Big != u.Big || t.Header != u.Header || t.Route != u.Route || t.Inner != u.Inner || t.Frame != u.Frame ||
		len(t.Elems) != len(u.Elems) || len(t.Names) != len(u.Names) {
		return false
	}
	for i := range t.Elems {
		if !t.Elems[i].Equal(u.Elems[i]) {
			return false
		}
	}
	for i := range t.Names {
		if t.Names[i] != u.Names[i] {
			return false
		}
	}
	return true
}

// String returns the type as people write it: u16, (ip4, u16),
// record(a = u32, b = ip4), header tcp.
func (t Type) String() string {
	switch t.Kind {
	case Int:
		return intName(t)
	case Octets:
		if t.Text {
			return "text(" + itoa(t.Width) + ")"
		}
		return "octets(" + itoa(t.Width) + ")"
	case View:
		return "header " + t.within() + t.Header.String()
	case Tuple:
		var s []string
		for _, e := range t.Elems {
			s = append(s, e.String())
		}
		return "(" + strings.Join(s, ", ") + ")"
	case Record:
		if t.Route {
			return "route"
		}
		return "record(" + t.fields() + ")"
	case Span:
		if t.Laid() {
			over := ""
			if t.Frame {
				over = " over the frame"
			}
			return "header(" + t.fields() + ")" + over
		}
	}
	if t.Inner {
		return t.Kind.String() + " inside"
	}
	return t.Kind.String()
}

// within is what stands before the name of a header of the packet inside.
func (t Type) within() string {
	if t.Inner {
		return "inner."
	}
	return ""
}

func (t Type) fields() string {
	var s []string
	for i, e := range t.Elems {
		s = append(s, t.Names[i]+" = "+e.String())
	}
	return strings.Join(s, ", ")
}

func intName(t Type) string {
	c := "u"
	switch {
	case t.Signed:
		c = "i"
	case t.Big:
		c = "be"
	}
	return c + itoa(8*t.Width)
}

// Stored reports whether values of the type can be kept in maps.
func (t Type) Stored() bool { return t.Kind > None && t.Kind < Verdict }

// Size returns the octets that a stored value takes, padding at its end
// included; 0 for what cannot be stored. An lpm's key type has the size of the
// kernel's trie key: four octets of prefix length, then the address (with four
// octets for the family before it where there are two, see [PutFamily]).
func (t Type) Size() int {
	switch t.Kind {
	case Int, Octets:
		return t.Width
	case Bool:
		return 1
	case IP4:
		return 4
	case IP6, IP:
		return 16
	case MAC:
		return 6
	case Prefix4:
		return 8
	case Prefix6:
		return 20
	case Prefix:
		return 24
	case Tuple, Record:
		n, _ := t.layout(-1)
		return n
	}
	return 0
}

// Align returns the alignment of a stored value in octets. It is chosen so that
// the values can be reached with the widest loads that they take.
func (t Type) Align() int {
	switch t.Kind {
	case Int:
		return t.Width
	case IP4, MAC, Prefix4, Prefix6, Prefix:
		return 4
	case IP6, IP, Octets:
		return 8
	case Tuple, Record:
		a := 1
		for _, e := range t.Elems {
			a = max(a, e.Align())
		}
		return a
	}
	return 1
}

// Offset returns where element i of a tuple or record begins, in octets.
func (t Type) Offset(i int) int {
	_, off := t.layout(i)
	return off
}

func (t Type) layout(want int) (size, off int) {
	n := 0
	for i, e := range t.Elems {
		n = alignUp(n, e.Align())
		if i == want {
			off = n
		}
		n += e.Size()
	}
	return alignUp(n, t.Align()), off
}

// Laid reports whether t is a header of the chain's own, laid over bytes: a Span
// whose fields lie one behind the other, as on the wire.
func (t Type) Laid() bool { return t.Kind == Span && len(t.Names) > 0 }

// WireOffset returns where field i of a header of the chain's own begins, in
// octets; of the number of its fields, how many octets it has.
func (t Type) WireOffset(i int) int {
	n := 0
	for _, e := range t.Elems[:i] {
		n += e.Size()
	}
	return n
}

// Field returns the index of the field of that name, or -1.
func (t Type) Field(name string) int {
	for i, n := range t.Names {
		if n == name {
			return i
		}
	}
	return -1
}

func alignUp(n, a int) int { return (n + a - 1) / a * a }

func itoa(n int) string { return strconv.Itoa(n) }
