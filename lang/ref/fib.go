package ref

import (
	"fmt"
	"net/netip"

	"go.starlark.net/starlark"
)

// A FIBQuery is what a chain asks of the kernel's routing table.
type FIBQuery struct {
	Dst, Src     netip.Addr // Src is not valid if it is not known, or of the other family
	Proto        uint8
	Sport, Dport uint16
	DSCP         uint8
	Flow         uint32
	Len          uint16 // from the IP header on; 1 if it is of no matter
}

// A FIBRoute is what the kernel says: the fields of what fib() gives.
type FIBRoute struct {
	Why        uint8
	MTU        uint16
	IfIndex    uint32
	Gateway    netip.Addr
	SMAC, DMAC [6]byte
}

// whys are the attributes of fib, by BPF_FIB_LKUP_RET_ of linux/bpf.h.
var whys = map[string]int{
	"BLACKHOLE": 1, "UNREACHABLE": 2, "PROHIBIT": 3, "NOT_FWDED": 4, "FWD_DISABLED": 5, "UNSUPP_LWT": 6,
	"NO_NEIGH": 7, "FRAG_NEEDED": 8, "NO_ANSWER": 255,
}

// fibBuiltin is fib: it is called, and has the names of what r.why says.
type fibBuiltin struct{ opaque }

func (fibBuiltin) String() string { return "fib" }
func (fibBuiltin) Type() string   { return "builtin" }

// Attr is fib.NO_NEIGH and its like.
func (fibBuiltin) Attr(name string) (starlark.Value, error) {
	n, ok := whys[name]
	if !ok {
		return nil, fmt.Errorf("fib has no %s", name)
	}
	return starlark.MakeInt(n), nil
}

// AttrNames is part of starlark.HasAttrs.
func (fibBuiltin) AttrNames() []string { return nil }

// routeType is the type of what fib() gives.
var routeType = func() *recordType {
	width := func(bits int) *scalar { return &scalar{name: fmt.Sprint("u", bits), bits: bits} }
	return &recordType{
		names: []string{"why", "mtu", "ifindex", "gateway", "smac", "dmac"},
		types: []typ{width(8), width(16), width(32), typeIP, typeMAC, typeMAC},
	}
}()

// fib asks for the way of a packet, or to an address.
func (e *evaluator) fib(args []value, named map[string]value) value {
	at := func(i int, word string) value {
		if i < len(args) {
			return args[i]
		}
		return named[word]
	}
	q, ask := FIBQuery{}, true
	if p, ok := at(0, "dst").(*packet); ok {
		q, ask = p.fibQuery()
	} else {
		q.Dst, q.Len = addrOf(at(0, "dst")), fibLength(at(2, "len"))
		if src := at(1, "src"); src != nil {
			q.Src = addrOf(src)
		}
	}
	if q.Src.Is4() != q.Dst.Is4() {
		q.Src = netip.Addr{}
	}
	r := FIBRoute{Why: uint8(whys["NOT_FWDED"])}
	if ask && e.opts.FIB != nil {
		r = e.opts.FIB(q)
	}
	return r.value()
}

// value is the route as a chain sees it.
func (r FIBRoute) value() value {
	out := routeType.zero().(*recordObj)
	out.absent = false
	out.vals[0], out.vals[1], out.vals[2] = unsigned(uint64(r.Why)), unsigned(uint64(r.MTU)), unsigned(uint64(r.IfIndex))
	if r.Gateway.IsValid() {
		out.vals[3] = ipVal(r.Gateway.As16())
	}
	out.vals[4], out.vals[5] = macVal(r.SMAC), macVal(r.DMAC)
	return out
}

// fibQuery is what the packet itself asks for; it does not ask without an IP
// header.
func (p *packet) fibQuery() (q FIBQuery, ask bool) {
	number := func(header, field string) uint64 { return needNum(attr(p.attr(header), field), field).bits }
	if !present(p.attr("ip")) {
		return q, false
	}
	q = FIBQuery{
		Dst: addrOf(attr(p.attr("ip"), "dst")), Src: addrOf(attr(p.attr("ip"), "src")),
		Proto: uint8(number("ip", "proto")), Sport: uint16(number("l4", "sport")), Dport: uint16(number("l4", "dport")),
		DSCP: uint8(number("ip", "dscp")), Flow: uint32(number("ip6", "flow")), Len: 1,
	}
	if needNum(p.attr("segments"), "segments").bits < 2 {
		q.Len = fibLength(attr(p.attr("ip"), "len"))
	}
	return q, true
}

// fibLength is a length as the kernel takes it.
func fibLength(v value) uint16 {
	if v == nil {
		return 1
	}
	return uint16(max(1, min(needNum(v, "len").bits, 0xffff)))
}

// addrOf is an address; a mapped one is IPv4.
func addrOf(v value) netip.Addr {
	a, ok := as128(v)
	if !ok {
		refuse("fib: want an address, not %s", v.Type())
	}
	return netip.AddrFrom16(a).Unmap()
}
