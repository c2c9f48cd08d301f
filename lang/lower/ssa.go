package lower

import (
	"weir/lang/diag"
	"weir/lang/ir"
)

// A variable is a part of a local, or a fact about the packet.
type variable int

// A state is what is known statically at a place of the program: which facts
// have been worked out on every way to it.
type state struct {
	found
	data, length, eth, now, meta bool
	epoch                        int   // of pointers into the packet
	asked                        bool  // where the packet inside a tunnel is
	deep                         found // of that
}

// found is which facts about the headers of a packet have been worked out.
type found struct{ l3, l4, srh, payload bool }

func (f found) and(g found) found {
	return found{f.l3 && g.l3, f.l4 && g.l4, f.srh && g.srh, f.payload && g.payload}
}

// A builder makes one function. Its SSA construction is that of Braun et al.:
// a block is sealed when all its predecessors are known; reading a variable in
// an unsealed block leaves a phi to be completed.
type builder struct {
	fn    *ir.Func
	cur   *ir.Block // nil where no control reaches
	pos   diag.Pos
	cold  bool // blocks made now are rarely reached
	st    state
	nvars int

	defs       map[*ir.Block]map[variable]*ir.Value
	incomplete map[*ir.Block]map[variable]*ir.Value
	unsealed   map[*ir.Block]bool
	states     map[*ir.Block][]state // at the ends of jumps to a block
	epochs     int
	ctx        *ir.Value
	way        way               // to the packet's octets
	dynptr     *ir.Value         // of this function, by way of dynptr
	soft       map[variable]bool // numbers of the chain, as opposed to facts of ours
}

func newBuilder(fn *ir.Func) *builder {
	b := &builder{
		fn:         fn,
		defs:       map[*ir.Block]map[variable]*ir.Value{},
		incomplete: map[*ir.Block]map[variable]*ir.Value{},
		unsealed:   map[*ir.Block]bool{},
		states:     map[*ir.Block][]state{},
		pos:        fn.Pos,
		soft:       map[variable]bool{},
	}
	b.cur = fn.NewBlock()
	return b
}

func (b *builder) newVar() variable { b.nvars++; return variable(b.nvars - 1) }

// block makes a block without predecessors.
func (b *builder) block() *ir.Block {
	blk := b.fn.NewBlock()
	blk.Cold = b.cold
	blk.Pos = b.pos
	return blk
}

// start goes on in blk, all jumps to which have been made.
func (b *builder) start(blk *ir.Block) {
	if len(blk.Preds) == 0 {
		b.cur = nil
		b.drop(blk)
		return
	}
	b.cur = blk
	b.st = b.join(b.states[blk])
	delete(b.states, blk)
}

func (b *builder) drop(blk *ir.Block) {
	i := len(b.fn.Blocks) - 1 // it is one of the newest
	for b.fn.Blocks[i] != blk {
		i--
	}
	b.fn.Blocks = append(b.fn.Blocks[:i], b.fn.Blocks[i+1:]...)
}

// join is what is known where several ways meet.
func (b *builder) join(ss []state) state {
	s := ss[0]
	for _, t := range ss[1:] {
		s.data = s.data && t.data
		s.length = s.length && t.length
		s.found, s.deep = s.found.and(t.found), s.deep.and(t.deep)
		s.asked = s.asked && t.asked
		s.now = s.now && t.now
		s.meta = s.meta && t.meta
		s.eth = s.eth && t.eth
		if s.epoch != t.epoch {
			s.epoch = b.newEpoch()
			s.data = false
		}
	}
	return s
}

func (b *builder) newEpoch() int { b.epochs++; return b.epochs }

func (b *builder) jump(to *ir.Block) {
	if b.cur == nil {
		return
	}
	b.cur.Pos = b.pos
	b.cur.Jump(to)
	b.states[to] = append(b.states[to], b.st)
	b.cur = nil
}

// branch ends the block by x c y. Of two values that the verifier knows on some
// ways, the one that it knows on more should stand second: before Linux 6.8 only
// then does it leave out the way that cannot be, on which the range of the other
// becomes nonsense. (Where it knows but one of them, package gen sees to that.)
func (b *builder) branch(c ir.Cond, x, y *ir.Value, then, els *ir.Block) {
	if b.cur == nil {
		return
	}
	b.cur.Pos = b.pos
	b.cur.If(c, x, y, then, els)
	b.states[then] = append(b.states[then], b.st)
	b.states[els] = append(b.states[els], b.st)
	b.cur = nil
}

// loopHead starts a block to which a later block will jump back. What is known
// at its start is given by the caller.
func (b *builder) loopHead(blk *ir.Block, st state) {
	b.jump(blk)
	delete(b.states, blk)
	b.unsealed[blk] = true
	b.cur, b.st = blk, st
}

// seal completes blk's phis: all jumps to it have been made.
func (b *builder) seal(blk *ir.Block) {
	delete(b.unsealed, blk)
	delete(b.states, blk)
	for v, phi := range b.incomplete[blk] {
		b.complete(v, phi)
	}
	delete(b.incomplete, blk)
}

func (b *builder) set(v variable, x *ir.Value) {
	if b.cur == nil {
		return
	}
	b.setIn(b.cur, v, x)
}

func (b *builder) setIn(blk *ir.Block, v variable, x *ir.Value) {
	m := b.defs[blk]
	if m == nil {
		m = map[variable]*ir.Value{}
		b.defs[blk] = m
	}
	m[v] = x
}

func (b *builder) get(v variable) *ir.Value { return b.getIn(b.cur, v) }

func (b *builder) getIn(blk *ir.Block, v variable) *ir.Value {
	// Walk up single predecessors without recursion: chains are long.
	var way []*ir.Block
	var x *ir.Value
	for x == nil {
		if d, ok := b.defs[blk][v]; ok {
			x = d
			break
		}
		switch {
		case b.unsealed[blk]:
			x = b.phi(blk)
			x.Soft = b.soft[v]
			if b.incomplete[blk] == nil {
				b.incomplete[blk] = map[variable]*ir.Value{}
			}
			b.incomplete[blk][v] = x
			b.setIn(blk, v, x)
		case len(blk.Preds) == 1:
			way = append(way, blk)
			blk = blk.Preds[0]
		case len(blk.Preds) == 0:
			x = b.constIn(b.fn.Blocks[0], 0)
			b.setIn(blk, v, x)
		default:
			x = b.phi(blk)
			x.Soft = b.soft[v]
			b.setIn(blk, v, x)
			b.complete(v, x)
			x = b.defs[blk][v]
		}
	}
	for _, w := range way {
		b.setIn(w, v, x)
	}
	return x
}

func (b *builder) phi(blk *ir.Block) *ir.Value {
	p := blk.NewValue(ir.OpPhi, ir.Int, blk.Pos)
	blk.Values = append([]*ir.Value{p}, blk.Values...)
	return p
}

func (b *builder) complete(v variable, phi *ir.Value) {
	for _, p := range phi.Block.Preds {
		a := b.getIn(p, v)
		phi.Args = append(phi.Args, a)
		if a.Type == ir.Ptr {
			phi.Type = ir.Ptr
		}
	}
}

func (b *builder) add(op ir.Op, t ir.Type, args ...*ir.Value) *ir.Value {
	return b.cur.Add(op, t, b.pos, args...)
}

func (b *builder) constIn(blk *ir.Block, n int64) *ir.Value {
	v := blk.NewValue(ir.OpConst, ir.Int, b.pos)
	v.Imm = n
	// After the phis and parameters that stand first.
	i := 0
	for i < len(blk.Values) && (blk.Values[i].Op == ir.OpPhi || blk.Values[i].Op == ir.OpParam) {
		i++
	}
	blk.Values = append(blk.Values[:i], append([]*ir.Value{v}, blk.Values[i:]...)...)
	return v
}

func (b *builder) konst(n int64) *ir.Value {
	v := b.add(ir.OpConst, ir.Int)
	v.Imm = n
	return v
}

func (b *builder) op(op ir.Op, x, y *ir.Value) *ir.Value {
	t := ir.Int
	if op == ir.OpAdd && (x.Type == ir.Ptr || y.Type == ir.Ptr) {
		t = ir.Ptr
	}
	return b.add(op, t, x, y)
}

func (b *builder) opi(op ir.Op, x *ir.Value, n int64) *ir.Value { return b.op(op, x, b.konst(n)) }

func (b *builder) width(op ir.Op, w int, x *ir.Value) *ir.Value {
	v := b.add(op, ir.Int, x)
	v.Width = w
	return v
}

func (b *builder) swap(w int, x *ir.Value) *ir.Value {
	if w == 1 {
		return x
	}
	return b.width(ir.OpSwap, w, x)
}

func (b *builder) cmp(c ir.Cond, x, y *ir.Value) *ir.Value {
	v := b.add(ir.OpCmp, ir.Int, x, y)
	v.Cond = c
	return v
}

func (b *builder) load(w int, p *ir.Value, off int) *ir.Value {
	v := b.add(ir.OpLoad, ir.Int, p)
	v.Width, v.Off = w, off
	return v
}

func (b *builder) store(w int, p *ir.Value, off int, x *ir.Value) {
	v := b.add(ir.OpStore, ir.Void, p, x)
	v.Width, v.Off = w, off
}

func (b *builder) slot(name string, size, align int) *ir.Value {
	v := b.add(ir.OpSlot, ir.Ptr)
	v.Slot = b.fn.NewSlot(name, size, align, b.pos)
	return v
}

func (b *builder) call(id int64, name string, t ir.Type, args ...*ir.Value) *ir.Value {
	v := b.add(ir.OpCall, t, args...)
	v.Imm, v.Sym = id, name
	return v
}

func (b *builder) callFunc(f *ir.Func, args ...*ir.Value) *ir.Value {
	v := b.add(ir.OpCallFunc, ir.Int, args...)
	v.Func, v.Sym = f, f.Name
	return v
}

// chilled runs f with all blocks that it makes marked as rarely reached.
func (b *builder) chilled(f func()) {
	was := b.cold
	b.cold = true
	f()
	b.cold = was
}
