package lower

import "weir/lang/ir"

// Buckets of a histogram: negative values, zero, and those of 1 to 64 bits.
const (
	HistNegative = 0
	HistZero     = 1
	HistBuckets  = 2 + 64
)

// deBruijn times the highest set bit of a word has another index in its upper 6
// bits for each of the 64 bits (Leiserson, Prokop and Randall, Using de Bruijn
// Sequences to Index a 1 in a Computer Word, 1998).
const deBruijn = 0x03f79d71b4cb0a89

// hist counts x in a histogram. The kernel's machine cannot count leading
// zeros; branches on the bits would be 64 ways for the verifier to follow, so the
// way is one of arithmetic: all bits below the highest are set and then taken
// away again, and a table tells its number.
func (l *lowerer) hist(index int, x *ir.Value, signed bool) {
	bucket, done := l.newVar(), l.block()
	l.soft[bucket] = true
	first := int64(index) * HistBuckets
	if signed {
		below, above := l.block(), l.block()
		l.branch(ir.SLt, x, l.konst(0), below, above)
		l.start(below)
		l.set(bucket, l.konst(first+HistNegative))
		l.jump(done)
		l.start(above)
	}
	zero, some := l.block(), l.block()
	l.branch(ir.Eq, x, l.konst(0), zero, some)
	l.start(zero)
	l.set(bucket, l.konst(first+HistZero))
	l.jump(done)
	l.start(some)
	l.set(bucket, l.opi(ir.OpAdd, l.highest(x), first+HistZero+1))
	l.jump(done)
	l.start(done)
	l.bumpAt(l.maps[HistMap], l.get(bucket), l.konst(1))
}

// highest is the number of the highest bit that is set, counted from 0: all below it
// are set, then it alone is left, and a table tells its number.
func (l *lowerer) highest(x *ir.Value) *ir.Value {
	for shift := int64(1); shift < 64; shift *= 2 {
		x = l.op(ir.OpOr, x, l.opi(ir.OpShr, x, shift))
	}
	top := l.op(ir.OpSub, x, l.opi(ir.OpShr, x, 1))
	at := l.opi(ir.OpShr, l.opi(ir.OpMul, top, deBruijn), 58)
	return l.load(1, l.op(ir.OpAdd, l.mapValue(l.maps[ConstMap], l.bitTable()), at), 0)
}

// bitTable returns where in the constant map the table of bit numbers begins.
func (l *lowerer) bitTable() int {
	if l.bits == nil {
		table := make([]byte, 64)
		for bit := range 64 {
			table[uint64(deBruijn)<<bit>>58] = byte(bit)
		}
		base := l.consts(table)
		l.bits = &base
	}
	return *l.bits
}
