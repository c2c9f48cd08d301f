package opt

import "weir/lang/ir"

// bounds removes checks against the packet's end that earlier ones imply.
//
// A check compares "base + K" with the end; where it holds, K octets from base
// on are in the packet. A check that a larger one on the same base and the same
// end dominates is decided. And of two checks in a row that fail to the same
// place, with nothing in between that has an effect, the first takes the larger
// constant, so that the second is decided. Start and end are values: where the
// packet has been invalidated others have been taken, and nothing is known.
func bounds(f *ir.Func) bool {
	b := &bounder{known: map[extent]int64{}}
	tree := f.Tree()
	for _, blk := range tree.Order {
		if b.widen(blk) {
			b.changed = true
		}
	}
	type saved struct {
		key extent
		old int64
		set bool
	}
	var undo []saved
	tree.Walk(func(blk *ir.Block) {
		s := saved{}
		if len(blk.Preds) == 1 {
			p := blk.Preds[0]
			if c, ok := checkOf(p); ok && p.Succs[c.pass] == blk && p.Succs[0] != p.Succs[1] && c.n > b.known[c.extent] {
				s = saved{c.extent, b.known[c.extent], true}
				b.known[c.extent] = c.n
			}
		}
		undo = append(undo, s)
		if c, ok := checkOf(blk); ok && b.known[c.extent] >= c.n && c.n >= 0 {
			decide(blk, c.pass)
			b.changed = true
		}
	}, func(*ir.Block) {
		s := undo[len(undo)-1]
		undo = undo[:len(undo)-1]
		if s.set {
			b.known[s.key] = s.old
		}
	})
	return b.changed
}

// An extent is what can be known about the packet: octets from base up to end.
type extent struct{ base, end *ir.Value }

// A check is a comparison of base + n with the end: successor pass is taken if
// that many octets are there.
type check struct {
	extent
	n    int64
	pass int
}

type bounder struct {
	known   map[extent]int64
	changed bool
}

// checkOf takes the end of b apart, if it is a check.
func checkOf(b *ir.Block) (check, bool) {
	if b.Kind != ir.KindIf {
		return check{}, false
	}
	cond, x, y := b.Cond, b.X, b.Y
	if x.Op == ir.OpPktEnd {
		cond, x, y = cond.Flip(), y, x
	}
	if y.Op != ir.OpPktEnd || x.Type != ir.Ptr {
		return check{}, false
	}
	c := check{extent: extent{x, y}}
	switch cond {
	case ir.UGt:
		c.pass = 1
	case ir.ULe:
		c.pass = 0
	default:
		return check{}, false
	}
	for c.base.Op == ir.OpAdd && c.base.Args[1].Op == ir.OpConst && c.base.Args[0].Type == ir.Ptr {
		c.n += c.base.Args[1].Imm
		c.base = c.base.Args[0]
	}
	return c, true
}

// decide makes b's condition one of constants that takes successor i.
func decide(b *ir.Block, i int) {
	zero := b.Add(ir.OpConst, ir.Int, b.Pos)
	b.Cond, b.X, b.Y = ir.Eq, zero, zero
	if i == 1 {
		b.Cond = ir.Ne
	}
}

// widen lets the check that ends b do for the one that ends the block after it.
func (bd *bounder) widen(b *ir.Block) bool {
	c, ok := checkOf(b)
	if !ok {
		return false
	}
	next := b.Succs[c.pass]
	d, ok := checkOf(next)
	if !ok || len(next.Preds) != 1 || d.extent != c.extent || d.n <= c.n {
		return false
	}
	fail := b.Succs[1-c.pass]
	if next.Succs[1-d.pass] != fail || fail == next || fail == next.Succs[d.pass] || !sameArgs(fail, b, next) {
		return false
	}
	for _, v := range next.Values {
		if v.HasEffect() {
			return false
		}
	}
	n := b.Add(ir.OpConst, ir.Int, b.Pos)
	n.Imm = d.n
	p := b.Add(ir.OpAdd, ir.Ptr, b.Pos, c.base, n)
	if b.X.Op == ir.OpPktEnd {
		b.Y = p
	} else {
		b.X = p
	}
	return true
}

// sameArgs reports whether the phis of b get the same from predecessors p and q.
func sameArgs(b, p, q *ir.Block) bool {
	i, k := -1, -1
	for n, x := range b.Preds {
		if x == p {
			i = n
		}
		if x == q {
			k = n
		}
	}
	for _, v := range b.Phis() {
		if v.Args[i] != v.Args[k] {
			return false
		}
	}
	return i >= 0 && k >= 0
}
