package opt

import "weir/lang/ir"

// A class says which memory an address may be in. Packet stands for the context
// and for slots whose address was lost sight of, too.
type class uint8

const (
	packet     class = 1 << iota
	content          // values of maps
	entries          // which keys a map has: what a lookup gives
	numClasses = iota
)

// Numbers of the kernel's helpers, from enum bpf_func_id of linux/bpf.h.
const (
	mapLookup = 1
	mapUpdate = 2
	mapDelete = 3
)

// helperWrites says what helpers change; of what is not named here, everything
// is assumed.
var helperWrites = map[int64]class{
	mapLookup: 0, mapUpdate: content | entries, mapDelete: content | entries,
	5: 0, 7: 0, 8: 0, // ktime_get_ns, get_prandom_u32, get_smp_processor_id
	23: 0, 51: 0, // redirect, redirect_map
	26: packet, 189: packet, // skb_load_bytes, xdp_load_bytes: what they copy to
	188:      0,      // xdp_get_buff_len
	201:      packet, // dynptr_read
	ir.Kfunc: packet, // bpf_dynptr_from_skb, bpf_dynptr_slice: a dynptr, a copy
}

// A memory is what is known about the memory of a function: which slots are
// plain, where addresses point, and in which version each class of memory is at
// the begin of each block. Two places see the same memory if the versions are
// the same.
type memory struct {
	f     *ir.Func
	tree  *ir.Tree
	lost  map[*ir.Slot]bool // whose address is used other than to load, store and call
	point map[*ir.Value]class
	in    []versions // by block
	next  int        // versions within blocks
}

type versions [numClasses]int

func newMemory(f *ir.Func) *memory {
	m := &memory{f: f, tree: f.Tree(), lost: lostSlots(f), point: map[*ir.Value]class{}, next: 2*f.NumBlocks() + 1}
	m.flow()
	return m
}

// slotOf takes an address apart into a slot and a distance that is known.
func slotOf(v *ir.Value) (*ir.Slot, int64) {
	var off int64
	for v.Op == ir.OpAdd && v.Type == ir.Ptr && v.Args[1].Op == ir.OpConst {
		off += v.Args[1].Imm
		v = v.Args[0]
	}
	if v.Op != ir.OpSlot {
		return nil, 0
	}
	return v.Slot, off
}

// plain returns the slot that v is an address of, if all that happens to that
// slot can be seen.
func (m *memory) plain(v *ir.Value) (*ir.Slot, int64) {
	if s, off := slotOf(v); s != nil && !m.lost[s] {
		return s, off
	}
	return nil, 0
}

// lostSlots returns the slots whose address becomes part of something else: more
// than the address of a load, store or atomic operation, an argument of a helper,
// one side of a comparison.
func lostSlots(f *ir.Func) map[*ir.Slot]bool {
	lost := map[*ir.Slot]bool{}
	for _, b := range f.Blocks {
		for _, v := range b.Values {
			args := v.Args
			switch _, _, ok := access(v); {
			case ok:
				args = args[1:]
			case v.Op == ir.OpCall, v.Op == ir.OpCmp, v.Op == ir.OpAdd && v.Args[1].Op == ir.OpConst:
				continue
			}
			for _, a := range args {
				lose(lost, a)
			}
		}
		if b.Kind == ir.KindReturn && b.X != nil {
			lose(lost, b.X)
		}
	}
	return lost
}

func lose(lost map[*ir.Slot]bool, v *ir.Value) {
	if s, _ := slotOf(v); s != nil {
		lost[s] = true
	}
}

// access returns the address that a load, store or atomic operation uses.
func access(v *ir.Value) (p *ir.Value, writes, ok bool) {
	switch v.Op {
	case ir.OpLoad:
		return v.Args[0], false, true
	case ir.OpStore, ir.OpAtomicAdd, ir.OpAtomicOr, ir.OpAtomicAnd, ir.OpAtomicXor, ir.OpFetchAdd, ir.OpAtomicXchg:
		return v.Args[0], true, true
	}
	return nil, false, false
}

// of returns the classes that an address may be in. What goes round a loop may be
// in any: every circle of addresses passes the block that begins the loop.
func (m *memory) of(v *ir.Value) class {
	if c, ok := m.point[v]; ok {
		return c
	}
	c := packet | content
	switch v.Op {
	case ir.OpConst:
		c = 0
	case ir.OpPktData, ir.OpPktEnd, ir.OpSlot:
		c = packet
	case ir.OpMapValue:
		c = content
	case ir.OpParam:
		if m.f.Linkage == ir.Entry {
			c = packet
		}
	case ir.OpCall:
		if v.Imm == mapLookup {
			c = content
		}
	case ir.OpAdd:
		c = m.any(v.Args)
	case ir.OpPhi:
		if m.tree.Header[v.Block.ID] != v.Block {
			c = m.any(v.Args)
		}
	}
	m.point[v] = c
	return c
}

// any returns the classes that one of the addresses among vs may be in.
func (m *memory) any(vs []*ir.Value) class {
	var c class
	for _, v := range vs {
		if v.Type == ir.Ptr {
			c |= m.of(v)
		}
	}
	return c
}

// changes returns the classes of memory that v changes.
func (m *memory) changes(v *ir.Value) class {
	if p, writes, ok := access(v); ok {
		if s, _ := m.plain(p); s != nil || !writes {
			return 0
		}
		return m.of(p)
	}
	switch v.Op {
	case ir.OpCall:
		if c, ok := helperWrites[v.Imm]; ok {
			return c
		}
		return packet | content | entries
	case ir.OpCallFunc:
		return packet | content | entries
	}
	return 0
}

// flow finds the versions: a block that changes a class has one of its own at
// its end, a block where different ones meet one at its begin.
func (m *memory) flow() {
	order := m.tree.Order
	const unknown = -1
	m.in = make([]versions, m.f.NumBlocks())
	out := make([]versions, m.f.NumBlocks())
	change := make([]class, m.f.NumBlocks())
	for _, b := range order {
		for k := range numClasses {
			out[b.ID][k] = unknown
		}
		for _, v := range b.Values {
			change[b.ID] |= m.changes(v)
		}
	}
	for again := true; again; {
		again = false
		for _, b := range order {
			for k := range numClasses {
				in := unknown
				if len(b.Preds) == 0 {
					in = 0
				}
				for _, p := range b.Preds {
					switch o := out[p.ID][k]; {
					case !m.tree.Reached(p) || o == unknown || o == in:
					case in == unknown:
						in = o
					default:
						in = 2*b.ID + 1
					}
				}
				end := in
				if change[b.ID]>>k&1 != 0 {
					end = 2*b.ID + 2
				}
				if in == m.in[b.ID][k] && end == out[b.ID][k] {
					continue
				}
				m.in[b.ID][k], out[b.ID][k] = in, end
				again = true
			}
		}
	}
}

// walk calls visit for each value of b with the versions that it sees, and at
// last without a value.
func (m *memory) walk(b *ir.Block, visit func(v *ir.Value, at versions)) {
	var left [numClasses]int
	for _, v := range b.Values {
		c := m.changes(v)
		for k := range left {
			left[k] += int(c >> k & 1)
		}
	}
	at := m.in[b.ID]
	for _, v := range b.Values {
		visit(v, at)
		c := m.changes(v)
		for k := range left {
			if c>>k&1 == 0 {
				continue
			}
			m.next++
			at[k] = m.next
			if left[k]--; left[k] == 0 {
				at[k] = 2*b.ID + 2
			}
		}
	}
	visit(nil, at)
}
