package gen

import (
	"slices"

	"weir/lang/ir"
)

// A stackItem is a piece of the frame: a slot of the function, or the place that
// a virtual register is spilled to. Items that are never live at the same time
// share octets.
type stackItem struct {
	size, align int
	spans       []span // when its octets are its own, ascending
	depth       int    // distance of its lowest octet below the frame pointer
	slot        *ir.Slot
	spill       int // virtual register, if slot is nil
}

// A frame is the layout of a function's stack.
type frame struct {
	slots   []*stackItem // by Slot.ID, nil if unused
	items   []*stackItem // all
	size    int          // octets, a multiple of 8
	scratch int          // words below, see scratch
}

// total returns the octets that the function takes from the stack.
func (fr *frame) total() int { return fr.size + 8*fr.scratch }

// layout gives every piece of the frame its place: large ones first, each as
// near to the frame pointer as those allow that live at the same time.
func (fn *function) layout() {
	fr := &fn.frame
	fr.items = fn.slotItems()
	for r := range fn.regs {
		v := &fn.regs[r]
		if v.slot == nil {
			continue
		}
		for it := v.first; it != nil; it = it.next {
			v.slot.spans = append(v.slot.spans, it.spans...)
		}
		// A move into it happens before the instruction that it is live at.
		for i := range v.slot.spans {
			v.slot.spans[i].from &^= 3
		}
		fr.items = append(fr.items, v.slot)
	}
	sorted := slices.Clone(fr.items)
	slices.SortStableFunc(sorted, func(a, b *stackItem) int {
		if a.size != b.size {
			return b.size - a.size
		}
		return b.align - a.align
	})
	for i, it := range sorted {
		it.depth = lowest(it, sorted[:i])
		fr.size = max(fr.size, it.depth)
	}
	fr.size = (fr.size + 7) &^ 7
}

// lowest returns the least depth at which it overlaps none of placed that it
// meets in time.
func lowest(it *stackItem, placed []*stackItem) int {
	var taken []span // octets
	for _, p := range placed {
		if spansMeet(it.spans, p.spans) {
			taken = append(taken, span{p.depth - p.size, p.depth})
		}
	}
	slices.SortFunc(taken, func(a, b span) int { return a.from - b.from })
	top := 0 // depth of its highest octet
	for {
		depth := (top + it.size + it.align - 1) / it.align * it.align
		i := slices.IndexFunc(taken, func(t span) bool { return t.from < depth && depth-it.size < t.to })
		if i < 0 {
			return depth
		}
		top = max(top+1, taken[i].to)
	}
}

func spansMeet(a, b []span) bool {
	if len(a) == 0 || len(b) == 0 || a[len(a)-1].to <= b[0].from || b[len(b)-1].to <= a[0].from {
		return false // without a walk, since most do not
	}
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0].to <= b[0].from:
			a = a[1:]
		case b[0].to <= a[0].from:
			b = b[1:]
		default:
			return true
		}
	}
	return false
}

// An access is what an instruction does to a slot.
type access struct {
	at     int
	slot   *ir.Slot
	lo, hi int  // octets [lo, hi) that it overwrites for certain; hi is 0 for none
	reads  bool // may read any octet
}

// accesses lists what the code does to slots, block by block in order, and the
// slots whose address gets out of sight.
func (fn *function) accesses() (list [][]access, escaped map[*ir.Slot]bool) {
	points := pointees(fn.f)
	escaped = map[*ir.Slot]bool{}
	list = make([][]access, len(fn.blocks))
	for _, b := range fn.blocks {
		if b.ir == nil {
			continue
		}
		touch := func(at int, vals ...*ir.Value) {
			for _, v := range vals {
				for _, s := range points[v] {
					list[b.id] = append(list[b.id], access{at: at, slot: s, reads: true})
				}
			}
		}
		for _, m := range b.insts {
			switch v := m.v; {
			case v.Op == ir.OpStore:
				for _, s := range points[v.Args[1]] {
					escaped[s] = true
				}
				if m.a.kind == opSlot {
					lo := int(m.a.imm) + v.Off
					list[b.id] = append(list[b.id], access{at: m.at, slot: m.a.slot, lo: lo, hi: lo + v.Width})
					continue
				}
				touch(m.at, v.Args[0])
			case v.IsCall(), v.Op == ir.OpLoad, v.Op >= ir.OpAtomicAdd && v.Op <= ir.OpAtomicXchg:
				touch(m.at, v.Args...)
			}
		}
		if b.kind == ir.KindReturn && b.ir.X != nil {
			for _, s := range points[b.ir.X] {
				escaped[s] = true
			}
		}
	}
	return list, escaped
}

// pointees finds the slots that each value may point into.
func pointees(f *ir.Func) map[*ir.Value][]*ir.Slot {
	points := map[*ir.Value][]*ir.Slot{}
	if len(f.Slots) == 0 {
		return points
	}
	for changed := true; changed; {
		changed = false
		for _, b := range f.Blocks {
			for _, v := range b.Values {
				have := points[v]
				n := len(have)
				switch v.Op {
				case ir.OpSlot:
					have = with(have, v.Slot)
				case ir.OpCall:
					if v.Imm != ir.Kfunc || v.Type != ir.Ptr {
						break
					}
					fallthrough // bpf_dynptr_slice gives the address of its copy, or another
				case ir.OpPhi, ir.OpAdd, ir.OpSub:
					for _, a := range v.Args {
						for _, s := range points[a] {
							have = with(have, s)
						}
					}
				}
				if len(have) != n {
					points[v] = have
					changed = true
				}
			}
		}
	}
	return points
}

func with(list []*ir.Slot, s *ir.Slot) []*ir.Slot {
	if slices.Contains(list, s) {
		return list
	}
	return append(slices.Clip(list), s)
}
