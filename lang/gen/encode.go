package gen

import "weir/lang/ir"

// Instruction encodings (linux/bpf.h, linux/bpf_common.h): the low three bits
// are the class; of arithmetic and jumps bit 3 says that the second operand is a
// register.
const (
	classLd    = 0x00
	classLdx   = 0x01
	classSt    = 0x02
	classStx   = 0x03
	classAlu   = 0x04
	classJmp   = 0x05
	classJmp32 = 0x06
	classAlu64 = 0x07

	srcReg = 0x08

	movReg  = classAlu64 | 0xb0 | srcReg
	movImm  = classAlu64 | 0xb0
	mov32   = classAlu | 0xb0 | srcReg
	addImm  = classAlu64
	subReg  = classAlu64 | 0x10 | srcReg
	negOp   = classAlu64 | 0x80
	swapOp  = classAlu | 0xd0 | srcReg // to big-endian, which on a little-endian machine swaps
	ldImm64 = classLd | 0x18
	jumpOp  = classJmp
	callOp  = classJmp | 0x80
	exitOp  = classJmp | 0x90

	pseudoMap      = 1 // of ldImm64: src says what the constant stands for
	pseudoMapValue = 2
	pseudoFunc     = 4
	pseudoCall     = 1 // of callOp
	pseudoKfunc    = 2

	atomicFetch = 0x01
	atomicXchg  = 0xe0
)

// aluBits are the high four bits of arithmetic instructions.
var aluBits = map[ir.Op]uint8{ir.OpAdd: 0x00, ir.OpSub: 0x10, ir.OpMul: 0x20, ir.OpDiv: 0x30, ir.OpOr: 0x40,
	ir.OpAnd: 0x50, ir.OpShl: 0x60, ir.OpShr: 0x70, ir.OpMod: 0x90, ir.OpXor: 0xa0, ir.OpSar: 0xc0}

// jumpBits are the high four bits of conditional jumps.
var jumpBits = [...]uint8{ir.Eq: 0x10, ir.UGt: 0x20, ir.UGe: 0x30, ir.Test: 0x40, ir.Ne: 0x50, ir.SGt: 0x60,
	ir.SGe: 0x70, ir.ULt: 0xa0, ir.ULe: 0xb0, ir.SLt: 0xc0, ir.SLe: 0xd0}

func sizeBits(width int) uint8 {
	switch width {
	case 1:
		return 0x10
	case 2:
		return 0x08
	case 4:
		return 0x00
	}
	return 0x18
}

func loadOp(width int) uint8     { return classLdx | 0x60 | sizeBits(width) }
func storeOp(width int) uint8    { return classStx | 0x60 | sizeBits(width) }
func storeImmOp(width int) uint8 { return classSt | 0x60 | sizeBits(width) }
func atomicOp(width int) uint8   { return classStx | 0xc0 | sizeBits(width) }

// aluOp returns the code of an arithmetic operation.
func aluOp(o ir.Op, half, reg bool) uint8 {
	op := aluBits[o] | classAlu64
	if half {
		op = aluBits[o] | classAlu
	}
	if reg {
		op |= srcReg
	}
	return op
}

// condOp returns the code of a conditional jump.
func condOp(c ir.Cond, half, reg bool) uint8 {
	op := jumpBits[c] | classJmp
	if half {
		op = jumpBits[c] | classJmp32
	}
	if reg {
		op |= srcReg
	}
	return op
}
