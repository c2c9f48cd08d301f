package lower

import (
	"weir/lang/check"
	"weir/lang/ir"
	"weir/lang/value"
)

// golden is 2^64 divided by the golden ratio, odd: its multiples are spread evenly.
const golden = 0x9e3779b97f4a7c15

// hashBase keeps the keys of a hash from being 0 where the seed is.
const hashBase = 0xe7037ed1a0b428db

// hashOf makes 32 bits of the words of a value, of 64 bits each:
//
//	key(i) = (seed ^ hashBase) * odd(i)             odd(i) = mix((i + 1) * golden) | 1
//	sum    = sum of low(word(i) + key(i)) * high(word(i) + key(i))
//	hash   = mix(sum), the low 32 bits
//
// The sum is that of NH (Black and others, UMAC: Fast and Secure Message Authentication,
// 1999): whether two values have the same one depends on keys of each word, so that
// nobody who does not know the seed can choose values that meet. Words are multiplied
// beside each other, not one after another.
func (l *lowerer) hashOf(e *check.HashOf) *ir.Value {
	x := l.expr(e.X)
	keys := l.op(ir.OpXor, l.expr(e.Seed)[0], l.konstant(hashBase))
	var sum *ir.Value
	for i, p := range hashed(e.X.Type(), x) {
		w := l.op(ir.OpAdd, p, l.op(ir.OpMul, keys, l.konstant(mix(uint64(i+1)*golden)|1)))
		w = l.op(ir.OpMul, l.width(ir.OpZExt, 4, w), l.opi(ir.OpShr, w, 32))
		if sum == nil {
			sum = w
		} else {
			sum = l.op(ir.OpAdd, sum, w)
		}
	}
	return l.width(ir.OpZExt, 4, l.finished(sum))
}

// hashed returns the parts of a value that its hash is made of.
func hashed(t value.Type, p parts) parts {
	if t.Kind != value.Tuple {
		return core(t, p)
	}
	var all parts
	for i, e := range t.Elems {
		all = append(all, hashed(e, elem(t, p, i))...)
	}
	return all
}

// The end of MurmurHash3 for 64 bits: each bit of n counts for each bit of the result.
const (
	mix1 = 0xff51afd7ed558ccd
	mix2 = 0xc4ceb9fe1a85ec53
)

func mix(n uint64) uint64 {
	n = (n ^ n>>33) * mix1
	n = (n ^ n>>33) * mix2
	return n ^ n>>33
}

// finished is mix at packet time.
func (l *lowerer) finished(n *ir.Value) *ir.Value {
	fold := func() { n = l.op(ir.OpXor, n, l.opi(ir.OpShr, n, 33)) }
	fold()
	n = l.op(ir.OpMul, n, l.konstant(mix1))
	fold()
	n = l.op(ir.OpMul, n, l.konstant(mix2))
	fold()
	return n
}

// mixed is h with x mixed in, at half the price: for what nobody gains by guessing.
func (b *builder) mixed(h, x *ir.Value) *ir.Value {
	const golden = -0x61c8864680b583eb // as an immediate, which is signed
	h = b.opi(ir.OpMul, b.op(ir.OpXor, h, x), golden)
	return b.op(ir.OpXor, h, b.opi(ir.OpShr, h, 32))
}

// konstant is a constant that has no sign.
func (l *lowerer) konstant(n uint64) *ir.Value { return l.konst(int64(n)) }

// random64 gives 64 random bits, random their upper half at least. With a clock of its
// own the program draws from the ClockMap, so that runs can be repeated (SplitMix,
// Steele and others, Fast Splittable Pseudorandom Number Generators, 2014).
func (l *lowerer) random64() *ir.Value {
	if !l.opts.Clock {
		hi := l.opi(ir.OpShl, l.random(), 32)
		return l.op(ir.OpOr, hi, l.random())
	}
	step := l.konstant(golden)
	v := l.add(ir.OpFetchAdd, ir.Int, l.mapValue(l.maps[ClockMap], 8), step)
	v.Width = 8
	return l.finished(l.op(ir.OpAdd, v, step))
}

func (l *lowerer) random() *ir.Value {
	if l.opts.Clock {
		return l.opi(ir.OpShr, l.random64(), 32)
	}
	return l.width(ir.OpZExt, 4, l.call(helperRandom, "get_prandom_u32", ir.Int))
}
