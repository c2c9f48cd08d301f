package ir

import (
	"fmt"
	"strings"
)

var condNames = [...]string{Eq: "eq", Ne: "ne", ULt: "ult", ULe: "ule", UGt: "ugt", UGe: "uge",
	SLt: "slt", SLe: "sle", SGt: "sgt", SGe: "sge", Test: "test"}

// String returns the name of c: "eq", "ult", …
func (c Cond) String() string { return condNames[c] }

var opNames = [...]string{
	OpInvalid: "invalid", OpConst: "const", OpParam: "param", OpPhi: "phi",
	OpAdd: "add", OpSub: "sub", OpMul: "mul", OpDiv: "div", OpMod: "mod", OpAnd: "and", OpOr: "or", OpXor: "xor",
	OpShl: "shl", OpShr: "shr", OpSar: "sar", OpNeg: "neg", OpSwap: "swap", OpZExt: "zext", OpSExt: "sext", OpCmp: "cmp",
	OpLoad: "load", OpStore: "store",
	OpAtomicAdd: "atomicadd", OpAtomicOr: "atomicor", OpAtomicAnd: "atomicand", OpAtomicXor: "atomicxor",
	OpFetchAdd: "fetchadd", OpAtomicXchg: "xchg",
	OpSlot: "slot", OpMapPtr: "map", OpMapValue: "mapvalue", OpFuncAddr: "funcaddr", OpIfIndex: "ifindex", OpFieldOff: "fieldoff",
	OpPktData: "pktdata", OpPktEnd: "pktend", OpCall: "call", OpCallFunc: "callfunc",
}

// String returns the name of o.
func (o Op) String() string {
	if int(o) < len(opNames) {
		return opNames[o]
	}
	return fmt.Sprintf("op%d", o)
}

var linkageNames = [...]string{Entry: "entry", Global: "global", Static: "static", Callback: "callback"}

// String returns the name of l.
func (l Linkage) String() string { return linkageNames[l] }

// String returns the name by which others refer to v, "v7", or "-" for nil.
func (v *Value) String() string {
	if v == nil {
		return "-"
	}
	return fmt.Sprintf("v%d", v.ID)
}

// String returns the name of b: "b3".
func (b *Block) String() string { return fmt.Sprintf("b%d", b.ID) }

// Text returns the computation of v as a line of [Func.String]:
//
//	v7 = load2 v3+12
func (v *Value) Text() string {
	var s strings.Builder
	if v.Type != Void {
		fmt.Fprintf(&s, "%s = ", v)
	}
	s.WriteString(v.Op.String())
	if v.Width != 0 {
		fmt.Fprint(&s, v.Width)
	}
	words := v.own()
	add := func(format string, a ...any) { words = append(words, fmt.Sprintf(format, a...)) }
	for i, a := range v.Args {
		switch {
		case v.Op == OpPhi && i < len(v.Block.Preds):
			add("%s:%s", v.Block.Preds[i], a)
		case i == 0 && v.Off != 0:
			add("%s%s", a, offset(v.Off))
		default:
			add("%s", a)
		}
	}
	if len(words) > 0 {
		s.WriteString(" " + strings.Join(words, ", "))
	}
	if v.Type == Ptr {
		s.WriteString(" ptr")
	}
	return s.String()
}

// own returns what v is computed from besides its arguments.
func (v *Value) own() []string {
	switch v.Op {
	case OpConst, OpParam:
		return []string{fmt.Sprint(v.Imm)}
	case OpSlot:
		if v.Slot != nil {
			return []string{fmt.Sprintf("%s.%d", v.Slot.Name, v.Slot.ID)}
		}
	case OpMapPtr, OpMapValue:
		if v.Map != nil {
			return []string{v.Map.Name + offset(int(v.Imm))}
		}
	case OpFuncAddr, OpCallFunc:
		if v.Func != nil {
			return []string{v.Func.Name}
		}
	case OpIfIndex, OpFieldOff:
		return []string{fmt.Sprintf("%q", v.Sym)}
	case OpLoad:
		if v.Sym != "" {
			return []string{v.Sym}
		}
	case OpCall:
		return []string{fmt.Sprintf("%s#%d", v.Sym, v.Imm)}
	case OpCmp:
		return []string{v.Cond.String()}
	}
	return nil
}

func offset(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%+d", n)
}

func (b *Block) end() string {
	switch b.Kind {
	case KindJump:
		return fmt.Sprintf("jump %s", b.Succs[0])
	case KindIf:
		likely := b.Succs[0]
		if likely.Cold {
			likely = b.Succs[1]
		}
		return fmt.Sprintf("if %s %s, %s -> %s, %s (likely %s)", b.Cond, b.X, b.Y, b.Succs[0], b.Succs[1], likely)
	case KindReturn:
		return fmt.Sprintf("return %s", b.X)
	}
	return "unfinished"
}

// Text returns f as String does, with each value's line and column in the
// source behind it if positions is set.
func (f *Func) Text(positions bool) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s %s(%d)", f.Linkage, f.Name, f.NParams)
	if f.Context != "" {
		fmt.Fprintf(&s, " %s", f.Context)
	}
	s.WriteString("\n")
	for _, l := range f.Slots {
		fmt.Fprintf(&s, "  slot %s.%d: %d align %d\n", l.Name, l.ID, l.Size, l.Align)
	}
	line := func(text string, at string) {
		if positions && at != "" {
			text = fmt.Sprintf("%-48s ; %s", text, at)
		}
		s.WriteString(text + "\n")
	}
	for _, b := range f.Blocks {
		head := fmt.Sprintf("%s:", b)
		if len(b.Preds) > 0 {
			head += " " + strings.Trim(fmt.Sprint(b.Preds), "[]")
		}
		if b.Cold {
			head += " cold"
		}
		line(head, "")
		for _, v := range b.Values {
			line("  "+v.Text(), place(v.Pos.Line, v.Pos.Col))
		}
		line("  "+b.end(), place(b.Pos.Line, b.Pos.Col))
	}
	return s.String()
}

func place(line, col int) string {
	if line == 0 {
		return ""
	}
	return fmt.Sprintf("%d:%d", line, col)
}

// String returns f as text: a line for the head, each slot and each value, and
// the end of each block; no positions.
func (f *Func) String() string { return f.Text(false) }

var mapKindNames = [...]string{Array: "array", PerCPUArray: "percpu_array", Hash: "hash", LRUHash: "lru_hash",
	LPMTrie: "lpm_trie", PerCPUHash: "percpu_hash", LRUPerCPUHash: "lru_percpu_hash",
	PerfEventArray: "perf_event_array", RingBuf: "ringbuf", Queue: "queue", Stack: "stack", BloomFilter: "bloom_filter", CPUMap: "cpumap", XSKMap: "xskmap", SockMap: "sockmap", DevMap: "devmap"}

// String returns the kernel's name of k in small letters.
func (k MapKind) String() string { return mapKindNames[k] }

// String returns the maps and functions of p as text.
func (p *Program) String() string { return p.Text(false) }

// Text returns p as String does, with positions if set.
func (p *Program) Text(positions bool) string {
	var s strings.Builder
	for _, m := range p.Maps {
		fmt.Fprintf(&s, "map %s: %s key %d value %d entries %d\n", m.Name, m.Kind, m.KeySize, m.ValueSize, m.MaxEntries)
	}
	for i, f := range p.Funcs {
		if i > 0 || len(p.Maps) > 0 {
			s.WriteString("\n")
		}
		s.WriteString(f.Text(positions))
	}
	return s.String()
}

// Lines returns the values of p by the places that they come from, one a line: the
// place, a tab, the function, a tab, the text of the value. Constants are left out:
// they stand where they are used.
func (p *Program) Lines() string {
	var s strings.Builder
	for _, f := range p.Funcs {
		for _, b := range f.Blocks {
			for _, v := range b.Values {
				if v.Op != OpConst && v.Op != OpPhi && v.Pos.Line > 0 {
					fmt.Fprintf(&s, "%s\t%s\t%s\n", v.Pos, f.Name, v.Text())
				}
			}
		}
	}
	return s.String()
}
