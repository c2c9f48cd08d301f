package lower

import (
	"weir/lang/check"
	"weir/lang/ir"
	"weir/packet"
)

// Options of TCP: RFC 9293, section 3.2. They fill the header from its octet 20
// to doff*4.
//
//	+------+        +------+--------+---------------+
//	|  1   |  or    | kind | length | length-2 …    |     0 ends them
//	+------+        +------+--------+---------------+
const (
	optionEnd  = 0
	optionNop  = 1
	optionMSS  = 2
	optionTime = 8
	maxOptions = 40 // octets

	// timesFirst is how data packets begin their options where both sides send
	// timestamps: two NOPs, then kind 8 of length 10 (RFC 7323, appendix A).
	timesFirst = 0x0101080a
	mssFirst   = 0x0204 // kind 2 of length 4
)

// options branches to then, with where the options of the TCP header begin in the
// buffer and how many octets they have, where there are any.
func (l *lowerer) options(v parts, then, els *ir.Block) (at, n *ir.Value) {
	p, there := l.pointer(packet.TCP, v[0], v[1]), l.block()
	l.branch(ir.Ne, p, l.konst(0), there, els)
	l.start(there)
	size := l.opi(ir.OpAnd, l.opi(ir.OpShr, l.load(1, p, 12), 2), 0x3c)
	at = l.opi(ir.OpAdd, l.opi(ir.OpAnd, v[1], 0xffff), int64(packet.TCP.Size()))
	n = l.opi(ir.OpSub, size, int64(packet.TCP.Size()))
	l.branch(ir.UGt, size, l.konst(int64(packet.TCP.Size())), then, els)
	return at, n
}

// option lowers pkt.tcp.option(kind): the octets behind kind and length.
func (l *lowerer) option(e *check.Option) parts {
	v := l.expr(e.View)
	kind := l.expr(e.Kind)[0]
	start, stop := l.newVar(), l.newVar()
	have, none, done := l.block(), l.block(), l.block()
	at, n := l.options(v, have, none)
	l.start(have)
	found := func(from, to *ir.Value) {
		l.set(start, from)
		l.set(stop, to)
		l.jump(done)
	}
	if kind.Op == ir.OpConst && kind.Imm == optionTime {
		long, first, other := l.block(), l.block(), l.block()
		l.branch(ir.UGe, n, l.konst(12), long, other)
		l.start(long)
		l.branch(ir.Eq, l.bufRead(at, 4), l.konst(timesFirst), first, other)
		l.start(first)
		found(l.opi(ir.OpAdd, at, 4), l.opi(ir.OpAdd, at, 12))
		l.start(other)
	}
	w := l.callFunc(l.optionWalk(), l.ctx, at, n, kind)
	found(l.opi(ir.OpAnd, w, 0xffff), l.opi(ir.OpShr, w, 32))
	l.start(none)
	found(l.konst(0), l.konst(0))
	l.start(done)
	return parts{l.get(start), l.get(stop)}
}

// mss finds the MSS option: its value and where that lies in the buffer, or 0 and
// 0. Nearly every SYN has it first.
func (l *lowerer) mss(v parts) (val, off *ir.Value) {
	vv, vo := l.newVar(), l.newVar()
	l.soft[vv] = true
	have, none, done := l.block(), l.block(), l.block()
	at, n := l.options(v, have, none)
	l.start(have)
	first, other, whole := l.block(), l.block(), l.block()
	word := l.bufRead(at, 4)
	l.branch(ir.Eq, l.opi(ir.OpShr, word, 16), l.konst(mssFirst), first, other)
	l.start(first)
	l.set(vv, l.opi(ir.OpAnd, word, 0xffff))
	l.set(vo, l.opi(ir.OpAdd, at, 2))
	l.jump(done)
	l.start(other)
	w := l.callFunc(l.optionWalk(), l.ctx, at, n, l.konst(optionMSS))
	start := l.opi(ir.OpAnd, w, 0xffff)
	l.branch(ir.Eq, l.opi(ir.OpSub, l.opi(ir.OpShr, w, 32), 2), start, whole, none)
	l.start(whole)
	l.set(vv, l.bufRead(start, 2))
	l.set(vo, start)
	l.jump(done)
	l.start(none)
	l.set(vv, l.konst(0))
	l.set(vo, l.konst(0))
	l.jump(done)
	l.start(done)
	return l.get(vv), l.get(vo)
}

// setMSS writes the MSS option's value where the option is there. It may lie at an
// odd octet: what changes, for the checksum, are the four octets of two words
// that hold it. The option has four, so that these are all of the header.
func (l *lowerer) setMSS(v parts, x *ir.Value, done *ir.Block) {
	_, off := l.mss(v)
	have := l.block()
	l.branch(ir.Ne, off, l.konst(0), have, done)
	l.start(have)
	p, there := l.pointer(packet.TCP, v[0], v[1]), l.block()
	l.branch(ir.Ne, p, l.konst(0), there, done)
	l.start(there)
	odd := l.opi(ir.OpAnd, off, 1)
	shift := l.opi(ir.OpShl, odd, 3)
	words := l.op(ir.OpAdd, l.opi(ir.OpSub, off, 2), odd)
	old := l.bufRead(words, 4)
	keep := l.opi(ir.OpXor, l.op(ir.OpShl, l.konst(0xffff), shift), -1)
	put := l.op(ir.OpOr, l.op(ir.OpAnd, old, keep), l.op(ir.OpShl, l.opi(ir.OpAnd, x, 0xffff), shift))
	l.bufPut(words, 4, put, 0)
	l.sumHeader(packet.TCP, p, v[1], []change{{old: l.swap(4, old), new: l.swap(4, put), bytes: 4}}, false)
	l.wrote()
}

// optionWalk returns the function that finds an option, weir_option(ctx, at, n,
// kind): where its data starts, and where it ends above bit 32; 0 if it is not
// among the n octets at offset at of the buffer.
func (l *lowerer) optionWalk() *ir.Func {
	switch {
	case l.optionFn != nil:
	case !l.inPlace():
		l.optionFn = l.optionLoop("weir_option", nil)
	case l.linear():
		l.optionFn = l.optionLoop("weir_option", func(w *walker, _ []*ir.Value) *ir.Value { return w.konst(0) })
	default:
		slow := l.optionLoop("weir_option_far", nil)
		l.optionFn = l.optionLoop("weir_option", func(w *walker, args []*ir.Value) *ir.Value { return w.callFunc(slow, args...) })
	}
	return l.optionFn
}

// optionLoop makes such a function. It reads in place, and gives what beyond gives
// where the options are not all in the linear part; without beyond it reads by
// load_bytes.
func (l *lowerer) optionLoop(name string, beyond func(*walker, []*ir.Value) *ir.Value) *ir.Func {
	fn := l.global(name, 4)
	w := &walker{builder: l.sub(fn), xdp: l.xdp()}
	args := []*ir.Value{w.ctx}
	for i := range int64(3) {
		v := w.add(ir.OpParam, ir.Int)
		v.Imm = i + 1
		args = append(args, v)
	}
	at, n, kind := w.opi(ir.OpAnd, args[1], room), args[2], args[3]
	var base, end *ir.Value
	if beyond == nil {
		w.buf = w.slot("buf", 8, 8)
	} else {
		var data *ir.Value
		data, end = w.bounds()
		base = w.op(ir.OpAdd, data, at)
	}
	none, far := w.block(), w.block()
	rel, turn := w.newVar(), w.newVar()
	w.set(rel, w.konst(0))
	w.set(turn, w.konst(0))
	head := w.block()
	w.loopHead(head, w.st)
	in, more := w.block(), w.block()
	w.branch(ir.ULt, w.get(turn), w.konst(maxOptions), more, none)
	w.start(more)
	// An option of one octet at the very end is none.
	w.branch(ir.ULe, w.plus(w.get(rel), 2), n, in, none)
	w.start(in)
	k, size := w.optionHead(base, end, at, w.get(rel), none, far)
	hit, miss, pad, other, long, good := w.block(), w.block(), w.block(), w.block(), w.block(), w.block()
	next := w.block()
	w.branch(ir.ULe, k, w.konst(optionNop), pad, other)
	w.start(other)
	w.branch(ir.UGe, size, w.konst(2), long, none)
	w.start(long)
	stop := w.op(ir.OpAdd, w.get(rel), size)
	w.branch(ir.ULe, stop, n, good, none)
	w.start(good)
	w.branch(ir.Eq, k, kind, hit, miss)
	w.start(miss)
	w.set(rel, w.opi(ir.OpAnd, stop, 63)) // the verifier need not know n
	w.jump(next)
	w.start(pad)
	step := w.block()
	w.branch(ir.Eq, k, w.konst(optionEnd), none, step)
	w.start(step)
	w.set(rel, w.opi(ir.OpAnd, w.plus(w.get(rel), 1), 63))
	w.jump(next)
	w.start(next)
	w.set(turn, w.plus(w.get(turn), 1))
	w.jump(head)
	w.seal(head)
	w.start(hit)
	from := w.plus(w.op(ir.OpAdd, at, w.get(rel)), 2)
	w.cur.Return(w.op(ir.OpOr, from, w.opi(ir.OpShl, w.op(ir.OpAdd, at, stop), 32)))
	if w.start(far); w.cur != nil {
		w.cur.Return(beyond(w, args))
	}
	w.start(none)
	w.cur.Return(w.konst(0))
	return fn
}

// optionHead reads the two octets at rel of the options: kind and length.
func (w *walker) optionHead(base, end, at, rel *ir.Value, none, far *ir.Block) (kind, size *ir.Value) {
	if base == nil {
		two := w.octets(w.op(ir.OpAdd, at, rel), 2, none)
		return w.opi(ir.OpShr, two, 8), w.opi(ir.OpAnd, two, 0xff)
	}
	ok := w.block()
	p := w.op(ir.OpAdd, base, rel)
	w.branch(ir.ULe, w.opi(ir.OpAdd, p, 2), end, ok, far)
	w.start(ok)
	return w.load(1, p, 0), w.load(1, p, 1)
}
