package random

import (
	"fmt"
	"strings"
)

// A helper is a function that the program calls.
type helper struct {
	name     string
	pkt      bool // its first parameter is the packet
	params   []parameter
	result   kind
	effect   bool     // it changes something
	cost     int      // instructions, roughly
	extra    []string // arguments known at build time: maps, functions
	extraUse string
}

type parameter struct {
	variable
	fallback string // default value, or empty
}

// functions grows those that main calls.
func (g *gen) functions() {
	for n := g.r.IntN(4); n > 0; n-- {
		g.function()
	}
	if g.one(3) {
		g.mapFunction()
	}
	if g.one(4) {
		g.applier()
	}
	if g.one(4) {
		g.closure()
	}
}

// function grows a function of random parameters, statements and result.
func (g *gen) function() {
	h := &helper{name: g.name("_f"), pkt: g.one(2)}
	h.result = pick(g, unsigned, unsigned, signed, boolean, addr4, verdict, pair, nothing)
	var names []string
	if h.pkt {
		names = append(names, "pkt")
	}
	for range 1 + g.r.IntN(2) {
		p := parameter{variable: variable{name: g.name("a"), kind: pick(g, unsigned, unsigned, signed, boolean, addr4), fixed: true}}
		h.params = append(h.params, p)
	}
	if last := &h.params[len(h.params)-1]; last.kind == unsigned && g.one(2) {
		g.use("default argument")
		last.fallback = fmt.Sprint(g.r.IntN(100))
		last.read = fmt.Sprintf("(%s ^ %s)", last.name, g.params[unsigned][0]) // it may be a constant
	}
	for _, p := range h.params {
		if p.fallback != "" {
			names = append(names, p.name+" = "+p.fallback)
		} else {
			names = append(names, p.name)
		}
	}
	g.line("")
	g.line("def %s(%s):", h.name, strings.Join(names, ", "))
	g.body(h)
}

// body grows the inside of h, and enters h.
func (g *gen) body(h *helper) {
	room, vars := g.room, g.vars
	g.room, g.vars, g.copies = 250, nil, 2
	g.pkt, g.returns, g.effect = h.pkt, h.result, false
	for _, p := range h.params {
		g.enter(p.variable)
	}
	g.block(func() {
		for n := g.r.IntN(3); n > 0 || h.result == nothing && !g.effect; n-- {
			g.statement()
		}
		if h.result != nothing {
			g.line("return %s", g.expr(h.result, 2))
		}
	})
	h.cost = max(250-g.room, 20) / 2
	h.effect = g.effect
	g.room, g.vars, g.copies, g.pkt = room, vars, 1, false
	g.helpers = append(g.helpers, h)
}

// mapFunction grows a function that takes a map: one for each map that it is
// called with.
func (g *gen) mapFunction() {
	var names []string
	for _, m := range g.maps {
		if m.what != "lpm" && !m.set && m.key.kind == unsigned && m.value.kind == unsigned && m.few() {
			names = append(names, m.name)
		}
	}
	if len(names) == 0 {
		return
	}
	h := &helper{name: g.name("_f"), result: unsigned, effect: true, cost: 70, extra: names, extraUse: "map as argument",
		params: []parameter{{variable: variable{kind: unsigned, name: "k"}}}}
	g.line("")
	g.line("def %s(m, k):", h.name)
	g.line("    m[k & 0xff] += %d", 1+g.r.IntN(9))
	g.line("    return m[k & 0xff] + m.get(3)")
	g.helpers = append(g.helpers, h)
}

// applier grows a function that takes a function.
func (g *gen) applier() {
	one := &helper{name: g.name("_f")}
	two := &helper{name: g.name("_f")}
	h := &helper{name: g.name("_f"), result: unsigned, cost: 12, extra: []string{one.name, two.name}, extraUse: "function as argument",
		params: []parameter{{variable: variable{kind: unsigned, name: "x"}}}}
	g.line("")
	g.line("def %s(x):", one.name)
	g.line("    return x * %d", 2+g.r.IntN(9))
	g.line("")
	g.line("def %s(x):", two.name)
	g.line("    return x ^ %d", g.r.IntN(1000))
	g.line("")
	g.line("def %s(f, x):", h.name)
	g.line("    return %s", pick(g, "f(x) + 1", "f(f(x))", "min(f(x), f(x + 1))"))
	g.helpers = append(g.helpers, h)
}

// closure grows functions that keep a value of build time.
func (g *gen) closure() {
	maker := g.name("_make")
	op := pick(g, "+", "*", "&", "|", "-")
	g.line("")
	g.line("def %s(k):", maker)
	g.line("    def f(x):")
	g.line("        return x %s k", op)
	g.line("    return f")
	g.line("")
	for range 2 {
		h := &helper{name: g.name("_f"), result: unsigned, cost: 4, extraUse: "closure",
			params: []parameter{{variable: variable{kind: unsigned, name: "x"}}}}
		g.line("%s = %s(%d)", h.name, maker, g.r.IntN(500))
		g.helpers = append(g.helpers, h)
	}
}

// call grows a call of a function with that result, if there is one.
func (g *gen) call(k kind, depth int) (string, bool) {
	var found []*helper
	for _, h := range g.helpers {
		if h.result == k && (g.pkt || !h.pkt) && (!g.pure || !h.effect) && h.cost*g.copies < g.room {
			found = append(found, h)
		}
	}
	if len(found) == 0 {
		return "", false
	}
	h := pick(g, found...)
	g.use("call giving " + kindNames[k])
	g.pay(h.cost)
	g.effect = g.effect || h.effect
	var args []string
	if h.pkt {
		args = append(args, "pkt")
	}
	if h.extraUse != "" {
		g.use(h.extraUse)
	}
	if len(h.extra) > 0 {
		args = append(args, pick(g, h.extra...))
	}
	keywords := g.one(4) && h.extraUse == ""
	for _, p := range h.params {
		if p.fallback != "" && g.one(2) {
			g.use("argument left out")
			continue
		}
		arg := g.expr(p.kind, min(depth, 1))
		if p.kind == unsigned {
			arg = g.varied(min(depth, 1))
		}
		if keywords {
			g.use("keyword argument")
			arg = p.name + " = " + arg
		}
		args = append(args, arg)
	}
	return fmt.Sprintf("%s(%s)", h.name, strings.Join(args, ", ")), true
}

// callOf grows a call, or the shortest expression of that kind.
func (g *gen) callOf(k kind, depth int) string {
	if text, ok := g.call(k, depth); ok {
		return text
	}
	if k == pair {
		return g.pair(0)
	}
	if k == verdict {
		return g.verdict(0)
	}
	return g.short(k)
}
