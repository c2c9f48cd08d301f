package lower

import (
	"weir/hook"
	"weir/lang/ir"
)

// A way is how the programs of a hook reach the octets of a packet.
type way uint8

const (
	byXDP    way = iota // in place, xdp_load_bytes
	bySKB               // in place, skb_load_bytes
	byCopy              // skb_load_bytes alone: socket filters
	byDynptr            // bpf_dynptr_slice, bpf_dynptr_read: netfilter
)

// direct reports whether the context gives the bounds of the linear part.
func (w way) direct() bool { return w == byXDP || w == bySKB }

func wayOf(h hook.Hook) way {
	switch {
	case h == hook.XDP:
		return byXDP
	case h == hook.Socket:
		return byCopy
	case h.Netfilter():
		return byDynptr
	}
	return bySKB
}

// begin notes the context of the function, and the way to the packet. A dynptr is
// made at once: a function has its own, since it lies in its frame.
func (b *builder) begin(ctx *ir.Value, w way) {
	b.ctx, b.way = ctx, w
	if w == byDynptr {
		b.dynptr = b.slot("dynptr", 16, 8)
		b.kfunc("bpf_dynptr_from_skb", b.skb(), b.konst(0), b.dynptr)
	}
}

// skb is the socket buffer that the context of netfilter points to.
func (b *builder) skb() *ir.Value {
	v := b.load(8, b.ctx, nfSKB)
	v.Type = ir.Ptr
	return v
}

// kfunc calls a function of the kernel that has no number of its own.
func (b *builder) kfunc(name string, args ...*ir.Value) *ir.Value {
	return b.call(ir.Kfunc, name, ir.Int, args...)
}

// kernelField reads width octets of a field of a struct of the kernel, whose place only
// the kernel that loads the program knows: NAME of STRUCT.NAME.
func (b *builder) kernelField(width int, p *ir.Value, name string) *ir.Value {
	v := b.load(width, p, 0)
	v.Sym = name
	return v
}

// loadBytes copies n octets at off of the buffer to p, and gives 0 if they were
// all there. off must be below 2^31.
func (b *builder) loadBytes(off, p *ir.Value, n int) *ir.Value {
	return b.loadSome(off, p, b.konst(int64(n)))
}

// loadSome is loadBytes of a number of octets that is not known.
func (b *builder) loadSome(off, p, size *ir.Value) *ir.Value {
	switch b.way {
	case byXDP:
		return b.call(helperXDPLoad, "xdp_load_bytes", ir.Int, b.ctx, off, p, size)
	case byDynptr:
		return b.call(helperDynptrRead, "dynptr_read", ir.Int, p, size, b.dynptr, off, b.konst(0))
	}
	return b.call(helperLoadBytes, "skb_load_bytes", ir.Int, b.ctx, off, p, size)
}

// fetch branches to yes with the address of n octets at off of the buffer if they are
// all there: copied to p, or at netfilter where they lie if they lie together. A
// slice costs half of a copy there.
func (b *builder) fetch(off, p *ir.Value, n int, yes, no *ir.Block) *ir.Value {
	if b.way != byDynptr {
		b.branch(ir.Eq, b.loadBytes(off, p, n), b.konst(0), yes, no)
		return p
	}
	s := b.call(ir.Kfunc, "bpf_dynptr_slice", ir.Ptr, b.dynptr, off, p, b.konst(int64(n)))
	b.branch(ir.Ne, s, b.konst(0), yes, no)
	return s
}

// bounds reads the bounds of the linear part from the context.
func (b *builder) bounds() (data, end *ir.Value) {
	at, to := skbData, skbEnd
	if b.way == byXDP {
		at, to = xdpData, xdpEnd
	}
	data = b.add(ir.OpPktData, ir.Ptr, b.ctx)
	data.Off, data.Width = at, 4
	end = b.add(ir.OpPktEnd, ir.Ptr, b.ctx)
	end.Off, end.Width = to, 4
	return data, end
}
