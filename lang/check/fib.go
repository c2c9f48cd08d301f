package check

import (
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/value"
	"weir/packet"
)

// RouteT is the type of what fib() gives.
var RouteT = value.Type{
	Kind: value.Record, Route: true,
	Names: []string{"why", "mtu", "ifindex", "gateway", "smac", "dmac"},
	Elems: []value.Type{value.U8, value.U16, value.U32, value.IPT, value.MACT, value.MACT},
}

// docsOfRoute says what the fields are, for editors.
var docsOfRoute = map[string]string{
	"why": "0 if the packet goes there; else the reason why not, as fib.NO_NEIGH.", "mtu": "Bytes that an IP packet may have there.",
	"ifindex": "The interface that it leaves by.", "gateway": "The neighbour that gets it: a router, or the destination itself.",
	"smac": "The MAC address of the interface.", "dmac": "The MAC address of the neighbour.",
}

// Fields of a route, as indexes of RouteT.Names.
const (
	RouteWhy = iota
	RouteMTU
	RouteIfIndex
	RouteGateway
	RouteSource
	RouteNeighbour
)

// NotForwarded is the why of a packet that is not to be forwarded:
// BPF_FIB_LKUP_RET_NOT_FWDED of linux/bpf.h.
const NotForwarded = 4

// NoAnswer is the why of a question that the kernel did not take. It has no number
// of its own in the kernel.
const NoAnswer = 255

// reasons are the attributes of fib: what r.why says, by the kernel's names, which
// begin with BPF_FIB_LKUP_RET_ in linux/bpf.h.
var reasons = starlark.StringDict{
	"BLACKHOLE": starlark.MakeInt(1), "UNREACHABLE": starlark.MakeInt(2), "PROHIBIT": starlark.MakeInt(3),
	"NOT_FWDED": starlark.MakeInt(NotForwarded), "FWD_DISABLED": starlark.MakeInt(5), "UNSUPP_LWT": starlark.MakeInt(6),
	"NO_NEIGH": starlark.MakeInt(7), "FRAG_NEEDED": starlark.MakeInt(8), "NO_ANSWER": starlark.MakeInt(NoAnswer),
}

// Attr gives fib.NO_NEIGH and its like.
func (p *packetBuiltin) Attr(name string) (starlark.Value, error) {
	if p.name != "fib" || reasons[name] == nil {
		return nil, nil
	}
	return reasons[name], nil
}

// AttrNames is part of starlark.HasAttrs.
func (p *packetBuiltin) AttrNames() []string {
	if p.name != "fib" {
		return nil
	}
	return reasons.Keys()
}

// fibCall is fib(pkt), or fib(dst, src =, len =).
func (p *pass) fibCall(e *syntax.CallExpr) operand {
	if !p.c.b.opts.Hook.Info().Redirect {
		p.errorf(e, "hook", "attach the chain at "+hooksWith(func(i hookInfo) bool { return i.Redirect }), "fib() is not possible at %s", p.c.b.opts.Hook)
		p.args(e)
		return operand{}
	}
	args, ok := p.passArgs(e, "fib", []string{"dst", "src", "len"}, 2, 1)
	if !ok {
		return operand{}
	}
	if x := args[0].o.x; x != nil && x.Type().Kind == value.Packet && x.Type().Inner {
		p.errorf(args[0].e, "type", "give its address: fib(pkt.inner.ip.dst, src = pkt.inner.ip.src)", "fib() takes the packet or an address, not the packet inside")
		return operand{}
	} else if x != nil && x.Type().Kind == value.Packet {
		if args[1].e != nil || args[2].e != nil {
			p.errorf(e, "call", "write fib(pkt), or fib(dst, src = address, len = n)", "of a packet fib() knows all that it asks for")
			return operand{}
		}
		return run(p.fibOf(e))
	}
	f := &Fib{Base: Base{RouteT, at(e)}}
	if f.Dst = p.fibAddress(args[0], "fib() takes the packet or an address"); f.Dst == nil {
		return operand{}
	}
	f.Src = &Const{Base: Base{value.IPT, at(e)}, Octets: make([]byte, 16)}
	if args[1].e != nil {
		if f.Src = p.fibAddress(args[1], "src of fib() is an address"); f.Src == nil {
			return operand{}
		}
	}
	f.Len = intConst(0, false, at(e))
	if args[2].e != nil {
		if f.Len = p.intValue(args[2].e, args[2].o, "len of fib()"); f.Len == nil {
			return operand{}
		}
	}
	zero := intConst(0, false, at(e))
	f.Proto, f.Sport, f.Dport, f.Class = zero, zero, zero, zero
	return run(f)
}

// fibAddress gives an argument as an ip, or nil after an error.
func (p *pass) fibAddress(a passed, want string) Expr {
	x := p.value(a.e, a.o)
	if x == nil {
		return nil
	}
	if !isIP(x.Type().Kind) {
		p.errorf(a.e, "type", "write fib(pkt), or fib(ip4(\"192.0.2.1\"))", "%s, not %s", want, what(x.Type()))
		return nil
	}
	return p.coerce(x, value.IPT)
}

// fibOf asks for the way of the packet itself, by all that the kernel's rules look
// at. A packet that the kernel has merged is as long as the parts that it will send.
func (p *pass) fibOf(e *syntax.CallExpr) Expr {
	pos := at(e)
	field := func(h packet.Header, name string) Expr {
		f, _ := h.FieldOf(name)
		return &HeaderField{Base{storedAs(f), pos}, &Header{Base{value.Type{Kind: value.View, Header: h}, pos}}, f}
	}
	one := intConst(1, false, pos)
	merged := compareInts(Gt, &PacketField{Base{value.U32, pos}, "segments", false}, one, pos)
	return &Fib{
		Base:  Base{RouteT, pos},
		There: p.truthOf(&Header{Base{value.Type{Kind: value.View, Header: packet.IP}, pos}}),
		Dst:   field(packet.IP, "dst"), Src: field(packet.IP, "src"), Proto: field(packet.IP, "proto"),
		Sport: field(packet.L4, "sport"), Dport: field(packet.L4, "dport"),
		Class: &Binary{Base{value.U64, pos}, Or,
			&Binary{Base{value.U64, pos}, Shl, field(packet.IP, "dscp"), intConst(22, false, pos)}, field(packet.IP6, "flow")},
		Len: &Choose{Base{value.U64, pos}, merged, intConst(0, false, pos), field(packet.IP, "len")},
	}
}
