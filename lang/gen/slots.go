package gen

import (
	"cmp"
	"math/bits"
	"slices"

	"weir/lang/ir"
)

// slotItems makes a stackItem of every slot that is used. Its octets are its own
// where something may have been put into it before and may be read from it
// after; a store that covers a part of it ends the need for what was there.
func (fn *function) slotItems() []*stackItem {
	fn.frame.slots = make([]*stackItem, len(fn.f.Slots))
	list, escaped := fn.accesses()
	spans := fn.slotSpans(list, escaped)
	dynptrs := dynptrSlots(fn.f)
	var items []*stackItem
	for _, s := range fn.f.Slots {
		it := &stackItem{size: s.Size, align: max(s.Align, 1), slot: s, spans: spans[s.ID]}
		if escaped[s] || dynptrs[s] {
			it.spans = []span{{0, fn.blocks[len(fn.blocks)-1].to}}
		}
		if len(it.spans) > 0 {
			fn.frame.slots[s.ID] = it
			items = append(items, it)
		}
	}
	return items
}

// dynptrSlots returns the slots that hold dynptrs. The verifier keeps them for the
// whole function: a helper may not write where one has been, even if nothing uses it
// any more.
func dynptrSlots(f *ir.Func) map[*ir.Slot]bool {
	all := map[*ir.Slot]bool{}
	for _, b := range f.Blocks {
		for _, v := range b.Values {
			if v.Op == ir.OpCall && v.Sym == "bpf_dynptr_from_skb" {
				if s := v.Args[2]; s.Op == ir.OpSlot {
					all[s.Slot] = true
				}
			}
		}
	}
	return all
}

// A slotLife computes when slots are live, in grains: runs of octets as long as
// the slot's alignment. It is the usual analysis with a bit for each grain, but
// takes a batch of slots at a time and looks at the blocks alone that may lie
// between two that touch them: most slots are for a few blocks of thousands.
type slotLife struct {
	fn    *function
	list  [][]access // by block
	flow  *flow
	spans [][]span // by slot

	// The batch.
	slots  []*ir.Slot // in order of their grains
	first  []int      // by slot: number of its first grain, -1 for slots outside of the batch
	owner  []*ir.Slot // by grain
	lo, hi int        // its blocks are flow.order[lo:hi]
	words  int        // of a set of grains
	need   bitset     // by block: grains that may be read after its begin
	live   bitset     // by block: those of need whose slot may have been touched before
	tmp    bitset
}

// batchGrains is how many grains a batch has before it is full.
const batchGrains = 256

// slotSpans returns by slot when it is live; slots that escaped are left out.
func (fn *function) slotSpans(list [][]access, escaped map[*ir.Slot]bool) [][]span {
	l := &slotLife{fn: fn, list: list, spans: make([][]span, len(fn.f.Slots)), first: make([]int, len(fn.f.Slots))}
	if len(fn.f.Slots) == 0 {
		return l.spans
	}
	l.flow = fn.flow()
	from, to := l.extents()
	var todo []*ir.Slot
	for _, s := range fn.f.Slots {
		l.first[s.ID] = -1
		if !escaped[s] && from[s.ID] < to[s.ID] {
			todo = append(todo, s)
		}
	}
	slices.SortStableFunc(todo, func(a, b *ir.Slot) int { return cmp.Compare(from[a.ID], from[b.ID]) })
	for len(todo) > 0 {
		n := 0
		l.lo, l.hi, l.owner = len(fn.blocks), 0, l.owner[:0]
		for ; n < len(todo) && len(l.owner) < batchGrains; n++ {
			s := todo[n]
			l.lo, l.hi = min(l.lo, from[s.ID]), max(l.hi, to[s.ID])
			l.first[s.ID] = len(l.owner)
			for range grainsOf(s) {
				l.owner = append(l.owner, s)
			}
		}
		l.slots, todo = todo[:n], todo[n:]
		l.batch()
	}
	return l.spans
}

// extents returns by slot the part of the order, from and up to, that all ways
// between the blocks that touch it are in.
func (l *slotLife) extents() (from, to []int) {
	from, to = make([]int, len(l.first)), make([]int, len(l.first))
	for i := range from {
		from[i] = len(l.list)
	}
	for b, acc := range l.list {
		for _, a := range acc {
			s := a.slot.ID
			from[s] = min(from[s], l.flow.from[b])
			to[s] = max(to[s], l.flow.to[b])
		}
	}
	return from, to
}

// batch finds the spans of the slots of the batch.
func (l *slotLife) batch() {
	l.words = (len(l.owner) + 63) / 64
	n := (l.hi - l.lo) * l.words
	l.need, l.live, l.tmp = l.need.sized(n), l.live.sized(n), l.tmp.sized(l.words)
	for changed := true; changed; {
		changed = false
		for _, b := range slices.Backward(l.flow.order[l.lo:l.hi]) {
			after := l.after(b)
			for _, a := range slices.Backward(l.list[b.id]) {
				l.apply(after, a)
			}
			changed = l.at(l.need, b).or(after) || changed
		}
	}
	for changed := true; changed; {
		changed = false
		for _, b := range l.flow.order[l.lo:l.hi] {
			changed = l.fill(b) || changed
		}
	}
	blocks := slices.Clone(l.flow.order[l.lo:l.hi])
	slices.SortFunc(blocks, func(a, b *mblock) int { return a.id - b.id })
	for _, b := range blocks {
		l.collect(b)
	}
	for _, s := range l.slots {
		l.first[s.ID] = -1
	}
}

// at returns b's part of set, nil if b is not among the blocks of the batch.
func (l *slotLife) at(set bitset, b *mblock) bitset {
	i := l.flow.rank[b.id]
	if i < l.lo || i >= l.hi {
		return nil
	}
	return set[(i-l.lo)*l.words:][:l.words]
}

// after returns the grains that are needed after b, valid until the next call.
func (l *slotLife) after(b *mblock) bitset {
	clear(l.tmp)
	for _, n := range b.succs {
		l.tmp.or(l.at(l.need, n))
	}
	return l.tmp
}

// apply goes back over an access: what is needed before it.
func (l *slotLife) apply(need bitset, a access) {
	first := l.first[a.slot.ID]
	if first < 0 {
		return
	}
	g := max(a.slot.Align, 1)
	for i := range grainsOf(a.slot) {
		switch end := min((i+1)*g, a.slot.Size); {
		case a.reads:
			need.set(first + i)
		case a.lo <= i*g && end <= a.hi:
			need.drop(first + i)
		}
	}
}

// fill tells the successors of b what has been touched, as far as they need it,
// and reports whether that was new.
func (l *slotLife) fill(b *mblock) bool {
	copy(l.tmp, l.at(l.live, b))
	for _, a := range l.list[b.id] {
		if first := l.first[a.slot.ID]; first >= 0 {
			for i := range grainsOf(a.slot) {
				l.tmp.set(first + i)
			}
		}
	}
	changed := false
	for _, n := range b.succs {
		need, live := l.at(l.need, n), l.at(l.live, n)
		for i := range live {
			if more := l.tmp[i] & need[i] &^ live[i]; more != 0 {
				live[i] |= more
				changed = true
			}
		}
	}
	return changed
}

// collect adds to the spans of the slots what b has of them.
func (l *slotLife) collect(b *mblock) {
	var acc []access
	for _, a := range l.list[b.id] {
		if l.first[a.slot.ID] >= 0 {
			acc = append(acc, a)
		}
	}
	slices.SortStableFunc(acc, func(a, b access) int { return a.slot.ID - b.slot.ID })
	live := l.at(l.live, b)
	if len(acc) > 0 {
		need := l.after(b)
		for len(acc) > 0 {
			s := acc[0].slot
			n := slices.IndexFunc(acc, func(a access) bool { return a.slot != s })
			if n < 0 {
				n = len(acc)
			}
			l.inBlock(b, acc[:n], need)
			acc = acc[n:]
		}
		copy(l.tmp, live)
		for _, a := range l.list[b.id] { // these are done
			if first := l.first[a.slot.ID]; first >= 0 {
				for i := range grainsOf(a.slot) {
					l.tmp.drop(first + i)
				}
			}
		}
		live = l.tmp
	}
	var last *ir.Slot
	for i := range live.all {
		if s := l.owner[i]; s != last {
			last = s
			l.add(s, span{b.from, b.to})
		}
	}
}

func (l *slotLife) add(s *ir.Slot, sp span) {
	out := l.spans[s.ID]
	if n := len(out); n > 0 && sp.from <= out[n-1].to {
		out[n-1].to = max(out[n-1].to, sp.to)
	} else if sp.from < sp.to {
		l.spans[s.ID] = append(out, sp)
	}
}

// inBlock adds when the slot is live that acc, all of its accesses in b, are to.
// It changes what need, the grains needed after b, says about that slot.
func (l *slotLife) inBlock(b *mblock, acc []access, need bitset) {
	s := acc[0].slot
	first := l.first[s.ID]
	needed := func() bool { return need.any(first, first+grainsOf(s)) }
	before := l.at(l.live, b).any(first, first+grainsOf(s))
	var rev []span
	end := -1 // where the life that is being walked ends
	if needed() {
		end = b.to
	}
	for k, a := range slices.Backward(acc) {
		l.apply(need, a)
		if end < 0 {
			end = a.at + 4
		}
		if !needed() || k == 0 && !before {
			rev = append(rev, span{a.at, end})
			end = -1
		}
	}
	if end >= 0 && before {
		rev = append(rev, span{b.from, end})
	}
	for _, sp := range slices.Backward(rev) {
		l.add(s, sp)
	}
}

func grainsOf(s *ir.Slot) int { return (s.Size + max(s.Align, 1) - 1) / max(s.Align, 1) }

// bitset is a set of small numbers.
type bitset []uint64

func (b bitset) set(i int)  { b[i/64] |= 1 << (i % 64) }
func (b bitset) drop(i int) { b[i/64] &^= 1 << (i % 64) }

// any reports whether one of [from, to) is in b.
func (b bitset) any(from, to int) bool {
	for i := from; i < to; i++ {
		if b[i/64]>>(i%64)&1 != 0 {
			return true
		}
	}
	return false
}

// or adds o, which may be nil for none, and reports whether b grew.
func (b bitset) or(o bitset) bool {
	grew := false
	for i, w := range o {
		grew = grew || w&^b[i] != 0
		b[i] |= w
	}
	return grew
}

// all yields what is in b, ascending.
func (b bitset) all(yield func(int) bool) {
	for i, w := range b {
		for ; w != 0; w &= w - 1 {
			if !yield(i*64 + bits.TrailingZeros64(w)) {
				return
			}
		}
	}
}

// sized returns an empty set with n words, in the room of b if that suffices.
func (b bitset) sized(n int) bitset {
	if cap(b) < n {
		return make(bitset, n)
	}
	b = b[:n]
	clear(b)
	return b
}
