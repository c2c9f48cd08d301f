// Package disasm shows a program side by side: source, the compiler's middle form,
// eBPF, and the machine code that the kernel made of it.
//
// The model: the compiler's line records cut the instructions into runs of one place in
// the source each. The kernel tells for each record where its machine code begins, so
// that both columns have the same runs. The middle form has places of its own; a value
// is shown at the first run of its place and function.
package disasm

import (
	"fmt"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"weir/datapath"
	"weir/lang"
	"weir/lang/diag"
	"weir/lang/gen"
)

// A Run is what one place in the source became, once: instructions that follow one
// another.
type Run struct {
	Func    string
	At      diag.Pos
	Source  string   // the text of the line
	IR      []string // of the middle form
	BPF     []string
	Machine []string
}

// A Cost is what the verifier says of a program.
type Cost struct {
	Instructions string // looked at, of how many at most
	States       string // total, and at most at once
	Stack        string // octets of each function
}

// Runs returns the runs of a program in order, without machine code. lines is the text
// of the compiler's stage "lines".
func Runs(p *lang.Program, lines string) ([]Run, error) {
	text := diag.Source{}
	for _, s := range p.Sources {
		text.Add(s.Name, []byte(s.Text))
	}
	ir := map[string][]string{}
	for _, l := range strings.Split(lines, "\n") {
		if f := strings.SplitN(l, "\t", 3); len(f) == 3 {
			ir[f[0]+"\t"+f[1]] = append(ir[f[0]+"\t"+f[1]], f[2])
		}
	}
	point := ""
	if len(p.Points) > 0 {
		point = p.Points[0].At[0]
	}
	code := p.CodeAt(point)
	insns := code.Texts()
	var out []Run
	fn := 0
	for i, l := range code.Lines {
		end := len(code.Insns)
		if i+1 < len(code.Lines) {
			end = code.Lines[i+1].Insn
		}
		for fn+1 < len(code.Funcs) && code.Funcs[fn+1].Start <= l.Insn {
			fn++
		}
		r := Run{Func: code.Funcs[fn].Name, At: l.Pos, Source: strings.TrimSpace(text.Line(l.Pos.File, l.Pos.Line)), BPF: insns[l.Insn:end]}
		key := l.Pos.String() + "\t" + r.Func
		r.IR = ir[key]
		delete(ir, key)
		out = append(out, r)
	}
	linked, err := p.Foreign(point)
	return append(out, foreign(linked)...), err
}

// foreign returns the runs of functions of C objects.
func foreign(insns asm.Instructions) (out []Run) {
	for len(insns) > 0 {
		n := 1
		for n < len(insns) && insns[n].Symbol() == "" {
			n++
		}
		for i, text := range gen.Disassemble(insns[:n]) {
			if l, ok := insns[i].Source().(*btf.Line); ok || i == 0 {
				r := Run{Func: insns[0].Symbol()}
				if ok {
					r.At = diag.Pos{File: l.FileName(), Line: int(l.LineNumber()), Col: int(l.LineColumn())}
					r.Source = strings.TrimSpace(l.Line())
				}
				out = append(out, r)
			}
			last := &out[len(out)-1]
			last.BPF = append(last.BPF, text)
		}
		insns = insns[n:]
	}
	return out
}

// Machine loads the program, and fills in the machine code of its runs. What the kernel
// does not tell is an error; it tells root alone.
func Machine(p *lang.Program, runs []Run) (Cost, error) {
	s, err := datapath.Load(p, datapath.LoadOptions{Stats: true, Interface: func(string) (uint32, error) { return 1, nil }})
	if err != nil {
		return Cost{}, err
	}
	defer s.Close()
	var obj *ebpf.Program
	for _, o := range s.Objects(p) {
		if obj = o; len(p.Points) == 0 || o == s.Objects(p)[p.Points[0].At[0]] {
			break
		}
	}
	info, err := obj.Info()
	if err != nil {
		return Cost{}, fmt.Errorf("machine code: %w", err)
	}
	return costOf(obj.VerifierLog), fill(info, runs)
}

func fill(info *ebpf.ProgramInfo, runs []Run) error {
	code, ok := info.JitedInsns()
	starts, ok1 := info.JitedKsymAddrs()
	lens, ok2 := info.JitedFuncLens()
	at, ok3 := info.JitedLineInfos()
	if !ok || !ok1 || !ok2 || !ok3 {
		return fmt.Errorf("machine code: the kernel does not show it: the JIT is off (sysctl net.core.bpf_jit_enable), or addresses are hidden (sysctl kernel.kptr_restrict)")
	}
	places, err := info.LineInfos()
	if err != nil {
		return fmt.Errorf("machine code: %w", err)
	}
	if len(at) != len(places) {
		return fmt.Errorf("machine code: %d addresses of %d places", len(at), len(places))
	}
	next := 0 // the kernel has dropped what it found dead: its places are some of ours
	for i := range runs {
		r := &runs[i]
		if next == len(places) || !same(r, places[next].Line) {
			continue
		}
		fn, base := 0, 0
		for fn < len(starts) && (at[next] < uint64(starts[fn]) || at[next] >= uint64(starts[fn])+uint64(lens[fn])) {
			base += int(lens[fn])
			fn++
		}
		if fn == len(starts) {
			return fmt.Errorf("machine code: place %d lies in no function", next)
		}
		begin := uint64(starts[fn])
		from, to := int(at[next]-begin), int(lens[fn])
		if n := next + 1; n < len(at) && at[n] >= at[next] && at[n] < begin+uint64(lens[fn]) {
			to = int(at[n] - begin)
		}
		if next == 0 || at[next-1] < begin || at[next-1] >= begin+uint64(lens[fn]) {
			from = 0 // what stands before the first place is the frame
		}
		r.Machine = disassemble(code[base:base+int(lens[fn])], from, to)
		next++
	}
	if next < len(places) {
		return fmt.Errorf("machine code: the kernel has a place that the program has not, number %d", next)
	}
	return nil
}

// same reports whether a run is at a place that the kernel was told.
func same(r *Run, l *btf.Line) bool {
	return r.At.File == l.FileName() && r.At.Line == int(l.LineNumber()) && r.At.Col == int(l.LineColumn())
}

// costOf reads the last lines of the verifier's log.
func costOf(log string) (c Cost) {
	for _, l := range strings.Split(log, "\n") {
		if s, ok := strings.CutPrefix(l, "stack depth "); ok {
			c.Stack = strings.ReplaceAll(s, "+", " + ")
		}
		if s, ok := strings.CutPrefix(l, "processed "); ok {
			var n, limit, most, total, peak int
			fmt.Sscanf(s, "%d insns (limit %d) max_states_per_insn %d total_states %d peak_states %d", &n, &limit, &most, &total, &peak)
			c.Instructions = fmt.Sprintf("%d of %d", n, limit)
			c.States = fmt.Sprintf("%d, %d at once", total, peak)
		}
	}
	return c
}
