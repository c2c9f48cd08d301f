package lower

import (
	"weir/hook"
	"weir/lang/check"
	"weir/lang/diag"
	"weir/lang/ir"
)

// An exitBlock is the one place where a program ends: it counts the packet and
// returns to the kernel.
type exitBlock struct {
	blk    *ir.Block
	slot   variable // index in the exit map
	code   variable // what the kernel is told
	target variable // interface of a redirect
}

func (e *exitBlock) init(l *lowerer) {
	e.blk = l.block()
	e.slot, e.code, e.target = l.newVar(), l.newVar(), l.newVar()
}

// codes are what the kernel wants to hear for an action: enum xdp_action and
// the TC_ACT_ constants of linux/pkt_cls.h (UNSPEC goes on to the next program).
// A TX at tc-egress is OK: the packet is leaving by that interface already, and a
// redirect would bring it back to this hook until the kernel drops it.
func (l *lowerer) codes(a check.Action) int64 {
	if l.xdp() {
		return [...]int64{check.Pass: 2, check.Accept: 2, check.Drop: 1, check.TX: 3, check.Redirect: 4}[a]
	}
	return [...]int64{check.Pass: -1, check.Accept: 0, check.Drop: 2, check.TX: 0, check.Redirect: 7}[a]
}

// txRedirects reports whether TX is a redirect at this hook.
func (l *lowerer) txRedirects() bool { return l.opts.Hook == hook.TCIngress }

// slots returns the index of the first of a row of exits.
func (l *lowerer) exitSlot(verdict int, pos diag.Pos) int {
	x := Exit{Verdict: verdict, Pos: pos}
	if i, ok := l.exitIDs[x]; ok {
		return i
	}
	i := len(l.res.Exits)
	l.exitIDs[x] = i
	l.res.Exits = append(l.res.Exits, x)
	return i
}

// constant ends the program with a verdict that is known.
func (e *exitBlock) constant(l *lowerer, verdict int, pos diag.Pos) {
	l.set(e.slot, l.konst(int64(l.exitSlot(verdict, pos))))
	l.set(e.target, l.konst(0))
	a := l.p.Verdicts[verdict].Action
	if a == check.TX && l.txRedirects() {
		e.redirect(l, l.load(4, l.ctx, ctxIfIndex(l)))
		return
	}
	l.set(e.code, l.konst(l.codes(a)))
	l.jump(e.blk)
}

// dynamic ends the program with a verdict that only the packet decides.
func (e *exitBlock) dynamic(l *lowerer, v parts, pos diag.Pos) {
	if v[0].Op == ir.OpConst {
		i := int(v[0].Imm >> 8)
		if l.p.Verdicts[i].Action != check.Redirect {
			e.constant(l, i, pos)
			return
		}
		l.set(e.slot, l.konst(int64(l.exitSlot(i, pos))))
		e.redirect(l, v[1])
		return
	}
	// A row of exits, one for each verdict of the program, in order.
	base := len(l.res.Exits)
	for i := range l.p.Verdicts {
		l.res.Exits = append(l.res.Exits, Exit{Verdict: i, Pos: pos})
	}
	l.set(e.slot, l.opi(ir.OpAdd, l.opi(ir.OpShr, v[0], 8), int64(base)))
	l.set(e.target, l.konst(0))
	action := l.opi(ir.OpAnd, v[0], 0xff)
	for _, a := range []check.Action{check.Drop, check.Accept, check.TX, check.Redirect} {
		hit, miss := l.block(), l.block()
		l.branch(ir.Eq, action, l.konst(int64(a)), hit, miss)
		l.start(hit)
		switch {
		case a == check.Redirect:
			e.redirect(l, v[1])
		case a == check.TX && l.txRedirects():
			e.redirect(l, l.load(4, l.ctx, ctxIfIndex(l)))
		default:
			l.set(e.code, l.konst(l.codes(a)))
			l.jump(e.blk)
		}
		l.start(miss)
	}
	l.set(e.code, l.konst(l.codes(check.Pass)))
	l.jump(e.blk)
}

// redirect sends the packet out of an interface.
func (e *exitBlock) redirect(l *lowerer, ifindex *ir.Value) {
	l.set(e.target, ifindex)
	l.set(e.code, l.call(helperRedirect, "redirect", ir.Int, ifindex, l.konst(0)))
	l.jump(e.blk)
}

// finish lowers the exit itself, when all jumps to it have been made.
func (e *exitBlock) finish(l *lowerer) {
	l.pos = l.p.Main.Pos
	l.system(ExitMap, ir.PerCPUArray, 16, len(l.res.Exits))
	l.start(e.blk)
	if l.cur == nil {
		return
	}
	slot, code := l.get(e.slot), l.get(e.code)
	length := l.frameLen()
	if l.opts.Trace {
		t := l.mapValue(l.maps[TraceMap], 0)
		l.store(8, t, 0, slot)
		l.store(8, t, 8, l.get(e.target))
		l.store(8, t, 16, length)
		l.store(8, t, 24, l.besideWord())
	}
	if l.opts.Capture {
		l.capture(slot, code, length)
	}
	p := l.lookup(l.maps[ExitMap], l.indexKey(slot))
	count, done := l.block(), l.block()
	l.branch(ir.Ne, p, l.konst(0), count, done)
	l.start(count)
	l.store(8, p, 0, l.opi(ir.OpAdd, l.load(8, p, 0), 1))
	l.store(8, p, 8, l.op(ir.OpAdd, l.load(8, p, 8), length))
	l.jump(done)
	l.start(done)
	l.cur.Return(code)
	l.cur = nil
}

// verdict returns the parts of a constant verdict.
func (l *lowerer) verdict(i int) parts {
	return parts{l.konst(int64(l.p.Verdicts[i].Action) | int64(i)<<8), l.konst(0)}
}

// besideWord is the outer tag where it stands beside the buffer, else 0.
func (l *lowerer) besideWord() *ir.Value {
	if l.xdp() {
		return l.konst(0)
	}
	return l.choose1(func(then, els *ir.Block) { l.branch(ir.Ne, l.tagBeside(), l.konst(0), then, els) },
		func() *ir.Value {
			proto := l.swap(2, l.load(4, l.ctx, skbVLANProto))
			return l.op(ir.OpOr, l.opi(ir.OpShl, proto, 16), l.load(4, l.ctx, skbVLANTCI))
		}, func() *ir.Value { return l.konst(0) })
}
