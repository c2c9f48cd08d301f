package random

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// A kind is what an expression gives.
type kind int

const (
	unsigned kind = iota
	signed
	boolean
	addr4
	addr6
	addr // ip, either family
	hardware
	chunk // octets(4)
	verdict
	pair  // a tuple of two unsigned
	recs  // a record of the type variable.rec
	views // a header, variable.header
	nothing
)

// A variable is a local, or a parameter.
type variable struct {
	name   string
	kind   kind
	rec    *record
	header string
	read   string // how it is read, if not by its name
	fixed  bool   // never assigned again
}

// gen is a program that grows.
type gen struct {
	r      *rand.Rand
	uses   map[string]int
	text   strings.Builder
	indent int
	names  int // made so far

	globals
	vars []variable // in scope, innermost last

	room    int  // instructions that may still be made, roughly
	copies  int  // how often the compiler will make what is being written
	turns   int  // of the loops around, multiplied
	moves   int  // writes left that change which headers follow
	shifts  int  // moves of the packet left
	pushed  bool // bytes were put before it
	tallies int  // counts by value left
	clones  int  // copies of packets left
	ways    int  // questions to fib() left: each takes much of the stack

	tc      bool // for traffic control alone
	xdp     bool // for XDP alone
	main    bool // in the attached function
	goesOn  bool // another chain follows
	reads   bool // packets are not changed, nor sent elsewhere, nor seen as frames
	tunnel  bool // the packet inside a tunnel is looked at, too
	pkt     bool // the packet is in scope
	pure    bool // no expression that changes something may grow
	loop    loop // innermost
	returns kind // of the function around; nothing if it has no result
}

// A loop is what the statements of its body must know of it.
type loop int

const (
	noLoop loop = iota
	forLoop
	whileLoop // its counter changes at the end: no continue
)

func newGen(r *rand.Rand) *gen {
	only, room := r.IntN(8), 450+r.IntN(850)
	return &gen{r: r, uses: map[string]int{}, room: room, copies: 1, turns: 1, moves: 2, shifts: 3, tallies: 2, ways: r.IntN(3) / 2, clones: 2, tc: only == 0, xdp: only == 1, reads: only == 2 || only == 3, tunnel: room%4 == 0}
}

// use counts a feature.
func (g *gen) use(feature string) { g.uses[feature]++ }

// pay takes instructions from the room.
func (g *gen) pay(n int) { g.room -= n * g.copies }

func (g *gen) line(format string, args ...any) {
	g.text.WriteString(strings.Repeat("    ", g.indent))
	fmt.Fprintf(&g.text, format, args...)
	g.text.WriteByte('\n')
}

// name returns a name that is not taken.
func (g *gen) name(prefix string) string {
	g.names++
	return fmt.Sprintf("%s%d", prefix, g.names)
}

// block writes an indented body; what it assigns leaves scope with it.
func (g *gen) block(body func()) {
	mark := len(g.vars)
	g.indent++
	body()
	g.indent--
	g.vars = g.vars[:mark]
}

func (g *gen) enter(v variable) { g.vars = append(g.vars, v) }

// purely grows something that changes nothing.
func purely[T any](g *gen, grow func() T) T {
	was := g.pure
	g.pure = true
	defer func() { g.pure = was }()
	return grow()
}

// one is true once in n times.
func (g *gen) one(n int) bool { return g.r.IntN(n) == 0 }

// pick returns one of the values, of which there is at least one.
func pick[T any](g *gen, values ...T) T { return values[g.r.IntN(len(values))] }

// local returns a variable of kind k that satisfies ok, if there is one.
func (g *gen) local(k kind, ok func(variable) bool) (variable, bool) {
	var found []variable
	for _, v := range g.vars {
		if v.kind == k && (ok == nil || ok(v)) {
			found = append(found, v)
		}
	}
	if len(found) == 0 {
		return variable{}, false
	}
	return pick(g, found...), true
}

func assignable(v variable) bool { return !v.fixed }

// text of a read of the variable.
func (v variable) String() string {
	if v.read != "" {
		return v.read
	}
	return v.name
}

// A rule is one way to grow something, with its weight; weight 0 is a rule that
// cannot be taken here.
type rule struct {
	weight int
	grow   func() string
}

// grow takes one of the rules.
func (g *gen) grow(rules ...rule) string {
	sum := 0
	for _, r := range rules {
		sum += r.weight
	}
	n := g.r.IntN(sum)
	for _, r := range rules {
		if n -= r.weight; n < 0 {
			return r.grow()
		}
	}
	panic("random: no rule")
}

// when is the weight, or 0 if the condition does not hold.
func when(cond bool, weight int) int {
	if cond {
		return weight
	}
	return 0
}

// expr grows an expression of a kind that is not a record or a header.
func (g *gen) expr(k kind, depth int) string {
	if g.room <= 0 {
		depth = 0
	}
	switch k {
	case unsigned:
		return g.unsigned(depth)
	case signed:
		return g.signed(depth)
	case boolean:
		return g.boolean(depth)
	case addr4:
		return g.addr4(depth)
	case addr6:
		return g.addr6(depth)
	case addr:
		return g.addr(depth)
	case hardware:
		return g.hardware(depth)
	case chunk:
		return g.chunk(depth)
	case verdict:
		return g.verdict(depth)
	case pair:
		return g.pair(depth)
	}
	panic("random: no expression of this kind")
}

// program grows all of it.
func (g *gen) program() {
	g.declare()
	g.functions()
	g.line("")
	g.line("def main(pkt):")
	g.main, g.pkt, g.returns = true, true, verdict
	g.block(func() {
		for n := 4 + g.r.IntN(22); n > 0 && g.room > 0; n-- {
			g.statement()
		}
		g.end()
	})
}

// end grows the end of main.
func (g *gen) end() {
	switch g.r.IntN(6) {
	case 0:
		g.use("end of main without return")
		g.line("count(%q)", "end")
	case 1:
		g.use("bare return")
		g.line("return")
	default:
		g.use("return")
		g.line("return %s", g.expr(verdict, 2))
	}
}
