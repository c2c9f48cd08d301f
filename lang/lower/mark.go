package lower

import (
	"weir/lang/check"
	"weir/lang/diag"
	"weir/lang/ir"
)

// A Place is a statement in one of the calls that lead to it: functions are inlined, and
// what packets do in them is counted for each way to call them.
type Place struct {
	Pos  diag.Pos
	Call int // index in Result.Calls
}

// A Call is an inlined function with where it is called, or an attached one. Calls at
// one place that differ in what is known at build time are one.
type Call struct {
	Name string
	Def  diag.Pos
	Pos  diag.Pos // of the call; none of an attached function
	From int      // index in Result.Calls of the call that Pos is in; -1: none
}

// callOf returns the index of a call of a function from another call.
func (l *lowerer) callOf(f *check.Func, pos diag.Pos, from int) int {
	c := Call{f.Name, f.Pos, pos, from}
	i, ok := l.calls[c]
	if !ok {
		i = len(l.res.Calls)
		l.calls[c] = i
		l.res.Calls = append(l.res.Calls, c)
	}
	return i
}

// attachedCall is the call of an attached function.
func (l *lowerer) attachedCall(f *check.Func) int { return l.callOf(f, diag.Pos{}, -1) }

// mark counts that a statement was reached. All turns of it count in one place. The map
// has its size once everything is lowered.
func (l *lowerer) mark(pos diag.Pos) {
	if l.match.busy {
		return
	}
	at := Place{pos, l.frame().call}
	if l.opts.Times > 0 {
		l.lap(l.timeSlot(at), func() { l.countMark(at) })
		return
	}
	l.countMark(at)
}

// countMark counts a statement.
func (l *lowerer) countMark(at Place) {
	m := l.maps[LineMap]
	if m == nil {
		m = l.addMap(&ir.Map{Name: LineMap, Kind: ir.Array, KeySize: 4, MaxEntries: 1})
	}
	i, ok := l.lines[at]
	if !ok {
		i = len(l.res.Lines)
		l.lines[at] = i
		l.res.Lines = append(l.res.Lines, at)
		m.ValueSize = 8 * len(l.res.Lines)
	}
	v := l.add(ir.OpAtomicAdd, ir.Void, l.mapValue(m, 8*i), l.konst(1))
	v.Width = 8
}
