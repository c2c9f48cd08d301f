// Package object reads BPF ELF objects that clang has made, for chains that call
// functions of them.
//
// The model: an [Object] is what its types (BTF) say of an object's functions, maps
// and variables, with their code still as the object has it. A compile looks at it
// alone; what the compile decides (which functions are called, what their maps are
// called in the program, which variables are params) is a [Link], plain data that
// goes into the program beside the octets of the object. Who loads the program has
// [Link.Instructions] read them again, and puts them behind the chain's:
//
//	octets ── Read ──► Object ── compile ──► Link ┐
//	   └─────────────────────────────────────────┴─► instructions with types and
//	                                                 lines, relocations open
//
// So nothing of the object is lost on the way, and the program is the same on every
// machine: relocations of CO-RE are applied by cilium/ebpf when the instructions
// are loaded, against the types of the running kernel.
//
// The package is pure: it asks no kernel, and opens no file.
package object

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// An Object is a BPF ELF object.
type Object struct {
	Funcs    []*Func    // global functions, by name
	Static   []string   // names of functions that only the object itself can call, sorted
	Maps     []*Map     // by name
	Sections []*Section // of variables, by name
	Structs  []Struct   // that parameters of the functions point to, by name

	funcs map[string]*code
}

// An Error says why a file is no object that can be used. It is for people: what is
// wrong, and what to do.
type Error struct{ Message, Hint string }

// Error returns the message.
func (e *Error) Error() string { return e.Message }

func fault(hint, format string, args ...any) error {
	return &Error{fmt.Sprintf(format, args...), hint}
}

// text is what section .text is called once [shown] has renamed it. It ends like that: a
// function that is called text, or t, has its name in the end of the section's.
const text = "_text"

const build = "build it with clang --target=bpf -O2 -g -c"

// Read reads an object. Its error is an [*Error].
func Read(octets []byte) (*Object, error) {
	spec, err := read(octets)
	if err != nil {
		return nil, err
	}
	o := &Object{funcs: map[string]*code{}}
	for name, p := range spec.Programs {
		if !licensed(p.License) {
			return nil, fault("give it a license that is compatible with the GPL, as \"Dual BSD/GPL\", which weir's programs have",
				"its license is %q, under which it cannot become a part of a program that the kernel takes", p.License)
		}
		o.funcs[name] = newCode(p.Instructions)
		o.funcs[name].program = p.SectionName != text
	}
	o.addMaps(spec)
	o.addFuncs()
	return o, nil
}

// read is what cilium/ebpf makes of an object.
func read(octets []byte) (*ebpf.CollectionSpec, error) {
	f, err := elf.NewFile(bytes.NewReader(octets))
	switch {
	case err != nil:
		return nil, fault(build, "it is no ELF object")
	case f.Machine != elf.EM_BPF:
		return nil, fault(build, "it is an object for %s, not for BPF", machine(f.Machine))
	case f.ByteOrder != binary.LittleEndian:
		return nil, fault("build it with clang --target=bpfel", "its byte order is big-endian, that of weir's programs is little-endian")
	case f.Section("maps") != nil:
		return nil, fault("declare them in section .maps, as libbpf 1.0 and later want it", "its maps are of the form that libbpf had before 1.0")
	case f.Section(".BTF") == nil || f.Section(".BTF.ext") == nil:
		return nil, fault("build it with clang -g", "it has no BTF, which says what its functions take and give")
	}
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(shown(f, octets)))
	if err != nil {
		return nil, fault(build+", and link several objects into one with bpftool gen object", "%s", words(err))
	}
	return spec, nil
}

func machine(m elf.Machine) string {
	return strings.ToLower(strings.TrimPrefix(m.String(), "EM_"))
}

// words is the text of an error without the names of what has found it.
func words(err error) string {
	for errors.Unwrap(err) != nil && strings.HasPrefix(err.Error(), "load ") {
		err = errors.Unwrap(err)
	}
	return err.Error()
}

// licenses are those that may become a part of a program under the GPL, in whatever
// words: the names that the kernel knows, and those of SPDX. A library may say nothing.
var licenses = []string{"gpl", "mit", "bsd", "mpl", "apache", "isc"}

func licensed(license string) bool {
	return license == "" || slices.ContainsFunc(licenses, func(l string) bool { return strings.Contains(strings.ToLower(license), l) })
}

// shown returns an object in which section .text has another name: what is there
// cilium/ebpf takes for functions that programs of other sections call, and gives
// none of them alone. The name is in two tables, that of sections' names and that
// of BTF, which keeps lines by sections.
func shown(f *elf.File, octets []byte) []byte {
	out := bytes.Clone(octets)
	rename := func(s *elf.Section, old, new string) {
		if s == nil || s.Offset+s.FileSize > uint64(len(out)) {
			return
		}
		part := out[s.Offset:][:s.FileSize]
		copy(part, bytes.ReplaceAll(part, []byte(old), []byte(new)))
	}
	for _, s := range f.Sections {
		if s.Type == elf.SHT_STRTAB {
			rename(s, ".text\x00", text+"\x00")
		}
	}
	rename(f.Section(".BTF"), "\x00.text\x00", "\x00"+text+"\x00")
	return out
}

// addFuncs finds what can be called.
func (o *Object) addFuncs() {
	structs := map[string]Struct{}
	for name, c := range o.funcs {
		if c.proto == nil || c.fn.Linkage != btf.GlobalFunc {
			o.Static = append(o.Static, name)
			continue
		}
		f := &Func{Name: name, File: c.file, Line: c.line}
		f.signature(c.proto, c.fn.ParamTags, structs)
		f.Program = c.program && f.Bad == "" && len(f.Params) == 1 && f.Params[0].Kind == Context && f.Result.Kind == Int
		o.reach(f)
		o.Funcs = append(o.Funcs, f)
	}
	sort.Strings(o.Static)
	slices.SortFunc(o.Funcs, func(a, b *Func) int { return strings.Compare(a.Name, b.Name) })
	for _, s := range structs {
		o.Structs = append(o.Structs, s)
	}
	slices.SortFunc(o.Structs, func(a, b Struct) int { return strings.Compare(a.Name, b.Name) })
}

// Func returns the global function of that name, or nil.
func (o *Object) Func(name string) *Func {
	for _, f := range o.Funcs {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// A code is a function's instructions and what they refer to.
type code struct {
	insns   asm.Instructions
	proto   *btf.FuncProto
	fn      *btf.Func
	file    string
	line    int
	calls   []string // functions of the object
	maps    []string // maps and sections
	stack   int      // octets of its frame
	program bool     // it is in a section of its own
	config  bool     // it reads the kernel's configuration (extern … __kconfig)
}

// newCode takes a function out of the instructions that cilium/ebpf has made of it
// and all that it calls.
func newCode(all asm.Instructions) *code {
	c := &code{insns: all}
	for i := range all[1:] {
		if all[i+1].Symbol() != "" {
			c.insns = all[:i+1]
			break
		}
	}
	first := &c.insns[0]
	if f := btf.FuncMetadata(first); f != nil {
		c.fn = f
		c.proto, _ = f.Type.(*btf.FuncProto)
	}
	if l, ok := first.Source().(*btf.Line); ok {
		c.file, c.line = l.FileName(), int(l.LineNumber())
	}
	c.stack = frameOf(c.insns)
	for i := range c.insns {
		in := &c.insns[i]
		ref := in.Reference()
		switch {
		case ref == "":
		case in.IsFunctionReference():
			add(&c.calls, ref)
		case in.IsLoadFromMap():
			add(&c.maps, ref)
		}
		c.config = c.config || in.IsLoadFromMap() && ref == ""
	}
	return c
}

func add(list *[]string, s string) {
	if !slices.Contains(*list, s) {
		*list = append(*list, s)
	}
}

// frameOf returns how many octets of the stack a function uses, as far as its
// instructions show: the verifier knows better.
func frameOf(insns asm.Instructions) int {
	deepest := 0
	var frame [16]bool // registers that hold an address of it
	for _, in := range insns {
		class := in.OpCode.Class()
		switch {
		case class.IsStore() && in.Dst == asm.RFP, class.IsLoad() && in.Src == asm.RFP:
			deepest = min(deepest, int(in.Offset))
		case in.OpCode == asm.Mov.Op(asm.RegSource):
			frame[in.Dst&15] = in.Src == asm.RFP
		case in.OpCode == asm.Add.Op(asm.ImmSource) && frame[in.Dst&15]:
			deepest = min(deepest, int(in.Constant))
		}
	}
	return -deepest
}
