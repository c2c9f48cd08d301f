package lower

import (
	"weir/lang/check"
	"weir/lang/ir"
	"weir/lang/value"
)

func (l *lowerer) newRecord(e *check.NewRecord) parts {
	var ps []parts
	for _, f := range e.Fields {
		ps = append(ps, l.expr(f))
	}
	l.pos = e.P
	s := l.slot("record", e.T.Size(), max(e.T.Align(), 8))
	if padded(e.T) {
		l.clear(s, e.T.Size(), slotAlign(e.T))
	}
	for i, p := range ps {
		l.storeParts(s, e.T.Offset(i), e.T.Elems[i], p)
	}
	return parts{s, l.konst(0)}
}

func (l *lowerer) recordField(e *check.Field) parts {
	r := l.expr(e.Rec)
	off := e.Rec.Type().Offset(e.Index)
	return l.choose(e.T, func(then, els *ir.Block) { l.branch(ir.Ne, r[0], l.konst(0), then, els) },
		func() parts {
			p := l.loadParts(r[0], off, e.T)
			if e.T.Kind == value.Record {
				p[1] = l.zeroOr(r[1], off)
			}
			return p
		}, func() parts { return l.zero(e.T) })
}

// zeroOr is the distance of the time of last write from a nested record.
func (l *lowerer) zeroOr(t *ir.Value, off int) *ir.Value {
	if !l.needs.refTTL {
		return l.konst(0)
	}
	return l.chooseFact(func(then, els *ir.Block) { l.branch(ir.Ne, t, l.konst(0), then, els) },
		func() *ir.Value { return l.opi(ir.OpSub, t, int64(off)) }, func() *ir.Value { return l.konst(0) })
}

// setField writes a field of a record, atomically where it is updated in place.
// If the record is an entry of an expiring map it has now been written.
func (l *lowerer) setField(s *check.SetField) {
	r := l.expr(s.Rec)
	x := l.expr(s.X)
	l.pos = s.Pos
	t := s.Rec.Type()
	off, ft := t.Offset(s.Index), t.Elems[s.Index]
	there, done := l.block(), l.block()
	l.branch(ir.Ne, r[0], l.konst(0), there, done)
	l.start(there)
	if s.Op == check.Set {
		l.storeParts(r[0], off, ft, x)
	} else {
		l.update(r[0], off, ft, s.Op, x[0], updating{own: l.owned(t)})
	}
	if l.needs.refTTL {
		timed := l.block()
		l.branch(ir.Ne, r[1], l.konst(0), timed, done)
		l.start(timed)
		l.store(8, l.op(ir.OpAdd, r[0], r[1]), 0, l.now())
	}
	l.jump(done)
	l.start(done)
}

// owned reports whether no other CPU sees a record of this type: no map that CPUs
// share holds one.
func (l *lowerer) owned(t value.Type) bool {
	for _, m := range l.p.Maps {
		if !m.PerCPU && holds(m.Value, t) {
			return false
		}
	}
	return true
}

func holds(t, part value.Type) bool {
	if t.Equal(part) {
		return true
	}
	for _, e := range t.Elems {
		if holds(e, part) {
			return true
		}
	}
	return false
}
