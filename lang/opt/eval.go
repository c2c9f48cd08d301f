package opt

import (
	"math/bits"

	"weir/lang/ir"
)

// eval computes x op y, or op x; ok is false for what is no arithmetic.
func eval(op ir.Op, width int, x, y int64) (n int64, ok bool) {
	ux, uy := uint64(x), uint64(y)
	switch op {
	case ir.OpAdd:
		return x + y, true
	case ir.OpSub:
		return x - y, true
	case ir.OpMul:
		return x * y, true
	case ir.OpDiv:
		if y == 0 {
			return 0, true
		}
		return int64(ux / uy), true
	case ir.OpMod:
		if y == 0 {
			return x, true
		}
		return int64(ux % uy), true
	case ir.OpAnd:
		return x & y, true
	case ir.OpOr:
		return x | y, true
	case ir.OpXor:
		return x ^ y, true
	case ir.OpShl:
		return x << (uy & 63), true
	case ir.OpShr:
		return int64(ux >> (uy & 63)), true
	case ir.OpSar:
		return x >> (uy & 63), true
	case ir.OpNeg:
		return -x, true
	case ir.OpSwap:
		return swap(x, width), true
	case ir.OpZExt:
		return x & mask(width), true
	case ir.OpSExt:
		n := 64 - 8*width
		return x << n >> n, true
	}
	return 0, false
}

// swap exchanges the octets of the low width octets of x; the rest is zero.
func swap(x int64, width int) int64 {
	return int64(bits.ReverseBytes64(uint64(x)) >> (64 - 8*width))
}

// mask returns a number with the low width octets set.
func mask(width int) int64 {
	if width >= 8 {
		return -1
	}
	return 1<<(8*width) - 1
}

// holds reports whether x c y.
func holds(c ir.Cond, x, y int64) bool {
	ux, uy := uint64(x), uint64(y)
	switch c {
	case ir.Eq:
		return x == y
	case ir.Ne:
		return x != y
	case ir.ULt:
		return ux < uy
	case ir.ULe:
		return ux <= uy
	case ir.UGt:
		return ux > uy
	case ir.UGe:
		return ux >= uy
	case ir.SLt:
		return x < y
	case ir.SLe:
		return x <= y
	case ir.SGt:
		return x > y
	case ir.SGe:
		return x >= y
	}
	return x&y != 0
}
