package lower

import (
	"slices"

	"weir/lang/ir"
)

// manyMerges is from how many merges of constants on a program is made easy for
// the verifier. It follows every number that a variable can have where ways
// meet, as long as a later comparison rests on it: n such merges can make 2^n
// states. Below, the few instructions are saved.
const manyMerges = 6

// Forget makes the verifier forget which way a number came where it matters to
// nothing but the chain: it xors a zero that only the running program knows to
// be one. It comes after the optimiser, which gains from what it takes away.
func Forget(p *ir.Program) {
	n := 0
	soft := map[*ir.Func][]*ir.Value{}
	for _, f := range p.Funcs {
		soft[f] = softMerges(f)
		n += len(soft[f])
	}
	if n < manyMerges {
		return
	}
	zero := scratch(p)
	for _, f := range p.Funcs {
		forgetPhis(f, soft[f], zero)
	}
}

// softMerges returns the phis of f whose value the verifier would know on each way: of
// constants, and of what is added to such a one, as to a score that begins with 0.
func softMerges(f *ir.Func) (out []*ir.Value) {
	follows := map[*ir.Value]bool{}
	for again := true; again; { // what a loop merges comes after it
		again = false
		for _, b := range f.Blocks {
			for _, v := range b.Values {
				if follows[v] || !followed(v, follows) {
					continue
				}
				follows[v], again = true, true
				if v.Op == ir.OpPhi {
					out = append(out, v)
				}
			}
		}
	}
	return out
}

// followed reports whether the verifier knows v on each way, by what it is known to
// follow.
func followed(v *ir.Value, follows map[*ir.Value]bool) bool {
	known := func(a *ir.Value) bool { return follows[a] || a.Op == ir.OpConst }
	switch v.Op {
	case ir.OpPhi:
		return v.Soft && v.Type == ir.Int && slices.ContainsFunc(v.Args, func(a *ir.Value) bool { return known(a) || a.Op == ir.OpCmp })
	case ir.OpAdd, ir.OpSub, ir.OpMul, ir.OpAnd, ir.OpOr, ir.OpXor, ir.OpShl, ir.OpShr:
		return !slices.ContainsFunc(v.Args, func(a *ir.Value) bool { return !known(a) })
	}
	return false
}

// scratch returns the map whose first word is always zero.
func scratch(p *ir.Program) *ir.Map {
	for _, m := range p.Maps {
		if m.Name == ScratchMap {
			return m
		}
	}
	m := &ir.Map{Name: ScratchMap, Kind: ir.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1}
	p.Maps = append(p.Maps, m)
	return m
}

// forgetPhis puts phi ^ zero in the place of each phi.
func forgetPhis(f *ir.Func, phis []*ir.Value, zero *ir.Map) {
	sums := map[*ir.Value]*ir.Value{}
	add := map[*ir.Block][]*ir.Value{}
	widths := f.Widths()
	for _, phi := range phis {
		b := phi.Block
		at := b.NewValue(ir.OpMapValue, ir.Ptr, phi.Pos)
		at.Map = zero
		word := b.NewValue(ir.OpLoad, ir.Int, phi.Pos, at)
		word.Width = 8
		sum := b.NewValue(ir.OpXor, ir.Int, phi.Pos, phi, word)
		add[b] = append(add[b], at, word, sum)
		if n := widths[phi]; n < 64 {
			// What the optimiser has proved from its width, it must keep, however far it
			// lies behind merges that have come since.
			mask := b.NewValue(ir.OpConst, ir.Int, phi.Pos)
			mask.Imm = 1<<n - 1
			sum = b.NewValue(ir.OpAnd, ir.Int, phi.Pos, sum, mask)
			add[b] = append(add[b], mask, sum)
		}
		sums[phi] = sum
	}
	f.Replace(sums)
	for _, b := range f.Blocks {
		if len(add[b]) > 0 {
			i := len(b.Phis())
			b.Values = append(b.Values[:i:i], append(add[b], b.Values[i:]...)...)
		}
	}
}
