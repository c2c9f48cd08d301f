package gen

import (
	"fmt"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"weir/lang/ir"
)

// AssembleOptions say what a Code leaves open.
type AssembleOptions struct {
	// Name is what the kernel's types call the entry, from which bpftool, perf and
	// kallsyms have it. Empty: as the chain does.
	Name string
	// Interface returns the index of an interface. Nil makes every index 0.
	Interface func(name string) (uint32, error)
	// Kfunc returns the number of a function of the kernel in its BTF, and Field
	// where a field lies, in octets, of the name STRUCT.FIELD. Nil makes them 0.
	Kfunc func(name string) (int32, error)
	Field func(name string) (int16, error)
	// Source returns a line of a source, counted from 1, for the line
	// information. Nil leaves the texts empty.
	Source func(file string, line int) string
}

// Assemble returns the instructions of c for cilium/ebpf: functions as symbols
// with types, maps and functions by reference, source lines as the kernel and
// bpftool show them. It is pure but for what opts does. Functions of C objects are
// called by their symbols; who loads the program adds them.
func (c *Code) Assemble(opts AssembleOptions) (asm.Instructions, error) {
	insns := make(asm.Instructions, len(c.Insns))
	for i, n := range c.Insns {
		insns[i] = assemble(n)
	}
	names := symbols(c.Funcs, opts.Name)
	for _, r := range c.Relocs {
		if err := relocate(&insns[r.Insn], r, names, opts); err != nil {
			return nil, err
		}
	}
	lines, err := lineInfos(c.Lines, opts.Source)
	if err != nil {
		return nil, fmt.Errorf("line information: %w", err)
	}
	for i, l := range c.Lines {
		insns[l.Insn] = insns[l.Insn].WithSource(lines[i].Line)
	}
	types := newTypes()
	for _, f := range c.Funcs {
		insns[f.Start] = btf.WithFuncMetadata(insns[f.Start].WithSymbol(names[f.Name]), types.function(f, names[f.Name]))
	}
	return insns, nil
}

// assemble turns one instruction into cilium/ebpf's form, in which the
// operation of an atomic access is part of the opcode. It stays in the constant
// too: Instruction.Marshal of v0.22 takes it from there.
func assemble(n Insn) asm.Instruction {
	i := asm.Instruction{OpCode: asm.OpCode(n.Op), Dst: asm.Register(n.Dst), Src: asm.Register(n.Src),
		Offset: n.Off, Constant: n.Imm}
	if n.Op&0xe7 == classStx|0xc0 {
		i.OpCode |= asm.OpCode(n.Imm) << 8
	}
	return i
}

func relocate(i *asm.Instruction, r Reloc, names map[string]string, opts AssembleOptions) error {
	switch r.Kind {
	case RelocMap:
		*i = asm.LoadMapPtr(i.Dst, 0).WithReference(r.Name)
	case RelocMapValue:
		*i = asm.LoadMapValue(i.Dst, 0, uint32(r.Off)).WithReference(r.Name)
	case RelocFunc, RelocCall:
		name, ok := names[r.Name]
		if !ok {
			return fmt.Errorf("call of %s: no such function", r.Name)
		}
		*i = i.WithReference(name)
	case RelocForeign:
		*i = i.WithReference(r.Name)
	case RelocKfunc:
		return fillIn(r.Name, opts.Kfunc, func(id int32) { i.Constant = int64(id) })
	case RelocField:
		return fillIn(r.Name, opts.Field, func(at int16) { i.Offset = at + int16(r.Off) })
	case RelocFieldOff:
		return fillIn(r.Name, opts.Field, func(at int16) { i.Constant = int64(at) })
	case RelocInterface:
		if opts.Interface == nil {
			return nil
		}
		n, err := opts.Interface(r.Name)
		if err != nil {
			return fmt.Errorf("interface %s: %w", r.Name, err)
		}
		i.Constant = int64(n)
	}
	return nil
}

// fillIn puts in what find knows of a name of the kernel.
func fillIn[T int16 | int32](name string, find func(string) (T, error), put func(T)) error {
	if find == nil {
		return nil
	}
	n, err := find(name)
	if err != nil {
		return fmt.Errorf("kernel's %s: %w", name, err)
	}
	put(n)
	return nil
}

// symbols gives every function a name that is a C identifier, as the kernel's
// BTF wants it, and that no other has. That of the entry is given if it is not empty.
func symbols(funcs []Func, entry string) map[string]string {
	names := map[string]string{}
	taken := map[string]bool{}
	for _, f := range funcs {
		base := identifier(f.Name)
		if f.Linkage == ir.Entry && entry != "" {
			base = identifier(entry)
		}
		name := base
		for n := 2; taken[name]; n++ {
			name = fmt.Sprintf("%s_%d", base, n)
		}
		taken[name] = true
		names[f.Name] = name
	}
	return names
}

func identifier(s string) string {
	var out []byte
	for i := 0; i < len(s) && len(out) < 100; i++ {
		c := s[i]
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		digit := c >= '0' && c <= '9'
		switch {
		case digit && len(out) == 0:
			out = append(out, '_', c)
		case letter, digit:
			out = append(out, c)
		default:
			out = append(out, '_')
		}
	}
	if len(out) == 0 {
		return "_"
	}
	return string(out)
}

// types are the BTF types that functions are declared with.
type types struct {
	int32, uint64 *btf.Int
	contexts      map[string]btf.Type
}

func newTypes() *types {
	return &types{
		int32:    &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed},
		uint64:   &btf.Int{Name: "unsigned long long", Size: 8},
		contexts: map[string]btf.Type{},
	}
}

// context returns a pointer to struct name. The verifier knows a context by
// that name alone (btf_is_prog_ctx_type).
func (t *types) context(name string) btf.Type {
	if t.contexts[name] == nil {
		t.contexts[name] = &btf.Pointer{Target: &btf.Struct{Name: name, Size: 4,
			Members: []btf.Member{{Name: "first", Type: t.int32}}}}
	}
	return t.contexts[name]
}

// function returns the declaration of f: an entry gives an int, the others 64
// bits; parameter 0 is the context if f has one.
func (t *types) function(f Func, name string) *btf.Func {
	proto := &btf.FuncProto{Return: t.uint64}
	linkage := btf.StaticFunc
	switch f.Linkage {
	case ir.Entry:
		proto.Return, linkage = t.int32, btf.GlobalFunc
	case ir.Global:
		linkage = btf.GlobalFunc
	}
	for i := range f.NParams {
		p := btf.FuncParam{Name: fmt.Sprintf("p%d", i), Type: t.uint64}
		if i == 0 && f.Context != "" {
			p = btf.FuncParam{Name: "ctx", Type: t.context(f.Context)}
		}
		proto.Params = append(proto.Params, p)
	}
	return &btf.Func{Name: name, Type: proto, Linkage: linkage}
}
