package main

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"weir/internal/child"
	"weir/internal/disasm"
	"weir/internal/term"
)

// showListing shows a program side by side with what it was made of and becomes.
func (a *app) showListing(ctx context.Context, r child.Request, jit bool) error {
	ps, texts, err := child.Compile(ctx, r, child.Limits{})
	if err != nil {
		return err
	}
	var lines string
	for _, s := range texts {
		if s.Name == "lines" {
			lines = s.Text
		}
	}
	p := ps[0]
	runs, err := disasm.Runs(p, lines)
	if err != nil {
		return err
	}
	var cost disasm.Cost
	if jit {
		if cost, err = disasm.Machine(p, runs); err != nil {
			return err
		}
	}
	out := bufio.NewWriter(a.out)
	a.writeListing(out, runs, jit)
	if jit {
		fmt.Fprintf(out, "%s\n", a.out.Paint(term.Bold, "What the verifier says"))
		fmt.Fprintf(out, "  instructions  %s\n  states        %s\n  stack         %s octets\n", cost.Instructions, cost.States, cost.Stack)
	}
	return out.Flush()
}

// Columns of a listing: wider texts are cut where another column follows.
const (
	irColumn  = 38
	bpfColumn = 40
)

func (a *app) writeListing(out *bufio.Writer, runs []disasm.Run, jit bool) {
	fn := ""
	for _, r := range runs {
		if r.Func != fn {
			fn = r.Func
			fmt.Fprintf(out, "%s\n", a.out.Paint(term.Bold, "function "+fn))
		}
		at := fmt.Sprintf("%s:%d", term.Clean(r.At.File), r.At.Line)
		fmt.Fprintf(out, "%s  %s\n", a.out.Paint(term.Cyan, at), term.Clean(r.Source))
		for i := range max(len(r.IR), len(r.BPF), len(r.Machine)) {
			row := "  " + cell(r.IR, i, irColumn) + " | "
			if jit {
				row += cell(r.BPF, i, bpfColumn) + " | " + cell(r.Machine, i, 0)
			} else {
				row += cell(r.BPF, i, 0)
			}
			fmt.Fprintln(out, strings.TrimRight(row, " |"))
		}
	}
}

// cell is line i of a column, as wide as the column; a width of 0 is that of the text.
func cell(lines []string, i, width int) string {
	if i >= len(lines) {
		return strings.Repeat(" ", width)
	}
	s := term.Clean(lines[i])
	if r := []rune(s); width > 0 && len(r) > width {
		s = string(r[:width-1]) + "…"
	}
	return term.Pad(s, width, false)
}
