package gen

import (
	"slices"

	"weir/lang/ir"
)

// number gives every instruction a position, four apart, and collects the calls.
func (fn *function) number() {
	pos := 0
	fn.cold = never
	for _, b := range fn.blocks {
		if b.cold && fn.cold == never {
			fn.cold = pos
		}
		b.from = pos
		pos += 4
		for _, m := range b.insts {
			m.at = pos
			if m.v.IsCall() {
				fn.calls = append(fn.calls, pos)
			}
			pos += 4
		}
		pos += 4
		b.to = pos
	}
}

// liveness finds for each block the virtual registers that are live where it
// begins: from each use up to the definition, a register at a time (Boissinot
// and others, "Computing Liveness Sets for SSA-Form Programs", 2011).
func (fn *function) liveness() {
	reads := fn.reads()
	seen := make([]int, len(fn.blocks))
	var work []*mblock
	for r := range fn.regs {
		def := fn.regs[r].def
		work = append(work[:0], reads[r]...)
		for len(work) > 0 {
			b := work[len(work)-1]
			work = work[:len(work)-1]
			if b == def || seen[b.id] == r+1 {
				continue
			}
			seen[b.id] = r + 1
			b.liveIn = append(b.liveIn, r)
			work = append(work, b.preds...)
		}
	}
}

// reads lists for each virtual register the blocks that read it. A phi reads at
// the end of its predecessor.
func (fn *function) reads() [][]*mblock {
	list := make([][]*mblock, len(fn.regs))
	add := func(o operand, b *mblock) {
		if o.kind != opReg && o.kind != opAny {
			return
		}
		if l := list[o.reg]; len(l) == 0 || l[len(l)-1] != b {
			list[o.reg] = append(l, b)
		}
	}
	for _, b := range fn.blocks {
		for _, m := range b.insts {
			add(m.a, b)
			add(m.b, b)
			for _, a := range m.args {
				add(a, b)
			}
		}
		add(b.a, b)
		add(b.b, b)
		for _, p := range b.phis {
			for i, a := range p.args {
				add(a, b.preds[i])
			}
		}
	}
	return list
}

// intervals builds the life of every virtual register, from the last
// instruction to the first.
func (fn *function) intervals() {
	all := make([]interval, len(fn.regs))
	for i := range all {
		all[i].reg, all[i].phys = i, -1
		fn.regs[i].first = &all[i]
	}
	for i := len(fn.blocks) - 1; i >= 0; i-- {
		fn.block(fn.blocks[i], all)
	}
	for i := range all {
		slices.Reverse(all[i].spans)
		slices.Reverse(all[i].uses)
	}
}

func (fn *function) block(b *mblock, all []interval) {
	for _, s := range b.succs {
		for _, r := range s.liveIn {
			all[r].addSpan(b.from, b.to)
		}
		for k, p := range s.preds {
			if p != b {
				continue
			}
			for _, phi := range s.phis {
				if a := phi.args[k]; a.kind == opAny {
					all[a.reg].addSpan(b.from, b.to)
					fn.like(a.reg, phi.dst)
					fn.like(phi.dst, a.reg)
				}
			}
		}
	}
	use := func(o operand, end, need int) {
		if o.kind == opReg || o.kind == opAny {
			all[o.reg].addSpan(b.from, end)
		}
		if o.kind == opReg {
			all[o.reg].uses = append(all[o.reg].uses, need)
		}
	}
	t := b.term()
	use(b.b, t+2, t+1)
	use(b.a, t+2, t+1)
	if b.a.kind == opAny {
		fn.regs[b.a.reg].fixed = append(fn.regs[b.a.reg].fixed, 0)
	}
	for i := len(b.insts) - 1; i >= 0; i-- {
		fn.instruction(b.insts[i], all, use)
	}
	for _, p := range b.phis {
		begin(&all[p.dst], b.from, b.from+1)
		fn.regs[p.dst].defAt = b.from
	}
	if b.id == 0 {
		for i, r := range fn.params {
			if r >= 0 {
				begin(&all[r], b.from, b.from+1)
				fn.regs[r].fixed = append(fn.regs[r].fixed, int8(i+1))
			}
		}
	}
}

// begin cuts the life of it to what comes after its definition.
func begin(it *interval, def, least int) {
	if n := len(it.spans); n > 0 {
		it.spans[n-1].from = def
		return
	}
	it.addSpan(def, least)
}

func (fn *function) instruction(m *minst, all []interval, use func(operand, int, int)) {
	p := m.at
	if m.dst >= 0 {
		def := p + 2
		if m.v.IsCall() {
			def = p + 3
			fn.regs[m.dst].fixed = append(fn.regs[m.dst].fixed, 0)
		}
		begin(&all[m.dst], def, def+1)
		all[m.dst].uses = append(all[m.dst].uses, def)
		fn.regs[m.dst].defAt = p
		if tied := tiedTo(m); tied.kind == opReg {
			fn.like(m.dst, tied.reg)
		}
	}
	for i, a := range m.args {
		use(a, p+2, p+1)
		if a.kind == opAny {
			fn.regs[a.reg].fixed = append(fn.regs[a.reg].fixed, int8(i+1))
		}
	}
	a, b := late(m)
	if a {
		use(m.a, p+3, p+2)
	}
	if b {
		use(m.b, p+3, p+2)
	}
	if !a {
		use(m.a, p+2, p+1)
	}
	if !b {
		use(m.b, p+2, p+1)
	}
}

// tiedTo returns the operand that m's result replaces.
func tiedTo(m *minst) operand {
	switch m.v.Op {
	case ir.OpLoad, ir.OpPktData, ir.OpPktEnd, ir.OpCmp:
		return operand{}
	case ir.OpFetchAdd, ir.OpAtomicXchg:
		return m.b
	}
	return m.a
}

// late reports which operands are still read after the result has been begun,
// so that they must not share its register.
func late(m *minst) (a, b bool) {
	switch m.v.Op {
	case ir.OpFetchAdd, ir.OpAtomicXchg:
		return true, false
	case ir.OpCmp:
		return true, true
	case ir.OpAdd, ir.OpMul, ir.OpAnd, ir.OpOr, ir.OpXor:
		return false, m.a.kind != opReg
	case ir.OpSub, ir.OpDiv, ir.OpMod, ir.OpShl, ir.OpShr, ir.OpSar:
		return false, true
	}
	return false, false
}

// like records that r had better share a register with o.
func (fn *function) like(r, o int) { fn.regs[r].hints = append(fn.regs[r].hints, o) }
