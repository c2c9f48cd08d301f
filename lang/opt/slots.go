package opt

import (
	"fmt"
	"slices"
	"strings"

	"weir/lang/ir"
)

// slots drops stores that nothing reads: those to plain slots that nothing reads
// at all, and those to slots and other memory that a later one of the same block
// covers before anything reads. Then slots that hold the same, because a key is built
// for each use of a map, become one.
func slots(f *ir.Func) bool {
	m := &memory{f: f, tree: f.Tree(), lost: lostSlots(f)}
	changed := unread(m)
	changed = covered(m) || changed
	return joinKeys(m) || changed
}

// unread drops the stores to octets of slots that are never read. Of those behind the
// first 64 it is known only whether anything of the slot is read.
func unread(m *memory) bool {
	read := map[*ir.Slot]uint64{}
	for _, b := range m.f.Blocks {
		for _, v := range b.Values {
			_, _, accesses := access(v)
			for i, a := range v.Args {
				s, off := m.plain(a)
				switch {
				case s == nil, v.Op == ir.OpStore && i == 0, v.Op == ir.OpAdd, v.Op == ir.OpCmp:
				case accesses && i == 0:
					bits, _ := octets(off+int64(v.Off), v.Width)
					read[s] |= bits
				default:
					read[s] = ^uint64(0)
				}
			}
		}
	}
	return dropStores(m.f, func(_ *ir.Block, v *ir.Value) bool {
		s, off := m.plain(v.Args[0])
		if s == nil {
			return false
		}
		bits, _ := octets(off+int64(v.Off), v.Width)
		return read[s]&bits == 0
	})
}

// octets returns n octets at off as bits, or all bits and false if they are not within
// the first 64.
func octets(off int64, n int) (bits uint64, inside bool) {
	if off < 0 || off+int64(n) > 64 {
		return ^uint64(0), false
	}
	return (uint64(1)<<n - 1) << off, true
}

// dropStores deletes the stores that dead names.
func dropStores(f *ir.Func, dead func(b *ir.Block, v *ir.Value) bool) bool {
	changed := false
	for _, b := range f.Blocks {
		n := len(b.Values)
		b.Values = slices.DeleteFunc(b.Values, func(v *ir.Value) bool { return v.Op == ir.OpStore && dead(b, v) })
		changed = changed || len(b.Values) != n
	}
	return changed
}

// covered drops stores that are written over. Only the first 64 octets of a slot,
// and behind an address, are looked at.
func covered(m *memory) bool {
	dead := map[*ir.Value]bool{}
	for _, b := range m.f.Blocks {
		c := coverage{slots: map[*ir.Slot]uint64{}, others: map[*ir.Value]uint64{}}
		for _, v := range slices.Backward(b.Values) {
			if p, _, ok := access(v); ok {
				dead[v] = c.access(m, v, p)
				continue
			}
			if !v.IsCall() {
				continue
			}
			clear(c.others)
			for _, a := range v.Args {
				if s, _ := m.plain(a); s != nil {
					c.slots[s] = 0
				}
			}
		}
	}
	return dropStores(m.f, func(_ *ir.Block, v *ir.Value) bool { return dead[v] })
}

// A coverage is which octets of slots, and behind other addresses, are written
// before they are read, going backward through a block.
type coverage struct {
	slots  map[*ir.Slot]uint64
	others map[*ir.Value]uint64
}

// access takes note of v, which accesses memory at p, and reports whether it is a
// store that is written over.
func (c *coverage) access(m *memory, v, p *ir.Value) bool {
	s, off := m.plain(p)
	bits, inside := octets(off+int64(v.Off), v.Width)
	if s == nil {
		over := c.others[p]
		switch {
		case v.Op != ir.OpStore: // it may read through any address
			clear(c.others)
		case inside && over&bits == bits:
			return true
		case inside:
			c.others[p] = over | bits
		}
		if v.Op == ir.OpLoad && inside {
			c.others[p] = over &^ bits
		}
		return false
	}
	switch {
	case !inside:
	case v.Op != ir.OpStore:
		c.slots[s] &^= bits
	case c.slots[s]&bits == bits:
		return true
	default:
		c.slots[s] |= bits
	}
	return false
}

// A filling is how a slot that is filled once got its content.
type filling struct {
	slot        *ir.Slot
	block       *ir.Block
	first, last int // places of its stores in the block
	text        strings.Builder
	bad         bool
}

// joinKeys makes one of slots with equal content. Each is filled in one block
// and only read by map helpers after that; the first dominates the second.
func joinKeys(m *memory) bool {
	all := fillings(m)
	byText := map[string][]*filling{}
	to := map[*ir.Slot]*ir.Slot{}
	tree := m.f.Tree()
	for _, s := range m.f.Slots {
		x := all[s]
		if x == nil || x.bad || !tree.Reached(x.block) {
			continue
		}
		k := fmt.Sprintf("%d %d%s", s.Size, s.Align, x.text.String())
		for _, y := range byText[k] {
			if y.block == x.block && y.last < x.first || y.block != x.block && tree.Dominates(y.block, x.block) {
				to[s] = y.slot
				break
			}
			if x.block == y.block && x.last < y.first || x.block != y.block && tree.Dominates(x.block, y.block) {
				to[y.slot] = s
				break
			}
		}
		if to[s] == nil {
			byText[k] = append(byText[k], x)
		}
	}
	if len(to) == 0 {
		return false
	}
	dropStores(m.f, func(_ *ir.Block, v *ir.Value) bool {
		s, _ := slotOf(v.Args[0])
		return to[s] != nil
	})
	for _, b := range m.f.Blocks {
		for _, v := range b.Values {
			for v.Op == ir.OpSlot && to[v.Slot] != nil {
				v.Slot = to[v.Slot]
			}
		}
	}
	return true
}

// fillings looks at how all plain slots are filled.
func fillings(m *memory) map[*ir.Slot]*filling {
	all := map[*ir.Slot]*filling{}
	of := func(s *ir.Slot) *filling {
		if all[s] == nil {
			all[s] = &filling{slot: s, first: -1}
		}
		return all[s]
	}
	for _, b := range m.f.Blocks {
		for i, v := range b.Values {
			for k, a := range v.Args {
				s, off := m.plain(a)
				if s == nil || v.Op == ir.OpAdd || v.Op == ir.OpCmp {
					continue
				}
				x := of(s)
				switch {
				case v.Op == ir.OpStore && k == 0:
					x.store(b, i, off+int64(v.Off), v)
				case v.Op != ir.OpCall || !readsOnly(v, k) || off != 0:
					x.bad = true
				}
			}
		}
	}
	for _, b := range m.f.Blocks {
		for i, v := range b.Values {
			for _, a := range v.Args {
				if s, _ := m.plain(a); s != nil && v.Op == ir.OpCall {
					x := all[s]
					if x.block == nil || x.block == b && i < x.last {
						x.bad = true
					}
				}
			}
		}
	}
	return all
}

func (x *filling) store(b *ir.Block, at int, off int64, v *ir.Value) {
	if x.block != nil && x.block != b {
		x.bad = true
	}
	if x.first < 0 {
		x.first = at
	}
	x.block, x.last = b, at
	if v.Args[1].Op == ir.OpConst {
		fmt.Fprintf(&x.text, " %d:%d=#%d", off, v.Width, v.Args[1].Imm)
		return
	}
	fmt.Fprintf(&x.text, " %d:%d=%d", off, v.Width, v.Args[1].ID)
}

// readsOnly reports whether argument k of a helper is a key or value that the
// helper reads.
func readsOnly(v *ir.Value, k int) bool {
	switch v.Imm {
	case mapLookup, mapDelete:
		return k == 1
	case mapUpdate:
		return k == 1 || k == 2
	}
	return false
}
