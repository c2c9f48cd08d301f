package gen

import (
	"slices"

	"weir/lang/ir"
)

// build makes the machine blocks of f in the order of the code: reverse
// postorder with every loop in one piece, cold blocks last.
func build(f *ir.Func) *function {
	fn := &function{f: f, moves: map[int][]move{}}
	tree := f.Tree()
	cold := coldBlocks(f, tree)
	byIR := make([]*mblock, f.NumBlocks())
	var order []*mblock
	for _, b := range contiguous(tree) {
		m := &mblock{ir: b, kind: b.Kind, cond: b.Cond, pos: b.Pos, cold: cold[b.ID], depth: tree.Depth[b.ID]}
		byIR[b.ID] = m
		order = append(order, m)
	}
	for _, m := range order {
		for _, s := range m.ir.Succs {
			m.succs = append(m.succs, byIR[s.ID])
		}
		for _, p := range m.ir.Preds {
			if tree.Reached(p) {
				m.preds = append(m.preds, byIR[p.ID])
			}
		}
	}
	fn.blocks = coldLast(splitEdges(order))
	for i, b := range fn.blocks {
		b.id = i
	}
	return fn
}

// coldBlocks spreads coldness to blocks that only cold blocks lead to.
func coldBlocks(f *ir.Func, t *ir.Tree) []bool {
	cold := make([]bool, f.NumBlocks())
	for i, b := range t.Order {
		cold[b.ID] = i > 0 && b.Cold
		forward := 0
		for _, p := range b.Preds {
			if t.Reached(p) && t.Number[p.ID] < i && !cold[p.ID] {
				forward++
			}
		}
		if i > 0 && forward == 0 {
			cold[b.ID] = true
		}
	}
	return cold
}

// contiguous returns the reached blocks in an order in which the blocks of each
// loop stand together, from its header on.
func contiguous(t *ir.Tree) []*ir.Block {
	type key struct {
		b    *ir.Block
		path []int
	}
	keys := make([]key, 0, len(t.Order))
	for i, b := range t.Order {
		var path []int
		for h := t.Header[b.ID]; h != nil; h = t.Outer[h.ID] {
			path = append(path, t.Number[h.ID])
		}
		slices.Reverse(path) // outermost loop first
		keys = append(keys, key{b, append(path, i)})
	}
	slices.SortStableFunc(keys, func(a, b key) int { return slices.Compare(a.path, b.path) })
	out := make([]*ir.Block, len(keys))
	for i, k := range keys {
		out[i] = k.b
	}
	return out
}

// splitEdges puts a block on each edge from a fork to a join.
func splitEdges(order []*mblock) []*mblock {
	var out []*mblock
	before := map[*mblock][]*mblock{}
	after := map[*mblock][]*mblock{}
	at := map[*mblock]int{}
	for i, b := range order {
		at[b] = i
	}
	for _, b := range order {
		if len(b.succs) < 2 {
			continue
		}
		for i, s := range b.succs {
			if len(s.preds) < 2 {
				continue
			}
			e := &mblock{kind: ir.KindJump, pos: b.pos, cold: b.cold || s.cold, depth: min(b.depth, s.depth),
				succs: []*mblock{s}, preds: []*mblock{b}}
			b.succs[i] = e
			s.preds[slices.Index(s.preds, b)] = e
			if at[s] <= at[b] || i == 0 && !b.succs[1].cold {
				after[b] = append(after[b], e)
			} else {
				before[s] = append(before[s], e)
			}
		}
	}
	for _, b := range order {
		out = append(out, before[b]...)
		out = append(out, b)
		out = append(out, after[b]...)
	}
	return out
}

// stretch is how many values of hot blocks stand in one piece. A jump of the
// machine reaches over 32,767 instructions: in a longer function cold blocks
// stand behind each stretch, near those that lead to them, and not all at the
// end.
const stretch = 8000

// coldLast moves cold blocks to the end of their stretch.
func coldLast(order []*mblock) []*mblock {
	c := chunker{placed: make(map[*mblock]bool, len(order))}
	long := 0
	for _, b := range order {
		long += b.values()
	}
	for _, b := range order {
		if b.cold {
			continue
		}
		if long > 2*stretch && c.size > stretch && b.depth == 0 {
			c.flush()
		}
		c.size += b.values()
		c.out = append(c.out, b)
		c.stretch = append(c.stretch, b)
	}
	if len(c.out) > len(c.stretch) {
		c.flush()
	}
	for _, b := range order {
		if b.cold && !c.placed[b] {
			c.out = append(c.out, b)
		}
	}
	return c.out
}

// A chunker lays blocks out, stretch by stretch.
type chunker struct {
	out     []*mblock
	stretch []*mblock // the hot blocks since the last flush
	size    int       // values in them
	placed  map[*mblock]bool
}

// flush places the cold blocks that the last stretch leads to.
func (c *chunker) flush() {
	for i := 0; i < len(c.stretch); i++ {
		for _, s := range c.stretch[i].succs {
			if s.cold && !c.placed[s] {
				c.placed[s] = true
				c.out = append(c.out, s)
				c.stretch = append(c.stretch, s)
			}
		}
	}
	c.stretch, c.size = nil, 0
}

// values is about the number of instructions of b.
func (b *mblock) values() int {
	if b.ir == nil {
		return 1
	}
	return len(b.ir.Values) + 1
}
