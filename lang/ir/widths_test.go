package ir

import "testing"

// TestWidths: a number keeps its width through merges behind merges, and round a loop.
func TestWidths(t *testing.T) {
	f := NewFunc("main", Entry, 1)
	b := f.NewBlock()
	konst := func(n int64) *Value {
		v := b.NewValue(OpConst, Int, f.Pos)
		v.Imm = n
		b.Values = append(b.Values, v)
		return v
	}
	op := func(o Op, args ...*Value) *Value {
		v := b.NewValue(o, Int, f.Pos, args...)
		b.Values = append(b.Values, v)
		return v
	}
	word := op(OpParam)
	x := op(OpAnd, word, konst(3))
	for range 20 {
		x = op(OpPhi, x, konst(2))
	}
	round := op(OpPhi, konst(1))
	round.Args = append(round.Args, op(OpAnd, round, x))
	grows := op(OpPhi, konst(1))
	grows.Args = append(grows.Args, op(OpAdd, grows, konst(1)))
	w := f.Widths()
	if x.Bits() != 64 || w[x] != 2 || w[round] != 1 || w[grows] != 64 || w[word] != 64 {
		t.Errorf("a merge has %d bits, %d from near at hand, a loop %d, a sum %d, a parameter %d", w[x], x.Bits(), w[round], w[grows], w[word])
	}
}
