package lower

import (
	"weir/lang/check"
	"weir/lang/ir"
)

// The verifier follows a plain loop turn by turn, so that a loop costs it turns
// times body. Loops beyond these bounds become bpf_loop: the body is a function
// of its own, looked at once or twice, and the variables that it touches lie in
// the caller's stack frame while the loop runs.
const (
	maxPlainTurns = 256 // the verifier keeps at most 8192 branches open
	maxPlainCost  = 500 // instructions; each is looked at for each way that leads to the loop
	maxFacts      = 10  // words of what is known of the packet that are kept for an outlined loop
	maxShortLoop  = 150 // instructions up to which numbers may be followed from turn to turn
)

// tooLong reports whether a loop is to be outlined.
func (l *lowerer) tooLong(loop check.Stmt, body []check.Stmt, max int) bool {
	turns := l.turns * max
	if turns <= maxPlainTurns && turns*cost(body) <= maxPlainCost {
		return false
	}
	// The verifier lets no function put a pointer to a stack into its caller's
	// frame: a loop that sets references for the turns to come stays plain.
	_, set := l.carried(loop)
	for _, v := range set {
		if l.pointers[v] {
			return false
		}
	}
	return true
}

// cost estimates the instructions of a run through body, loops included.
func cost(body []check.Stmt) int {
	n := 0
	for _, s := range body {
		switch s := s.(type) {
		case *check.Range:
			n += s.Max*cost(s.Body) + exprsCost(s.Start) + exprsCost(s.Stop)
		case *check.While:
			n += s.Max * (cost(s.Body) + exprsCost(s.Cond))
		case *check.If:
			n += cost(s.Then) + cost(s.Else) + exprsCost(s.Cond)
		case *check.Block:
			n += cost(s.Body)
		case *check.Unrolled:
			for _, t := range s.Turns {
				n += cost(t)
			}
		case *check.Mark: // a form is chosen as without them
		default:
			visit([]check.Stmt{s}, func(s check.Stmt) { n += stmtCost(s) }, func(e check.Expr) { n += exprCost(e) })
		}
		if n > 1<<20 {
			return n
		}
	}
	return n
}

func stmtCost(s check.Stmt) int {
	switch s := s.(type) {
	case *check.SetHeader:
		if isAddress(s.Field) {
			return 150
		}
		return 60
	case *check.SetMap:
		return 50
	case *check.SetField, *check.Count, *check.Delete:
		return 15
	case *check.Hist, *check.Emit:
		return 45
	case *check.LogLine:
		return 70
	}
	return 2
}

func exprsCost(e check.Expr) int {
	return cost([]check.Stmt{&check.Eval{X: e}})
}

func exprCost(e check.Expr) int {
	switch e := e.(type) {
	case *check.Const, *check.LocalRef:
		return 1
	case *check.Call:
		return cost(e.Func.Body)
	case *check.Lookup, *check.Incr, *check.Contains, *check.Enqueue, *check.Dequeue, *check.Read, *check.Header, *check.PayloadOf, *check.Segment, *check.Option:
		return 25
	case *check.BytesAt:
		return 30 + 2*e.T.Width/8
	case *check.Put:
		return 150
	case *check.Find:
		return 10
	case *check.Matches:
		return 4 * len(e.Filter.Nodes)
	case *check.StartsWith:
		return 25 * (len(e.Prefix)/8 + 1)
	case *check.OneOf:
		return 2 * len(e.Values)
	case *check.Index:
		return 3 * len(e.Values)
	case *check.Get:
		return 3 * len(e.Keys)
	case *check.InPrefix:
		return 4 * len(e.Prefixes)
	}
	return 4
}

// carried returns the variables of the current call that a loop mentions and that
// live from turn to turn or beyond it, and those of them that it sets. The others
// live within one turn.
func (l *lowerer) carried(loop check.Stmt) (all, set []variable) {
	fr := l.frame()
	if l.lives[fr.fn] == nil {
		l.lives[fr.fn] = livesOf(fr.fn)
	}
	life := l.lives[fr.fn][loop]
	wrote, order := mentions(loop)
	for _, x := range order {
		switch {
		case wrote[x] && (life.head[x] || life.after[x]):
			set = append(set, l.vars(x)...)
			all = append(all, l.vars(x)...)
		case life.head[x]:
			all = append(all, l.vars(x)...)
		}
	}
	return all, set
}

// mentions tells which locals a statement sets, and all that it mentions in the
// order in which they come.
func mentions(s check.Stmt) (wrote map[*check.Local]bool, order []*check.Local) {
	seen := map[*check.Local]bool{}
	wrote = map[*check.Local]bool{}
	note := func(x *check.Local) {
		if !seen[x] {
			seen[x] = true
			order = append(order, x)
		}
	}
	visit([]check.Stmt{s}, func(s check.Stmt) {
		switch s := s.(type) {
		case *check.Assign:
			note(s.Local)
			wrote[s.Local] = true
		case *check.Range:
			note(s.Var)
			wrote[s.Var] = true
		}
	}, func(e check.Expr) {
		if r, ok := e.(*check.LocalRef); ok {
			note(r.Local)
		}
	})
	return wrote, order
}

// A cut is a loop body that is being lowered as a function of its own, and its
// piece of the caller's frame:
//
//	0 context   8 how it ended   16 result of a return (3 words at least)   variables
type cut struct {
	frame  *ir.Value
	all    []variable
	at     map[variable]int // offsets in the frame
	ptr    map[variable]bool
	result int // words
}

// How an outlined loop ended.
const (
	endLoop   = 0
	endLeave  = 1 // the program is left
	endReturn = 2 // the inlined function is left, or the chain for the next
)

// outlined lowers a loop of n turns as bpf_loop. extra are variables that turn
// needs; turn begins a turn, given its number, and branches to work or exit.
func (l *lowerer) outlined(loop check.Stmt, body []check.Stmt, n *ir.Value, extra []variable, turn func(i *ir.Value, work, exit *ir.Block)) {
	if l.needs.now {
		l.now()
		extra = append(extra, l.facts.now)
	}
	if l.p.Match != nil {
		extra = append(extra, l.match.slot)
	}
	all, set := l.carried(loop)
	all = append(all, extra...)
	var timed []variable
	if l.opts.Times > 0 {
		timed = []variable{l.watch.last, l.watch.slot}
		all, set = append(all, timed...), append(set, timed...)
	}
	// What is known of the packet goes along, unless the body changes it.
	st := l.st
	st.data, st.length, st.meta = false, false, false
	st.deep = found{}
	w := mayWrite(body)
	if w.any {
		st.forgetInside()
	}
	facts := l.known(l.bodyNeeds(body))
	// A body that writes to headers writes to the copies that there are already: of its
	// own ones what comes after would not see.
	if w.moves || len(facts) > maxFacts && !w.any {
		st.reparse()
		facts = nil
	}
	c := l.cutFrame(all, facts)
	fn := ir.NewFunc("weir_loop_"+name(len(l.res.IR.Funcs)), ir.Callback, 2)
	fn.Pos = l.pos
	l.res.IR.Funcs = append(l.res.IR.Funcs, fn)
	ends := l.cutBody(fn, c, set, st, body, turn)
	f := l.add(ir.OpFuncAddr, ir.Ptr)
	f.Func, f.Sym = fn, fn.Name
	l.call(helperLoop, "loop", ir.Int, n, f, c.frame, l.konst(0))
	for _, v := range timed { // also where the program goes on to its end
		l.set(v, c.load(l.builder, c.frame, v))
	}
	if w.moves {
		l.st.reparse()
	}
	if w.any && l.stale() {
		l.invalidate()
	}
	if w.any {
		l.st.forgetInside()
	}
	if w.packet {
		l.moved()
	}
	l.cutEnds(c, ends)
	for _, v := range set {
		l.set(v, c.load(l.builder, c.frame, v))
	}
}

// cutFrame puts what the body needs into the caller's frame. Integers have the
// zero xored in that only the running program knows to be one: else the verifier
// follows their values from turn to turn.
func (l *lowerer) cutFrame(all, facts []variable) *cut {
	c := &cut{at: map[variable]int{}, ptr: map[variable]bool{}, result: max(3, len(l.frame().result))}
	off := 16 + 8*c.result
	for _, v := range append(all, facts...) {
		if _, ok := c.at[v]; !ok {
			c.at[v] = off
			c.all = append(c.all, v)
			off += 8
		}
	}
	c.frame = l.slot("loop", off, 8)
	l.clear(c.frame, 16+8*c.result, 8)
	l.store(8, c.frame, 0, l.ctx)
	zero := l.loadZero()
	for _, v := range c.all {
		x := l.get(v)
		c.ptr[v] = l.pointers[v]
		if l.soft[v] {
			x = l.blurred(x, zero)
		}
		l.store(8, c.frame, c.at[v], x)
	}
	return c
}

func (c *cut) load(b *builder, frame *ir.Value, v variable) *ir.Value {
	x := b.load(8, frame, c.at[v])
	if c.ptr[v] {
		x.Type = ir.Ptr
	}
	return x
}

// cutBody lowers the body, one turn, in a builder of its own. It reports which
// of the ways to end were used.
func (l *lowerer) cutBody(fn *ir.Func, c *cut, set []variable, st state, body []check.Stmt, turn func(i *ir.Value, work, exit *ir.Block)) [3]bool {
	outer, facts, exit, loops, fr, turns := l.builder, l.facts, l.exit, l.loops, l.frame(), l.turns
	ret, way := fr.ret, fr.next
	returns := ret != nil || way != nil
	l.builder = newBuilder(fn)
	l.soft = outer.soft
	l.nvars = outer.nvars
	l.turns = 1
	l.facts.fresh = map[*ir.Value]int{}
	i := l.add(ir.OpParam, ir.Int)
	frame := l.add(ir.OpParam, ir.Ptr)
	frame.Imm = 1
	ctx := l.load(8, frame, 0)
	ctx.Type = ir.Ptr
	l.begin(ctx, outer.way)
	for _, v := range c.all {
		l.set(v, c.load(l.builder, frame, v))
	}
	l.st = st
	l.st.now = l.needs.now
	l.exit.blk, l.exit.group = l.block(), nil
	if fr.next = nil; returns {
		fr.ret = l.block()
	}
	l.lap(l.watch.at, nil)
	work, next, stop := l.block(), l.block(), l.block()
	turn(l.width(ir.OpZExt, 4, i), work, stop)
	l.start(work)
	l.loops = []loop{{exit: stop, next: next}}
	if l.cur != nil {
		l.stmts(body)
	}
	l.jump(next)
	end := func(blk *ir.Block, how int64, code int64, result []variable) bool {
		l.start(blk)
		if l.cur == nil {
			return false
		}
		for i, v := range result {
			l.store(8, frame, 16+8*i, l.get(v))
		}
		if how != endLoop {
			l.store(8, frame, 8, l.konst(how))
		}
		for _, v := range set {
			l.store(8, frame, c.at[v], l.get(v))
		}
		l.cur.Return(l.konst(code))
		return true
	}
	var used [3]bool
	end(next, endLoop, 0, nil)
	end(stop, endLoop, 1, nil)
	l.exit.sendGroup(l)
	used[endLeave] = end(l.exit.blk, endLeave, 1, []variable{exit.slot, exit.code, exit.target})
	if returns {
		used[endReturn] = end(fr.ret, endReturn, 1, fr.result)
	}
	nvars := l.nvars
	l.builder, l.facts, l.exit, l.loops, l.turns = outer, facts, exit, loops, turns
	fr.ret, fr.next = ret, way
	l.nvars = nvars
	return used
}

// cutEnds goes on with a return that ended the loop.
func (l *lowerer) cutEnds(c *cut, used [3]bool) {
	finish := func(how int64, vars []variable, to func() *ir.Block) {
		hit, next := l.block(), l.block()
		l.branch(ir.Eq, l.load(8, c.frame, 8), l.konst(how), hit, next)
		l.start(hit)
		for i, v := range vars {
			l.set(v, l.load(8, c.frame, 16+8*i))
		}
		l.jump(to())
		l.start(next)
	}
	if used[endLeave] {
		finish(endLeave, []variable{l.exit.slot, l.exit.code, l.exit.target}, func() *ir.Block { return l.exit.blk })
	}
	if used[endReturn] {
		finish(endReturn, l.frame().result, l.onward)
	}
}
