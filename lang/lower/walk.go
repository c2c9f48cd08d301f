package lower

import (
	"weir/lang/ir"
	"weir/packet"
)

// walk returns the function that finds the headers of any frame, wherever its
// bytes are: see the constants walk… for what it gives. It is a global function,
// so that the verifier looks at it once. It reads the linear part of the buffer
// in place, and where that does not do begins anew in a second function, which
// has the kernel read.
func (l *lowerer) walk() *ir.Func {
	if l.walkFn == nil {
		l.walkFn = l.global("weir_walk", 1)
		l.near(l.walkFn, (*walker).frame, l.walkFar)
	}
	return l.walkFn
}

// walkOn returns the function that walks over the extension headers behind an IPv6
// header whose place is known: weir_walk_on(ctx, place behind it, its next field).
// It gives what walk does.
func (l *lowerer) walkOn() *ir.Func {
	if l.walkOnFn == nil {
		l.walkOnFn = l.global("weir_walk_on", 3)
		l.near(l.walkOnFn, func(w *walker) {
			at, next := w.add(ir.OpParam, ir.Int), w.add(ir.OpParam, ir.Int)
			at.Imm, next.Imm = 1, 2
			w.set(w.at, w.opi(ir.OpAnd, at, maxOffset))
			w.set(w.next, w.opi(ir.OpAnd, next, 0xff))
			w.extensions(w.plus(w.get(w.at), -40))
		}, l.walkFar)
	}
	return l.walkOnFn
}

// near makes the body of f, which reads the linear part and gives what far does
// where that is not enough.
func (l *lowerer) near(f *ir.Func, body func(*walker), far func(*walker) *ir.Value) {
	w := l.newWalker(f)
	if !w.way.direct() {
		w.buf = w.slot("buf", 8, 8)
		body(w)
		return
	}
	w.data, w.end = w.bounds()
	if !l.linear() {
		w.far = w.block()
		w.far.Cold = true
	}
	body(w)
	if w.far == nil {
		return
	}
	w.start(w.far)
	w.cur.Return(far(w))
}

// walkFar calls the function that does what walk does by the kernel's reads alone.
func (l *lowerer) walkFar(w *walker) *ir.Value {
	if l.walkFarFn == nil {
		l.walkFarFn = l.global("weir_walk_far", 1)
		far := l.newWalker(l.walkFarFn)
		far.buf = far.slot("buf", 8, 8)
		far.frame()
	}
	return w.callFunc(l.walkFarFn, w.ctx)
}

func (l *lowerer) newWalker(f *ir.Func) *walker {
	w := &walker{builder: l.sub(f), xdp: l.xdp(), layer3: !l.info.Ethernet, needs: &l.needs}
	for _, v := range []*variable{&w.off, &w.typ, &w.tags, &w.next, &w.at, &w.frag, &w.whole, &w.i, &w.srh, &w.eth} {
		*v = w.newVar()
	}
	return w
}

func (l *lowerer) global(name string, params int) *ir.Func {
	f := ir.NewFunc(name, ir.Global, params)
	f.Context = l.opts.Hook.Context()
	f.Pos = l.p.Chains[0].Main.Pos
	l.res.IR.Funcs = append(l.res.IR.Funcs, f)
	return f
}

// sub returns a builder for a function of its own, its context parameter made.
func (l *lowerer) sub(f *ir.Func) *builder {
	b := newBuilder(f)
	b.begin(b.add(ir.OpParam, ir.Ptr), l.way)
	return b
}

type walker struct {
	*builder
	xdp    bool
	layer3 bool      // packets begin with the IP header
	needs  *needs    // what the program asks for: the rest is not looked for
	none   *ir.Block // nothing was found

	buf       *ir.Value // 8 octets of stack that the kernel reads to, or:
	data, end *ir.Value // the linear part
	far       *ir.Block // for what is not in it; nil: then it is nowhere

	off, typ, tags           variable
	next, at, frag, whole, i variable
	srh                      variable
	eth                      variable // 1 if the packet inside has an Ethernet header
	inside                   bool     // it walks the packet inside
}

// octets reads w octets at off, big-endian; it leaves for bad if they are not
// all there.
func (w *walker) octets(off *ir.Value, n int, bad *ir.Block) *ir.Value {
	ok := w.block()
	if w.buf == nil {
		if w.far != nil {
			bad = w.far
		}
		p := w.op(ir.OpAdd, w.data, off)
		w.branch(ir.ULe, w.opi(ir.OpAdd, p, int64(n)), w.end, ok, bad)
		w.start(ok)
		return w.swap(n, w.load(n, p, 0))
	}
	r := w.loadBytes(off, w.buf, n)
	w.branch(ir.Eq, r, w.konst(0), ok, bad)
	w.start(ok)
	return w.swap(n, w.load(n, w.buf, 0))
}

func (w *walker) plus(x *ir.Value, n int64) *ir.Value { return w.opi(ir.OpAdd, x, n) }

func (w *walker) frame() {
	w.none = w.block()
	if w.layer3 {
		w.version()
		w.start(w.none)
		w.cur.Return(w.konst(1 << walkDone))
		return
	}
	w.set(w.off, w.konst(12))
	w.set(w.tags, w.konst(0))
	if !w.xdp {
		w.set(w.tags, w.opi(ir.OpAnd, w.load(4, w.ctx, skbVLANPresent), 1))
	}
	w.set(w.typ, w.octets(w.get(w.off), 2, w.none))
	w.tag()
	w.tag()
	w.layer3s()
}

// layer3s takes the header behind the type that is at w.off.
func (w *walker) layer3s() {
	untagged := w.block()
	isTag(w.builder, w.get(w.typ), w.none, untagged)
	w.start(untagged)
	for _, k := range []struct {
		h    packet.Header
		typ  int64
		take func(l3 *ir.Value)
	}{{packet.IP4, 0x0800, w.ip4}, {packet.IP6, 0x86dd, w.ip6}, {packet.ARP, 0x0806, w.arp}} {
		if !w.needs.all && !w.needs.header[k.h] {
			continue
		}
		hit, next := w.block(), w.block()
		w.branch(ir.Eq, w.get(w.typ), w.konst(k.typ), hit, next)
		w.start(hit)
		w.set(w.srh, w.konst(0))
		k.take(w.plus(w.get(w.off), 2))
		w.start(next)
	}
	w.jump(w.none)
	w.start(w.none)
	w.nothing()
}

// version takes the IP header at the start of the buffer.
func (w *walker) version() {
	v := w.opi(ir.OpShr, w.octets(w.konst(0), 1, w.none), 4)
	w.set(w.srh, w.konst(0))
	for _, k := range []struct {
		h       packet.Header
		version int64
		take    func(l3 *ir.Value)
	}{{packet.IP4, 4, w.ip4}, {packet.IP6, 6, w.ip6}} {
		if !w.needs.all && !w.needs.header[k.h] {
			continue
		}
		hit, next := w.block(), w.block()
		w.branch(ir.Eq, v, w.konst(k.version), hit, next)
		w.start(hit)
		k.take(w.konst(0))
		w.start(next)
	}
	w.jump(w.none)
}

// tag steps over a tag, if one is next; after two nothing more is found.
func (w *walker) tag() {
	tagged, few, done := w.block(), w.block(), w.block()
	isTag(w.builder, w.get(w.typ), tagged, done)
	w.start(tagged)
	w.branch(ir.ULt, w.get(w.tags), w.konst(2), few, w.none)
	w.start(few)
	t := w.octets(w.plus(w.get(w.off), 4), 2, w.none)
	w.set(w.typ, t)
	w.set(w.off, w.plus(w.get(w.off), 4))
	w.set(w.tags, w.plus(w.get(w.tags), 1))
	w.jump(done)
	w.start(done)
}

// result returns what was found.
func (w *walker) result(kind int64, l3, l4, proto, frag, whole *ir.Value) {
	r := w.opi(ir.OpOr, proto, 1<<walkDone|kind<<walkKind)
	put := func(x *ir.Value, at int64) { r = w.op(ir.OpOr, r, w.opi(ir.OpShl, x, at)) }
	put(frag, walkFragment)
	put(whole, walkL4)
	put(l3, walkL3Off)
	put(l4, walkL4Off)
	put(w.get(w.srh), walkSRHOff)
	if w.inside {
		put(w.get(w.eth), walkEth)
		put(w.get(w.tags), walkTags)
	}
	w.cur.Return(r)
	w.cur = nil
}

// bit is 1 if x and mask have a bit in common.
func (w *walker) bit(x *ir.Value, mask int64) *ir.Value {
	v := w.newVar()
	done, yes := w.block(), w.block()
	w.set(v, w.konst(0))
	w.branch(ir.Test, x, w.konst(mask), yes, done)
	w.start(yes)
	w.set(v, w.konst(1))
	w.jump(done)
	w.start(done)
	return w.get(v)
}

// arp takes a header for IPv4 over Ethernet: RFC 826.
func (w *walker) arp(l3 *ir.Value) {
	kind, sizes := w.block(), w.block()
	w.branch(ir.Eq, w.octets(l3, 4, w.none), w.konst(0x00010800), kind, w.none)
	w.start(kind)
	w.branch(ir.Eq, w.octets(w.plus(l3, 4), 2, w.none), w.konst(0x0604), sizes, w.none)
	w.start(sizes)
	w.octets(w.plus(l3, int64(packet.ARP.Size())-1), 1, w.none)
	zero := w.konst(0)
	w.result(3, l3, zero, zero, zero, zero)
}

func (w *walker) ip4(l3 *ir.Value) {
	first := w.octets(l3, 1, w.none)
	ok, long := w.block(), w.block()
	w.branch(ir.Eq, w.opi(ir.OpShr, first, 4), w.konst(4), ok, w.none)
	w.start(ok)
	size := w.opi(ir.OpShl, w.opi(ir.OpAnd, first, 15), 2)
	w.branch(ir.UGe, size, w.konst(20), long, w.none)
	w.start(long)
	l4 := w.op(ir.OpAdd, l3, size)
	w.octets(w.plus(l4, -1), 1, w.none)
	frag := w.octets(w.plus(l3, 6), 2, w.none)
	proto := w.octets(w.plus(l3, 9), 1, w.none)
	whole := w.opi(ir.OpXor, w.bit(frag, 0x1fff), 1)
	w.result(1, l3, l4, proto, w.bit(frag, 0x3fff), whole)
}

// ip6 walks the extension headers: RFC 8200, section 4; RFC 4302, section 2.
func (w *walker) ip6(l3 *ir.Value) {
	first := w.octets(l3, 1, w.none)
	ok := w.block()
	w.branch(ir.Eq, w.opi(ir.OpShr, first, 4), w.konst(6), ok, w.none)
	w.start(ok)
	w.octets(w.plus(l3, 39), 1, w.none)
	w.set(w.next, w.octets(w.plus(l3, 6), 1, w.none))
	w.set(w.at, w.plus(l3, 40))
	w.extensions(l3)
}

// extensions walks from w.at on, where a header that w.next names begins.
func (w *walker) extensions(l3 *ir.Value) {
	for _, v := range []variable{w.frag, w.i, w.srh} {
		w.set(v, w.konst(0))
	}
	head, more, stop, cut, end := w.block(), w.block(), w.block(), w.block(), w.block()
	w.set(w.whole, w.konst(1))
	w.loopHead(head, w.st)
	ext := w.block()
	w.isExtension(w.get(w.next), ext, stop)
	w.start(ext)
	w.branch(ir.ULt, w.get(w.i), w.konst(8), more, cut)
	w.start(more)
	w.extension(cut)
	w.set(w.i, w.plus(w.get(w.i), 1))
	w.jump(head)
	w.seal(head)
	w.start(cut)
	w.set(w.whole, w.konst(0))
	w.jump(end)
	w.start(stop)
	w.jump(end)
	w.start(end)
	w.result(2, l3, w.get(w.at), w.get(w.next), w.get(w.frag), w.get(w.whole))
}

func (w *walker) isExtension(next *ir.Value, yes, no *ir.Block) {
	for _, x := range extensions {
		other := w.block()
		w.branch(ir.Eq, next, w.konst(x), yes, other)
		w.start(other)
	}
	w.jump(no)
}

// extension steps over the header at w.at. A fragment that is not the first ends
// the walk, its next field being the protocol.
func (w *walker) extension(cut *ir.Block) {
	at := w.get(w.at)
	two := w.octets(at, 2, cut)
	after, n := w.opi(ir.OpShr, two, 8), w.opi(ir.OpAnd, two, 0xff)
	size := w.newVar()
	frag, ah, opt, have := w.block(), w.block(), w.block(), w.block()
	notFrag := w.block()
	w.branch(ir.Eq, w.get(w.next), w.konst(44), frag, notFrag)
	w.start(notFrag)
	w.branch(ir.Eq, w.get(w.next), w.konst(51), ah, opt)
	w.start(ah)
	w.set(size, w.opi(ir.OpShl, w.plus(n, 2), 2))
	w.jump(have)
	w.start(opt)
	w.set(size, w.opi(ir.OpShl, w.plus(n, 1), 3))
	w.jump(have)
	w.start(frag)
	off := w.octets(w.plus(at, 2), 2, cut)
	w.octets(w.plus(at, 7), 1, cut)
	w.set(w.frag, w.konst(1))
	w.set(size, w.konst(8))
	later := w.block()
	w.branch(ir.Test, off, w.konst(0xfff8), later, have)
	w.start(later)
	w.set(w.next, after)
	w.jump(cut)
	w.start(have)
	to := w.opi(ir.OpAnd, w.op(ir.OpAdd, at, w.get(size)), maxOffset)
	w.octets(w.plus(to, -1), 1, cut)
	w.segments(at)
	w.set(w.next, after)
	w.set(w.at, to)
}

// segments notes where the first segment routing header is, if the header at
// w.at, which is whole, is one: a routing header of type 4 (RFC 8754).
func (w *walker) segments(at *ir.Value) {
	if !w.needs.all && !w.needs.header[packet.SRH] && !w.needs.tunnel {
		return
	}
	routing, first, found, done := w.block(), w.block(), w.block(), w.block()
	w.branch(ir.Eq, w.get(w.next), w.konst(43), routing, done)
	w.start(routing)
	w.branch(ir.Eq, w.get(w.srh), w.konst(0), first, done)
	w.start(first)
	w.branch(ir.Eq, w.octets(w.plus(at, 2), 1, done), w.konst(4), found, done)
	w.start(found)
	w.set(w.srh, at)
	w.jump(done)
	w.start(done)
}
