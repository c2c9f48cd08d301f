package check

import (
	"math"

	"weir/lang/diag"
	"weir/lang/value"
)

// fold computes with constants as packet time does: in 64 bits, wrapping.
func fold(op Op, x, y uint64, signed bool) uint64 {
	switch op {
	case Add:
		return x + y
	case Sub:
		return x - y
	case Mul:
		return x * y
	case FloorDiv:
		return foldDiv(x, y, signed)
	case Mod:
		if y == 0 {
			return x
		}
		return x - foldDiv(x, y, signed)*y
	case And:
		return x & y
	case Or:
		return x | y
	case Xor:
		return x ^ y
	case Shl:
		return x << (y & 63)
	case Shr:
		if signed {
			return uint64(int64(x) >> (y & 63))
		}
		return x >> (y & 63)
	}
	panic("fold of " + op.String())
}

func foldDiv(x, y uint64, signed bool) uint64 {
	switch {
	case y == 0:
		return 0
	case !signed:
		return x / y
	case int64(x) == math.MinInt64 && int64(y) == -1:
		return x
	}
	a, b := int64(x), int64(y)
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return uint64(q)
}

// compareInts compares two integers, at once if both are constants.
func compareInts(op Op, a, b Expr, pos diag.Pos) Expr {
	signed := a.Type().Signed || b.Type().Signed
	x, ok := a.(*Const)
	y, ok2 := b.(*Const)
	if !ok || !ok2 {
		return &Compare{Base{value.BoolT, pos}, op, signed, a, b}
	}
	less, equal := x.Bits < y.Bits, x.Bits == y.Bits
	if signed {
		less = int64(x.Bits) < int64(y.Bits)
	}
	var holds bool
	switch op {
	case Eq:
		holds = equal
	case Ne:
		holds = !equal
	case Lt:
		holds = less
	case Le:
		holds = less || equal
	case Gt:
		holds = !less && !equal
	case Ge:
		holds = !less
	}
	return boolConst(holds, pos)
}

// convertInt keeps the low octets of an integer, as u8 … i64 do.
func convertInt(x Expr, t value.Type, pos diag.Pos) Expr {
	c, ok := x.(*Const)
	if !ok {
		return &Convert{Base{t, pos}, x}
	}
	shift := 64 - 8*uint(t.Width)
	bits := c.Bits << shift >> shift
	if t.Signed {
		bits = uint64(int64(c.Bits<<shift) >> shift)
	}
	return &Const{Base: Base{norm(t), pos}, Bits: bits}
}

// An interval bounds an integer, both ends included.
type interval struct{ lo, hi int64 }

func (i interval) union(j interval) interval { return interval{min(i.lo, j.lo), max(i.hi, j.hi)} }

// wide is beyond what a bound is worth.
const wide = 1 << 48

// bounds works out between which values an integer lies, if that is known and
// not too wide to be of use.
func (p *pass) bounds(x Expr) (interval, bool) {
	if x.Type().Kind == value.Bool {
		return interval{0, 1}, true
	}
	if x.Type().Kind != value.Int {
		return interval{}, false
	}
	switch e := x.(type) {
	case *Const:
		if v := int64(e.Bits); (e.T.Signed || v >= 0) && v > -wide && v < wide {
			return interval{v, v}, true
		}
		return interval{}, false
	case *LocalRef:
		b, ok := p.fl.bounds[e.Local]
		return b, ok
	case *Convert:
		if e.X.Type().Kind == value.Bool {
			return interval{0, 1}, true
		}
		if b, ok := p.bounds(e.X); ok && e.X.Type().Kind == value.Int && within64(b, e.T) {
			return b, true
		}
	case *HeaderField:
		if m := e.Field.Max(); m > 0 {
			return interval{0, int64(m)}, true
		}
	case *Binary:
		return p.boundsOf(e)
	case *MinMax:
		return p.minMaxBounds(e)
	case *Choose:
		a, ok := p.bounds(e.X)
		b, ok2 := p.bounds(e.Y)
		return a.union(b), ok && ok2
	case *Index:
		return constBounds(p, e.Values)
	case *Read:
		if e.Width < 4 {
			return interval{0, 1<<(8*e.Width) - 1}, true
		}
	}
	return widthBounds(x.Type())
}

func widthBounds(t value.Type) (interval, bool) {
	if t.Width > 4 {
		return interval{}, false
	}
	bits := 8 * t.Width
	if t.Signed {
		return interval{-1 << (bits - 1), 1<<(bits-1) - 1}, true
	}
	return interval{0, 1<<bits - 1}, true
}

// within64 reports whether a conversion to t leaves all of b as it is.
func within64(b interval, t value.Type) bool {
	if t.Width == 8 {
		return t.Signed || b.lo >= 0
	}
	w, _ := widthBounds(t)
	return b.lo >= w.lo && b.hi <= w.hi
}

func constBounds(p *pass, values []Expr) (interval, bool) {
	all := interval{0, 0} // past the end
	for _, v := range values {
		b, ok := p.bounds(v)
		if !ok {
			return all, false
		}
		all = all.union(b)
	}
	return all, true
}

// boundsOf bounds an operation.
func (p *pass) boundsOf(e *Binary) (interval, bool) {
	a, okA := p.bounds(e.X)
	b, okB := p.bounds(e.Y)
	none := interval{}
	unsigned := !e.T.Signed
	switch e.Op {
	case And:
		switch {
		case okB && b.lo >= 0 && (unsigned || b.lo == b.hi || okA && a.lo >= 0):
			return interval{0, b.hi}, true
		case okA && a.lo >= 0 && (unsigned || a.lo == a.hi):
			return interval{0, a.hi}, true
		}
	case Mod:
		if okB && b.lo > 0 {
			return interval{0, b.hi - 1}, true
		}
	case Shr:
		if okB && b.lo == b.hi && b.lo >= 0 && b.lo < 64 {
			if okA {
				return interval{a.lo >> b.lo, a.hi >> b.lo}, true
			}
			if unsigned && b.lo >= 17 {
				return interval{0, int64(^uint64(0) >> b.lo)}, true
			}
		}
	case FloorDiv:
		if okA && okB && a.lo >= 0 && b.lo > 0 {
			return interval{a.lo / b.hi, a.hi / b.lo}, true
		}
	case Add:
		if okA && okB {
			return tight(interval{a.lo + b.lo, a.hi + b.hi}, unsigned)
		}
	case Sub:
		if okA && okB {
			return tight(interval{a.lo - b.hi, a.hi - b.lo}, unsigned)
		}
	case Mul:
		if okA && okB && a.lo >= 0 && b.lo >= 0 && a.hi < 1<<24 && b.hi < 1<<24 {
			return interval{a.lo * b.lo, a.hi * b.hi}, true
		}
	case Shl:
		if okA && okB && b.lo == b.hi && b.lo >= 0 && b.lo <= 20 && a.lo >= 0 && a.hi < 1<<24 {
			return interval{a.lo << b.lo, a.hi << b.lo}, true
		}
	case Or, Xor:
		if okA && okB && a.lo >= 0 && b.lo >= 0 {
			m := int64(1)
			for m <= a.hi || m <= b.hi {
				m <<= 1
			}
			return interval{0, m - 1}, true
		}
	}
	return none, false
}

// tight gives up bounds that wrap or say nothing.
func tight(b interval, unsigned bool) (interval, bool) {
	return b, b.lo > -wide && b.hi < wide && (!unsigned || b.lo >= 0)
}

func (p *pass) minMaxBounds(e *MinMax) (interval, bool) {
	a, okA := p.bounds(e.X)
	b, okB := p.bounds(e.Y)
	if okA && okB {
		if e.Max {
			return interval{max(a.lo, b.lo), max(a.hi, b.hi)}, true
		}
		return interval{min(a.lo, b.lo), min(a.hi, b.hi)}, true
	}
	if e.Max || e.T.Signed || !okA && !okB {
		return interval{}, false
	}
	hi := b.hi
	if okA {
		hi = a.hi
	}
	return interval{0, hi}, true
}
