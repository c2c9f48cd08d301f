package ref

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"strconv"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// value is what an expression of packet time gives. Build-time values
// (lists, dicts, functions, strings) keep their Starlark types; bools and
// tuples are Starlark's at both times.
type value = starlark.Value

// opaque gives the methods of starlark.Value that no value here cares about.
type opaque struct{}

func (opaque) Freeze()               {}
func (opaque) Truth() starlark.Bool  { return true }
func (opaque) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable") }

// num is an integer of packet time: 64 bits, read as two's complement if
// signed.
type num struct {
	bits   uint64
	signed bool
}

func unsigned(n uint64) num { return num{bits: n} }
func signed(n int64) num    { return num{bits: uint64(n), signed: true} }

func (n num) String() string {
	if n.signed {
		return strconv.FormatInt(int64(n.bits), 10)
	}
	return strconv.FormatUint(n.bits, 10)
}
func (n num) Type() string          { return "int" }
func (n num) Freeze()               {}
func (n num) Truth() starlark.Bool  { return n.bits != 0 }
func (n num) Hash() (uint32, error) { return uint32(n.bits), nil }

// The addresses. Each is comparable, so that Starlark's == at build time and
// Go's == here mean the same.
type (
	ip4Val [4]byte
	ip6Val [16]byte
	// ipVal holds either family; an IPv4 address is held as
	// ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2).
	ipVal  [16]byte
	macVal [6]byte
)

func (a ip4Val) String() string { return netip.AddrFrom4(a).String() }
func (a ip6Val) String() string { return netip.AddrFrom16(a).String() }
func (a ipVal) String() string  { return netip.AddrFrom16(a).Unmap().String() }
func (a macVal) String() string { return net.HardwareAddr(a[:]).String() }

func (ip4Val) Type() string { return "ip4" }
func (ip6Val) Type() string { return "ip6" }
func (ipVal) Type() string  { return "ip" }
func (macVal) Type() string { return "mac" }

func (ip4Val) Freeze() {}
func (ip6Val) Freeze() {}
func (ipVal) Freeze()  {}
func (macVal) Freeze() {}

func (ip4Val) Truth() starlark.Bool { return true }
func (ip6Val) Truth() starlark.Bool { return true }
func (ipVal) Truth() starlark.Bool  { return true }
func (macVal) Truth() starlark.Bool { return true }

func (a ip4Val) Hash() (uint32, error) { return starlark.String(a[:]).Hash() }
func (a ip6Val) Hash() (uint32, error) { return starlark.String(a[:]).Hash() }
func (a ipVal) Hash() (uint32, error)  { return starlark.String(a[:]).Hash() }
func (a macVal) Hash() (uint32, error) { return starlark.String(a[:]).Hash() }

// Attr gives .int at build time.
func (a ip4Val) Attr(name string) (starlark.Value, error) {
	if name == "int" {
		return starlark.MakeUint64(uint64(a.uint32())), nil
	}
	return nil, nil
}

// AttrNames is part of starlark.HasAttrs.
func (a ip4Val) AttrNames() []string { return []string{"int"} }

// Attr gives .int at build time.
func (a macVal) Attr(name string) (starlark.Value, error) {
	if name == "int" {
		return starlark.MakeUint64(a.uint64()), nil
	}
	return nil, nil
}

// AttrNames is part of starlark.HasAttrs.
func (a macVal) AttrNames() []string { return []string{"int"} }

func (a macVal) uint64() uint64 { return binary.BigEndian.Uint64(append([]byte{0, 0}, a[:]...)) }

func macOf(n uint64) macVal { return macVal(binary.BigEndian.AppendUint64(nil, n)[2:]) }

func (a ip4Val) uint32() uint32 { return binary.BigEndian.Uint32(a[:]) }

func ip4Of(n uint32) (a ip4Val) {
	binary.BigEndian.PutUint32(a[:], n)
	return a
}

// mapped is the ip that holds an ip4.
func (a ip4Val) mapped() ipVal { return ipVal(netip.AddrFrom4(a).As16()) }

// unmapped is the IPv4 address that an ip holds, if it holds one.
func (a ipVal) unmapped() (ip4Val, bool) {
	u := netip.AddrFrom16(a).Unmap()
	if !u.Is4() {
		return ip4Val{}, false
	}
	return u.As4(), true
}

// as128 is the address in the form that an ip has.
func as128(v value) ([16]byte, bool) {
	switch a := v.(type) {
	case ip4Val:
		return a.mapped(), true
	case ip6Val:
		return a, true
	case ipVal:
		return a, true
	}
	return [16]byte{}, false
}

// prefixVal is an address prefix of type kind ("prefix4", "prefix6" or
// "prefix"). addr and bits are those of the 128-bit form: an IPv4 prefix is
// mapped, and 96 bits longer than written.
type prefixVal struct {
	kind string
	addr [16]byte
	bits int
}

func (p prefixVal) String() string {
	a := netip.AddrFrom16(p.addr)
	if p.is4() {
		return netip.PrefixFrom(a.Unmap(), p.bits-96).String()
	}
	return netip.PrefixFrom(a, p.bits).String()
}
func (p prefixVal) Type() string          { return p.kind }
func (p prefixVal) Freeze()               {}
func (p prefixVal) Truth() starlark.Bool  { return true }
func (p prefixVal) Hash() (uint32, error) { return starlark.String(p.String()).Hash() }

// Has is addr in prefix at build time.
func (p prefixVal) Has(v starlark.Value) (bool, error) {
	if _, ok := as128(v); !ok {
		return false, fmt.Errorf("%s in %s: want an address", v.Type(), p.kind)
	}
	return p.contains(v), nil
}

// contains says whether an address is in the prefix. One of the other family
// is not; an ip is of the family that it holds.
func (p prefixVal) contains(v value) bool {
	a, _ := as128(v)
	mapped := netip.AddrFrom16(a).Is4In6()
	if is4 := v.Type() == "ip4" || v.Type() == "ip" && mapped; is4 != p.is4() {
		return false
	}
	for i := range p.bits {
		if bitAt(a, i) != bitAt(p.addr, i) {
			return false
		}
	}
	return true
}

// is4 says whether the prefix is one of IPv4 addresses.
func (p prefixVal) is4() bool {
	return p.kind != "prefix6" && p.bits >= 96 && netip.AddrFrom16(p.addr).Is4In6()
}

// mask is an address of which all but the first bits are zero; an ip has as many as
// its family says.
func mask(v value, bits4, bits6 uint64) value {
	a, ok := as128(v)
	if !ok {
		refuse("mask: want an address, not %s", v.Type())
	}
	keep := min(bits6, 128)
	if _, six := v.(ip6Val); !six && netip.AddrFrom16(a).Is4In6() {
		keep = 96 + min(bits4, 32)
	}
	for i := keep; i < 128; i++ {
		a[i/8] &^= 0x80 >> (i % 8)
	}
	switch v.(type) {
	case ip4Val:
		return ip4Val(a[12:])
	case ip6Val:
		return ip6Val(a)
	}
	return ipVal(a)
}

func bitAt(a [16]byte, i int) byte { return a[i/8] >> (7 - i%8) & 1 }

// verdict is what an attached function returns. target is the interface of a
// redirect, or the queue of to_user.
type verdict struct {
	kind, reason string
	via          string // of a redirect: "" to an interface, "peer", "cpu", "group"
	target       uint32
	group        string // the interfaces of a redirect to several, with commas between
	socket       string // of to_socket
}

func (v verdict) String() string        { return v.kind }
func (v verdict) Type() string          { return "verdict" }
func (v verdict) Freeze()               {}
func (v verdict) Truth() starlark.Bool  { return true }
func (v verdict) Hash() (uint32, error) { return starlark.String(v.kind).Hash() }

// structVal is a module's object: struct(allow = f).
type structVal struct {
	opaque
	names []string
	vals  map[string]starlark.Value
}

func (s *structVal) String() string { return "struct" }
func (s *structVal) Type() string   { return "struct" }

// Attr is s.name at build time; at packet time it is the same.
func (s *structVal) Attr(name string) (starlark.Value, error) { return s.vals[name], nil }

// AttrNames is part of starlark.HasAttrs.
func (s *structVal) AttrNames() []string { return s.names }

// paramVal is a param. It has no value at build time; at packet time reading
// it gives the current one.
type paramVal struct {
	opaque
	typ     typ
	current value
}

func (p *paramVal) String() string { return "param" }
func (p *paramVal) Type() string   { return "param" }

// rangeVal is range(...) of packet time. turns is how many values it has.
type rangeVal struct {
	opaque
	start, step num
	turns       uint64
}

func (r rangeVal) String() string { return "range" }
func (r rangeVal) Type() string   { return "range" }

func (r rangeVal) at(i uint64) num {
	return num{bits: r.start.bits + i*r.step.bits, signed: r.start.signed}
}

func (r rangeVal) values(yield func(value) bool) {
	for i := range r.turns {
		if !yield(r.at(i)) {
			return
		}
	}
}

// has says whether one of the values is n.
func (r rangeVal) has(n num) bool {
	far, step := n.bits-r.start.bits, r.step.bits
	if r.step.signed && int64(step) < 0 {
		far, step = -far, -step
	}
	return far%step == 0 && far/step < r.turns
}

// newRange is range(start, stop, step) with at most most turns. It is signed
// if any of its arguments is.
func newRange(start, stop, step num, most uint64) rangeVal {
	if step.bits == 0 {
		refuse("range: the step is 0")
	}
	r := rangeVal{start: start, step: step}
	r.start.signed = start.signed || stop.signed || step.signed
	wide := func(n num) *big.Int {
		if r.start.signed {
			return big.NewInt(int64(n.bits))
		}
		return new(big.Int).SetUint64(n.bits)
	}
	far, by := new(big.Int).Sub(wide(stop), wide(start)), wide(step)
	if by.Sign() < 0 {
		far.Neg(far)
		by.Neg(by)
	}
	if far.Sign() > 0 {
		far.Add(far, by).Sub(far, big.NewInt(1)).Quo(far, by)
		r.turns = min(far.Uint64(), most)
	}
	return r
}

// Error is a refusal: something that the language does not allow or does not
// give a meaning to, with its place in the source.
type Error struct {
	Pos syntax.Position
	Msg string
}

// Error returns place: message.
func (e *Error) Error() string { return fmt.Sprintf("%s: %s", e.Pos, e.Msg) }
