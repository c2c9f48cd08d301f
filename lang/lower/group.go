package lower

import (
	"fmt"
	"strings"

	"weir/lang/check"
	"weir/lang/ir"
)

// A packet for several interfaces is sent by the kernel at XDP, by a map of them, and by
// a copy to each at traffic control:
//
//	XDP                                  traffic control
//	redirect_map(group, BROADCAST |      clone_redirect(eth1)    where it did not come
//	             EXCLUDE_INGRESS)        clone_redirect(eth2)    in by that
//	                                     redirect(eth3)
//
// All returns of the program share the block that does so.

// Flags of bpf_redirect_map, from linux/bpf.h.
const (
	flagBroadcast      = 1 << 3
	flagExcludeIngress = 1 << 4
)

// GroupMap begins the names of the maps of the interfaces of a group.
const GroupMap = ".group"

// declareGroups makes the maps of groups.
func (l *lowerer) declareGroups() {
	if !l.xdp() {
		return
	}
	for i, text := range l.p.Groups {
		names := strings.Split(text, ",")
		m := l.addMap(&ir.Map{Name: fmt.Sprintf("%s%d", GroupMap, i), Kind: ir.DevMap, KeySize: 4, ValueSize: 4, MaxEntries: uint32(len(names))})
		l.res.Groups[m] = names
	}
}

// toGroup goes to where the packet is sent to a group, whose index is the target. slot is
// that of leave.
func (e *exitBlock) toGroup(l *lowerer, slot func(verdict int) *ir.Value) {
	if e.group == nil {
		e.group, e.long = l.block(), l.newVar()
	}
	if l.opts.Frags {
		l.set(e.long, slot(l.verdictOf(check.Verdict{Action: check.Drop, Reason: check.NoCopies})))
	}
	l.jump(e.group)
}

// sendGroup lowers the block that toGroup goes to, when all jumps to it have been made.
func (e *exitBlock) sendGroup(l *lowerer) {
	if e.group == nil {
		return
	}
	l.start(e.group)
	if l.cur == nil {
		return
	}
	if l.opts.Frags {
		e.refuseLong(l)
	}
	of := l.get(e.target)
	for i, names := range l.p.Groups {
		miss := (*ir.Block)(nil)
		if i+1 < len(l.p.Groups) {
			var hit *ir.Block
			hit, miss = l.block(), l.block()
			l.branch(ir.Eq, of, l.konst(int64(i)), hit, miss)
			l.start(hit)
		}
		if l.xdp() {
			m := l.maps[fmt.Sprintf("%s%d", GroupMap, i)]
			l.set(e.code, l.call(helperRedirectMap, "redirect_map", ir.Int, l.mapPtr(m), l.konst(0), l.konst(flagBroadcast|flagExcludeIngress)))
			l.jump(e.blk)
		} else {
			e.copies(l, strings.Split(names, ","))
		}
		if miss != nil {
			l.start(miss)
		}
	}
}

// copies sends the packet to each of the interfaces that it did not come in by: the last
// gets the packet itself. If that is the one, the kernel is told of interface 0, which
// nobody has, and lets go of the packet.
func (e *exitBlock) copies(l *lowerer, names []string) {
	in := l.load(4, l.ctx, ctxIfIndex(l))
	last := len(names) - 1
	for _, name := range names[:last] {
		to := l.ifIndex(name)
		send, next := l.block(), l.block()
		l.branch(ir.Ne, to, in, send, next)
		l.start(send)
		l.call(helperClone, "clone_redirect", ir.Int, l.ctx, to, l.konst(0))
		l.invalidate()
		l.jump(next)
		l.start(next)
	}
	to := l.ifIndex(names[last])
	other := l.choose1(func(then, els *ir.Block) { l.branch(ir.Ne, to, in, then, els) },
		func() *ir.Value { return to }, func() *ir.Value { return l.konst(0) })
	e.redirect(l, helperRedirect, other, 0)
}

// refuseLong drops an XDP frame of several fragments: the kernel's copy of one has its
// first alone, and whatever stood in the memory for the list of the others (xdpf_clone
// of net/core/xdp.c).
func (e *exitBlock) refuseLong(l *lowerer) {
	long, whole := l.coldBlock(), l.block()
	data, end := l.bounds()
	l.branch(ir.Ne, l.frameLen(), l.op(ir.OpSub, end, data), long, whole)
	l.start(long)
	l.set(e.slot, l.get(e.long))
	l.set(e.code, l.konst(l.codes(check.Drop)))
	l.jump(e.blk)
	l.start(whole)
}
