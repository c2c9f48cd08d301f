package random

import "fmt"

// number grows a literal that is worth trying.
func (g *gen) number() string {
	return g.grow(
		rule{6, func() string { return fmt.Sprint(g.r.IntN(16)) }},
		rule{4, func() string { return fmt.Sprint(g.r.IntN(300)) }},
		rule{2, func() string { return fmt.Sprint(pick(g, 22, 53, 80, 443, 0x0800, 0x86dd, 5353)) }},
		rule{2, func() string { return fmt.Sprintf("%#x", uint64(1)<<g.r.IntN(64)-uint64(g.r.IntN(2))) }},
		rule{1, func() string { return fmt.Sprintf("%#x", g.r.Uint64()) }},
	)
}

// unsignedLeaf grows a short expression that is no constant.
func (g *gen) unsignedLeaf() string {
	v, ok := g.local(unsigned, nil)
	f, fieldOK := g.recordField(unsigned)
	return g.grow(
		rule{when(ok, 8), func() string { g.use("read local int"); return v.String() }},
		rule{when(fieldOK, 3), func() string { g.use("record field"); return f }},
		rule{when(g.pkt, 8), func() string { return g.field(unsigned) }},
		rule{when(g.pkt, 2), func() string { g.use("pkt.len"); return "pkt.len" }},
		rule{when(g.pkt, 2), g.bytes},
		rule{when(g.pkt, 1), func() string { g.use("pkt.segments"); return "pkt.segments" }},
		rule{when(g.pkt && g.tc, 4), func() string { return g.beside("read") }},
		rule{when(g.pkt && !g.reads && g.ways > 0 && g.copies == 1, 2), g.way},
		rule{1, func() string { return g.param(unsigned) }},
	)
}

// way asks for the way of the packet, or to an address.
func (g *gen) way() string {
	g.ways--
	g.pay(150)
	field := pick(g, "why", "why", "mtu", "ifindex")
	if g.one(2) {
		g.use("fib(pkt)")
		return "fib(pkt)." + field
	}
	g.use("fib(address)")
	return fmt.Sprintf("fib(%s, src = %s, len = %s).%s", g.addr(0), g.addr(0), g.varied(0), field)
}

// unsigned grows an unsigned integer. Two constants never meet in an operation:
// one side is always a leaf or more.
func (g *gen) unsigned(depth int) string {
	if depth <= 0 {
		return g.grow(rule{5, g.unsignedLeaf}, rule{2, g.number})
	}
	return g.varied(depth)
}

// varied grows an unsigned integer that is no constant.
func (g *gen) varied(depth int) string {
	if depth <= 0 || g.room <= 0 {
		return g.unsignedLeaf()
	}
	d := depth - 1
	return g.grow(
		rule{4, g.unsignedLeaf},
		rule{6, func() string { return g.binary(g.varied(d), g.unsigned(d)) }},
		rule{2, func() string { return g.shift(g.varied(d)) }},
		rule{1, func() string { return g.commuted(g.number(), g.varied(d)) }},
		rule{1, func() string { g.use("op ~"); g.pay(1); return "~" + g.atom(g.varied(d)) }},
		rule{2, func() string { return g.cast("u", pick(g, unsigned, signed), d) }},
		rule{2, func() string { return g.minMax(g.varied(d), g.unsigned(d)) }},
		rule{1, func() string { return g.choice(g.varied(d), g.varied(d), d) }},
		rule{1, func() string { return g.fromBool(d) }},
		rule{1, func() string { return g.addressInt() }},
		rule{2, func() string { return g.element(unsigned, d) }},
		rule{3, func() string { return g.mapRead(unsigned, d) }},
		rule{2, func() string { return g.callOf(unsigned, d) }},
		rule{1, func() string { return g.pairElement() }},
		rule{1, g.byteOf},
		rule{when(g.pkt, 1), g.sumOf},
		rule{1, func() string { g.use("bit_length"); g.pay(14); return fmt.Sprintf("bit_length(%s)", g.varied(d)) }},
		rule{when(g.pkt, 1), g.headerOffset},
		rule{1, g.hashOf},
	)
}

// hashOf hashes a value of any type, or a tuple with it.
func (g *gen) hashOf() string {
	g.use("hash_of")
	g.pay(25)
	x := g.expr(pick(g, unsigned, signed, addr4, addr6, addr, hardware, chunk, pair), 0)
	if g.one(3) {
		x = fmt.Sprintf("(%s, %s)", x, g.varied(0))
	}
	if g.one(2) {
		return fmt.Sprintf("hash_of(%s)", x)
	}
	return fmt.Sprintf("hash_of(%s, seed = %s)", x, g.varied(0))
}

// binary grows an operation that keeps its operands' order.
func (g *gen) binary(x, y string) string {
	op := pick(g, "+", "-", "*", "//", "%", "&", "|", "^")
	g.use("op " + op)
	g.pay(map[string]int{"//": 6, "%": 6}[op] + 1)
	return fmt.Sprintf("(%s %s %s)", x, op, y)
}

// commuted grows an operation with a constant on the left.
func (g *gen) commuted(x, y string) string {
	op := pick(g, "+", "-", "//", "%", "*")
	g.use("constant op " + op)
	g.pay(5)
	return fmt.Sprintf("(%s %s %s)", x, op, y)
}

// shift grows a shift by an unsigned count.
func (g *gen) shift(x string) string {
	op := pick(g, "<<", ">>")
	g.use("op " + op)
	g.pay(2)
	if g.one(3) {
		g.use("shift at run time")
		return fmt.Sprintf("(%s %s %s)", x, op, g.unsignedLeaf())
	}
	return fmt.Sprintf("(%s %s %d)", x, op, g.r.IntN(70))
}

// cast grows a constructor of a width: u8 … u64 or i8 … i64.
func (g *gen) cast(prefix string, of kind, depth int) string {
	name := fmt.Sprintf("%s%d", prefix, 8<<g.r.IntN(4))
	g.use("cast " + name)
	g.pay(2)
	if of == signed {
		return fmt.Sprintf("%s(%s)", name, g.signed(depth))
	}
	return fmt.Sprintf("%s(%s)", name, g.varied(depth))
}

func (g *gen) minMax(x, y string) string {
	f := pick(g, "min", "max")
	g.use(f)
	g.pay(3)
	return fmt.Sprintf("%s(%s, %s)", f, x, y)
}

func (g *gen) choice(x, y string, depth int) string {
	g.use("conditional expression")
	g.pay(4)
	return fmt.Sprintf("(%s if %s else %s)", x, g.condition(depth), y)
}

func (g *gen) fromBool(depth int) string {
	g.use("bool in arithmetic")
	g.pay(4)
	return fmt.Sprintf("(%s %s %s)", g.boolean(min(depth, 1)), pick(g, "+", "*"), g.varied(depth))
}

// atom puts what an operator before it would tear apart in brackets.
func (g *gen) atom(x string) string { return "(" + x + ")" }

// signedLeaf grows a short signed expression that is no constant.
func (g *gen) signedLeaf() string {
	v, ok := g.local(signed, nil)
	f, fieldOK := g.recordField(signed)
	return g.grow(
		rule{when(ok, 8), func() string { g.use("read local signed int"); return v.String() }},
		rule{when(fieldOK, 3), func() string { g.use("signed record field"); return f }},
		rule{3, func() string { return g.cast("i", unsigned, 0) }},
		rule{1, func() string { g.use("op unary -"); g.pay(1); return "-" + g.atom(g.unsignedLeaf()) }},
		rule{1, func() string { return g.param(signed) }},
	)
}

// signed grows an integer that is signed whatever constants are folded.
func (g *gen) signed(depth int) string {
	if depth <= 0 || g.room <= 0 {
		return g.signedLeaf()
	}
	d := depth - 1
	return g.grow(
		rule{4, g.signedLeaf},
		rule{4, func() string { g.use("signed operation"); return g.binary(g.signed(d), g.signed(d)) }},
		rule{3, func() string { g.use("mixed operation"); return g.binary(g.signed(d), g.varied(d)) }},
		rule{3, func() string { g.use("mixed operation"); return g.binary(g.varied(d), g.signed(d)) }},
		rule{2, func() string { g.use("signed operation"); return g.binary(g.signed(d), g.negative()) }},
		rule{2, func() string { g.use("signed shift"); return g.shift(g.signed(d)) }},
		rule{1, func() string { g.use("op unary -"); g.pay(1); return "-" + g.atom(g.signed(d)) }},
		rule{1, func() string { g.use("op ~"); g.pay(1); return "~" + g.atom(g.signed(d)) }},
		rule{1, func() string { g.use("abs"); g.pay(4); return fmt.Sprintf("abs(%s)", g.signed(d)) }},
		rule{2, func() string { return g.minMax(g.signed(d), pick(g, g.signed(d), g.varied(d), g.negative())) }},
		rule{2, func() string { return g.cast("i", pick(g, unsigned, signed), d) }},
		rule{1, func() string { return g.choice(g.signed(d), g.signed(d), d) }},
		rule{2, func() string { return g.element(signed, d) }},
		rule{2, func() string { return g.mapRead(signed, d) }},
		rule{when(g.pkt, 1), func() string { return g.search("find") }},
		rule{2, func() string { return g.callOf(signed, d) }},
	)
}

// negative grows a negative literal in brackets.
func (g *gen) negative() string {
	g.use("negative constant")
	return fmt.Sprintf("(-%d)", pick(g, 1, 2, 7, 1+g.r.IntN(300), 1+g.r.IntN(1<<40)))
}

// addressInt grows the integer of an address that is no literal.
func (g *gen) addressInt() string {
	of, name := addr4, "ip4.int"
	if g.one(3) {
		of, name = hardware, "mac.int"
	}
	g.use(name)
	v, ok := g.local(of, assignable)
	return g.grow(
		rule{when(ok, 2), func() string { return v.name + ".int" }},
		rule{when(g.pkt, 1), func() string { return g.field(of) + ".int" }},
		rule{when(!ok && !g.pkt, 1), g.unsignedLeaf},
	)
}
