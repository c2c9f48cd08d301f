package lower

import (
	"weir/lang/check"
	"weir/lang/ir"
	"weir/lang/pcap"
)

// Filters of tcpdump (package pcap). A node of the graph is a block. Octets are read in
// place. What is not in the linear part, or where the outer tag stands beside the
// buffer, leaves for a function that does all of it anew on a copy of the first
// octets (filtercopy.go):
//
//	tests in place ──► holds, fails
//	     └─ a read that is not in reach ──► weir_filter_far(ctx) ──► holds, fails
//
// Where the whole frame is in the linear part, a read out of reach is past the end.
// A filter that is large, or mentioned again, is a function also in place.

// maxInline is how many tests are made where they are mentioned.
const maxInline = 60

// A filtering is a filter that is being lowered.
type filtering struct {
	*builder
	l    *lowerer
	fail *ir.Block // a read is past the end of the frame
	far  *ir.Block // a read is out of reach

	data, end *ir.Value // the linear part, or nil: a copy
	head      headCopy
	shown     int64 // octets that the frame has by what was read before
}

// filter branches by whether a filter holds.
func (l *lowerer) filter(e *check.Matches, then, els *ir.Block) {
	l.pos = e.P
	switch {
	case !l.inPlace():
		l.branch(ir.Ne, l.callFunc(l.filterFar(e.Filter), l.ctx), l.konst(0), then, els)
	case len(e.Filter.Nodes) > maxInline || l.filters.mentions[e.Filter.Text] > 1:
		l.branch(ir.Ne, l.callFunc(l.filterNear(e.Filter), l.ctx), l.konst(0), then, els)
	default:
		f := &filtering{builder: l.builder, l: l, fail: els, data: l.data(), end: l.end()}
		f.inPlace(e.Filter, then, els)
	}
}

// filterFuncs are the functions that filters became, and how often each filter is
// mentioned.
type filterFuncs struct {
	funcs    map[string]*ir.Func
	mentions map[string]int
}

func newFilterFuncs(p *check.Program) filterFuncs {
	ff := filterFuncs{map[string]*ir.Func{}, map[string]int{}}
	for _, f := range p.Funcs {
		visit(f.Body, func(check.Stmt) {}, func(e check.Expr) {
			if m, ok := e.(*check.Matches); ok {
				ff.mentions[m.Filter.Text]++
			}
		})
	}
	return ff
}

// filterFunc makes a function weir_filter_…(ctx) that gives 1 or 0, once.
func (l *lowerer) filterFunc(kind string, f *pcap.Filter, body func(w *filtering, yes, no *ir.Block)) *ir.Func {
	key := kind + " " + f.Text
	if fn := l.filters.funcs[key]; fn != nil {
		return fn
	}
	fn := l.global("weir_filter_"+kind+name(len(l.filters.funcs)), 1)
	l.filters.funcs[key] = fn
	w := &filtering{builder: l.sub(fn), l: l}
	w.pos = l.pos
	yes, no := w.block(), w.block()
	body(w, yes, no)
	for i, blk := range []*ir.Block{no, yes} {
		if w.start(blk); w.cur != nil {
			w.cur.Return(w.konst(int64(i)))
		}
	}
	return fn
}

// filterNear returns the function that reads in place.
func (l *lowerer) filterNear(f *pcap.Filter) *ir.Func {
	return l.filterFunc("near_", f, func(w *filtering, yes, no *ir.Block) {
		w.data, w.end = w.bounds()
		w.fail = no
		w.inPlace(f, yes, no)
	})
}

// filterFar returns the function that reads a copy.
func (l *lowerer) filterFar(f *pcap.Filter) *ir.Func {
	return l.filterFunc("far_", f, func(w *filtering, yes, no *ir.Block) {
		w.fail = no
		w.copyHead(f)
		w.graph(f, yes, no)
	})
}

// inPlace makes the tests in place.
func (w *filtering) inPlace(f *pcap.Filter, yes, no *ir.Block) {
	w.far = w.fail
	if !w.l.linear() {
		w.far = w.coldBlock()
		if !w.l.xdp() && w.l.info.Ethernet {
			plain := w.block()
			w.branch(ir.Eq, w.besideBuffer(), w.konst(0), plain, w.far)
			w.start(plain)
		}
	}
	w.graph(f, yes, no)
	if w.l.linear() {
		return
	}
	if w.start(w.far); w.cur != nil {
		w.branch(ir.Ne, w.callFunc(w.l.filterFar(f), w.ctx), w.konst(0), yes, no)
	}
}

// besideBuffer is 1 if the outer tag stands beside the buffer.
func (w *filtering) besideBuffer() *ir.Value {
	if w.builder == w.l.builder {
		return w.l.tagBeside()
	}
	return w.opi(ir.OpAnd, w.load(4, w.ctx, skbVLANPresent), 1)
}

// graph makes the tests of a filter.
func (w *filtering) graph(f *pcap.Filter, yes, no *ir.Block) {
	at := map[*pcap.Node]*ir.Block{pcap.Holds: yes, pcap.Fails: no}
	for _, n := range f.Nodes {
		at[n] = w.block()
	}
	w.jump(at[f.Root])
	shown := map[*pcap.Node]int64{f.Root: 0}
	for _, n := range f.Nodes {
		if w.start(at[n]); w.cur == nil {
			continue
		}
		w.shown = shown[n]
		w.test(n.Test, at[n.Yes], at[n.No])
		for _, next := range []*pcap.Node{n.Yes, n.No} {
			if was, ok := shown[next]; !ok || w.shown < was {
				shown[next] = w.shown
			}
		}
	}
}

func (w *filtering) test(c *pcap.Compare, yes, no *ir.Block) {
	conds := map[pcap.Op]ir.Cond{pcap.Equal: ir.Eq, pcap.Greater: ir.UGt, pcap.AtLeast: ir.UGe}
	if a, n := bitsOf(c); a != nil {
		w.branch(ir.Test, w.value(a.X), w.konst(n), no, yes)
		return
	}
	x := w.value(c.X)
	w.branch(conds[c.Op], x, w.value(c.Y), yes, no)
}

// bitsOf gives the mask of x & mask == 0.
func bitsOf(c *pcap.Compare) (*pcap.Arith, int64) {
	a, ok := c.X.(*pcap.Arith)
	if !ok || c.Op != pcap.Equal || c.Y != pcap.Number(0) || a.Op != pcap.BitAnd {
		return nil, 0
	}
	n, ok := a.Y.(pcap.Number)
	if !ok {
		return nil, 0
	}
	return a, int64(n)
}

// value computes a value: its 32 bits, the others zero.
func (w *filtering) value(v pcap.Value) *ir.Value {
	switch v := v.(type) {
	case pcap.Number:
		return w.konst(int64(v))
	case pcap.Len:
		return w.length()
	case pcap.EtherType:
		return w.etherType()
	case *pcap.Load:
		return w.read(v)
	case *pcap.Negated:
		return w.width(ir.OpZExt, 4, w.add(ir.OpNeg, ir.Int, w.value(v.X)))
	case *pcap.Arith:
		return w.arith(v)
	}
	panic("lower: a filter has an unknown value")
}

func (w *filtering) arith(v *pcap.Arith) *ir.Value {
	x := w.value(v.X)
	y := w.value(v.Y)
	n, known := v.Y.(pcap.Number)
	switch v.Op {
	case pcap.Add:
		return w.width(ir.OpZExt, 4, w.op(ir.OpAdd, x, y))
	case pcap.Sub:
		return w.width(ir.OpZExt, 4, w.op(ir.OpSub, x, y))
	case pcap.Mul:
		z := w.op(ir.OpMul, x, y)
		if most(v) <= 0xffffffff {
			return z
		}
		return w.width(ir.OpZExt, 4, z)
	case pcap.BitAnd:
		return w.op(ir.OpAnd, x, y)
	case pcap.BitOr:
		return w.op(ir.OpOr, x, y)
	case pcap.BitXor:
		return w.op(ir.OpXor, x, y)
	}
	if v.Op == pcap.Div || v.Op == pcap.Mod {
		if !known {
			ok := w.block()
			w.branch(ir.Ne, y, w.konst(0), ok, w.fail)
			w.start(ok)
		}
		return w.op(map[pcap.Op]ir.Op{pcap.Div: ir.OpDiv, pcap.Mod: ir.OpMod}[v.Op], x, y)
	}
	op := map[pcap.Op]ir.Op{pcap.ShiftUp: ir.OpShl, pcap.ShiftDown: ir.OpShr}[v.Op]
	if known && n < 32 {
		return w.width(ir.OpZExt, 4, w.op(op, x, y))
	}
	out, some, done := w.newVar(), w.block(), w.block()
	w.set(out, w.konst(0))
	w.branch(ir.ULt, y, w.konst(32), some, done)
	w.start(some)
	w.set(out, w.width(ir.OpZExt, 4, w.op(op, x, y)))
	w.jump(done)
	w.start(done)
	return w.get(out)
}

// most is what a value is at most.
func most(v pcap.Value) uint64 {
	const all = 0xffffffff
	switch v := v.(type) {
	case pcap.Number:
		return uint64(v)
	case *pcap.Load:
		return 1<<(8*v.Size) - 1
	case *pcap.Arith:
		x, y := most(v.X), most(v.Y)
		switch v.Op {
		case pcap.BitAnd:
			return min(x, y)
		case pcap.Mul:
			return x * y
		case pcap.Add:
			return x + y
		case pcap.ShiftDown, pcap.Div:
			return x
		}
	}
	return all
}

// etherType is the type in the Ethernet header, or that of the IP header's version.
func (w *filtering) etherType() *ir.Value {
	if w.l.info.Ethernet {
		return w.read(&pcap.Load{Off: 12, Size: 2})
	}
	version := w.opi(ir.OpShr, w.read(&pcap.Load{Off: ethSize, Size: 1}), 4)
	out, done := w.newVar(), w.block()
	w.set(out, w.konst(0))
	for _, k := range []struct{ version, typ int64 }{{4, 0x0800}, {6, 0x86dd}} {
		hit, next := w.block(), w.block()
		w.branch(ir.Eq, version, w.konst(k.version), hit, next)
		w.start(hit)
		w.set(out, w.konst(k.typ))
		w.jump(done)
		w.start(next)
	}
	w.jump(done)
	w.start(done)
	return w.get(out)
}
