package lower

import (
	"weir/hook"
	"weir/lang/check"
	"weir/lang/ir"
)

// Options.Capture: what the chain drops, at a packet socket what it does not, is
// handed to user space, as it is then. The event is captureHead octets, and then the packet's first:
//
//	 0  time, ns of CLOCK_MONOTONIC
//	 8  index in Exits
//	12  octets of the frame on the wire
//	16  the tag that stands beside the buffer (TCI)
//	20  its protocol in network order, 0 without one
//	24  octets of the packet that follow
//	28  octets of the buffer
//
// What is not handed on is counted, so that the sum is right: see lang.MissedMap.
const captureHead = 32

// Fields of lang.LimitMap and lang.MissedMap.
const (
	limitBudget, limitEvery, limitSnap                   = 0, 8, 16
	limitSize                                            = 24
	missedSeen, missedSample, missedBudget, missedFailed = 0, 8, 16, 24
	missedSize                                           = 32
)

const (
	helperPerfOutput int64 = 25
	// flagCurrentCPU is BPF_F_CURRENT_CPU, the index of an event; above it stands
	// how many octets of the packet are wanted (BPF_F_CTXLEN_MASK).
	flagCurrentCPU = 0xffffffff
	ctxLenShift    = 32
)

func (l *lowerer) declareCapture() {
	l.addMap(&ir.Map{Name: CaptureMap, Kind: ir.PerfEventArray, KeySize: 4, ValueSize: 4})
	l.system(LimitMap, ir.Array, limitSize, 1)
	l.system(MissedMap, ir.PerCPUArray, missedSize, 1)
}

// capture hands the packet on if its code is that of a drop, at a packet socket if it
// is not.
func (l *lowerer) capture(slot, code, length *ir.Value) {
	take, done := l.block(), l.block()
	cond := ir.Eq
	if l.opts.Hook == hook.Socket {
		cond = ir.Ne
	}
	l.branch(cond, code, l.konst(l.codes(check.Drop)), take, done)
	l.start(take)
	l.callFunc(l.captureFn(), l.ctx, slot, length, l.bufLen())
	l.jump(done)
	l.start(done)
}

// captureFn is weir_capture(ctx, slot, length, buffer), a global function so that
// the verifier looks at it once.
func (l *lowerer) captureFn() *ir.Func {
	f := l.global("weir_capture", 4)
	b := l.sub(f)
	var args [3]*ir.Value
	for i := range args {
		args[i] = b.add(ir.OpParam, ir.Int)
		args[i].Imm = int64(i + 1)
	}
	slot, length, size := args[0], args[1], args[2]
	out := b.block()

	zero := b.slot("index", 4, 4)
	b.store(4, zero, 0, b.konst(0))
	missed := b.call(helperLookup, "map_lookup_elem", ir.Ptr, l.mapOf(b, ir.OpMapPtr, MissedMap), zero)
	count := b.block()
	b.branch(ir.Ne, missed, b.konst(0), count, out)
	b.start(count)
	bump := func(off int) { b.store(8, missed, off, b.opi(ir.OpAdd, b.load(8, missed, off), 1)) }
	limit := l.mapOf(b, ir.OpMapValue, LimitMap)
	seen := b.load(8, missed, missedSeen)
	bump(missedSeen)

	// One of so many.
	taken, skipped := b.block(), b.block()
	b.branch(ir.Eq, b.op(ir.OpMod, seen, b.load(8, limit, limitEvery)), b.konst(0), taken, skipped)
	b.start(skipped)
	bump(missedSample)
	b.jump(out)

	b.start(taken)
	within, over := b.block(), b.block()
	b.branch(ir.SGt, b.load(8, limit, limitBudget), b.konst(0), within, over)
	b.start(over)
	bump(missedBudget)
	b.jump(out)

	b.start(within)
	spend := b.add(ir.OpAtomicAdd, ir.Void, limit, b.konst(-1))
	spend.Width, spend.Off = 8, limitBudget
	failed := b.block()
	b.branch(ir.Ne, l.captureEvent(b, limit, slot, length, size), b.konst(0), failed, out)
	b.start(failed)
	bump(missedFailed)
	b.jump(out)
	b.start(out)
	b.cur.Return(b.konst(0))
	return f
}

// captureEvent writes the event and gives 0 if that was possible.
func (l *lowerer) captureEvent(b *builder, limit, slot, length, size *ir.Value) *ir.Value {
	snap, short, take := b.load(8, limit, limitSnap), b.block(), b.block()
	n := b.newVar()
	b.set(n, size)
	b.branch(ir.UGt, size, snap, short, take)
	b.start(short)
	b.set(n, snap)
	b.jump(take)
	b.start(take)
	head := b.slot("head", captureHead, 8)
	b.store(8, head, 0, b.call(helperKtime, "ktime_get_ns", ir.Int))
	b.store(4, head, 8, slot)
	b.store(4, head, 12, length)
	tci, proto := b.konst(0), b.konst(0)
	if !l.xdp() && l.info.Ethernet {
		tci = b.load(4, b.ctx, skbVLANTCI)
		proto = b.op(ir.OpMul, b.opi(ir.OpAnd, b.load(4, b.ctx, skbVLANPresent), 1), b.load(4, b.ctx, skbVLANProto))
	}
	b.store(4, head, 16, tci)
	b.store(4, head, 20, proto)
	b.store(4, head, 24, b.get(n))
	b.store(4, head, 28, size)
	flags := b.opi(ir.OpOr, b.opi(ir.OpShl, b.get(n), ctxLenShift), flagCurrentCPU)
	return b.call(helperPerfOutput, "perf_event_output", ir.Int, b.ctx, l.mapOf(b, ir.OpMapPtr, CaptureMap), flags, head, b.konst(captureHead))
}

// mapOf is a map in a function of its own: op says how.
func (l *lowerer) mapOf(b *builder, op ir.Op, name string) *ir.Value {
	v := b.add(op, ir.Ptr)
	v.Map = l.maps[name]
	return v
}
