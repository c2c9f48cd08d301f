package opt

import "weir/lang/ir"

// cse gives values that are computed twice the first result, if that dominates
// the second: arithmetic, constants, addresses of slots, maps and functions,
// interface indices, and phis of one block with equal arguments. A load is
// shared only with an equal one before it in the same block, with no store,
// atomic access or call in between. Start and end of the packet are left alone:
// they change with calls.
func cse(f *ir.Func) bool {
	c := &sharer{same: map[*ir.Value]*ir.Value{}, table: map[valueKey]*ir.Value{}}
	tree := f.Tree()
	var undo [][]valueKey
	tree.Walk(func(b *ir.Block) {
		undo = append(undo, c.block(b))
	}, func(*ir.Block) {
		for _, k := range undo[len(undo)-1] {
			delete(c.table, k)
		}
		undo = undo[:len(undo)-1]
	})
	f.Replace(c.same)
	return c.changed
}

// A valueKey is all that two equal values have in common.
type valueKey struct {
	op    ir.Op
	typ   ir.Type
	cond  ir.Cond
	width int
	off   int
	imm   int64
	sym   string
	ref   any // slot, map, function or block
	x, y  *ir.Value
	epoch int // of loads: how many effects came before
}

type sharer struct {
	same    map[*ir.Value]*ir.Value
	table   map[valueKey]*ir.Value
	changed bool
	epoch   int
}

func (c *sharer) final(v *ir.Value) *ir.Value {
	for c.same[v] != nil {
		v = c.same[v]
	}
	return v
}

// block shares the values of b and returns the keys that it added.
func (c *sharer) block(b *ir.Block) []valueKey {
	var added []valueKey
	c.epoch++
	out := b.Values[:0]
	for _, v := range b.Values {
		for i, a := range v.Args {
			v.Args[i] = c.final(a)
		}
		if v.HasEffect() {
			c.epoch++
		}
		k, ok := c.key(v)
		if !ok {
			out = append(out, v)
			continue
		}
		if w := c.table[k]; w != nil {
			c.same[v] = w
			c.changed = true
			continue
		}
		c.table[k] = v
		added = append(added, k)
		out = append(out, v)
	}
	b.Values = out
	return added
}

func (c *sharer) key(v *ir.Value) (valueKey, bool) {
	k := valueKey{op: v.Op, typ: v.Type}
	if len(v.Args) > 2 {
		return k, false
	}
	if len(v.Args) > 0 {
		k.x = v.Args[0]
	}
	if len(v.Args) > 1 {
		k.y = v.Args[1]
	}
	switch v.Op {
	case ir.OpConst:
		k.imm = v.Imm
	case ir.OpAdd, ir.OpMul, ir.OpAnd, ir.OpOr, ir.OpXor:
		if k.x.ID > k.y.ID {
			k.x, k.y = k.y, k.x
		}
	case ir.OpSub, ir.OpDiv, ir.OpMod, ir.OpShl, ir.OpShr, ir.OpSar, ir.OpNeg:
	case ir.OpSwap, ir.OpZExt, ir.OpSExt:
		k.width = v.Width
	case ir.OpCmp:
		k.cond = v.Cond
	case ir.OpPhi:
		k.ref = v.Block
	case ir.OpSlot:
		k.ref = v.Slot
	case ir.OpMapPtr:
		k.ref = v.Map
	case ir.OpMapValue:
		k.ref, k.imm = v.Map, v.Imm
	case ir.OpFuncAddr:
		k.ref = v.Func
	case ir.OpIfIndex:
		k.sym = v.Sym
	case ir.OpLoad:
		k.width, k.off, k.epoch = v.Width, v.Off, c.epoch
	default:
		return k, false
	}
	return k, true
}
