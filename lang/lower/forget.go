package lower

import (
	"math"
	"slices"

	"weir/lang/diag"
	"weir/lang/ir"
)

// manyMerges is from how many merges of numbers that it follows on a program is made
// easy for the verifier. It follows every number that a variable can have where ways
// meet, as long as a later comparison rests on it: n such merges can make 2^n
// states. Below, the few instructions are saved.
const manyMerges = 6

// Forget makes the verifier forget which way a number came where it matters to
// nothing but the chain. It comes after the optimiser, which gains from what it takes
// away.
//
// What is forgotten is what a comparison rests on, not each merge before it: of a
// score that twenty rules add to, the sum where it is compared.
func Forget(p *ir.Program) {
	merges := 0
	var all []*follower
	for _, f := range p.Funcs {
		g := &forgetter{f: f, own: map[*ir.Slot]bool{}, zero: func() *ir.Map { return scratch(p) }}
		g.tests(testedOften(f))
		fw := follow(g)
		fw.cuts()
		all = append(all, fw)
		merges += fw.merges
	}
	if merges < manyMerges {
		return
	}
	for _, fw := range all {
		fw.g.values(fw)
	}
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

// A forgetter makes numbers of a function that the verifier does not know.
//
// They go through half a word of the stack. The verifier follows what is stored where a
// word begins (check_stack_write_fixed_off, Linux 6.1 to 6.18); of what is stored in its
// second half it knows nothing when that is loaded, and does not ask how it came about:
// what is decided later rests on nothing before. A xor with what it does not know would
// hide the number as well, but not that: it would go on to keep apart what went into it.
//
// Until Linux 6.7 it asks, and is given the last store to the word: a zero, to the first
// half.
type forgetter struct {
	f    *ir.Func
	own  map[*ir.Slot]bool // where tested numbers are kept
	zero func() *ir.Map    // whose first word is always zero
}

// through returns v, of at most max, as the verifier does not know it, and all that is to
// be placed in b for that. What is stored is never zero: of a zero the verifier takes note
// wherever it is stored, and asks how it came about.
func (g *forgetter) through(b *ir.Block, v *ir.Value, max uint64) (*ir.Value, []*ir.Value) {
	s := g.f.NewSlot("forgotten", 8, 8, v.Pos) // of its own: so it is needed for no longer than this
	m := &maker{b: b, pos: v.Pos}
	if max < math.MaxUint32 {
		m.keep(s, m.op(ir.OpAdd, v, m.konst(1)))
		return m.op(ir.OpSub, m.kept(s), m.konst(1)), m.made
	}
	m.keep(s, m.op(ir.OpXor, v, m.konst(-1)))
	low := m.add(ir.OpZExt, ir.Int, m.op(ir.OpXor, m.kept(s), m.konst(-1)))
	low.Width = 4
	if max == math.MaxUint32 {
		return low, m.made
	}
	m.keep(s, m.op(ir.OpAdd, m.op(ir.OpShr, v, m.konst(32)), m.konst(1)))
	return m.op(ir.OpOr, low, m.op(ir.OpShl, m.op(ir.OpSub, m.kept(s), m.konst(1)), m.konst(32))), m.made
}

// hide returns v, as the verifier does not know it, in the cheapest way. What fills a word
// is compared with nothing that its bounds decide, and if it comes of no other merge it is
// one of a few numbers: a xor does.
func (g *forgetter) hide(fw *follower, b *ir.Block, v *ir.Value, max uint64) (*ir.Value, []*ir.Value) {
	if v.Op == ir.OpPhi && max > math.MaxUint32 && !slices.ContainsFunc(v.Args, func(a *ir.Value) bool { return fw.known[a] }) {
		return g.blurred(b, v)
	}
	return g.through(b, v, max)
}

// blurred returns v with a zero xored in that only the running program knows to be one,
// and all that is to be placed in b for that.
func (g *forgetter) blurred(b *ir.Block, v *ir.Value) (*ir.Value, []*ir.Value) {
	m := &maker{b: b, pos: v.Pos}
	at := m.add(ir.OpMapValue, ir.Ptr)
	at.Map = g.zero()
	word := m.add(ir.OpLoad, ir.Int, at)
	word.Width = 8
	return m.op(ir.OpXor, v, word), m.made
}

// A maker makes values of a block that are not placed yet.
type maker struct {
	b    *ir.Block
	pos  diag.Pos
	made []*ir.Value
}

func (m *maker) add(op ir.Op, t ir.Type, args ...*ir.Value) *ir.Value {
	v := m.b.NewValue(op, t, m.pos, args...)
	m.made = append(m.made, v)
	return v
}

// keep stores the low half of x, which is not zero, to the second half of a word.
func (m *maker) keep(s *ir.Slot, x *ir.Value) {
	at := m.address(s)
	high := m.add(ir.OpStore, ir.Void, at, x)
	high.Width, high.Off = 4, 4
	m.add(ir.OpStore, ir.Void, at, m.konst(0)).Width = 4
}

// kept loads what was kept, as a number that the verifier has never met.
func (m *maker) kept(s *ir.Slot) *ir.Value {
	v := m.add(ir.OpLoad, ir.Int, m.address(s))
	v.Width, v.Off = 4, 4
	return v
}

func (m *maker) address(s *ir.Slot) *ir.Value {
	at := m.add(ir.OpSlot, ir.Ptr)
	at.Slot = s
	return at
}

func (m *maker) op(op ir.Op, x, y *ir.Value) *ir.Value { return m.add(op, ir.Int, x, y) }

func (m *maker) konst(n int64) *ir.Value {
	v := m.add(ir.OpConst, ir.Int)
	v.Imm = n
	return v
}

// values puts what the verifier does not know in the place of each value.
func (g *forgetter) values(fw *follower) {
	if len(fw.cut) == 0 {
		return
	}
	widths, most := g.f.Widths(), g.f.Most()
	made, sums := map[*ir.Value][]*ir.Value{}, map[*ir.Value]*ir.Value{}
	for _, b := range g.f.Blocks {
		for _, v := range b.Values {
			if !fw.cut[v] {
				continue
			}
			x, vs := g.hide(fw, b, v, most[v])
			if n := widths[v]; fw.needed[v] && n < 64 {
				// What the optimiser has proved from its width, it must keep, however far it
				// lies behind merges that have come since.
				mask := b.NewValue(ir.OpConst, ir.Int, v.Pos)
				mask.Imm = 1<<n - 1
				x = b.NewValue(ir.OpAnd, ir.Int, v.Pos, x, mask)
				vs = append(vs, mask, x)
			}
			made[v], sums[v] = vs, x
		}
	}
	g.f.Replace(sums)
	for _, b := range g.f.Blocks {
		placeBehind(b, made)
	}
}

// placeBehind places what was made of values of b behind them, or behind all phis.
func placeBehind(b *ir.Block, made map[*ir.Value][]*ir.Value) {
	phis := len(b.Phis())
	var out, late []*ir.Value
	for i, v := range b.Values {
		out = append(out, v)
		if late = append(late, made[v]...); i+1 >= phis {
			out, late = append(out, late...), nil
		}
	}
	b.Values = out
}

// maxKept is how many numbers are kept on the stack for their tests.
const maxKept = 8

// tests has each test of the values made of one that the verifier does not know, so that
// it learns nothing of them: a small one is kept where it is made, and loaded for each.
func (g *forgetter) tests(values []*ir.Value) {
	if len(values) == 0 {
		return
	}
	most, made := g.f.Most(), map[*ir.Value][]*ir.Value{}
	kept := map[*ir.Value]*ir.Slot{}
	for _, v := range values {
		if most[v] > math.MaxUint32 || len(kept) == maxKept {
			continue
		}
		kept[v] = g.f.NewSlot("tested", 8, 8, v.Pos)
		g.own[kept[v]] = true
		m := &maker{b: v.Block, pos: v.Pos}
		m.keep(kept[v], m.op(ir.OpXor, v, m.konst(-1)))
		made[v] = m.made
	}
	for _, b := range g.f.Blocks {
		if b.Kind != ir.KindIf || !slices.Contains(values, b.X) {
			continue
		}
		if s := kept[b.X]; s != nil {
			testKept(b, s)
			continue
		}
		x, vs := g.through(b, b.X, most[b.X])
		b.Values, b.X = append(b.Values, vs...), x
	}
	for _, b := range g.f.Blocks {
		placeBehind(b, made)
	}
}

// testKept has b test what is kept, which is what the number lacks to 32 bits of ones.
func testKept(b *ir.Block, s *ir.Slot) {
	m := &maker{b: b, pos: b.Pos}
	x := m.kept(s)
	if y := b.Y; y.Op == ir.OpConst && b.Cond <= ir.UGe && y.Imm >= 0 && y.Imm <= math.MaxUint32 {
		b.X, b.Y, b.Cond = x, m.konst(math.MaxUint32-y.Imm), b.Cond.Flip()
	} else {
		x = m.add(ir.OpZExt, ir.Int, m.op(ir.OpXor, x, m.konst(-1)))
		x.Width = 4
		b.X = x
	}
	b.Values = append(b.Values, m.made...)
}
