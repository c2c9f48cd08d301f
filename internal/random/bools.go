package random

import "fmt"

// condition grows what an if can test: a bool, or what is true when it is there
// or not zero.
func (g *gen) condition(depth int) string {
	v, view := g.local(views, nil)
	return g.grow(
		rule{6, func() string { return g.boolean(depth) }},
		rule{when(g.pkt, 3), func() string {
			if g.tunnel && g.one(3) {
				return g.inside()
			}
			h := g.anyHeader(conditionHeaders)
			g.use("condition pkt." + h)
			g.pay(4)
			return "pkt." + h
		}},
		rule{when(g.pkt, 1), func() string { g.use("condition option"); return g.option() }},
		rule{when(g.pkt, 1), g.thereOrNot},
		rule{when(g.pkt && g.room > 60, 1), g.filter},
		rule{when(view, 2), func() string { g.use("condition header in local"); return v.name }},
		rule{1, func() string { g.use("condition int"); return g.varied(min(depth, 1)) }},
	)
}

// boolean grows a bool.
func (g *gen) boolean(depth int) string {
	if depth <= 0 || g.room <= 0 {
		return g.booleanLeaf()
	}
	d := depth - 1
	return g.grow(
		rule{3, g.booleanLeaf},
		rule{8, func() string { return g.compared(d) }},
		rule{3, func() string { return g.equal(d) }},
		rule{4, func() string { return g.member(d) }},
		rule{2, func() string { g.use("not"); return fmt.Sprintf("(not %s)", g.condition(d)) }},
		rule{3, func() string {
			op := pick(g, "and", "or")
			g.use(op)
			return fmt.Sprintf("(%s %s %s)", g.condition(d), op, g.condition(d))
		}},
		rule{1, func() string { return g.choice(g.boolean(d), g.boolean(d), d) }},
		rule{2, func() string { return g.mapRead(boolean, d) }},
		rule{2, func() string { return g.mapHas(d) }},
		rule{2, func() string { return g.callOf(boolean, d) }},
		rule{1, func() string { return g.element(boolean, d) }},
		rule{when(g.pkt, 1), func() string { return g.search("contains") }},
	)
}

func (g *gen) booleanLeaf() string {
	v, ok := g.local(boolean, nil)
	f, fieldOK := g.recordField(boolean)
	return g.grow(
		rule{when(ok, 5), func() string { g.use("read local bool"); return v.String() }},
		rule{when(fieldOK, 2), func() string { g.use("record field"); return f }},
		rule{when(g.pkt, 5), func() string { return g.field(boolean) }},
		rule{when(g.pkt, 2), g.startsWith},
		rule{2, func() string {
			g.use("cmp ==")
			g.pay(2)
			return fmt.Sprintf("(%s == %s)", g.unsignedLeaf(), g.number())
		}},
		rule{1, func() string { return g.param(boolean) }},
		rule{1, func() string { g.use("sample"); return pick(g, "sample(1)", "sample(0)") }},
		rule{1, func() string { g.use("literal bool"); return pick(g, "True", "False") }},
	)
}

// compared grows a comparison of integers of any signs.
func (g *gen) compared(depth int) string {
	op := pick(g, "==", "!=", "<", "<=", ">", ">=")
	g.use("cmp " + op)
	g.pay(2)
	x, y := "", ""
	switch g.r.IntN(6) {
	case 0:
		g.use("cmp signed")
		x, y = g.signed(depth), g.signed(depth)
	case 1:
		g.use("cmp mixed")
		x, y = g.signed(depth), g.varied(depth)
	case 2:
		g.use("cmp mixed")
		x, y = g.varied(depth), g.signed(depth)
	case 3:
		g.use("cmp negative constant")
		x, y = pick(g, g.varied(depth), g.signed(depth)), g.negative()
	default:
		x, y = g.varied(depth), g.unsigned(depth)
	}
	return fmt.Sprintf("(%s %s %s)", x, op, y)
}

// equal grows == or != of two values that are no integers.
func (g *gen) equal(depth int) string {
	op := pick(g, "==", "!=")
	k := pick(g, addr4, addr4, addr6, addr, hardware, chunk, verdict, boolean, pair)
	g.use("equal " + kindNames[k])
	g.pay(4)
	y := ""
	if k == addr {
		g.use("equal ip with one family")
		y = pick(g, g.addr4Leaf(), g.addr6(0), g.addr(0))
	} else {
		y = g.expr(k, min(depth, 1))
	}
	return fmt.Sprintf("(%s %s %s)", g.expr(k, min(depth, 1)), op, y)
}

// member grows a test against lists and prefixes known at build time.
func (g *gen) member(depth int) string {
	op := pick(g, "in", "in", "not in")
	g.use(op)
	g.pay(8)
	return g.grow(
		rule{2, func() string {
			g.use("in prefix4")
			return fmt.Sprintf("(%s %s prefix4(%q))", g.addr4(depth), op, pick(g, nets4...))
		}},
		rule{1, func() string {
			g.use("in prefix6")
			return fmt.Sprintf("(%s %s prefix6(%q))", g.addr6(depth), op, pick(g, nets6...))
		}},
		rule{1, func() string {
			g.use("in prefix")
			return fmt.Sprintf("(%s %s prefix(%q))", g.addr(depth), op, pick(g, append(append([]string{}, nets4...), nets6...)...))
		}},
		rule{6, func() string { return g.memberOfList(op, depth) }},
		rule{1, func() string {
			g.use("in tuple")
			return fmt.Sprintf("(%s %s (%d, %d, %d))", g.varied(depth), op, g.r.IntN(8), 8+g.r.IntN(60), 70+g.r.IntN(500))
		}},
	)
}

// memberOfList tests against a global list or the keys of a dict.
func (g *gen) memberOfList(op string, depth int) string {
	l := pick(g, g.lists...)
	g.use("in " + l.what)
	if l.prefixes {
		return fmt.Sprintf("(%s %s %s)", g.expr(l.keys, depth), op, l.name)
	}
	k := l.keys
	if k == unsigned && g.one(4) {
		k = signed // of both signs: compared as signed
	}
	return fmt.Sprintf("(%s %s %s)", g.expr(k, depth), op, l.name)
}
