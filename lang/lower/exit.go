package lower

import (
	"weir/hook"
	"weir/lang/check"
	"weir/lang/diag"
	"weir/lang/ir"
)

// An exitBlock is the one place where a program ends: it counts the packet and
// returns to the kernel. A PASS to the next chain does not come here, see chain.go.
type exitBlock struct {
	blk    *ir.Block
	slot   variable // index in the exit map
	code   variable // what the kernel is told
	target variable // interface of a redirect
	row    variable // where in the exit map the exits of the place begin, see findRow

	group *ir.Block // sends the packet to the group of that index; nil: nobody asks for it
	long  variable  // index in the exit map for what is too long for that
}

func (e *exitBlock) init(l *lowerer) {
	e.blk = l.block()
	e.slot, e.code, e.target = l.newVar(), l.newVar(), l.newVar()
}

// codes are what the kernel wants to hear for an action: enum xdp_action, the
// TC_ACT_ constants of linux/pkt_cls.h (UNSPEC goes on to the next program), NF_DROP
// and NF_ACCEPT, SK_DROP and SK_PASS, and 1 or 0 at a cgroup. At a packet socket 0 and
// 1 are ours: see finish.
// A TX at tc-egress is OK: the packet is leaving by that interface already, and a
// redirect would bring it back to this hook until the kernel drops it.
func (l *lowerer) codes(a check.Action) int64 {
	if l.xdp() {
		return [...]int64{check.Pass: 2, check.Accept: 2, check.Drop: 1, check.TX: 3}[a]
	}
	if h := l.opts.Hook; h == hook.TCIngress || h == hook.TCEgress {
		return [...]int64{check.Pass: -1, check.Accept: 0, check.Drop: 2, check.TX: 0}[a]
	}
	if a == check.Drop {
		return 0
	}
	return 1
}

// yesOrNo reports whether the kernel wants to hear 1 or 0.
func (l *lowerer) yesOrNo() bool { return l.info.Place != hook.Interface }

// txRedirects reports whether TX is a redirect at this hook.
func (l *lowerer) txRedirects() bool { return l.opts.Hook == hook.TCIngress }

// slots returns the index of the first of a row of exits.
func (l *lowerer) exitSlot(verdict int, pos diag.Pos) int {
	x := Exit{Chain: l.chain, Verdict: verdict, Pos: pos}
	if i, ok := l.exitIDs[x]; ok {
		return i
	}
	i := len(l.res.Exits)
	l.exitIDs[x] = i
	l.res.Exits = append(l.res.Exits, x)
	return i
}

// constant ends the chain with a verdict that is known.
func (e *exitBlock) constant(l *lowerer, verdict int, pos diag.Pos) {
	if l.p.Chains[l.chain].Observe && verdict != l.verdictIndex(check.Pass) {
		l.observed(verdict)
		verdict = l.verdictIndex(check.Pass)
	}
	if l.p.Verdicts[verdict].Action == check.Pass && l.goesOn() {
		l.jump(l.onward())
		return
	}
	l.set(e.slot, l.konst(int64(l.exitSlot(verdict, pos))))
	e.leave(l, l.p.Verdicts[verdict].Action, l.konst(0), func(v int) *ir.Value { return l.konst(int64(l.exitSlot(v, pos))) })
}

// leave ends the program with an action; its slot is set. slot gives that of
// another verdict at the same return, for what turns out not to be possible.
func (e *exitBlock) leave(l *lowerer, a check.Action, target *ir.Value, slot func(verdict int) *ir.Value) {
	l.set(e.target, target)
	switch {
	case a == check.Redirect:
		e.redirect(l, helperRedirect, target, 0)
	case a == check.Sent:
		code, _ := l.opts.Hook.Code("REDIRECT")
		l.set(e.code, l.konst(int64(code)))
		l.jump(e.blk)
	case a == check.RedirectPeer:
		e.redirect(l, helperRedirectPeer, target, 0)
	case a == check.ToGroup:
		e.toGroup(l, slot)
	case a == check.RedirectCPU:
		e.toCPU(l, target, slot)
	case a == check.ToUser:
		e.toUser(l, target, slot)
	case a == check.Reject && l.conn():
		e.refuse(l)
	case a == check.ToSocket:
		e.toSocket(l, target, slot)
	case a == check.Reject:
		e.reject(l, slot)
	case a == check.TX && l.txRedirects():
		e.redirect(l, helperRedirect, l.load(4, l.ctx, ctxIfIndex(l)), 0)
	default:
		l.set(e.code, l.konst(l.codes(a)))
		l.jump(e.blk)
	}
}

// toCPU hands the packet to another CPU, or, if there is none of that number, to
// the kernel on this one.
func (e *exitBlock) toCPU(l *lowerer, cpu *ir.Value, slot func(verdict int) *ir.Value) {
	here := l.coldBlock()
	e.redirectMap(l, CPUMap, cpu, here)
	l.start(here)
	e.here(l, slot(l.verdictOf(check.Verdict{Action: check.Pass, Reason: check.NoCPU})))
}

// toUser hands the packet to the AF_XDP socket of a queue, or, if there is none, to the
// kernel. A socket gets packets of the one queue that it is bound to (xsk_rcv_check in
// net/xdp/xsk.c): those of another queue the kernel would drop without a word.
func (e *exitBlock) toUser(l *lowerer, queue *ir.Value, slot func(verdict int) *ir.Value) {
	own, here := l.block(), l.coldBlock()
	l.branch(ir.Eq, queue, l.load(4, l.ctx, xdpQueue), own, here)
	l.start(own)
	e.redirectMap(l, UserMap, queue, here)
	l.start(here)
	e.here(l, slot(l.verdictOf(check.Verdict{Action: check.Pass, Reason: check.NoReceiver})))
}

// xdpPass is what the kernel is told of a packet that stays, enum xdp_action.
const xdpPass = 2

// redirectMap ends the program with a redirect to what a map has under a number, or goes
// to nobody if it has nothing there.
func (e *exitBlock) redirectMap(l *lowerer, name string, number *ir.Value, nobody *ir.Block) {
	code := l.call(helperRedirectMap, "redirect_map", ir.Int, l.mapPtr(l.maps[name]), number, l.konst(xdpPass))
	l.set(e.code, code)
	l.branch(ir.Eq, code, l.konst(xdpPass), nobody, e.blk)
}

// here ends the program with a PASS in the place of a redirect that was not possible.
func (e *exitBlock) here(l *lowerer, slot *ir.Value) {
	l.set(e.slot, slot)
	l.set(e.target, l.konst(0))
	l.set(e.code, l.konst(xdpPass))
	l.jump(e.blk)
}

// reject answers, and drops where there is no answer. What leaves by the interface
// of tc-egress came from this host: the answer comes in by it.
func (e *exitBlock) reject(l *lowerer, slot func(verdict int) *ir.Value) {
	answered := l.reject()
	l.moved()
	yes, no := l.block(), l.block()
	l.branch(ir.Ne, answered, l.konst(0), yes, no)
	l.start(no)
	l.set(e.slot, slot(l.verdictIndex(check.Drop)))
	l.set(e.code, l.konst(l.codes(check.Drop)))
	l.jump(e.blk)
	l.start(yes)
	if l.xdp() {
		l.set(e.code, l.konst(l.codes(check.TX)))
		l.jump(e.blk)
		return
	}
	flags := int64(0)
	if l.opts.Hook == hook.TCEgress {
		flags = flagIngress
	}
	e.redirect(l, helperRedirect, l.load(4, l.ctx, ctxIfIndex(l)), flags)
}

// dynamic ends the chain with a verdict that only the packet decides.
func (e *exitBlock) dynamic(l *lowerer, v parts, pos diag.Pos) {
	if l.p.Chains[l.chain].Observe {
		e.observe(l, v, pos)
		return
	}
	if v[0].Op == ir.OpConst {
		i := int(v[0].Imm >> 8)
		if l.p.Verdicts[i].Action == check.Pass && l.goesOn() {
			l.jump(l.onward())
			return
		}
		l.set(e.slot, l.konst(int64(l.exitSlot(i, pos))))
		e.leave(l, l.p.Verdicts[i].Action, v[1], func(v int) *ir.Value { return l.konst(int64(l.exitSlot(v, pos))) })
		return
	}
	// A row of exits, one for each verdict of the program, in order.
	base := len(l.res.Exits)
	actions := []check.Action{check.Drop, check.Accept, check.TX, check.Redirect}
	if !l.info.Redirect {
		actions = actions[:2]
	}
	for i, x := range l.p.Verdicts {
		l.res.Exits = append(l.res.Exits, Exit{Chain: l.chain, Verdict: i, Pos: pos})
		if x.Action > check.Redirect {
			actions = append(actions, x.Action)
		}
	}
	l.set(e.slot, l.opi(ir.OpAdd, l.opi(ir.OpShr, v[0], 8), int64(base)))
	action := l.opi(ir.OpAnd, v[0], 0xff)
	for _, a := range actions {
		hit, miss := l.block(), l.block()
		l.branch(ir.Eq, action, l.konst(int64(a)), hit, miss)
		l.start(hit)
		target := v[1]
		if a < check.Redirect {
			target = l.konst(0)
		}
		e.leave(l, a, target, func(v int) *ir.Value { return l.konst(int64(base + v)) })
		l.start(miss)
	}
	if l.goesOn() {
		l.jump(l.onward())
		return
	}
	l.set(e.target, l.konst(0))
	l.set(e.code, l.konst(l.codes(check.Pass)))
	l.jump(e.blk)
}

// redirect sends the packet to an interface.
func (e *exitBlock) redirect(l *lowerer, helper int64, ifindex *ir.Value, flags int64) {
	l.set(e.code, l.call(helper, "redirect", ir.Int, ifindex, l.konst(flags)))
	l.jump(e.blk)
}

// finish lowers the exit itself, when all jumps to it have been made.
func (e *exitBlock) finish(l *lowerer) {
	l.pos = l.p.Chains[0].Main.Pos
	e.sendGroup(l)
	l.system(ExitMap, ir.PerCPUArray, 16, len(l.res.Exits))
	l.start(e.blk)
	if l.cur == nil {
		return
	}
	l.lapChain(l.p.Chains[0])
	slot, code := l.get(e.slot), l.get(e.code)
	if l.yesOrNo() {
		code = l.opi(ir.OpAnd, code, 1) // which the verifier wants to see, and loops hide
	}
	var length *ir.Value
	if l.conn() {
		length = l.konst(0)
	} else {
		length = l.frameLen()
	}
	l.keepOrigin(code)
	if l.opts.Trace {
		l.storeOutcome(l.mapValue(l.maps[TraceMap], 0), slot, length)
	}
	l.depart(slot, length)
	if l.opts.Capture && !l.conn() {
		l.capture(slot, code, length)
	}
	p := l.lookup(l.maps[ExitMap], l.indexKey(e.exitAt(l, slot)))
	count, done := l.block(), l.block()
	l.branch(ir.Ne, p, l.konst(0), count, done)
	l.start(count)
	l.store(8, p, 0, l.opi(ir.OpAdd, l.load(8, p, 0), 1))
	l.store(8, p, 8, l.op(ir.OpAdd, l.load(8, p, 8), length))
	l.jump(done)
	l.start(done)
	if l.opts.Hook == hook.Socket {
		code = l.konst(0) // the socket gets nothing: the chain has seen it
	}
	l.stopWatch()
	l.cur.Return(code)
	l.cur = nil
}

// findRow looks up, in a program that several places share, where in the exit map the row
// of the interface begins; what is not in the slot map has the first row. It is done at
// the beginning: at the end the verifier would follow it on every way that leads there.
func (e *exitBlock) findRow(l *lowerer) {
	if !l.opts.Shared {
		return
	}
	p := l.lookup(l.maps[SlotMap], l.indexKey(l.load(4, l.ctx, ctxIfIndex(l))))
	e.row = l.newVar()
	l.set(e.row, l.choose1(func(then, els *ir.Block) { l.branch(ir.Ne, p, l.konst(0), then, els) },
		func() *ir.Value { return l.load(4, p, 0) }, func() *ir.Value { return l.konst(0) }))
}

// exitAt returns where in the exit map the exit of a slot is counted.
func (e *exitBlock) exitAt(l *lowerer, slot *ir.Value) *ir.Value {
	if !l.opts.Shared {
		return slot
	}
	return l.op(ir.OpAdd, l.get(e.row), slot)
}

// storeOutcome writes what lang.DecodeOutcome reads.
func (l *lowerer) storeOutcome(p, slot, length *ir.Value) {
	l.store(8, p, 0, slot)
	l.store(8, p, 8, l.get(l.exit.target))
	l.store(8, p, 16, length)
	l.store(8, p, 24, l.besideWord())
}

// verdict returns the parts of a constant verdict.
func (l *lowerer) verdict(i int) parts {
	return parts{l.konst(int64(l.p.Verdicts[i].Action) | int64(i)<<8), l.konst(0)}
}

// besideWord is the outer tag where it stands beside the buffer, else 0.
func (l *lowerer) besideWord() *ir.Value {
	if l.xdp() || l.conn() {
		return l.konst(0)
	}
	return l.choose1(func(then, els *ir.Block) { l.branch(ir.Ne, l.tagBeside(), l.konst(0), then, els) },
		func() *ir.Value {
			proto := l.swap(2, l.load(4, l.ctx, skbVLANProto))
			return l.op(ir.OpOr, l.opi(ir.OpShl, proto, 16), l.load(4, l.ctx, skbVLANTCI))
		}, func() *ir.Value { return l.konst(0) })
}
