// Package random makes random valid programs of the language, for tests that
// compare what the compiler makes of them with the reference evaluator.
//
// # Model
//
// A program is grown from a grammar whose rules are Go methods. A rule is asked
// for an expression of a kind (unsigned, signed, boolean, addr4 …) with a depth
// that is left, and gives its text; so programs are well typed by construction.
// What a rule may use is what is in scope: every variable has one kind for life,
// is entered when it is assigned, and leaves with the block that assigned it.
//
//	gen.go                  scope, output, what is left of the budget
//	ints.go values.go bools.go   expressions by kind
//	packet.go               fields and the rules that read and write them
//	globals.go decls.go     params, lists, records, maps; their declarations
//	mapops.go lines.go      what a program does with maps; those without keys; tallies
//	chunks.go               octets, searches, writes to the payload
//	stmts.go loops.go       statements
//	helpers.go              functions and their calls
//	features.go             the names under which Source.Uses counts
//
// # Budget
//
// Each rule takes from the room that is left about as many instructions as its
// code will need, times the copies that unrolling and inlining make. With no
// room left only leaves grow. Loops have few turns, also when they nest.
//
// # What it keeps out of
//
// Programs have one outcome: no clock, no random numbers, no lru that is full.
// They stay where the language is clear: the signedness of an expression never
// depends on how constants are folded, shift counts and the variables of loops
// that count down are not signed, an expression that changes a map stands where
// the order of evaluation cannot matter, and no reference to an entry outlives
// its replacement.
package random

import (
	"math/rand/v2"
	"strings"
)

// A Source is a program: its text, and how often each feature of [Features]
// occurs in it.
type Source struct {
	Text string
	Uses map[string]int
	TC   bool // it uses what there is not at XDP
	XDP  bool // it uses what there is at XDP alone

	// Reads says that it runs at every hook: it neither changes packets nor sends
	// them elsewhere, and has no word of Ethernet.
	Reads bool
}

// Sizes of programs, in lines.
const (
	minLines = 10
	maxLines = 120
)

// Program returns a program that r decides, of 10 to 120 lines; its chain is
// main.
func Program(r *rand.Rand) Source {
	return program(func() *gen { return newGen(r) })
}

// Composition returns two to four programs, smaller ones, that may follow one
// another at a hook. All but the last often give PASS.
func Composition(r *rand.Rand) []Source {
	first := newGen(r)
	n := 2 + r.IntN(3)
	var out []Source
	for i := range n {
		out = append(out, program(func() *gen {
			g := newGen(r)
			g.tc, g.xdp, g.reads, g.tunnel = first.tc, first.xdp, first.reads, first.tunnel
			g.room /= n
			g.goesOn = i < n-1
			return g
		}))
	}
	return out
}

// program grows programs until one has the right size.
func program(gen func() *gen) Source {
	for {
		g := gen()
		g.program()
		text := g.text.String()
		if n := strings.Count(text, "\n"); n >= minLines && n <= maxLines {
			return Source{Text: text, Uses: g.uses, TC: g.tc, XDP: g.xdp, Reads: g.reads}
		}
	}
}
