package lower

import (
	"encoding/binary"
	"sort"

	"weir/lang/check"
	"weir/lang/ir"
	"weir/lang/value"
)

// cond lowers a condition to a branch.
func (l *lowerer) cond(e check.Expr, then, els *ir.Block) {
	if p := e.Pos(); p.Line > 0 {
		l.pos = p
	}
	switch e := e.(type) {
	case *check.Const:
		if e.Bits != 0 {
			l.jump(then)
		} else {
			l.jump(els)
		}
	case *check.Logic:
		next := l.block()
		if e.And {
			l.cond(e.X, next, els)
		} else {
			l.cond(e.X, then, next)
		}
		l.start(next)
		if l.cur != nil {
			l.cond(e.Y, then, els)
		}
	case *check.Not:
		l.cond(e.X, els, then)
	case *check.Truth:
		l.there(e.X.Type(), l.expr(e.X), then, els)
	case *check.Compare:
		l.compare(e, then, els)
	case *check.OneOf:
		l.oneOf(e, then, els)
	case *check.InPrefix:
		l.inPrefix(e, then, els)
	case *check.Enqueue:
		l.push(e, then, els)
	case *check.Contains:
		if e.Map.Kind == check.Bloom {
			r := l.call(helperPeek, "map_peek_elem", ir.Int, l.mapPtr(l.userMaps[e.Map]), l.key(e.Map, e.Key))
			l.branch(ir.Eq, r, l.konst(0), then, els)
			return
		}
		l.branch(ir.Ne, l.find(e.Map, e.Key).entry, l.konst(0), then, els)
	case *check.StartsWith:
		l.startsWith(l.expr(e.X), e.Prefix, then, els)
	case *check.Matches:
		l.filter(e, then, els)
	case *check.Sample:
		l.sample(e, then, els)
	case *check.Choose:
		yes, no := l.block(), l.block()
		l.cond(e.Cond, yes, no)
		l.start(yes)
		if l.cur != nil {
			l.cond(e.X, then, els)
		}
		l.start(no)
		if l.cur != nil {
			l.cond(e.Y, then, els)
		}
	default:
		l.branch(ir.Ne, l.expr(e)[0], l.konst(0), then, els)
	}
}

func (l *lowerer) compare(e *check.Compare, then, els *ir.Block) {
	x, y := l.expr(e.X), l.expr(e.Y)
	l.pos = e.P
	l.compared(e, x, y)
	if e.Op == check.Ne {
		then, els = els, then
	}
	if e.Op == check.Eq || e.Op == check.Ne {
		l.equal(e.X.Type(), x, y, then, els)
		return
	}
	unsigned := map[check.Op]ir.Cond{check.Lt: ir.ULt, check.Le: ir.ULe, check.Gt: ir.UGt, check.Ge: ir.UGe}
	signed := map[check.Op]ir.Cond{check.Lt: ir.SLt, check.Le: ir.SLe, check.Gt: ir.SGt, check.Ge: ir.SGe}
	c := unsigned[e.Op]
	if e.Signed {
		c = signed[e.Op]
	}
	l.branch(c, x[0], y[0], then, els)
}

// equal branches by whether two values of one type are the same.
func (l *lowerer) equal(t value.Type, x, y parts, then, els *ir.Block) {
	switch t.Kind {
	case value.Verdict:
		a := l.opi(ir.OpAnd, l.op(ir.OpXor, x[0], y[0]), 0xff)
		next := l.block()
		l.branch(ir.Eq, a, l.konst(0), next, els)
		l.start(next)
		x, y = x[1:], y[1:]
	case value.Record:
		l.sameRecord(t, x, y, then, els)
		return
	case value.Tuple:
		for i, e := range t.Elems {
			next := l.block()
			l.equal(e, elem(t, x, i), elem(t, y, i), next, els)
			l.start(next)
		}
		l.jump(then)
		return
	}
	x, y = core(t, x), core(t, y)
	for i := range x {
		next := then
		if i < len(x)-1 {
			next = l.block()
		}
		l.branch(ir.Eq, x[i], y[i], next, els)
		if next != then {
			l.start(next)
		}
	}
}

// sameRecord compares records field by field; references to nothing are the
// same as each other alone.
func (l *lowerer) sameRecord(t value.Type, x, y parts, then, els *ir.Block) {
	have, lack, both := l.block(), l.block(), l.block()
	l.branch(ir.Ne, x[0], l.konst(0), have, lack)
	l.start(lack)
	l.branch(ir.Eq, y[0], l.konst(0), then, els)
	l.start(have)
	l.branch(ir.Ne, y[0], l.konst(0), both, els)
	l.start(both)
	for i, e := range t.Elems {
		next := l.block()
		off := t.Offset(i)
		l.equal(e, l.loadParts(x[0], off, e), l.loadParts(y[0], off, e), next, els)
		l.start(next)
	}
	l.jump(then)
}

// sample is true for one packet in n: random32 * n / 2^32 is 0 that often.
func (l *lowerer) sample(e *check.Sample, then, els *ir.Block) {
	n := l.expr(e.N)[0]
	some := l.block()
	l.branch(ir.Ne, n, l.konst(0), some, els)
	l.start(some)
	n = l.smaller(n, l.konst(1<<32-1))
	x := l.opi(ir.OpShr, l.op(ir.OpMul, l.random(), n), 32)
	l.branch(ir.Eq, x, l.konst(0), then, els)
}

// words returns constants of one part as such.
func words(es []check.Expr) ([]uint64, bool) {
	var ws []uint64
	for _, e := range es {
		c, ok := e.(*check.Const)
		if !ok || numParts(c.T) != 1 && (c.T.Kind != value.Octets || c.T.Width > 8) {
			return nil, false
		}
		w := c.Bits
		if c.Octets != nil {
			var o [8]byte
			copy(o[:], c.Octets)
			w = binary.LittleEndian.Uint64(o[:])
		}
		ws = append(ws, w)
	}
	return ws, true
}

func (l *lowerer) oneOf(e *check.OneOf, then, els *ir.Block) {
	x := l.expr(e.X)
	l.pos = e.P
	if ws, ok := words(e.Values); ok && len(core(e.X.Type(), x)) == 1 {
		l.oneOfWords(e, x[0], unique(ws), then, els)
		return
	}
	if m := l.listMap(e, minMultiWord); m != nil {
		l.branch(ir.Ne, l.lookup(m, l.memory("sought", e.X.Type(), x)), l.konst(0), then, els)
		return
	}
	for _, v := range e.Values {
		next := l.block()
		l.equal(e.X.Type(), x, l.expr(v), then, next)
		l.start(next)
	}
	l.jump(els)
}

// member tests x against a set of words: runs become ranges, sets within 64 of
// each other a bit map, the rest is searched by halves.
func (l *lowerer) member(x *ir.Value, ws []uint64, then, els *ir.Block) {
	switch n := len(ws); {
	case n == 0:
		l.jump(els)
	case n == 1:
		l.branch(ir.Eq, x, l.konst(int64(ws[0])), then, els)
	case ws[n-1]-ws[0] == uint64(n-1):
		d := l.op(ir.OpSub, x, l.konst(int64(ws[0])))
		l.branch(ir.ULe, d, l.konst(int64(n-1)), then, els)
	case n > 2 && ws[n-1]-ws[0] < 64:
		var bits uint64
		for _, w := range ws {
			bits |= 1 << (w - ws[0])
		}
		d := l.op(ir.OpSub, x, l.konst(int64(ws[0])))
		in := l.block()
		l.branch(ir.ULe, d, l.konst(int64(ws[n-1]-ws[0])), in, els)
		l.start(in)
		l.branch(ir.Test, l.op(ir.OpShr, l.konst(int64(bits)), d), l.konst(1), then, els)
	default:
		low, high := l.block(), l.block()
		l.branch(ir.ULt, x, l.konst(int64(ws[n/2])), low, high)
		l.start(low)
		l.member(x, ws[:n/2], then, els)
		l.start(high)
		l.member(x, ws[n/2:], then, els)
	}
}

// oneOfWords chooses between tests in the instruction stream, a bit map in memory
// and the kernel's hash.
func (l *lowerer) oneOfWords(e *check.OneOf, x *ir.Value, ws []uint64, then, els *ir.Block) {
	n := len(ws)
	span := ws[n-1] - ws[0]
	if leaves(ws) < minLeaves {
		l.member(x, ws, then, els)
		return
	}
	if span < maxBitmap {
		bits := make([]byte, (span/64+1)*8)
		for _, w := range ws {
			bits[(w-ws[0])/8] |= 1 << ((w - ws[0]) % 8)
		}
		d, in := l.op(ir.OpSub, x, l.konst(int64(ws[0]))), l.block()
		l.branch(ir.ULe, d, l.konst(int64(span)), in, els)
		l.start(in)
		p := l.op(ir.OpAdd, l.mapValue(l.maps[ConstMap], l.constsOf(bits)), l.opi(ir.OpShr, d, 3))
		b := l.op(ir.OpShr, l.load(1, p, 0), l.opi(ir.OpAnd, d, 7))
		l.branch(ir.Test, b, l.konst(1), then, els)
		return
	}
	if m := l.listMap(e, minHash); m != nil {
		l.branch(ir.Ne, l.lookup(m, l.memory("sought", e.X.Type(), parts{x})), l.konst(0), then, els)
		return
	}
	l.member(x, ws, then, els)
}

// leaves returns how many tests a search by halves ends in: about how long its
// code is.
func leaves(ws []uint64) int {
	n := len(ws)
	if n < 2 || ws[n-1]-ws[0] < 64 || ws[n-1]-ws[0] == uint64(n-1) {
		return 1
	}
	return leaves(ws[:n/2]) + leaves(ws[n/2:])
}

func unique(ws []uint64) []uint64 {
	ws = append([]uint64(nil), ws...)
	sort.Slice(ws, func(i, j int) bool { return ws[i] < ws[j] })
	out := ws[:0]
	for i, w := range ws {
		if i == 0 || w != out[len(out)-1] {
			out = append(out, w)
		}
	}
	return out
}

// search goes to leaf(i) for the first i with keys[i] == x, or to miss.
func (l *lowerer) search(x *ir.Value, keys []uint64, miss *ir.Block, leaf func(i int)) {
	order := make([]int, len(keys))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(i, j int) bool { return keys[order[i]] < keys[order[j]] })
	var half func(o []int)
	half = func(o []int) {
		switch {
		case len(o) == 0:
			l.jump(miss)
		case len(o) == 1:
			hit := l.block()
			l.branch(ir.Eq, x, l.konst(int64(keys[o[0]])), hit, miss)
			l.start(hit)
			leaf(o[0])
		default:
			low, high := l.block(), l.block()
			l.branch(ir.ULt, x, l.konst(int64(keys[o[len(o)/2]])), low, high)
			l.start(low)
			half(o[:len(o)/2])
			l.start(high)
			half(o[len(o)/2:])
		}
	}
	half(order)
}

// inPrefix tests an address against prefixes, one after another.
func (l *lowerer) inPrefix(e *check.InPrefix, then, els *ir.Block) {
	x := l.expr(e.X)
	l.pos = e.P
	for _, p := range e.Prefixes {
		next := l.block()
		if e.X.Type().Kind == value.IP4 {
			l.inPrefix4(x[0], p, then, next)
		} else {
			l.inPrefix16(x, p, e.X.Type().Kind == value.IP, then, next)
		}
		l.start(next)
		if l.cur == nil {
			return
		}
	}
	l.jump(els)
}

func (l *lowerer) inPrefix4(x *ir.Value, p check.PrefixValue, then, els *ir.Block) {
	if len(p.Octets) != 4 {
		l.jump(els)
		return
	}
	mask := binary.LittleEndian.Uint32(maskOf(p.Bits, 4))
	net := binary.LittleEndian.Uint32(p.Octets) & mask
	l.branch(ir.Eq, l.opi(ir.OpAnd, x, int64(mask)), l.konst(int64(net)), then, els)
}

func (l *lowerer) inPrefix16(x parts, p check.PrefixValue, any bool, then, els *ir.Block) {
	octets, bits := p.Octets, p.Bits
	if len(octets) == 4 {
		if !any {
			l.jump(els)
			return
		}
		octets = append([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, octets...)
		bits += 96
	} else if any {
		other := l.block()
		l.unlessMapped(x, other, els)
		l.start(other)
	}
	mask := maskOf(bits, 16)
	for i := range x {
		m := binary.LittleEndian.Uint64(mask[8*i:])
		n := binary.LittleEndian.Uint64(octets[8*i:]) & m
		next := l.block()
		if m == 0 {
			l.jump(next)
		} else {
			l.branch(ir.Eq, l.opi(ir.OpAnd, x[i], int64(m)), l.konst(int64(n)), next, els)
		}
		l.start(next)
	}
	l.jump(then)
}

func maskOf(bits, n int) []byte {
	m := make([]byte, n)
	for i := range bits {
		m[i/8] |= 0x80 >> (i % 8)
	}
	return m
}
