package opt

import (
	"math/bits"
	"slices"

	"weir/lang/ir"
)

// A comparison is x c y, of a value or of the end of a block.
type comparison struct {
	c    ir.Cond
	x, y *ir.Value
	not  bool // the result is to be turned round
	like *ir.Value
	at   *ir.Block
}

// cmp simplifies a comparison whose result is a value.
func (s *folder) cmp(v *ir.Value) *ir.Value {
	q := comparison{c: v.Cond, x: v.Args[0], y: v.Args[1], like: v}
	// (x c y) != 0 is x c y itself.
	if q.x.Op == ir.OpCmp && q.y.Op == ir.OpConst {
		if q.c == ir.Ne && q.y.Imm == 0 || q.c == ir.Eq && q.y.Imm == 1 {
			return q.x
		}
	}
	known, result := s.simplify(&q)
	if known {
		return s.become(v, bit(result))
	}
	if q.not {
		n, ok := q.c.Negate()
		if !ok {
			return v // a test cannot be turned round in a value
		}
		q.c, q.not = n, false
	}
	if q.c != v.Cond || q.x != v.Args[0] || q.y != v.Args[1] {
		v.Cond, v.Args = q.c, []*ir.Value{q.x, q.y}
		s.changed = true
	}
	return v
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// condition simplifies the comparison that ends b. What is known from the start
// stays as a comparison of constants: pass branch makes jumps of those.
func (s *folder) condition(b *ir.Block) {
	if b.X.Op == ir.OpConst && b.Y.Op == ir.OpConst {
		return
	}
	q := comparison{c: b.Cond, x: b.X, y: b.Y, at: b}
	known, result := s.simplify(&q)
	if known {
		c := s.constant(bit(result), b.X)
		q = comparison{c: ir.Ne, x: c, y: s.constant(0, b.X)}
	}
	if q.not {
		if n, ok := q.c.Negate(); ok {
			q.c = n
		} else {
			slices.Reverse(b.Succs)
		}
	}
	if q.c != b.Cond || q.x != b.X || q.y != b.Y || q.not {
		b.Cond, b.X, b.Y = q.c, q.x, q.y
		s.changed = true
	}
}

func (q *comparison) pos() *ir.Value {
	if q.like != nil {
		return q.like
	}
	return q.x
}

// simplify brings q into a simpler form, step by step, or finds its result.
func (s *folder) simplify(q *comparison) (known, result bool) {
	for range 16 {
		if q.x.Op == ir.OpConst && q.y.Op == ir.OpConst {
			return true, holds(q.c, q.x.Imm, q.y.Imm) != q.not
		}
		if q.x.Op == ir.OpConst {
			q.c, q.x, q.y = q.c.Flip(), q.y, q.x
		}
		if (q.c == ir.Eq || q.c == ir.Ne) && q.y.IsConst(0) && notNull(q.x) {
			return true, (q.c == ir.Ne) != q.not
		}
		if q.x.Type == ir.Ptr || q.y.Type == ir.Ptr {
			return false, false
		}
		if q.x == q.y && q.c != ir.Test {
			return true, holds(q.c, 0, 0) != q.not
		}
		if q.y.Op != ir.OpConst {
			return false, s.two(q)
		}
		if known, result = s.limits(q); known {
			return true, result != q.not
		}
		if !s.step(q) {
			return false, false
		}
	}
	return false, false
}

// two simplifies a comparison of two variables; it never knows the result.
func (s *folder) two(q *comparison) bool {
	if (q.c == ir.Eq || q.c == ir.Ne) && q.x.Op == ir.OpSwap && q.y.Op == ir.OpSwap && q.x.Width == q.y.Width {
		x, y := q.x.Args[0], q.y.Args[0]
		if x.Bits() <= 8*q.x.Width && y.Bits() <= 8*q.x.Width {
			q.x, q.y = x, y
		}
	}
	return false
}

// limits uses the number of bits of x: signed comparisons of what is never
// negative are unsigned; some are decided.
func (s *folder) limits(q *comparison) (known, result bool) {
	n, c := q.x.Bits(), q.y.Imm
	switch {
	case q.c == ir.ULt && c == 0, q.c == ir.UGt && c == -1, q.c == ir.Test && c == 0:
		return true, false
	case q.c == ir.UGe && c == 0, q.c == ir.ULe && c == -1:
		return true, true
	}
	if n == 64 {
		return false, false
	}
	most := int64(1)<<n - 1
	if c < 0 { // x is in 0 .. most
		switch q.c {
		case ir.SLt, ir.SLe, ir.Eq:
			return true, false
		case ir.SGt, ir.SGe, ir.Ne:
			return true, true
		case ir.ULt, ir.ULe:
			return true, true
		case ir.UGt, ir.UGe:
			return true, false
		}
		return false, false
	}
	switch q.c {
	case ir.Ne, ir.ULt, ir.SLt:
		known, result = c > most, true
	case ir.ULe, ir.SLe:
		known, result = c >= most, true
	case ir.UGt, ir.SGt:
		known, result = c >= most, false
	case ir.Eq, ir.UGe, ir.SGe:
		known, result = c > most, false
	case ir.Test:
		known, result = c&most == 0, false
	}
	if u, ok := unsigned[q.c]; ok && !known {
		q.c = u
		return s.limits(q)
	}
	return known, result
}

// unsigned has for signed comparisons those that do without a sign.
var unsigned = map[ir.Cond]ir.Cond{ir.SLt: ir.ULt, ir.SLe: ir.ULe, ir.SGt: ir.UGt, ir.SGe: ir.UGe}

// step makes one simplification of x c constant, and reports whether it did.
func (s *folder) step(q *comparison) bool {
	c := q.y.Imm
	set := func(cond ir.Cond, x *ir.Value, n int64) bool {
		q.c, q.x = cond, x
		if n != c {
			q.y = s.constant(n, q.pos())
		}
		return true
	}
	switch {
	case q.c == ir.ULt && c == 1, q.c == ir.ULe && c == 0:
		return set(ir.Eq, q.x, 0)
	case q.c == ir.UGe && c == 1, q.c == ir.UGt && c == 0:
		return set(ir.Ne, q.x, 0)
	case q.c == ir.Test && q.x.Op == ir.OpSwap:
		return set(ir.Test, q.x.Args[0], swap(c, q.x.Width))
	case q.c == ir.Test && q.x.Op == ir.OpShr && q.x.Args[1].Op == ir.OpConst && bits.LeadingZeros64(uint64(c)) >= int(q.x.Args[1].Imm&63):
		return set(ir.Test, q.x.Args[0], c<<(q.x.Args[1].Imm&63))
	case q.c == ir.Test && q.x.Op == ir.OpAnd && q.x.Args[1].Op == ir.OpConst:
		return set(ir.Test, q.x.Args[0], c&q.x.Args[1].Imm)
	case q.c == ir.Eq || q.c == ir.Ne:
		return s.equality(q, set)
	}
	return false
}

// equality simplifies x == c and x != c.
func (s *folder) equality(q *comparison, set func(ir.Cond, *ir.Value, int64) bool) bool {
	x, c := q.x, q.y.Imm
	arg := func(i int) (int64, bool) {
		return x.Args[i].Imm, x.Args[i].Op == ir.OpConst
	}
	switch x.Op {
	case ir.OpCmp: // c is 0 or 1: anything else has been decided by limits
		if (q.c == ir.Eq) == (c == 0) {
			q.not = !q.not
		}
		q.c, q.x, q.y = x.Cond, x.Args[0], x.Args[1]
		return true
	case ir.OpSwap:
		if y := x.Args[0]; y.Bits() <= 8*x.Width && c&^mask(x.Width) == 0 {
			return set(q.c, y, swap(c, x.Width))
		}
	case ir.OpSExt: // the sign costs two instructions more than zeros do
		if n, ok := eval(ir.OpSExt, x.Width, c, 0); ok && n == c {
			z := s.derived(ir.OpZExt, q.pos(), x.Args[0])
			z.Width = x.Width
			return set(q.c, z, c&mask(x.Width))
		}
	case ir.OpAdd:
		if d, ok := arg(1); ok && x.Args[0].Type == ir.Int {
			return set(q.c, x.Args[0], c-d)
		}
	case ir.OpXor:
		if d, ok := arg(1); ok {
			return set(q.c, x.Args[0], c^d)
		}
	case ir.OpSub:
		if c == 0 && x.Args[0].Type == ir.Int && x.Args[1].Type == ir.Int {
			q.x, q.y = x.Args[0], x.Args[1]
			return true
		}
	case ir.OpAnd:
		return s.masked(q, set)
	}
	return false
}

// masked simplifies (x & d) == c and !=.
func (s *folder) masked(q *comparison, set func(ir.Cond, *ir.Value, int64) bool) bool {
	x, c := q.x, q.y.Imm
	if x.Args[1].Op != ir.OpConst {
		return false
	}
	d := x.Args[1].Imm
	if c == 0 && (q.at != nil || q.c == ir.Ne) {
		if q.c == ir.Eq {
			q.not = !q.not
		}
		return set(ir.Test, x.Args[0], d)
	}
	if y := x.Args[0]; y.Op == ir.OpSwap && c&^d == 0 && d&^mask(y.Width) == 0 {
		m := s.derived(ir.OpAnd, q.pos(), y.Args[0], s.constant(swap(d, y.Width), q.pos()))
		return set(q.c, m, swap(c, y.Width))
	}
	return false
}
