package ir

import "slices"

// Replace makes every use of a key of m in f a use of its value, following
// chains of replacements. It does not remove the keys.
func (f *Func) Replace(m map[*Value]*Value) {
	if len(m) == 0 {
		return
	}
	final := func(v *Value) *Value {
		for v != nil {
			r, ok := m[v]
			if !ok {
				return v
			}
			v = r
		}
		return v
	}
	for _, b := range f.Blocks {
		for _, v := range b.Values {
			for i, a := range v.Args {
				v.Args[i] = final(a)
			}
		}
		b.X, b.Y = final(b.X), final(b.Y)
	}
}

// RemovePred takes one edge from p out of b.Preds, with the phi arguments that
// came over it. It leaves p.Succs alone.
func (b *Block) RemovePred(p *Block) {
	b.removePredAt(slices.Index(b.Preds, p))
}

func (b *Block) removePredAt(i int) {
	b.Preds = slices.Delete(b.Preds, i, i+1)
	for _, v := range b.Values {
		if v.Op == OpPhi {
			v.Args = slices.Delete(v.Args, i, i+1)
		}
	}
}

// ReplacePred makes the first edge from old one from p.
func (b *Block) ReplacePred(old, p *Block) { b.Preds[slices.Index(b.Preds, old)] = p }

// SetJump makes a conditional b a jump to its successor i (0 or 1).
func (b *Block) SetJump(i int) {
	lost := b.Succs[1-i]
	at := slices.Index(lost.Preds, b)
	if b.Succs[0] == b.Succs[1] && i == 0 {
		at += 1 + slices.Index(lost.Preds[at+1:], b)
	}
	lost.removePredAt(at)
	b.Kind, b.Succs, b.X, b.Y = KindJump, []*Block{b.Succs[i]}, nil, nil
}

// Phis returns the phis of b.
func (b *Block) Phis() []*Value {
	n := 0
	for n < len(b.Values) && b.Values[n].Op == OpPhi {
		n++
	}
	return b.Values[:n]
}

// IsConst reports whether v is the constant n.
func (v *Value) IsConst(n int64) bool { return v.Op == OpConst && v.Imm == n }

// IsReckoned reports whether v is a number that is made of its arguments alone, of
// nothing that is merged, loaded or compared.
func (v *Value) IsReckoned() bool {
	switch v.Op {
	case OpAdd, OpSub, OpMul, OpDiv, OpMod, OpAnd, OpOr, OpXor, OpShl, OpShr, OpSar, OpNeg, OpSwap, OpZExt, OpSExt:
		return v.Type == Int
	}
	return false
}

// IsPlain reports whether v is a number of the chain: a phi that says so, what is read
// from elsewhere than the stack, and what is reckoned of such values.
func (v *Value) IsPlain() bool { return v.isPlain(map[*Value]bool{}) }

func (v *Value) isPlain(known map[*Value]bool) bool {
	switch {
	case known[v]:
		return true
	case v.Op == OpPhi:
		return v.Soft || v.Plain
	case v.Op == OpConst, v.Op == OpCmp:
		return true
	case v.Op == OpLoad:
		s, sure := v.Args[0].Base()
		return s == nil && sure
	case !v.IsReckoned():
		return false
	}
	known[v] = !slices.ContainsFunc(v.Args, func(a *Value) bool { return !a.isPlain(known) })
	return known[v]
}

// Base returns the slot that the address v points into, nil if it is sure to point
// elsewhere.
func (v *Value) Base() (s *Slot, sure bool) {
	for v.Op == OpAdd && v.Args[0].Type == Ptr {
		v = v.Args[0]
	}
	switch v.Op {
	case OpSlot:
		return v.Slot, true
	case OpPktData, OpMapValue, OpCall, OpAdd, OpLoad:
		return nil, true
	case OpParam:
		return nil, v.Block.Func.Linkage == Entry
	}
	return nil, false
}

// Bits returns n such that only the low n bits of v can be set, from what is
// near at hand. A pointer and what is not known have 64; so has what the verifier
// does not know (quotients), since checks that it wants to see rest on this.
func (v *Value) Bits() int { return v.bits(4) }

func (v *Value) bits(depth int) int {
	if depth == 0 {
		return 64
	}
	return v.width(func(i int) int { return v.Args[i].bits(depth - 1) })
}

// Widths returns Bits of all values of f, from all that there is.
func (f *Func) Widths() map[*Value]int {
	w := map[*Value]int{}
	for changed := true; changed; {
		changed = false
		for _, b := range f.Blocks {
			for _, v := range b.Values {
				if n := v.width(func(i int) int { return w[v.Args[i]] }); n > w[v] {
					w[v], changed = n, true
				}
			}
		}
	}
	return w
}

// width is Bits, from those of the arguments.
func (v *Value) width(arg func(i int) int) int {
	if v.Type == Ptr {
		return 64
	}
	switch v.Op {
	case OpConst:
		return bitLen(v.Imm)
	case OpLoad, OpSwap:
		return 8 * v.Width
	case OpZExt:
		return min(8*v.Width, arg(0))
	case OpCmp:
		return 1
	case OpIfIndex, OpFieldOff:
		return 32
	case OpAtomicXchg, OpFetchAdd:
		return 8 * v.Width
	case OpAnd:
		return min(arg(0), arg(1))
	case OpOr, OpXor:
		return max(arg(0), arg(1))
	case OpAdd:
		if v.Type == Int {
			return min(64, max(arg(0), arg(1))+1)
		}
	case OpMul:
		return min(64, arg(0)+arg(1))
	case OpShr:
		if c := v.Args[1]; c.Op == OpConst {
			return max(0, arg(0)-int(c.Imm&63))
		}
		return arg(0)
	case OpShl:
		if c := v.Args[1]; c.Op == OpConst {
			return min(64, arg(0)+int(c.Imm&63))
		}
	case OpPhi:
		n := 0
		for i := range v.Args {
			if n = max(n, arg(i)); n == 64 {
				break
			}
		}
		return n
	}
	return 64
}

func bitLen(n int64) int {
	l := 0
	for u := uint64(n); u != 0; u >>= 1 {
		l++
	}
	return l
}
