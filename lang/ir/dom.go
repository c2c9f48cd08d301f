package ir

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
	kids   [][]*Block
}

// NewTree computes the Tree of f.
func NewTree(f *Func) *Tree {
	n := f.NumBlocks()
	t := &Tree{Number: make([]int, n), Idom: make([]*Block, n), Depth: make([]int, n), Header: make([]*Block, n), Outer: make([]*Block, n),
		pre: make([]int, n), post: make([]int, n), kids: make([][]*Block, n)}
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
	stack := []frame{{b: f.Blocks[0]}}
	seen[f.Blocks[0].ID] = true
	var post []*Block
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		if top.next == len(top.b.Succs) {
			post = append(post, top.b)
			stack = stack[:len(stack)-1]
			continue
		}
		s := top.b.Succs[visit(top.b, top.next)]
		top.next++
		if !seen[s.ID] {
			seen[s.ID] = true
			stack = append(stack, frame{b: s})
		}
	}
	for i := len(post) - 1; i >= 0; i-- {
		t.Number[post[i].ID] = len(t.Order)
		t.Order = append(t.Order, post[i])
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

// dominators is the algorithm of Cooper, Harvey and Kennedy, "A Simple, Fast
// Dominance Algorithm", 2001.
func (t *Tree) dominators() {
	root := t.Order[0]
	t.Idom[root.ID] = root
	for changed := true; changed; {
		changed = false
		for _, b := range t.Order[1:] {
			var dom *Block
			for _, p := range b.Preds {
				if t.Number[p.ID] < 0 || t.Idom[p.ID] == nil {
					continue
				}
				if dom == nil {
					dom = p
				} else {
					dom = t.meet(p, dom)
				}
			}
			if t.Idom[b.ID] != dom {
				t.Idom[b.ID] = dom
				changed = true
			}
		}
	}
	t.Idom[root.ID] = nil
	for _, b := range t.Order[1:] {
		d := t.Idom[b.ID].ID
		t.kids[d] = append(t.kids[d], b)
	}
}

func (t *Tree) meet(a, b *Block) *Block {
	for a != b {
		for t.Number[a.ID] > t.Number[b.ID] {
			a = t.Idom[a.ID]
		}
		for t.Number[b.ID] > t.Number[a.ID] {
			b = t.Idom[b.ID]
		}
	}
	return a
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
	type frame struct {
		b    *Block
		next int
	}
	stack := []frame{{b: t.Order[0]}}
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		if top.next == 0 && enter != nil {
			enter(top.b)
		}
		kids := t.kids[top.b.ID]
		if top.next < len(kids) {
			top.next++
			stack = append(stack, frame{b: kids[top.next-1]})
			continue
		}
		if leave != nil {
			leave(top.b)
		}
		stack = stack[:len(stack)-1]
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
