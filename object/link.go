package object

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// A Link is how functions of an object become a part of a program: plain data, the
// same on every machine, fit for encoding/gob.
type Link struct {
	File   string   // the object's name among the sources of the program
	Prefix string   // of the names that its functions have in the program
	Funcs  []string // that the chain calls
	Maps   []Rename // maps and sections
	Params []Slot   // variables that are params
}

// A Rename says what a map of an object is called in a program.
type Rename struct{ From, To string }

// A Slot says where a variable of a section is in the map of params.
type Slot struct {
	Section      string
	Offset, Size int // in the section, octets
	Map          string
	At           int // octet of the map's value
}

// Symbol returns the name that a function of the object has in the program. It is
// an identifier of C, as the kernel wants it.
func (l *Link) Symbol(name string) string { return l.Prefix + "__" + name }

// Instructions returns the functions that a program calls and all that they call,
// one after another, with names, maps and params as l has them.
func (l *Link) Instructions(octets []byte) (asm.Instructions, error) {
	o, err := Read(octets)
	if err != nil {
		return nil, fmt.Errorf("link %s: %w", l.File, err)
	}
	for _, n := range l.Funcs {
		if f := o.Func(n); f == nil || f.Bad != "" {
			return nil, fmt.Errorf("link %s: %s() cannot be called", l.File, n)
		}
	}
	names, _ := o.closure(l.Funcs)
	var out asm.Instructions
	for _, n := range names {
		c := o.funcs[n]
		start := len(out)
		out = append(out, c.insns...)
		out[start] = out[start].WithSymbol(l.Symbol(n))
		if c.proto == nil {
			return nil, fmt.Errorf("link %s: %s() has no type", l.File, n)
		}
		fn := *c.fn // with what is said of its parameters, as arg:nonnull
		fn.Name, fn.Type = l.Symbol(n), declared(c.proto)
		if _, nothing := c.proto.Return.(*btf.Void); nothing {
			// The kernel wants global functions to give a number. Of static ones it
			// looks at each call, and they may give nothing.
			fn.Linkage = btf.StaticFunc
		}
		out[start] = btf.WithFuncMetadata(out[start], &fn)
		for i := start; i < len(out); i++ {
			if err := l.refer(&out[i]); err != nil {
				return nil, fmt.Errorf("link %s: %s(): %w", l.File, n, err)
			}
		}
	}
	return out, nil
}

// declared returns a prototype in which contexts are structs, as the kernel wants them:
// a source that does not look into one need not say what is in it.
func declared(proto *btf.FuncProto) *btf.FuncProto {
	out := *proto
	out.Params = slices.Clone(proto.Params)
	for i, p := range out.Params {
		t := typeOf(p.Type)
		if t.Kind != Context {
			continue
		}
		if _, ok := btf.UnderlyingType(btf.UnderlyingType(p.Type).(*btf.Pointer).Target).(*btf.Fwd); ok {
			first := btf.Member{Name: "first", Type: &btf.Int{Name: "unsigned int", Size: 4}}
			out.Params[i].Type = &btf.Pointer{Target: &btf.Struct{Name: t.Name, Size: 4, Members: []btf.Member{first}}}
		}
	}
	return &out
}

// refer gives what an instruction refers to its name in the program.
func (l *Link) refer(in *asm.Instruction) error {
	ref := in.Reference()
	switch {
	case ref == "":
	case in.IsFunctionReference():
		*in = in.WithReference(l.Symbol(ref))
	case in.Src == asm.PseudoMapValue && l.param(in, ref):
	case in.IsLoadFromMap():
		for _, m := range l.Maps {
			if m.From == ref {
				*in = in.WithReference(m.To)
				return nil
			}
		}
		return fmt.Errorf("no map for %s", ref)
	}
	return nil
}

// param turns the address of a variable into that of a param.
func (l *Link) param(in *asm.Instruction, section string) bool {
	off := int(uint64(in.Constant) >> 32)
	for _, s := range l.Params {
		if s.Section == section && off >= s.Offset && off < s.Offset+s.Size {
			in.Constant = int64(uint64(s.At+off-s.Offset) << 32)
			*in = in.WithReference(s.Map)
			return true
		}
	}
	return false
}

// Prefix makes the name of an object's file one that symbols can begin with.
func Prefix(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, name)
}
