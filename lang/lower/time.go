package lower

import (
	"math/bits"

	"weir/lang/check"
	"weir/lang/ir"
)

// A stopwatch measures how long each statement takes, by the clock that is read at
// every mark. What has passed since the last reading belongs to the statement that
// was reached then:
//
//	mark A          mark B          end
//	read ─ work of A ─ read │ read ─ work of B ─ read
//	                        └ what is written down, which nobody is charged for
//
// So a statement costs what lies between two readings, less what two readings cost
// that are right behind each other. That is measured at the begin of each packet.
//
// Which statement was reached is a number that only the running program knows: the
// verifier would follow each number along each way. The words are added to with
// atomic operations: they are reached without a lookup, a packet that is interrupted
// by another on its CPU loses nothing, and what they cost lies between the readings.
type stopwatch struct {
	last variable // when the clock was read last, in ns; 0: this packet is not timed
	slot variable // in the time map, of what runs since then
	at   int      // slot of the statement that is being lowered
	ids  map[Place]int
	mask []*ir.Value // constants that depend on the size of the map
}

// The time map: what two readings of the clock took that were right behind each
// other, then what each of Result.Times took. Each is a sum in ns, and of how many.
const timeSize = 16

// startWatch begins to take the time of a packet: of one in so many.
func (l *lowerer) startWatch() {
	if l.opts.Times == 0 {
		return
	}
	w := &l.watch
	w.ids, w.last, w.slot = map[Place]int{}, l.newVar(), l.newVar()
	l.addMap(&ir.Map{Name: TimeMap, Kind: ir.Array, KeySize: 4, MaxEntries: 1})
	w.at = l.chainSlot(l.p.Chains[0])
	l.set(w.slot, l.hidden(w.at))
	l.set(w.last, l.konst(0))
	l.sampled(func() {
		a := l.readClock()
		b := l.readClock()
		l.addTime(l.mapValue(l.maps[TimeMap], 0), l.op(ir.OpSub, b, a))
		l.set(w.last, l.readClock())
	})
}

// sampled does f for one packet of so many.
func (l *lowerer) sampled(f func()) {
	n := l.opts.Times
	if n <= 1 {
		f()
		return
	}
	yes, no := l.block(), l.block()
	l.branch(ir.ULt, l.width(ir.OpZExt, 4, l.call(helperRandom, "get_prandom_u32", ir.Int)), l.konst(int64(1<<32/uint64(n))), yes, no)
	l.start(yes)
	f()
	l.jump(no)
	l.start(no)
}

// lap ends what has run since the last reading, does note if that is not nil, and
// begins the statement of a slot.
func (l *lowerer) lap(slot int, note func()) {
	if l.opts.Times == 0 || l.cur == nil {
		return
	}
	l.watch.at = slot
	l.ifTimed(func() {
		l.endLap(l.readClock())
		l.set(l.watch.slot, l.hidden(slot))
		if l.opts.Times == 1 && note != nil {
			note()
		}
		l.set(l.watch.last, l.readClock())
	})
	if l.opts.Times != 1 && note != nil {
		note()
	}
}

// stopWatch ends the last lap of a packet.
func (l *lowerer) stopWatch() {
	if l.opts.Times > 0 {
		l.ifTimed(func() { l.endLap(l.readClock()) })
	}
}

func (l *lowerer) endLap(now *ir.Value) {
	mask := l.konst(0)
	l.watch.mask = append(l.watch.mask, mask)
	p := l.add(ir.OpAdd, ir.Ptr, l.mapValue(l.maps[TimeMap], 0), l.op(ir.OpAnd, l.get(l.watch.slot), mask))
	l.addTime(p, l.op(ir.OpSub, now, l.get(l.watch.last)))
}

// ifTimed does f if the packet is timed.
func (l *lowerer) ifTimed(f func()) {
	if l.opts.Times == 1 {
		f()
		return
	}
	yes, no := l.block(), l.block()
	l.branch(ir.Ne, l.get(l.watch.last), l.konst(0), yes, no)
	l.start(yes)
	f()
	l.jump(no)
	l.start(no)
}

// addTime adds to a pair of words of the time map.
func (l *lowerer) addTime(p, ns *ir.Value) {
	v := l.add(ir.OpAtomicAdd, ir.Void, p, ns)
	v.Width = 8
	v = l.add(ir.OpAtomicAdd, ir.Void, p, l.konst(1))
	v.Width, v.Off = 8, 8
}

// hidden is where a slot lies in the time map.
func (l *lowerer) hidden(slot int) *ir.Value {
	return l.op(ir.OpXor, l.loadZero(), l.konst(int64(timeSize*(slot+1))))
}

// readClock reads the real clock, whichever the chain is shown.
func (l *lowerer) readClock() *ir.Value { return l.call(helperKtime, "ktime_get_ns", ir.Int) }

// timeSlot returns the slot of a statement.
func (l *lowerer) timeSlot(at Place) int {
	i, ok := l.watch.ids[at]
	if !ok {
		i = len(l.res.Times)
		l.watch.ids[at] = i
		l.res.Times = append(l.res.Times, at)
	}
	return i
}

// chainSlot returns the slot of a chain's def: what comes before its first statement, and
// of the first chain what comes after the last.
func (l *lowerer) chainSlot(c check.Chain) int {
	return l.timeSlot(Place{c.Main.Pos, l.attachedCall(c.Main)})
}

// lapChain begins the time of what is done for a chain before its first statement.
func (l *lowerer) lapChain(c check.Chain) {
	if l.opts.Times > 0 {
		l.lap(l.chainSlot(c), nil)
	}
}

// sizeTimes gives the time map its size, which is a power of two: so a mask keeps a
// slot within it.
func (l *lowerer) sizeTimes() {
	if l.opts.Times == 0 {
		return
	}
	size := 1 << bits.Len(uint(timeSize*(len(l.res.Times)+1)-1))
	l.maps[TimeMap].ValueSize = size
	for _, m := range l.watch.mask {
		m.Imm = int64(size - timeSize)
	}
}
