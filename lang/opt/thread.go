package opt

import (
	"slices"

	"weir/lang/ir"
)

// maxCloned is how many values of a block may be computed anew for each
// predecessor that is led past its test.
const maxCloned = 3

// thread leads a predecessor that decides a test past the test. The block of the
// test must hold nothing but phis and a few plain operations on them, and must
// not begin a loop: going round that would give the loop a second entry.
//
//	p ──► b: x = phi(p: 0, q: y)         p ──► e ──► no
//	q ──► b  if x != 0 -> yes, no   =>   q ──► b: if y != 0 -> yes, no
//
// Where values of the block are used behind it, they get one definition for each
// way, and phis where those ways meet again. That is for this pass alone: pass
// branch keeps to blocks where nothing has to be repaired.
func thread(f *ir.Func) bool { return threadPast(f, true) }

func threadPast(f *ir.Func, repair bool) bool {
	tree := f.Tree()
	outside := outsideUses(f)
	t := &threader{f: f}
	heads := loopHeads(f, tree)
	changed := false
	for _, b := range tree.Order {
		if heads[b] || b.Kind != ir.KindIf || b == f.Blocks[0] || b.Succs[0] == b.Succs[1] || !t.threadable(b) {
			continue
		}
		if !repair && usedOutside(b, outside) {
			continue
		}
		if ways := t.ways(b); len(ways) > 0 {
			t.repair(b, ways, outside)
			changed = true
		}
	}
	return changed
}

// usedOutside reports whether a value of b is used behind it other than by phis of
// its successors, or may be.
func usedOutside(b *ir.Block, outside []bool) bool {
	return slices.ContainsFunc(b.Values, func(v *ir.Value) bool { return v.ID >= len(outside) || outside[v.ID] })
}

type threader struct{ f *ir.Func }

// loopHeads returns the blocks that begin loops. Threading makes no others.
func loopHeads(f *ir.Func, tree *ir.Tree) map[*ir.Block]bool {
	heads := map[*ir.Block]bool{}
	for _, p := range f.Blocks {
		for _, b := range p.Succs {
			if tree.Dominates(b, p) {
				heads[b] = true
			}
		}
	}
	return heads
}

// A way leads around a block: to what values of that block are on it.
type way struct {
	edge   *ir.Block
	values map[*ir.Value]*ir.Value
}

// outsideUses marks the values that are used outside of their block, by phis of
// its successors, too.
func outsideUses(f *ir.Func) []bool {
	out := make([]bool, f.NumValues())
	for _, b := range f.Blocks {
		for _, v := range b.Values {
			for _, a := range v.Args {
				if a.Block != b || v.Op == ir.OpPhi {
					out[a.ID] = true
				}
			}
		}
		for _, v := range [2]*ir.Value{b.X, b.Y} {
			if v != nil && v.Block != b {
				out[v.ID] = true
			}
		}
	}
	return out
}

// threadable reports whether b holds little enough.
func (t *threader) threadable(b *ir.Block) bool {
	if len(b.Preds) < 2 || len(b.Phis()) == 0 {
		return false
	}
	n := 0
	for _, v := range b.Values[len(b.Phis()):] {
		if v.Op == ir.OpConst {
			continue
		}
		if n++; n > maxCloned || !plain(v) {
			return false
		}
	}
	return true
}

// plain reports whether v may be computed twice, and at another place.
func plain(v *ir.Value) bool {
	switch v.Op {
	case ir.OpAdd, ir.OpSub, ir.OpAnd, ir.OpOr, ir.OpXor, ir.OpShl, ir.OpShr, ir.OpSar, ir.OpNeg,
		ir.OpSwap, ir.OpZExt, ir.OpSExt, ir.OpCmp:
		return v.Type == ir.Int
	}
	return false
}

// ways leads around b all the predecessors that decide its test.
func (t *threader) ways(b *ir.Block) []way {
	var ways []way
	for i := 0; i < len(b.Preds); {
		p := b.Preds[i]
		to, ok := t.outcome(b, i)
		if !ok || count(b.Preds, p) > 1 {
			i++
			continue
		}
		ways = append(ways, t.bypass(b, p, i, to))
	}
	return ways
}

func count(list []*ir.Block, b *ir.Block) int {
	n := 0
	for _, x := range list {
		if x == b {
			n++
		}
	}
	return n
}

// along returns what v is when b is entered over edge i, as far as that is a
// value that is there already.
func along(b *ir.Block, v *ir.Value, i int) *ir.Value {
	if v.Op == ir.OpPhi && v.Block == b {
		return v.Args[i]
	}
	return v
}

// number returns the number that v is when b is entered over edge i, if known.
func number(b *ir.Block, v *ir.Value, i int) (int64, bool) {
	v = along(b, v, i)
	if v.Op == ir.OpConst {
		return v.Imm, true
	}
	if v.Block != b || !plain(v) {
		return 0, false
	}
	var n [2]int64
	for k, a := range v.Args {
		var ok bool
		if n[k], ok = number(b, a, i); !ok {
			return 0, false
		}
	}
	if v.Op == ir.OpCmp {
		return bit(holds(v.Cond, n[0], n[1])), true
	}
	return eval(v.Op, v.Width, n[0], n[1])
}

// outcome returns the successor that b's test leads to over edge i, if known.
func (t *threader) outcome(b *ir.Block, i int) (*ir.Block, bool) {
	if n, ok := number(b, b.X, i); ok {
		if m, ok := number(b, b.Y, i); ok {
			return b.Succs[1-int(bit(holds(b.Cond, n, m)))], true
		}
	}
	x, y := along(b, b.X, i), along(b, b.Y, i)
	if x.Block == b || y.Block == b {
		return nil, false
	}
	if y.IsConst(0) && (b.Cond == ir.Eq || b.Cond == ir.Ne) && notNull(x) {
		return b.Succs[bit(b.Cond == ir.Eq)], true
	}
	if r, ok := t.decided(b.Preds[i], b, b.Cond, x, y); ok {
		return b.Succs[1-int(bit(r))], true
	}
	return nil, false
}

// notNull reports whether v is never 0: an address of the packet, the stack or a
// map's only value, or a number with a bit that is always set.
func notNull(v *ir.Value) bool { return notNullWithin(v, 4) }

// notNullWithin is notNull that looks through at most depth values.
func notNullWithin(v *ir.Value, depth int) bool {
	switch {
	case v.Op == ir.OpPktData, v.Op == ir.OpSlot, v.Op == ir.OpMapValue:
		return true
	case v.Op == ir.OpConst:
		return v.Imm != 0
	case depth == 0:
	case v.Op == ir.OpPhi:
		return !slices.ContainsFunc(v.Args, func(a *ir.Value) bool { return !notNullWithin(a, depth-1) })
	case v.Op == ir.OpAdd && v.Type == ir.Ptr:
		return notNullWithin(v.Args[0], depth-1) && v.Args[0].Type == ir.Ptr
	case v.Op == ir.OpOr && v.Type == ir.Int:
		return notNullWithin(v.Args[1], depth-1) || notNullWithin(v.Args[0], depth-1)
	}
	return false
}

// maxAbove is how many conditions above an edge are asked.
const maxAbove = 6

// decided returns the result of x c y on the edge from p to b, if a condition
// that stands above it tells.
func (t *threader) decided(p, b *ir.Block, c ir.Cond, x, y *ir.Value) (result, ok bool) {
	for n := 0; n < maxAbove; n++ {
		if p.Kind == ir.KindIf && p.Succs[0] != p.Succs[1] && (p.Succs[0] == b || p.Succs[1] == b) {
			if r, ok := implied(p.Cond, p.X, p.Y, p.Succs[0] == b, c, x, y); ok {
				return r, true
			}
		}
		if len(p.Preds) != 1 {
			return false, false
		}
		p, b = p.Preds[0], p
	}
	return false, false
}

// implied returns the result of x c y where that of v d w is known.
func implied(d ir.Cond, v, w *ir.Value, result bool, c ir.Cond, x, y *ir.Value) (bool, bool) {
	if v != x {
		return false, false
	}
	if same(w, y) {
		if d == c {
			return result, true
		}
		if n, ok := d.Negate(); ok && n == c {
			return !result, true
		}
	}
	if w.Op == ir.OpConst && y.Op == ir.OpConst && (d == ir.Eq && result || d == ir.Ne && !result) {
		return holds(c, w.Imm, y.Imm), true
	}
	return false, false
}

func same(x, y *ir.Value) bool {
	return x == y || x.Op == ir.OpConst && y.Op == ir.OpConst && x.Imm == y.Imm
}

// bypass leads edge i of b, from p, to successor to, over a block of its own
// that computes anew what b computes.
func (t *threader) bypass(b, p *ir.Block, i int, to *ir.Block) way {
	e := t.f.NewBlock()
	e.Pos, e.Cold = b.Pos, b.Cold || p.Cold
	w := way{e, map[*ir.Value]*ir.Value{}}
	for _, v := range b.Values {
		if v.Op == ir.OpPhi {
			w.values[v] = v.Args[i]
			continue
		}
		c := e.NewValue(v.Op, v.Type, v.Pos)
		id := c.ID
		*c = *v
		c.ID, c.Block, c.Args = id, e, nil
		for _, a := range v.Args {
			c.Args = append(c.Args, w.of(a))
		}
		e.Values = append(e.Values, c)
		w.values[v] = c
	}
	from := slices.Index(to.Preds, b)
	for _, v := range to.Phis() {
		v.Args = append(v.Args, w.of(v.Args[from]))
	}
	to.Preds = append(to.Preds, e)
	e.Kind, e.Succs, e.Preds = ir.KindJump, []*ir.Block{to}, []*ir.Block{p}
	p.Succs[slices.Index(p.Succs, b)] = e
	b.RemovePred(p)
	return w
}

// of returns what v is on the way.
func (w *way) of(v *ir.Value) *ir.Value {
	if x := w.values[v]; x != nil {
		return x
	}
	return v
}
