package gen

import (
	"weir/lang/diag"
	"weir/lang/ir"
)

// A maker builds functions by hand. Every value gets a line of its own.
type maker struct {
	f         *ir.Func
	b         *ir.Block
	line      int
	ctx       *ir.Value
	data, end *ir.Value
}

// xdp starts an entry whose packet has been found to have n octets; shorter
// packets make it return 1.
func xdp(n int64) *maker { return entry("xdp_md", 0, 4, n) }

// tc is xdp at tc.
func tc(n int64) *maker { return entry("__sk_buff", 76, 80, n) }

func entry(context string, data, end int, n int64) *maker {
	m := newMaker("entry", ir.Entry, 1)
	m.f.Context = context
	m.ctx = m.op(ir.OpParam, ir.Ptr)
	m.data, m.end = m.op(ir.OpPktData, ir.Ptr, m.ctx), m.op(ir.OpPktEnd, ir.Ptr, m.ctx)
	m.data.Off, m.end.Off = data, end
	short, ok := m.f.NewBlock(), m.f.NewBlock()
	short.Cold = true
	m.b.If(ir.UGt, m.op(ir.OpAdd, ir.Ptr, m.data, m.c(n)), m.end, short, ok)
	m.b = short
	short.Return(m.c(1))
	m.b = ok
	return m
}

func newMaker(name string, l ir.Linkage, params int) *maker {
	m := &maker{f: ir.NewFunc(name, l, params)}
	m.f.Pos = m.pos()
	m.b = m.f.NewBlock()
	return m
}

func (m *maker) pos() diag.Pos {
	m.line++
	return diag.Pos{File: "hand.weir", Line: m.line, Col: 5}
}

func (m *maker) op(op ir.Op, t ir.Type, args ...*ir.Value) *ir.Value {
	return m.b.Add(op, t, m.pos(), args...)
}

func (m *maker) i(op ir.Op, args ...*ir.Value) *ir.Value { return m.op(op, ir.Int, args...) }

func (m *maker) c(n int64) *ir.Value {
	v := m.i(ir.OpConst)
	v.Imm = n
	return v
}

func (m *maker) param(n int64, t ir.Type) *ir.Value {
	v := m.op(ir.OpParam, t)
	v.Imm = n
	return v
}

func (m *maker) load(p *ir.Value, off, width int) *ir.Value {
	v := m.i(ir.OpLoad, p)
	v.Off, v.Width = off, width
	return v
}

func (m *maker) store(p *ir.Value, off, width int, x *ir.Value) {
	v := m.op(ir.OpStore, ir.Void, p, x)
	v.Off, v.Width = off, width
}

func (m *maker) slot(s *ir.Slot) *ir.Value {
	v := m.op(ir.OpSlot, ir.Ptr)
	v.Slot = s
	return v
}

func (m *maker) newSlot(name string, size int) *ir.Slot { return m.f.NewSlot(name, size, 8, m.pos()) }

// helper calls kernel helper id.
func (m *maker) helper(id int64, name string, t ir.Type, args ...*ir.Value) *ir.Value {
	v := m.op(ir.OpCall, t, args...)
	v.Imm, v.Sym = id, name
	return v
}

func (m *maker) call(f *ir.Func, args ...*ir.Value) *ir.Value {
	v := m.i(ir.OpCallFunc, args...)
	v.Func = f
	return v
}

func (m *maker) addr(f *ir.Func) *ir.Value {
	v := m.op(ir.OpFuncAddr, ir.Ptr)
	v.Func = f
	return v
}

// pass stores x to the packet's first octets and returns XDP_PASS.
func (m *maker) pass(x *ir.Value) {
	m.store(m.data, 0, 8, x)
	m.b.Return(m.c(2))
}

func program(funcs ...*ir.Func) *ir.Program { return &ir.Program{Funcs: funcs} }
