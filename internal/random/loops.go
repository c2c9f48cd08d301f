package random

import "fmt"

// maxTurns bounds the turns of nested loops together.
const maxTurns = 200

// turn grows a loop's body.
func (g *gen) turn(kind loop, turns, copies int, body func()) {
	was, wasTurns, wasCopies := g.loop, g.turns, g.copies
	g.loop, g.turns, g.copies = kind, g.turns*turns, g.copies*copies
	g.block(body)
	g.loop, g.turns, g.copies = was, wasTurns, wasCopies
}

// loopStatement grows a loop, or something else where there are turns enough.
func (g *gen) loopStatement() {
	most := maxTurns / g.turns
	if most < 2 {
		g.assign()
		return
	}
	most = min(most, 24)
	g.pay(12)
	switch g.r.IntN(10) {
	case 0, 1, 2:
		g.rangeLoop(most)
	case 3:
		g.boundedLoop(most)
	case 4:
		g.downLoop(most)
	case 5:
		g.whileLoop(most)
	default:
		g.listLoop(most)
	}
}

// rangeLoop is over a range that is known.
func (g *gen) rangeLoop(most int) {
	n := 1 + g.r.IntN(most)
	i := variable{name: g.name("n"), kind: unsigned, fixed: true}
	text := fmt.Sprint(n)
	switch g.r.IntN(4) {
	case 0:
		from := g.r.IntN(30)
		text = fmt.Sprintf("%d, %d", from, from+n)
		g.use("range of two")
	case 1:
		from, by := g.r.IntN(30), 2+g.r.IntN(9)
		text = fmt.Sprintf("%d, %d, %d", from, from+n*by-g.r.IntN(by), by)
		g.use("range with step")
	case 2:
		from := 1 + g.r.IntN(20)
		text = fmt.Sprintf("-%d, %d", from, n-from)
		i.kind = signed
		g.use("range from a negative number")
	default:
		g.use("range of constant")
	}
	g.forLine(i, fmt.Sprintf("range(%s)", text), n)
}

// boundedLoop is over a range whose end is known at run time.
func (g *gen) boundedLoop(most int) {
	i := variable{name: g.name("n"), kind: unsigned, fixed: true}
	g.pay(10)
	switch g.r.IntN(3) {
	case 0:
		g.use("range(min)")
		g.forLine(i, fmt.Sprintf("range(min(%s, %d))", g.varied(1), most), most)
	case 1:
		g.use("range(max =)")
		g.forLine(i, fmt.Sprintf("range(%s, max = %d)", g.varied(1), most), most)
	default:
		g.use("range(0, min, step)")
		g.forLine(i, fmt.Sprintf("range(0, min(%s, %d), 2)", g.varied(1), most), most/2)
	}
}

// downLoop counts down. Whether its variable is signed is nobody's business
// here: it is read through a constructor.
func (g *gen) downLoop(most int) {
	n := 1 + g.r.IntN(most)
	i := variable{name: g.name("n"), kind: unsigned, fixed: true}
	i.read = fmt.Sprintf("u16(%s)", i.name)
	g.use("range that counts down")
	g.forLine(i, fmt.Sprintf("range(%d, 0, -1)", n), n)
}

func (g *gen) forLine(i variable, over string, turns int) {
	g.use("for")
	g.line("for %s in %s:", i.name, over)
	g.turn(forLoop, turns, 1, func() {
		g.enter(i)
		g.statements(3)
	})
}

func (g *gen) whileLoop(most int) {
	g.use("while")
	i, n := g.name("n"), 1+g.r.IntN(most)
	start, cond, next := "0", fmt.Sprintf("%s < %d", i, n), "+= 1"
	if g.one(3) {
		start, cond, next = fmt.Sprint(n), i+" > 0", "-= 1"
	}
	g.line("%s = %s", i, start)
	twin := ""
	if g.one(2) {
		g.use("two locals of one start in a loop")
		twin = g.name("v")
		g.line("%s = %s", twin, start)
		g.enter(variable{name: twin, kind: unsigned})
		cond += fmt.Sprintf(" and %s < %d", twin, 50+g.r.IntN(2000))
	}
	g.line("while %s:", cond)
	g.turn(whileLoop, n, 1, func() {
		g.enter(variable{name: i, kind: unsigned, fixed: true})
		g.statements(3)
		if twin != "" {
			g.line("%s += %s", twin, g.varied(1))
		}
		g.line("%s %s", i, next)
	})
	g.enter(variable{name: i, kind: unsigned, fixed: true})
}

// listLoop is over build-time values. It may be unrolled, so it is short, and
// made once only.
func (g *gen) listLoop(most int) {
	var short []*list
	for _, l := range g.lists {
		if l.indexed && l.size <= min(most, 6) {
			short = append(short, l)
		}
	}
	if len(short) == 0 || g.copies > 1 {
		g.rangeLoop(most)
		return
	}
	l := pick(g, short...)
	if g.one(3) {
		l = short[len(short)-1] // one of bools, where there is one: few loops are that short
	}
	x := variable{name: g.name("x"), kind: l.values, fixed: true}
	y := variable{name: g.name("x"), kind: unsigned, fixed: true}
	names, over, vars := x.name, l.name, []variable{x}
	switch {
	case l.dict:
		g.use("for over dict.items()")
		names, over, vars = y.name+", "+x.name, l.name+".items()", []variable{y, x}
	case g.one(4):
		g.use("for over enumerate")
		names, over, vars = y.name+", "+x.name, fmt.Sprintf("enumerate(%s)", l.name), []variable{y, x}
	case g.one(4):
		g.use("for over zip")
		names, over, vars = y.name+", "+x.name, fmt.Sprintf("zip(NUMS, %s)", l.name), []variable{y, x}
	default:
		g.use("for over " + l.what)
	}
	for i, v := range vars {
		// Not bare: in an unrolled turn it may be a constant, of which the
		// compiler says that it does not fit.
		switch v.kind {
		case unsigned:
			vars[i].read = fmt.Sprintf("(%s ^ %s)", v.name, g.params[unsigned][0])
		case signed:
			vars[i].read = fmt.Sprintf("(i64(%s) + %s)", v.name, g.params[unsigned][0])
		}
	}
	g.line("for %s in %s:", names, over)
	g.turn(forLoop, l.size, l.size, func() {
		for _, v := range vars {
			g.enter(v)
		}
		g.statements(2)
	})
}
