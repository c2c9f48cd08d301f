package check

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math/big"
	"net"
	"net/netip"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/diag"
	"weir/lang/value"
)

// A typeVal is a type at build time; called, it makes a value.
type typeVal struct {
	T value.Type
}

var _ starlark.Callable = (*typeVal)(nil)

func (t *typeVal) String() string        { return t.T.String() }
func (t *typeVal) Type() string          { return "type" }
func (t *typeVal) Freeze()               {}
func (t *typeVal) Truth() starlark.Bool  { return true }
func (t *typeVal) Hash() (uint32, error) { return hashOf([]byte(t.T.String())), nil }
func (t *typeVal) Name() string          { return t.T.String() }

func (t *typeVal) CompareSameType(op syntax.Token, y starlark.Value, _ int) (bool, error) {
	return equalOnly(op, "types", t.T.Equal(y.(*typeVal).T))
}

// CallInternal makes a value of the type from one argument.
func (t *typeVal) CallInternal(th *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if t.T.Kind == value.Record {
		return newRecordVal(t, args, kwargs)
	}
	if t.T.Kind == value.Octets && len(args) > 1 && len(kwargs) == 0 {
		return octetsOfInts(t.T, args)
	}
	if len(args) != 1 || len(kwargs) > 0 {
		return nil, fault("type", "write "+example(t.T), "%s takes one value", t.T)
	}
	if b, ok := th.Local(builderKey).(*builder); ok && lacksLength(t.T, args[0]) {
		b.diags = append(b.diags, diag.Diagnostic{Pos: callerPos(th), Code: "prefix", Message: lengthMessage(args[0]), Hint: lengthHint, Warning: true})
	}
	return makeValue(t.T, args[0])
}

// example shows how a value of a type is written.
func example(t value.Type) string {
	switch t.Kind {
	case value.IP4:
		return `ip4("192.0.2.1")`
	case value.IP6:
		return `ip6("2001:db8::1")`
	case value.IP:
		return `ip("192.0.2.1")`
	case value.MAC:
		return `mac("02:00:00:00:00:01")`
	case value.Prefix4:
		return `prefix4("10.0.0.0/8")`
	case value.Prefix6:
		return `prefix6("2001:db8::/32")`
	case value.Prefix:
		return `prefix("10.0.0.0/8")`
	case value.Bool:
		return "bool(1)"
	case value.Octets:
		return starlark.Bytes(strings.Repeat("\x00", t.Width)).String()
	}
	return t.String() + "(1)"
}

// makeValue converts a build-time value to a type.
func makeValue(t value.Type, x starlark.Value) (starlark.Value, error) {
	if p, ok := x.(*paramVal); ok {
		return nil, p.noValue()
	}
	switch t.Kind {
	case value.Int:
		return makeInt(t, x)
	case value.Bool:
		return x.Truth(), nil
	case value.IP4, value.IP6, value.IP, value.MAC:
		return makeAddr(t.Kind, x)
	case value.Prefix4, value.Prefix6, value.Prefix:
		return makePrefix(t.Kind, x)
	case value.Octets:
		if _, ok := x.(starlark.Int); ok {
			return octetsOfInts(t, starlark.Tuple{x})
		}
		return storeAs(t, x)
	}
	return nil, fmt.Errorf("%s makes no value", t)
}

func makeInt(t value.Type, x starlark.Value) (starlark.Value, error) {
	switch x := x.(type) {
	case starlark.Bool:
		if x {
			return starlark.MakeInt(1), nil
		}
		return starlark.MakeInt(0), nil
	case starlark.Int:
		b := new(big.Int).And(x.BigInt(), new(big.Int).SetUint64(1<<(8*uint(t.Width))-1))
		bits := b.Uint64()
		if t.Signed {
			shift := 64 - 8*uint(t.Width)
			return starlark.MakeInt64(int64(bits<<shift) >> shift), nil
		}
		return starlark.MakeUint64(bits), nil
	case addrVal:
		if x.kind == value.IP4 {
			return nil, fault("type", "use the address's .int", "%s counts with integers, not with addresses", t)
		}
	case starlark.Float:
		return nil, fault("type", "there are no fractions at packet time: divide with //", "%s cannot hold the fraction %s", t, x)
	}
	return nil, fault("type", "write "+example(t), "%s is made of an integer, not of %s", t, describe(x))
}

// An addrVal is an address at build time: ip4, ip6, ip or mac. IPv4 is kept as
// ::ffff:a.b.c.d, so that ip compares with both.
type addrVal struct {
	kind value.Kind
	b    [16]byte
}

var _ starlark.HasAttrs = addrVal{}

func (a addrVal) octets() []byte {
	switch a.kind {
	case value.IP4:
		return append([]byte(nil), a.b[12:]...)
	case value.MAC:
		return append([]byte(nil), a.b[:6]...)
	}
	return append([]byte(nil), a.b[:]...)
}

func (a addrVal) addr() netip.Addr { return netip.AddrFrom16(a.b).Unmap() }

func (a addrVal) String() string {
	if a.kind == value.MAC {
		return net.HardwareAddr(a.b[:6]).String()
	}
	if a.kind == value.IP6 {
		return netip.AddrFrom16(a.b).String()
	}
	return a.addr().String()
}
func (a addrVal) Type() string          { return a.kind.String() }
func (a addrVal) Freeze()               {}
func (a addrVal) Truth() starlark.Bool  { return true }
func (a addrVal) Hash() (uint32, error) { return hashOf(a.b[:]), nil }

func (a addrVal) CompareSameType(op syntax.Token, y starlark.Value, _ int) (bool, error) {
	b := y.(addrVal)
	same := a.b == b.b && (a.kind == b.kind || a.kind == value.IP && b.kind != value.MAC || b.kind == value.IP && a.kind != value.MAC)
	return equalOnly(op, "addresses", same)
}

func (a addrVal) Attr(name string) (starlark.Value, error) {
	if name == "int" && a.kind == value.IP4 {
		return starlark.MakeUint64(uint64(a.b[12])<<24 | uint64(a.b[13])<<16 | uint64(a.b[14])<<8 | uint64(a.b[15])), nil
	}
	return nil, nil
}

func (a addrVal) AttrNames() []string {
	if a.kind == value.IP4 {
		return []string{"int"}
	}
	return nil
}

func addrOf(kind value.Kind, a netip.Addr) addrVal { return addrVal{kind: kind, b: a.As16()} }

func makeAddr(kind value.Kind, x starlark.Value) (starlark.Value, error) {
	t := value.Type{Kind: kind}
	switch x := x.(type) {
	case starlark.String:
		return parseAddr(t, string(x))
	case starlark.Int:
		n, ok := x.Uint64()
		if kind != value.IP4 {
			break
		}
		if !ok || n > 1<<32-1 {
			return nil, fault("type", "an IPv4 address has 32 bits", "%s does not fit an ip4", x)
		}
		return addrOf(kind, netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})), nil
	case addrVal:
		if x.kind == kind {
			return x, nil
		}
		if kind == value.IP && x.kind != value.MAC {
			return addrVal{value.IP, x.b}, nil
		}
		if x.kind == value.IP && kind == value.IP4 == x.addr().Is4() && kind != value.MAC {
			return addrVal{kind, x.b}, nil
		}
	}
	return nil, fault("type", "write "+example(t), "%s cannot be made of %s", t, describe(x))
}

func parseAddr(t value.Type, s string) (starlark.Value, error) {
	if t.Kind == value.MAC {
		m, err := net.ParseMAC(s)
		if err != nil || len(m) != 6 || !strings.Contains(s, ":") {
			return nil, fault("value", "write "+example(t), "%q is no MAC address", s)
		}
		a := addrVal{kind: value.MAC}
		copy(a.b[:], m)
		return a, nil
	}
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil && strings.Contains(s, "/"):
		return nil, fault("value", fmt.Sprintf("write prefix%s(%q)", strings.TrimPrefix(t.Kind.String(), "ip"), s), "%q is a prefix, not an address", s)
	case err != nil || a.Zone() != "":
		return nil, fault("value", "write "+example(t), "%q is no address", s)
	case t.Kind == value.IP4 && !a.Is4():
		return nil, fault("value", fmt.Sprintf("write ip6(%q), or ip(%q) for either family", s, s), "%q is an IPv6 address", s)
	case t.Kind == value.IP6 && a.Is4():
		return nil, fault("value", fmt.Sprintf("write ip4(%q), or ip(%q) for either family", s, s), "%q is an IPv4 address", s)
	}
	return addrOf(t.Kind, a), nil
}

// A prefixVal is a prefix at build time. IPv4 is kept mapped, bits are those of
// its own family.
type prefixVal struct {
	kind value.Kind
	b    [16]byte
	bits int
	v4   bool
}

func (p prefixVal) addr() netip.Addr {
	a := netip.AddrFrom16(p.b)
	if p.v4 {
		a = a.Unmap()
	}
	return a
}
func (p prefixVal) String() string        { return netip.PrefixFrom(p.addr(), p.bits).String() }
func (p prefixVal) Type() string          { return p.kind.String() }
func (p prefixVal) Freeze()               {}
func (p prefixVal) Truth() starlark.Bool  { return true }
func (p prefixVal) Hash() (uint32, error) { return hashOf(append(p.b[:], byte(p.bits))), nil }

func (p prefixVal) CompareSameType(op syntax.Token, y starlark.Value, _ int) (bool, error) {
	q := y.(prefixVal)
	return equalOnly(op, "prefixes", p.b == q.b && p.bits == q.bits && p.v4 == q.v4)
}

// Has tells whether an address lies in the prefix.
func (p prefixVal) Has(x starlark.Value) (bool, error) {
	a, ok := x.(addrVal)
	if !ok || a.kind == value.MAC {
		return false, fault("type", "only an address lies in a prefix", "%s in %s is not possible", describe(x), p.kind)
	}
	isV4 := a.kind == value.IP4 || a.kind == value.IP && a.addr().Is4()
	if isV4 != p.v4 {
		return false, nil
	}
	addr := netip.AddrFrom16(a.b)
	if isV4 {
		addr = addr.Unmap()
	}
	return netip.PrefixFrom(p.addr(), p.bits).Contains(addr), nil
}

// value returns the prefix as the tree has it.
func (p prefixVal) value() PrefixValue {
	if p.v4 {
		a := p.addr().As4()
		return PrefixValue{Octets: a[:], Bits: p.bits}
	}
	return PrefixValue{Octets: append([]byte(nil), p.b[:]...), Bits: p.bits}
}

func makePrefix(kind value.Kind, x starlark.Value) (starlark.Value, error) {
	t := value.Type{Kind: kind}
	var pre netip.Prefix
	switch x := x.(type) {
	case starlark.String:
		p, err := netip.ParsePrefix(string(x))
		if err != nil {
			a, aerr := netip.ParseAddr(string(x))
			if aerr != nil || a.Zone() != "" {
				return nil, fault("value", "write "+example(t), "%q is no prefix", string(x))
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		if p != p.Masked() {
			return nil, fault("value", fmt.Sprintf("write %s(%q)", t, p.Masked()), "%q has bits set behind its prefix length", string(x))
		}
		pre = p
	case prefixVal:
		pre = netip.PrefixFrom(x.addr(), x.bits)
	case addrVal:
		if x.kind == value.MAC {
			return nil, fault("type", "write "+example(t), "%s cannot be made of a mac", t)
		}
		a := x.addr()
		if x.kind == value.IP6 {
			a = netip.AddrFrom16(x.b)
		}
		pre = netip.PrefixFrom(a, a.BitLen())
	default:
		return nil, fault("type", "write "+example(t), "%s cannot be made of %s", t, describe(x))
	}
	v4 := pre.Addr().Is4()
	if kind == value.Prefix4 && !v4 || kind == value.Prefix6 && v4 {
		return nil, fault("value", "prefix4 is for IPv4, prefix6 for IPv6, prefix for either", "%s is not of the family of %s", pre, t)
	}
	return prefixVal{kind: kind, b: pre.Addr().As16(), bits: pre.Bits(), v4: v4}, nil
}

// A Typed is a value of a script's own that stands for a type, too.
type Typed interface {
	starlark.Value
	ChainType() (value.Type, error)
}

// typeOf reads a value that stands for a type: u32, or a tuple of types.
func typeOf(v starlark.Value) (value.Type, error) {
	switch v := v.(type) {
	case *typeVal:
		return v.T, nil
	case Typed:
		return v.ChainType()
	case starlark.Tuple:
		t := value.Type{Kind: value.Tuple}
		for _, e := range v {
			et, err := typeOf(e)
			if err != nil {
				return t, err
			}
			t.Elems = append(t.Elems, et)
		}
		if len(t.Elems) == 0 {
			return t, errors.New("an empty tuple is no type")
		}
		return t, nil
	case *starlark.Builtin:
		switch v.Name() {
		case "int":
			return value.Type{}, fault("type", "say how wide: u8, u16, u32, u64, or i8 … i64 if it can be negative", "int is no type that can be stored")
		case "bytes", "octets":
			return value.Type{}, fault("type", "say how many: octets(4)", "%s is no type that can be stored", v.Name())
		case "str":
			return value.Type{}, fault("type", "give it a number, and keep the text where the numbers are read; or octets(n) for n bytes", "%s is no type that can be stored", v.Name())
		}
	}
	return value.Type{}, fault("type", "types are u8 … i64, bool, ip4, ip6, ip, mac, octets(n), records and tuples of them", "%s is no type", describe(v))
}

// equalOnly answers == and != and refuses the other comparisons.
func equalOnly(op syntax.Token, what string, same bool) (bool, error) {
	switch op {
	case syntax.EQL:
		return same, nil
	case syntax.NEQ:
		return !same, nil
	}
	return false, fault("type", "compare them with == and !=", "%s have no order", what)
}

func hashOf(b []byte) uint32 {
	h := fnv.New32a()
	h.Write(b)
	return h.Sum32()
}
