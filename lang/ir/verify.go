package ir

import (
	"fmt"
	"slices"
)

// Verify returns an error that names the first invariant of the form that f
// breaks: what the other stages rely on.
func Verify(f *Func) error {
	c := &checker{f: f, at: map[*Value]int{}}
	if len(f.Blocks) == 0 {
		return fmt.Errorf("%s: no blocks", f.Name)
	}
	if err := c.shape(); err != nil {
		return fmt.Errorf("%s: %w", f.Name, err)
	}
	c.tree = f.Tree()
	for _, b := range f.Blocks {
		if err := c.block(b); err != nil {
			return fmt.Errorf("%s: %s: %w", f.Name, b, err)
		}
	}
	return nil
}

type checker struct {
	f    *Func
	tree *Tree
	at   map[*Value]int // place of a value in its block
}

// shape checks lists: blocks, edges, and who owns which value.
func (c *checker) shape() error {
	ids, blocks := map[int]bool{}, map[int]bool{}
	for _, b := range c.f.Blocks {
		if b.Func != c.f || b.ID >= c.f.NumBlocks() || blocks[b.ID] {
			return fmt.Errorf("%s: wrong owner or number", b)
		}
		blocks[b.ID] = true
		for i, v := range b.Values {
			if v.Block != b || v.ID >= c.f.NumValues() || ids[v.ID] {
				return fmt.Errorf("%s: %s: wrong owner or number", b, v)
			}
			ids[v.ID] = true
			c.at[v] = i
		}
	}
	if len(c.f.Blocks[0].Preds) > 0 {
		return fmt.Errorf("entry %s has predecessors", c.f.Blocks[0])
	}
	for _, b := range c.f.Blocks {
		if want := map[Kind]int{KindJump: 1, KindIf: 2, KindReturn: 0}; b.Kind == KindNone || len(b.Succs) != want[b.Kind] {
			return fmt.Errorf("%s: %d successors, kind %d", b, len(b.Succs), b.Kind)
		}
		for _, s := range b.Succs {
			if !blocks[s.ID] || s.Func != c.f || count(b.Succs, s) != count(s.Preds, b) {
				return fmt.Errorf("%s: edge to %s is not one of its predecessors", b, s)
			}
		}
		for _, p := range b.Preds {
			if !slices.Contains(p.Succs, b) {
				return fmt.Errorf("%s: predecessor %s does not lead to it", b, p)
			}
		}
	}
	return nil
}

func count(list []*Block, b *Block) int {
	n := 0
	for _, x := range list {
		if x == b {
			n++
		}
	}
	return n
}

func (c *checker) block(b *Block) error {
	if !c.tree.Reached(b) {
		return nil // dead code is legal; the optimiser drops it
	}
	phis := true
	for i, v := range b.Values {
		if v.Op == OpPhi && !phis {
			return fmt.Errorf("%s: phi after other values", v)
		}
		phis = phis && v.Op == OpPhi
		if err := c.value(b, i, v); err != nil {
			return fmt.Errorf("%s: %w", v.Text(), err)
		}
	}
	switch b.Kind {
	case KindIf:
		if b.Succs[0] == b.Succs[1] && !agree(b.Succs[0], b) {
			return fmt.Errorf("both ways lead to %s, whose phis want to know which", b.Succs[0])
		}
		if b.X == nil || b.Y == nil {
			return fmt.Errorf("condition without operands")
		}
		if err := c.use(b, len(b.Values), b.X); err != nil {
			return err
		}
		return c.use(b, len(b.Values), b.Y)
	case KindReturn:
		if b.X != nil {
			return c.use(b, len(b.Values), b.X)
		}
	}
	return nil
}

// agree reports whether the phis of b get the same over each edge from p.
func agree(b, p *Block) bool {
	for _, v := range b.Phis() {
		var one *Value
		for i, x := range b.Preds {
			if x != p || i >= len(v.Args) {
				continue
			}
			if one != nil && one != v.Args[i] {
				return false
			}
			one = v.Args[i]
		}
	}
	return true
}

// use checks that v is computed before place at of block b.
func (c *checker) use(b *Block, at int, v *Value) error {
	i, ok := c.at[v]
	switch {
	case v == nil || !ok:
		return fmt.Errorf("use of %s, which is in no block", v)
	case v.Type == Void:
		return fmt.Errorf("use of %s, which gives nothing", v)
	case v.Block == b && i >= at, v.Block != b && !c.tree.Dominates(v.Block, b):
		return fmt.Errorf("use of %s, which does not dominate it", v)
	}
	return nil
}

func (c *checker) value(b *Block, at int, v *Value) error {
	if v.Op == OpPhi {
		if len(v.Args) != len(b.Preds) {
			return fmt.Errorf("%d arguments for %d predecessors", len(v.Args), len(b.Preds))
		}
		for i, a := range v.Args {
			p := b.Preds[i]
			if !c.tree.Reached(p) {
				continue
			}
			if err := c.use(p, len(p.Values), a); err != nil {
				return err
			}
		}
	} else {
		for _, a := range v.Args {
			if err := c.use(b, at, a); err != nil {
				return err
			}
		}
	}
	if err := checkArgs(v); err != nil {
		return err
	}
	return c.facts(b, v)
}

// arity is the number of arguments of each operation, -1 for any up to five.
var arity = [numOps]int{OpPhi: -2, OpAdd: 2, OpSub: 2, OpMul: 2, OpDiv: 2, OpMod: 2, OpAnd: 2, OpOr: 2, OpXor: 2,
	OpShl: 2, OpShr: 2, OpSar: 2, OpNeg: 1, OpSwap: 1, OpZExt: 1, OpSExt: 1, OpCmp: 2, OpLoad: 1, OpStore: 2,
	OpAtomicAdd: 2, OpAtomicOr: 2, OpAtomicAnd: 2, OpAtomicXor: 2, OpFetchAdd: 2, OpAtomicXchg: 2,
	OpPktData: 1, OpPktEnd: 1, OpCall: -1, OpCallFunc: -1}

func checkArgs(v *Value) error {
	if v.Op == OpInvalid || v.Op >= numOps {
		return fmt.Errorf("no such operation")
	}
	switch n := arity[v.Op]; {
	case n >= 0 && len(v.Args) != n:
		return fmt.Errorf("%d arguments, want %d", len(v.Args), n)
	case n == -1 && len(v.Args) > 5:
		return fmt.Errorf("%d arguments, at most 5 fit", len(v.Args))
	}
	return checkWidth(v)
}

func checkWidth(v *Value) error {
	var ok []int
	switch v.Op {
	case OpSwap:
		ok = []int{2, 4, 8}
	case OpZExt, OpSExt:
		ok = []int{1, 2, 4}
	case OpLoad, OpStore:
		ok = []int{1, 2, 4, 8}
	case OpAtomicAdd, OpAtomicOr, OpAtomicAnd, OpAtomicXor, OpFetchAdd, OpAtomicXchg:
		ok = []int{4, 8}
	default:
		return nil
	}
	if !slices.Contains(ok, v.Width) {
		return fmt.Errorf("width %d", v.Width)
	}
	if v.Off < -1<<15 || v.Off >= 1<<15 {
		return fmt.Errorf("offset %d does not fit", v.Off)
	}
	return nil
}

// facts checks the fields that only some operations have, and types.
func (c *checker) facts(b *Block, v *Value) error {
	void := false
	switch v.Op {
	case OpStore, OpAtomicAdd, OpAtomicOr, OpAtomicAnd, OpAtomicXor:
		void = true
	case OpParam:
		if b != c.f.Blocks[0] || v.Imm < 0 || v.Imm >= int64(c.f.NParams) {
			return fmt.Errorf("parameter outside of the entry, or not one of %d", c.f.NParams)
		}
	case OpSlot:
		if v.Slot == nil || v.Slot.ID >= len(c.f.Slots) || c.f.Slots[v.Slot.ID] != v.Slot {
			return fmt.Errorf("slot of another function")
		}
	case OpMapPtr, OpMapValue:
		if v.Map == nil {
			return fmt.Errorf("no map")
		}
	case OpFuncAddr, OpCallFunc:
		if v.Func == nil {
			return fmt.Errorf("no function")
		}
		if v.Op == OpCallFunc && len(v.Args) != v.Func.NParams {
			return fmt.Errorf("%d arguments for %d parameters", len(v.Args), v.Func.NParams)
		}
	}
	call := v.Op == OpCall || v.Op == OpCallFunc
	if !call && void != (v.Type == Void) {
		return fmt.Errorf("type %d", v.Type)
	}
	return c.pointers(v)
}

// pointers checks what must be, and what must not be, an address.
func (c *checker) pointers(v *Value) error {
	switch v.Op {
	case OpLoad, OpStore, OpAtomicAdd, OpAtomicOr, OpAtomicAnd, OpAtomicXor, OpFetchAdd, OpAtomicXchg, OpPktData, OpPktEnd:
		if v.Args[0].Type != Ptr {
			return fmt.Errorf("%s is no pointer", v.Args[0])
		}
	case OpSlot, OpMapPtr, OpMapValue, OpFuncAddr:
		if v.Type != Ptr {
			return fmt.Errorf("an address that is no pointer")
		}
	case OpMul, OpDiv, OpMod, OpAnd, OpOr, OpXor, OpShl, OpShr, OpSar, OpNeg, OpSwap, OpZExt, OpSExt:
		for _, a := range v.Args {
			if a.Type == Ptr {
				return fmt.Errorf("arithmetic on pointer %s", a)
			}
		}
	case OpAdd:
		if (v.Type == Ptr) != (v.Args[0].Type == Ptr || v.Args[1].Type == Ptr) {
			return fmt.Errorf("pointer sum of wrong type")
		}
	case OpPhi:
		for _, a := range v.Args {
			if a.Type != v.Type && !a.IsConst(0) {
				return fmt.Errorf("%s is of another type", a)
			}
		}
	}
	return nil
}
