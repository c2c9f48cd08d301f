// Package codetest makes compiled programs by hand, for tests of what comes
// after the compiler: instructions of cilium/ebpf in, a [gen.Code] out.
//
// What only the loading kernel knows stays open, as in compiled code: use
// [Map], [MapValue] and [Interface]. Jumps go to symbols of the same list.
package codetest

import (
	"bytes"
	"encoding/binary"
	"strings"

	"github.com/cilium/ebpf/asm"

	"weir/lang/diag"
	"weir/lang/gen"
	"weir/lang/ir"
)

// Kinds of references that are no jumps, as prefixes.
const (
	mapRef       = "map:"
	mapValueRef  = "value:"
	interfaceRef = "interface:"
)

// Map loads the map called name.
func Map(dst asm.Register, name string) asm.Instruction {
	return asm.LoadImm(dst, 0, asm.DWord).WithReference(mapRef + name)
}

// MapValue loads the address of octet off of the only value of an array map.
func MapValue(dst asm.Register, name string, off int) asm.Instruction {
	return asm.LoadImm(dst, int64(off), asm.DWord).WithReference(mapValueRef + name)
}

// Interface loads the index of the interface called name.
func Interface(dst asm.Register, name string) asm.Instruction {
	return asm.Mov.Imm(dst, 0).WithReference(interfaceRef + name)
}

// Code makes a Code of one function with a context of that C name. Instruction
// i comes from line lines[i] of file, as do those that follow.
func Code(context, file string, lines map[int]int, ins asm.Instructions) gen.Code {
	c := gen.Code{Funcs: []gen.Func{{Name: "main", Linkage: ir.Entry, NParams: 1, Context: context, Stack: 512}}}
	place, target := make([]int, len(ins)), map[string]int{}
	n := 0
	for i, in := range ins {
		place[i], target[in.Symbol()] = n, n
		if n++; in.OpCode.IsDWordLoad() {
			n++
		}
	}
	for i, in := range ins {
		if line := lines[i]; line != 0 {
			c.Lines = append(c.Lines, gen.Line{Insn: i, Pos: diag.Pos{File: file, Line: line, Col: 5}})
		}
		if ref := in.Reference(); ref != "" {
			if r, ok := reloc(i, ref, int(in.Constant)); ok {
				c.Relocs = append(c.Relocs, r)
				in.Constant = 0
			} else {
				in.Offset = int16(target[ref] - place[i] - 1)
			}
		}
		c.Insns = append(c.Insns, encode(in))
	}
	return c
}

func reloc(insn int, ref string, off int) (gen.Reloc, bool) {
	kind, name, _ := strings.Cut(ref, ":")
	switch kind + ":" {
	case mapRef:
		return gen.Reloc{Insn: insn, Kind: gen.RelocMap, Name: name}, true
	case mapValueRef:
		return gen.Reloc{Insn: insn, Kind: gen.RelocMapValue, Name: name, Off: off}, true
	case interfaceRef:
		return gen.Reloc{Insn: insn, Kind: gen.RelocInterface, Name: name}, true
	}
	return gen.Reloc{}, false
}

func encode(in asm.Instruction) gen.Insn {
	var buf bytes.Buffer
	if _, err := in.Marshal(&buf, binary.LittleEndian); err != nil {
		panic(err)
	}
	b := buf.Bytes()
	out := gen.Insn{
		Op: b[0], Dst: b[1] & 15, Src: b[1] >> 4,
		Off: int16(binary.LittleEndian.Uint16(b[2:])), Imm: int64(int32(binary.LittleEndian.Uint32(b[4:]))),
	}
	if len(b) == 16 {
		out.Imm = int64(binary.LittleEndian.Uint32(b[4:])) | int64(binary.LittleEndian.Uint32(b[12:]))<<32
	}
	return out
}
