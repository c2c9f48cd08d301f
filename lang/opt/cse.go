package opt

import "weir/lang/ir"

// cse gives values that are computed twice the first result, if that dominates
// the second: arithmetic, constants, addresses of slots, maps and functions,
// interface indices, and phis of one block with equal arguments. What is
// computed from nothing moves to the entry, where it dominates everything: it
// takes no register there, since package gen makes it where it is used. Start and
// end of the packet are left alone: they change with calls. So is what is marked
// Fresh.
func cse(f *ir.Func) bool { return share(f, false) }

// loads is cse with the memory seen through. A load is shared with an equal one,
// and takes what was stored there, where no way between the two may have changed
// that memory; lookups of one key in one map likewise, where no key may have come
// or gone. Long programs do without: what the verifier learns of a value that is
// compared again and again keeps apart states that would else be equal.
func loads(f *ir.Func) bool { return share(f, true) }

func share(f *ir.Func, through bool) bool {
	c := &sharer{through: through, entry: f.Blocks[0], same: map[*ir.Value]*ir.Value{}, table: map[valueKey]*ir.Value{},
		mem: newMemory(f), slots: map[*ir.Slot]contents{}}
	c.once, c.near = fillings(c.mem), map[*ir.Value][]near{}
	f.Tree().Walk(func(b *ir.Block) {
		c.undo = append(c.undo, undo{chain: c.chain})
		if len(b.Preds) != 1 {
			c.chains++
			c.chain = c.chains
		}
		c.block(b)
	}, func(*ir.Block) { c.leave() })
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
	at    [2]int // of loads and lookups: versions of the memory
}

type sharer struct {
	through bool // memory is seen through
	entry   *ir.Block
	mem     *memory
	once    map[*ir.Slot]*filling // slots whose content stays
	near    map[*ir.Value][]near  // what is known to be at distances from an address
	same    map[*ir.Value]*ir.Value
	table   map[valueKey]*ir.Value
	slots   map[*ir.Slot]contents
	chain   int // blocks that follow one another without others joining in
	chains  int
	undo    []undo
	changed bool
	stamp   int
}

// contents is what a plain slot holds, as far as it was stored in this chain.
type contents struct {
	chain  int
	stamp  int // a number for each change
	stores []stored
}

type stored struct {
	off   int64
	width int
	x     *ir.Value
}

// A near is what a load at a distance from an address gives, under a key with the
// versions of the memory that this holds for.
type near struct {
	key valueKey
	x   *ir.Value
}

// maxNear bounds what is kept for an address.
const maxNear = 24

// An undo is what a block has added, to be taken back.
type undo struct {
	keys  []valueKey
	slots []slotUndo
	chain int
}

type slotUndo struct {
	s   *ir.Slot
	old contents
}

func (c *sharer) leave() {
	u := c.undo[len(c.undo)-1]
	c.undo = c.undo[:len(c.undo)-1]
	for _, k := range u.keys {
		delete(c.table, k)
	}
	for i := len(u.slots) - 1; i >= 0; i-- {
		c.slots[u.slots[i].s] = u.slots[i].old
	}
	c.chain = u.chain
}

func (c *sharer) final(v *ir.Value) *ir.Value {
	for c.same[v] != nil {
		v = c.same[v]
	}
	return v
}

// block shares the values of b.
func (c *sharer) block(b *ir.Block) {
	out := make([]*ir.Value, 0, len(b.Values))
	var last *ir.Value // a store, whose content is noted under the versions after it
	var before versions
	c.mem.walk(b, func(v *ir.Value, at versions) {
		if last != nil {
			c.hold(last, before, at)
			last = nil
		}
		if v == nil {
			return
		}
		for i, a := range v.Args {
			v.Args[i] = c.final(a)
		}
		if c.through && v.Op == ir.OpLoad && c.forward(v) {
			return
		}
		c.note(v)
		if v.Op == ir.OpStore {
			last, before = v, at
		}
		k, ok := c.key(v, at)
		if !ok {
			out = append(out, v)
			return
		}
		if w := c.table[k]; w != nil {
			c.changed = true
			if v.Op == ir.OpLoad && w.Bits() > 8*v.Width { // what was stored has more than that
				v.Op, v.Args, v.Off = ir.OpZExt, []*ir.Value{w}, 0
				out = append(out, v)
				return
			}
			c.same[v] = w
			return
		}
		c.table[k] = v
		if v.Op == ir.OpLoad {
			c.keep(k, v)
		}
		if !free(v) {
			u := &c.undo[len(c.undo)-1]
			u.keys = append(u.keys, k)
		} else if b != c.entry {
			v.Block = c.entry
			c.entry.Values = append(c.entry.Values, v)
			c.changed = true
			return
		}
		out = append(out, v)
	})
	b.Values = out
}

// hold notes what loads find after store v: there what was stored, and elsewhere
// from the same address what was there before.
func (c *sharer) hold(v *ir.Value, before, at versions) {
	base := v.Args[0]
	if s, _ := c.mem.plain(base); s != nil || v.Args[1].Type == ir.Ptr {
		return
	}
	load := func(off, width int, at versions) valueKey {
		w := &ir.Value{Op: ir.OpLoad, Type: ir.Int, Args: []*ir.Value{base}, Off: off, Width: width}
		k, _ := c.load(valueKey{op: ir.OpLoad, typ: ir.Int, x: base}, w, at)
		return k
	}
	put := func(off, width int, x *ir.Value) {
		k := load(off, width, at)
		u := &c.undo[len(c.undo)-1]
		u.keys = append(u.keys, k)
		c.table[k] = x
		c.keep(k, x)
	}
	for _, n := range c.near[base] {
		apart := n.key.off+n.key.width <= v.Off || v.Off+v.Width <= n.key.off
		if apart && n.key == load(n.key.off, n.key.width, before) && c.table[n.key] == n.x {
			put(n.key.off, n.key.width, n.x)
		}
	}
	put(v.Off, v.Width, v.Args[1])
}

// keep notes what a load with key k gives, the newest first.
func (c *sharer) keep(k valueKey, x *ir.Value) {
	list := append([]near{{k, x}}, c.near[k.x]...)
	c.near[k.x] = list[:min(len(list), maxNear)]
}

// free reports whether v is computed from nothing, and takes no register.
func free(v *ir.Value) bool {
	switch v.Op {
	case ir.OpConst, ir.OpSlot, ir.OpMapPtr, ir.OpMapValue, ir.OpFuncAddr, ir.OpIfIndex, ir.OpFieldOff:
		return true
	}
	return false
}

// forward gives a load from a plain slot what was stored there. It reports
// whether v is no longer needed.
func (c *sharer) forward(v *ir.Value) bool {
	s, off := c.mem.plain(v.Args[0])
	if s == nil {
		return false
	}
	off += int64(v.Off)
	held := c.slots[s]
	if held.chain != c.chain {
		return false
	}
	for _, st := range held.stores {
		if st.off != off || st.width != v.Width || st.x.Type == ir.Ptr {
			continue
		}
		c.changed = true
		if v.Width == 8 || st.x.Bits() <= 8*v.Width {
			c.same[v] = st.x
			return true
		}
		v.Op, v.Args, v.Off = ir.OpZExt, []*ir.Value{st.x}, 0
		return false
	}
	return false
}

// note keeps what v does to plain slots.
func (c *sharer) note(v *ir.Value) {
	if p, writes, ok := access(v); ok {
		if s, off := c.mem.plain(p); s != nil && writes {
			c.write(s, off+int64(v.Off), v)
		}
		return
	}
	if v.Op != ir.OpCall || v.Imm == mapLookup || v.Imm == mapUpdate || v.Imm == mapDelete {
		return // these read their keys and values
	}
	for _, a := range v.Args {
		if s, _ := c.mem.plain(a); s != nil {
			c.replace(s, nil)
		}
	}
}

// write notes that v writes to slot s at off.
func (c *sharer) write(s *ir.Slot, off int64, v *ir.Value) {
	var list []stored
	if held := c.slots[s]; held.chain == c.chain {
		for _, st := range held.stores {
			if st.off+int64(st.width) <= off || off+int64(v.Width) <= st.off {
				list = append(list, st)
			}
		}
	}
	if v.Op == ir.OpStore {
		list = append(list, stored{off, v.Width, v.Args[1]})
	}
	c.replace(s, list)
}

func (c *sharer) replace(s *ir.Slot, list []stored) {
	u := &c.undo[len(c.undo)-1]
	u.slots = append(u.slots, slotUndo{s, c.slots[s]})
	c.stamp++
	c.slots[s] = contents{c.chain, c.stamp, list}
}

func (c *sharer) key(v *ir.Value, at versions) (valueKey, bool) {
	k := valueKey{op: v.Op, typ: v.Type}
	if len(v.Args) > 2 || v.Fresh {
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
	case ir.OpIfIndex, ir.OpFieldOff:
		k.sym = v.Sym
	case ir.OpLoad:
		k, ok := c.load(k, v, at)
		return k, ok && c.through
	case ir.OpCall:
		k, ok := c.lookup(k, v, at)
		return k, ok && c.through
	default:
		return k, false
	}
	return k, true
}

func (c *sharer) load(k valueKey, v *ir.Value, at versions) (valueKey, bool) {
	k.width, k.off, k.sym = v.Width, v.Off, v.Sym
	if s, _ := c.mem.plain(v.Args[0]); s != nil {
		k.at = [2]int{c.slots[s].stamp, c.chain}
		return k, true
	}
	of := c.mem.of(v.Args[0])
	if of&packet != 0 {
		k.at[0] = at[0]
	}
	if of&content != 0 {
		k.at[1] = at[1]
	}
	return k, true
}

// lookup is the key of a lookup whose key lies in a plain slot.
func (c *sharer) lookup(k valueKey, v *ir.Value, at versions) (valueKey, bool) {
	if v.Imm != mapLookup || len(v.Args) != 2 {
		return k, false
	}
	k.imm, k.at[0] = v.Imm, at[2]
	s, _ := c.mem.plain(v.Args[1])
	switch {
	case s == nil:
		return k, false
	case c.once[s] != nil && !c.once[s].bad:
	case c.slots[s].chain != c.chain:
		return k, false
	default:
		k.at[1] = c.slots[s].stamp
	}
	return k, true
}
