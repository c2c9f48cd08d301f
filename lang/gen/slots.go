package gen

import (
	"slices"

	"weir/lang/ir"
)

// slotItems makes a stackItem of every slot that is used. Its octets are its own
// where something may have been put into it before and may be read from it
// after; a store that covers a part of it ends the need for what was there.
func (fn *function) slotItems() []*stackItem {
	fn.frame.slots = make([]*stackItem, len(fn.f.Slots))
	list, escaped := fn.accesses()
	touched := make([][]int, len(fn.f.Slots)) // by slot: blocks, ascending
	for b, acc := range list {
		for _, a := range acc {
			if t := touched[a.slot.ID]; len(t) == 0 || t[len(t)-1] != b {
				touched[a.slot.ID] = append(t, b)
			}
		}
	}
	l := &slotLife{fn: fn, list: list, need: make([]bits, len(fn.blocks)), filled: make([]bool, len(fn.blocks))}
	var items []*stackItem
	for _, s := range fn.f.Slots {
		it := &stackItem{size: s.Size, align: max(s.Align, 1), slot: s}
		if escaped[s] {
			it.spans = []span{{0, fn.blocks[len(fn.blocks)-1].to}}
		} else {
			it.spans = l.spans(s, touched[s.ID])
		}
		if len(it.spans) > 0 {
			fn.frame.slots[s.ID] = it
			items = append(items, it)
		}
	}
	return items
}

// A slotLife computes when a slot is live, in grains: runs of octets as long as
// the slot's alignment. It goes slot by slot, and only where the slot is needed:
// most are for a few blocks of thousands.
type slotLife struct {
	fn     *function
	list   [][]access // by block
	slot   *ir.Slot
	need   []bits // by block: grains that may be read after its begin; nil for none
	filled []bool // by block: the slot may have been touched before its begin, and is needed there
	needed []int  // blocks whose need is set
	tmp    bits
}

// bits is a set of small numbers.
type bits []uint64

func (b bits) has(i int) bool { return b[i/64]>>(i%64)&1 != 0 }
func (b bits) set(i int)      { b[i/64] |= 1 << (i % 64) }
func (b bits) drop(i int)     { b[i/64] &^= 1 << (i % 64) }

func (b bits) some() bool {
	return slices.ContainsFunc(b, func(w uint64) bool { return w != 0 })
}

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

func grainsOf(s *ir.Slot) int { return (s.Size + max(s.Align, 1) - 1) / max(s.Align, 1) }

// spans returns when s is live, which is touched in these blocks.
func (l *slotLife) spans(s *ir.Slot, touched []int) []span {
	l.slot, l.tmp = s, make(bits, grainsOf(s)/64+1)
	l.needs(touched)
	l.fills(touched)
	blocks := slices.Clone(touched)
	for _, b := range l.needed {
		if l.filled[b] {
			blocks = append(blocks, b)
		}
	}
	slices.Sort(blocks)
	var out []span
	add := func(from, to int) {
		if n := len(out); n > 0 && from <= out[n-1].to {
			out[n-1].to = max(out[n-1].to, to)
		} else if from < to {
			out = append(out, span{from, to})
		}
	}
	for _, id := range slices.Compact(blocks) {
		b := l.fn.blocks[id]
		if _, ok := slices.BinarySearch(touched, id); !ok {
			add(b.from, b.to)
			continue
		}
		for _, sp := range l.inBlock(b) {
			add(sp.from, sp.to)
		}
	}
	for _, b := range l.needed {
		l.need[b], l.filled[b] = nil, false
	}
	l.needed = l.needed[:0]
	return out
}

// needs goes back from the blocks that touch the slot.
func (l *slotLife) needs(touched []int) {
	work := slices.Clone(touched)
	for len(work) > 0 {
		b := l.fn.blocks[work[len(work)-1]]
		work = work[:len(work)-1]
		need := l.after(b)
		for _, a := range slices.Backward(l.list[b.id]) {
			l.apply(need, a)
		}
		if !need.some() {
			continue
		}
		if l.need[b.id] == nil {
			l.need[b.id] = make(bits, len(need))
			l.needed = append(l.needed, b.id)
		}
		if l.need[b.id].or(need) {
			for _, p := range b.preds {
				work = append(work, p.id)
			}
		}
	}
}

// fills goes on from them, as far as the slot is needed.
func (l *slotLife) fills(touched []int) {
	work := slices.Clone(touched)
	for len(work) > 0 {
		b := l.fn.blocks[work[len(work)-1]]
		work = work[:len(work)-1]
		for _, n := range b.succs {
			if l.need[n.id] != nil && !l.filled[n.id] {
				l.filled[n.id] = true
				work = append(work, n.id)
			}
		}
	}
}

// after returns the grains that are needed after b, valid until the next call.
func (l *slotLife) after(b *mblock) bits {
	clear(l.tmp)
	for _, n := range b.succs {
		if need := l.need[n.id]; need != nil {
			l.tmp.or(need)
		}
	}
	return l.tmp
}

// apply goes back over an access: what is needed before it.
func (l *slotLife) apply(need bits, a access) {
	if a.slot != l.slot {
		return
	}
	g := max(a.slot.Align, 1)
	for i := range grainsOf(a.slot) {
		switch end := min((i+1)*g, a.slot.Size); {
		case a.reads:
			need.set(i)
		case a.lo <= i*g && end <= a.hi:
			need.drop(i)
		}
	}
}

// inBlock returns when the slot is live in b, which touches it, ascending.
func (l *slotLife) inBlock(b *mblock) []span {
	var rev []span
	before := l.filled[b.id]
	need := l.after(b)
	end := -1 // where the life that is being walked ends
	if need.some() {
		end = b.to
	}
	acc := l.list[b.id]
	first := slices.IndexFunc(acc, func(a access) bool { return a.slot == l.slot })
	for k := len(acc) - 1; k >= 0; k-- {
		a := acc[k]
		if a.slot != l.slot {
			continue
		}
		l.apply(need, a)
		if end < 0 {
			end = a.at + 4
		}
		if !need.some() || k == first && !before {
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
