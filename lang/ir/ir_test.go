package ir_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"weir/lang/diag"
	"weir/lang/ir"
	"weir/lang/ir/irtest"
)

// loop returns a function that adds up the first n numbers.
func loop() (*ir.Func, map[string]*ir.Block) {
	f := ir.NewFunc("sum", ir.Static, 1)
	at := diag.Pos{File: "a.weir", Line: 7, Col: 12}
	b := map[string]*ir.Block{}
	for _, n := range []string{"entry", "head", "body", "exit"} {
		b[n] = f.NewBlock()
	}
	n := b["entry"].Add(ir.OpParam, ir.Int, at)
	zero := b["entry"].Add(ir.OpConst, ir.Int, at)
	b["entry"].Jump(b["head"])
	i := b["head"].Add(ir.OpPhi, ir.Int, at, zero)
	s := b["head"].Add(ir.OpPhi, ir.Int, at, zero)
	b["head"].If(ir.ULt, i, n, b["body"], b["exit"])
	one := b["body"].Add(ir.OpConst, ir.Int, at)
	one.Imm = 1
	s2 := b["body"].Add(ir.OpAdd, ir.Int, at, s, i)
	i2 := b["body"].Add(ir.OpAdd, ir.Int, at, i, one)
	b["body"].Jump(b["head"])
	i.Args, s.Args = append(i.Args, i2), append(s.Args, s2)
	b["exit"].Return(s)
	return f, b
}

func TestString(t *testing.T) {
	f, _ := loop()
	want := `static sum(1)
b0:
  v0 = param 0
  v1 = const 0
  jump b1
b1: b0 b2
  v2 = phi b0:v1, b2:v6
  v3 = phi b0:v1, b2:v5
  if ult v2, v0 -> b2, b3 (likely b2)
b2: b1
  v4 = const 1
  v5 = add v3, v2
  v6 = add v2, v4
  jump b1
b3: b1
  return v3
`
	if d := cmp.Diff(want, f.String()); d != "" {
		t.Error(d)
	}
	if got := f.Text(true); !strings.Contains(got, "; 7:12") {
		t.Errorf("no positions in\n%s", got)
	}
}

func TestTree(t *testing.T) {
	f, b := loop()
	tree := ir.NewTree(f)
	if !tree.Dominates(b["head"], b["exit"]) || tree.Dominates(b["body"], b["exit"]) {
		t.Error("wrong dominators")
	}
	for name, depth := range map[string]int{"entry": 0, "head": 1, "body": 1, "exit": 0} {
		if got := tree.Depth[b[name].ID]; got != depth {
			t.Errorf("%s is in %d loops, want %d", name, got, depth)
		}
	}
	if tree.Header[b["body"].ID] != b["head"] {
		t.Error("wrong header")
	}
}

func TestVerify(t *testing.T) {
	f, _ := loop()
	if err := ir.Verify(f); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, want string
		spoil      func(f *ir.Func, b map[string]*ir.Block)
	}{
		{"entry with predecessor", "entry b0 has predecessors", func(f *ir.Func, b map[string]*ir.Block) {
			b["entry"].Preds = append(b["entry"].Preds, b["exit"])
		}},
		{"not finished", "b3: 0 successors, kind 0", func(f *ir.Func, b map[string]*ir.Block) { b["exit"].Kind = ir.KindNone }},
		{"missing edge", "b0: edge to b1 is not one of its predecessors", func(f *ir.Func, b map[string]*ir.Block) {
			b["head"].Preds = b["head"].Preds[1:]
		}},
		{"phi arity", "1 arguments for 2 predecessors", func(f *ir.Func, b map[string]*ir.Block) {
			b["head"].Values[0].Args = b["head"].Values[0].Args[1:]
		}},
		{"dominance", "use of v5, which does not dominate it", func(f *ir.Func, b map[string]*ir.Block) {
			b["exit"].X = b["body"].Values[1]
		}},
		{"order in a block", "use of v6, which does not dominate it", func(f *ir.Func, b map[string]*ir.Block) {
			b["body"].Values[1].Args[0] = b["body"].Values[2]
		}},
		{"arity", "1 arguments, want 2", func(f *ir.Func, b map[string]*ir.Block) {
			b["body"].Values[1].Args = b["body"].Values[1].Args[:1]
		}},
		{"phi after others", "phi after other values", func(f *ir.Func, b map[string]*ir.Block) {
			v := b["head"].Values
			v[0], v[1] = b["head"].NewValue(ir.OpConst, ir.Int, diag.Pos{}), v[0]
		}},
		{"width", "width 3", func(f *ir.Func, b map[string]*ir.Block) {
			b["exit"].Add(ir.OpZExt, ir.Int, diag.Pos{}, b["head"].Values[0]).Width = 3
		}},
		{"pointer arithmetic", "arithmetic on pointer", func(f *ir.Func, b map[string]*ir.Block) {
			s := f.NewSlot("s", 8, 8, diag.Pos{})
			p := b["exit"].Add(ir.OpSlot, ir.Ptr, diag.Pos{})
			p.Slot = s
			b["exit"].Add(ir.OpMul, ir.Int, diag.Pos{}, p, p)
		}},
		{"too many arguments", "6 arguments, at most 5 fit", func(f *ir.Func, b map[string]*ir.Block) {
			x := b["head"].Values[0]
			b["exit"].Add(ir.OpCall, ir.Int, diag.Pos{}, x, x, x, x, x, x)
		}},
		{"foreign slot", "slot of another function", func(f *ir.Func, b map[string]*ir.Block) {
			b["exit"].Add(ir.OpSlot, ir.Ptr, diag.Pos{}).Slot = &ir.Slot{}
		}},
	} {
		f, b := loop()
		c.spoil(f, b)
		if err := ir.Verify(f); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

// TestRandomPrograms checks that what the generator makes is valid.
func TestRandomPrograms(t *testing.T) {
	for seed := range uint64(200) {
		if err := ir.Verify(irtest.Random(seed, 60).Funcs[0]); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// Each kind of map has a name.
func TestMapKinds(t *testing.T) {
	for k := ir.Array; k <= ir.BloomFilter; k++ {
		if k.String() == "" {
			t.Errorf("kind %d has no name", k)
		}
	}
}
