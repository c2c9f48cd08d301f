package random

import "fmt"

// maxIndent bounds how deep statements nest.
const maxIndent = 5

// changes notes that the function that grows has an effect.
func (g *gen) changes() { g.effect = true }

// A step is one kind of statement, with its weight.
type step struct {
	weight int
	grow   func()
}

// statement grows one.
func (g *gen) statement() {
	deep := g.indent >= maxIndent || g.room < 200
	inLoop := g.loop != noLoop
	steps := []step{
		{8, g.newLocal},
		{6, g.assign},
		{4, g.augment},
		{2, g.exchange},
		{2, g.unpack},
		{when(!deep, 7), g.ifStatement},
		{when(!deep, 4), g.loopStatement},
		{3, g.count},
		{when(g.pkt && !g.reads, 10), g.write},
		{when(g.pkt && !g.reads, 1), g.swap},
		{when(g.pkt && !g.reads, 2), g.put},
		{when(len(g.lines) > 0, 4), g.lineStatement},
		{2, g.tally},
		{1, g.log},
		{when(g.pkt && g.tc, 4), g.setBeside},
		{when(g.pkt, 2), g.keepHeader},
		{when(g.main && !g.reads && g.turns*g.copies == 1 && g.loop == noLoop && g.shifts > 0, 1), g.move},
		{when(g.main && g.tc && g.loop == noLoop && g.clones > 0, 3), g.clone},
		{11, g.mapStatement},
		{when(len(g.records) > 0, 4), g.newRecord},
		{3, g.changeRecord},
		{2, g.callStatement},
		{when(g.indent > 1 || g.main, 2), g.earlyReturn},
		{when(inLoop, 3), g.leaveTurn},
		{1, func() { g.use("pass"); g.line("pass") }},
	}
	sum := 0
	for _, s := range steps {
		sum += s.weight
	}
	n := g.r.IntN(sum)
	for _, s := range steps {
		if n -= s.weight; n < 0 {
			s.grow()
			return
		}
	}
}

// statements grows a body of 1 to most.
func (g *gen) statements(most int) {
	for range 1 + g.r.IntN(most) {
		g.statement()
	}
}

var localKinds = []kind{unsigned, unsigned, unsigned, signed, signed, boolean, boolean, addr4, addr4, addr6, addr, hardware, chunk, chunk, verdict, pair}

func (g *gen) newLocal() {
	k := pick(g, localKinds...)
	if k == chunk && !g.pkt { // bytes that are known at build time are no variable
		k = unsigned
	}
	g.use("new local " + kindNames[k])
	name := g.name("v")
	if k == chunk {
		g.line("%s = %s", name, g.cut(2))
	} else {
		g.line("%s = %s", name, g.expr(k, 3))
	}
	g.enter(variable{name: name, kind: k})
}

// changeable is a local that can be assigned again, of any kind.
func (g *gen) changeable() (variable, bool) {
	var kinds []kind
	for _, v := range g.vars {
		if !v.fixed {
			kinds = append(kinds, v.kind)
		}
	}
	if len(kinds) == 0 {
		return variable{}, false
	}
	return g.local(pick(g, kinds...), assignable)
}

func (g *gen) assign() {
	v, ok := g.changeable()
	if !ok {
		g.newLocal()
		return
	}
	k := v.kind
	g.use("assign local " + kindNames[k])
	from := k
	if k == signed && g.one(4) {
		g.use("assign unsigned to signed local")
		from = unsigned
	}
	g.line("%s = %s", v.name, g.expr(from, 3))
}

func (g *gen) augment() {
	v, ok := g.local(pick(g, unsigned, signed), assignable)
	if !ok {
		g.newLocal()
		return
	}
	if g.one(6) {
		op := pick(g, "<<", ">>")
		g.use("op= " + op)
		g.line("%s %s= %s", v.name, op, g.varied(1))
		return
	}
	op := pick(g, "+", "-", "*", "//", "%", "&", "|", "^")
	g.use("op= " + op)
	g.pay(3)
	g.line("%s %s= %s", v.name, op, g.expr(v.kind, 2))
}

// exchange swaps two locals of a kind.
func (g *gen) exchange() {
	a, ok := g.changeable()
	b, _ := g.local(a.kind, assignable)
	if !ok || a.name == b.name {
		g.newLocal()
		return
	}
	g.use("swap locals")
	g.line("%s, %s = %s, %s", a.name, b.name, b.name, a.name)
}

// unpack makes two locals of a tuple.
func (g *gen) unpack() {
	g.use("unpack tuple")
	a, b := g.name("v"), g.name("v")
	g.line("%s, %s = %s", a, b, g.pair(2))
	g.enter(variable{name: a, kind: unsigned})
	g.enter(variable{name: b, kind: unsigned})
}

func (g *gen) ifStatement() {
	g.use("if")
	g.pay(3)
	g.line("if %s:", g.condition(3))
	g.block(func() { g.statements(3) })
	for g.one(4) {
		g.use("elif")
		g.line("elif %s:", g.condition(2))
		g.block(func() { g.statements(2) })
	}
	if g.one(2) {
		g.use("else")
		g.line("else:")
		g.block(func() { g.statements(3) })
	}
}

func (g *gen) count() {
	g.changes()
	g.pay(8)
	name := pick(g, "x", "y", "z", "a name with spaces")
	if g.one(2) {
		g.use("count")
		g.line("count(%q)", name)
		return
	}
	g.use("count with n")
	g.line("count(%q, %s)", name, g.varied(2))
}

// keepHeader takes a header into a local.
func (g *gen) keepHeader() {
	h := g.anyHeader(keptHeaders)
	g.use("keep pkt." + h)
	name := g.name("h")
	g.line("%s = pkt.%s", name, h)
	g.enter(variable{name: name, kind: views, header: h, fixed: true})
}

func (g *gen) newRecord() {
	name := g.name("r")
	if v, ok := g.local(recs, nil); ok && g.one(3) {
		g.use("second name of record")
		g.line("%s = %s", name, v.name)
		g.enter(variable{name: name, kind: recs, rec: v.rec, fixed: true})
		return
	}
	r := pick(g, g.records...)
	g.line("%s = %s", name, g.construct(r, func(f stored) string { return g.store(f, 1) }))
	g.enter(variable{name: name, kind: recs, rec: r, fixed: true})
}

func (g *gen) changeRecord() {
	v, ok := g.local(recs, nil)
	if !ok {
		g.newLocal()
		return
	}
	f := pick(g, v.rec.fields...)
	g.line("%s.%s", v.name, purely(g, func() string { return g.fieldUpdate(f) }))
}

// earlyReturn leaves the function under a condition.
func (g *gen) earlyReturn() {
	g.use("early return")
	g.line("if %s:", g.condition(2))
	g.indent++
	defer func() { g.indent-- }()
	switch {
	case g.returns == nothing, g.returns == verdict && g.main && g.one(6):
		g.use("bare return")
		g.line("return")
	default:
		g.line("return %s", g.expr(g.returns, 1))
	}
}

// leaveTurn ends a turn or the loop under a condition.
func (g *gen) leaveTurn() {
	what := "break"
	if g.loop == forLoop && g.one(2) {
		what = "continue"
	}
	g.use(what)
	g.line("if %s:", g.condition(1))
	g.line("    %s", what)
}

// callStatement calls a function for what it does.
func (g *gen) callStatement() {
	if text, ok := g.call(nothing, 1); ok {
		g.use("call as statement")
		g.line("%s", text)
		return
	}
	g.line("count(%q, %s)", "call", fmt.Sprint(g.varied(1)))
	g.changes()
}
