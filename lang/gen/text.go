package gen

import (
	"fmt"
	"strings"

	"github.com/cilium/ebpf/asm"

	"weir/lang/ir"
)

var (
	aluSigns  = map[uint8]string{0x00: "+=", 0x10: "-=", 0x20: "*=", 0x30: "/=", 0x40: "|=", 0x50: "&=", 0x60: "<<=", 0x70: ">>=", 0x90: "%=", 0xa0: "^=", 0xb0: "=", 0xc0: "s>>="}
	condSigns = map[ir.Cond]string{ir.Eq: "==", ir.Ne: "!=", ir.ULt: "<", ir.ULe: "<=", ir.UGt: ">", ir.UGe: ">=",
		ir.SLt: "s<", ir.SLe: "s<=", ir.SGt: "s>", ir.SGe: "s>=", ir.Test: "&"}
	sizeNames = map[uint8]string{0x10: "u8", 0x08: "u16", 0x00: "u32", 0x18: "u64"}
)

// String returns the instructions of c as bpftool writes them, each function
// under its name, with a comment line where the place in the source changes.
// Numbers count as the kernel does: a 64-bit load of a constant takes two.
func (c *Code) String() string {
	var s strings.Builder
	lines, fn := c.Lines, 0
	for i, text := range c.Texts() {
		for fn < len(c.Funcs) && c.Funcs[fn].Start == i {
			if fn > 0 {
				s.WriteString("\n")
			}
			f := c.Funcs[fn]
			fmt.Fprintf(&s, "%s %s(%d): %d bytes of stack\n", f.Linkage, f.Name, f.NParams, f.Stack)
			fn++
		}
		for len(lines) > 0 && lines[0].Insn <= i {
			fmt.Fprintf(&s, "; %s\n", lines[0].Pos)
			lines = lines[1:]
		}
		fmt.Fprintln(&s, text)
	}
	return s.String()
}

func (r Reloc) text(i Insn) string {
	switch r.Kind {
	case RelocMap:
		return fmt.Sprintf("r%d = map %s", i.Dst, r.Name)
	case RelocMapValue:
		return fmt.Sprintf("r%d = value of %s%+d", i.Dst, r.Name, r.Off)
	case RelocFunc:
		return fmt.Sprintf("r%d = func %s", i.Dst, r.Name)
	case RelocCall, RelocForeign:
		return "call " + r.Name
	case RelocKfunc:
		return "call kernel " + r.Name
	case RelocField:
		return i.text(0) + " at " + r.Name
	case RelocFieldOff:
		return fmt.Sprintf("r%d = offset of %s", i.Dst, r.Name)
	}
	return fmt.Sprintf("r%d = ifindex %q", i.Dst, r.Name)
}

// text returns i, which stands at instruction pos of its function.
func (i Insn) text(pos int) string {
	class := i.Op & 7
	mem := func(r uint8) string { return fmt.Sprintf("*(%s *)(r%d %+d)", sizeNames[i.Op&0x18], r, i.Off) }
	switch class {
	case classLd:
		return fmt.Sprintf("r%d = %#x ll", i.Dst, uint64(i.Imm))
	case classLdx:
		return fmt.Sprintf("r%d = %s", i.Dst, mem(i.Src))
	case classSt:
		return fmt.Sprintf("%s = %d", mem(i.Dst), i.Imm)
	case classStx:
		if i.Op&0xe0 != 0xc0 {
			return fmt.Sprintf("%s = r%d", mem(i.Dst), i.Src)
		}
		switch {
		case i.Imm == atomicXchg|atomicFetch:
			return fmt.Sprintf("r%d = xchg(%s, r%d)", i.Src, mem(i.Dst), i.Src)
		case i.Imm&atomicFetch != 0:
			return fmt.Sprintf("r%d = fetch %s %s r%d", i.Src, mem(i.Dst), aluSigns[uint8(i.Imm)&0xf0], i.Src)
		}
		return fmt.Sprintf("lock %s %s r%d", mem(i.Dst), aluSigns[uint8(i.Imm)], i.Src)
	case classAlu, classAlu64:
		return i.alu(class == classAlu)
	}
	return i.jump(pos, class == classJmp32)
}

func (i Insn) alu(half bool) string {
	r := "r"
	if half {
		r = "w"
	}
	switch i.Op & 0xf0 {
	case 0x80:
		return fmt.Sprintf("r%d = -r%d", i.Dst, i.Dst)
	case 0xd0:
		return fmt.Sprintf("r%d = be%d r%d", i.Dst, i.Imm, i.Dst)
	}
	sign := aluSigns[i.Op&0xf0]
	if i.Op&srcReg != 0 {
		return fmt.Sprintf("%s%d %s %s%d", r, i.Dst, sign, r, i.Src)
	}
	return fmt.Sprintf("%s%d %s %d", r, i.Dst, sign, i.Imm)
}

func (i Insn) jump(pos int, half bool) string {
	switch i.Op {
	case exitOp:
		return "exit"
	case callOp:
		return fmt.Sprintf("call #%d", i.Imm)
	case jumpOp:
		return fmt.Sprintf("goto %d", pos+1+int(i.Off))
	}
	r := "r"
	if half {
		r = "w"
	}
	sign := "?"
	for c, bits := range jumpBits {
		if bits == i.Op&0xf0 {
			sign = condSigns[ir.Cond(c)]
		}
	}
	right := fmt.Sprint(i.Imm)
	if i.Op&srcReg != 0 {
		right = fmt.Sprintf("%s%d", r, i.Src)
	}
	return fmt.Sprintf("if %s%d %s %s goto %d", r, i.Dst, sign, right, pos+1+int(i.Off))
}

// Texts returns each instruction as [Code.String] shows it, with its number.
func (c *Code) Texts() []string {
	relocs := map[int]Reloc{}
	for _, r := range c.Relocs {
		relocs[r.Insn] = r
	}
	var out []string
	pos, fn := 0, 0
	for i := range c.Insns {
		for fn < len(c.Funcs) && c.Funcs[fn].Start == i {
			fn++
			pos = 0
		}
		text := c.Insns[i].text(pos)
		if r, ok := relocs[i]; ok {
			text = r.text(c.Insns[i])
		}
		out = append(out, fmt.Sprintf("%5d: %s", pos, text))
		pos++
		if c.Insns[i].Op == ldImm64 {
			pos++
		}
	}
	return out
}

// Disassemble returns instructions of others, one function, as [Code.String] shows
// those of a chain.
func Disassemble(insns asm.Instructions) []string {
	c := Code{Funcs: []Func{{}}}
	for i := range insns {
		in := &insns[i]
		c.Insns = append(c.Insns, Insn{uint8(in.OpCode), uint8(in.Dst), uint8(in.Src), in.Offset, in.Constant})
		ref := in.Reference()
		switch {
		case ref == "":
		case in.IsFunctionCall():
			c.Relocs = append(c.Relocs, Reloc{i, RelocCall, ref, 0})
		case in.IsKfuncCall():
			c.Relocs = append(c.Relocs, Reloc{i, RelocKfunc, ref, 0})
		case in.IsLoadOfFunctionPointer():
			c.Relocs = append(c.Relocs, Reloc{i, RelocFunc, ref, 0})
		case in.Src == asm.PseudoMapValue:
			c.Relocs = append(c.Relocs, Reloc{i, RelocMapValue, ref, int(uint64(in.Constant) >> 32)})
		case in.IsLoadFromMap():
			c.Relocs = append(c.Relocs, Reloc{i, RelocMap, ref, 0})
		}
	}
	return c.Texts()
}
