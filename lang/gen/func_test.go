package gen

import (
	"strings"
	"testing"

	"weir/lang/ir"
)

// cpu calls get_smp_processor_id and gives 0 that the optimiser cannot see.
func (m *maker) cpu() *ir.Value {
	return m.i(ir.OpMul, m.helper(8, "get_smp_processor_id", ir.Int), m.c(0))
}

func TestPressure(t *testing.T) {
	m := xdp(128)
	var vals []*ir.Value
	for i := range 30 {
		vals = append(vals, m.load(m.data, 2*i, 4))
	}
	sum := m.cpu() // all live across a call
	for i, v := range vals {
		sum = m.i(ir.OpAdd, m.i(ir.OpMul, sum, m.c(3)), m.i(ir.OpXor, v, vals[len(vals)-1-i]))
	}
	m.pass(sum)
	check(t, program(m.f), packets(1)...)
}

// loop builds a loop of n rounds over the given phis; step gives their next
// values.
func (m *maker) loop(n int64, init []*ir.Value, step func(phis []*ir.Value) []*ir.Value) []*ir.Value {
	zero := m.c(0)
	head, body, exit := m.f.NewBlock(), m.f.NewBlock(), m.f.NewBlock()
	m.b.Jump(head)
	m.b = head
	i := m.i(ir.OpPhi, zero)
	var phis []*ir.Value
	for _, v := range init {
		phis = append(phis, m.i(ir.OpPhi, v))
	}
	m.b.If(ir.ULt, i, m.c(n), body, exit)
	m.b = body
	next := step(phis)
	i.Args = append(i.Args, m.i(ir.OpAdd, i, m.c(1)))
	for k, v := range next {
		phis[k].Args = append(phis[k].Args, v)
	}
	m.b.Jump(head)
	m.b = exit
	return phis
}

func TestSwapProblem(t *testing.T) {
	m := xdp(128)
	phis := m.loop(5, []*ir.Value{m.load(m.data, 0, 4), m.load(m.data, 4, 4), m.load(m.data, 8, 4)}, func(p []*ir.Value) []*ir.Value {
		return []*ir.Value{p[1], p[0], p[1]}
	})
	m.pass(m.i(ir.OpAdd, m.i(ir.OpMul, phis[0], m.c(1000)), m.i(ir.OpAdd, m.i(ir.OpMul, phis[1], m.c(3)), phis[2])))
	check(t, program(m.f), packets(2)...)
}

// TestSpilledSwap exchanges many values in a loop with a call, so that the ring
// of moves goes through the stack.
func TestSpilledSwap(t *testing.T) {
	m := xdp(128)
	var init []*ir.Value
	for i := range 16 {
		init = append(init, m.load(m.data, 4*i, 4))
	}
	phis := m.loop(3, init, func(p []*ir.Value) []*ir.Value {
		m.cpu()
		return append(append([]*ir.Value{}, p[1:]...), p[0])
	})
	sum := m.c(0)
	for _, v := range phis {
		sum = m.i(ir.OpAdd, m.i(ir.OpMul, sum, m.c(7)), v)
	}
	m.pass(sum)
	check(t, program(m.f), packets(3)...)
}

func TestLostCopy(t *testing.T) {
	m := xdp(128)
	var old *ir.Value
	m.loop(4, []*ir.Value{m.load(m.data, 0, 4)}, func(p []*ir.Value) []*ir.Value {
		old = p[0]
		return []*ir.Value{m.i(ir.OpAdd, p[0], m.c(1))}
	})
	m.pass(old)
	check(t, program(m.f), packets(4)...)
}

func TestCalls(t *testing.T) {
	t.Run("xdp", func(t *testing.T) { testCalls(t, xdp(128)) })
	t.Run("tc", func(t *testing.T) { testCalls(t, tc(128)) })
}

func testCalls(t *testing.T, m *maker) {
	static := newMaker("static add", ir.Static, 3)
	a, b, c := static.param(0, ir.Int), static.param(1, ir.Int), static.param(2, ir.Int)
	x := static.cpu()
	static.b.Return(static.i(ir.OpAdd, static.i(ir.OpSub, a, b), static.i(ir.OpAdd, static.i(ir.OpMul, c, static.c(5)), x)))

	global := newMaker("global", ir.Global, 2)
	global.f.Context = m.f.Context
	global.param(0, ir.Ptr)
	global.b.Return(global.i(ir.OpMul, global.param(1, ir.Int), global.c(77)))

	v, w := m.load(m.data, 0, 8), m.load(m.data, 8, 8)
	r := m.call(static.f, v, w, m.call(static.f, w, v, m.c(9)))
	r = m.i(ir.OpXor, r, m.call(global.f, m.ctx, w))
	m.pass(m.i(ir.OpAdd, r, v))
	check(t, program(m.f, static.f, global.f), packets(5)...)
}

func TestCallbacks(t *testing.T) {
	body := newMaker("body", ir.Callback, 2)
	i, ctx := body.param(0, ir.Int), body.param(1, ir.Ptr)
	body.store(ctx, 0, 8, body.i(ir.OpAdd, body.load(ctx, 0, 8), body.i(ir.OpMul, i, i)))
	body.b.Return(body.i(ir.OpCmp, body.i(ir.OpAnd, i, body.c(7)), body.c(6)))

	each := newMaker("each", ir.Callback, 4)
	value, out := each.param(2, ir.Ptr), each.param(3, ir.Ptr)
	each.store(out, 0, 8, each.i(ir.OpAdd, each.load(out, 0, 8), each.i(ir.OpAdd, each.load(value, 0, 8), each.c(11))))
	each.b.Return(each.c(0))

	m := xdp(128)
	s := m.newSlot("sum", 8)
	m.store(m.slot(s), 0, 8, m.load(m.data, 0, 8))
	n := m.helper(181, "loop", ir.Int, m.c(100), m.addr(body.f), m.slot(s), m.c(0))
	mp := &ir.Map{Name: "array", Kind: ir.Array, KeySize: 4, ValueSize: 8, MaxEntries: 5}
	ptr := m.op(ir.OpMapPtr, ir.Ptr)
	ptr.Map = mp
	k := m.helper(164, "for_each_map_elem", ir.Int, ptr, m.addr(each.f), m.slot(s), m.c(0))
	m.pass(m.i(ir.OpAdd, m.load(m.slot(s), 0, 8), m.i(ir.OpMul, m.i(ir.OpAdd, n, k), m.c(1<<40))))
	p := program(m.f, body.f, each.f)
	p.Maps = []*ir.Map{mp}
	check(t, p, packets(6)...)
}

// TestColdCall checks that a call in a cold block costs the rest nothing: no
// access to the stack.
func TestColdCall(t *testing.T) {
	m := xdp(128)
	var vals []*ir.Value
	for i := range 7 {
		vals = append(vals, m.load(m.data, 8*i, 8))
	}
	cold, join := m.f.NewBlock(), m.f.NewBlock()
	cold.Cold = true
	m.b.If(ir.Eq, vals[0], m.c(0), cold, join)
	m.b = cold
	x := m.cpu()
	m.b.Jump(join)
	m.b = join
	sum := m.i(ir.OpPhi, vals[0], x)
	sum.Args[0], sum.Args[1] = vals[0], x
	for _, v := range vals {
		sum = m.i(ir.OpAdd, m.i(ir.OpMul, sum, m.c(31)), v)
	}
	m.pass(sum)
	p := program(m.f)
	code, _ := Generate(p)
	for i, n := range code.Insns {
		if n.Op == exitOp {
			break // the end of what is not cold
		}
		if n.Op&7 >= classSt && n.Dst == frameReg || n.Op&7 == classLdx && n.Src == frameReg {
			t.Errorf("instruction %d uses the stack\n%s", i, code)
		}
	}
	check(t, p, packets(7)...)
}

func TestLongJump(t *testing.T) {
	m := xdp(128)
	v := m.load(m.data, 0, 8)
	far, end := m.f.NewBlock(), m.f.NewBlock()
	far.Cold = false
	m.b.If(ir.Eq, m.load(m.data, 8, 1), m.c(0), end, far)
	start := m.b
	m.b = far
	x := v
	for range 90 {
		for range 500 {
			x = m.i(ir.OpAdd, m.i(ir.OpXor, x, v), m.c(12345))
		}
		next := m.f.NewBlock()
		m.b.Jump(next)
		m.b = next
	}
	m.b.Jump(end)
	m.b = end
	y := m.i(ir.OpPhi, v, x)
	if m.b.Preds[0] != start {
		t.Fatal("order of edges")
	}
	m.pass(y)
	check(t, program(m.f), packets(8)...)
}

// TestSizeArg: a size that is computed gets an addition of nothing before the call, by
// which Linux 6.12 finds its range again; one that is known gets none.
func TestSizeArg(t *testing.T) {
	for _, computed := range []bool{true, false} {
		m := xdp(128)
		size := m.c(4)
		if computed {
			size = m.i(ir.OpAdd, m.i(ir.OpAnd, m.load(m.data, 0, 1), m.c(3)), m.c(1))
		}
		buf := m.slot(m.newSlot("buf", 8))
		m.store(buf, 0, 8, m.c(0))
		m.helper(189, "xdp_load_bytes", ir.Int, m.ctx, m.c(0), buf, size)
		m.pass(m.c(0))
		code, ds := Generate(program(m.f))
		if ds.Err() != nil {
			t.Fatal(ds)
		}
		if got := strings.Contains(code.String(), "r4 += 0\n"); got != computed {
			t.Errorf("computed: %t, an addition of nothing: %t\n%s", computed, got, code)
		}
	}
}

// TestIslandBehindNothing: an island may stand behind a block of which no code is left,
// and is jumped over there, too.
func TestIslandBehindNothing(t *testing.T) {
	empty, next := &mblock{id: 1}, &mblock{id: 2}
	island := segment{&mblock{id: -1}, []output{{Insn: Insn{Op: jumpOp}, target: next}}}
	got := insert([]segment{{b: empty}, {b: next}}, map[int][]segment{1: {island}})
	if len(got) != 3 || len(got[0].code) != 1 || got[0].code[0].Op != jumpOp || got[0].code[0].target != next {
		t.Errorf("%d segments, want a jump to the last in the first: %+v", len(got), got)
	}
}

// TestUnlinked: a constant and a number that lives on are added the other way round, so that
// Linux 6.12 links the sum to nothing; where the number ends there is nothing to link.
func TestUnlinked(t *testing.T) {
	for _, livesOn := range []bool{true, false} {
		m := xdp(128)
		x := m.load(m.data, 0, 1)
		sum := m.i(ir.OpAdd, x, m.c(77))
		if livesOn {
			sum = m.i(ir.OpMul, sum, x)
		}
		m.pass(sum)
		code, ds := Generate(program(m.f))
		if ds.Err() != nil {
			t.Fatal(ds)
		}
		if got := !strings.Contains(code.String(), " += 77\n"); got != livesOn {
			t.Errorf("lives on: %t, added to the constant: %t\n%s", livesOn, got, code)
		}
		check(t, program(m.f), packets(4)...)
	}
}
