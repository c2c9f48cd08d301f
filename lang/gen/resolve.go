package gen

import (
	"slices"

	"weir/lang/ir"
)

// A place is where a value is at a time: a register, a stack place of 8 octets,
// or nowhere: val is computed when needed.
type place struct {
	phys int8       // register if >= 0
	item *stackItem // else this
	val  *ir.Value  // else this, or imm
}

// mask returns the bit of the register of p, if it is one.
func (p place) mask() uint16 {
	if p.phys < 0 {
		return 0
	}
	return 1 << p.phys
}

// A move copies a value from one place to another. Moves at one point happen
// at the same time.
type move struct {
	reg      int // virtual register that moves, -1 for parts of a call
	dst, src place
}

func (m move) isStore() bool { return m.dst.item != nil }

// where returns the place of r's part it.
func (fn *function) where(it *interval) place {
	v := &fn.regs[it.reg]
	switch {
	case it.phys >= 0:
		return place{phys: it.phys}
	case v.remat != nil:
		return place{phys: -1, val: v.remat}
	}
	if v.slot == nil {
		v.slot = &stackItem{size: 8, align: 8, spill: it.reg}
	}
	return place{phys: -1, item: v.slot}
}

// source returns the place that operand o is read from at pos.
func (fn *function) source(o operand, pos int) place {
	if o.kind == opVal {
		return place{phys: -1, val: o.val}
	}
	return fn.where(fn.at(o.reg, pos))
}

// resolve finds the moves that connect the parts of every life: where a life
// was cut inside of a block, and on the edges between blocks, together with the
// phis there.
func (fn *function) resolve() {
	for r := range fn.regs {
		it := fn.regs[r].first
		if len(it.spans) == 0 {
			continue
		}
		for c := it.next; c != nil; c = c.next {
			fn.connect(c)
		}
	}
	for _, b := range fn.blocks {
		for i, p := range b.preds {
			fn.edge(p, b, i)
		}
	}
	fn.entry()
	fn.storeEarly()
}

// connect adds the move into part c of a life, unless it begins with a block:
// then the edges do it.
func (fn *function) connect(c *interval) {
	gap := c.start() &^ 3
	b := fn.blocks[fn.blockAt(gap)]
	if gap == b.from || fn.regs[c.reg].first.start() >= gap {
		return
	}
	from := fn.where(fn.at(c.reg, gap-1))
	to := fn.where(c)
	if from != to && to.val == nil {
		fn.moves[gap] = append(fn.moves[gap], move{c.reg, to, from})
	}
}

// edge adds the moves of the edge from p, predecessor i of b.
func (fn *function) edge(p, b *mblock, i int) {
	list, busy := &p.out, &p.outBusy
	if len(b.preds) == 1 {
		list, busy = &b.in, &b.inBusy
	}
	add := func(r int, to, from place) {
		*busy |= to.mask() | from.mask()
		if from != to && to.val == nil {
			*list = append(*list, move{r, to, from})
		}
	}
	for _, phi := range b.phis {
		to := fn.where(fn.at(phi.dst, b.from))
		add(phi.dst, to, fn.source(phi.args[i], p.to-1))
	}
	for _, r := range b.liveIn {
		add(r, fn.where(fn.at(r, b.from)), fn.where(fn.at(r, p.to-1)))
	}
}

// entry adds the moves of parameters into place.
func (fn *function) entry() {
	b := fn.blocks[0]
	for i, r := range fn.params {
		if r < 0 {
			continue
		}
		to, from := fn.where(fn.at(r, b.from)), place{phys: int8(i + 1)}
		if to != from {
			b.in = append(b.in, move{r, to, from})
		}
	}
	b.inBusy = 1<<numRegs - 1
}

// storeEarly decides for each life that is stored in several places to store
// it once instead, where it is defined, if that runs less often.
func (fn *function) storeEarly() {
	cost := map[int]float64{}
	fn.eachMoves(func(b *mblock, list []move) []move {
		for _, m := range list {
			if m.isStore() {
				cost[m.reg] += weight(b)
			}
		}
		return list
	})
	for r := range fn.regs {
		v := &fn.regs[r]
		v.early = cost[r] > 0 && v.first.phys >= 0 && weight(v.def) < cost[r]
	}
	fn.eachMoves(func(_ *mblock, list []move) []move {
		return slices.DeleteFunc(list, func(m move) bool { return m.isStore() && fn.regs[m.reg].early })
	})
	for r := range fn.regs {
		if v := &fn.regs[r]; v.early && v.defAt == v.def.from {
			gap := v.def.from + 4 // a phi or parameter: right after it came into being
			fn.moves[gap] = append(fn.moves[gap], move{r, place{phys: -1, item: v.slot}, fn.where(v.first)})
		}
	}
}

// eachMoves replaces every list of moves by what f makes of it.
func (fn *function) eachMoves(f func(b *mblock, list []move) []move) {
	for _, b := range fn.blocks {
		b.in, b.out = f(b, b.in), f(b, b.out)
	}
	for gap, list := range fn.moves {
		fn.moves[gap] = f(fn.blocks[fn.blockAt(gap)], list)
	}
}

// weight guesses how often b runs.
func weight(b *mblock) float64 {
	w := 1.0
	if b.cold {
		w = 0.01
	}
	for range min(b.depth, 6) {
		w *= 10
	}
	return w
}
