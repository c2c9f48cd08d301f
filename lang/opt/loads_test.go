package opt

import (
	"strings"
	"testing"

	"weir/lang/diag"
	"weir/lang/ir"
)

func TestLoadsAreSharedUntilAStore(t *testing.T) {
	x := build()
	drop := x.ret(1)
	x.need(x.data, 54, drop)
	a, b := x.load(0, 4), x.load(0, 4)
	x.op(ir.OpStore, ir.Void, x.data, a).Width = 2 // a half of it
	c := x.load(0, 4)
	x.b.Return(x.i(ir.OpAdd, x.i(ir.OpMul, a, b), c))
	if got := optimised(t, x.f); strings.Count(got, "load4") != 2 {
		t.Errorf("want two loads in\n%s", got)
	}
}

func TestLoadTakesWhatWasStored(t *testing.T) {
	x := build()
	drop := x.ret(1)
	x.need(x.data, 54, drop)
	s := x.op(ir.OpStore, ir.Void, x.data, x.load(8, 8))
	s.Width, s.Off = 2, 4
	x.b.Return(x.load(4, 2))
	if got := optimised(t, x.f); strings.Contains(got, "load2") || !strings.Contains(got, "zext2") && !strings.Contains(got, "and ") {
		t.Errorf("want the low half of what was stored in\n%s", got)
	}
}

// An address that the packet, another way and the stack have in common is the
// packet's as far as stores go.
func TestLoadAfterAStoreThroughAnotherAddress(t *testing.T) {
	x := build()
	drop := x.ret(1)
	x.need(x.data, 54, drop)
	slot := x.f.NewSlot("copy", 8, 8, diag.Pos{})
	a := x.op(ir.OpSlot, ir.Ptr)
	a.Slot = slot
	x.op(ir.OpStore, ir.Void, a, x.c(1)).Width = 8
	from, way, join := x.b, x.f.NewBlock(), x.f.NewBlock()
	before := x.load(0, 1)
	from.If(ir.Eq, before, x.c(3), way, join)
	way.Jump(join)
	x.b = join
	phi := x.op(ir.OpPhi, ir.Ptr, a, x.data)
	if join.Preds[0] == way {
		phi.Args[0], phi.Args[1] = a, x.data
	}
	x.op(ir.OpStore, ir.Void, phi, x.c(9)).Width = 1
	x.b.Return(x.i(ir.OpAdd, before, x.load(0, 1)))
	if got := optimised(t, x.f); strings.Count(got, "load1") != 2 {
		t.Errorf("want two loads in\n%s", got)
	}
}

// An address that goes round a loop may be that of the packet, whatever it is
// merged with on its way.
func TestLoadAfterAStoreThroughALoop(t *testing.T) {
	x := build()
	drop := x.ret(1)
	x.need(x.data, 54, drop)
	m := x.op(ir.OpMapValue, ir.Ptr)
	m.Map = &ir.Map{Name: "m", Kind: ir.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1}
	n := x.load(20, 1)
	head, other, latch, out := x.f.NewBlock(), x.f.NewBlock(), x.f.NewBlock(), x.f.NewBlock()
	x.b.Jump(head)
	x.b = head
	p := x.op(ir.OpPhi, ir.Ptr, x.data)
	head.If(ir.Eq, x.i(ir.OpAdd, n, x.w(ir.OpLoad, 1, p)), x.c(1), other, latch)
	other.Jump(latch)
	x.b = latch
	q := x.op(ir.OpPhi, ir.Ptr, p, m)
	if latch.Preds[0] == other {
		q.Args[0], q.Args[1] = m, p
	}
	before := x.w(ir.OpLoad, 1, q)
	s := x.op(ir.OpStore, ir.Void, x.data, x.i(ir.OpAdd, before, x.c(1)))
	s.Width = 1
	after := x.w(ir.OpLoad, 1, q)
	latch.If(ir.ULt, after, x.c(9), head, out)
	p.Args = append(p.Args, q)
	x.b = out
	out.Return(x.i(ir.OpAdd, before, after))
	if got := optimised(t, x.f); strings.Count(got, "load1 v") != 4 {
		t.Errorf("want all four loads in\n%s", got)
	}
}

func TestSlotThatNothingReads(t *testing.T) {
	x := build()
	a := x.op(ir.OpSlot, ir.Ptr)
	a.Slot = x.f.NewSlot("record", 16, 8, diag.Pos{})
	x.op(ir.OpStore, ir.Void, a, x.c(5)).Width = 8
	x.b.Return(x.w(ir.OpLoad, 8, a))
	if got := optimised(t, x.f); strings.Contains(got, "store") || strings.Contains(got, "load") {
		t.Errorf("want neither store nor load in\n%s", got)
	}
}
