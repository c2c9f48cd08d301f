package object

import (
	"cmp"
	"fmt"
	"strconv"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// A Func is a global function of an object.
type Func struct {
	Name   string
	Params []Type
	Names  []string // of the parameters
	Result Type     // Void: it gives nothing
	// Program says that it is one that the kernel can attach: it stands in a section of
	// its own, as xdp or tc, and takes the packet alone. What it gives is a verdict.
	Program bool

	// Changes says that it may write to the packet: all that a chain knows of it ends.
	Changes bool

	File string // where the C source has it, as the compiler was told; empty if unknown
	Line int

	// Bad says why a chain cannot call it, in one sentence; empty if it can. Hint says
	// what to do.
	Bad, Hint string

	// Of it and all that it calls: maps and sections of variables that they refer to,
	// and the deepest way through their frames.
	Maps  []string
	Stack int // octets, each frame rounded up as the verifier does
	Depth int // frames

	// Inlined is what can stand in the place of a call, with arguments and result in the
	// registers of one; nil: nothing can. It is code alone, without lines and types.
	Inlined asm.Instructions
}

// Context returns the struct of the kernel that a function takes as the packet:
// xdp_md or __sk_buff; empty if it takes none.
func (f *Func) Context() string {
	for _, p := range f.Params {
		if p.Kind == Context {
			return p.Name
		}
	}
	return ""
}

// maxParams is how many parameters a BPF-to-BPF call has: registers r1 to r5.
const maxParams = 5

// signature reads what a function takes and gives, with the tags of its parameters.
// structs gets those that it has pointers to.
func (f *Func) signature(proto *btf.FuncProto, tags [][]string, structs map[string]Struct) {
	f.Result = typeOf(proto.Return)
	for i, p := range proto.Params {
		t := typeOf(p.Type)
		if t.Kind == Pointer {
			structs[t.Struct.Name] = *t.Struct
		}
		f.Params, f.Names = append(f.Params, t), append(f.Names, p.Name)
		var own []string
		if i < len(tags) {
			own = tags[i]
		}
		if why, hint := unfit(t, p.Type, own); why != "" && f.Bad == "" {
			f.Bad, f.Hint = fmt.Sprintf("its parameter %s, %s, %s", cmp.Or(p.Name, strconv.Itoa(i+1)), cName(p.Type), why), hint
		}
	}
	switch f.Result.Kind {
	case Int, Bool, Void:
	default:
		f.Bad = fmt.Sprintf("it gives %s, and only integers can be given", cName(proto.Return))
		f.Hint = "let it write to a struct that the chain gives it a pointer to: there that is a record"
	}
	if len(f.Params) > maxParams {
		f.Hint = "put some into a struct, of which it takes a pointer, or call it from a function there that has fewer"
		f.Bad = fmt.Sprintf("it has %d parameters, and BPF functions have at most %d", len(f.Params), maxParams)
	}
}

// unfit says why a chain cannot give a parameter, and what to do; nothing if it can.
func unfit(t Type, in btf.Type, tags []string) (why, hint string) {
	for _, tag := range tags {
		switch {
		case tag == "arg:ctx" && t.Kind != Context:
			return "is the packet of any hook (arg:ctx)", "say which: struct xdp_md *, or struct __sk_buff *; one source can be built for both"
		case tag == "arg:trusted" || tag == "arg:untrusted" || tag == "arg:arena":
			return "points to what the kernel has (" + tag + "), and a chain has nothing of it", "call it from a function there that finds what it points to"
		}
	}
	switch t.Kind {
	case Struct_, Array:
		return "is given by value", "let it take a pointer to a struct: that is a record of the chain"
	case Other, Void:
	default:
		return "", ""
	}
	p, ok := btf.UnderlyingType(in).(*btf.Pointer)
	if !ok {
		return "is no integer", "give it an integer, the packet, or a pointer to a struct"
	}
	switch to := typeOf(p.Target); to.Kind {
	case Int, Bool:
		return "points to an integer, and an integer of a chain is a value, not a place",
			"let it give the number, or put it into a struct: struct out { " + to.Name + " x; }. A chain gives a record, and reads what is written there"
	case Void:
		return "does not say what it points to", "let it take a pointer to a struct of its own"
	}
	return "points to what no chain has", "let it take an integer, the packet, or a pointer to a struct of its own"
}

// reach follows the calls of f.
func (o *Object) reach(f *Func) {
	names, missing := o.closure([]string{f.Name})
	for _, n := range names {
		for _, m := range o.funcs[n].maps {
			add(&f.Maps, m)
		}
		if o.funcs[n].config {
			f.Bad = n + "() reads a value of the kernel's configuration (extern … __kconfig), which weir does not fill in"
			f.Hint = "give the value to the function, or make it a const volatile variable"
		}
	}
	if missing != "" {
		f.Bad = fmt.Sprintf("it calls %s(), which is in another object", missing)
		f.Hint = "link the objects into one: bpftool gen object all.o a.o b.o"
	}
	if f.Bad != "" {
		return
	}
	f.Stack, f.Depth = o.deepest(f.Name, map[string]bool{})
	f.Inlined = f.inlined(o.funcs[f.Name])
	if f.Context() != "" {
		c := call{name: f.Name}
		for i, p := range f.Params {
			if p.Kind == Context {
				c.args[i] = toContext
			}
		}
		w := watcher{o, map[call]bool{}}
		f.Changes = w.changes(c)
	}
}

// closure returns the functions of that names and all that they call, in the order
// of being met, and the name of one that is not there.
func (o *Object) closure(names []string) (out []string, missing string) {
	for _, n := range names {
		add(&out, n)
	}
	for i := 0; i < len(out); i++ {
		for _, callee := range o.funcs[out[i]].calls {
			if o.funcs[callee] == nil {
				missing = callee
				continue
			}
			add(&out, callee)
		}
	}
	return out, missing
}

// deepest returns what the frames of the longest way from a function on take. A
// function that calls itself is for the verifier to refuse.
func (o *Object) deepest(name string, open map[string]bool) (stack, depth int) {
	if open[name] {
		return 0, 0
	}
	open[name] = true
	defer delete(open, name)
	for _, callee := range o.funcs[name].calls {
		s, d := o.deepest(callee, open)
		stack, depth = max(stack, s), max(depth, d)
	}
	return stack + (max(o.funcs[name].stack, 1)+31)/32*32, depth + 1
}
