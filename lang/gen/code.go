package gen

import (
	"slices"

	"weir/lang/diag"
	"weir/lang/ir"
)

// Code is generated eBPF: plain data, the same on every machine, fit for
// encoding/gob. What only the kernel that loads it knows (maps, interfaces) is
// left open and listed in Relocs. [Code.Assemble] makes instructions of it.
type Code struct {
	Insns  []Insn
	Funcs  []Func  // in order of Start; the first is the entry
	Relocs []Reloc // in order of Insn
	Lines  []Line  // in order of Insn
}

// An Insn is one instruction. A 64-bit load of a constant counts as one.
type Insn struct {
	Op       uint8
	Dst, Src uint8
	Off      int16 // of jumps: instructions in the kernel's count, in which a 64-bit load is two
	Imm      int64
}

// A Func is a function of a Code.
type Func struct {
	Name    string
	Start   int // index of its first instruction
	Linkage ir.Linkage
	NParams int
	Context string // C name of the struct that parameter 0 points to, or ""
	Stack   int    // octets of its frame
}

// A RelocKind says what is missing in an instruction.
type RelocKind uint8

// Kinds of relocations.
const (
	RelocMap       RelocKind = iota // map Name
	RelocMapValue                   // address of octet Off of the only value of array Name
	RelocFunc                       // callback Name
	RelocCall                       // call of function Name
	RelocInterface                  // index of interface Name
	RelocKfunc                      // call of the kernel's function Name
	RelocField                      // load at Off octets behind field Name, STRUCT.FIELD
	RelocFieldOff                   // constant: where field Name is
	RelocForeign                    // call of a function that is linked later: symbol Name
)

// A Reloc names what an instruction refers to.
type Reloc struct {
	Insn int
	Kind RelocKind
	Name string
	Off  int
}

// Calls reports whether c calls a function of a C object, given its symbol. The
// kernel wants no function that nobody calls.
func (c *Code) Calls(symbol string) bool {
	return slices.ContainsFunc(c.Relocs, func(r Reloc) bool { return r.Kind == RelocForeign && r.Name == symbol })
}

// A Line says which place of the source an instruction comes from. It holds up
// to the next Line.
type Line struct {
	Insn int
	Pos  diag.Pos
}
