package gen

import (
	"math"
	"slices"
)

const never = math.MaxInt

// A span is the positions [from, to).
type span struct{ from, to int }

// An interval is a part of a virtual register's life that is spent in one
// place: a register, or its place on the stack (or nowhere, if it is computed
// anew). The parts of one virtual register are a list in order of position.
type interval struct {
	reg     int // virtual register
	spans   []span
	uses    []int // positions that need it in a register, ascending
	phys    int8  // register, -1 for none
	spilled bool
	next    *interval
	prev    *interval
	cursor  int // first span that may cover the allocator's position
}

func (it *interval) start() int { return it.spans[0].from }
func (it *interval) end() int   { return it.spans[len(it.spans)-1].to }

// covers reports whether it is live at pos; calls come with rising pos.
func (it *interval) covers(pos int) bool {
	for it.cursor < len(it.spans) && it.spans[it.cursor].to <= pos {
		it.cursor++
	}
	return it.cursor < len(it.spans) && it.spans[it.cursor].from <= pos
}

// nextUse returns the first position from pos on that needs a register.
func (it *interval) nextUse(pos int) int {
	i, _ := slices.BinarySearch(it.uses, pos)
	if i == len(it.uses) {
		return never
	}
	return it.uses[i]
}

// lastUse returns the last position before pos that needs a register, or -1.
func (it *interval) lastUse(pos int) int {
	i, _ := slices.BinarySearch(it.uses, pos)
	if i == 0 {
		return -1
	}
	return it.uses[i-1]
}

// meets returns the first position at which both are live, or never.
func (it *interval) meets(o *interval) int {
	a, b := it.spans[min(it.cursor, len(it.spans)):], o.spans[min(o.cursor, len(o.spans)):]
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0].to <= b[0].from:
			a = a[1:]
		case b[0].to <= a[0].from:
			b = b[1:]
		default:
			return max(a[0].from, b[0].from)
		}
	}
	return never
}

// split cuts it at pos and returns the later part. pos lies after the start and
// before the end.
func (it *interval) split(pos int) *interval {
	c := &interval{reg: it.reg, phys: -1, next: it.next, prev: it}
	if it.next != nil {
		it.next.prev = c
	}
	it.next = c
	i := 0
	for it.spans[i].to <= pos {
		i++
	}
	rest := it.spans[i:]
	if rest[0].from < pos {
		c.spans = append([]span{{pos, rest[0].to}}, rest[1:]...)
		it.spans = append(it.spans[:i:i], span{rest[0].from, pos})
	} else {
		c.spans = slices.Clone(rest)
		it.spans = it.spans[:i:i]
	}
	u, _ := slices.BinarySearch(it.uses, pos)
	c.uses = slices.Clone(it.uses[u:])
	it.uses = it.uses[:u:u]
	it.cursor = 0
	return c
}

// addSpan puts a span before all others: lives are built from the back.
func (it *interval) addSpan(from, to int) {
	if n := len(it.spans); n > 0 {
		first := &it.spans[n-1] // reversed while building
		if first.from <= from && to <= first.to {
			return
		}
		if first.from <= to {
			first.from = min(first.from, from)
			first.to = max(first.to, to)
			return
		}
	}
	it.spans = append(it.spans, span{from, to})
}

// at returns the part of virtual register r that is in force at pos.
func (fn *function) at(r, pos int) *interval {
	it := fn.regs[r].first
	for it.next != nil && it.next.start() <= pos {
		it = it.next
	}
	return it
}
