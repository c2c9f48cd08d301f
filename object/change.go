package object

import "github.com/cilium/ebpf/asm"

// A function that takes the packet may change it, and a chain that calls one must
// take its headers anew. Most functions only read: their code shows it. What follows
// runs over the instructions with what each register and word of the stack may point
// to, and finds what could write to the packet. In doubt it could.

// A pointing says what a value may point to.
type pointing uint8

const (
	toContext pointing = 1 << iota
	toPacket           // also what else was loaded from the context
	toFrame
)

const (
	noRegs     = 11 // r0 to r10
	stackWord  = 8  // octets
	stackWords = 512 / stackWord
)

// A look is what is known before an instruction.
type look struct {
	regs  [noRegs]pointing
	stack [stackWords]pointing
}

// join adds what b says, and reports whether that is news.
func (a *look) join(b *look) bool {
	old := *a
	for i := range a.regs {
		a.regs[i] |= b.regs[i]
	}
	for i := range a.stack {
		a.stack[i] |= b.stack[i]
	}
	return *a != old
}

// all is what any word of the stack may point to.
func (a *look) all() (p pointing) {
	for _, w := range a.stack {
		p |= w
	}
	return p
}

// word returns the word of the stack that an access through r10 touches.
func (a *look) word(off int16) *pointing {
	i := (int(off) + stackWord*stackWords) / stackWord
	if off >= 0 || i < 0 || i >= stackWords {
		return new(pointing)
	}
	return &a.stack[i]
}

// A watcher looks at the functions of one object.
type watcher struct {
	o    *Object
	seen map[call]bool // that were looked at, or are being looked at
}

// A call is a function with what its arguments point to.
type call struct {
	name string
	args [maxParams]pointing
}

// changes reports whether the call may write to the packet.
func (w *watcher) changes(c call) bool {
	if w.seen[c] {
		return false // if it does, who began finds it
	}
	w.seen[c] = true
	insns := w.o.funcs[c.name].insns
	at := map[int]int{} // index by offset, as jumps count
	raw := make([]int, len(insns))
	for it := insns.Iterate(); it.Next(); {
		at[int(it.Offset)], raw[it.Index] = it.Index, int(it.Offset)
	}
	before := make([]*look, len(insns))
	before[0] = &look{}
	copy(before[0].regs[1:], c.args[:])
	before[0].regs[asm.RFP] = toFrame
	todo := []int{0}
	for len(todo) > 0 {
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		in, after := &insns[i], *before[i]
		if w.step(in, &after) {
			return true
		}
		for _, next := range successors(in, raw[i]) {
			j, ok := at[next]
			if !ok {
				return true // no program that the kernel takes
			}
			if before[j] == nil {
				before[j] = &look{}
			} else if !before[j].join(&after) {
				continue
			}
			before[j].join(&after)
			todo = append(todo, j)
		}
	}
	return false
}

// successors are the offsets of what may come after an instruction at an offset.
func successors(in *asm.Instruction, at int) []int {
	next := at + int(in.Width())
	op := in.OpCode.JumpOp()
	switch {
	case !in.OpCode.Class().IsJump() || op == asm.Call:
		return []int{next}
	case op == asm.Exit:
		return nil
	case op == asm.Ja && in.OpCode.Source() == asm.RegSource:
		return []int{-1} // to wherever a table says
	case op == asm.Ja && in.OpCode.Class() == asm.Jump32Class:
		return []int{next + int(in.Constant)}
	case op == asm.Ja:
		return []int{next + int(in.Offset)}
	}
	return []int{next, next + int(in.Offset)}
}

// step goes past an instruction, and reports whether it may write to the packet.
func (w *watcher) step(in *asm.Instruction, a *look) bool {
	if in.Dst >= noRegs || in.Src >= noRegs && in.OpCode.Source() == asm.RegSource {
		return true
	}
	class := in.OpCode.Class()
	switch {
	case class.IsALU():
		a.compute(in)
	case class == asm.LdXClass:
		a.load(in)
	case class.IsLoad(): // of a constant, or of octets of an skb to r0
		a.regs[in.Dst] = 0
		return in.Src == asm.PseudoFunc // what runs there is not followed
	case class.IsStore():
		return a.store(in)
	case in.OpCode.JumpOp() == asm.Call:
		return w.call(in, a)
	}
	return false
}

// compute is arithmetic: a pointer and a number are a pointer.
func (a *look) compute(in *asm.Instruction) {
	from := pointing(0)
	if in.OpCode.Source() == asm.RegSource {
		from = a.regs[in.Src]
	}
	switch in.OpCode.ALUOp() {
	case asm.Mov:
		a.regs[in.Dst] = from
	case asm.Swap, asm.Neg:
	default:
		a.regs[in.Dst] |= from
	}
}

func (a *look) load(in *asm.Instruction) {
	base := a.regs[in.Src]
	to := pointing(0)
	switch {
	case in.Src == asm.RFP:
		to = *a.word(in.Offset)
	case base&toFrame != 0:
		to = a.all()
	}
	if base&toContext != 0 {
		to |= toPacket
	}
	a.regs[in.Dst] = to
}

// store writes to memory: to the packet, or a pointer to it to where it would be lost
// sight of.
func (a *look) store(in *asm.Instruction) bool {
	base, kept := a.regs[in.Dst], pointing(0)
	if in.OpCode.Class() == asm.StXClass {
		kept = a.regs[in.Src]
	}
	switch {
	case base&toPacket != 0:
		return true
	case in.Dst == asm.RFP && in.OpCode.Size() == asm.DWord && in.OpCode.Mode() == asm.MemMode:
		*a.word(in.Offset) = kept
	case in.Dst == asm.RFP:
		*a.word(in.Offset) |= kept
	case base&toFrame != 0:
		for i := range a.stack {
			a.stack[i] |= kept
		}
	default:
		return kept&(toPacket|toContext) != 0
	}
	// Of an atomic access something may come back that was on the stack.
	return in.OpCode.Mode() == asm.AtomicMode && a.all()&(toPacket|toContext) != 0
}

// takes is how many arguments helpers have that are often called; others may have all
// five, also those that a register still holds from before.
var takes = map[int64]int{1: 2, 2: 4, 3: 2, 5: 0, 7: 0, 8: 0, 23: 2, 51: 3, 125: 0} // map_lookup_elem … ktime_get_boot_ns

// Helpers of the kernel that do not write to the packet that they are given, and
// those that only read the memory that they are given.
var (
	keepers = map[int64]bool{
		17: true, 23: true, 24: true, 25: true, 26: true, 29: true, 33: true, 34: true, 46: true, 47: true, 68: true, 69: true,
		79: true, 83: true, 84: true, 85: true, 99: true, 124: true, 163: true, 188: true, 189: true,
	} // cgroup_classid … xdp_load_bytes: enum bpf_func_id of linux/bpf.h
	readers = map[int64]bool{
		1: true, 2: true, 3: true, 6: true, 25: true, 28: true, 87: true, 100: true, 110: true, 130: true, 177: true,
		204: true, 205: true, 206: true, 207: true,
	} // map_lookup_elem … tcp_raw_check_syncookie_ipv6
)

// call goes past a call, and reports whether what is called may write to the packet.
func (w *watcher) call(in *asm.Instruction, a *look) bool {
	n := maxParams
	if k, ok := takes[in.Constant]; ok && in.IsBuiltinCall() {
		n = k
	} else if f := w.o.funcs[in.Reference()]; in.IsFunctionCall() && f != nil && f.proto != nil {
		n = min(n, len(f.proto.Params))
	}
	var args [maxParams]pointing
	copy(args[:], a.regs[1:1+n])
	given := pointing(0)
	for _, p := range args {
		given |= p
	}
	hidden := given&toFrame != 0 && a.all()&(toPacket|toContext) != 0
	result := pointing(0)
	switch {
	case in.IsFunctionCall():
		if hidden || w.changes(call{in.Reference(), args}) {
			return true
		}
		result = given &^ toFrame // of a static function
	case in.IsKfuncCall():
		if given&(toPacket|toContext) != 0 || hidden {
			return true
		}
	case given&toPacket != 0 && !readers[in.Constant],
		given&toContext != 0 && !keepers[in.Constant],
		hidden && !readers[in.Constant] && !keepers[in.Constant]:
		return true
	}
	for i := range maxParams + 1 {
		a.regs[i] = 0
	}
	a.regs[asm.R0] = result
	return false
}
