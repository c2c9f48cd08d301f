package random

import "fmt"

// Literals: the hosts of package frames, and some that no frame has.
var (
	hosts4 = []string{"192.0.2.1", "198.51.100.80", "192.0.2.53", "203.0.113.9", "10.1.2.3", "0.0.0.0", "255.255.255.255"}
	hosts6 = []string{"2001:db8::1", "2001:db8:0:80::80", "2001:db8::53", "2001:db8:ffff::9", "::", "2001:db8:1:2:3:4:5:6"}
	cards  = []string{"02:00:00:00:00:01", "02:00:00:00:00:02", "ff:ff:ff:ff:ff:ff", "0a:0b:0c:0d:0e:0f"}
	nets4  = []string{"10.0.0.0/8", "192.0.2.0/24", "192.0.2.0/26", "198.51.100.80/32", "203.0.113.0/25", "0.0.0.0/0", "128.0.0.0/1"}
	nets6  = []string{"2001:db8::/32", "2001:db8:0:80::/64", "2001:db8::53/128", "2001:db8:ffff::/48", "::/0", "2000::/3"}
)

func (g *gen) literal4() string { return fmt.Sprintf("ip4(%q)", pick(g, hosts4...)) }
func (g *gen) literal6() string { return fmt.Sprintf("ip6(%q)", pick(g, hosts6...)) }
func (g *gen) literalMAC() string {
	return fmt.Sprintf("mac(%q)", pick(g, cards...))
}
func (g *gen) literalIP() string {
	return fmt.Sprintf("ip(%q)", pick(g, append(append([]string{}, hosts4...), hosts6...)...))
}

// leaf grows a local, a field or a literal of a kind.
func (g *gen) leaf(k kind, literal func() string) string {
	v, ok := g.local(k, nil)
	f, fieldOK := g.recordField(k)
	return g.grow(
		rule{when(ok, 5), func() string { g.use("read local " + kindNames[k]); return v.String() }},
		rule{when(fieldOK, 3), func() string { g.use("record field"); return f }},
		rule{when(g.pkt, 6), func() string { return g.field(k) }},
		rule{2, func() string { g.use("literal " + kindNames[k]); return literal() }},
	)
}

var kindNames = map[kind]string{unsigned: "int", signed: "signed int", boolean: "bool", addr4: "ip4", addr6: "ip6",
	addr: "ip", hardware: "mac", chunk: "octets", verdict: "verdict", pair: "tuple", recs: "record", nothing: "nothing"}

func (g *gen) addr4Leaf() string { return g.leaf(addr4, g.literal4) }

func (g *gen) addr4(depth int) string {
	if depth <= 0 {
		return g.addr4Leaf()
	}
	d := depth - 1
	return g.grow(
		rule{6, g.addr4Leaf},
		rule{2, func() string { g.use("ip4(int)"); g.pay(2); return fmt.Sprintf("ip4(%s)", g.varied(d)) }},
		rule{1, func() string { g.use("ip4(ip)"); g.pay(4); return fmt.Sprintf("ip4(%s)", g.addr(0)) }},
		rule{1, func() string { return g.choice(g.addr4Leaf(), g.addr4(d), d) }},
		rule{1, func() string { return g.element(addr4, d) }},
		rule{2, func() string { return g.mapRead(addr4, d) }},
		rule{1, func() string { return g.callOf(addr4, d) }},
		rule{1, func() string { return g.mask(g.addr4Leaf(), 40) }},
	)
}

// mask grows the first bits of an address.
func (g *gen) mask(x string, most int) string {
	g.use("mask")
	g.pay(8)
	if g.one(2) {
		return fmt.Sprintf("mask(%s, %s)", x, g.varied(0))
	}
	return fmt.Sprintf("mask(%s, %d)", x, g.r.IntN(most-7))
}

func (g *gen) addr6(depth int) string {
	g.pay(2)
	leaf := func() string { return g.leaf(addr6, g.literal6) }
	if depth <= 0 {
		return leaf()
	}
	return g.grow(
		rule{6, leaf},
		rule{1, func() string { g.use("ip6(ip)"); g.pay(4); return fmt.Sprintf("ip6(%s)", g.addr(0)) }},
		rule{1, func() string { return g.choice(leaf(), leaf(), depth-1) }},
		rule{2, func() string { return g.mapRead(addr6, depth-1) }},
		rule{when(g.pkt, 1), g.segment},
	)
}

func (g *gen) addr(depth int) string {
	g.pay(2)
	leaf := func() string { return g.leaf(addr, g.literalIP) }
	if depth <= 0 {
		return leaf()
	}
	d := depth - 1
	return g.grow(
		rule{5, leaf},
		rule{1, func() string { g.use("ip(ip4)"); return fmt.Sprintf("ip(%s)", g.addr4Leaf()) }},
		rule{1, func() string { g.use("ip(ip6)"); return fmt.Sprintf("ip(%s)", g.addr6(0)) }},
		rule{1, func() string { return g.choice(leaf(), leaf(), d) }},
		rule{2, func() string { return g.mapRead(addr, d) }},
	)
}

func (g *gen) hardware(depth int) string {
	leaf := func() string { return g.leaf(hardware, g.literalMAC) }
	if depth <= 0 {
		return leaf()
	}
	return g.grow(
		rule{5, leaf},
		rule{1, func() string { g.use("mac(int)"); g.pay(2); return fmt.Sprintf("mac(%s)", g.varied(depth-1)) }},
		rule{1, func() string { return g.choice(leaf(), leaf(), depth-1) }},
		rule{2, func() string { return g.mapRead(hardware, depth-1) }},
	)
}

func (g *gen) verdict(depth int) string {
	v, ok := g.local(verdict, nil)
	named := func(name string) rule {
		return rule{2, func() string { g.use("verdict " + name); return name }}
	}
	rules := []rule{
		named("PASS"), {when(g.goesOn, 20), func() string { g.use("verdict PASS"); return "PASS" }}, named("ACCEPT"), named("DROP"), {when(!g.reads, 2), func() string { g.use("verdict TX"); return "TX" }},
		{4, func() string {
			g.use("verdict drop(reason)")
			return fmt.Sprintf("drop(%q)", pick(g, "a", "b", "c", "d"))
		}},
		{when(ok, 6), func() string { g.use("read local verdict"); return v.String() }},
		{when(!g.reads, 1), func() string { g.use("verdict redirect(name)"); return `redirect("lo")` }},
		{when(!g.reads, 1), func() string {
			g.use("verdict redirect(list)")
			g.pay(12)
			return pick(g, `redirect(["lo"])`, `redirect(["no1", "lo", "no2"])`, `redirect(("no1", "no2"))`)
		}},
		{when(g.xdp, 3), func() string {
			g.use("verdict redirect_cpu()")
			return fmt.Sprintf("redirect_cpu(%s & 3)", g.atom(g.varied(min(depth, 1))))
		}},
		{when(g.xdp, 3), func() string {
			g.use("verdict to_user()")
			return fmt.Sprintf("to_user(%s & 1)", g.atom(g.varied(min(depth, 1))))
		}},
		{when(!g.reads, 1), func() string { g.use("verdict reject()"); g.pay(100); return "reject()" }},
		{when(!g.reads, 1), func() string {
			g.use("verdict redirect(index)")
			return fmt.Sprintf("redirect(1 + (%s & 7))", g.varied(min(depth, 1)))
		}},
	}
	if depth > 0 {
		rules = append(rules,
			rule{2, func() string { return g.choice(g.verdict(depth-1), g.verdict(depth-1), depth-1) }},
			rule{2, func() string { return g.callOf(verdict, depth-1) }})
	}
	return g.grow(rules...)
}

// pair grows a tuple of two unsigned integers.
func (g *gen) pair(depth int) string {
	v, ok := g.local(pair, nil)
	return g.grow(
		rule{when(ok, 3), func() string { g.use("read local tuple"); return v.String() }},
		rule{4, func() string {
			g.use("tuple")
			return fmt.Sprintf("(%s, %s)", g.varied(depth-1), g.varied(depth-1))
		}},
		rule{when(depth > 0, 2), func() string { return g.callOf(pair, depth-1) }},
		rule{when(depth > 0, 2), func() string { return g.mapRead(pair, depth-1) }},
	)
}

// pairElement reads one of a tuple.
func (g *gen) pairElement() string {
	v, ok := g.local(pair, nil)
	if !ok {
		return g.unsignedLeaf()
	}
	g.use("tuple element")
	return fmt.Sprintf("%s[%d]", v, g.r.IntN(2))
}
