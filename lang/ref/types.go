package ref

import (
	"fmt"
	"math/big"
	"net"
	"net/netip"

	"go.starlark.net/starlark"
)

// typ is a type that maps, records and params store values in.
type typ interface {
	// zero is what an absent value reads as.
	zero() value
	// store is v as the type keeps it: the low bits of an integer, a copy
	// of a record.
	store(v value) (value, error)
	shape() shape
}

// scalar is a type of one value. At build time it is called as a constructor.
type scalar struct {
	opaque
	name   string
	bits   int // integers only
	signed bool
}

var (
	typeBool = &scalar{name: "bool"}
	typeIP4  = &scalar{name: "ip4"}
	typeIP6  = &scalar{name: "ip6"}
	typeIP   = &scalar{name: "ip"}
	typeMAC  = &scalar{name: "mac"}

	scalars = []*scalar{
		{name: "u8", bits: 8}, {name: "u16", bits: 16}, {name: "u32", bits: 32}, {name: "u64", bits: 64},
		{name: "i8", bits: 8, signed: true}, {name: "i16", bits: 16, signed: true},
		{name: "i32", bits: 32, signed: true}, {name: "i64", bits: 64, signed: true},
		typeBool, typeIP4, typeIP6, typeIP, typeMAC,
		{name: "prefix4"}, {name: "prefix6"}, {name: "prefix"},
	}
)

func (s *scalar) String() string        { return s.name }
func (s *scalar) Type() string          { return "type" }
func (s *scalar) Name() string          { return s.name }
func (s *scalar) Hash() (uint32, error) { return starlark.String(s.name).Hash() }
func (s *scalar) isInt() bool           { return s.bits != 0 }
func (s *scalar) shape() shape          { return shape{signed: s.signed} }
func (s *scalar) isPrefix() bool {
	return s.name == "prefix4" || s.name == "prefix6" || s.name == "prefix"
}

// CallInternal is the constructor at build time. Integers stay plain Starlark
// integers there: what is left of i8(200) is -56.
func (s *scalar) CallInternal(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(args) != 1 || len(kwargs) != 0 {
		return nil, fmt.Errorf("%s: want one argument", s.name)
	}
	if s == typeBool {
		return args[0].Truth(), nil
	}
	if n, ok := args[0].(starlark.Int); ok && s.isInt() {
		mask := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 64), big.NewInt(1))
		kept := s.keep(new(big.Int).And(n.BigInt(), mask).Uint64())
		if s.signed {
			return starlark.MakeInt64(int64(kept.bits)), nil
		}
		return starlark.MakeUint64(kept.bits), nil
	}
	v, err := s.construct(toPacket(args[0]))
	if n, ok := v.(num); ok {
		return starlark.MakeUint64(n.bits), err
	}
	return v, err
}

// keep is the low bits of an integer type, extended to 64 again.
func (s *scalar) keep(bits uint64) num {
	shift := 64 - s.bits
	if s.signed {
		return signed(int64(bits<<shift) >> shift)
	}
	return unsigned(bits << shift >> shift)
}

func (s *scalar) zero() value {
	switch {
	case s.isInt():
		return num{signed: s.signed}
	case s == typeBool:
		return starlark.False
	case s == typeIP4:
		return ip4Val{}
	case s == typeIP6:
		return ip6Val{}
	case s == typeIP:
		return ipVal{}
	case s == typeMAC:
		return macVal{}
	}
	return prefixVal{kind: s.name}
}

func (s *scalar) store(v value) (value, error) {
	n, isNum := asNum(v)
	switch {
	case s.isInt() && isNum:
		return s.keep(n.bits), nil
	case s == typeBool && isNum:
		return starlark.Bool(n.bits&1 != 0), nil
	case s == typeIP:
		if a, ok := as128(v); ok {
			return ipVal(a), nil
		}
	case s.isPrefix():
		if p, ok := v.(prefixVal); ok && (p.kind == s.name || s.name == "prefix") {
			p.kind = s.name
			return p, nil
		}
	case s.name == v.Type():
		return v, nil
	}
	return nil, fmt.Errorf("%s cannot be stored as %s", v.Type(), s.name)
}

// construct is the constructor: what may be stored, and texts and integers.
func (s *scalar) construct(v value) (value, error) {
	if text, ok := v.(starlark.String); ok {
		return s.parse(string(text))
	}
	switch a := v.(type) {
	case num:
		if s == typeIP4 {
			return ip4Of(uint32(a.bits)), nil
		}
		if s == typeMAC {
			return macOf(a.bits), nil
		}
		if s == typeBool {
			return starlark.Bool(a.bits != 0), nil
		}
	case ipVal:
		four, is4 := a.unmapped()
		switch {
		case s == typeIP4:
			return four, nil
		case s == typeIP6 && is4:
			return ip6Val{}, nil
		case s == typeIP6:
			return ip6Val(a), nil
		}
	case octets:
		switch {
		case s == typeBool:
			return starlark.Bool(present(v)), nil
		case s == typeIP4 && len(a.text) == 4:
			return ip4Val([]byte(a.text)), nil
		case s == typeIP6 && len(a.text) == 16:
			return ip6Val([]byte(a.text)), nil
		case s == typeMAC && len(a.text) == 6:
			return macVal([]byte(a.text)), nil
		}
	case *view, *inside, *connAddrs, *payload, *recordObj:
		if s == typeBool {
			return starlark.Bool(present(v)), nil
		}
	}
	return s.store(v)
}

func (s *scalar) parse(text string) (value, error) {
	bad := fmt.Errorf("%s(%q): not one", s.name, text)
	if s.isPrefix() {
		return s.parsePrefix(text)
	}
	if s == typeMAC {
		m, err := net.ParseMAC(text)
		if err != nil || len(m) != 6 {
			return nil, bad
		}
		return macVal(m), nil
	}
	a, err := netip.ParseAddr(text)
	switch {
	case err != nil || a.Zone() != "":
		return nil, bad
	case s == typeIP4 && a.Is4():
		return ip4Val(a.As4()), nil
	case s == typeIP6 && a.Is6():
		return ip6Val(a.As16()), nil
	case s == typeIP:
		return ipVal(a.As16()), nil
	}
	return nil, bad
}

// parsePrefix takes an address alone as the longest prefix.
func (s *scalar) parsePrefix(text string) (value, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		a, aerr := netip.ParseAddr(text)
		if aerr != nil {
			return nil, fmt.Errorf("%s(%q): not one", s.name, text)
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	if p != p.Masked() {
		return nil, fmt.Errorf("%s(%q): bits are set behind the prefix", s.name, text)
	}
	if s.name == "prefix4" && !p.Addr().Is4() || s.name == "prefix6" && p.Addr().Is4() {
		return nil, fmt.Errorf("%s(%q): of the other family", s.name, text)
	}
	bits := p.Bits()
	if p.Addr().Is4() {
		bits += 96
	}
	return prefixVal{kind: s.name, addr: p.Addr().As16(), bits: bits}, nil
}

// tupleType is the type of tuples: (ip4, u16).
type tupleType []typ

func (t tupleType) zero() value {
	out := make(starlark.Tuple, len(t))
	for i, e := range t {
		out[i] = e.zero()
	}
	return out
}

func (t tupleType) store(v value) (value, error) {
	in, ok := v.(starlark.Tuple)
	if !ok || len(in) != len(t) {
		return nil, fmt.Errorf("%s cannot be stored as a tuple of %d", v.Type(), len(t))
	}
	out := make(starlark.Tuple, len(t))
	for i, e := range t {
		var err error
		if out[i], err = e.store(in[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (t tupleType) shape() shape {
	s := shape{elems: make([]shape, len(t))}
	for i, e := range t {
		s.elems[i] = e.shape()
	}
	return s
}

// typeOf is the type that a build-time value names.
func typeOf(v starlark.Value) (typ, error) {
	switch v := v.(type) {
	case *scalar:
		return v, nil
	case *recordType:
		return v, nil
	case *octetsType:
		return v, nil
	case starlark.Tuple:
		var t tupleType
		for _, e := range v {
			et, err := typeOf(e)
			if err != nil {
				return nil, err
			}
			t = append(t, et)
		}
		return t, nil
	}
	return nil, fmt.Errorf("%s is no type", v)
}
