package random

import "fmt"

// key grows a key: of few values, so that no map that should not fill up does.
func (g *gen) key(m *mapping) string {
	return purely(g, func() string {
		if m.what == "array" {
			return g.index(m)
		}
		if m.what == "lpm" {
			return g.expr(m.key.kind, 1)
		}
		if m.what == "lru" && m.key.kind >= addr4 && m.key.kind <= chunk && (g.turns > 1 || !g.main) {
			return g.fit(m.key)
		}
		return g.bounded(m.key)
	})
}

// few reports whether keys of m are so few that it cannot fill up.
func (m *mapping) few() bool {
	k := m.key.kind
	return !m.small && (k == unsigned || k == signed || k == boolean || k == pair)
}

func (g *gen) index(m *mapping) string {
	switch g.r.IntN(4) {
	case 0:
		return fmt.Sprint(g.r.IntN(m.size))
	case 1:
		g.use("array index that may be past the end")
		return g.varied(1)
	}
	return fmt.Sprintf("%s & %d", g.atom(g.varied(1)), m.size-1)
}

func (g *gen) bounded(t stored) string {
	switch t.kind {
	case unsigned:
		if g.one(3) {
			return pick(g, "53", "80", "6")
		}
		return fmt.Sprintf("%s & 0xff", g.atom(g.varied(1)))
	case signed:
		g.use("signed key")
		return fmt.Sprintf("i8(%s)", g.varied(1))
	case addr4:
		// No ip4(int): its values are too many.
		return g.addr4Leaf()
	case pair:
		g.use("tuple key")
		return fmt.Sprintf("(%s & 15, %s & 15)", g.atom(g.varied(1)), g.atom(g.varied(1)))
	case recs:
		g.use("record key")
		return g.construct(t.rec, func(f stored) string { return g.bounded(f) })
	}
	return g.expr(t.kind, 0)
}

// readable returns the maps whose values have kind k, or with records a field
// of it.
func (g *gen) readable(k kind) []*mapping {
	var out []*mapping
	for _, m := range g.maps {
		if m.set {
			continue
		}
		if m.value.kind == k {
			out = append(out, m)
		} else if m.value.kind == recs {
			for _, f := range m.value.rec.fields {
				if f.kind == k {
					out = append(out, m)
					break
				}
			}
		}
	}
	return out
}

// mapRead grows a read of a map that gives kind k.
func (g *gen) mapRead(k kind, depth int) string {
	maps := g.readable(k)
	if len(maps) == 0 || g.room < 100 {
		return g.short(k)
	}
	m := pick(g, maps...)
	g.pay(40)
	op := func(what string) string { g.use(m.what + what); return m.name }
	if m.value.kind == recs {
		for _, f := range m.value.rec.fields {
			if f.kind == k {
				return fmt.Sprintf("%s[%s].%s", op("[k].field"), g.key(m), f.name)
			}
		}
	}
	hash := m.what == "table" || m.what == "lru"
	number := k == unsigned || k == signed
	change := !g.pure && m.what != "lpm"
	return g.grow(
		rule{5, func() string { return fmt.Sprintf("%s[%s]", op("[k]"), g.key(m)) }},
		rule{2, func() string { return fmt.Sprintf("%s.get(%s)", op(".get(k)"), g.key(m)) }},
		rule{when(m.what != "lpm", 2), func() string {
			d := purely(g, func() string { return g.whole(m.value) })
			return fmt.Sprintf("%s.get(%s, %s)", op(".get(k, d)"), g.key(m), d)
		}},
		rule{when(change && hash, 1), func() string { g.changes(); return fmt.Sprintf("%s.pop(%s)", op(".pop(k)"), g.key(m)) }},
		rule{when(change && number && m.few(), 4), func() string { return g.incr(m) }},
	)
}

func (g *gen) incr(m *mapping) string {
	g.changes()
	g.pay(30)
	k := g.key(m)
	if g.one(2) {
		g.use(m.what + ".incr(k)")
		return fmt.Sprintf("%s.incr(%s)", m.name, k)
	}
	g.use(m.what + ".incr(k, n)")
	n := purely(g, func() string { return g.short(m.value.kind) })
	return fmt.Sprintf("%s.incr(%s, %s)", m.name, k, n)
}

// mapHas grows k in m.
func (g *gen) mapHas(depth int) string {
	m := pick(g, g.maps...)
	g.pay(25)
	op := pick(g, "in", "not in")
	g.use("in " + m.what)
	return fmt.Sprintf("(%s %s %s)", g.key(m), op, m.name)
}

// mapStatement grows a change of a map.
func (g *gen) mapStatement() {
	m := pick(g, g.maps...)
	if m.what == "lpm" {
		g.newLocal()
		return
	}
	g.pay(50)
	g.changes()
	key := g.key(m)
	hash := m.what != "array"
	if m.set {
		op := pick(g, "add", "add", "discard")
		g.use(m.what + "." + op)
		g.line("%s.%s(%s)", m.name, op, key)
		return
	}
	if hash && g.one(8) {
		g.use(m.what + ".pop as statement")
		g.line("%s.pop(%s)", m.name, key)
		return
	}
	number := m.value.kind == unsigned || m.value.kind == signed
	switch {
	case m.value.kind == recs:
		g.recordEntry(m, key)
	case number && g.one(3) && m.few():
		g.line("%s", g.incr(m))
	case number && g.one(2):
		g.use(m.what + "[k] op= x")
		g.line("%s[%s] %s", m.name, key, purely(g, func() string { return g.update(m.value) }))
	default:
		g.use(m.what + "[k] = x")
		g.line("%s[%s] = %s", m.name, key, g.pureStore(m.value))
	}
}

func (g *gen) pureStore(t stored) string {
	return purely(g, func() string { return g.store(t, 2) })
}

// update grows "op= x" for a number that is stored as t.
func (g *gen) update(t stored) string {
	if g.one(8) {
		op := pick(g, "<<", ">>")
		g.use("op= " + op)
		return fmt.Sprintf("%s= %s", op, g.varied(1))
	}
	op := pick(g, "+", "+", "+", "-", "|", "&", "^", pick(g, "*", "//", "%"))
	g.use("op= " + op)
	return fmt.Sprintf("%s= %s", op, g.store(t, 1))
}

// recordEntry grows a change of an entry that is a record. A reference lives
// only within the statement.
func (g *gen) recordEntry(m *mapping, key string) {
	f := pick(g, m.value.rec.fields...)
	switch g.r.IntN(5) {
	case 0:
		g.use("entry = record")
		g.line("%s[%s] = %s", m.name, key, g.pureStore(m.value))
		return
	case 1:
		g.use("entry.field = x")
		g.line("%s[%s].%s", m.name, key, purely(g, func() string { return g.fieldUpdate(f) }))
		return
	case 2:
		if v, ok := g.local(recs, func(v variable) bool { return v.rec == m.value.rec }); ok {
			g.use("entry = record in local")
			g.line("%s[%s] = %s", m.name, key, v.name)
			return
		}
	}
	g.use(m.what + " reference")
	g.pay(50)
	r := g.name("r")
	g.line("%s = %s", r, pick(g, fmt.Sprintf("%s[%s]", m.name, key), fmt.Sprintf("%s.get(%s)", m.name, key)))
	g.line("if %s:", r)
	g.block(func() {
		g.enter(variable{name: r, kind: recs, rec: m.value.rec, fixed: true})
		for range 1 + g.r.IntN(2) {
			f := pick(g, m.value.rec.fields...)
			g.line("%s.%s", r, purely(g, func() string { return g.fieldUpdate(f) }))
		}
		if g.one(2) {
			g.line("count(%q, %s.%s)", "entry", r, m.value.rec.fields[0].name)
		}
	})
	g.line("else:")
	g.indent++
	g.line("%s[%s] = %s", m.name, key, g.pureStore(m.value))
	g.indent--
}

// fieldUpdate grows "field = x" or "field op= x" of a record.
func (g *gen) fieldUpdate(f recordField) string {
	g.pay(10)
	if (f.kind == unsigned || f.kind == signed) && g.one(2) {
		g.use("record field op= x")
		return f.name + " " + g.update(f.stored)
	}
	g.use("record field = x")
	return fmt.Sprintf("%s = %s", f.name, g.store(f.stored, 2))
}
