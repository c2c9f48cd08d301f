package lower

import "weir/lang/ir"

// Options.Match: notes are taken of packets that the program's match holds for, as
// many as the first word of the step map has left, and each such packet's are handed to
// user space at its end, by a ring. The step map is
//
//	 0  packets that may yet be told of; a number below 1 is none
//	 8  packets that matched, had one left, and were not told of
//	64  slots, each of slotSize octets
//
// A CPU has a slot, which it may share with others: who finds it taken tells nothing.
// So a packet that is interrupted by another one loses nothing. A slot is
//
//	0  whether it is taken
//	8  a record:
//	     0  time, ns of CLOCK_MONOTONIC
//	     8  octets of the frame
//	    16  what the trace map of other programs has: see storeOutcome
//	    48  the first octets of the frame, as it came
//	   144  notes as the step map of other programs has them, the first word with them
const (
	StepRing = ".told"

	matchLeft, matchMissed = 0, 8
	matchHead              = 64
	slots                  = 64
	slotShift              = 15
	slotMask               = (slots - 1) << slotShift
	slotSize               = 1 << slotShift
	slotRecord             = 8

	RecordLength  = 8
	RecordOutcome = 16
	RecordFrame   = 48
	RecordSnap    = 96 // octets of the frame
	RecordNotes   = RecordFrame + RecordSnap
	RecordRoom    = slotSize - slotRecord - RecordNotes - 8 - stepExtra

	ringSize = 1 << 20
)

// A matching is the packet that runs: whether it is told of, and where.
type matching struct {
	slot variable // offset of the slot | 1; 0: it is not told of
	busy bool     // the match itself is being lowered: it is not noted
}

// startMatch finds out whether the packet is told of.
func (l *lowerer) startMatch() {
	if l.p.Match == nil {
		return
	}
	l.addMap(&ir.Map{Name: StepMap, Kind: ir.Array, KeySize: 4, ValueSize: matchHead + slots*slotSize, MaxEntries: 1})
	l.addMap(&ir.Map{Name: StepRing, Kind: ir.RingBuf, MaxEntries: ringSize})
	m := &l.match
	m.slot = l.newVar()
	l.set(m.slot, l.konst(0))
	yes, left, done := l.block(), l.block(), l.block()
	l.branch(ir.Ne, l.holds(), l.konst(0), yes, done)
	l.start(yes)
	word := func(off int) *ir.Value { return l.mapValue(l.maps[StepMap], off) }
	l.branch(ir.SGt, l.load(8, word(matchLeft), 0), l.konst(0), left, done)
	l.start(left)
	mine, missed := l.block(), l.block()
	cpu := l.call(helperCPU, "get_smp_processor_id", ir.Int)
	slot := l.opi(ir.OpAnd, l.opi(ir.OpShl, cpu, slotShift), slotMask)
	l.branch(ir.Eq, l.fetchAdd(l.placeIn(slot, 0), 1), l.konst(0), mine, missed)
	l.start(missed)
	l.fetchAdd(l.placeIn(slot, 0), -1)
	l.fetchAdd(word(matchMissed), 1)
	l.jump(done)
	l.start(mine)
	l.fetchAdd(word(matchLeft), -1)
	l.arrive(slot)
	l.set(m.slot, l.opi(ir.OpOr, slot, 1))
	l.jump(done)
	l.start(done)
}

// holds calls the match, in place.
func (l *lowerer) holds() *ir.Value {
	l.match.busy, l.viewed = true, map[string]bool{}
	holds := l.body(l.frameOf(l.p.Match))
	l.match.busy = false
	return holds[0]
}

// arrive begins the record of a packet.
func (l *lowerer) arrive(slot *ir.Value) {
	p := l.placeIn(slot, slotRecord)
	l.store(8, p, 0, l.readClock())
	l.store(8, p, RecordLength, l.frameLen())
	l.store(8, p, RecordNotes, l.konst(0))
	for off := 0; off < RecordSnap; off += 8 {
		l.store(8, p, RecordFrame+off, l.frameWord(int64(off)))
	}
}

// frameWord reads eight octets of the frame as they lie, without the fast path.
func (l *lowerer) frameWord(off int64) *ir.Value {
	near := func() *ir.Value { return l.callFunc(l.eight(), l.ctx, l.konst(off)) }
	far := func() *ir.Value { return l.swap(8, l.callFunc(l.wire(), l.ctx, l.konst(off), l.konst(8))) }
	switch {
	case l.xdp():
		return near()
	case !l.info.Ethernet:
		return far()
	}
	return l.choose1(func(then, els *ir.Block) { l.branch(ir.Eq, l.tagBeside(), l.konst(0), then, els) }, near, far)
}

// depart hands the record of a packet that is told of to user space, at its end.
func (l *lowerer) depart(exit, length *ir.Value) {
	if l.p.Match == nil {
		return
	}
	told, done := l.block(), l.block()
	l.branch(ir.Ne, l.get(l.match.slot), l.konst(0), told, done)
	l.start(told)
	record := l.slotAt(slotRecord)
	l.storeOutcome(l.slotAt(slotRecord+RecordOutcome), exit, length)
	notes := l.load(8, record, RecordNotes)
	size := l.chooseFact(func(then, els *ir.Block) { l.branch(ir.ULe, notes, l.konst(RecordRoom), then, els) },
		func() *ir.Value { return notes },
		func() *ir.Value { return l.konst(RecordRoom) })
	size = l.opi(ir.OpAdd, l.opi(ir.OpAnd, size, slotSize-1), RecordNotes+8)
	ok, lost := l.block(), l.block()
	out := l.call(helperRingOutput, "ringbuf_output", ir.Int, l.mapPtr(l.maps[StepRing]), record, size, l.konst(0))
	l.branch(ir.Eq, out, l.konst(0), ok, lost)
	l.start(lost)
	l.fetchAdd(l.mapValue(l.maps[StepMap], matchMissed), 1)
	l.fetchAdd(l.mapValue(l.maps[StepMap], matchLeft), 1)
	l.jump(ok)
	l.start(ok)
	l.fetchAdd(l.slotAt(0), -1)
	l.jump(done)
	l.start(done)
}

// slotAt is a place in the slot of a packet that is told of.
func (l *lowerer) slotAt(off int) *ir.Value {
	return l.placeIn(l.opi(ir.OpAnd, l.get(l.match.slot), slotMask), off)
}

func (l *lowerer) placeIn(slot *ir.Value, off int) *ir.Value {
	p := l.op(ir.OpAdd, l.mapValue(l.maps[StepMap], matchHead+off), slot)
	p.Type = ir.Ptr
	return p
}

// fetchAdd adds to a word that others add to as well, and gives what it was.
func (l *lowerer) fetchAdd(p *ir.Value, n int64) *ir.Value {
	v := l.add(ir.OpFetchAdd, ir.Int, p, l.konst(n))
	v.Width = 8
	return v
}
