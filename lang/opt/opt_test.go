package opt

import (
	"fmt"
	"strings"
	"testing"

	"weir/lang/diag"
	"weir/lang/ir"
)

// A builder makes the functions of these tests: an entry with the packet's
// start and end.
type builder struct {
	f         *ir.Func
	b         *ir.Block
	data, end *ir.Value
}

func build() *builder {
	x := &builder{f: ir.NewFunc("f", ir.Entry, 1)}
	x.f.Context = "xdp_md"
	x.b = x.f.NewBlock()
	ctx := x.op(ir.OpParam, ir.Ptr)
	x.data, x.end = x.op(ir.OpPktData, ir.Ptr, ctx), x.op(ir.OpPktEnd, ir.Ptr, ctx)
	return x
}

func (x *builder) op(op ir.Op, t ir.Type, args ...*ir.Value) *ir.Value {
	return x.b.Add(op, t, diag.Pos{}, args...)
}

func (x *builder) i(op ir.Op, args ...*ir.Value) *ir.Value { return x.op(op, ir.Int, args...) }

func (x *builder) w(op ir.Op, width int, args ...*ir.Value) *ir.Value {
	v := x.i(op, args...)
	v.Width = width
	return v
}

func (x *builder) cmp(c ir.Cond, a, b *ir.Value) *ir.Value {
	v := x.i(ir.OpCmp, a, b)
	v.Cond = c
	return v
}

func (x *builder) c(n int64) *ir.Value {
	v := x.i(ir.OpConst)
	v.Imm = n
	return v
}

func (x *builder) load(off, width int) *ir.Value {
	v := x.w(ir.OpLoad, width, x.data)
	v.Off = off
	return v
}

func (x *builder) ret(n int64) *ir.Block {
	b := x.f.NewBlock()
	old := x.b
	x.b = b
	b.Return(x.c(n))
	x.b = old
	return b
}

// need goes on where n octets from p on are there, and to fail if not.
func (x *builder) need(p *ir.Value, n int64, fail *ir.Block) {
	ok := x.f.NewBlock()
	x.b.If(ir.UGt, x.op(ir.OpAdd, ir.Ptr, p, x.c(n)), x.end, fail, ok)
	x.b = ok
}

func text(t *testing.T, f *ir.Func) string {
	t.Helper()
	if err := ir.Verify(f); err != nil {
		t.Fatalf("%v\n%s", err, f)
	}
	return f.String()
}

func optimised(t *testing.T, f *ir.Func) string {
	t.Helper()
	Run(&ir.Program{Funcs: []*ir.Func{f}}, Options{})
	return text(t, f)
}

// TestFold looks for what must be in the function's text afterwards; v3 is a
// load of two octets, v4 one of eight.
func TestFold(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(x *builder, h, w *ir.Value) *ir.Value
		want string
	}{
		{"constants", func(x *builder, h, w *ir.Value) *ir.Value { return x.i(ir.OpMul, x.c(6), x.c(7)) }, "const 42"},
		{"division by zero", func(x *builder, h, w *ir.Value) *ir.Value { return x.i(ir.OpDiv, x.c(6), x.c(0)) }, "const 0"},
		{"x + 0", func(x *builder, h, w *ir.Value) *ir.Value { return x.i(ir.OpAdd, w, x.c(0)) }, "return v4"},
		{"x - x", func(x *builder, h, w *ir.Value) *ir.Value { return x.i(ir.OpSub, w, w) }, "const 0"},
		{"x * 8", func(x *builder, h, w *ir.Value) *ir.Value { return x.i(ir.OpMul, w, x.c(8)) }, "shl v4"},
		{"x / 8", func(x *builder, h, w *ir.Value) *ir.Value { return x.i(ir.OpDiv, w, x.c(8)) }, "shr v4"},
		{"x % 8", func(x *builder, h, w *ir.Value) *ir.Value { return x.i(ir.OpMod, w, x.c(8)) }, "and v4"},
		{"sum of constants", func(x *builder, h, w *ir.Value) *ir.Value {
			return x.i(ir.OpAdd, x.i(ir.OpAdd, w, x.c(8)), x.c(9))
		}, "const 17"},
		{"mask of a load", func(x *builder, h, w *ir.Value) *ir.Value { return x.i(ir.OpAnd, h, x.c(0xffff)) }, "return v3"},
		{"extension of a load", func(x *builder, h, w *ir.Value) *ir.Value { return x.w(ir.OpZExt, 4, h) }, "return v3"},
		{"shift of all bits", func(x *builder, h, w *ir.Value) *ir.Value { return x.i(ir.OpShr, h, x.c(16)) }, "const 0"},
		{"low bits cleared", func(x *builder, h, w *ir.Value) *ir.Value {
			return x.i(ir.OpShl, x.i(ir.OpShr, w, x.c(4)), x.c(4))
		}, "const -16"},
		{"swap back", func(x *builder, h, w *ir.Value) *ir.Value { return x.w(ir.OpSwap, 2, x.w(ir.OpSwap, 2, h)) }, "return v3"},
		{"compare in wire order", func(x *builder, h, w *ir.Value) *ir.Value {
			return x.cmp(ir.Eq, x.w(ir.OpSwap, 2, h), x.c(0x0800))
		}, "cmp eq, v3"},
		{"swap drops bits", func(x *builder, h, w *ir.Value) *ir.Value {
			return x.cmp(ir.Eq, x.w(ir.OpSwap, 2, w), x.c(0x0800))
		}, "swap2 v4"},
		{"too large to be equal", func(x *builder, h, w *ir.Value) *ir.Value { return x.cmp(ir.Eq, h, x.c(1<<16)) }, "const 0"},
		{"signed of unsigned", func(x *builder, h, w *ir.Value) *ir.Value { return x.cmp(ir.SLt, h, x.c(99)) }, "cmp ult"},
		{"never negative", func(x *builder, h, w *ir.Value) *ir.Value { return x.cmp(ir.SGe, h, x.c(0)) }, "const 1"},
		{"not", func(x *builder, h, w *ir.Value) *ir.Value {
			return x.i(ir.OpXor, x.cmp(ir.ULt, h, w), x.c(1))
		}, "cmp uge, v3, v4"},
		{"fresh is not folded", func(x *builder, h, w *ir.Value) *ir.Value {
			v := x.i(ir.OpXor, x.c(0), w)
			v.Fresh = true
			return v
		}, "xor v4"},
		{"fresh is not shared", func(x *builder, h, w *ir.Value) *ir.Value {
			u, v := x.i(ir.OpXor, h, w), x.i(ir.OpXor, h, w)
			u.Fresh, v.Fresh = true, true
			return x.cmp(ir.Eq, u, v)
		}, "cmp eq"},
		{"some bit", func(x *builder, h, w *ir.Value) *ir.Value {
			return x.cmp(ir.Ne, x.i(ir.OpAnd, w, x.c(12)), x.c(0))
		}, "cmp test, v4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := build()
			h, w := x.load(0, 2), x.load(8, 8)
			x.b.Return(c.make(x, h, w))
			for range 3 {
				fold(x.f)
				cse(x.f)
			}
			dce(x.f)
			if got := text(t, x.f); !strings.Contains(got, c.want) {
				t.Errorf("no %q in\n%s", c.want, got)
			}
		})
	}
}

func TestBoundsDominated(t *testing.T) {
	x := build()
	drop, pass := x.ret(1), x.ret(2)
	x.need(x.data, 54, drop)
	v := x.load(12, 2)
	ip := x.op(ir.OpAdd, ir.Ptr, x.data, x.c(14))
	x.need(ip, 20, pass)
	x.b.Return(v)
	if got := optimised(t, x.f); strings.Count(got, "if ") != 1 {
		t.Errorf("a check is left over in\n%s", got)
	}
}

func TestBoundsMerged(t *testing.T) {
	x := build()
	drop := x.ret(1)
	x.need(x.data, 14, drop)
	x.need(x.data, 34, drop)
	x.need(x.data, 54, drop)
	x.b.Return(x.load(50, 4))
	if got := optimised(t, x.f); strings.Count(got, "if ") != 1 || !strings.Contains(got, "const 54") {
		t.Errorf("checks are left over in\n%s", got)
	}
}

// TestBoundsKept: the checks fail to different places, or something happens in
// between.
func TestBoundsKept(t *testing.T) {
	x := build()
	drop, pass := x.ret(1), x.ret(2)
	x.need(x.data, 14, drop)
	x.need(x.data, 34, pass)
	x.b.Return(x.load(30, 4))
	if got := optimised(t, x.f); strings.Count(got, "if ") != 2 {
		t.Errorf("a check is gone in\n%s", got)
	}
	x = build()
	drop = x.ret(1)
	x.need(x.data, 14, drop)
	x.op(ir.OpStore, ir.Void, x.data, x.c(1)).Width = 1
	x.need(x.data, 34, drop)
	x.b.Return(x.load(30, 4))
	if got := optimised(t, x.f); strings.Count(got, "if ") != 2 {
		t.Errorf("a check is gone in\n%s", got)
	}
}

// TestBoundsAfterChange: a packet that may have moved is checked again.
func TestBoundsAfterChange(t *testing.T) {
	x := build()
	drop := x.ret(1)
	x.need(x.data, 54, drop)
	x.i(ir.OpCall, x.f.Blocks[0].Values[0]).Imm = 39
	ctx := x.f.Blocks[0].Values[0]
	x.data, x.end = x.op(ir.OpPktData, ir.Ptr, ctx), x.op(ir.OpPktEnd, ir.Ptr, ctx)
	x.need(x.data, 20, drop)
	x.b.Return(x.load(12, 2))
	if got := optimised(t, x.f); strings.Count(got, "if ") != 2 {
		t.Errorf("a check is gone in\n%s", got)
	}
}

func TestNullCheckOnce(t *testing.T) {
	x := build()
	p := x.op(ir.OpCall, ir.Ptr)
	p.Imm = 1
	none := x.ret(1)
	for range 2 {
		hit := x.f.NewBlock()
		x.b.If(ir.Ne, p, x.c(0), hit, none)
		x.b = hit
	}
	x.b.Return(x.w(ir.OpLoad, 8, p))
	if got := optimised(t, x.f); strings.Count(got, "if ") != 1 {
		t.Errorf("checked twice in\n%s", got)
	}
}

// TestShortCircuit is "a and b" whose value, a phi of constants, is tested: each
// test must lead straight to its end.
func TestShortCircuit(t *testing.T) {
	x := build()
	a, b := x.load(0, 1), x.load(1, 1)
	yes, no := x.ret(1), x.ret(2)
	more, join := x.f.NewBlock(), x.f.NewBlock()
	zero := x.c(0)
	x.b.If(ir.Ne, a, zero, more, join)
	x.b = more
	second := x.cmp(ir.ULt, b, x.c(9))
	more.Jump(join)
	x.b = join
	phi := x.i(ir.OpPhi, zero, second)
	join.If(ir.Ne, phi, zero, yes, no)
	got := optimised(t, x.f)
	if strings.Contains(got, "phi") || strings.Contains(got, "cmp") || strings.Count(got, "if ") != 2 {
		t.Errorf("not straight:\n%s", got)
	}
}

// The offset of what a list has at an index is made of the very value that was compared
// with the length: of another the verifier knows no bound.
func TestIndexKeepsItsBound(t *testing.T) {
	for name, op := range map[string]ir.Op{"after a shift to the left": ir.OpShl, "after a shift to the right": ir.OpShr} {
		x := build()
		x.need(x.data, 54, x.ret(1))
		index := x.i(op, x.load(0, 2), x.c(3))
		in := x.f.NewBlock()
		x.b.If(ir.ULt, index, x.c(33), in, x.ret(0))
		x.b = in
		in.Return(x.i(ir.OpShl, index, x.c(3)))
		got := optimised(t, x.f)
		if want := fmt.Sprintf("shl v%d", index.ID); !strings.Contains(got, want) {
			t.Errorf("%s: no %s in\n%s", name, want, got)
		}
	}
}

// keyed builds a lookup by a key of its own that holds n.
func (x *builder) keyed(m *ir.Map, n *ir.Value) *ir.Value {
	a := x.op(ir.OpSlot, ir.Ptr)
	a.Slot = x.f.NewSlot("key", 4, 4, diag.Pos{})
	x.op(ir.OpStore, ir.Void, a, n).Width = 4
	p := x.op(ir.OpMapPtr, ir.Ptr)
	p.Map = m
	v := x.op(ir.OpCall, ir.Ptr, p, a)
	v.Imm, v.Sym = mapLookup, "map_lookup_elem"
	return v
}

func TestLookupsOfOneKeyAreJoined(t *testing.T) {
	m := &ir.Map{Name: "m", Kind: ir.Hash, KeySize: 4, ValueSize: 8, MaxEntries: 4}
	for name, change := range map[string]bool{"alone": false, "after a change": true} {
		x := build()
		x.need(x.data, 54, x.ret(1))
		n := x.load(0, 4)
		first := x.keyed(m, n)
		if change {
			k := first.Args[1]
			d := x.i(ir.OpCall, first.Args[0], k)
			d.Imm, d.Sym = mapDelete, "map_delete_elem"
		}
		second := x.keyed(m, n)
		x.b.Return(x.i(ir.OpAdd, x.cmp(ir.Ne, first, x.c(0)), x.cmp(ir.Ne, second, x.c(0))))
		want := 1
		if change {
			want = 2
		}
		got := optimised(t, x.f)
		if strings.Count(got, "map_lookup_elem") != want || strings.Count(got, "store4") != 1 {
			t.Errorf("%s: want %d lookups of one key in\n%s", name, want, got)
		}
	}
}

// A test that some ways decide is tested on the others alone, also where what
// it tests is used behind it.
func TestThreadPastATest(t *testing.T) {
	x := build()
	drop := x.ret(1)
	x.need(x.data, 54, drop)
	n := x.load(0, 4)
	from, there, join, yes := x.b, x.f.NewBlock(), x.f.NewBlock(), x.f.NewBlock()
	from.If(ir.Eq, n, x.c(3), there, join)
	there.Jump(join)
	x.b = join
	zero := from.NewValue(ir.OpConst, ir.Int, diag.Pos{})
	from.Values = append(from.Values, zero)
	phi := x.op(ir.OpPhi, ir.Ptr, zero, x.data)
	if join.Preds[0] == there {
		phi.Args[0], phi.Args[1] = x.data, zero
	}
	join.If(ir.Ne, phi, zero, yes, drop)
	x.b = yes
	v := x.w(ir.OpLoad, 1, phi)
	x.b.Return(v)
	if got := optimised(t, x.f); strings.Contains(got, "phi") || strings.Count(got, "if ") != 2 {
		t.Errorf("want two tests and no phi in\n%s", got)
	}
}

func TestDumpAndStop(t *testing.T) {
	x := build()
	x.b.Return(x.i(ir.OpAdd, x.c(1), x.c(2)))
	var seen []string
	Run(&ir.Program{Funcs: []*ir.Func{x.f}}, Options{Stop: "cse", Dump: func(pass string) { seen = append(seen, pass) }})
	if got := strings.Join(seen, " "); got != "fold cse" {
		t.Errorf("passes seen: %q", got)
	}
}
