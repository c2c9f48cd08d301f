package check

import (
	"slices"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/value"
)

// A TunnelKind is a kind of tunnel that packets are put into.
type TunnelKind uint8

// Kinds of tunnels. VXLAN and Geneve carry the whole frame, the others the packet from
// its IP header on.
const (
	IPIP   TunnelKind = iota // either family of IP in either
	GRE                      // RFC 2784, with a key RFC 2890
	GUE                      // draft-ietf-intarea-gue, variant 0, or 1: IP directly over UDP
	VXLAN                    // RFC 7348
	Geneve                   // RFC 8926
	SRv6                     // RFC 8986, H.Encaps
)

var tunnelNames = [...]string{"ipip", "gre", "gue", "vxlan", "geneve", "srv6"}

// String returns the kind as chains write it.
func (k TunnelKind) String() string { return tunnelNames[k] }

// UDP reports whether the tunnel is one over UDP.
func (k TunnelKind) UDP() bool { return k == GUE || k == VXLAN || k == Geneve }

// Frames reports whether the whole frame goes into the tunnel.
func (k TunnelKind) Frames() bool { return k == VXLAN || k == Geneve }

// A Tunnel is what pkt.encap() puts a packet into, as far as it is known before
// packets come. The rest is in Move.Args.
type Tunnel struct {
	Kind   TunnelKind
	V6     bool // the outer header is IPv6
	Direct bool // variant 1 of GUE
	Sum    bool // with a UDP checksum, over IPv6
}

// What Move.Args holds of an Encap, nil for what is not given. Segments, in the order
// of the way, stand behind them.
const (
	TunnelSrc   = iota
	TunnelDst   // nil of SRv6: the first segment
	TunnelTTL   // nil: 64
	TunnelDSCP  // nil: that of the packet
	TunnelID    // the network; of GRE the key, nil: there is none
	TunnelSport // nil: by the flow
	TunnelDport // nil: that of the kind
	TunnelSegments
)

// MaxSegments is how many segments pkt.encap("srv6") puts on at most: an XDP frame has
// room before it for these.
const MaxSegments = 8

// tunnelArgs are the arguments of each kind behind the first, and how many of them it
// must have.
var tunnelArgs = [...]struct {
	names    []string
	required int
}{
	IPIP:   {[]string{"src", "dst", "ttl", "dscp"}, 2},
	GRE:    {[]string{"src", "dst", "key", "ttl", "dscp"}, 2},
	GUE:    {[]string{"src", "dst", "variant", "sport", "dport", "ttl", "dscp", "sum"}, 2},
	VXLAN:  {[]string{"src", "dst", "id", "sport", "dport", "ttl", "dscp", "sum"}, 3},
	Geneve: {[]string{"src", "dst", "id", "sport", "dport", "ttl", "dscp", "sum"}, 3},
	SRv6:   {[]string{"src", "segments", "ttl", "dscp"}, 2},
}

// tunnelInts are the arguments that are integers, where they go and what fits.
var tunnelInts = map[string]struct {
	at   int
	most uint64
}{
	"ttl": {TunnelTTL, 255}, "dscp": {TunnelDSCP, 63}, "id": {TunnelID, 1<<24 - 1}, "key": {TunnelID, 1<<32 - 1},
	"sport": {TunnelSport, 65535}, "dport": {TunnelDport, 65535},
}

// encap is pkt.encap("vxlan", src = a, dst = b, id = 42).
func (p *pass) encap(e *syntax.CallExpr) operand {
	kind, ok := p.tunnelKind(e)
	if !ok {
		p.args(tupled(e))
		return operand{}
	}
	form := tunnelArgs[kind]
	names := append([]string{"kind"}, form.names...)
	args, ok := p.passArgs(tupled(e), "encap", names, 1, 1+form.required)
	if !ok {
		return operand{}
	}
	m := &Move{Base: Base{value.BoolT, at(e)}, Op: Encap, Args: make([]Expr, TunnelSegments), Tunnel: &Tunnel{Kind: kind, V6: kind == SRv6}}
	for i, a := range args {
		if a.e != nil && !p.tunnelArg(m, names[i], a) {
			return operand{}
		}
	}
	if kind.UDP() && args[len(args)-1].e == nil {
		m.Tunnel.Sum = m.Tunnel.V6
	}
	p.moved(moving{"encap() moved", false, at(e)})
	return run(m)
}

// tunnelKind is the first argument.
func (p *pass) tunnelKind(e *syntax.CallExpr) (TunnelKind, bool) {
	if len(e.Args) == 0 {
		p.errorf(e, "call", `write pkt.encap("vxlan", src = a, dst = b, id = 42)`, "encap() needs the kind of the tunnel")
		return 0, false
	}
	name, ok := p.try(e.Args[0]).v.(starlark.String)
	if !ok {
		p.errorf(e.Args[0], "type", `write pkt.encap("vxlan", src = a, dst = b, id = 42)`, "the kind of a tunnel is a string that is known at build time")
		return 0, false
	}
	i := slices.Index(tunnelNames[:], string(name))
	if i < 0 {
		p.errorf(e.Args[0], "name", didYouMean(string(name), "", tunnelNames[:]), "there is no tunnel of the kind %s", name)
	}
	return TunnelKind(i), i >= 0
}

// tupled is a call in which a list of segments is a tuple, whose elements may be
// computed.
func tupled(e *syntax.CallExpr) *syntax.CallExpr {
	c := *e
	c.Args = slices.Clone(e.Args)
	for i, a := range c.Args {
		b, ok := a.(*syntax.BinaryExpr)
		if !ok || b.Op != syntax.EQ {
			continue
		}
		if l, ok := b.Y.(*syntax.ListExpr); ok {
			n := *b
			n.Y = &syntax.TupleExpr{Lparen: l.Lbrack, List: l.List, Rparen: l.Rbrack}
			c.Args[i] = &n
		}
	}
	return &c
}

// tunnelArg takes one argument.
func (p *pass) tunnelArg(m *Move, name string, a passed) bool {
	switch name {
	case "kind":
		return true
	case "src", "dst":
		return p.tunnelAddress(m, name, a)
	case "segments":
		return p.tunnelSegments(m, a)
	case "variant":
		n, ok := p.constIndex(a.o)
		if !ok || n < 0 || n > 1 {
			p.errorf(a.e, "range", "write variant = 0, or 1 for IP directly over UDP", "variants of GUE are 0 and 1, known at build time")
			return false
		}
		m.Tunnel.Direct = n == 1
		return true
	case "sum":
		sum, ok := a.o.v.(starlark.Bool)
		switch {
		case !ok:
			p.errorf(a.e, "type", "write sum = False, or leave it out", "whether there is a UDP checksum is known at build time: True or False")
			return false
		case bool(sum) && !m.Tunnel.V6:
			p.errorf(a.e, "type", "leave it out", "a tunnel over IPv4 has no UDP checksum")
			return false
		}
		m.Tunnel.Sum = bool(sum)
		return true
	}
	to := tunnelInts[name]
	x := p.intValue(a.e, a.o, name+" of encap()")
	if x == nil {
		return false
	}
	if c, ok := x.(*Const); ok && (c.T.Signed && int64(c.Bits) < 0 || c.Bits > to.most) {
		p.errorf(a.e, "range", "it takes 0 to "+itoa(to.most), "%s does not fit %s of encap()", constInt(c), name)
		return false
	}
	m.Args[to.at] = x
	return true
}

// tunnelAddress takes src and dst, whose type is the family of the outer header.
func (p *pass) tunnelAddress(m *Move, name string, a passed) bool {
	x := p.value(a.e, a.o)
	if x == nil {
		return false
	}
	k := x.Type().Kind
	switch {
	case k == value.IP4 && m.Tunnel.Kind == SRv6:
		p.errorf(a.e, "type", "give it an ip6", "SRv6 goes over IPv6")
		return false
	case k != value.IP4 && k != value.IP6:
		p.errorf(a.e, "type", "give it an ip4 or an ip6: the outer header is of that family", "%s of encap() is an address, not %s", name, what(x.Type()))
		return false
	case name == "dst" && m.Args[TunnelSrc].Type().Kind != k:
		p.errorf(a.e, "type", "give both of one family", "src and dst of encap() are of two families")
		return false
	}
	m.Tunnel.V6 = k == value.IP6
	m.Args[map[string]int{"src": TunnelSrc, "dst": TunnelDst}[name]] = x
	return true
}

// tunnelSegments takes the list of segments.
func (p *pass) tunnelSegments(m *Move, a passed) bool {
	elems := []Expr{}
	x := Expr(nil)
	if l, ok := a.o.v.(starlark.Sequence); ok {
		for v := range starlark.Elements(l) {
			elems = append(elems, p.value(a.e, known(v)))
		}
	} else if x = p.value(a.e, a.o); x == nil {
		return false
	}
	switch x := x.(type) {
	case nil:
	case *TupleOf:
		elems = x.Elems
	default:
		elems = append(elems, x) // which is no list
	}
	for _, s := range elems {
		if s == nil || s.Type().Kind != value.IP6 {
			p.errorf(a.e, "type", `write segments = [ip6("2001:db8::1"), …], in the order of the way`, "the segments of encap() are a list of ip6")
			return false
		}
	}
	if len(elems) == 0 || len(elems) > MaxSegments {
		p.errorf(a.e, "range", "give it 1 to "+itoa(MaxSegments), "%d segments are not possible", len(elems))
		return false
	}
	m.Args = append(m.Args, elems...)
	return true
}
