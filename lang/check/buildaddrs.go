package check

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/value"
)

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
	if name != "int" {
		return nil, nil
	}
	switch a.kind {
	case value.IP4:
		return starlark.MakeUint64(uint64(binary.BigEndian.Uint32(a.b[12:]))), nil
	case value.MAC:
		return starlark.MakeUint64(binary.BigEndian.Uint64(a.b[:]) >> 16), nil
	}
	return nil, nil
}

func (a addrVal) AttrNames() []string {
	if a.kind == value.IP4 || a.kind == value.MAC {
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
		if kind != value.IP4 && kind != value.MAC {
			break
		}
		return addrOfInt(kind, x)
	case addrVal:
		if x.kind == kind {
			return x, nil
		}
		if kind == value.IP && x.kind != value.MAC {
			return addrVal{value.IP, x.b}, nil
		}
		if x.kind == value.IP && kind != value.MAC {
			return x.of(kind), nil
		}
	}
	return nil, fault("type", "write "+example(t), "%s cannot be made of %s", t, describe(x))
}

// of is the address of one family that an ip holds, zero if it holds one of the other.
func (a addrVal) of(kind value.Kind) addrVal {
	if kind == value.IP4 == a.addr().Is4() {
		return addrVal{kind, a.b}
	}
	if kind == value.IP4 {
		return addrOf(kind, netip.IPv4Unspecified())
	}
	return addrVal{kind: kind}
}

// addrOfInt makes an ip4 or a mac of an integer that fits it.
func addrOfInt(kind value.Kind, x starlark.Int) (starlark.Value, error) {
	n, ok := x.Uint64()
	a := addrVal{kind: kind}
	switch {
	case kind == value.MAC && ok && n < 1<<48:
		binary.BigEndian.PutUint64(a.b[:], n<<16)
		return a, nil
	case kind == value.MAC:
		return nil, fault("type", "a MAC address has 48 bits", "%s does not fit a mac", x)
	case !ok || n > 1<<32-1:
		return nil, fault("type", "an IPv4 address has 32 bits", "%s does not fit an ip4", x)
	}
	return addrOf(kind, netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, uint32(n))))), nil
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
