package gen

import (
	mathbits "math/bits"
	"slices"

	"weir/lang/ir"
)

// slotItems makes a stackItem of every slot that is used. Its octets are its own
// where something may have been put into it before and may be read from it
// after; a store that covers a part of it ends the need for what was there.
func (fn *function) slotItems() []*stackItem {
	fn.frame.slots = make([]*stackItem, len(fn.f.Slots))
	list, escaped := fn.accesses()
	l := newSlotLife(fn, list)
	l.solve()
	spans := l.spans()
	var items []*stackItem
	for _, s := range fn.f.Slots {
		it := &stackItem{size: s.Size, align: max(s.Align, 1), slot: s}
		if escaped[s] {
			it.spans = []span{{0, fn.blocks[len(fn.blocks)-1].to}}
		} else {
			it.spans = spans[s.ID]
		}
		if len(it.spans) > 0 {
			fn.frame.slots[s.ID] = it
			items = append(items, it)
		}
	}
	return items
}

// A slotLife computes when slots are live, in grains: runs of octets as long as
// the slot's alignment.
type slotLife struct {
	fn      *function
	list    [][]access
	first   []int  // first grain of each slot
	grains  int    // of all slots
	filled  []bits // by block: slots that may have been touched before its end
	need    []bits // by block: grains that may be read after its begin
	touched []bits // by block: slots touched in it
}

// bits is a set of small numbers.
type bits []uint64

func (b bits) has(i int) bool { return b[i/64]>>(i%64)&1 != 0 }
func (b bits) set(i int)      { b[i/64] |= 1 << (i % 64) }
func (b bits) drop(i int)     { b[i/64] &^= 1 << (i % 64) }

// or adds o and reports whether b grew.
func (b bits) or(o bits) bool {
	grew := false
	for i := range b {
		n := b[i] | o[i]
		grew = grew || n != b[i]
		b[i] = n
	}
	return grew
}

func newSlotLife(fn *function, list [][]access) *slotLife {
	l := &slotLife{fn: fn, list: list}
	for _, s := range fn.f.Slots {
		l.first = append(l.first, l.grains)
		l.grains += grainsOf(s)
	}
	n := len(fn.f.Slots)
	for _, acc := range list {
		f := make(bits, n/64+1)
		for _, a := range acc {
			f.set(a.slot.ID)
		}
		l.touched = append(l.touched, f)
		l.filled = append(l.filled, slices.Clone(f))
		l.need = append(l.need, make(bits, l.grains/64+1))
	}
	return l
}

func grainsOf(s *ir.Slot) int { return (s.Size + max(s.Align, 1) - 1) / max(s.Align, 1) }

func (l *slotLife) solve() {
	if l.grains == 0 {
		return
	}
	blocks := l.fn.blocks
	for changed := true; changed; {
		changed = false
		for _, b := range blocks {
			for _, p := range b.preds {
				changed = l.filled[b.id].or(l.filled[p.id]) || changed
			}
		}
	}
	tmp := make(bits, l.grains/64+1)
	for changed := true; changed; {
		changed = false
		for i := len(blocks) - 1; i >= 0; i-- {
			clear(tmp)
			for _, s := range blocks[i].succs {
				tmp.or(l.need[s.id])
			}
			acc := l.list[i]
			for k := len(acc) - 1; k >= 0; k-- {
				l.apply(tmp, acc[k])
			}
			changed = l.need[i].or(tmp) || changed
		}
	}
}

// apply goes back over an access: what is needed before it.
func (l *slotLife) apply(need bits, a access) {
	g := max(a.slot.Align, 1)
	for i := range grainsOf(a.slot) {
		switch end := min((i+1)*g, a.slot.Size); {
		case a.reads:
			need.set(l.first[a.slot.ID] + i)
		case a.lo <= i*g && end <= a.hi:
			need.drop(l.first[a.slot.ID] + i)
		}
	}
}

func (l *slotLife) needed(need bits, s *ir.Slot) bool {
	for i := range grainsOf(s) {
		if need.has(l.first[s.ID] + i) {
			return true
		}
	}
	return false
}

// spans returns when each slot is live, by Slot.ID.
func (l *slotLife) spans() [][]span {
	slots := l.fn.f.Slots
	out := make([][]span, len(slots))
	add := func(s, from, to int) {
		if n := len(out[s]); n > 0 && from <= out[s][n-1].to {
			out[s][n-1].to = max(out[s][n-1].to, to)
		} else if from < to {
			out[s] = append(out[s], span{from, to})
		}
	}
	needed := l.neededSlots()
	words := len(slots)/64 + 1
	before, after := make(bits, words), make(bits, words)
	for i, b := range l.fn.blocks {
		clear(before)
		clear(after)
		for _, p := range b.preds {
			before.or(l.filled[p.id])
		}
		for _, n := range b.succs {
			after.or(needed[n.id])
		}
		for w := range words {
			for set := before[w]&after[w] | l.touched[i][w]; set != 0; set &= set - 1 {
				s := w*64 + mathbits.TrailingZeros64(set)
				if !l.touched[i].has(s) {
					add(s, b.from, b.to)
					continue
				}
				for _, sp := range l.inBlock(b, slots[s], before.has(s)) {
					add(s, sp.from, sp.to)
				}
			}
		}
	}
	return out
}

// neededSlots sums need up: by block, the slots of which a grain is needed.
func (l *slotLife) neededSlots() []bits {
	owner := make([]int, l.grains)
	for _, s := range l.fn.f.Slots {
		for i := range grainsOf(s) {
			owner[l.first[s.ID]+i] = s.ID
		}
	}
	out := make([]bits, len(l.need))
	for i, need := range l.need {
		out[i] = make(bits, len(l.fn.f.Slots)/64+1)
		for w, set := range need {
			for ; set != 0; set &= set - 1 {
				out[i].set(owner[w*64+mathbits.TrailingZeros64(set)])
			}
		}
	}
	return out
}

// inBlock returns when s, which b touches, is live in b, ascending.
func (l *slotLife) inBlock(b *mblock, s *ir.Slot, before bool) []span {
	var rev []span
	need := make(bits, l.grains/64+1)
	for _, n := range b.succs {
		need.or(l.need[n.id])
	}
	end := -1 // where the life that is being walked ends
	if l.needed(need, s) {
		end = b.to
	}
	acc := l.list[b.id]
	first := slices.IndexFunc(acc, func(a access) bool { return a.slot == s })
	for k := len(acc) - 1; k >= 0; k-- {
		a := acc[k]
		if a.slot != s {
			continue
		}
		l.apply(need, a)
		if end < 0 {
			end = a.at + 4
		}
		if !l.needed(need, s) || k == first && !before {
			rev = append(rev, span{a.at, end})
			end = -1
		}
	}
	if end >= 0 && before {
		rev = append(rev, span{b.from, end})
	}
	slices.Reverse(rev)
	return rev
}
