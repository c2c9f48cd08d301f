package random

import (
	"fmt"
	"strings"
)

// Sizes of what has no keys to read by. A ring has room for all that a packet
// can put into it, a bloom so much that it is never wrong.
const (
	sizedRing  = 65536 // octets
	sizedBloom = 65536
)

// declareLines writes queues, stacks, rings and blooms.
func (g *gen) declareLines() {
	for n := g.r.IntN(3); n > 0; n-- {
		m := &mapping{what: pick(g, "queue", "queue", "stack", "stack", "ring", "ring", "bloom"), size: 2 + g.r.IntN(6)}
		g.use("map " + m.what)
		switch m.what {
		case "bloom":
			m.key = g.scalar()
			g.declareAs(m, fmt.Sprintf("bloom(%s, size = %d)", m.key.name, sizedBloom))
		case "ring":
			m.value = g.valueType()
			g.declareAs(m, fmt.Sprintf("ring(%s, size = %d)", m.value.name, sizedRing))
		default:
			m.value = g.valueType()
			first := ""
			if g.one(3) {
				g.use("init of " + m.what)
				first = fmt.Sprintf(", init = [%s, %s]", g.fit(m.value), g.fit(m.value))
			}
			g.declareAs(m, fmt.Sprintf("%s(%s, size = %d%s)", m.what, m.value.name, m.size, first))
		}
		g.lines = append(g.lines, m)
	}
}

// lineStatement grows an operation of one of them.
func (g *gen) lineStatement() {
	m := pick(g, g.lines...)
	g.changes()
	g.pay(40)
	switch {
	case m.what == "bloom":
		g.bloomStatement(m)
	case m.what == "ring":
		g.emit(m)
	case g.one(2):
		g.push(m)
	default:
		g.next(m)
	}
}

func (g *gen) bloomStatement(m *mapping) {
	key := purely(g, func() string { return g.bounded(m.key) })
	if g.one(2) {
		g.use("bloom.add")
		g.line("%s.add(%s)", m.name, key)
		return
	}
	g.use("in bloom")
	g.line("if %s %s %s:", key, pick(g, "in", "not in"), m.name)
	g.block(g.count)
}

// emit puts something into a ring; in main alone, which is called once, so that
// its turns are all that there are.
func (g *gen) emit(m *mapping) {
	if !g.main {
		g.count()
		return
	}
	v, ok := g.local(recs, func(v variable) bool { return v.rec == m.value.rec })
	switch {
	case m.value.kind != recs:
		g.use("ring.emit(x)")
		g.line("%s.emit(%s)", m.name, g.pureStore(m.value))
	case ok && g.one(2):
		g.use("ring.emit(record)")
		g.line("%s.emit(%s)", m.name, v.name)
	case g.one(3):
		g.use("ring.emit(record)")
		g.line("%s.emit(%s)", m.name, g.pureStore(m.value))
	default:
		g.use("ring.emit(field = x)")
		text := g.pureStore(m.value)
		g.line("%s.emit%s", m.name, strings.TrimPrefix(text, m.value.rec.name))
	}
}

// push puts something into a queue or stack.
func (g *gen) push(m *mapping) {
	call := fmt.Sprintf("%s.push(%s)", m.name, g.pureStore(m.value))
	switch g.r.IntN(3) {
	case 0:
		g.use(m.what + ".push in condition")
		g.line("if not %s:", call)
		g.block(g.count)
	case 1:
		name := g.name("v")
		g.line("%s = %s", name, call)
		g.enter(variable{name: name, kind: boolean})
	default:
		g.use(m.what + ".push")
		g.line("%s", call)
	}
}

// next takes something out of a queue or stack. Of records it is a copy, if
// there was one.
func (g *gen) next(m *mapping) {
	g.use(m.what + ".pop()")
	name := g.name("v")
	g.line("%s = %s.pop()", name, m.name)
	if m.value.kind != recs {
		g.enter(variable{name: name, kind: m.value.kind})
		return
	}
	g.use("record out of " + m.what)
	g.line("if %s:", name)
	g.block(func() {
		g.enter(variable{name: name, kind: recs, rec: m.value.rec, fixed: true})
		g.changeRecord()
		g.line("count(%q, %s.%s)", "entry", name, m.value.rec.fields[0].name)
	})
}

// tally grows what counts by values.
func (g *gen) tally() {
	g.changes()
	g.pay(60)
	if g.one(2) || g.tallies == 0 || !g.pkt {
		x := purely(g, func() string { return g.expr(pick(g, unsigned, signed), 1) })
		if g.one(2) {
			g.use("hist(name, x)")
			g.line("hist(%q, %s)", pick(g, "h", "a histogram"), x)
			return
		}
		g.use("hist(x)")
		g.line("hist(%s)", purely(g, func() string { return g.varied(1) }))
		return
	}
	g.tallies--
	g.use("count(x)")
	x := purely(g, func() string { return g.shown() })
	if g.one(3) {
		g.use("count(x, n)")
		g.line("count(%s, %s)", x, purely(g, func() string { return g.varied(1) }))
		return
	}
	g.line("count(%s)", x)
}

// shown grows what has a text: no constant.
func (g *gen) shown() string {
	switch k := pick(g, unsigned, unsigned, signed, addr4, addr6, addr, hardware, boolean, pair); k {
	case unsigned, pair:
		return g.atom(g.varied(1) + map[kind]string{pair: ", " + g.field(addr4)}[k])
	case signed:
		return g.signed(1)
	default:
		return g.field(k)
	}
}

// mostLines is how often a log in a loop may be reached, so that it keeps its
// rate.
const mostLines = 8

// log grows a line to whoever watches.
func (g *gen) log() {
	if !g.main || g.turns > mostLines {
		g.tally()
		return
	}
	g.use("log")
	g.changes()
	g.pay(60)
	var form []string
	var args string
	for range g.r.IntN(3) {
		form = append(form, "{}")
		args += ", " + purely(g, func() string { return g.shown() })
	}
	g.line("log(%q%s)", "line "+strings.Join(form, " {{and}} "), args)
}
