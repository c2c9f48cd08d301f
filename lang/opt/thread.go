package opt

import (
	"slices"

	"weir/lang/ir"
)

// thread leads a predecessor that brings a constant to a test past the test. The
// block of the test must hold nothing but phis and constants that only the test
// and the phis right behind it use, and must not begin a loop: going round that
// would give the loop a second entry.
func thread(f *ir.Func) bool {
	tree := f.Tree()
	inner := outsideUses(f)
	changed := false
	for _, b := range f.Blocks {
		if b.Kind != ir.KindIf || b == f.Blocks[0] || !tree.Reached(b) || b.Succs[0] == b.Succs[1] || !threadable(b, tree, inner) {
			continue
		}
		for i := 0; i < len(b.Preds); {
			p := b.Preds[i]
			to, ok := outcome(b, i)
			if !ok || !tree.Reached(p) || count(b.Preds, p) > 1 || slices.Contains(p.Succs, to) {
				i++
				continue
			}
			bypass(b, p, i, to)
			changed = true
		}
	}
	return changed
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

// outsideUses marks the values that are used outside of their block other than
// by phis of its successors.
func outsideUses(f *ir.Func) []bool {
	out := make([]bool, f.NumValues())
	for _, b := range f.Blocks {
		for _, v := range b.Values {
			for i, a := range v.Args {
				if a.Block != b && !(v.Op == ir.OpPhi && b.Preds[i] == a.Block) {
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

func threadable(b *ir.Block, tree *ir.Tree, outside []bool) bool {
	phis := b.Phis()
	if len(phis) == 0 {
		return false
	}
	for _, v := range b.Values {
		if outside[v.ID] || v.Op != ir.OpPhi && v.Op != ir.OpConst {
			return false
		}
		if v.Op == ir.OpPhi && slices.ContainsFunc(v.Args, func(a *ir.Value) bool { return a.Block == b }) {
			return false
		}
	}
	for _, p := range b.Preds {
		if tree.Dominates(b, p) {
			return false
		}
	}
	// Constants are used by phis behind b only if they stand elsewhere.
	for _, s := range b.Succs {
		for _, v := range s.Phis() {
			if a := v.Args[slices.Index(s.Preds, b)]; a.Block == b && a.Op == ir.OpConst {
				return false
			}
		}
	}
	return true
}

// along returns what v of b is when b is entered over edge i.
func along(b *ir.Block, v *ir.Value, i int) *ir.Value {
	if v.Op == ir.OpPhi && v.Block == b {
		return v.Args[i]
	}
	return v
}

// outcome returns the successor that b's test leads to over edge i, if known.
func outcome(b *ir.Block, i int) (*ir.Block, bool) {
	x, y := along(b, b.X, i), along(b, b.Y, i)
	if x.Op != ir.OpConst || y.Op != ir.OpConst {
		return nil, false
	}
	return b.Succs[1-int(bit(holds(b.Cond, x.Imm, y.Imm)))], true
}

// bypass makes edge i of b, from p, lead to successor to.
func bypass(b, p *ir.Block, i int, to *ir.Block) {
	from := slices.Index(to.Preds, b)
	for _, v := range to.Phis() {
		v.Args = append(v.Args, along(b, v.Args[from], i))
	}
	to.Preds = append(to.Preds, p)
	p.Succs[slices.Index(p.Succs, b)] = to
	b.RemovePred(p)
}
