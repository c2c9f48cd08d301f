package lower

import (
	"maps"

	"weir/lang/check"
)

// A liveSet holds locals whose value may yet be read.
type liveSet map[*check.Local]bool

// A loopLife is what is live where a turn of a loop begins, and after the loop.
type loopLife struct{ head, after liveSet }

// A liveness finds the locals that live across the loops of a function: a walk
// from its end to its start.
type liveness struct {
	loops map[check.Stmt]loopLife
	brk   liveSet // after the innermost loop
	cont  liveSet // at its next turn
}

// livesOf returns what lives across the loops of f.
func livesOf(f *check.Func) map[check.Stmt]loopLife {
	l := liveness{loops: map[check.Stmt]loopLife{}}
	l.stmts(f.Body, liveSet{})
	return l.loops
}

// stmts returns what is live before body if out is live after it. It may change
// out.
func (l *liveness) stmts(body []check.Stmt, out liveSet) liveSet {
	for i := len(body) - 1; i >= 0; i-- {
		out = l.stmt(body[i], out)
	}
	return out
}

func (l *liveness) stmt(s check.Stmt, out liveSet) liveSet {
	switch s := s.(type) {
	case *check.Assign:
		delete(out, s.Local)
		return read(out, s.X)
	case *check.If:
		then := l.stmts(s.Then, maps.Clone(out))
		return read(join(then, l.stmts(s.Else, out)), s.Cond)
	case *check.Block:
		return l.stmts(s.Body, out)
	case *check.Range:
		head := l.loop(s, out, func(head liveSet) liveSet {
			in := l.stmts(s.Body, head)
			delete(in, s.Var)
			return in
		})
		return read(head, s.Start, s.Stop)
	case *check.While:
		return l.loop(s, out, func(head liveSet) liveSet { return read(l.stmts(s.Body, head), s.Cond) })
	case *check.Unrolled:
		brk, cont := l.brk, l.cont
		l.brk = maps.Clone(out)
		for i := len(s.Turns) - 1; i >= 0; i-- {
			l.cont = maps.Clone(out)
			out = l.stmts(s.Turns[i], out)
		}
		l.brk, l.cont = brk, cont
		return out
	case *check.Return:
		return read(liveSet{}, s.X)
	case *check.Break:
		return maps.Clone(l.brk)
	case *check.Continue:
		return maps.Clone(l.cont)
	}
	visit([]check.Stmt{s}, func(check.Stmt) {}, func(e check.Expr) { note(out, e) })
	return out
}

// loop goes round until what is live at the head of s is known.
func (l *liveness) loop(s check.Stmt, out liveSet, turn func(liveSet) liveSet) liveSet {
	brk, cont := l.brk, l.cont
	head := maps.Clone(out)
	for {
		l.brk, l.cont = out, head
		next := join(turn(maps.Clone(head)), maps.Clone(out))
		if len(next) == len(head) {
			break
		}
		head = join(next, head)
	}
	l.brk, l.cont = brk, cont
	l.loops[s] = loopLife{head: head, after: out}
	return maps.Clone(head)
}

func join(a, b liveSet) liveSet {
	maps.Copy(a, b)
	return a
}

func read(out liveSet, es ...check.Expr) liveSet {
	visitor{func(check.Stmt) {}, func(e check.Expr) { note(out, e) }}.exprs(es...)
	return out
}

func note(out liveSet, e check.Expr) {
	if r, ok := e.(*check.LocalRef); ok {
		out[r.Local] = true
	}
}
