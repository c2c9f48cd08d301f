package gen

import (
	"container/heap"
	"slices"
)

// An allocator is the linear scan of Wimmer and Franz, "Linear Scan Register
// Allocation on SSA Form", 2010: intervals in order of their start get the
// register that is free for as long as they need it; where none is, the one
// whose next use is farthest away goes to the stack until then. Lives have
// holes, and are split instead of spilled whole.
//
// Two things are of its own. Cold code stands last and lives are cut where it
// begins, so that what happens there cannot disturb the rest. And of the
// registers that are free long enough that one is taken which is free for the
// shortest time, which leaves r6 to r9 to what lives across calls.
type allocator struct {
	fn       *function
	todo     queue
	active   []*interval
	inactive []*interval
	spare    [2][]*interval // room for the next two
	hot      [numRegs]bool  // registers of what is not cold
}

// queue is a heap of intervals by start.
type queue []*interval

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	if a, b := q[i].start(), q[j].start(); a != b {
		return a < b
	}
	return q[i].reg < q[j].reg
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push implements heap.Interface.
func (q *queue) Push(x any) { *q = append(*q, x.(*interval)) }

// Pop implements heap.Interface.
func (q *queue) Pop() any {
	old := *q
	x := old[len(old)-1]
	*q = old[:len(old)-1]
	return x
}

// allocate gives every part of every life a place.
func (fn *function) allocate() {
	al := &allocator{fn: fn}
	for i := range fn.regs {
		it := fn.regs[i].first
		if len(it.spans) == 0 {
			continue
		}
		al.todo = append(al.todo, it)
		if it.start() < fn.cold && fn.cold < it.end() {
			al.todo = append(al.todo, it.split(fn.cold))
		}
	}
	heap.Init(&al.todo)
	for len(al.todo) > 0 {
		cur := heap.Pop(&al.todo).(*interval)
		al.advance(cur.start())
		if !al.free(cur) {
			al.evict(cur)
		}
	}
}

// advance sorts the lives that hold registers by what they do at pos.
func (al *allocator) advance(pos int) {
	active, inactive := al.spare[0][:0], al.spare[1][:0]
	for _, list := range [2][]*interval{al.active, al.inactive} {
		for _, it := range list {
			switch {
			case it.phys < 0 || it.end() <= pos:
			case it.covers(pos):
				active = append(active, it)
			default:
				inactive = append(inactive, it)
			}
		}
	}
	al.spare = [2][]*interval{al.active, al.inactive}
	al.active, al.inactive = active, inactive
}

// clobber returns the first position at which a call destroys r0 to r5 while it
// is live, or never.
func (al *allocator) clobber(it *interval) int {
	calls := al.fn.calls
	for _, s := range it.spans {
		i, _ := slices.BinarySearch(calls, s.from-2)
		if i < len(calls) && calls[i]+2 < s.to {
			return calls[i] + 2
		}
	}
	return never
}

// closed reports whether cur must not have register r. A register that calls
// keep is saved on entry and restored on exit of each run that reaches neither:
// what is cold makes do with those that the rest uses, and with the stack.
func (al *allocator) closed(cur *interval, r int) bool {
	return r >= calleeReg && cur.start() >= al.fn.cold && !al.hot[r]
}

// until returns for each register how long it is free for cur.
func (al *allocator) until(cur *interval) (free [numRegs]int) {
	clob := al.clobber(cur)
	for r := range free {
		free[r] = never
		switch {
		case r < calleeReg:
			free[r] = clob
		case al.closed(cur, r):
			free[r] = 0
		}
	}
	for _, it := range al.active {
		free[it.phys] = 0
	}
	for _, it := range al.inactive {
		if free[it.phys] > cur.start() {
			free[it.phys] = min(free[it.phys], it.meets(cur))
		}
	}
	return free
}

// free gives cur a register that nobody holds, cutting off what it cannot have
// it for. It reports false if there is none that helps.
func (al *allocator) free(cur *interval) bool {
	free := al.until(cur)
	best := al.hinted(cur, &free)
	if best < 0 {
		for r, pos := range free {
			switch {
			case best < 0, pos >= cur.end() && (free[best] < cur.end() || pos < free[best]),
				pos < cur.end() && pos > free[best]:
				best = r
			}
		}
	}
	pos := free[best]
	if pos < cur.end() {
		cut := pos &^ 3
		last := cur.lastUse(pos)
		if cut <= cur.start() || last < 0 {
			return false
		}
		if last >= cut {
			cut = pos
		} else {
			cut = al.fn.bestCut(max(last, cur.start()), cut)
		}
		heap.Push(&al.todo, cur.split(cut))
	}
	al.assign(cur, best)
	return true
}

func (al *allocator) assign(cur *interval, r int) {
	cur.phys = int8(r)
	if cur.start() < al.fn.cold {
		al.hot[r] = true
	}
	al.active = append(al.active, cur)
}

// hinted returns a register that is free for all of cur and saves a move, or -1.
func (al *allocator) hinted(cur *interval, free *[numRegs]int) int {
	ok := func(r int8) bool { return r >= 0 && free[r] >= cur.end() }
	for p := cur.prev; p != nil; p = p.prev {
		if ok(p.phys) {
			return int(p.phys)
		}
	}
	v := &al.fn.regs[cur.reg]
	for _, h := range v.hints {
		if r := al.near(h, cur.start()); ok(r) {
			return int(r)
		}
	}
	for _, h := range v.hints { // what else a phi that comes later brings together
		for _, o := range al.fn.regs[h].hints {
			if r := al.near(o, cur.start()); o != cur.reg && ok(r) {
				return int(r)
			}
		}
	}
	for _, r := range v.fixed {
		if ok(r) {
			return int(r)
		}
	}
	return -1
}

// near returns the register that r is in around pos, or was last, or -1.
func (al *allocator) near(r, pos int) int8 {
	it := al.fn.regs[r].first
	if len(it.spans) == 0 {
		return -1
	}
	last := it.phys
	for it.next != nil && it.next.start() < pos {
		it = it.next
		if it.phys >= 0 {
			last = it.phys
		}
	}
	return last
}

// evict finds a register for cur by sending others to the stack, or sends cur
// there itself if it is used last of all.
func (al *allocator) evict(cur *interval) {
	var use, block [numRegs]int
	clob := al.clobber(cur)
	for r := range use {
		use[r], block[r] = never, never
		switch {
		case r < calleeReg:
			use[r], block[r] = clob, clob
		case al.closed(cur, r):
			use[r], block[r] = 0, 0
		}
	}
	pos := cur.start()
	for _, it := range al.active {
		use[it.phys] = min(use[it.phys], it.nextUse(pos))
	}
	for _, it := range al.inactive {
		if it.meets(cur) < never {
			use[it.phys] = min(use[it.phys], it.nextUse(pos))
		}
	}
	best := 0
	for r := range use {
		if use[r] > use[best] || use[r] == use[best] && block[r] > block[best] {
			best = r
		}
	}
	first := cur.nextUse(pos)
	if use[best] <= first {
		if first&^3 <= pos {
			panic("gen: no register for " + al.fn.describe(cur))
		}
		al.spill(cur)
		return
	}
	if block[best] < cur.end() {
		heap.Push(&al.todo, cur.split(max(block[best]&^3, pos+1)))
	}
	al.displace(cur, int8(best))
	al.assign(cur, best)
}

// displace sends away the holders of register r that cur meets.
func (al *allocator) displace(cur *interval, r int8) {
	pos := cur.start()
	for _, it := range al.active {
		if it.phys != r {
			continue
		}
		if it.start() == pos {
			it.phys = -1
			al.spill(it)
		} else {
			al.spill(it.split(pos))
		}
	}
	al.active = slices.DeleteFunc(al.active, func(it *interval) bool { return it.phys == r || it.phys < 0 })
	for _, it := range al.inactive {
		if it.phys == r && it.meets(cur) < never {
			heap.Push(&al.todo, it.split(pos))
		}
	}
}

// spill puts it on the stack up to where it is next needed in a register.
func (al *allocator) spill(it *interval) {
	it.spilled = true
	if next := it.nextUse(it.start()); next < never {
		cut := al.fn.bestCut(it.start(), next&^3)
		heap.Push(&al.todo, it.split(cut))
	}
	// A call's argument that goes to the stack at the call is still taken from
	// its register.
	if p := it.prev; p != nil && p.phys >= 0 && p.phys < calleeReg && p.end() == it.start() && al.fn.isCall(it.start()) && it.spans[0].to > it.start()+2 {
		it.spans[0].from += 2
		p.spans[len(p.spans)-1].to += 2
	}
}

func (fn *function) isCall(pos int) bool {
	_, ok := slices.BinarySearch(fn.calls, pos)
	return ok
}

// bestCut returns where to cut in (low, high]: the last border of the blocks
// that are in the fewest loops, or high itself if that is no worse.
func (fn *function) bestCut(low, high int) int {
	i := fn.blockAt(high)
	best, depth := high, fn.blocks[i].depth
	for n := 0; n < 64 && i > 0 && fn.blocks[i].from > low; n++ {
		if d := fn.blocks[i-1].depth; d < depth {
			best, depth = fn.blocks[i].from, d
		}
		i--
	}
	return best
}

// blockAt returns the index of the block that position pos is in.
func (fn *function) blockAt(pos int) int {
	i, _ := slices.BinarySearchFunc(fn.blocks, pos, func(b *mblock, pos int) int {
		if b.to <= pos {
			return -1
		}
		return 1
	})
	return i
}
