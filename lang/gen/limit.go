package gen

import (
	"fmt"
	"slices"
	"strings"

	"weir/lang/diag"
	"weir/lang/ir"
)

// checkStack reports functions and chains of calls that need more stack than
// there is. A callback counts as called by whoever takes its address, and each
// frame as a multiple of 32 octets (check_max_stack_depth, Linux 6.1).
func checkStack(p *ir.Program, frames map[*ir.Func]*frame) diag.List {
	var list diag.List
	for _, f := range p.Funcs {
		if fr := frames[f]; fr != nil && fr.total() > maxStack {
			list = append(list, tooLarge(f, fr))
		}
	}
	if len(list) > 0 {
		return list
	}
	if chain, sum := deepest(p, frames); sum > maxStack || len(chain) > maxCalls {
		list = append(list, tooDeep(chain, sum, frames))
	}
	return list
}

func tooLarge(f *ir.Func, fr *frame) diag.Diagnostic {
	n := fr.total()
	return diag.Diagnostic{Pos: f.Pos, Code: "limit",
		Message: fmt.Sprintf("%s needs %d bytes of stack, %d more than the %d there are%s", f.Name, n, n-maxStack, maxStack, largest(fr)),
		Hint:    "keep large values in maps, and fewer of them at a time: functions that are called become a part of their caller"}
}

// largest says which slots take most of the frame.
func largest(fr *frame) string {
	var items []*stackItem
	spills := 0
	for _, it := range fr.items {
		if it.slot != nil {
			items = append(items, it)
		} else {
			spills += it.size
		}
	}
	slices.SortStableFunc(items, func(a, b *stackItem) int { return b.size - a.size })
	var s []string
	for _, it := range items[:min(len(items), 4)] {
		word := fmt.Sprintf("%d for %s", it.size, it.slot.Name)
		if it.slot.Pos.Line != 0 {
			word += fmt.Sprintf(" (%s)", it.slot.Pos)
		}
		s = append(s, word)
	}
	if spills > 0 {
		s = append(s, fmt.Sprintf("%d for values that do not fit into registers", spills))
	}
	if len(s) == 0 {
		return ""
	}
	return ": " + strings.Join(s, ", ")
}

func tooDeep(chain []*ir.Func, sum int, frames map[*ir.Func]*frame) diag.Diagnostic {
	var s []string
	for i, f := range chain {
		switch {
		case f.Linkage != ir.Foreign:
			s = append(s, fmt.Sprintf("%s %d", f.Name, round(frames[f].total())))
		case i == 0 || chain[i-1] != f:
			s = append(s, fmt.Sprintf("%s and what it calls %d", f.Name, f.Stack))
		}
	}
	d := diag.Diagnostic{Pos: chain[0].Pos, Code: "limit", Hint: "keep large values in maps, or call less deeply",
		Message: fmt.Sprintf("calls need %d bytes of stack, %d more than the %d there are: %s",
			sum, sum-maxStack, maxStack, strings.Join(s, ", "))}
	if sum <= maxStack {
		d.Message = fmt.Sprintf("calls are %d deep, at most %d are possible: %s", len(chain), maxCalls, strings.Join(s, ", "))
	}
	return d
}

func round(n int) int { return (max(n, 1) + 31) / 32 * 32 }

// deepest returns the chain of calls from any function that takes most stack.
// Calls do not recur: the checker has seen to that.
func deepest(p *ir.Program, frames map[*ir.Func]*frame) ([]*ir.Func, int) {
	type result struct {
		chain []*ir.Func
		sum   int
	}
	done := map[*ir.Func]*result{}
	var walk func(f *ir.Func) *result
	walk = func(f *ir.Func) *result {
		if r := done[f]; r != nil {
			return r
		}
		r := &result{}
		done[f] = r
		if f.Linkage == ir.Foreign {
			*r = result{slices.Repeat([]*ir.Func{f}, f.Depth), f.Stack}
			return r
		}
		for _, b := range f.Blocks {
			for _, v := range b.Values {
				if v.Func == nil || frames[v.Func] == nil && v.Func.Linkage != ir.Foreign {
					continue
				}
				if c := walk(v.Func); c.sum > r.sum || len(c.chain) > len(r.chain) && len(c.chain) >= maxCalls {
					*r = *c
				}
			}
		}
		*r = result{append([]*ir.Func{f}, r.chain...), r.sum + round(frames[f].total())}
		return r
	}
	var worst result
	for _, f := range p.Funcs {
		if frames[f] == nil {
			continue
		}
		if r := walk(f); r.sum > worst.sum || len(r.chain) > len(worst.chain) && len(r.chain) > maxCalls {
			worst = *r
		}
	}
	return worst.chain, worst.sum
}
