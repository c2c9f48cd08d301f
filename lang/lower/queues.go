package lower

import (
	"time"

	"weir/lang/check"
	"weir/lang/ir"
	"weir/lang/value"
)

// push puts a value into a queue or stack and branches by whether there was room.
func (l *lowerer) push(e *check.Enqueue, then, els *ir.Block) {
	x := l.memory("pushed", e.Map.Value, l.expr(e.X))
	l.pos = e.P
	r := l.call(helperPush, "map_push_elem", ir.Int, l.mapPtr(l.userMaps[e.Map]), x, l.konst(0))
	full := l.coldBlock()
	l.branch(ir.Eq, r, l.konst(0), then, full)
	l.chilled(func() {
		l.start(full)
		l.bump(l.maps[RefusedMap], l.refused[e.Map], l.konst(1))
		l.jump(els)
	})
}

// popQueue takes a value out of a queue or stack.
func (l *lowerer) popQueue(e *check.Dequeue) parts {
	t := e.Map.Value
	own := l.slot("popped", (t.Size()+7)&^7, 8)
	r := l.call(helperPop, "map_pop_elem", ir.Int, l.mapPtr(l.userMaps[e.Map]), own)
	if t.Kind == value.Record {
		p := l.choose1(func(then, els *ir.Block) { l.branch(ir.Eq, r, l.konst(0), then, els) },
			func() *ir.Value { return own }, func() *ir.Value { return l.konst(0) })
		return parts{p, l.konst(0)}
	}
	return l.choose(t, func(then, els *ir.Block) { l.branch(ir.Eq, r, l.konst(0), then, els) },
		func() parts { return l.loadParts(own, 0, t) }, func() parts { return l.zero(t) })
}

// emit writes a record where it will be read, without a copy on the stack: its
// fields are computed before the room is asked for, since nothing may come
// between that and giving it back.
func (l *lowerer) emit(s *check.Emit) {
	t := s.Map.Value
	var fields []parts
	r, fresh := s.X.(*check.NewRecord)
	if fresh {
		for _, f := range r.Fields {
			fields = append(fields, l.expr(f))
		}
	} else {
		fields = []parts{l.expr(s.X)}
	}
	l.pos = s.Pos
	l.reserved(s.Map.Name, t.Size(), l.refused[s.Map], func(p *ir.Value) {
		if padded(t) {
			l.clear(p, t.Size(), slotAlign(t))
		}
		if !fresh {
			l.storeParts(p, 0, t, fields[0])
			return
		}
		for i, f := range fields {
			l.storeParts(p, t.Offset(i), t.Elems[i], f)
		}
	})
}

// reserved asks a ring for size octets, lets write fill them and gives them back.
// What there is no room for is counted in an entry of the refused map.
func (l *lowerer) reserved(ring string, size, lost int, write func(p *ir.Value)) {
	p := l.call(helperRingReserve, "ringbuf_reserve", ir.Ptr, l.mapPtr(l.maps[ring]), l.konst(int64(size)), l.konst(0))
	room, full, done := l.block(), l.coldBlock(), l.block()
	l.branch(ir.Ne, p, l.konst(0), room, full)
	l.start(room)
	write(p)
	l.call(helperRingSubmit, "ringbuf_submit", ir.Int, p, l.konst(0))
	l.jump(done)
	l.chilled(func() {
		l.start(full)
		l.bump(l.maps[RefusedMap], lost, l.konst(1))
		l.jump(done)
	})
	l.start(done)
}

// Logs. A line is 8 octets with the number of the log() that wrote it and the
// values as package value lays out a tuple of them:
//
//	 0        4        8
//	| number |   0    | values …
//
// Each log() of the source may write logBurst lines at once, and one more each
// logInterval: the virtual scheduling form of GCRA (ITU-T I.371), whose state is
// the time at which the next line conforms. Two CPUs may admit one line too many.
const (
	logSize     = 256 << 10 // octets of the ring
	logHead     = 8
	logInterval = time.Millisecond
	logBurst    = 1000
)

func (l *lowerer) logLine(s *check.LogLine) {
	x := l.expr(s.X)
	l.pos = s.Pos
	now := l.now()
	at := l.mapValue(l.rateMap(), l.rate(s))
	next := l.load(8, at, 0)
	lost := 2 * len(l.p.Maps)
	room, limited, done := l.block(), l.coldBlock(), l.block()
	l.branch(ir.SLe, l.op(ir.OpSub, next, now), l.konst(int64((logBurst-1)*logInterval)), room, limited)
	l.start(room)
	l.store(8, at, 0, l.opi(ir.OpAdd, l.later(next, now), int64(logInterval)))
	t := s.Log.Type
	l.reserved(LogMap, logHead+t.Size(), lost, func(p *ir.Value) {
		l.store(8, p, 0, l.konst(int64(l.logNumber(s.Log))))
		if padded(t) {
			l.clear(l.opi(ir.OpAdd, p, logHead), t.Size(), slotAlign(t))
		}
		l.storeParts(p, logHead, t, x)
	})
	l.jump(done)
	l.chilled(func() {
		l.start(limited)
		l.bump(l.maps[RefusedMap], lost, l.konst(1))
		l.jump(done)
	})
	l.start(done)
}

// later returns the later of two times.
func (l *lowerer) later(x, y *ir.Value) *ir.Value {
	return l.choose1(func(then, els *ir.Block) { l.branch(ir.SGt, l.op(ir.OpSub, x, y), l.konst(0), then, els) },
		func() *ir.Value { return x }, func() *ir.Value { return y })
}

func (l *lowerer) logNumber(x *check.Log) int {
	for i, have := range l.res.Logs {
		if have == x {
			return i
		}
	}
	l.res.Logs = append(l.res.Logs, x)
	return len(l.res.Logs) - 1
}

// rate returns where in the rate map the state of a log() is.
func (l *lowerer) rate(s *check.LogLine) int {
	off, ok := l.rates[s.Pos]
	if !ok {
		off = 8 * len(l.rates)
		l.rates[s.Pos] = off
		l.rateMap().ValueSize = off + 8
	}
	return off
}

func (l *lowerer) rateMap() *ir.Map {
	if m := l.maps[RateMap]; m != nil {
		return m
	}
	return l.addMap(&ir.Map{Name: RateMap, Kind: ir.Array, KeySize: 4, MaxEntries: 1})
}
