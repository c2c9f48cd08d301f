package lower

import (
	"encoding/binary"

	"weir/lang/check"
	"weir/lang/ir"
	"weir/lang/value"
)

// minTable is from how many values on a list is a table in memory: shorter ones
// are constants of the instructions, found by comparing.
const minTable = 8

// index lowers LIST[x]: zero past the end.
func (l *lowerer) index(e *check.Index) parts {
	x := l.expr(e.X)[0]
	if base, ok := l.table(e.Values); ok {
		return l.choose(e.T, func(then, els *ir.Block) { l.branch(ir.ULt, x, l.konst(int64(len(e.Values))), then, els) },
			func() parts { return l.row(e.T, base, x) }, func() parts { return l.zero(e.T) })
	}
	keys := make([]uint64, len(e.Values))
	for i := range keys {
		keys[i] = uint64(i)
	}
	return l.pick(e.T, x, keys, e.Values, nil)
}

// pick gives the value that belongs to x, or def (zero if nil).
func (l *lowerer) pick(t value.Type, x *ir.Value, keys []uint64, values []check.Expr, def check.Expr) parts {
	base, inTable := l.table(values)
	other := l.orZero(def, t)
	done, miss, vs := l.block(), l.block(), l.softVars(t)
	found, at := l.block(), l.newVar()
	l.search(x, keys, miss, func(i int) {
		if inTable {
			l.set(at, l.konst(int64(i)))
			l.jump(found)
			return
		}
		l.setAll(vs, l.expr(values[i]))
		l.jump(done)
	})
	l.start(found)
	if l.cur != nil {
		l.setAll(vs, l.row(t, base, l.get(at)))
		l.jump(done)
	}
	l.start(miss)
	if l.cur != nil {
		l.setAll(vs, other)
		l.jump(done)
	}
	l.start(done)
	return l.getAll(vs)
}

// table puts constants into the constant map, a row of words each, and returns
// where they begin. It reports false if they are too few, or no constants of
// plain values.
func (l *lowerer) table(values []check.Expr) (base int, ok bool) {
	if len(values) < minTable {
		return 0, false
	}
	var words []byte
	for _, v := range values {
		if words, ok = appendWords(words, v); !ok {
			return 0, false
		}
	}
	return l.consts(words), true
}

// consts puts whole words into the constant map and returns where they begin.
func (l *lowerer) consts(words []byte) (base int) {
	m := l.maps[ConstMap]
	if m == nil {
		m = l.addMap(&ir.Map{Name: ConstMap, Kind: ir.Array, KeySize: 4, MaxEntries: 1})
	}
	base = m.ValueSize
	m.ValueSize += len(words)
	l.res.Consts = append(l.res.Consts, words...)
	return base
}

// appendWords appends the parts of a constant, 8 octets each.
func appendWords(b []byte, e check.Expr) ([]byte, bool) {
	switch e := e.(type) {
	case *check.TupleOf:
		for _, x := range e.Elems {
			var ok bool
			if b, ok = appendWords(b, x); !ok {
				return nil, false
			}
		}
		return b, true
	case *check.Const:
		if e.T.Kind == value.Verdict {
			return nil, false
		}
		if e.Octets == nil {
			return binary.LittleEndian.AppendUint64(b, e.Bits), true
		}
		n := (len(e.Octets) + 7) &^ 7
		b = append(append(b, e.Octets...), make([]byte, n-len(e.Octets))...)
		if e.T.Kind == value.Octets {
			b = binary.LittleEndian.AppendUint64(b, 1)
		}
		return b, true
	}
	return nil, false
}

// row reads row i of a table; i is within it.
func (l *lowerer) row(t value.Type, base int, i *ir.Value) parts {
	n := numParts(t)
	p := l.op(ir.OpAdd, l.mapValue(l.maps[ConstMap], base), l.opi(ir.OpMul, i, int64(8*n)))
	row := make(parts, n)
	for k := range row {
		row[k] = l.load(8, p, 8*k)
	}
	return row
}
