package lower

import (
	"slices"

	"weir/lang/check"
	"weir/lang/ir"
	"weir/packet"
)

// Several chains on one hook are one function, one after another: a PASS of any but
// the last is a jump, and costs nothing more. It is not counted; who reads the
// counters knows how many packets got to a chain by those that ended before it.
//
// What one chain has parsed the next ones find parsed. Some ways through a chain
// may have parsed more than others. If the chains to come need it, those that have
// less go up stairs, on which what they lack is parsed, until all stand as high as
// the highest:
//
//	return PASS   return PASS   return PASS
//	(nothing)     (IP known)    (TCP known)
//	    ▼             ▼             ▼
//	  find IP ──►  find L4  ──► next chain
//
// So a header is parsed once on every way, as far as that is worth it: where no way
// has parsed it, it waits until the next chain mentions it. With Options.Apart there
// are no stairs, and each chain begins with nothing.

// stairs lead from one chain to the next.
type stairs struct {
	steps []step
	at    []*ir.Block // for the ways that have taken so many steps
}

// A step parses something that is not known yet.
type step struct {
	known func(*state) bool
	take  func(*lowerer)
}

// chains lowers the chains of the program.
func (l *lowerer) chains() {
	for i, c := range l.p.Chains {
		l.chain, l.viewed = i, map[string]bool{}
		fr := &frame{fn: c.Main, attached: true, vars: map[*check.Local][]variable{}, call: l.attachedCall(c.Main)}
		if i+1 < len(l.p.Chains) {
			fr.next = l.stairs(l.p.Chains[i+1:])
		}
		l.frames = []*frame{fr}
		if i > 0 {
			l.lapChain(c)
		}
		l.stmts(c.Main.Body)
		if l.cur != nil {
			l.pos = c.Main.Pos
			l.exit.constant(l, l.verdictIndex(check.Pass), c.Main.Pos)
		}
		if fr.next != nil {
			l.climb(fr.next)
		}
		if l.cur == nil {
			return // nothing gets to the chains that follow
		}
	}
}

// goesOn reports whether a PASS here goes on to another chain.
func (l *lowerer) goesOn() bool { return l.frame().next != nil || l.frame().ret != nil }

// onward returns where a return leads that does not end the program.
func (l *lowerer) onward() *ir.Block {
	fr := l.frame()
	if fr.next == nil {
		return fr.ret
	}
	n := 0
	for n < len(fr.next.steps) && fr.next.steps[n].known(&l.st) {
		n++
	}
	if fr.next.at[n] == nil {
		fr.next.at[n] = l.block()
	}
	return fr.next.at[n]
}

// stairs returns the steps to what chains need.
func (l *lowerer) stairs(chains []check.Chain) *stairs {
	if l.opts.Apart {
		return &stairs{at: make([]*ir.Block, 1)}
	}
	var body []check.Stmt
	for _, c := range chains {
		body = append(body, c.Main.Body...)
	}
	n := l.bodyNeeds(body)
	s := new(stairs)
	add := func(needed bool, known func(*state) bool, take func(*lowerer)) {
		if needed {
			s.steps = append(s.steps, step{known, take})
		}
	}
	add(n.l3() || n.l4(), func(st *state) bool { return st.l3 }, (*lowerer).needL3)
	add(n.l4(), func(st *state) bool { return st.l4 }, (*lowerer).needL4)
	add(n.payload, func(st *state) bool { return st.payload }, func(l *lowerer) { l.payload() })
	add(n.header[packet.SRH], func(st *state) bool { return st.srh }, (*lowerer).needSRH)
	s.at = make([]*ir.Block, len(s.steps)+1)
	return s
}

// copySlot returns room for the copy of a header. It is the same for all chains, as
// long as no view of the chain can point to it: before the first such copy in the
// chain, and on the stairs. Other copies get room of their own, since views of what
// was there before a header was written are still good.
func (l *lowerer) copySlot(name string, size int) *ir.Value {
	if l.inner {
		name = "inner " + name
	}
	if l.viewed[name] || l.fn != l.res.IR.Funcs[0] || l.looping() {
		return l.slot(name, size, 8)
	}
	if l.copies[name] == nil {
		l.copies[name] = l.fn.NewSlot(name, size, 8, l.pos)
	}
	l.viewed[name] = true
	v := l.add(ir.OpSlot, ir.Ptr)
	v.Slot = l.copies[name]
	return v
}

// looping reports whether what is lowered may run again in the same packet.
func (l *lowerer) looping() bool {
	return len(l.loops) > 0 || slices.ContainsFunc(l.frames, func(fr *frame) bool { return len(fr.around) > 0 })
}

// climb begins the next chain, where all ways from the last one meet.
func (l *lowerer) climb(s *stairs) {
	for n, blk := range s.at {
		if blk != nil {
			l.jump(blk)
			l.start(blk)
		}
		higher := slices.ContainsFunc(s.at[n+1:], func(b *ir.Block) bool { return b != nil })
		if l.cur != nil && higher {
			l.viewed = map[string]bool{}
			l.lapChain(l.p.Chains[l.chain+1])
			s.steps[n].take(l)
		}
	}
	if l.opts.Apart {
		l.moved()
	}
}
