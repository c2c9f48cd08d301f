package gen

import (
	"slices"

	"weir/lang/ir"
)

// A loc is a place in numbers: a register, or 16 plus the distance of a stack
// place below the frame pointer. Stack places that share octets are one loc.
type loc int

// A copyOp is a move with its places in numbers; val is set if it is computed.
type copyOp struct {
	dst, src loc
	val      *ir.Value
}

const noLoc loc = -1

func (fn *function) loc(p place) loc {
	if p.phys >= 0 {
		return loc(p.phys)
	}
	return loc(16 + p.item.depth)
}

func (l loc) isReg() bool { return l < 16 }
func (l loc) off() int16  { return int16(-(int(l) - 16)) }

// parallel emits moves that happen at the same time: each destination is
// written once nobody needs its old content. A ring of moves is opened through a
// free register, or the scratch word of the frame. busy has the bits of the
// registers that must not be touched besides.
func (fn *function) parallel(moves []move, busy uint16) {
	var todo []copyOp
	for _, m := range moves {
		op := copyOp{dst: fn.loc(m.dst), src: noLoc, val: m.src.val}
		busy |= m.dst.mask() | m.src.mask()
		if op.val == nil {
			if op.src = fn.loc(m.src); op.src == op.dst {
				continue
			}
		}
		todo = append(todo, op)
	}
	for len(todo) > 0 {
		if i := slices.IndexFunc(todo, func(c copyOp) bool { return !isSource(todo, c.dst) }); i >= 0 {
			c := todo[i]
			todo = slices.Delete(todo, i, i+1)
			fn.copy(c, busy)
			continue
		}
		// All that is left are rings: put one source away.
		from := todo[0].src
		spare := freeReg(busy)
		if spare == noLoc {
			spare = fn.scratch(0)
		} else {
			busy |= 1 << spare
		}
		fn.copy(copyOp{dst: spare, src: from}, busy)
		for i := range todo {
			if todo[i].src == from {
				todo[i].src = spare
			}
		}
	}
}

func isSource(list []copyOp, l loc) bool {
	return slices.ContainsFunc(list, func(c copyOp) bool { return c.src == l })
}

// freeReg returns a register without a bit in busy. Registers that calls keep
// come last: who uses none of them saves their rescue.
func freeReg(busy uint16) loc {
	for r := loc(0); r < numRegs; r++ {
		if busy&(1<<r) == 0 {
			return r
		}
	}
	return noLoc
}

// scratch returns word n of the frame's scratch place.
func (fn *function) scratch(n int) loc {
	fn.frame.scratch = max(fn.frame.scratch, n+1)
	return loc(16 + fn.frame.size + 8*(n+1))
}

// copy emits one move.
func (fn *function) copy(c copyOp, busy uint16) {
	e := &fn.out
	switch {
	case c.val != nil && c.dst.isReg():
		e.materialise(int(c.dst), c.val)
	case c.dst.isReg() && c.src.isReg():
		e.op(Insn{Op: movReg, Dst: uint8(c.dst), Src: uint8(c.src)})
	case c.dst.isReg():
		e.op(Insn{Op: loadOp(8), Dst: uint8(c.dst), Src: frameReg, Off: c.src.off()})
	case c.val == nil && c.src.isReg():
		e.op(Insn{Op: storeOp(8), Dst: frameReg, Src: uint8(c.src), Off: c.dst.off()})
	case c.val != nil && c.val.Op == ir.OpConst && fits(c.val.Imm):
		e.op(Insn{Op: storeImmOp(8), Dst: frameReg, Off: c.dst.off(), Imm: c.val.Imm})
	default:
		fn.through(c, busy)
	}
}

// through emits a move to the stack that needs a register in between.
func (fn *function) through(c copyOp, busy uint16) {
	r := freeReg(busy)
	saved := noLoc
	if r == noLoc {
		r, saved = 0, fn.scratch(1)
		fn.copy(copyOp{dst: saved, src: r}, 0)
	}
	fn.copy(copyOp{dst: r, src: c.src, val: c.val}, 0)
	fn.copy(copyOp{dst: c.dst, src: r}, 0)
	if saved != noLoc {
		fn.copy(copyOp{dst: r, src: saved}, 0)
	}
}
