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
	changed = threadPast(f, false) || changed
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

// skipEmpty leads edges into blocks that only jump to where those jump, also
// past phis that nothing but the phis there need. A cold block between others
// stays: it says which way is unlikely.
func skipEmpty(f *ir.Func) bool {
	changed := false
	var uses []int
	for _, b := range f.Blocks[1:] {
		if b.Kind != ir.KindJump || b.Succs[0] == b || len(b.Phis()) < len(b.Values) {
			continue
		}
		s := b.Succs[0]
		if len(b.Values) > 0 {
			if uses == nil {
				uses = countUses(f)
			}
			if slices.Contains(b.Preds, b) || !handedOn(b, s, uses) {
				continue
			}
		}
		for _, p := range slices.Clone(b.Preds) {
			if b.Cold && !s.Cold && p.Kind == ir.KindIf && !p.Cold || slices.Contains(p.Succs, s) && !agree(s, b, p) ||
				len(b.Values) > 0 && (slices.Contains(p.Succs, s) || count(b.Preds, p) > 1) {
				continue
			}
			redirect(p, b, s)
			changed = true
		}
	}
	return changed
}

// countUses returns by value how often it is used.
func countUses(f *ir.Func) []int {
	n := make([]int, f.NumValues())
	for _, b := range f.Blocks {
		for _, v := range b.Values {
			for _, a := range v.Args {
				n[a.ID]++
			}
		}
		for _, v := range [2]*ir.Value{b.X, b.Y} {
			if v != nil {
				n[v.ID]++
			}
		}
	}
	return n
}

// handedOn reports whether the phis of b are used by phis of s alone.
func handedOn(b, s *ir.Block, uses []int) bool {
	from := slices.Index(s.Preds, b)
	there := map[*ir.Value]int{}
	for _, v := range s.Phis() {
		there[v.Args[from]]++
	}
	return !slices.ContainsFunc(b.Phis(), func(v *ir.Value) bool { return v.ID >= len(uses) || there[v] != uses[v.ID] })
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
	from, at := slices.Index(s.Preds, b), slices.Index(b.Preds, p)
	for _, v := range s.Phis() {
		v.Args = append(v.Args, along(b, v.Args[from], at))
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
