package lower

import (
	"weir/lang/check"
	"weir/lang/ir"
	"weir/lang/value"
)

// mask lowers mask(addr, bits, bits6 =). An ip that holds an IPv4 address has 96 bits
// more than that, which it keeps.
func (l *lowerer) mask(e *check.Mask) parts {
	x := l.expr(e.X)
	bits, bits6 := l.expr(e.Bits)[0], l.expr(e.Bits6)[0]
	l.pos = e.P
	switch e.T.Kind {
	case value.IP4:
		m := l.opi(ir.OpShr, l.keep(bits), 32)
		return parts{l.op(ir.OpAnd, x[0], l.swap(4, m))}
	case value.IP:
		bits6 = l.choose1(func(then, els *ir.Block) { l.unlessMapped(x, els, then) },
			func() *ir.Value { return l.opi(ir.OpAdd, l.smaller(bits, l.konst(32)), 96) },
			func() *ir.Value { return bits6 })
	}
	past := l.choose1(func(then, els *ir.Block) { l.branch(ir.ULe, bits6, l.konst(64), then, els) },
		func() *ir.Value { return l.konst(0) }, func() *ir.Value { return l.opi(ir.OpSub, bits6, 64) })
	return parts{l.op(ir.OpAnd, x[0], l.swap(8, l.keep(bits6))), l.op(ir.OpAnd, x[1], l.swap(8, l.keep(past)))}
}

// keep is a word whose first n bits are set.
func (l *lowerer) keep(n *ir.Value) *ir.Value {
	return l.choose1(func(then, els *ir.Block) { l.branch(ir.ULt, n, l.konst(64), then, els) },
		func() *ir.Value { return l.opi(ir.OpXor, l.op(ir.OpShr, l.konst(-1), n), -1) },
		func() *ir.Value { return l.konst(-1) })
}

// bitLength is the number of the highest bit that is set, counted from 1; 0 of 0.
func (l *lowerer) bitLength(x *ir.Value) *ir.Value {
	return l.choose1(func(then, els *ir.Block) { l.branch(ir.Ne, x, l.konst(0), then, els) },
		func() *ir.Value { return l.opi(ir.OpAdd, l.highest(x), 1) }, func() *ir.Value { return l.konst(0) })
}
