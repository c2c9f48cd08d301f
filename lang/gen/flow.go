package gen

import (
	"cmp"
	"slices"
)

// A flow is an order of the blocks for analyses: reverse postorder, outermost
// loops in one piece. Unlike in the order of the code, cold blocks are not moved.
// A way that leaves an outermost loop does not come back to what stands before.
type flow struct {
	order    []*mblock
	rank     []int // by block: its place in order
	from, to []int // by block: the part of order that its outermost loop is, or itself
}

func (fn *function) flow() *flow {
	n := len(fn.blocks)
	num, group := fn.groups()
	fl := &flow{order: slices.Clone(fn.blocks), rank: make([]int, n), from: make([]int, n), to: make([]int, n)}
	edge := func(m *mblock) int {
		if m.ir == nil {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(fl.order, func(a, b *mblock) int {
		return cmp.Or(group[a.id]-group[b.id], num[a.id]-num[b.id], edge(a)-edge(b))
	})
	for i := 0; i < n; {
		j := i + 1
		for j < n && group[fl.order[j].id] == group[fl.order[i].id] {
			j++
		}
		for k := i; k < j; k++ {
			id := fl.order[k].id
			fl.rank[id], fl.from[id], fl.to[id] = k, i, j
		}
		i = j
	}
	return fl
}

// groups returns by block its number in reverse postorder and that of the header
// of its outermost loop, or its own. A block on an edge has those of the block
// that it comes from.
func (fn *function) groups() (num, group []int) {
	tree := fn.f.Tree()
	num, group = make([]int, len(fn.blocks)), make([]int, len(fn.blocks))
	for _, b := range fn.blocks {
		if b.ir == nil {
			continue
		}
		num[b.id] = tree.Number[b.ir.ID]
		group[b.id] = num[b.id]
		for h := tree.Header[b.ir.ID]; h != nil; h = tree.Outer[h.ID] {
			group[b.id] = tree.Number[h.ID]
		}
	}
	for _, b := range fn.blocks {
		if b.ir == nil {
			p := b.preds[0].id
			num[b.id], group[b.id] = num[p], group[p]
		}
	}
	for _, b := range fn.blocks {
		for _, s := range b.succs {
			if group[b.id] > group[s.id] { // a loop with two entries: all is one piece
				clear(group)
				return num, group
			}
		}
	}
	return num, group
}
