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
//
// Of an address that differs by the way that led here, what is known is the
// least of what was known on these ways.
func bounds(f *ir.Func) bool {
	b := &bounder{out: make([]*extents, f.NumBlocks())}
	tree := f.Tree()
	for _, blk := range tree.Order {
		if b.widen(blk) {
			b.changed = true
		}
	}
	for i, blk := range tree.Order {
		var in *extents
		if d := tree.Idom[blk.ID]; i > 0 {
			in = b.out[d.ID]
		}
		if len(blk.Preds) == 1 {
			in = b.along(blk.Preds[0], blk, in)
		}
		for _, phi := range blk.Phis() {
			if phi.Type == ir.Ptr {
				in = b.phi(blk, phi, in)
			}
		}
		if c, ok := checkOf(blk); ok && c.n >= 0 && in.known(c.extent) >= c.n {
			decide(blk, c.pass)
			b.changed = true
		}
		b.out[blk.ID] = in
	}
	return b.changed
}

// extents is a list of what is known about the packet in a block, the newest
// first. It is shared by the blocks that go on from one.
type extents struct {
	extent
	n    int64 // octets
	next *extents
}

// maxKnown is how many extents are looked at: more stand in the way of none.
const maxKnown = 64

// known returns how many octets are known to be there, 0 for none.
func (l *extents) known(x extent) int64 {
	for n := 0; l != nil && n < maxKnown; l, n = l.next, n+1 {
		if l.extent == x {
			return l.n
		}
	}
	return 0
}

// along adds to what is known what the end of p says about its way to b.
func (bd *bounder) along(p, b *ir.Block, in *extents) *extents {
	if c, ok := checkOf(p); ok && p.Succs[c.pass] == b && p.Succs[0] != p.Succs[1] && c.n > in.known(c.extent) {
		return &extents{c.extent, c.n, in}
	}
	return in
}

// phi adds what is known about an address that several ways bring.
func (bd *bounder) phi(b *ir.Block, phi *ir.Value, in *extents) *extents {
	ends := map[*ir.Value]bool{}
	for _, p := range b.Preds {
		for l, n := bd.along(p, b, bd.out[p.ID]), 0; l != nil && n < maxKnown; l, n = l.next, n+1 {
			ends[l.end] = true
		}
	}
	if len(ends) != 1 { // none, or of another time
		return in
	}
	for end := range ends {
		least := int64(1) << 32
		for i, p := range b.Preds {
			base, off := apart(phi.Args[i])
			least = min(least, bd.along(p, b, bd.out[p.ID]).known(extent{base, end})-off)
		}
		if least > 0 {
			return &extents{extent{phi, end}, least, in}
		}
	}
	return in
}

// apart takes an address apart into a base and a distance that is known.
func apart(v *ir.Value) (base *ir.Value, off int64) {
	for v.Op == ir.OpAdd && v.Args[1].Op == ir.OpConst && v.Args[0].Type == ir.Ptr {
		off += v.Args[1].Imm
		v = v.Args[0]
	}
	return v, off
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
	out     []*extents // by block: what is known at its end
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
	c.base, c.n = apart(c.base)
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
