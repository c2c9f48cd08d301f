package gen

import (
	"math"
	"slices"

	"weir/lang/ir"
)

// choose turns the values of every block into machine instructions with
// operands: constants and addresses become part of the instruction where they
// fit, and a copy near to their use where they do not.
func (fn *function) choose() {
	s := &selector{fn: fn, live: liveValues(fn.f), reg: make([]int, fn.f.NumValues())}
	for i := range s.reg {
		s.reg[i] = -1
	}
	fn.params = make([]int, fn.f.NParams)
	for i := range fn.params {
		fn.params[i] = -1
	}
	for _, b := range fn.blocks {
		if b.ir != nil {
			s.define(b)
		}
	}
	for _, b := range fn.blocks {
		if b.ir != nil {
			s.block(b)
		}
	}
}

// liveValues marks the values that something with an effect needs.
func liveValues(f *ir.Func) []bool {
	live := make([]bool, f.NumValues())
	var work []*ir.Value
	need := func(v *ir.Value) {
		if v != nil && !live[v.ID] {
			live[v.ID] = true
			work = append(work, v)
		}
	}
	for _, b := range f.Blocks {
		for _, v := range b.Values {
			if v.HasEffect() {
				need(v)
			}
		}
		if b.Kind == ir.KindIf || b.Kind == ir.KindReturn {
			need(b.X)
			need(b.Y)
		}
	}
	for len(work) > 0 {
		v := work[len(work)-1]
		work = work[:len(work)-1]
		for _, a := range v.Args {
			need(a)
		}
	}
	return live
}

type selector struct {
	fn    *function
	live  []bool
	reg   []int // virtual register of a value
	b     *mblock
	local map[*ir.Value]int // copies made in this block since the last call
}

// define gives every value that needs one a virtual register.
func (s *selector) define(b *mblock) {
	for _, v := range b.ir.Values {
		if !s.live[v.ID] || v.Type == ir.Void || rematerial(v) {
			continue
		}
		r := s.fn.newReg(b)
		s.reg[v.ID] = r
		if v.Op == ir.OpParam {
			s.fn.params[v.Imm] = r
		}
	}
}

// slotAddr takes v apart into a slot and a distance, if it is such an address.
func slotAddr(v *ir.Value) (*ir.Slot, int64, bool) {
	var off int64
	for {
		switch {
		case v.Op == ir.OpSlot:
			return v.Slot, off, off > -1<<15 && off < 1<<15
		case v.Op == ir.OpAdd && v.Type == ir.Ptr && v.Args[1].Op == ir.OpConst:
			off += v.Args[1].Imm
			v = v.Args[0]
		default:
			return nil, 0, false
		}
	}
}

// rematerial reports whether v is cheaper to compute than to keep.
func rematerial(v *ir.Value) bool {
	switch v.Op {
	case ir.OpConst, ir.OpMapPtr, ir.OpMapValue, ir.OpFuncAddr, ir.OpIfIndex, ir.OpFieldOff, ir.OpSlot:
		return true
	}
	_, _, ok := slotAddr(v)
	return ok
}

func fits(n int64) bool { return n >= math.MinInt32 && n <= math.MaxInt32 }

// inReg returns v as an operand in a register.
func (s *selector) inReg(v *ir.Value) operand {
	if !rematerial(v) {
		return operand{kind: opReg, reg: s.reg[v.ID]}
	}
	r, ok := s.local[v]
	if !ok {
		r = s.fn.newReg(s.b)
		s.fn.regs[r].remat = v
		s.local[v] = r
		s.b.insts = append(s.b.insts, &minst{v: v, dst: r})
	}
	return operand{kind: opReg, reg: r}
}

// inRegOrImm returns v as an immediate if it fits one.
func (s *selector) inRegOrImm(v *ir.Value) operand {
	if v.Op == ir.OpConst && fits(v.Imm) {
		return operand{kind: opImm, imm: v.Imm}
	}
	return s.inReg(v)
}

// anywhere returns v as an operand of a move.
func (s *selector) anywhere(v *ir.Value) operand {
	if rematerial(v) {
		return operand{kind: opVal, val: v}
	}
	return operand{kind: opAny, reg: s.reg[v.ID]}
}

// base returns v as the base of a memory access at distance off.
func (s *selector) base(v *ir.Value, off int) operand {
	if slot, d, ok := slotAddr(v); ok && d+int64(off) >= 0 && d+int64(off) < 1<<14 {
		return operand{kind: opSlot, slot: slot, imm: d}
	}
	return s.inReg(v)
}

func (s *selector) block(b *mblock) {
	s.b, s.local = b, map[*ir.Value]int{}
	for _, v := range b.ir.Values {
		if !s.live[v.ID] || v.Op == ir.OpParam || v.Op != ir.OpPhi && rematerial(v) {
			continue
		}
		if v.Op == ir.OpPhi {
			s.phi(b, v)
			continue
		}
		s.value(v)
	}
	switch b.kind {
	case ir.KindIf:
		b.cond, b.a, b.b, b.half = s.compare(b.cond, b.ir.X, b.ir.Y)
		for _, v := range []*ir.Value{b.ir.X, b.ir.Y} {
			if v.Type == ir.Int && !rematerial(v) {
				s.fn.regs[s.reg[v.ID]].compared = true
			}
		}
	case ir.KindReturn:
		if b.ir.X != nil {
			b.a = s.anywhere(b.ir.X)
		}
	}
}

func (s *selector) phi(b *mblock, v *ir.Value) {
	p := mphi{dst: s.reg[v.ID], pos: v.Pos}
	reached := 0
	for i, a := range v.Args {
		if reached < len(b.preds) && cameFrom(b.preds[reached]) == b.ir.Preds[i] {
			p.args = append(p.args, s.anywhere(a))
			reached++
		}
	}
	b.phis = append(b.phis, p)
}

// cameFrom returns the ir.Block that the edge out of p starts in.
func cameFrom(p *mblock) *ir.Block {
	if p.ir == nil {
		return p.preds[0].ir
	}
	return p.ir
}

// compare chooses operands of x c y: a register and a register or immediate. Two
// operands of 32 bits are compared as such if that saves loading a constant.
func (s *selector) compare(c ir.Cond, x, y *ir.Value) (ir.Cond, operand, operand, bool) {
	if x.Op == ir.OpConst && y.Op != ir.OpConst || followed(x, 3) && !followed(y, 3) {
		c, x, y = c.Flip(), y, x
	}
	if y.Op == ir.OpConst && !fits(y.Imm) && uint64(y.Imm)>>32 == 0 && unsigned(c) && x.Bits() <= 32 {
		return c, s.inReg(x), operand{kind: opImm, imm: int64(int32(y.Imm))}, true
	}
	a := s.inReg(x)
	return c, a, s.inRegOrImm(y), false
}

// followed reports whether the verifier knows the number v on some way: a counter
// from turn to turn of its loop. It should stand second in comparisons: before Linux
// 6.8 the verifier decides one of two registers only by what the second holds
// (check_cond_jmp_op), and else goes on where no packet goes. depth bounds the look.
func followed(v *ir.Value, depth int) bool {
	switch {
	case v.Op == ir.OpConst:
		return true
	case v.Type != ir.Int || depth == 0:
		return false
	case v.Op == ir.OpPhi:
		return slices.ContainsFunc(v.Args, func(a *ir.Value) bool { return followed(a, depth-1) })
	case v.Op == ir.OpAdd || v.Op == ir.OpSub || bitwise(v.Op):
		return followed(v.Args[0], depth-1) && followed(v.Args[1], depth-1)
	}
	return false
}

func unsigned(c ir.Cond) bool { return c <= ir.UGe || c == ir.Test }

func (s *selector) value(v *ir.Value) {
	m := &minst{v: v, dst: -1}
	if v.Type != ir.Void && s.live[v.ID] {
		m.dst = s.reg[v.ID]
	}
	switch v.Op {
	case ir.OpLoad, ir.OpPktData, ir.OpPktEnd:
		m.a = s.base(v.Args[0], v.Off)
	case ir.OpStore:
		m.a = s.base(v.Args[0], v.Off)
		m.b = s.stored(v)
	case ir.OpAtomicAdd, ir.OpAtomicOr, ir.OpAtomicAnd, ir.OpAtomicXor:
		m.a = s.base(v.Args[0], v.Off)
		m.b = s.inReg(v.Args[1])
	case ir.OpFetchAdd, ir.OpAtomicXchg:
		m.a = s.base(v.Args[0], v.Off)
		m.b = s.anywhere(v.Args[1])
		if m.b.kind == opAny {
			m.b.kind = opReg
		}
	case ir.OpCall, ir.OpCallFunc:
		for _, a := range v.Args {
			m.args = append(m.args, s.anywhere(a))
		}
		clear(s.local)
	case ir.OpCmp:
		mcond, a, b, half := s.compare(v.Cond, v.Args[0], v.Args[1])
		m.a, m.b, m.half = a, b, half
		m.v = withCond(v, mcond)
	case ir.OpNeg, ir.OpSwap, ir.OpZExt, ir.OpSExt:
		m.a = s.source(v.Args[0])
	default:
		s.arith(m, v)
	}
	s.b.insts = append(s.b.insts, m)
}

func withCond(v *ir.Value, c ir.Cond) *ir.Value {
	if v.Cond == c {
		return v
	}
	w := *v
	w.Cond = c
	return &w
}

// source returns what a two-address instruction copies first.
func (s *selector) source(v *ir.Value) operand {
	o := s.anywhere(v)
	if o.kind == opAny {
		o.kind = opReg
	}
	return o
}

// stored returns the value that a store writes. BPF_ST to the context is
// refused before Linux 6.4 ("BPF_ST stores into R1 ctx is not allowed").
func (s *selector) stored(v *ir.Value) operand {
	x := v.Args[1]
	if x.Op == ir.OpConst && v.Args[0].Op != ir.OpParam && v.Sym != "ctx" {
		n := x.Imm
		if v.Width < 8 {
			n = int64(int32(n))
		}
		if fits(n) {
			return operand{kind: opImm, imm: n}
		}
	}
	return s.inReg(x)
}

// arith chooses operands of x op y.
func (s *selector) arith(m *minst, v *ir.Value) {
	x, y := v.Args[0], v.Args[1]
	if commutes(v.Op) && x.Op == ir.OpConst && y.Op != ir.OpConst {
		x, y = y, x
	}
	c := y.Op == ir.OpConst
	switch {
	case c && (v.Op == ir.OpShl || v.Op == ir.OpShr || v.Op == ir.OpSar):
		m.b = operand{kind: opImm, imm: y.Imm & 63}
	case c && !fits(y.Imm) && uint64(y.Imm)>>32 == 0 && bitwise(v.Op) && (v.Op == ir.OpAnd || x.Bits() <= 32):
		m.half = true
		m.b = operand{kind: opImm, imm: int64(int32(y.Imm))}
	default:
		m.b = s.inRegOrImm(y)
	}
	m.a = s.source(x)
}

func bitwise(o ir.Op) bool { return o == ir.OpAnd || o == ir.OpOr || o == ir.OpXor }

func commutes(o ir.Op) bool {
	return o == ir.OpAdd || o == ir.OpMul || bitwise(o)
}
