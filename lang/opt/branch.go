package opt

import (
	"slices"

	"weir/lang/ir"
)

// branch simplifies the flow of control: conditions on constants and conditions
// that a dominating one has decided become jumps (null checks of one value, for
// example); a jump to a block that only tests a constant which that jump brings
// goes where the test leads; empty blocks disappear; a block and its only
// successor, whose only predecessor it is, become one.
func branch(f *ir.Func) bool {
	changed := decided(f)
	changed = constants(f) || changed
	changed = dropBlocks(f) || changed
	changed = thread(f) || changed
	changed = dropBlocks(f) || changed
	changed = skipEmpty(f) || changed
	changed = dropBlocks(f) || changed
	return mergeBlocks(f) || changed
}

// constants makes jumps of conditions on constants and of those that lead to
// the same place either way.
func constants(f *ir.Func) bool {
	changed := false
	for _, b := range f.Blocks {
		if b.Kind != ir.KindIf {
			continue
		}
		switch {
		case b.X.Op == ir.OpConst && b.Y.Op == ir.OpConst:
			b.SetJump(1 - int(bit(holds(b.Cond, b.X.Imm, b.Y.Imm))))
		case b.X == b.Y && b.Cond != ir.Test:
			b.SetJump(1 - int(bit(holds(b.Cond, 0, 0))))
		case b.Succs[0] == b.Succs[1] && agree(b.Succs[0], b, b):
			b.SetJump(0)
		default:
			continue
		}
		changed = true
	}
	return changed
}

// skipEmpty leads edges into blocks that only jump to where those jump. A cold
// block between others stays: it says which way is unlikely.
func skipEmpty(f *ir.Func) bool {
	changed := false
	for _, b := range f.Blocks[1:] {
		if len(b.Values) > 0 || b.Kind != ir.KindJump || b.Succs[0] == b {
			continue
		}
		s := b.Succs[0]
		for _, p := range slices.Clone(b.Preds) {
			if b.Cold && !s.Cold && p.Kind == ir.KindIf && !p.Cold || slices.Contains(p.Succs, s) && !agree(s, b, p) {
				continue
			}
			redirect(p, b, s)
			changed = true
		}
	}
	return changed
}

// agree reports whether the phis of b get the same over all edges from p and q.
func agree(b, p, q *ir.Block) bool {
	for _, v := range b.Phis() {
		var one *ir.Value
		for i, x := range b.Preds {
			if x != p && x != q {
				continue
			}
			if one != nil && one != v.Args[i] {
				return false
			}
			one = v.Args[i]
		}
	}
	return true
}

// redirect makes one edge from p to b lead to b's successor s instead. The phis
// of s get what they get from b.
func redirect(p, b, s *ir.Block) {
	from := slices.Index(s.Preds, b)
	for _, v := range s.Phis() {
		v.Args = append(v.Args, v.Args[from])
	}
	s.Preds = append(s.Preds, p)
	b.RemovePred(p)
	p.Succs[slices.Index(p.Succs, b)] = s
}

// null returns the constant that stands for the null pointer v in b.
func null(b *ir.Block, v *ir.Value) *ir.Value { return b.NewValue(ir.OpConst, ir.Ptr, v.Pos) }

// mergeBlocks joins blocks that always follow one another.
func mergeBlocks(f *ir.Func) bool {
	same := map[*ir.Value]*ir.Value{}
	gone := map[*ir.Block]bool{}
	for _, b := range f.Blocks {
		if gone[b] {
			continue
		}
		for b.Kind == ir.KindJump {
			s := b.Succs[0]
			if len(s.Preds) != 1 || s == b || s == f.Blocks[0] {
				break
			}
			phis := len(s.Phis())
			for _, v := range s.Values[:phis] {
				if same[v] = v.Args[0]; v.Type != v.Args[0].Type {
					same[v] = null(b, v)
					b.Values = append(b.Values, same[v])
				}
			}
			for _, v := range s.Values[phis:] {
				v.Block = b
				b.Values = append(b.Values, v)
			}
			b.Kind, b.Cond, b.X, b.Y, b.Pos, b.Succs = s.Kind, s.Cond, s.X, s.Y, s.Pos, s.Succs
			for _, n := range b.Succs {
				for i, p := range n.Preds {
					if p == s {
						n.Preds[i] = b
					}
				}
			}
			s.Preds, s.Succs, s.Values, s.X, s.Y = nil, nil, nil, nil, nil
			gone[s] = true
		}
	}
	f.Replace(same)
	f.Blocks = slices.DeleteFunc(f.Blocks, func(b *ir.Block) bool { return gone[b] })
	return len(gone) > 0
}
