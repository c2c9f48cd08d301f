package opt

import (
	"slices"

	"weir/lang/ir"
)

// dce drops blocks that the entry does not reach and values that nothing with
// an effect needs. A load is no effect, nor is the start of the packet. Slots
// stay in the function's list: those that nobody uses take no stack.
func dce(f *ir.Func) bool {
	changed := dropBlocks(f)
	live := make([]bool, f.NumValues())
	var work []*ir.Value
	need := func(v *ir.Value) {
		if v != nil && !live[v.ID] {
			live[v.ID] = true
			work = append(work, v)
		}
	}
	for _, b := range f.Blocks {
		for _, v := range b.Values {
			if v.HasEffect() {
				need(v)
			}
		}
		need(b.X)
		need(b.Y)
	}
	for len(work) > 0 {
		v := work[len(work)-1]
		work = work[:len(work)-1]
		for _, a := range v.Args {
			need(a)
		}
	}
	for _, b := range f.Blocks {
		n := len(b.Values)
		b.Values = slices.DeleteFunc(b.Values, func(v *ir.Value) bool { return !live[v.ID] })
		changed = changed || len(b.Values) != n
	}
	return changed
}

// dropBlocks takes blocks out that the entry does not reach.
func dropBlocks(f *ir.Func) bool {
	reached := make([]bool, f.NumBlocks())
	reached[f.Blocks[0].ID] = true
	work := []*ir.Block{f.Blocks[0]}
	for len(work) > 0 {
		b := work[len(work)-1]
		work = work[:len(work)-1]
		for _, s := range b.Succs {
			if !reached[s.ID] {
				reached[s.ID] = true
				work = append(work, s)
			}
		}
	}
	n := len(f.Blocks)
	for _, b := range f.Blocks {
		if reached[b.ID] {
			continue
		}
		for _, s := range b.Succs {
			if reached[s.ID] {
				s.RemovePred(b)
			}
		}
	}
	f.Blocks = slices.DeleteFunc(f.Blocks, func(b *ir.Block) bool { return !reached[b.ID] })
	return len(f.Blocks) != n
}
