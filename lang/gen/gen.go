// Package gen turns the compiler's middle form into eBPF: it chooses
// instructions, gives values registers or places on the stack, lays the frame
// and the blocks out, and keeps the source line of every instruction.
//
// A function goes through these steps, each in a file: order (blocks, one on
// every critical edge), select (operands), live (positions and lives), alloc
// (linear scan), resolve (moves between the parts of lives, and phis), frame and
// slots (what shares octets of the stack), emit, layout (jumps). The result is a
// [Code], which is plain data; [Code.Assemble] makes cilium/ebpf instructions of
// it, with types and line information for the verifier and bpftool.
//
// Only instructions of Linux 6.1 are used (BPF cpu version 3). The package does
// not optimise: see package opt. It takes forms that package ir verifies, and
// does not change them.
package gen

import (
	"fmt"
	"slices"

	"weir/lang/diag"
	"weir/lang/ir"
)

// Limits of the kernel's verifier.
const (
	maxStack = 512       // octets of all frames of a chain of calls (MAX_BPF_STACK)
	maxInsns = 1_000_000 // instructions of a program (BPF_COMPLEXITY_LIMIT_INSNS)
	maxCalls = 8         // frames of a chain of calls (MAX_CALL_FRAMES)
)

// Generate returns the code of p. The diagnostics are about limits of the
// machine that a function or the whole program exceeds; then the code is nil.
func Generate(p *ir.Program) (*Code, diag.List) {
	var list diag.List
	frames := map[*ir.Func]*frame{}
	code := map[*ir.Func][]output{}
	for _, f := range used(p) {
		fn := compile(f)
		out, err := fn.arrange()
		if err != nil {
			list = append(list, diag.Diagnostic{Pos: f.Pos, Code: "limit",
				Message: fmt.Sprintf("%s is too long: %v", f.Name, err), Hint: "split it into functions"})
		}
		frames[f], code[f] = &fn.frame, out
	}
	list = append(list, checkStack(p, frames)...)
	c := &Code{}
	words := 0
	for _, f := range p.Funcs {
		if frames[f] == nil {
			continue
		}
		c.add(f, frames[f].total(), code[f])
		for i := range code[f] {
			words += width(&code[f][i])
		}
	}
	if words > maxInsns {
		list = append(list, diag.Diagnostic{Pos: p.Funcs[0].Pos, Code: "limit",
			Message: fmt.Sprintf("the program has %d instructions, the kernel takes %d", words, maxInsns),
			Hint:    "loop over a list at packet time instead of at build time, or split the chain"})
	}
	if len(list.Errors()) > 0 {
		return nil, list
	}
	return c, list
}

// used returns the functions that the entry needs, itself first: the kernel
// counts those alone, and refuses types for more ("number of funcs in func_info
// doesn't match number of subprogs").
func used(p *ir.Program) []*ir.Func {
	list := p.Funcs[:1:1]
	for i := 0; i < len(list); i++ {
		live := liveValues(list[i])
		for _, b := range list[i].Tree().Order {
			for _, v := range b.Values {
				if v.Func != nil && v.Func.Linkage != ir.Foreign && live[v.ID] && !slices.Contains(list, v.Func) {
					list = append(list, v.Func)
				}
			}
		}
	}
	return list
}

// compile takes one function through all steps up to its instructions.
func compile(f *ir.Func) *function {
	fn := build(f)
	fn.choose()
	fn.number()
	fn.liveness()
	fn.intervals()
	fn.allocate()
	fn.resolve()
	fn.layout()
	fn.emit()
	return fn
}

// add appends the instructions of function f.
func (c *Code) add(f *ir.Func, stack int, out []output) {
	start := len(c.Insns)
	c.Funcs = append(c.Funcs, Func{Name: f.Name, Start: start, Linkage: f.Linkage, NParams: f.NParams,
		Context: f.Context, Stack: stack})
	var last diag.Pos
	for i, o := range out {
		if o.pos.Line != 0 && o.pos != last || i == 0 {
			last = o.pos
			if last.Line == 0 {
				last = f.Pos
			}
			c.Lines = append(c.Lines, Line{start + i, last})
		}
		if o.name != "" {
			c.Relocs = append(c.Relocs, Reloc{start + i, o.kind, o.name, o.off})
		}
		c.Insns = append(c.Insns, o.Insn)
	}
}

// describe names a part of a life in messages about broken invariants.
func (fn *function) describe(it *interval) string {
	return fmt.Sprintf("%s: register v%d %v spilled=%v uses %v", fn.f.Name, it.reg, it.spans, it.spilled, it.uses)
}
