package random

import (
	"fmt"
	"strings"
)

// move grows a move of the packet. It ends the headers that are kept in locals.
// Pushes are few and short, so that there is room before an XDP frame; and at
// traffic control nothing is trimmed that the kernel takes for headers, which it
// does with what was pushed.
func (g *gen) move() {
	g.shifts--
	g.changes()
	g.pay(60)
	call := g.grow(
		rule{3, func() string { g.use("pkt.vlan_pop"); return "vlan_pop()" }},
		rule{2, func() string {
			g.use("pkt.vlan_push")
			return fmt.Sprintf("vlan_push(%s, prio = %s)", g.varied(1), g.varied(0))
		}},
		rule{1, func() string { g.use("pkt.vlan_push"); return fmt.Sprintf("vlan_push(%d)", g.r.IntN(4096)) }},
		rule{2, func() string { g.use("pkt.push"); g.pushed = true; return fmt.Sprintf("push(%s)", g.few()) }},
		rule{2, func() string { g.use("pkt.pop"); return fmt.Sprintf("pop(%s)", g.few()) }},
		rule{2, func() string { g.use("pkt.encap"); g.pushed = true; return g.encap() }},
		rule{2, func() string { g.use("pkt.decap"); g.pushed = true; return "decap()" }},
		rule{when(!g.pushed, 2), func() string { g.use("pkt.trim"); return fmt.Sprintf("trim(%s)", g.few()) }},
	)
	for i := range g.vars {
		if g.vars[i].kind == views {
			g.vars[i].kind = nothing
		}
	}
	switch g.r.IntN(3) {
	case 0:
		name := g.name("v")
		g.line("%s = pkt.%s", name, call)
		g.enter(variable{name: name, kind: boolean})
	case 1:
		g.use("move in condition")
		g.line("if not pkt.%s:", call)
		g.block(g.count)
	default:
		g.line("pkt.%s", call)
	}
}

// clone sends a copy of the packet to lo, or to an interface that nobody has.
func (g *gen) clone() {
	g.clones--
	g.changes()
	g.use("clone")
	g.pay(12)
	to := pick(g, "1", `"lo"`, fmt.Sprintf("4096 + (%s & 7)", purely(g, func() string { return g.varied(1) })))
	if g.one(2) {
		name := g.name("v")
		g.line("%s = clone(%s)", name, to)
		g.enter(variable{name: name, kind: boolean})
		return
	}
	g.line("clone(%s)", to)
}

// encap grows a tunnel to put the packet into.
func (g *gen) encap() string {
	ends := pick(g, `src = ip4("192.0.2.11"), dst = ip4("198.51.100.22")`, `src = pkt.ip4.dst, dst = ip4("198.51.100.22")`,
		`src = ip6("2001:db8::11"), dst = ip6("2001:db8::22")`, `src = ip6("2001:db8::11"), dst = ip6("2001:db8::22"), sum = False`)
	kind := pick(g, "ipip", "gre", "gue", "vxlan", "geneve", "srv6")
	switch kind {
	case "ipip", "gre":
		ends = strings.TrimSuffix(ends, ", sum = False")
	case "vxlan", "geneve":
		ends += fmt.Sprintf(", id = %s", g.varied(0))
	case "srv6":
		ends = `src = ip6("2001:db8::11"), segments = [ip6("2001:db8::22"), pkt.ip6.dst]`
	}
	g.use("encap " + kind)
	if g.one(3) {
		ends += fmt.Sprintf(", %s = %s", pick(g, "ttl", "dscp"), g.varied(0))
	}
	return fmt.Sprintf("encap(%q, %s)", kind, ends)
}

// few is a number of bytes from 0 to 31.
func (g *gen) few() string {
	if g.one(2) {
		return fmt.Sprint(g.r.IntN(24))
	}
	return fmt.Sprintf("(%s) & 31", g.varied(1))
}
