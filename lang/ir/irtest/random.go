package irtest

import (
	"math/rand/v2"

	"weir/lang/diag"
	"weir/lang/ir"
)

// PacketSize is the least packet that a random program takes, in octets: it
// reads its inputs from it and writes its results over them.
const PacketSize = 128

const numVars = 8

// XDP facts that the programs use: place of data and data_end in struct xdp_md,
// and the verdict that they return.
const (
	xdpData    = 0
	xdpDataEnd = 4
	xdpPass    = 2
)

// A generator grows a random function. Its variables stand for those of a
// source: joins of control flow merge them with phis.
type generator struct {
	*rand.Rand
	p      *ir.Program
	f      *ir.Func
	b      *ir.Block
	vars   []*ir.Value
	depth  int
	budget int
	slots  []*ir.Slot
	array  *ir.Map
	global *ir.Map
	line   int
	loops  int // product of the trips of the loops around
}

// Random returns a program for XDP, the same for the same seed. It writes
// numVars words to the packet's start; size is about the number of operations.
func Random(seed uint64, size int) *ir.Program {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 1)), p: &ir.Program{}, budget: size, loops: 1}
	g.array = &ir.Map{Name: "array", Kind: ir.Array, KeySize: 4, ValueSize: 16, MaxEntries: 4}
	g.global = &ir.Map{Name: "global", Kind: ir.Array, KeySize: 4, ValueSize: 16, MaxEntries: 1}
	g.p.Maps = []*ir.Map{g.array, g.global}
	g.f = ir.NewFunc("entry", ir.Entry, 1)
	g.f.Context = "xdp_md"
	g.p.Funcs = []*ir.Func{g.f}
	g.b = g.f.NewBlock()
	ctx := g.add(ir.OpParam, ir.Ptr)
	data, end := g.add(ir.OpPktData, ir.Ptr, ctx), g.add(ir.OpPktEnd, ir.Ptr, ctx)
	data.Off, end.Off = xdpData, xdpDataEnd
	short, ok := g.f.NewBlock(), g.f.NewBlock()
	short.Cold = true
	g.b.If(ir.UGt, g.add(ir.OpAdd, ir.Ptr, data, g.c(PacketSize)), end, short, ok)
	g.b = short
	short.Return(g.c(1))
	g.b = ok
	for i := range numVars {
		v := g.add(ir.OpLoad, ir.Int, data)
		v.Width, v.Off = []int{1, 2, 4, 8}[g.IntN(4)], 8*i
		g.vars = append(g.vars, v)
	}
	for i := range 1 + g.IntN(3) {
		s := g.f.NewSlot("s", 8*(1+g.IntN(3)), 8, diag.Pos{})
		g.slots = append(g.slots, s)
		for k := 0; k < s.Size; k += 8 {
			g.store(g.slotPtr(s), k, 8, g.vars[i])
		}
	}
	for g.budget > 0 {
		g.statement()
	}
	for i, v := range g.vars {
		g.store(data, 8*i, 8, v)
	}
	g.b.Return(g.c(xdpPass))
	return g.p
}

func (g *generator) pos() diag.Pos {
	g.line++
	return diag.Pos{File: "random.weir", Line: g.line, Col: g.line%80 + 1}
}

func (g *generator) add(op ir.Op, t ir.Type, args ...*ir.Value) *ir.Value {
	return g.b.Add(op, t, g.pos(), args...)
}

func (g *generator) c(n int64) *ir.Value {
	v := g.add(ir.OpConst, ir.Int)
	v.Imm = n
	return v
}

func (g *generator) slotPtr(s *ir.Slot) *ir.Value {
	v := g.add(ir.OpSlot, ir.Ptr)
	v.Slot = s
	return v
}

func (g *generator) store(p *ir.Value, off, width int, x *ir.Value) {
	v := g.add(ir.OpStore, ir.Void, p, x)
	v.Off, v.Width = off, width
}

func (g *generator) pick() *ir.Value { return g.vars[g.IntN(len(g.vars))] }

func (g *generator) set(v *ir.Value) { g.vars[g.IntN(len(g.vars))] = v }

// constant favours what is special.
func (g *generator) constant() int64 {
	switch g.IntN(6) {
	case 0:
		return int64(g.IntN(4))
	case 1:
		return 1 << g.IntN(64)
	case 2:
		return 1<<g.IntN(64) - 1
	case 3:
		return -int64(g.IntN(300))
	case 4:
		return int64(g.Uint32())
	}
	return int64(g.Uint64())
}

func (g *generator) operand() *ir.Value {
	if g.IntN(3) == 0 {
		return g.c(g.constant())
	}
	return g.pick()
}

func (g *generator) statement() {
	g.budget--
	switch n := g.IntN(20); {
	case n < 10:
		g.arith()
	case n < 12 && g.depth < 4:
		g.branch()
	case n < 13 && g.depth < 3 && g.loops <= 4:
		g.loop()
	case n < 15:
		g.memory()
	case n < 17:
		g.lookup()
	case n < 18:
		call := g.add(ir.OpCall, ir.Int)
		call.Imm, call.Sym = 8, "get_smp_processor_id"
		g.set(g.add(ir.OpXor, ir.Int, g.pick(), g.add(ir.OpMul, ir.Int, call, g.c(0))))
	default:
		g.set(g.operand())
	}
}

func (g *generator) arith() {
	ops := []ir.Op{ir.OpAdd, ir.OpSub, ir.OpMul, ir.OpDiv, ir.OpMod, ir.OpAnd, ir.OpOr, ir.OpXor,
		ir.OpShl, ir.OpShr, ir.OpSar, ir.OpNeg, ir.OpSwap, ir.OpZExt, ir.OpSExt, ir.OpCmp}
	op := ops[g.IntN(len(ops))]
	var v *ir.Value
	switch op {
	case ir.OpNeg:
		v = g.add(op, ir.Int, g.operand())
	case ir.OpSwap:
		v = g.add(op, ir.Int, g.operand())
		v.Width = []int{2, 4, 8}[g.IntN(3)]
	case ir.OpZExt, ir.OpSExt:
		v = g.add(op, ir.Int, g.operand())
		v.Width = []int{1, 2, 4}[g.IntN(3)]
	default:
		v = g.add(op, ir.Int, g.operand(), g.operand())
		v.Cond = ir.Cond(g.IntN(int(ir.Test) + 1))
	}
	g.set(v)
}

// condition ends the block with a random comparison.
func (g *generator) condition(then, els *ir.Block) {
	if g.IntN(4) == 0 {
		c := g.add(ir.OpCmp, ir.Int, g.operand(), g.operand())
		c.Cond = ir.Cond(g.IntN(int(ir.Test) + 1))
		g.b.If([]ir.Cond{ir.Ne, ir.Eq}[g.IntN(2)], c, g.c(int64(g.IntN(2))), then, els)
		return
	}
	x, y := g.operand(), g.operand()
	g.b.If(ir.Cond(g.IntN(int(ir.Test)+1)), x, y, then, els)
}

func (g *generator) body(n int) {
	g.depth++
	for range 1 + g.IntN(n) {
		g.statement()
	}
	g.depth--
}

func (g *generator) branch() {
	then, join := g.f.NewBlock(), g.f.NewBlock()
	els := join
	if g.IntN(3) > 0 {
		els = g.f.NewBlock()
	}
	then.Cold = g.IntN(3) == 0
	g.condition(then, els)
	var ways [][]*ir.Value
	before := append([]*ir.Value{}, g.vars...)
	if els == join {
		ways = append(ways, before)
	}
	for _, arm := range []*ir.Block{then, els} {
		if arm == join {
			continue
		}
		g.b = arm
		g.vars = append([]*ir.Value{}, before...)
		g.body(6)
		g.b.Jump(join)
		ways = append(ways, g.vars)
	}
	g.b = join
	g.vars = make([]*ir.Value, len(before))
	for i := range g.vars {
		args := make([]*ir.Value, len(ways))
		same := true
		for k, w := range ways {
			args[k] = w[i]
			same = same && w[i] == ways[0][i]
		}
		g.vars[i] = args[0]
		if !same {
			g.vars[i] = g.add(ir.OpPhi, ir.Int, args...)
		}
	}
}

// loop runs a body a fixed number of times, or until a condition ends it.
func (g *generator) loop() {
	trips := 1 + g.IntN(4)
	head, body, exit := g.f.NewBlock(), g.f.NewBlock(), g.f.NewBlock()
	zero := g.c(0)
	g.b.Jump(head)
	g.b = head
	i := g.add(ir.OpPhi, ir.Int, zero)
	phis := make([]*ir.Value, len(g.vars))
	for k, v := range g.vars {
		phis[k] = g.add(ir.OpPhi, ir.Int, v)
	}
	g.b.If(ir.ULt, i, g.c(int64(trips)), body, exit)
	g.b = body
	g.vars = append([]*ir.Value{}, phis...)
	if g.IntN(2) == 0 { // rotate: swaps and lost copies
		g.vars = append(g.vars[1:], g.vars[0])
	}
	g.loops *= trips
	g.body(5)
	g.loops /= trips
	next := g.add(ir.OpAdd, ir.Int, i, g.c(1))
	g.b.Jump(head)
	i.Args = append(i.Args, next)
	for k, v := range g.vars {
		phis[k].Args = append(phis[k].Args, v)
	}
	g.b = exit
	g.vars = append([]*ir.Value{}, phis...)
}

func (g *generator) memory() {
	s := g.slots[g.IntN(len(g.slots))]
	width := []int{1, 2, 4, 8}[g.IntN(4)]
	off := g.IntN(s.Size/width) * width
	p := g.slotPtr(s)
	if g.IntN(3) == 0 && off > 0 {
		p = g.add(ir.OpAdd, ir.Ptr, p, g.c(int64(off)))
		off = 0
	}
	if g.IntN(5) == 0 {
		p = g.add(ir.OpMapValue, ir.Ptr)
		p.Map, p.Imm = g.global, int64(8*g.IntN(2))
		off = 0
	}
	switch n := g.IntN(8); {
	case n < 3:
		g.store(p, off, width, g.operand())
	case n < 6 || width < 4:
		v := g.add(ir.OpLoad, ir.Int, p)
		v.Off, v.Width = off, width
		g.set(v)
	case n < 7:
		op := []ir.Op{ir.OpAtomicAdd, ir.OpAtomicOr, ir.OpAtomicAnd, ir.OpAtomicXor}[g.IntN(4)]
		v := g.add(op, ir.Void, p, g.operand())
		v.Off, v.Width = off, width
	default:
		v := g.add([]ir.Op{ir.OpFetchAdd, ir.OpAtomicXchg}[g.IntN(2)], ir.Int, p, g.operand())
		v.Off, v.Width = off, width
		g.set(v)
	}
}

// lookup counts in an entry of the array, if it is there.
func (g *generator) lookup() {
	key := g.f.NewSlot("key", 4, 4, diag.Pos{})
	p := g.slotPtr(key)
	g.store(p, 0, 4, g.add(ir.OpAnd, ir.Int, g.pick(), g.c(7)))
	m := g.add(ir.OpMapPtr, ir.Ptr)
	m.Map = g.array
	call := g.add(ir.OpCall, ir.Ptr, m, p)
	call.Imm, call.Sym = 1, "map_lookup_elem"
	hit, miss, join := g.f.NewBlock(), g.f.NewBlock(), g.f.NewBlock()
	miss.Cold = g.IntN(2) == 0
	g.b.If(ir.Ne, call, g.c(0), hit, miss)
	g.b = hit
	old := g.add(ir.OpLoad, ir.Int, call)
	old.Width, old.Off = 8, 8
	g.store(call, 8, 8, g.add(ir.OpAdd, ir.Int, old, g.pick()))
	g.b.Jump(join)
	g.b = miss
	other := g.operand()
	g.b.Jump(join)
	g.b = join
	g.set(g.add(ir.OpPhi, ir.Int, old, other))
}
