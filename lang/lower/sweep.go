package lower

import (
	"time"

	"weir/lang/check"
	"weir/lang/ir"
)

// A sweep takes what has expired out of a full table, so that its room is free
// again: the packet that is refused does it, if the last sweep is long enough
// ago. Between two sweeps lies a sixteenth of the time to live, so that an entry
// keeps its room that much too long at most, and 200 ns for each entry, so that
// a flood of new keys cannot make the CPU do nothing else.
const (
	sweepShare = 16
	sweepEntry = 200 * time.Nanosecond
)

// sweep returns the function that sweeps m: weir_sweep(now) gives 1 if it did.
func (l *lowerer) sweep(m *check.Map) *ir.Func {
	if f := l.sweeps[m]; f != nil {
		return f
	}
	f := l.global("weir_sweep_"+name(len(l.sweeps)), 1)
	f.Context = ""
	l.sweeps[m] = f
	b := newBuilder(f)
	now := b.add(ir.OpParam, ir.Int)
	interval := max(m.TTL/sweepShare, time.Duration(m.Size)*sweepEntry)
	next := b.add(ir.OpMapValue, ir.Ptr)
	next.Map, next.Imm = l.maps[ScratchMap], int64(l.scratch[m])
	due, mine, no := b.block(), b.block(), b.block()
	b.branch(ir.SGe, b.op(ir.OpSub, now, b.load(8, next, 0)), b.konst(0), due, no)
	b.start(due)
	old := b.add(ir.OpAtomicXchg, ir.Int, next, b.opi(ir.OpAdd, now, int64(interval)))
	old.Width = 8
	b.branch(ir.SGe, b.op(ir.OpSub, now, old), b.konst(0), mine, no)
	b.start(mine)
	s := b.slot("now", 8, 8)
	b.store(8, s, 0, now)
	mp := b.add(ir.OpMapPtr, ir.Ptr)
	mp.Map = l.userMaps[m]
	fn := b.add(ir.OpFuncAddr, ir.Ptr)
	fn.Func = l.sweepOne(m)
	fn.Sym = fn.Func.Name
	b.call(helperForEach, "for_each_map_elem", ir.Int, mp, fn, s, b.konst(0))
	b.cur.Return(b.konst(1))
	b.start(no)
	b.cur.Return(b.konst(0))
	return f
}

func name(n int) string { return string(rune('a'+n/26)) + string(rune('a'+n%26)) }

// sweepOne is the callback of a sweep: (map, key, value, &now).
func (l *lowerer) sweepOne(m *check.Map) *ir.Func {
	f := ir.NewFunc("weir_expire_"+name(len(l.sweeps)-1), ir.Callback, 4)
	f.Pos = m.Pos
	l.res.IR.Funcs = append(l.res.IR.Funcs, f)
	b := newBuilder(f)
	var p [4]*ir.Value
	for i := range p {
		p[i] = b.add(ir.OpParam, ir.Ptr)
		p[i].Imm = int64(i)
	}
	age := b.op(ir.OpSub, b.load(8, p[3], 0), b.load(8, p[2], timeOffset(m)))
	old, done := b.block(), b.block()
	b.branch(ir.SGe, age, b.konst(int64(m.TTL)), old, done)
	b.start(old)
	b.call(helperDelete, "map_delete_elem", ir.Int, p[0], p[1])
	b.jump(done)
	b.start(done)
	b.cur.Return(b.konst(0))
	return f
}
