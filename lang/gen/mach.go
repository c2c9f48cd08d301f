package gen

import (
	"weir/lang/diag"
	"weir/lang/ir"
)

// Registers of the machine. r0 holds results, r1 to r5 arguments; a call
// destroys these six. r10 is the frame pointer.
const (
	numRegs   = 10
	calleeReg = 6 // first register that calls keep
	frameReg  = 10
)

// An opKind says where an operand of an instruction is taken from.
type opKind uint8

const (
	opNone opKind = iota
	opReg         // virtual register reg, in a register
	opAny         // virtual register reg, wherever it is
	opImm         // imm, sign-extended from 32 bits
	opSlot        // address of slot plus imm: a base relative to r10
	opVal         // val, computed on the spot
)

// An operand is an input of a minst.
type operand struct {
	kind opKind
	reg  int
	imm  int64
	slot *ir.Slot
	val  *ir.Value
}

// A minst is an ir.Value with its operands chosen: what an instruction or a
// short fixed run of them computes.
type minst struct {
	v    *ir.Value
	dst  int // virtual register, -1 for none
	a, b operand
	args []operand // of calls
	half bool      // the operation is done on 32 bits
	at   int       // position: +0 moves before, +1 inputs, +2 outputs, +3 after
}

// An mphi is a phi of an mblock: one operand per predecessor.
type mphi struct {
	dst  int
	args []operand
	pos  diag.Pos
}

// An mblock is a block of the machine's form. No edge leads from a block with
// two successors to a block with two predecessors: such edges got a block of
// their own, so that moves between registers have a place.
type mblock struct {
	id    int
	ir    *ir.Block // nil for a block on an edge
	phis  []mphi
	insts []*minst

	kind ir.Kind
	cond ir.Cond
	a, b operand
	half bool
	pos  diag.Pos

	succs, preds []*mblock
	cold         bool
	depth        int
	from, to     int // positions: [from, to), the first four for the phis
	liveIn       []int
	in, out      []move // on the edge that leads in, if there is one; on the edge out, if there is one
	inBusy       uint16 // registers that hold something while in happens
	outBusy      uint16
}

// term returns the position of the block's end.
func (b *mblock) term() int { return b.to - 4 }

// A vreg is a virtual register: a value, or a copy of a constant or address that
// serves one block.
type vreg struct {
	remat *ir.Value // computed anew instead of spilled, nil for none
	first *interval
	hints []int  // virtual registers that it would be good to share a register with
	fixed []int8 // registers that it would be good to be in
	def   *mblock
	defAt int
	slot  *stackItem // where it is spilled to
	early bool       // stored once, where it is defined

	compared bool // a number on which a branch depends
}

// A function is a function on its way to instructions.
type function struct {
	f      *ir.Func
	blocks []*mblock // in order of the code
	regs   []vreg
	calls  []int // positions of calls, ascending
	params []int // virtual register of each parameter, -1 if unused
	cold   int   // position where cold code begins
	moves  map[int][]move
	frame  frame
	out    emitter
}

func (fn *function) newReg(b *mblock) int {
	fn.regs = append(fn.regs, vreg{def: b})
	return len(fn.regs) - 1
}
