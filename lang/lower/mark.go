package lower

import (
	"weir/lang/diag"
	"weir/lang/ir"
)

// mark counts that a statement was reached. All turns and calls of it count in one
// place. The map has its size once everything is lowered.
func (l *lowerer) mark(pos diag.Pos) {
	if l.opts.Times > 0 {
		l.lap(l.timeSlot(pos), func() { l.countMark(pos) })
		return
	}
	l.countMark(pos)
}

// countMark counts a statement.
func (l *lowerer) countMark(pos diag.Pos) {
	m := l.maps[LineMap]
	if m == nil {
		m = l.addMap(&ir.Map{Name: LineMap, Kind: ir.Array, KeySize: 4, MaxEntries: 1})
	}
	i, ok := l.lines[pos]
	if !ok {
		i = len(l.res.Lines)
		l.lines[pos] = i
		l.res.Lines = append(l.res.Lines, pos)
		m.ValueSize = 8 * len(l.res.Lines)
	}
	v := l.add(ir.OpAtomicAdd, ir.Void, l.mapValue(m, 8*i), l.konst(1))
	v.Width = 8
}
