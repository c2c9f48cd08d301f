package ir

import (
	"math"
	"math/bits"
)

// Most returns the greatest number that each value of f can be, unsigned. It is finer than
// Widths where much is added up.
func (f *Func) Most() map[*Value]uint64 {
	most := map[*Value]uint64{}
	for round, changed := 0, true; changed; round++ {
		changed = false
		for _, b := range f.Tree().Order {
			for _, v := range b.Values {
				n := v.most(most)
				if n > most[v] && round > 1 && v.Op == OpPhi {
					n = math.MaxUint64 // it grows from turn to turn
				}
				if n > most[v] {
					most[v], changed = n, true
				}
			}
		}
	}
	return most
}

// most is Most, from that of the arguments.
func (v *Value) most(of map[*Value]uint64) uint64 {
	arg := func(i int) uint64 { return of[v.Args[i]] }
	switch v.Op {
	case OpConst:
		return uint64(v.Imm)
	case OpAdd:
		if n, carry := bits.Add64(arg(0), arg(1), 0); v.Type == Int && carry == 0 {
			return n
		}
		return math.MaxUint64
	case OpMul:
		if high, n := bits.Mul64(arg(0), arg(1)); high == 0 {
			return n
		}
		return math.MaxUint64
	case OpAnd:
		return min(arg(0), arg(1))
	case OpDiv:
		return arg(0)
	case OpPhi:
		n := uint64(0)
		for i := range v.Args {
			n = max(n, arg(i))
		}
		return n
	}
	n := v.width(func(i int) int { return bits.Len64(arg(i)) })
	return 1<<n - 1 // of 64: 0 - 1
}
