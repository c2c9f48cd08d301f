package lower

import (
	"weir/lang/check"
	"weir/lang/ir"
	"weir/lang/value"
)

func (l *lowerer) stmts(body []check.Stmt) {
	for _, s := range body {
		if l.cur == nil || l.tooBig() {
			return
		}
		l.stmt(s)
	}
}

func (l *lowerer) stmt(s check.Stmt) {
	switch s := s.(type) {
	case *check.Assign:
		l.pos = s.Pos
		x := l.expr(s.X)
		l.assign(s.Local, x)
		l.assigned(s.Local, x)
	case *check.SetField:
		l.pos = s.Pos
		l.setField(s)
	case *check.SetHeader:
		l.pos = s.Pos
		l.setHeader(s)
	case *check.SetPacket:
		l.pos = s.Pos
		l.setPacket(s)
	case *check.SetMap:
		l.pos = s.Pos
		l.setMap(s)
	case *check.Delete:
		l.pos = s.Pos
		l.deleteKey(s.Map, l.key(s.Map, s.Key))
	case *check.Count:
		l.pos = s.Pos
		n := l.expr(s.N)[0]
		l.bump(l.maps[CountMap], s.Counter, n)
	case *check.Emit:
		l.pos = s.Pos
		l.emit(s)
	case *check.LogLine:
		l.pos = s.Pos
		l.logLine(s)
	case *check.Hist:
		l.pos = s.Pos
		l.hist(s.Hist, l.expr(s.X)[0], s.X.Type().Signed)
	case *check.Eval:
		l.pos = s.Pos
		l.expr(s.X)
	case *check.Block:
		l.stmts(s.Body)
	case *check.If:
		l.pos = s.Pos
		l.ifStmt(s)
	case *check.Range:
		l.pos = s.Pos
		l.rangeLoop(s)
	case *check.While:
		l.pos = s.Pos
		l.whileLoop(s)
	case *check.Unrolled:
		l.unrolled(s)
	case *check.Break:
		l.pos = s.Pos
		l.jump(l.loops[len(l.loops)-1].exit)
	case *check.Continue:
		l.pos = s.Pos
		l.jump(l.loops[len(l.loops)-1].next)
	case *check.Return:
		l.pos = s.Pos
		l.returnStmt(s)
	case *check.Mark:
		l.pos = s.Pos
		if l.opts.Lines || l.opts.Times > 0 {
			l.mark(s.Pos)
		}
		l.reached(s.Pos)
	}
}

func (l *lowerer) frame() *frame { return l.frames[len(l.frames)-1] }

func (l *lowerer) vars(x *check.Local) []variable {
	fr := l.frame()
	vs, ok := fr.vars[x]
	if !ok {
		for i := range numParts(x.Type) {
			v := l.newVar()
			vs = append(vs, v)
			l.pointers[v] = isPointer(x.Type, i)
			l.soft[v] = isSoft(x.Type)
		}
		fr.vars[x] = vs
	}
	return vs
}

func (l *lowerer) assign(x *check.Local, p parts) {
	for i, v := range l.vars(x) {
		l.set(v, p[i])
	}
}

func (l *lowerer) local(x *check.Local) parts {
	var p parts
	for _, v := range l.vars(x) {
		p = append(p, l.get(v))
	}
	return p
}

func (l *lowerer) ifStmt(s *check.If) {
	then, done := l.block(), l.block()
	els := done
	if len(s.Else) > 0 || l.opts.Steps {
		els = l.block()
	}
	l.cond(s.Cond, then, els)
	l.start(then)
	l.branched(s.Pos, true)
	l.stmts(s.Then)
	l.jump(done)
	if els != done {
		l.start(els)
		l.branched(s.Pos, false)
		l.stmts(s.Else)
		l.jump(done)
	}
	l.start(done)
}

func (l *lowerer) returnStmt(s *check.Return) {
	fr := l.frame()
	if fr.attached {
		l.leave(s)
		return
	}
	if s.X != nil {
		p := l.expr(s.X)
		for i, v := range fr.result {
			l.set(v, p[i])
		}
	}
	l.jump(fr.ret)
}

// leave returns from the attached function.
func (l *lowerer) leave(s *check.Return) {
	switch x := s.X.(type) {
	case nil:
		l.exit.constant(l, l.verdictIndex(check.Pass), s.Pos)
	case *check.Const:
		l.exit.constant(l, int(x.Bits), s.Pos)
	case *check.Choose:
		then, els := l.block(), l.block()
		l.cond(x.Cond, then, els)
		l.leaveFrom(then, s, x.X)
		l.leaveFrom(els, s, x.Y)
	default:
		p := l.expr(x)
		l.pos = s.Pos
		l.exit.dynamic(l, p, s.Pos)
	}
}

// leaveFrom returns x from blk, if anything leads there.
func (l *lowerer) leaveFrom(blk *ir.Block, s *check.Return, x check.Expr) {
	l.start(blk)
	if l.cur != nil {
		l.leave(&check.Return{Pos: s.Pos, X: x})
	}
}

// inline lowers a call in place.
func (l *lowerer) inline(c *check.Call) parts {
	var args []parts
	for _, a := range c.Args {
		args = append(args, l.expr(a))
	}
	fr := l.frameOf(c.Func)
	fr.call = l.callOf(c.Func, c.P, l.frame().call)
	return l.body(fr, args...)
}

func (l *lowerer) frameOf(f *check.Func) *frame {
	return &frame{fn: f, vars: map[*check.Local][]variable{}, ret: l.block(), result: l.softVars(f.Result)}
}

// body lowers the function of a frame in place, for as many of its parameters as there
// are arguments.
func (l *lowerer) body(fr *frame, args ...parts) parts {
	pos, at := l.pos, l.watch.at
	l.frames = append(l.frames, fr)
	fr.around, l.loops = l.loops, nil
	for i, x := range args {
		l.assign(fr.fn.Params[i], x)
		l.assigned(fr.fn.Params[i], x)
	}
	if fr.fn.Result.Kind != value.None {
		for i, p := range l.zero(fr.fn.Result) {
			l.set(fr.result[i], p)
		}
	}
	l.stmts(fr.fn.Body)
	l.jump(fr.ret)
	l.frames = l.frames[:len(l.frames)-1]
	l.loops = fr.around
	l.pos = pos
	l.start(fr.ret)
	l.lap(at, nil)
	var out parts
	for _, v := range fr.result {
		out = append(out, l.get(v))
	}
	return out
}

// choose lowers X if Cond else Y, and everything else that has a value on two
// ways.
func (l *lowerer) choose(t value.Type, cond func(then, els *ir.Block), x, y func() parts) parts {
	then, els, done := l.block(), l.block(), l.block()
	cond(then, els)
	n := numParts(t)
	vs := l.softVars(t)
	arm := func(blk *ir.Block, f func() parts) {
		l.start(blk)
		if l.cur == nil {
			return
		}
		for i, v := range f() {
			l.set(vs[i], v)
		}
		l.jump(done)
	}
	arm(then, x)
	arm(els, y)
	l.start(done)
	out := make(parts, n)
	for i, v := range vs {
		out[i] = l.get(v)
	}
	return out
}
