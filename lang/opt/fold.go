package opt

import (
	"math/bits"
	"slices"

	"weir/lang/ir"
)

// fold replaces values by simpler ones that are equal, looking only at a value
// and what it is computed from: operations on constants; identities such as
// x+0; multiplication, division and remainder by powers of two; masks and
// extensions that change nothing, by the number of bits that can be set;
// constants added to an address, which become part of the access; comparisons,
// see compare. Values are visited before their users, so that one run suffices
// but for loops.
func fold(f *ir.Func) bool {
	s := &folder{f: f, same: map[*ir.Value]*ir.Value{}}
	for _, b := range f.Tree().Order {
		s.block(b)
	}
	f.Replace(s.same)
	return s.changed
}

type folder struct {
	f       *ir.Func
	b       *ir.Block
	same    map[*ir.Value]*ir.Value // values that are equal to another
	out     []*ir.Value
	nulls   []*ir.Value // constants that wait for the last phi of the block
	changed bool
}

func (s *folder) final(v *ir.Value) *ir.Value {
	for v != nil && s.same[v] != nil {
		v = s.same[v]
	}
	return v
}

func (s *folder) block(b *ir.Block) {
	s.b, s.out = b, make([]*ir.Value, 0, len(b.Values))
	for _, v := range b.Values {
		if v.Op != ir.OpPhi {
			s.flush()
		}
		for i, a := range v.Args {
			v.Args[i] = s.final(a)
		}
		if w := s.value(v); w != v {
			s.same[v] = w
			s.changed = true
		}
		s.out = append(s.out, v)
	}
	s.flush()
	b.X, b.Y = s.final(b.X), s.final(b.Y)
	if b.Kind == ir.KindIf {
		s.condition(b)
	}
	b.Values = s.out
}

func (s *folder) flush() {
	s.out = append(s.out, s.nulls...)
	s.nulls = nil
}

// constant returns a new constant that stands before the value at work.
func (s *folder) constant(n int64, like *ir.Value) *ir.Value {
	c := s.b.NewValue(ir.OpConst, ir.Int, like.Pos)
	c.Imm = n
	s.out = append(s.out, c)
	return c
}

// derived returns a new value that stands before the value at work.
func (s *folder) derived(op ir.Op, like *ir.Value, args ...*ir.Value) *ir.Value {
	v := s.b.NewValue(op, ir.Int, like.Pos, args...)
	s.out = append(s.out, v)
	return v
}

// become turns v into the constant n.
func (s *folder) become(v *ir.Value, n int64) *ir.Value {
	*v = ir.Value{ID: v.ID, Op: ir.OpConst, Type: ir.Int, Imm: n, Block: v.Block, Pos: v.Pos}
	s.changed = true
	return v
}

// set turns v into another operation on the same kind of result.
func (s *folder) set(v *ir.Value, op ir.Op, args ...*ir.Value) *ir.Value {
	v.Op, v.Args = op, args
	s.changed = true
	return v
}

// value returns what v is equal to: v itself, maybe changed, or another.
func (s *folder) value(v *ir.Value) *ir.Value {
	switch v.Op {
	case ir.OpPhi:
		return s.phi(v)
	case ir.OpCmp:
		return s.cmp(v)
	case ir.OpLoad, ir.OpStore, ir.OpAtomicAdd, ir.OpAtomicOr, ir.OpAtomicAnd, ir.OpAtomicXor, ir.OpFetchAdd, ir.OpAtomicXchg:
		s.address(v)
		if v.Op == ir.OpStore {
			s.stored(v)
		}
		return v
	case ir.OpAdd, ir.OpSub, ir.OpMul, ir.OpDiv, ir.OpMod, ir.OpAnd, ir.OpOr, ir.OpXor, ir.OpShl, ir.OpShr, ir.OpSar:
		return s.binary(v)
	case ir.OpNeg, ir.OpSwap, ir.OpZExt, ir.OpSExt:
		return s.unary(v)
	}
	return v
}

// phi of equal arguments is that argument.
func (s *folder) phi(v *ir.Value) *ir.Value {
	var one *ir.Value
	for _, a := range v.Args {
		switch {
		case a == v || a == one:
		case one == nil:
			one = a
		default:
			return v
		}
	}
	if one != nil && one.Type != v.Type {
		one = null(s.b, v)
		s.nulls = append(s.nulls, one)
	}
	if one == nil {
		return v
	}
	return one
}

// address moves constants from an address into the access.
func (s *folder) address(v *ir.Value) {
	for {
		a := v.Args[0]
		if a.Op != ir.OpAdd || a.Type != ir.Ptr || a.Args[1].Op != ir.OpConst || a.Args[0].Type != ir.Ptr {
			return
		}
		off := int64(v.Off) + a.Args[1].Imm
		if off < -1<<15 || off > 1<<15-8 {
			return
		}
		v.Off, v.Args[0] = int(off), a.Args[0]
		s.changed = true
	}
}

// stored drops what only changes bits that a store does not write.
func (s *folder) stored(v *ir.Value) {
	for {
		x := v.Args[1]
		low := x.Op == ir.OpZExt && x.Width >= v.Width || x.Op == ir.OpSExt && x.Width >= v.Width ||
			x.Op == ir.OpAnd && x.Args[1].Op == ir.OpConst && x.Args[1].Imm&mask(v.Width) == mask(v.Width)
		if !low {
			return
		}
		v.Args[1] = x.Args[0]
		s.changed = true
	}
}

func (s *folder) unary(v *ir.Value) *ir.Value {
	x := v.Args[0]
	if x.Op == ir.OpConst {
		n, _ := eval(v.Op, v.Width, x.Imm, 0)
		return s.become(v, n)
	}
	switch v.Op {
	case ir.OpNeg:
		if x.Op == ir.OpNeg {
			return x.Args[0]
		}
	case ir.OpZExt:
		if x.Bits() <= 8*v.Width {
			return x
		}
		if (x.Op == ir.OpZExt || x.Op == ir.OpSExt) && x.Width >= v.Width {
			return s.set(v, v.Op, x.Args[0])
		}
	case ir.OpSExt:
		if x.Bits() < 8*v.Width {
			return x
		}
		if (x.Op == ir.OpZExt || x.Op == ir.OpSExt) && x.Width >= v.Width {
			return s.set(v, v.Op, x.Args[0])
		}
	case ir.OpSwap:
		if x.Op == ir.OpSwap && x.Width == v.Width {
			if y := x.Args[0]; y.Bits() <= 8*v.Width {
				return y
			}
			return s.set(v, ir.OpZExt, x.Args[0]) // Width 8 never comes here: all have 64 bits or fewer
		}
		if x.Op == ir.OpZExt && x.Width >= v.Width {
			return s.set(v, v.Op, x.Args[0])
		}
	}
	return v
}

func commutes(o ir.Op) bool {
	switch o {
	case ir.OpAdd, ir.OpMul, ir.OpAnd, ir.OpOr, ir.OpXor:
		return true
	}
	return false
}

func (s *folder) binary(v *ir.Value) *ir.Value {
	x, y := v.Args[0], v.Args[1]
	if x.Op == ir.OpConst && y.Op == ir.OpConst {
		n, _ := eval(v.Op, v.Width, x.Imm, y.Imm)
		return s.become(v, n)
	}
	if x.Op == ir.OpConst && commutes(v.Op) {
		x, y = y, x
		v.Args = []*ir.Value{x, y}
		s.changed = true
	}
	if v.Op == ir.OpAdd && y.Type == ir.Ptr && x.Type == ir.Int {
		x, y = y, x
		v.Args = []*ir.Value{x, y}
		s.changed = true
	}
	if x == y && x.Type == ir.Int {
		switch v.Op {
		case ir.OpSub, ir.OpXor:
			return s.become(v, 0)
		case ir.OpAnd, ir.OpOr:
			return x
		}
	}
	if y.Op == ir.OpConst {
		return s.withConst(v, x, y.Imm)
	}
	return v
}

// withConst simplifies x op c.
func (s *folder) withConst(v, x *ir.Value, c int64) *ir.Value {
	switch v.Op {
	case ir.OpAdd:
		return s.sum(v, x, c)
	case ir.OpSub:
		return s.set(v, ir.OpAdd, x, s.constant(-c, v))
	case ir.OpMul:
		switch {
		case c == 0:
			return s.become(v, 0)
		case c == 1:
			return x
		case c&(c-1) == 0:
			return s.set(v, ir.OpShl, x, s.constant(int64(bits.TrailingZeros64(uint64(c))), v))
		}
	case ir.OpDiv:
		switch {
		case c == 0:
			return s.become(v, 0)
		case c == 1:
			return x
		case c&(c-1) == 0:
			return s.set(v, ir.OpShr, x, s.constant(int64(bits.TrailingZeros64(uint64(c))), v))
		}
	case ir.OpMod:
		switch {
		case c == 0:
			return x
		case c == 1:
			return s.become(v, 0)
		case c&(c-1) == 0:
			return s.set(v, ir.OpAnd, x, s.constant(c-1, v))
		}
	case ir.OpAnd, ir.OpOr, ir.OpXor:
		return s.bitwise(v, x, c)
	case ir.OpShl, ir.OpShr, ir.OpSar:
		return s.shift(v, x, int(c&63))
	}
	return v
}

// sum gathers constants: (x + d) + c. An address in a map's value takes them
// in.
func (s *folder) sum(v, x *ir.Value, c int64) *ir.Value {
	switch {
	case c == 0 && x.Type == v.Type:
		return x
	case x.Op == ir.OpAdd && x.Args[1].Op == ir.OpConst:
		return s.set(v, ir.OpAdd, x.Args[0], s.constant(x.Args[1].Imm+c, v))
	case x.Op == ir.OpMapValue && x.Imm+c >= 0 && x.Imm+c < int64(x.Map.ValueSize):
		v.Map, v.Imm = x.Map, x.Imm+c
		return s.set(v, ir.OpMapValue)
	}
	return v
}

func (s *folder) bitwise(v, x *ir.Value, c int64) *ir.Value {
	n := x.Bits()
	switch {
	case v.Op == ir.OpAnd && c == 0:
		return s.become(v, 0)
	case v.Fresh:
		return v
	case v.Op == ir.OpAnd && covers(c, n), v.Op != ir.OpAnd && c == 0:
		return x
	case v.Op == ir.OpAnd && c == mask(4):
		v.Width = 4
		return s.set(v, ir.OpZExt, x)
	case v.Op == ir.OpOr && c == -1:
		return s.become(v, -1)
	case x.Op == v.Op && x.Args[1].Op == ir.OpConst:
		m, _ := eval(v.Op, 0, x.Args[1].Imm, c)
		return s.set(v, v.Op, x.Args[0], s.constant(m, v))
	case v.Op == ir.OpAnd && x.Op == ir.OpZExt && c&^mask(x.Width) == 0:
		return s.set(v, v.Op, x.Args[0], v.Args[1])
	case v.Op == ir.OpXor && c == 1 && x.Op == ir.OpCmp:
		if neg, ok := x.Cond.Negate(); ok {
			v.Cond = neg
			return s.set(v, ir.OpCmp, slices.Clone(x.Args)...)
		}
	}
	return v
}

// covers reports whether c has the low n bits set.
func covers(c int64, n int) bool {
	m := int64(-1)
	if n < 64 {
		m = 1<<n - 1
	}
	return c&m == m
}

func (s *folder) shift(v, x *ir.Value, c int) *ir.Value {
	n := x.Bits()
	switch {
	case c == 0:
		return x
	case v.Op == ir.OpShr && n <= c:
		return s.become(v, 0)
	case v.Op == ir.OpSar && n < 64:
		return s.set(v, ir.OpShr, x, v.Args[1])
	case v.Op == ir.OpShl && isBounded(x): // an index of a list: the verifier knows the bound of x alone
		return v
	case v.Op == ir.OpShl && x.Op == ir.OpShr && x.Args[1].IsConst(int64(c)): // only clears the low bits
		return s.set(v, ir.OpAnd, x.Args[0], s.constant(-1<<c, v))
	case v.Op == x.Op && x.Args[1].Op == ir.OpConst && v.Op != ir.OpSar:
		d := int(x.Args[1].Imm & 63)
		if c+d > 63 {
			return s.become(v, 0)
		}
		return s.set(v, v.Op, x.Args[0], s.constant(int64(c+d), v))
	}
	return v
}
