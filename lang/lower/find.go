package lower

import (
	"fmt"

	"weir/lang/check"
	"weir/lang/ir"
)

// A search for bytes is a global function, weir_find_N(ctx, start, end): the
// verifier looks at it once, whatever leads to it. It gives the offset of the
// first place where the pattern is, or -1.
//
// Eight places are tried at a time, as memchr does: the one octet of the pattern
// that is rarest in packets is looked for in a word. Only where it is, another
// function, weir_try_N, compares the other octets. The last word is read so that
// it ends with the last place, some places being tried twice.
//
//	places   0       8       16   19         pattern "abcd", within 23
//	words    |--1----|--2----|
//	                     |--3----|

// findBytes lowers SPAN.find(b"…").
func (l *lowerer) findBytes(s parts, e *check.Find) *ir.Value {
	key := fmt.Sprint(e.Within, e.Pattern)
	f := l.finds[key]
	if f == nil {
		n := name(len(l.finds))
		f = l.global("weir_find_"+n, 3)
		l.finds[key] = f
		try := l.global("weir_try_"+n, 3)
		w := l.finder(f, e.Pattern)
		w.try, w.within = try, e.Within
		w.search()
		w = l.finder(try, e.Pattern)
		w.candidates()
	}
	return l.callFunc(f, l.ctx, s[0], s[1])
}

// A finder makes one of the functions of a search.
type finder struct {
	walker
	l       *lowerer
	try     *ir.Func
	pattern []byte
	within  int
	rare    int // index in pattern of the octet that is looked for

	param     [2]*ir.Value // after the context
	data, end *ir.Value
	out       variable
	found     *ir.Block // out is the result
}

func (l *lowerer) finder(f *ir.Func, pattern []byte) *finder {
	w := &finder{walker: walker{builder: l.sub(f), xdp: l.xdp()}, l: l, pattern: pattern, rare: rarest(pattern)}
	for i := range w.param {
		w.param[i] = w.add(ir.OpParam, ir.Int)
		w.param[i].Imm = int64(i + 1)
	}
	w.out = w.newVar()
	w.none, w.found = w.block(), w.block()
	if w.way.direct() {
		w.data, w.end = w.bounds()
	}
	return w
}

// finish ends the function; none is what it gives where nothing is found.
func (w *finder) finish(none int64) {
	w.start(w.found)
	w.cur.Return(w.get(w.out))
	w.start(w.none)
	w.cur.Return(w.konst(none))
}

// search makes weir_find.
func (w *finder) search() {
	from, end := w.param[0], w.param[1]
	ok, long := w.block(), w.block()
	w.branch(ir.ULe, from, w.konst(1<<30), ok, w.none)
	w.start(ok)
	// last is the last place: size - len(pattern), at most within - len(pattern).
	n := int64(len(w.pattern))
	size := w.op(ir.OpSub, end, from)
	w.branch(ir.UGe, size, w.konst(n), long, w.none)
	w.start(long)
	last, few, many, cut := w.newVar(), w.block(), w.block(), w.block()
	most := int64(w.within) - n
	w.set(last, w.opi(ir.OpSub, size, n))
	w.branch(ir.UGt, w.get(last), w.konst(most), cut, few)
	w.start(cut)
	w.set(last, w.konst(most))
	w.jump(few)
	w.start(few)
	if most >= 7 {
		short := w.block()
		w.branch(ir.UGe, w.get(last), w.konst(7), many, short)
		w.start(many)
		w.longer(w.get(last), most)
		w.start(short)
	}
	// Few places: which of them there are says a word of as many marks.
	shift := w.opi(ir.OpShl, w.op(ir.OpSub, w.konst(7), w.get(last)), 3)
	w.call8(w.konst(0), w.op(ir.OpShr, w.konst(tops), shift), w.none)
	w.finish(-1)
}

// Words whose octets are 1, and whose octets' top bits are set.
const ones, tops = 0x0101010101010101, -0x7f7f7f7f7f7f7f80

// words tries the places up to last, 7 at least and most at most, eight at a
// time. The verifier follows i from turn to turn, and must not follow last: so
// the loop ends by i before it can end by what is known of last.
func (w *finder) words(last *ir.Value, most int64, load func(off *ir.Value) *ir.Value) {
	i := w.newVar()
	w.set(i, w.konst(0))
	head, near, body, next, tail, more := w.block(), w.block(), w.block(), w.block(), w.block(), w.block()
	w.loopHead(head, w.st)
	w.branch(ir.ULe, w.get(i), w.konst(most-7), near, tail)
	w.start(near)
	w.branch(ir.UGe, last, w.plus(w.get(i), 7), body, tail)
	w.start(body)
	w.word(w.get(i), load, next)
	w.start(next)
	w.set(i, w.plus(w.get(i), 8))
	w.jump(head)
	w.seal(head)
	// What is left is less than a word: the word that ends with the last place.
	w.start(tail)
	w.branch(ir.UGe, last, w.get(i), more, w.none)
	w.start(more)
	w.word(w.opi(ir.OpSub, last, 7), load, w.none)
}

// word tries the eight places from at on.
func (w *finder) word(at *ir.Value, load func(off *ir.Value) *ir.Value, next *ir.Block) {
	x := load(w.op(ir.OpAdd, w.param[0], w.plus(at, int64(w.rare))))
	x = w.opi(ir.OpXor, x, int64(w.pattern[w.rare])*ones)
	// Octets of x that are zero have their top bit set in hits; of the others
	// some above them may have, too.
	low := w.opi(ir.OpSub, x, ones)
	hits := w.opi(ir.OpAnd, w.op(ir.OpAnd, low, w.opi(ir.OpXor, x, -1)), tops)
	some := w.coldBlock()
	w.branch(ir.Ne, hits, w.konst(0), some, next)
	w.start(some)
	w.call8(at, hits, next)
}

// call8 tries those of the eight places from at on that hits names.
func (w *finder) call8(at, hits *ir.Value, next *ir.Block) {
	k := w.callFunc(w.try, w.ctx, w.op(ir.OpAdd, w.param[0], at), hits)
	w.set(w.out, w.op(ir.OpAdd, at, k))
	w.branch(ir.ULt, k, w.konst(8), w.found, next)
}

// candidates makes weir_try(ctx, off, hits): the first octet of the eight at off
// that hits names where the pattern begins, or 8.
func (w *finder) candidates() {
	const order = 0x0001020304050607
	n, hits := w.newVar(), w.newVar()
	w.set(n, w.konst(0))
	w.set(hits, w.param[1])
	head, body, next, ok := w.block(), w.block(), w.block(), w.block()
	w.buf = w.slot("buf", (len(w.pattern)+7)&^7, 8)
	w.branch(ir.ULe, w.param[0], w.konst(1<<30), ok, w.none)
	w.start(ok)
	w.loopHead(head, w.st)
	w.branch(ir.ULt, w.get(n), w.konst(8), body, w.none)
	w.start(body)
	h := w.get(hits)
	lowest := w.op(ir.OpAnd, h, w.add(ir.OpNeg, ir.Int, h))
	// The bit of octet k, times order, has k in its top octet.
	k := w.opi(ir.OpAnd, w.opi(ir.OpShr, w.opi(ir.OpMul, w.opi(ir.OpShr, lowest, 7), order), 56), 7)
	w.set(hits, w.op(ir.OpXor, h, lowest))
	w.set(w.out, k)
	w.compare(w.op(ir.OpAdd, w.param[0], k), next)
	w.start(next)
	w.set(n, w.plus(w.get(n), 1))
	more := w.block()
	w.branch(ir.Ne, w.get(hits), w.konst(0), more, w.none)
	w.start(more)
	w.jump(head)
	w.seal(head)
	w.finish(8)
}

// longer looks at the words of a span that has some.
func (w *finder) longer(last *ir.Value, most int64) {
	if !w.way.direct() {
		w.words(last, most, w.far8)
		return
	}
	// How far the beginning is from the buffer's is asked once: else the verifier
	// learns more about it with each word, and follows that.
	near, far := w.block(), w.coldBlock()
	w.branch(ir.ULe, w.param[0], w.konst(room-int64(w.within)), near, far)
	w.start(near)
	w.words(last, most, w.near8)
	w.start(far)
	w.chilled(func() { w.words(last, most, w.far8) })
}

// compare goes on at found where the octets at off are the pattern.
func (w *finder) compare(off *ir.Value, next *ir.Block) {
	if w.way.direct() {
		near, in, far := w.block(), w.block(), w.coldBlock()
		w.branch(ir.ULe, off, w.konst(room), near, far)
		w.start(near)
		w.matches(w.inPlace(off, len(w.pattern), in, far), w.pattern, w.found, next)
		w.start(far)
	}
	if w.l.linear() && !w.l.opts.Copy {
		w.jump(next)
		return
	}
	w.chilled(func() {
		ok := w.block()
		w.branch(ir.Eq, w.loadBytes(off, w.buf, len(w.pattern)), w.konst(0), ok, next)
		w.start(ok)
		w.matches(w.buf, w.pattern, w.found, next)
	})
}

// inPlace goes on at in with a pointer to n octets at off in the linear part.
func (w *finder) inPlace(off *ir.Value, n int, in, no *ir.Block) *ir.Value {
	p := w.op(ir.OpAdd, w.data, off)
	w.branch(ir.ULe, w.plus(p, int64(n)), w.end, in, no)
	w.start(in)
	return p
}

// near8 reads eight octets as they lie, which may be in the linear part.
func (w *finder) near8(off *ir.Value) *ir.Value {
	v, in, no, done := w.newVar(), w.block(), w.coldBlock(), w.block()
	w.set(v, w.load(8, w.inPlace(off, 8, in, no), 0))
	w.jump(done)
	w.start(no)
	w.set(v, w.far8(off))
	w.jump(done)
	w.start(done)
	return w.get(v)
}

// far8 reads eight octets as they lie, wherever they are.
func (w *finder) far8(off *ir.Value) *ir.Value { return w.callFunc(w.l.eight(), w.ctx, off) }

// eight returns the function that reads eight octets, wherever they are, as they
// lie: weir_word(ctx, off). What is not there is zero.
func (l *lowerer) eight() *ir.Func {
	if l.wordFn != nil {
		return l.wordFn
	}
	l.wordFn = l.global("weir_word", 2)
	w := walker{builder: l.sub(l.wordFn), xdp: l.xdp()}
	off := w.add(ir.OpParam, ir.Int)
	off.Imm = 1
	w.buf = w.slot("buf", 8, 8)
	near, bad := w.block(), w.block()
	w.branch(ir.ULe, off, w.konst(1<<30), near, bad)
	w.start(near)
	w.cur.Return(w.swap(8, w.octets(off, 8, bad)))
	w.start(bad)
	w.cur.Return(w.konst(0))
	return l.wordFn
}

// common are octets in the order in which packets have many of them.
const common = "\x00 etaoinsrhldcumfpgwybvk\xff01234\n\r=/.-:,\"56789_;<>?&%xjqz\x01\x02TASCENIRPDLMOGHFBUW"

// rarest returns the index of the octet that is rarest in packets.
func rarest(pattern []byte) int {
	best, rank := 0, -1
	for i, c := range pattern {
		r := len(common)
		for j := range common {
			if common[j] == c {
				r = j
				break
			}
		}
		if r > rank {
			best, rank = i, r
		}
	}
	return best
}
