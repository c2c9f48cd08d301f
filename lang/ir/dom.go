package ir

import "slices"

// A Tree is what the shape of a function's control flow says: the order of its
// blocks, who dominates whom, and how deep in loops each block is. It is true
// as long as no edge changes. Slices are indexed by Block.ID.
type Tree struct {
	Order  []*Block // reverse postorder of the blocks that the entry reaches
	Number []int    // place in Order, -1 for blocks that are not reached
	Idom   []*Block // immediate dominator; nil for the entry
	Depth  []int    // number of loops around a block
	Header []*Block // header of the innermost loop around a block; a header's own loop counts
	Outer  []*Block // of a header: that of the next loop around its loop
	pre    []int    // numbering of the dominator tree, for Dominates
	post   []int
	kid    []*Block // first of the blocks that a block is the immediate dominator of
	twin   []*Block // the next one with the same immediate dominator
	search search
	shape  []int32 // the edges that it was computed of
}

// A search is what a search in depth finds: blocks in order of discovery.
type search struct {
	blocks []*Block
	number []int // by Block.ID
	parent []int // by number
}

// Tree returns the Tree of f, the one of the last call if no edge has changed.
// Many passes ask, few change edges.
func (f *Func) Tree() *Tree {
	shape := f.shape()
	if f.tree == nil || !slices.Equal(f.tree.shape, shape) {
		f.tree = NewTree(f)
		f.tree.shape = slices.Clone(shape)
	}
	return f.tree
}

// shape lists all that a Tree depends on. The list is valid until the next call.
func (f *Func) shape() []int32 {
	list := append(f.edges[:0], int32(f.NumBlocks()))
	for _, b := range f.Blocks {
		id := int32(b.ID) << 1
		if b.Cold {
			id |= 1
		}
		list = append(list, id, int32(len(b.Succs)))
		for _, s := range b.Succs {
			list = append(list, int32(s.ID))
		}
	}
	f.edges = list
	return list
}

// NewTree computes the Tree of f.
func NewTree(f *Func) *Tree {
	n := f.NumBlocks()
	ints, blocks := make([]int, 5*n), make([]*Block, 5*n)
	t := &Tree{
		Number: ints[:n:n], Depth: ints[n : 2*n : 2*n], pre: ints[2*n : 3*n : 3*n], post: ints[3*n : 4*n : 4*n],
		Idom: blocks[:n:n], Header: blocks[n : 2*n : 2*n], Outer: blocks[2*n : 3*n : 3*n], kid: blocks[3*n : 4*n : 4*n],
		twin: blocks[4*n:],
	}
	t.search = search{blocks: make([]*Block, 0, n), number: ints[4*n:], parent: make([]int, 0, n)}
	for i := range t.Number {
		t.Number[i] = -1
	}
	if len(f.Blocks) == 0 {
		return t
	}
	t.order(f)
	t.dominators()
	t.number()
	t.loops()
	t.search = search{}
	return t
}

// order walks the graph in depth without recursion: sources of thousands of
// lines make deep graphs.
func (t *Tree) order(f *Func) {
	type frame struct {
		b    *Block
		next int
	}
	seen := make([]bool, f.NumBlocks())
	stack := make([]frame, 0, f.NumBlocks())
	enter := func(b *Block, parent int) {
		seen[b.ID] = true
		stack = append(stack, frame{b: b})
		t.search.number[b.ID] = len(t.search.blocks)
		t.search.blocks = append(t.search.blocks, b)
		t.search.parent = append(t.search.parent, parent)
	}
	enter(f.Blocks[0], 0)
	t.Order = make([]*Block, 0, f.NumBlocks())
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		if top.next == len(top.b.Succs) {
			t.Order = append(t.Order, top.b)
			stack = stack[:len(stack)-1]
			continue
		}
		s := top.b.Succs[visit(top.b, top.next)]
		top.next++
		if !seen[s.ID] {
			enter(s, t.search.number[top.b.ID])
		}
	}
	slices.Reverse(t.Order)
	for i, b := range t.Order {
		t.Number[b.ID] = i
	}
}

// visit gives the order in which the edges of b are walked: what is walked last
// stands first in reverse postorder, right after b. That is the first edge,
// unless its target is cold.
func visit(b *Block, i int) int {
	if len(b.Succs) == 2 && (!b.Succs[0].Cold || b.Succs[1].Cold) {
		return 1 - i
	}
	return i
}

// dominators is the algorithm Semi-NCA of Georgiadis, "Linear-Time Algorithms
// for Dominators and Related Problems", 2005. The simpler one of Cooper, Harvey
// and Kennedy takes a step for each dominator of each predecessor: in a chain of
// a thousand tests that all may lead to the exit, a million.
func (t *Tree) dominators() {
	s := &t.search
	n := len(s.blocks)
	label, above, idom, least := make([]int, n), slices.Clone(s.parent), slices.Clone(s.parent), make([]int, n)
	for i := range label {
		label[i] = i
	}
	var path []int
	// eval returns the least label on the way from v up to what is linked last.
	eval := func(v, last int) int {
		if v < last {
			return v
		}
		path = path[:0]
		for above[v] >= last {
			path = append(path, v)
			v = above[v]
		}
		for i := len(path) - 1; i >= 0; i-- {
			x := path[i]
			above[x], label[x] = above[v], min(label[x], label[v])
			v = x
		}
		return label[v]
	}
	for w := n - 1; w > 0; w-- {
		semi := s.parent[w]
		for _, p := range s.blocks[w].Preds {
			if t.Number[p.ID] >= 0 {
				semi = min(semi, eval(s.number[p.ID], w+1))
			}
		}
		label[w], least[w] = semi, semi
	}
	for w := 1; w < n; w++ {
		for idom[w] > least[w] {
			idom[w] = idom[idom[w]]
		}
		t.Idom[s.blocks[w].ID] = s.blocks[idom[w]]
	}
	for i := len(t.Order) - 1; i > 0; i-- {
		b := t.Order[i]
		d := t.Idom[b.ID].ID
		t.twin[b.ID], t.kid[d] = t.kid[d], b
	}
}

func (t *Tree) number() {
	clock := 0
	t.Walk(func(b *Block) {
		t.pre[b.ID] = clock
		clock++
	}, func(b *Block) {
		t.post[b.ID] = clock
		clock++
	})
}

// Walk visits the dominator tree in depth: enter before the blocks that b
// dominates, leave after them. Either may be nil.
func (t *Tree) Walk(enter, leave func(b *Block)) {
	b := t.Order[0]
	for b != nil {
		if enter != nil {
			enter(b)
		}
		if t.kid[b.ID] != nil {
			b = t.kid[b.ID]
			continue
		}
		for b != nil {
			if leave != nil {
				leave(b)
			}
			if t.twin[b.ID] != nil {
				b = t.twin[b.ID]
				break
			}
			b = t.Idom[b.ID]
		}
	}
}

// Reached reports whether the entry reaches b.
func (t *Tree) Reached(b *Block) bool { return t.Number[b.ID] >= 0 }

// Dominates reports whether every way to b leads through a. A block dominates
// itself.
func (t *Tree) Dominates(a, b *Block) bool {
	if !t.Reached(a) || !t.Reached(b) {
		return false
	}
	return t.pre[a.ID] <= t.pre[b.ID] && t.post[b.ID] <= t.post[a.ID]
}

// loops finds natural loops, inner before outer, and counts their nesting.
func (t *Tree) loops() {
	var headers []*Block
	body := map[*Block][]*Block{}
	for i := len(t.Order) - 1; i >= 0; i-- {
		h := t.Order[i]
		var work []*Block
		for _, p := range h.Preds {
			if t.Dominates(h, p) {
				work = append(work, p)
			}
		}
		if work != nil {
			headers = append(headers, h)
			body[h] = t.body(h, work)
		}
	}
	for _, h := range headers {
		for _, b := range body[h] {
			t.Depth[b.ID]++
			if t.Header[b.ID] == nil {
				t.Header[b.ID] = h
			}
			if t.Header[b.ID] == b && b != h && t.Outer[b.ID] == nil {
				t.Outer[b.ID] = h
			}
		}
	}
}

func (t *Tree) body(h *Block, work []*Block) []*Block {
	in := map[*Block]bool{h: true}
	list := []*Block{h}
	for len(work) > 0 {
		b := work[len(work)-1]
		work = work[:len(work)-1]
		if in[b] || !t.Reached(b) {
			continue
		}
		in[b] = true
		list = append(list, b)
		work = append(work, b.Preds...)
	}
	return list
}
