package lower

import (
	"weir/lang/check"
	"weir/lang/ir"
	"weir/lang/value"
)

// core returns the parts of a value that tell it from others of its type: of an
// Octets not whether it is there.
func core(t value.Type, p parts) parts {
	if t.Kind == value.Octets {
		return p[:len(p)-1]
	}
	return p
}

// loadOctets reads n octets of memory into words, the last filled up with zeros.
func (l *lowerer) loadOctets(ptr *ir.Value, off, n int) parts {
	var p parts
	for ; n > 0; off, n = off+8, n-8 {
		p = append(p, l.loadWord(ptr, off, min(n, 8)))
	}
	return p
}

// loadWord reads 1 to 8 octets as they lie.
func (l *lowerer) loadWord(ptr *ir.Value, off, n int) *ir.Value {
	var x *ir.Value
	for at := 0; at < n; {
		w := pieceOf(n - at)
		y := l.load(w, ptr, off+at)
		if x == nil {
			x = y
		} else {
			x = l.op(ir.OpOr, x, l.opi(ir.OpShl, y, int64(8*at)))
		}
		at += w
	}
	return x
}

// words makes octets of integers: words as they lie in memory, the last filled up with
// zeros.
func (l *lowerer) words(e *check.Words) parts {
	var p parts
	for i, x := range e.Elems {
		w := l.expr(x)[0]
		if n := e.T.Width - 8*i; n < 8 {
			w = l.opi(ir.OpShl, w, int64(8*(8-n)))
		}
		p = append(p, l.swap(8, w))
	}
	return append(p, l.konst(1))
}

// pieceOf is the widest load or store of at most n octets.
func pieceOf(n int) int {
	w := 8
	for w > n {
		w /= 2
	}
	return w
}

// octet lowers x[i]: zero past the end.
func (l *lowerer) octet(e *check.Octet) *ir.Value {
	t := e.X.Type()
	x := core(t, l.expr(e.X))
	if c, ok := e.Index.(*check.Const); ok {
		word := l.opi(ir.OpShr, x[c.Bits/8], int64(8*(c.Bits%8)))
		return l.opi(ir.OpAnd, word, 0xff)
	}
	i := l.expr(e.Index)[0]
	return l.choose1(func(then, els *ir.Block) { l.branch(ir.ULt, i, l.konst(int64(t.Width)), then, els) },
		func() *ir.Value {
			word := x[0]
			for k := 1; k < len(x); k++ {
				before := word
				word = l.choose1(func(then, els *ir.Block) { l.branch(ir.UGe, i, l.konst(int64(8*k)), then, els) },
					func() *ir.Value { return x[k] }, func() *ir.Value { return before })
			}
			shift := l.opi(ir.OpShl, l.opi(ir.OpAnd, i, 7), 3)
			return l.opi(ir.OpAnd, l.op(ir.OpShr, word, shift), 0xff)
		}, func() *ir.Value { return l.konst(0) })
}

// bytesAt lowers pkt.bytes(off, n) and SPAN.bytes(off, n).
func (l *lowerer) bytesAt(e *check.BytesAt) parts {
	n := e.T.Width
	if e.Span == nil {
		off := l.expr(e.Off)[0]
		return l.choose(e.T, func(then, els *ir.Block) { l.fits(l.frameLen(), off, n, then, els) },
			func() parts { return l.wireBytes(e.T, off) }, func() parts { return l.zero(e.T) })
	}
	s := l.expr(e.Span)
	off := l.expr(e.Off)[0]
	return l.choose(e.T, func(then, els *ir.Block) { l.inside(e.Span.Type(), s, off, n, then, els) },
		func() parts {
			at := l.op(ir.OpAdd, s[0], off)
			if e.Span.Type().Frame {
				return l.wireBytes(e.T, at)
			}
			return l.bufBytes(e.T, at)
		}, func() parts { return l.zero(e.T) })
}

// fits branches by whether n octets at off lie within size octets.
func (l *lowerer) fits(size, off *ir.Value, n int, then, els *ir.Block) {
	long := l.block()
	l.branch(ir.UGe, size, l.konst(int64(n)), long, els)
	l.start(long)
	l.branch(ir.ULe, off, l.opi(ir.OpSub, size, int64(n)), then, els)
}

// inside branches by whether n octets at off lie within a span of type t. Those of
// a field lie within a header that is there.
func (l *lowerer) inside(t value.Type, s parts, off *ir.Value, n int, then, els *ir.Block) {
	if t.Laid() {
		l.there(t, s, then, els)
		return
	}
	l.fits(l.op(ir.OpSub, s[1], s[0]), off, n, then, els)
}

// laid lowers SPAN.view(H, off): the part of the span that H is laid over.
func (l *lowerer) laid(e *check.Laid) parts {
	n := e.T.WireOffset(len(e.T.Elems))
	if e.X == nil {
		off := l.expr(e.Off)[0]
		return l.choose(e.T, func(then, els *ir.Block) { l.fits(l.frameLen(), off, n, then, els) },
			func() parts { return parts{off, l.opi(ir.OpAdd, off, int64(n))} }, func() parts { return l.zero(e.T) })
	}
	s := l.expr(e.X)
	off := l.expr(e.Off)[0]
	return l.choose(e.T, func(then, els *ir.Block) { l.inside(e.X.Type(), s, off, n, then, els) },
		func() parts {
			start := l.op(ir.OpAdd, s[0], off)
			return parts{start, l.opi(ir.OpAdd, start, int64(n))}
		}, func() parts { return l.zero(e.T) })
}

// bufBytes reads a value of type t at off of the buffer.
func (l *lowerer) bufBytes(t value.Type, off *ir.Value) parts {
	vs := l.softVars(t)
	yes, no, done := l.block(), l.coldBlock(), l.block()
	p := l.window(off, t.Width, yes, no)
	l.start(yes)
	l.setAll(vs, append(l.loadOctets(l.get(p), 0, t.Width), l.konst(1)))
	l.jump(done)
	l.start(no)
	l.setAll(vs, l.zero(t))
	l.jump(done)
	l.start(done)
	return l.getAll(vs)
}

// window branches by whether n octets at off of the buffer are there, and gives
// the variable that holds a pointer to them: in the packet, or to a copy on the
// stack, which lasts until the next window.
func (l *lowerer) window(off *ir.Value, n int, yes, no *ir.Block) variable {
	p := l.newVar()
	if l.turns > 1 {
		off = l.op(ir.OpXor, off, l.opaque())
	}
	copied := func() {
		if l.linear() && !l.opts.Copy {
			l.jump(no)
			return
		}
		near, good := l.block(), l.block()
		l.branch(ir.ULe, off, l.konst(1<<30), near, no)
		l.start(near)
		s := l.slot("window", (n+7)&^7, 8)
		r := l.loadBytes(off, s, n)
		l.branch(ir.Eq, r, l.konst(0), good, no)
		l.start(good)
		l.set(p, s)
		l.jump(yes)
	}
	if !l.inPlace() {
		copied()
		return p
	}
	near, in := l.block(), l.block()
	far := l.coldBlock()
	l.branch(ir.ULe, off, l.konst(room), near, far)
	l.start(near)
	data, end := l.bounds() // of their own: see bufRead
	q := l.op(ir.OpAdd, data, off)
	l.branch(ir.ULe, l.opi(ir.OpAdd, q, int64(n)), end, in, far)
	l.start(in)
	l.set(p, q)
	l.jump(yes)
	l.start(far)
	l.chilled(copied)
	return p
}

// wireBytes reads a value of type t at off of the frame, where all of it is.
func (l *lowerer) wireBytes(t value.Type, off *ir.Value) parts {
	if l.xdp() {
		return l.bufBytes(t, off)
	}
	vs := l.softVars(t)
	beside, plain, done := l.coldBlock(), l.block(), l.block()
	at := l.inBuffer(off, plain, beside)
	if l.start(beside); l.cur != nil {
		var p parts
		for at := 0; at < t.Width; at += 8 {
			p = append(p, l.wireWord(off, at, min(8, t.Width-at)))
		}
		l.setAll(vs, append(p, l.konst(1)))
		l.jump(done)
	}
	if l.start(plain); l.cur != nil {
		l.setAll(vs, l.bufBytes(t, at))
		l.jump(done)
	}
	l.start(done)
	return l.getAll(vs)
}

// wireWord reads n octets at off+at of a frame that is not wholly in the buffer, as
// they lie.
func (l *lowerer) wireWord(off *ir.Value, at, n int) *ir.Value {
	x := l.callFunc(l.wire(), l.ctx, l.opi(ir.OpAdd, off, int64(at)), l.konst(int64(n)))
	if n < 8 {
		x = l.opi(ir.OpShl, x, int64(8*(8-n)))
	}
	return l.swap(8, x)
}

// startsWith compares the first octets of a span.
func (l *lowerer) startsWith(s parts, prefix []byte, then, els *ir.Block) {
	size := l.op(ir.OpSub, s[1], s[0])
	long, here := l.block(), l.block()
	if len(prefix) == 0 {
		l.jump(then)
		return
	}
	l.branch(ir.UGe, size, l.konst(int64(len(prefix))), long, els)
	l.start(long)
	p := l.window(s[0], len(prefix), here, els)
	l.start(here)
	l.matches(l.get(p), prefix, then, els)
}

// matches compares the octets at p with text.
func (b *builder) matches(p *ir.Value, text []byte, then, els *ir.Block) {
	for at := 0; at < len(text); {
		w := pieceOf(len(text) - at)
		next := then
		if at+w < len(text) {
			next = b.block()
		}
		b.branch(ir.Eq, b.load(w, p, at), b.konst(int64(littleEndian(text[at:at+w]))), next, els)
		if next != then {
			b.start(next)
		}
		at += w
	}
}

// littleEndian is what a load of up to 8 octets gives.
func littleEndian(octets []byte) (n uint64) {
	for i, o := range octets {
		n |= uint64(o) << (8 * i)
	}
	return n
}
