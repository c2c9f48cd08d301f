package irtest

import (
	"fmt"
	"math/bits"

	"weir/lang/ir"
)

// Arith computes x op y of an operation without side effects.
func Arith(op ir.Op, width int, x, y uint64) (uint64, error) {
	mask := uint64(1)<<(8*width) - 1
	if width >= 8 {
		mask = ^uint64(0)
	}
	switch op {
	case ir.OpAdd:
		return x + y, nil
	case ir.OpSub:
		return x - y, nil
	case ir.OpMul:
		return x * y, nil
	case ir.OpDiv:
		if y == 0 {
			return 0, nil
		}
		return x / y, nil
	case ir.OpMod:
		if y == 0 {
			return x, nil
		}
		return x % y, nil
	case ir.OpAnd:
		return x & y, nil
	case ir.OpOr:
		return x | y, nil
	case ir.OpXor:
		return x ^ y, nil
	case ir.OpShl:
		return x << (y & 63), nil
	case ir.OpShr:
		return x >> (y & 63), nil
	case ir.OpSar:
		return uint64(int64(x) >> (y & 63)), nil
	case ir.OpNeg:
		return -x, nil
	case ir.OpSwap:
		return bits.ReverseBytes64(x) >> (64 - 8*width), nil
	case ir.OpZExt:
		return x & mask, nil
	case ir.OpSExt:
		n := 64 - 8*width
		return uint64(int64(x<<n) >> n), nil
	}
	return 0, fmt.Errorf("%s is no arithmetic", op)
}
