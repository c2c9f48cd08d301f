package object

import (
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// A small function that only computes, and reads and writes the structs that it is given,
// can stand where it is called: that saves the call, which costs more than what it does.
// It has its arguments in r1 to r5 and its result in r0, as in a call, and leaves the
// other registers and the stack alone.
//
// What follows runs over its instructions, which go forward only, with what each register
// holds, and allows what the verifier takes wherever the function stands: what it refuses
// would be told of the chain. In a function of its own it keeps accesses within a struct;
// in the chain's nobody does, so that they are kept there here.

// maxLeaf is how many instructions are put in the place of a call at most.
const maxLeaf = 16

// A held is what a register holds in a leaf.
type held struct {
	what holding
	size int // of a pointer: octets of the struct
}

type holding uint8

const (
	unusable holding = iota // unknown, or different on two ways, or the packet
	number
	perhaps // a pointer to a struct, or NULL
	address
)

// A leaf is what registers r0 to r5 hold before an instruction.
type leaf [maxParams + 1]held

// inlined returns the instructions of a function that can stand where it is called,
// without its last one, which leaves it: another that does jumps behind them. Nil: it is
// to be called.
func (f *Func) inlined(c *code) asm.Instructions {
	n := len(c.insns) - 1
	if n < 1 || n > maxLeaf || !isExit(&c.insns[n]) || isJump(&c.insns[n-1]) {
		return nil
	}
	var raw []int // offsets, as jumps count
	end := 0
	for _, in := range c.insns {
		raw = append(raw, end)
		end += int(in.Width())
	}
	before := make([]*leaf, end)
	before[0] = f.entry()
	var out asm.Instructions
	for i := range c.insns {
		in, a := c.insns[i], before[raw[i]]
		if a == nil || in.Reference() != "" || btf.CORERelocationMetadata(&in) != nil || in.Dst > maxParams || in.Src > maxParams {
			return nil
		}
		ways, ok := a.step(&in, f.Result.Kind != Void)
		if !ok {
			return nil
		}
		for _, w := range ways {
			to := raw[i] + int(in.Width()) + w.by
			if w.by < 0 || to >= end {
				return nil
			}
			before[to] = w.state.join(before[to])
		}
		in = asm.Instruction{OpCode: in.OpCode, Dst: in.Dst, Src: in.Src, Offset: in.Offset, Constant: in.Constant}
		if isExit(&in) {
			in = asm.Instruction{OpCode: asm.Ja.Op(asm.ImmSource), Offset: int16(raw[n] - raw[i] - 1)}
		}
		out = append(out, in)
	}
	return out[:n]
}

func isJump(in *asm.Instruction) bool { return in.OpCode.Class().IsJump() }
func isExit(in *asm.Instruction) bool { return isJump(in) && in.OpCode.JumpOp() == asm.Exit }

// entry is what registers hold at first.
func (f *Func) entry() *leaf {
	a := new(leaf)
	for i, p := range f.Params {
		switch p.Kind {
		case Int, Bool:
			a[1+i].what = number
		case Pointer:
			a[1+i] = held{perhaps, p.Struct.Size}
		}
	}
	return a
}

// join is what is known where a meets another way; nil: there is none.
func (a leaf) join(b *leaf) *leaf {
	for i := range a {
		if b != nil && a[i] != b[i] {
			a[i] = held{}
		}
	}
	return &a
}

// A going is a way on: past so many raw instructions.
type going struct {
	by    int
	state leaf
}

// step goes past an instruction. It is not ok if it cannot stand in a chain.
func (a leaf) step(in *asm.Instruction, gives bool) (ways []going, ok bool) {
	class := in.OpCode.Class()
	switch {
	case class.IsALU():
		ok = a.compute(in)
	case class == asm.LdClass: // of a constant
		ok = in.OpCode.IsDWordLoad() && in.Src == 0
		a[in.Dst] = held{what: number}
	case class == asm.LdXClass:
		ok = a.within(a[in.Src], in)
		a[in.Dst] = held{what: number}
	case class.IsStore():
		ok = a.within(a[in.Dst], in) && (class == asm.StClass || a[in.Src].what == number)
	default:
		return a.jump(in, gives)
	}
	return []going{{0, a}}, ok
}

// within reports whether an access stays within a struct, at a multiple of its size.
func (a *leaf) within(base held, in *asm.Instruction) bool {
	size, off := in.OpCode.Size().Sizeof(), int(in.Offset)
	return in.OpCode.Mode() == asm.MemMode && base.what == address && off >= 0 && off+size <= base.size && off%size == 0
}

// compute is arithmetic on numbers, or a copy.
func (a *leaf) compute(in *asm.Instruction) bool {
	class, op, src := in.OpCode.Class(), in.OpCode.ALUOp(), held{what: number}
	if in.OpCode.Source() == asm.RegSource && op != asm.Swap {
		src = a[in.Src]
	}
	if in.Offset != 0 { // signed division, moves with a sign: of later kernels
		return false
	}
	switch op {
	case asm.Mov:
		a[in.Dst] = src
		return src.what != unusable && (class == asm.ALU64Class || src.what == number)
	case asm.Div, asm.Mod:
		if in.OpCode.Source() == asm.ImmSource && in.Constant == 0 {
			return false
		}
	case asm.LSh, asm.RSh, asm.ArSh:
		width := int64(64)
		if class == asm.ALUClass {
			width = 32
		}
		if in.OpCode.Source() == asm.ImmSource && (in.Constant < 0 || in.Constant >= width) {
			return false
		}
	case asm.Swap:
		if class != asm.ALUClass {
			return false
		}
	}
	return a[in.Dst].what == number && src.what == number
}

// jump is an exit, or a jump forward.
func (a leaf) jump(in *asm.Instruction, gives bool) ([]going, bool) {
	wide := in.OpCode.Class() == asm.JumpClass
	switch op := in.OpCode.JumpOp(); {
	case op == asm.Exit:
		return nil, !gives || a[asm.R0].what == number
	case op == asm.Ja:
		return []going{{int(in.Offset), a}}, wide && in.OpCode.Source() == asm.ImmSource
	case op == asm.Call:
		return nil, false
	case in.OpCode.Source() == asm.ImmSource && wide && in.Constant == 0 && (op == asm.JEq || op == asm.JNE) && a[in.Dst].what >= perhaps:
		// Which registers hold the same pointer is not known: only this one is looked at.
		none, some := a, a
		none[in.Dst], some[in.Dst].what = held{}, address
		if op == asm.JEq {
			none, some = some, none
		}
		return []going{{0, none}, {int(in.Offset), some}}, true
	default:
		ok := a[in.Dst].what == number && (in.OpCode.Source() == asm.ImmSource || a[in.Src].what == number)
		return []going{{0, a}, {int(in.Offset), a}}, ok
	}
}
