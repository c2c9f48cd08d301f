package twins

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"strings"

	"weir/hook"
	"weir/lang/gen"
)

// Listing returns the instructions of the chain and of its twin of a version side
// by side, as text. Both count as the kernel does, before it changes them.
func (t Twin) Listing(h hook.Hook, version string) (string, error) {
	p, err := t.Compile(h)
	if err != nil {
		return "", err
	}
	obj, err := t.Object(h, version)
	if err != nil {
		return "", err
	}
	code, err := objectCode(obj)
	if err != nil {
		return "", fmt.Errorf("read object of %s: %w", t.Name, err)
	}
	return beside("weir\n"+p.Code.String(), Compiler+" "+version+"\n"+code.String()), nil
}

// beside sets two texts in columns.
func beside(left, right string) string {
	l, r := strings.Split(left, "\n"), strings.Split(right, "\n")
	width := 0
	for _, s := range l {
		width = max(width, len(s))
	}
	var out strings.Builder
	for i := range max(len(l), len(r)) {
		var a, b string
		if i < len(l) {
			a = l[i]
		}
		if i < len(r) {
			b = r[i]
		}
		out.WriteString(strings.TrimRight(fmt.Sprintf("%-*s  | %s", width, a, b), " |") + "\n")
	}
	return out.String()
}

// objectCode reads the one program of an object.
func objectCode(obj []byte) (*gen.Code, error) {
	f, err := elf.NewFile(bytes.NewReader(obj))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	syms, err := f.Symbols()
	if err != nil {
		return nil, err
	}
	for i, s := range f.Sections {
		if s.Type != elf.SHT_PROGBITS || s.Flags&elf.SHF_EXECINSTR == 0 || s.Size == 0 {
			continue
		}
		text, err := s.Data()
		if err != nil {
			return nil, err
		}
		refs, err := references(f, i, syms)
		if err != nil {
			return nil, err
		}
		return decode(text, refs), nil
	}
	return nil, fmt.Errorf("no program")
}

// references returns the symbols that section i refers to, by offset.
func references(f *elf.File, i int, syms []elf.Symbol) (map[uint64]elf.Symbol, error) {
	refs := map[uint64]elf.Symbol{}
	for _, s := range f.Sections {
		if s.Type != elf.SHT_REL || int(s.Info) != i {
			continue
		}
		b, err := s.Data()
		if err != nil {
			return nil, err
		}
		for ; len(b) >= 16; b = b[16:] {
			// The first symbol of a file is not in the list.
			sym := syms[binary.LittleEndian.Uint64(b[8:])>>32-1]
			if elf.ST_TYPE(sym.Info) == elf.STT_SECTION {
				sym.Name = f.Sections[sym.Section].Name
			}
			refs[binary.LittleEndian.Uint64(b)] = sym
		}
	}
	return refs, nil
}

// decode reads instructions: see the kernel's instruction-set.rst.
func decode(text []byte, refs map[uint64]elf.Symbol) *gen.Code {
	c := &gen.Code{Funcs: []gen.Func{{Name: "twin", NParams: 1}}}
	for off := 0; off+8 <= len(text); off += 8 {
		b := text[off:]
		n := gen.Insn{
			Op: b[0], Dst: b[1] & 15, Src: b[1] >> 4,
			Off: int16(binary.LittleEndian.Uint16(b[2:])), Imm: int64(int32(binary.LittleEndian.Uint32(b[4:]))),
		}
		if sym, ok := refs[uint64(off)]; ok {
			c.Relocs = append(c.Relocs, gen.Reloc{Insn: len(c.Insns), Kind: gen.RelocMap, Name: sym.Name})
		}
		const wide = 0x18 // a load of 64 bits, which takes two places
		if n.Op == wide && off+16 <= len(text) {
			n.Imm = int64(uint32(n.Imm)) | int64(binary.LittleEndian.Uint32(b[12:]))<<32
			off += 8
		}
		c.Insns = append(c.Insns, n)
	}
	return c
}
