package opt

import "weir/lang/ir"

// repair gives each use of a value of b, which some ways now lead around, the
// definition that reaches it.
func (t *threader) repair(b *ir.Block, ways []way, outside []bool) {
	var vars []*reaching
	byValue := map[*ir.Value]*reaching{}
	for _, v := range b.Values {
		if v.ID < len(outside) && !outside[v.ID] {
			continue // phis that were made since are used behind
		}
		r := &reaching{v: v, at: map[*ir.Block]*ir.Value{b: v}, plain: v.IsPlain(), soft: v.Soft && !isBounded(v)}
		for i := range ways {
			r.at[ways[i].edge] = ways[i].values[v]
		}
		vars, byValue[v] = append(vars, r), r
	}
	if len(vars) == 0 {
		return
	}
	for _, u := range t.f.Blocks {
		if u == b || isEdge(ways, u) {
			continue
		}
		for _, v := range u.Values {
			for i, a := range v.Args {
				r := byValue[a]
				switch {
				case r == nil:
				case v.Op == ir.OpPhi:
					v.Args[i] = r.leaving(u.Preds[i])
				default:
					v.Args[i] = r.leaving(u)
				}
			}
		}
		if r := byValue[u.X]; r != nil {
			u.X = r.leaving(u)
		}
		if r := byValue[u.Y]; r != nil {
			u.Y = r.leaving(u)
		}
	}
	for _, r := range vars {
		r.place()
	}
}

func isEdge(ways []way, b *ir.Block) bool {
	for i := range ways {
		if ways[i].edge == b {
			return true
		}
	}
	return false
}

// A reaching is a value that has got several definitions, and which of them, or
// phi of them, is the one at the end of a block.
type reaching struct {
	v     *ir.Value
	at    map[*ir.Block]*ir.Value
	phis  []*ir.Value // made, not yet placed
	soft  bool        // whether the phis are
	plain bool
}

// isBounded reports whether a branch compares v, other than for being equal where
// v is made. A phi behind it may merge what it has bounded, and must not be made
// unknown to the verifier even if v may.
func isBounded(v *ir.Value) bool {
	for _, b := range v.Block.Func.Blocks {
		if b.Kind != ir.KindIf || b.X != v && b.Y != v {
			continue
		}
		if b != v.Block || b.Cond != ir.Eq && b.Cond != ir.Ne {
			return true
		}
	}
	return false
}

// leaving returns the definition at the end of b (Braun et al., Simple and
// Efficient Construction of SSA Form, 2013), without recursion through single
// predecessors: chains are long.
func (r *reaching) leaving(b *ir.Block) *ir.Value {
	var chain []*ir.Block
	x := r.at[b]
	for x == nil && len(b.Preds) == 1 {
		chain = append(chain, b)
		b = b.Preds[0]
		x = r.at[b]
	}
	if x == nil {
		phi := b.NewValue(ir.OpPhi, r.v.Type, r.v.Pos)
		phi.Soft, phi.Plain = r.soft, r.plain
		r.at[b] = phi
		r.phis = append(r.phis, phi)
		for _, p := range b.Preds {
			phi.Args = append(phi.Args, r.leaving(p))
		}
		x = phi
	}
	for _, c := range chain {
		r.at[c] = x
	}
	return x
}

// place puts the phis that were made where they belong. Those of one value are
// for fold.
func (r *reaching) place() {
	for _, phi := range r.phis {
		b := phi.Block
		b.Values = append([]*ir.Value{phi}, b.Values...)
	}
}
