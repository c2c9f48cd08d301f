package lower

import (
	"weir/lang/ir"
	"weir/lang/pcap"
)

// The octets that a filter reads: in place, or of a copy of the first of them, with
// the kernel's help for those behind.

// maxCopied is how many octets of the frame are copied at most: IPv6 with two tags, and
// the ports.
const maxCopied = 72

// A headCopy is the copy of the first octets of a frame, as on the wire. It lies so
// that what stands behind an Ethernet header is aligned.
//
//	0   2                            2+size
//	│   │ first octets of the frame, zeros where it ends
//	slot
type headCopy struct {
	slot   *ir.Value
	size   int64
	length *ir.Value // octets of the frame, if they are computed once
	beside *ir.Value // 1 if the outer tag stands beside the buffer
	spare  *ir.Value // room for one read
}

const headAt = 2

// copyHead copies as many octets as the filter reads at places that are known.
func (w *filtering) copyHead(f *pcap.Filter) {
	h := &w.head
	h.size = headSize(f)
	h.slot = w.slot("head", int(headAt+h.size+7)&^7, 8)
	h.spare = w.slot("read", 8, 8)
	w.clear(h.slot, int(headAt+h.size+7)&^7, 8)
	h.beside = w.konst(0)
	if !w.l.xdp() && w.l.info.Ethernet {
		h.beside = w.besideBuffer()
	}
	buffer := w.bufferLength()
	done := w.block()
	if w.l.info.Ethernet {
		plain, beside := w.block(), w.coldBlock()
		w.branch(ir.Eq, h.beside, w.konst(0), plain, beside)
		w.start(plain)
		w.copyTo(0, 0, buffer, done)
		if w.start(beside); w.cur != nil {
			w.copyBeside(buffer, done)
		}
	} else {
		w.copyTo(0, ethSize, buffer, done)
	}
	w.start(done)
	if w.way == byXDP { // which has to be asked
		h.length = w.length()
	}
}

// headSize is how many octets a copy has: up to the last read of a known place that
// is near.
func headSize(f *pcap.Filter) int64 {
	size := int64(ethSize + 20)
	var look func(v pcap.Value)
	look = func(v pcap.Value) {
		switch v := v.(type) {
		case *pcap.Load:
			end := int64(v.Off) + int64(v.Size)
			if v.Index != nil {
				end = usualEnd(v)
			}
			if end <= maxCopied {
				size = max(size, end)
			}
			look(v.Index)
		case *pcap.Arith:
			look(v.X)
			look(v.Y)
		case *pcap.Negated:
			look(v.X)
		}
	}
	for _, n := range f.Nodes {
		look(n.Test.X)
		look(n.Test.Y)
	}
	return size
}

// copyTo copies from off of the buffer on to the place at of the frame: up to the end
// of either. It goes to done. The helper takes no size that may be 0: so the size less one
// is what is bounded, since the verifier before Linux 6.18 does not see that a difference
// is not 0 where the test of that is one of what it was made of.
func (w *filtering) copyTo(off, at int64, buffer *ir.Value, done *ir.Block) {
	most := w.head.size - at - 1
	last := w.newVar() // the size less one
	some, less, copy := w.block(), w.block(), w.block()
	w.set(last, w.konst(most))
	w.branch(ir.UGt, buffer, w.konst(off), some, w.fail)
	w.start(some)
	rest := w.opi(ir.OpSub, buffer, off+1)
	w.branch(ir.UGt, rest, w.konst(most), copy, less)
	w.start(less)
	w.set(last, rest)
	w.jump(copy)
	w.start(copy)
	r := w.loadSome(w.konst(off), w.opi(ir.OpAdd, w.head.slot, headAt+at), w.opi(ir.OpAdd, w.get(last), 1))
	w.branch(ir.Eq, r, w.konst(0), done, w.fail)
}

// copyBeside copies a frame whose outer tag stands beside the buffer.
func (w *filtering) copyBeside(buffer *ir.Value, done *ir.Block) {
	const macs = 12
	h := &w.head
	rest := w.block()
	r := w.loadBytes(w.konst(0), w.opi(ir.OpAdd, h.slot, headAt), macs)
	w.branch(ir.Eq, r, w.konst(0), rest, w.fail)
	w.start(rest)
	w.store(2, h.slot, headAt+macs, w.load(4, w.ctx, skbVLANProto))
	w.store(2, h.slot, headAt+macs+2, w.swap(2, w.load(4, w.ctx, skbVLANTCI)))
	w.copyTo(macs, macs+4, buffer, done)
}

// bufferLength is how many octets the buffer has.
func (w *filtering) bufferLength() *ir.Value {
	switch {
	case w.builder == w.l.builder:
		return w.l.bufLen()
	case w.l.linear():
		data, end := w.bounds()
		return w.op(ir.OpSub, end, data)
	case w.way == byXDP:
		return w.call(helperXDPLen, "xdp_get_buff_len", ir.Int, w.ctx)
	}
	n := (*ir.Value)(nil)
	if w.way == byDynptr {
		n = w.kernelField(4, w.skb(), "sk_buff.len")
	} else {
		n = w.load(4, w.ctx, skbLen)
	}
	n.Fresh = true // else the verifier follows what each test has shown of it
	return n
}

// length is how many octets the frame has on the wire.
func (w *filtering) length() *ir.Value {
	if w.head.length != nil {
		return w.head.length
	}
	n := w.bufferLength()
	switch {
	case w.l.xdp():
		return n
	case !w.l.info.Ethernet:
		return w.opi(ir.OpAdd, n, ethSize)
	case w.data != nil: // no tag is beside here
		return n
	}
	return w.op(ir.OpAdd, n, w.opi(ir.OpShl, w.head.beside, 2))
}

// read reads octets of the frame; it leaves where they are not all there.
func (w *filtering) read(v *pcap.Load) *ir.Value {
	off := w.konst(int64(v.Off))
	if v.Index != nil {
		index := w.value(v.Index)
		if end := usualEnd(v); w.data == nil && end > 0 && end <= w.head.size {
			return w.readUsual(v, index)
		}
		off = w.op(ir.OpAdd, index, off)
	}
	if w.data != nil {
		return w.readNear(v, off)
	}
	last := int64(v.Off) + int64(v.Size)
	if v.Index != nil || last > w.shown {
		ok := w.block()
		w.branch(ir.UGe, w.length(), w.opi(ir.OpAdd, off, int64(v.Size)), ok, w.fail)
		w.start(ok)
	}
	if v.Index != nil || last > w.head.size {
		return w.readFar(off, v.Size)
	}
	w.shown = max(w.shown, last)
	return w.ofHead(headAt+int(v.Off), v.Size)
}

// usualSize is the length of an IPv4 header without options.
const usualSize = 20

// usualEnd is where a read ends that stands behind an IPv4 header without options, or
// 0 for other reads.
func usualEnd(v *pcap.Load) int64 {
	size, ok := v.Index.(*pcap.Arith)
	if !ok || size.Op != pcap.Mul || size.Y != pcap.Number(4) {
		return 0
	}
	return int64(v.Off) + usualSize + int64(v.Size)
}

// readUsual reads behind an IPv4 header, of the copy if it has no options.
func (w *filtering) readUsual(v *pcap.Load, index *ir.Value) *ir.Value {
	out, done := w.newVar(), w.block()
	usual, whole, options, rest := w.block(), w.block(), w.coldBlock(), w.coldBlock()
	w.branch(ir.Eq, index, w.konst(usualSize), usual, options)
	w.start(usual)
	w.branch(ir.UGe, w.length(), w.konst(usualEnd(v)), whole, w.fail)
	w.start(whole)
	w.set(out, w.ofHead(headAt+int(v.Off)+usualSize, v.Size))
	w.jump(done)
	w.start(options)
	off := w.opi(ir.OpAdd, index, int64(v.Off))
	w.branch(ir.UGe, w.length(), w.opi(ir.OpAdd, off, int64(v.Size)), rest, w.fail)
	w.start(rest)
	w.set(out, w.readFar(off, v.Size))
	w.jump(done)
	w.start(done)
	return w.get(out)
}

// readNear reads in place.
func (w *filtering) readNear(v *pcap.Load, off *ir.Value) *ir.Value {
	size, least := int64(v.Size), int64(v.Off)
	if !w.l.info.Ethernet { // 14 zeros that are nowhere
		switch {
		case v.Index == nil && least+size <= ethSize:
			return w.konst(0)
		case least < ethSize:
			behind := w.block()
			w.branch(ir.UGe, off, w.konst(ethSize), behind, w.far)
			w.start(behind)
		}
		off = w.opi(ir.OpSub, off, ethSize)
	}
	if v.Index != nil && most(v.Index)+uint64(v.Off) > room || v.Index == nil && v.Off > room {
		in := w.block()
		w.branch(ir.ULe, off, w.konst(room), in, w.far)
		w.start(in)
	}
	in := w.block()
	p := w.op(ir.OpAdd, w.data, off)
	w.branch(ir.ULe, w.opi(ir.OpAdd, p, size), w.end, in, w.far)
	w.start(in)
	return w.swap(v.Size, w.load(v.Size, p, 0))
}

// ofHead reads octets of the copy. The verifier wants reads of the stack aligned.
func (w *filtering) ofHead(at, size int) *ir.Value {
	if at%size == 0 {
		return w.swap(size, w.load(size, w.head.slot, at))
	}
	half := size / 2
	return w.op(ir.OpOr, w.opi(ir.OpShl, w.ofHead(at, half), int64(8*half)), w.ofHead(at+half, half))
}

// readFar has the kernel read octets that are in the frame.
func (w *filtering) readFar(off *ir.Value, size int) *ir.Value {
	odd, plain, behind, done, out := w.coldBlock(), w.block(), w.block(), w.block(), w.newVar()
	at := off
	switch {
	case w.l.xdp():
		w.jump(behind)
	case !w.l.info.Ethernet:
		at = w.opi(ir.OpSub, off, ethSize)
		w.branch(ir.UGe, off, w.konst(ethSize), behind, odd)
	default:
		at = w.op(ir.OpSub, off, w.opi(ir.OpShl, w.head.beside, 2))
		w.branch(ir.Eq, w.head.beside, w.konst(0), behind, plain)
		w.start(plain)
		w.branch(ir.UGe, off, w.konst(ethSize+2), behind, odd)
	}
	if w.start(odd); w.cur != nil {
		w.set(out, w.callFunc(w.l.wire(), w.ctx, off, w.konst(int64(size))))
		w.jump(done)
	}
	w.start(behind)
	good := w.block()
	w.branch(ir.Eq, w.loadBytes(at, w.head.spare, size), w.konst(0), good, w.fail)
	w.start(good)
	w.set(out, w.swap(size, w.load(size, w.head.spare, 0)))
	w.jump(done)
	w.start(done)
	return w.get(out)
}
