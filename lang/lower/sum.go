package lower

import (
	"weir/lang/check"
	"weir/lang/ir"
)

// Sums of octets (RFC 1071) are a global function, weir_sum(ctx, off, n), which has
// the kernel copy 64 octets at a time and adds up 32-bit words as they lie: what is
// carried out of them is folded in at the end, and so is the order of octets.

// sumChunk is how many octets are copied at once.
const sumChunk = 64

// sum lowers SPAN.sum(off, n, start).
func (l *lowerer) sum(e *check.Sum) *ir.Value {
	var s parts
	if e.Span != nil {
		s = l.expr(e.Span)
	}
	off, n, start := l.expr(e.Off)[0], l.expr(e.N)[0], l.expr(e.Start)[0]
	l.pos = e.P
	size := l.konst(0)
	if e.Span == nil {
		size = l.frameLen()
	} else {
		size = l.op(ir.OpSub, s[1], s[0])
	}
	return l.choose1(func(then, els *ir.Block) {
		some, fits := l.block(), l.block()
		l.branch(ir.ULe, n, l.konst(check.MaxSum), some, els)
		l.start(some)
		l.branch(ir.ULe, n, size, fits, els)
		l.start(fits)
		l.branch(ir.ULe, off, l.op(ir.OpSub, size, n), then, els)
	}, func() *ir.Value {
		total := (*ir.Value)(nil)
		if e.Span == nil {
			total = l.wireSum(off, n)
		} else {
			total = l.callMove("weir_sum", (*mover).sum, l.op(ir.OpAdd, s[0], off), n)
		}
		return l.fold16(l.op(ir.OpAdd, total, l.fold16(start)))
	}, func() *ir.Value { return l.konst(0) })
}

// fold16 folds any 64 bits.
func (b *builder) fold16(x *ir.Value) *ir.Value {
	x = b.op(ir.OpAdd, b.width(ir.OpZExt, 4, x), b.opi(ir.OpShr, x, 32)) // 33 bits
	for range 3 {                                                        // 18, 17, 16
		x = b.op(ir.OpAdd, b.opi(ir.OpAnd, x, 0xffff), b.opi(ir.OpShr, x, 16))
	}
	return x
}

// wireSum is the sum of n octets at off of the frame.
func (l *lowerer) wireSum(off, n *ir.Value) *ir.Value {
	inBuffer := func(at *ir.Value) *ir.Value { return l.callMove("weir_sum", (*mover).sum, at, n) }
	if l.xdp() {
		return inBuffer(off)
	}
	beside, plain, done, v := l.coldBlock(), l.block(), l.block(), l.newVar()
	at := l.inBuffer(off, plain, beside)
	if l.start(beside); l.cur != nil {
		l.set(v, l.callMove("weir_wire_sum", l.wireSummer(), off, n))
		l.jump(done)
	}
	if l.start(plain); l.cur != nil {
		l.set(v, inBuffer(at))
		l.jump(done)
	}
	l.start(done)
	return l.get(v)
}

// sum: the octets of the buffer from off on.
func (m *mover) sum(args []*ir.Value) {
	off, n := args[0], args[1]
	m.atMost(off, m.konst(1<<30))
	m.atMost(n, m.konst(check.MaxSum))
	buf := m.slot("words", sumChunk, 8)
	total, i := m.newVar(), m.newVar()
	m.set(total, m.konst(0))
	m.set(i, m.konst(0))
	head, body, out, some, end := m.block(), m.block(), m.block(), m.block(), m.block()
	m.loopHead(head, m.st)
	m.branch(ir.ULe, m.plus(m.get(i), sumChunk), n, body, out)
	m.start(body)
	m.take(m.op(ir.OpAdd, off, m.get(i)), buf, sumChunk)
	m.addWords(total, buf)
	m.set(i, m.plus(m.get(i), sumChunk))
	m.jump(head)
	m.seal(head)
	m.start(out)
	m.branch(ir.ULt, m.get(i), n, some, end)
	m.start(some)
	for at := 0; at < sumChunk; at += 8 {
		m.store(8, buf, at, m.konst(0))
	}
	rest := m.opi(ir.OpAnd, m.op(ir.OpSub, m.plus(n, -1), m.get(i)), sumChunk-1)
	m.must(m.loadSome(m.op(ir.OpAdd, off, m.get(i)), buf, m.plus(rest, 1)))
	m.addWords(total, buf)
	m.jump(end)
	m.start(end)
	m.cur.Return(m.swap(2, m.fold16(m.get(total))))
	m.cur = nil
}

// wireSummer makes the sum of a frame that is not wholly in the buffer: its outer tag
// stands beside it, or it begins with an Ethernet header of zeros that is nowhere. A
// part that begins at an odd place counts the other way round.
func (l *lowerer) wireSummer() func(*mover, []*ir.Value) {
	inBuffer := l.moveFunc("weir_sum", 2, (*mover).sum)
	return func(m *mover, args []*ir.Value) {
		off, n, total, odd := m.newVar(), m.newVar(), m.newVar(), m.newVar()
		m.set(off, args[0])
		m.set(n, args[1])
		m.set(total, m.konst(0))
		m.set(odd, m.konst(0))
		front, missing := int64(12), int64(4)
		if m.layer3 {
			front, missing = ethSize, ethSize
		}
		before, rest, more, end := m.block(), m.block(), m.block(), m.block()
		m.branch(ir.ULt, m.get(off), m.konst(front), before, rest)
		m.start(before)
		k := m.least(m.get(n), m.op(ir.OpSub, m.konst(front), m.get(off)))
		if !m.layer3 {
			m.set(total, m.callFunc(inBuffer, m.ctx, m.get(off), k))
		}
		m.set(odd, m.opi(ir.OpAnd, k, 1))
		m.set(off, m.op(ir.OpAdd, m.get(off), k))
		m.set(n, m.op(ir.OpSub, m.get(n), k))
		m.jump(rest)
		m.start(rest)
		if !m.layer3 {
			m.addTag(off, n, total, odd)
		}
		m.branch(ir.Ne, m.get(n), m.konst(0), more, end)
		m.start(more)
		s := m.callFunc(inBuffer, m.ctx, m.plus(m.get(off), -missing), m.get(n))
		m.set(total, m.op(ir.OpAdd, m.get(total), m.op(ir.OpShl, s, m.opi(ir.OpShl, m.get(odd), 3))))
		m.jump(end)
		m.start(end)
		m.cur.Return(m.fold16(m.get(total)))
		m.cur = nil
	}
}

// least is the smaller of two numbers.
func (m *mover) least(x, y *ir.Value) *ir.Value {
	v := m.newVar()
	m.set(v, x)
	less, done := m.block(), m.block()
	m.branch(ir.ULt, y, x, less, done)
	m.start(less)
	m.set(v, y)
	m.jump(done)
	m.start(done)
	return m.get(v)
}

// addTag adds those of the octets that are of the tag that stands beside the buffer.
func (m *mover) addTag(off, n, total, odd variable) {
	tag := m.op(ir.OpOr, m.opi(ir.OpShl, m.swap(2, m.load(4, m.ctx, skbVLANProto)), 16), m.load(4, m.ctx, skbVLANTCI))
	for range 4 {
		in, some, next := m.block(), m.block(), m.block()
		m.branch(ir.ULt, m.get(off), m.konst(16), in, next)
		m.start(in)
		m.branch(ir.Ne, m.get(n), m.konst(0), some, next)
		m.start(some)
		octet := m.opi(ir.OpAnd, m.op(ir.OpShr, tag, m.opi(ir.OpShl, m.op(ir.OpSub, m.konst(15), m.get(off)), 3)), 0xff)
		high := m.opi(ir.OpShl, m.opi(ir.OpXor, m.get(odd), 1), 3)
		m.set(total, m.op(ir.OpAdd, m.get(total), m.op(ir.OpShl, octet, high)))
		m.set(odd, m.opi(ir.OpXor, m.get(odd), 1))
		m.set(off, m.plus(m.get(off), 1))
		m.set(n, m.plus(m.get(n), -1))
		m.jump(next)
		m.start(next)
	}
}

// addWords adds the 32-bit words of a chunk.
func (m *mover) addWords(total variable, buf *ir.Value) {
	t := m.get(total)
	for at := 0; at < sumChunk; at += 4 {
		t = m.op(ir.OpAdd, t, m.load(4, buf, at))
	}
	m.set(total, t)
}
