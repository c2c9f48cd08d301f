package gen

import (
	"math"
	"slices"

	"weir/lang/diag"
	"weir/lang/ir"
)

// An output is an instruction whose jump, if it is one, still names a block.
type output struct {
	Insn
	kind   RelocKind
	name   string // what a relocation refers to
	off    int
	target *mblock
	pos    diag.Pos
}

// An emitter collects the instructions of one block after another.
type emitter struct {
	fn   *function
	code [][]output // by block
	cur  []output
	pos  diag.Pos
}

func (e *emitter) op(i Insn) { e.cur = append(e.cur, output{Insn: i, pos: e.pos}) }

func (e *emitter) reloc(i Insn, kind RelocKind, name string, off int) {
	e.cur = append(e.cur, output{Insn: i, kind: kind, name: name, off: off, pos: e.pos})
}

func (e *emitter) jump(i Insn, to *mblock) {
	e.cur = append(e.cur, output{Insn: i, target: to, pos: e.pos})
}

// emit turns the function, its registers chosen, into instructions.
func (fn *function) emit() {
	e := &fn.out
	e.fn = fn
	e.code = make([][]output, len(fn.blocks))
	for i, b := range fn.blocks {
		e.cur = make([]output, 0, 2*len(b.insts)+4)
		e.pos = b.firstPos(fn.f.Pos)
		fn.parallel(b.in, b.inBusy)
		for _, m := range b.insts {
			if m.v.Pos.Line != 0 {
				e.pos = m.v.Pos
			}
			fn.parallel(fn.moves[m.at], 1<<numRegs-1)
			e.instruction(m)
		}
		if b.pos.Line != 0 && b.ir != nil {
			e.pos = b.pos
		}
		fn.parallel(fn.moves[b.term()], 1<<numRegs-1)
		fn.parallel(b.out, b.outBusy)
		e.terminator(b)
		e.code[i] = e.cur
	}
}

// firstPos returns the place of the first instruction of b that has one.
func (b *mblock) firstPos(otherwise diag.Pos) diag.Pos {
	for _, m := range b.insts {
		if m.v.Pos.Line != 0 {
			return m.v.Pos
		}
	}
	if b.pos.Line != 0 {
		return b.pos
	}
	return otherwise
}

// reg returns the register that operand o is in at pos.
func (e *emitter) reg(o operand, pos int) uint8 {
	it := e.fn.at(o.reg, pos)
	if it.phys < 0 {
		panic("gen: operand not in a register: " + e.fn.describe(it))
	}
	return uint8(it.phys)
}

func (e *emitter) dst(m *minst) uint8 {
	pos := m.at + 2
	if m.v.IsCall() {
		pos++
	}
	return e.reg(operand{reg: m.dst}, pos)
}

// base returns register and offset of the memory that m touches.
func (e *emitter) base(m *minst) (uint8, int16) {
	if m.a.kind == opSlot {
		depth := e.fn.frame.slots[m.a.slot.ID].depth
		return frameReg, int16(int64(m.v.Off) + m.a.imm - int64(depth))
	}
	return e.reg(m.a, m.at+1), int16(m.v.Off)
}

func (e *emitter) instruction(m *minst) {
	v := m.v
	if rematerial(v) {
		e.materialise(int(e.dst(m)), v)
		e.after(m)
		return
	}
	switch v.Op {
	case ir.OpLoad, ir.OpPktData, ir.OpPktEnd:
		width := v.Width
		if v.Op != ir.OpLoad {
			width = 4 // the verifier makes a pointer of it
		}
		r, off := e.base(m)
		load := Insn{Op: loadOp(width), Dst: e.dst(m), Src: r, Off: off}
		if v.Sym != "" {
			e.reloc(load, RelocField, v.Sym, int(off))
		} else {
			e.op(load)
		}
	case ir.OpStore:
		r, off := e.base(m)
		if m.b.kind == opImm {
			e.op(Insn{Op: storeImmOp(v.Width), Dst: r, Off: off, Imm: m.b.imm})
		} else {
			e.op(Insn{Op: storeOp(v.Width), Dst: r, Src: e.reg(m.b, m.at+1), Off: off})
		}
	case ir.OpAtomicAdd, ir.OpAtomicOr, ir.OpAtomicAnd, ir.OpAtomicXor, ir.OpFetchAdd, ir.OpAtomicXchg:
		e.atomic(m)
	case ir.OpCall, ir.OpCallFunc:
		e.call(m)
	case ir.OpCmp:
		d := e.dst(m)
		e.op(Insn{Op: movImm, Dst: d, Imm: 1})
		i := e.condition(v.Cond, m.a, m.b, m.half, m.at+1)
		i.Off = 1
		e.op(i)
		e.op(Insn{Op: movImm, Dst: d})
	default:
		e.arith(m)
	}
	e.after(m)
}

// after stores what an instruction has made, if it is stored early. Of a number
// that is compared later the verifier must know that register and place hold the
// same: before Linux 6.8 it does only if the register was copied before.
func (e *emitter) after(m *minst) {
	if m.dst < 0 {
		return
	}
	if v := &e.fn.regs[m.dst]; v.early {
		if v.compared {
			e.op(Insn{Op: movReg, Dst: e.dst(m), Src: e.dst(m)})
		}
		e.op(Insn{Op: storeOp(8), Dst: frameReg, Src: e.dst(m), Off: int16(-v.slot.depth)})
	}
}

func (e *emitter) atomic(m *minst) {
	v := m.v
	r, off := e.base(m)
	i := Insn{Op: atomicOp(v.Width), Dst: r, Off: off}
	switch v.Op {
	case ir.OpFetchAdd:
		i.Imm = atomicFetch
	case ir.OpAtomicXchg:
		i.Imm = atomicXchg | atomicFetch
	case ir.OpAtomicAdd:
		i.Imm = 0x00
	case ir.OpAtomicOr:
		i.Imm = 0x40
	case ir.OpAtomicAnd:
		i.Imm = 0x50
	case ir.OpAtomicXor:
		i.Imm = 0xa0
	}
	if m.dst >= 0 {
		i.Src = e.dst(m)
		e.set(i.Src, m.b, m.at+1)
	} else {
		i.Src = e.reg(m.b, m.at+1)
	}
	e.op(i)
}

// set puts operand o into register d.
func (e *emitter) set(d uint8, o operand, pos int) {
	switch o.kind {
	case opImm:
		e.op(Insn{Op: movImm, Dst: d, Imm: o.imm})
	case opVal:
		e.materialise(int(d), o.val)
	default:
		if s := e.reg(o, pos); s != d {
			e.op(Insn{Op: movReg, Dst: d, Src: s})
		}
	}
}

// sizeArg is which argument of a helper is the size of memory. Linux 6.12 forgets the
// unsigned range of a number when it learns something from a comparison of that number
// plus a constant, and finds it again with the next arithmetic: so one that is in a
// register gets an addition of nothing.
var sizeArg = map[int64]int{
	9: 3, 26: 3, 189: 3, 190: 3, // skb_store_bytes, skb_load_bytes, xdp_load_bytes, xdp_store_bytes
	113: 1, 201: 1, // probe_read_kernel, dynptr_read
}

func (e *emitter) call(m *minst) {
	var moves []move
	for i, a := range m.args {
		if body := m.v.Func; body == nil || body.Inline == nil || mentions(body.Inline, uint8(i+1)) {
			moves = append(moves, move{-1, place{phys: int8(i + 1)}, e.fn.source(a, m.at+1)})
		}
	}
	e.fn.parallel(moves, 1<<numRegs-2) // r0 is free: the call destroys it
	if i, ok := sizeArg[m.v.Imm]; ok && m.v.Op == ir.OpCall && m.args[i].kind == opAny {
		e.op(Insn{Op: addImm, Dst: uint8(i + 1)})
	}
	switch {
	case m.v.Op == ir.OpCall && m.v.Imm == ir.Kfunc:
		e.reloc(Insn{Op: callOp, Src: pseudoKfunc, Imm: -1}, RelocKfunc, m.v.Sym, 0)
	case m.v.Op == ir.OpCall:
		e.op(Insn{Op: callOp, Imm: m.v.Imm})
	case m.v.Func.Inline != nil:
		for _, in := range m.v.Func.Inline {
			e.op(Insn(in))
		}
	case m.v.Func.Linkage == ir.Foreign:
		e.reloc(Insn{Op: callOp, Src: pseudoCall, Imm: -1}, RelocForeign, m.v.Func.Name, 0)
	default:
		e.reloc(Insn{Op: callOp, Src: pseudoCall, Imm: -1}, RelocCall, m.v.Func.Name, 0)
	}
	if m.dst >= 0 {
		if d := e.dst(m); d != 0 {
			e.op(Insn{Op: movReg, Dst: d, Src: 0})
		}
	}
}

// mentions reports whether code may read a register.
func mentions(code []ir.Raw, reg uint8) bool {
	return slices.ContainsFunc(code, func(in ir.Raw) bool { return in.Dst == reg || in.Src == reg })
}

// unlinked reports whether m adds a constant to a copy of a number, which is emitted as the
// number added to the constant. Linux 6.12 links a copy with what was added to it: what a
// comparison says of the one it reckons back to the other, and then takes the lower bound
// for lost, or an offset that it knows to be 32767 for no number at all.
func (e *emitter) unlinked(m *minst, d uint8) bool {
	return m.v.Op == ir.OpAdd && m.v.Type != ir.Ptr && !m.half && m.b.imm > 0 && m.a.kind == opReg && e.reg(m.a, m.at+1) != d
}

// arith emits d = a op b.
func (e *emitter) arith(m *minst) {
	v, d := m.v, e.dst(m)
	switch v.Op {
	case ir.OpZExt, ir.OpSExt, ir.OpSwap, ir.OpNeg:
		e.unary(m, d)
		return
	case ir.OpDiv:
		if m.b.kind == opImm && m.b.imm == 0 { // the verifier refuses "div by zero"
			e.op(Insn{Op: movImm, Dst: d})
			return
		}
	case ir.OpMod:
		if m.b.kind == opImm && m.b.imm == 0 {
			e.set(d, m.a, m.at+1)
			return
		}
	}
	if m.b.kind == opImm {
		if e.unlinked(m, d) {
			e.op(Insn{Op: movImm, Dst: d, Imm: m.b.imm})
			e.op(Insn{Op: aluOp(v.Op, m.half, true), Dst: d, Src: e.reg(m.a, m.at+1)})
			return
		}
		e.set(d, m.a, m.at+1)
		e.op(Insn{Op: aluOp(v.Op, m.half, false), Dst: d, Imm: m.b.imm})
		return
	}
	b := e.reg(m.b, m.at+1)
	if b == d && m.a.kind == opReg {
		a := e.reg(m.a, m.at+1)
		if a != d && !commutes(v.Op) {
			panic("gen: operand overwritten: " + v.Text())
		}
		e.op(Insn{Op: aluOp(v.Op, m.half, true), Dst: d, Src: a})
		return
	}
	e.set(d, m.a, m.at+1)
	e.op(Insn{Op: aluOp(v.Op, m.half, true), Dst: d, Src: b})
}

func (e *emitter) unary(m *minst, d uint8) {
	v := m.v
	if v.Op == ir.OpZExt && v.Width == 4 && m.a.kind == opReg {
		e.op(Insn{Op: mov32, Dst: d, Src: e.reg(m.a, m.at+1)})
		return
	}
	e.set(d, m.a, m.at+1)
	switch v.Op {
	case ir.OpNeg:
		e.op(Insn{Op: negOp, Dst: d})
	case ir.OpSwap:
		e.op(Insn{Op: swapOp, Dst: d, Imm: int64(8 * v.Width)})
	case ir.OpZExt:
		if v.Width == 4 {
			e.op(Insn{Op: mov32, Dst: d, Src: d})
		} else {
			e.op(Insn{Op: aluOp(ir.OpAnd, false, false), Dst: d, Imm: 1<<(8*v.Width) - 1})
		}
	case ir.OpSExt:
		n := int64(64 - 8*v.Width)
		e.op(Insn{Op: aluOp(ir.OpShl, false, false), Dst: d, Imm: n})
		e.op(Insn{Op: aluOp(ir.OpSar, false, false), Dst: d, Imm: n})
	}
}

// materialise computes a constant or address into register d.
func (e *emitter) materialise(d int, v *ir.Value) {
	r := uint8(d)
	switch v.Op {
	case ir.OpConst:
		switch {
		case fits(v.Imm):
			e.op(Insn{Op: movImm, Dst: r, Imm: v.Imm})
		case uint64(v.Imm) <= math.MaxUint32:
			e.op(Insn{Op: movImm&^7 | classAlu, Dst: r, Imm: int64(int32(v.Imm))})
		default:
			e.op(Insn{Op: ldImm64, Dst: r, Imm: v.Imm})
		}
	case ir.OpMapPtr:
		e.reloc(Insn{Op: ldImm64, Dst: r, Src: pseudoMap}, RelocMap, v.Map.Name, 0)
	case ir.OpMapValue:
		e.reloc(Insn{Op: ldImm64, Dst: r, Src: pseudoMapValue}, RelocMapValue, v.Map.Name, int(v.Imm))
	case ir.OpFuncAddr:
		e.reloc(Insn{Op: ldImm64, Dst: r, Src: pseudoFunc, Imm: -1}, RelocFunc, v.Func.Name, 0)
	case ir.OpIfIndex:
		e.reloc(Insn{Op: movImm, Dst: r}, RelocInterface, v.Sym, 0)
	case ir.OpFieldOff:
		e.reloc(Insn{Op: movImm, Dst: r}, RelocFieldOff, v.Sym, 0)
	default:
		slot, off, _ := slotAddr(v)
		var depth int
		if it := e.fn.frame.slots[slot.ID]; it != nil {
			depth = it.depth
		}
		e.op(Insn{Op: movReg, Dst: r, Src: frameReg})
		e.op(Insn{Op: addImm, Dst: r, Imm: off - int64(depth)})
	}
}

// condition returns the jump on a c b.
func (e *emitter) condition(c ir.Cond, a, b operand, half bool, pos int) Insn {
	i := Insn{Op: condOp(c, half, b.kind != opImm), Dst: e.reg(a, pos)}
	if b.kind == opImm {
		i.Imm = b.imm
	} else {
		i.Src = e.reg(b, pos)
	}
	return i
}

// terminator emits the end of b, jumps in full: layout drops what is not needed.
func (e *emitter) terminator(b *mblock) {
	switch b.kind {
	case ir.KindJump:
		e.jump(Insn{Op: jumpOp}, b.succs[0])
	case ir.KindIf:
		e.jump(e.condition(b.cond, b.a, b.b, b.half, b.term()+1), b.succs[0])
		e.jump(Insn{Op: jumpOp}, b.succs[1])
	case ir.KindReturn:
		if b.a.kind != opNone {
			e.fn.parallel([]move{{-1, place{phys: 0}, e.fn.source(b.a, b.term()+1)}}, 1<<numRegs-1)
		} else {
			e.op(Insn{Op: movImm, Dst: 0}) // the verifier wants r0 set
		}
		e.op(Insn{Op: exitOp})
	}
}
