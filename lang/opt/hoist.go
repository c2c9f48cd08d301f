package opt

import (
	"slices"

	"weir/lang/ir"
)

// hoist moves out of loops what every turn computes alike: operations on values
// from outside of the loop, and loads in the block that begins it, if nothing in
// the loop changes that memory. They go to the block that leads into the loop;
// where several do, to none.
func hoist(f *ir.Func) bool {
	tree := f.Tree()
	changed := false
	for _, h := range slices.Backward(tree.Order) { // inner loops first
		if tree.Header[h.ID] == h {
			changed = hoistFrom(f, tree, h) || changed
		}
	}
	return changed
}

// hoistFrom empties the loop that h begins.
func hoistFrom(f *ir.Func, tree *ir.Tree, h *ir.Block) bool {
	before := preheader(tree, h)
	if before == nil {
		return false
	}
	inside := func(b *ir.Block) bool {
		x := tree.Header[b.ID]
		for x != nil && x != h {
			x = tree.Outer[x.ID]
		}
		return x == h
	}
	var body []*ir.Block
	var change class
	m := &memory{f: f, tree: tree, lost: lostSlots(f), point: map[*ir.Value]class{}}
	stores := false // to plain slots
	for _, b := range tree.Order {
		if !inside(b) {
			continue
		}
		body = append(body, b)
		for _, v := range b.Values {
			change |= m.changes(v)
			_, writes, _ := access(v)
			stores = stores || writes || v.IsCall()
		}
	}
	changed := false
	for _, b := range body {
		keep := b.Values[:0]
		for _, v := range b.Values {
			if still(v, inside) && (plain(v) || v.Op == ir.OpMul || b == h && v.Op == ir.OpLoad && !v.Fresh && m.steady(v, change, stores)) {
				v.Block = before
				before.Values = append(before.Values, v)
				changed = true
				continue
			}
			keep = append(keep, v)
		}
		b.Values = keep
	}
	return changed
}

// preheader returns the one block that leads into the loop of h and nowhere
// else, or nil.
func preheader(tree *ir.Tree, h *ir.Block) *ir.Block {
	var out *ir.Block
	for _, p := range h.Preds {
		switch {
		case tree.Dominates(h, p):
		case out != nil || len(p.Succs) != 1:
			return nil
		default:
			out = p
		}
	}
	return out
}

// still reports whether all that v is computed from lies outside.
func still(v *ir.Value, inside func(*ir.Block) bool) bool {
	return !slices.ContainsFunc(v.Args, func(a *ir.Value) bool { return inside(a.Block) })
}

// steady reports whether a load sees the same in every turn of a loop that
// makes these changes.
func (m *memory) steady(v *ir.Value, change class, stores bool) bool {
	if s, _ := m.plain(v.Args[0]); s != nil {
		return !stores
	}
	return m.of(v.Args[0])&change == 0
}
