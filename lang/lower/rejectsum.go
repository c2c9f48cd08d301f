package lower

import "weir/lang/ir"

// header makes the IP header of the answer in out, for n octets behind it. Its
// source is the packet's destination.
func (r *rejecter) header(proto int64, n *ir.Value) {
	if r.six {
		r.store(4, r.out, 0, r.konst(0x60))
		r.store(2, r.out, 4, r.swap(2, n))
		r.store(2, r.out, 6, r.konst(proto|ttlOfAnswer<<8))
		for i := range 2 {
			r.store(8, r.out, 8+8*i, r.load(8, r.ip, 24+8*i))
			r.store(8, r.out, 24+8*i, r.load(8, r.ip, 8+8*i))
		}
		return
	}
	tos := int64(0)
	if proto == 1 {
		tos = 0xc0 // RFC 1812, 4.3.2.5: precedence of internetwork control
	}
	r.store(2, r.out, 0, r.konst(0x45|tos<<8))
	r.store(2, r.out, 2, r.swap(2, r.plus(n, 20)))
	r.store(4, r.out, 4, r.konst(0x400000)) // no id, not to be fragmented
	r.store(2, r.out, 8, r.konst(ttlOfAnswer|proto<<8))
	r.store(2, r.out, 10, r.konst(0))
	r.store(4, r.out, 12, r.load(4, r.ip, 16))
	r.store(4, r.out, 16, r.load(4, r.ip, 12))
	r.store(2, r.out, 10, r.opi(ir.OpXor, r.fold(r.words(r.out, 0, 20)), 0xffff))
}

// words adds the 16-bit words of n octets at off of p.
func (r *rejecter) words(p *ir.Value, off, n int) *ir.Value {
	sum := r.load(2, p, off)
	for i := 2; i < n; i += 2 {
		sum = r.op(ir.OpAdd, sum, r.load(2, p, off+i))
	}
	return sum
}

// fold makes 16 bits of a sum.
func (r *rejecter) fold(x *ir.Value) *ir.Value {
	x = r.op(ir.OpAdd, r.width(ir.OpZExt, 4, x), r.opi(ir.OpShr, x, 32))
	for range 3 {
		x = r.op(ir.OpAdd, r.opi(ir.OpAnd, x, 0xffff), r.opi(ir.OpShr, x, 16))
	}
	return r.opi(ir.OpAnd, x, 0xffff)
}

// pseudo is the sum of the pseudo header of n octets.
func (r *rejecter) pseudo(proto int64, n *ir.Value) *ir.Value {
	sum := r.op(ir.OpAdd, r.swap(2, n), r.konst(proto<<8))
	if r.six {
		return r.op(ir.OpAdd, sum, r.words(r.out, 8, 32))
	}
	return r.op(ir.OpAdd, sum, r.words(r.out, 12, 8))
}

// sumOf adds n octets of the packet at off, at most most.
func (r *rejecter) sumOf(off, n *ir.Value, most int64) *ir.Value {
	buf := r.slot("chunk", chunk, 8)
	i, sum := r.newVar(), r.newVar()
	r.set(i, r.konst(0))
	r.set(sum, r.konst(0))
	head, in, body, out := r.block(), r.block(), r.block(), r.block()
	r.loopHead(head, r.st)
	r.branch(ir.ULt, r.get(i), r.konst(most), in, out)
	r.start(in)
	r.branch(ir.ULt, r.get(i), n, body, out)
	r.start(body)
	left := r.plus(r.op(ir.OpSub, n, r.get(i)), -1)
	w := r.newVar()
	few, many, load := r.block(), r.block(), r.block()
	r.branch(ir.ULe, left, r.konst(chunk-1), few, many)
	r.start(few)
	r.set(w, r.plus(r.opi(ir.OpAnd, left, chunk-1), 1)) // as the verifier can see
	r.jump(load)
	r.start(many)
	r.set(w, r.konst(chunk))
	r.jump(load)
	r.start(load)
	for k := range chunk / 8 {
		r.store(8, buf, 8*k, r.konst(0))
	}
	r.must(r.helper(r.loadHelper(), "load_bytes", r.op(ir.OpAdd, off, r.get(i)), buf, r.get(w)))
	s := r.get(sum)
	for k := range chunk / 4 {
		s = r.op(ir.OpAdd, s, r.load(4, buf, 4*k))
	}
	r.set(sum, s)
	r.set(i, r.plus(r.get(i), chunk))
	r.jump(head)
	r.seal(head)
	r.start(out)
	return r.get(sum)
}

// resize cuts the tail so that n octets are left, of at least as many. At traffic
// control that also makes one packet of what the kernel has merged.
func (r *rejecter) resize(n *ir.Value) {
	r.atMost(n, r.length)
	if !r.xdp {
		r.must(r.helper(helperChangeTail, "skb_change_tail", n, r.konst(0)))
		return
	}
	cut, same := r.block(), r.block()
	r.branch(ir.Ne, n, r.length, cut, same)
	r.start(cut)
	r.must(r.helper(helperXDPTail, "xdp_adjust_tail", r.op(ir.OpSub, n, r.length)))
	r.jump(same)
	r.start(same)
}

// write puts the headers of the answer before the packet, with n octets of out.
func (r *rejecter) write(n int64) {
	var dst, src [3]*ir.Value
	for i := range 3 {
		dst[i], src[i] = r.load(2, r.mac, 2*i), r.load(2, r.mac, 6+2*i)
	}
	for i := range 3 {
		r.store(2, r.mac, 2*i, src[i])
		r.store(2, r.mac, 6+2*i, dst[i])
	}
	r.put(r.konst(0), r.mac, r.l2)
	r.put(r.l2, r.out, r.konst(n))
}

func (r *rejecter) finish(n int64) {
	r.write(n)
	r.done()
}

// finishTCP writes a reset whose checksum nobody has yet to compute, or one that
// the card still will: then the field holds the sum of the pseudo header. Only the
// kernel's helper tells which: it leaves the field alone in the second case.
func (r *rejecter) finishTCP(pseudo, sum *ir.Value) {
	at := r.plus(r.l2, r.size+16)
	r.write(r.size + 20)
	r.must(r.helper(helperL4Csum, "l4_csum_replace", at, r.konst(0), r.konst(1), r.konst(2)))
	r.take(at, r.tcp, 2)
	later, now, store := r.block(), r.block(), r.block()
	v := r.newVar()
	r.branch(ir.Eq, r.load(2, r.tcp, 0), r.konst(0), later, now)
	r.start(later)
	r.set(v, r.fold(pseudo))
	r.jump(store)
	r.start(now)
	r.set(v, r.opi(ir.OpXor, sum, 0xffff))
	r.jump(store)
	r.start(store)
	r.store(2, r.tcp, 0, r.get(v))
	r.put(at, r.tcp, r.konst(2))
	r.done()
}
