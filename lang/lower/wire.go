package lower

import "weir/lang/ir"

// wire returns the function that reads octets of a frame that is not wholly in the
// buffer: weir_wire(ctx, off, width).
func (l *lowerer) wire() *ir.Func {
	if l.wireFn != nil {
		return l.wireFn
	}
	l.wireFn = l.global("weir_wire", 3)
	w := walker{builder: l.sub(l.wireFn), layer3: !l.info.Ethernet}
	param := func(i int64) *ir.Value {
		v := w.add(ir.OpParam, ir.Int)
		v.Imm = i
		return v
	}
	off, width := param(1), param(2)
	w.buf = w.slot("buf", 8, 8)
	i, sum := w.newVar(), w.newVar()
	w.set(i, w.konst(0))
	w.set(sum, w.konst(0))
	bad, ok, head, in, body, done := w.block(), w.block(), w.block(), w.block(), w.block(), w.block()
	w.branch(ir.ULe, off, w.konst(1<<30), ok, bad)
	w.start(ok)
	w.loopHead(head, w.st)
	w.branch(ir.ULt, w.get(i), w.konst(8), in, done)
	w.start(in)
	w.branch(ir.ULt, w.get(i), width, body, done)
	w.start(body)
	x := w.wireOctet(w.op(ir.OpAdd, off, w.get(i)), bad)
	w.set(sum, w.op(ir.OpOr, w.opi(ir.OpShl, w.get(sum), 8), x))
	w.set(i, w.plus(w.get(i), 1))
	w.jump(head)
	w.seal(head)
	w.start(done)
	w.cur.Return(w.get(sum))
	w.start(bad)
	w.cur.Return(w.konst(0))
	return l.wireFn
}

// wireOctet reads one octet of a frame whose outer tag stands beside it, or which
// begins with an Ethernet header of zeros that is nowhere.
func (w *walker) wireOctet(off *ir.Value, bad *ir.Block) *ir.Value {
	v := w.newVar()
	if w.layer3 {
		in, done := w.block(), w.block()
		w.set(v, w.konst(0))
		w.branch(ir.UGe, off, w.konst(ethSize), in, done)
		w.start(in)
		w.set(v, w.octets(w.plus(off, -ethSize), 1, bad))
		w.jump(done)
		w.start(done)
		return w.get(v)
	}
	front, rest, tag, back, done := w.block(), w.block(), w.block(), w.block(), w.block()
	w.branch(ir.ULt, off, w.konst(12), front, rest)
	w.start(front)
	w.set(v, w.octets(off, 1, bad))
	w.jump(done)
	w.start(rest)
	w.branch(ir.ULt, off, w.konst(16), tag, back)
	w.start(tag)
	proto := w.swap(2, w.load(4, w.ctx, skbVLANProto))
	word := w.op(ir.OpOr, w.opi(ir.OpShl, proto, 16), w.load(4, w.ctx, skbVLANTCI))
	shift := w.opi(ir.OpShl, w.op(ir.OpSub, w.konst(15), off), 3)
	w.set(v, w.opi(ir.OpAnd, w.op(ir.OpShr, word, shift), 0xff))
	w.jump(done)
	w.start(back)
	w.set(v, w.octets(w.plus(off, -4), 1, bad))
	w.jump(done)
	w.start(done)
	return w.get(v)
}
