package ref

import (
	"slices"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// frame is a call of a function.
type frame struct {
	e      *evaluator
	f      *function
	t      *typing
	locals []value // nil: not assigned yet
	result value
	line   int // of the return
}

var _ env = (*frame)(nil)

// flow is how a statement ended.
type flow int

const (
	next flow = iota
	breaks
	continues
	returns
)

// call calls a function with a value for each parameter, and gives the line
// of its return, or of its def.
func (e *evaluator) call(f *function, args []value) (value, int) {
	if e.depth++; e.depth > maxDepth {
		refuse("%s: calls nest too deeply (recursion?)", f.name)
	}
	defer func() { e.depth-- }()
	shapes := make([]shape, len(args))
	for i, a := range args {
		shapes[i] = shapeOf(a)
	}
	fr := &frame{e: e, f: f, t: e.infer(f, shapes), locals: make([]value, len(f.fn.Locals))}
	for i, p := range f.params {
		fr.setLocal(p.local, args[i])
	}
	if fr.block(f.fn.Body) != returns {
		return starlark.None, int(f.fn.Pos.Line)
	}
	return raise(fr.result, fr.t.resultShape()), fr.line
}

func (fr *frame) caller() *evaluator { return fr.e }

// identShape: an integer has the shape that it has in the whole function, a
// map or function is the one that the name has now.
func (fr *frame) identShape(id *syntax.Ident) shape {
	s := fr.t.identShape(id)
	if v := fr.lookup(id); v != nil {
		s.val = shapeOf(v).val
	}
	return s
}

// lookup is a name's value; nil for a local that has none yet.
func (fr *frame) lookup(id *syntax.Ident) value {
	b := id.Binding.(*resolve.Binding)
	switch b.Scope {
	case resolve.Local, resolve.Cell:
		return fr.locals[b.Index]
	case resolve.Free:
		if fr.f.built == nil {
			outer := *id
			outer.Binding = fr.f.fn.FreeVars[b.Index]
			return fr.f.outer.lookup(&outer)
		}
	}
	return fr.f.buildTime(fr.e, id)
}

func (fr *frame) setLocal(i int, v value) { fr.locals[i] = raise(v, fr.t.local(i)) }

func (fr *frame) block(list []syntax.Stmt) flow {
	for _, s := range list {
		if fl := fr.stmt(s); fl != next {
			return fl
		}
	}
	return next
}

func (fr *frame) stmt(s syntax.Stmt) flow {
	fr.e.step(syntax.Start(s))
	fr.e.reached(s)
	switch s := s.(type) {
	case *syntax.ExprStmt:
		fr.expr(s.X)
	case *syntax.AssignStmt:
		if s.Op == syntax.EQ {
			fr.assign(s.LHS, fr.expr(s.RHS))
		} else {
			fr.augment(s)
		}
	case *syntax.IfStmt:
		if truth(fr.expr(s.Cond)) {
			return fr.block(s.True)
		}
		return fr.block(s.False)
	case *syntax.WhileStmt:
		for truth(fr.expr(s.Cond)) {
			if fl := fr.block(s.Body); fl == breaks {
				break
			} else if fl == returns {
				return returns
			}
		}
	case *syntax.ForStmt:
		return fr.loop(s)
	case *syntax.BranchStmt:
		switch s.Token {
		case syntax.BREAK:
			return breaks
		case syntax.CONTINUE:
			return continues
		}
	case *syntax.ReturnStmt:
		fr.result, fr.line = starlark.None, int(s.Return.Line)
		if s.Result != nil {
			fr.result = fr.expr(s.Result)
		}
		return returns
	case *syntax.DefStmt:
		fr.assign(s.Name, fr.define(s.Function.(*resolve.Function), s.Name.Name))
	default:
		refuse("no such statement at packet time")
	}
	return next
}

func (fr *frame) loop(s *syntax.ForStmt) flow {
	items, ok := iterate(fr.expr(s.X))
	if !ok {
		refuse("for: nothing to go through")
	}
	for item := range items {
		fr.e.step(s.For)
		fr.assign(s.Vars, item)
		if fl := fr.block(s.Body); fl == breaks {
			break
		} else if fl == returns {
			return returns
		}
	}
	return next
}

// define makes a function that closes over this frame.
func (fr *frame) define(fn *resolve.Function, name string) *function {
	f := newFunction(fn, name)
	f.outer, f.outerTyping, f.module = fr, fr.t, fr.f.module
	f.defaults = map[int]value{}
	for _, p := range f.params {
		if p.fallback != nil {
			f.defaults[p.index] = fr.expr(p.fallback)
		}
	}
	return f
}

// assign gives a value to a name, a field, a map's key, or a tuple of those.
func (fr *frame) assign(to syntax.Expr, v value) {
	switch to := to.(type) {
	case *syntax.ParenExpr:
		fr.assign(to.X, v)
	case *syntax.Ident:
		b := to.Binding.(*resolve.Binding)
		if b.Scope != resolve.Local && b.Scope != resolve.Cell {
			refuse("%s is of build time and cannot be changed", to.Name)
		}
		fr.setLocal(b.Index, v)
	case *syntax.TupleExpr:
		fr.unpack(to.List, v)
	case *syntax.ListExpr:
		fr.unpack(to.List, v)
	case *syntax.DotExpr:
		setAttr(fr.expr(to.X), to.Name.Name, v)
	case *syntax.IndexExpr:
		m, ok := fr.expr(to.X).(*mapVal)
		if !ok {
			refuse("what is indexed cannot be changed")
		}
		if m.val == nil {
			refuse("a set has no values: use .add")
		}
		m.put(fr.expr(to.Y), v)
	default:
		refuse("cannot be assigned to")
	}
}

func (fr *frame) unpack(targets []syntax.Expr, v value) {
	items, ok := iterate(v)
	if !ok {
		refuse("%s cannot be taken apart", v.Type())
	}
	vals := slices.Collect(items)
	if len(vals) != len(targets) {
		refuse("%d values for %d names", len(vals), len(targets))
	}
	for i, t := range targets {
		fr.assign(t, vals[i])
	}
}

// augment is x op= y. The place is found once; y is evaluated before the
// place is read, so that reading and writing are one step.
func (fr *frame) augment(s *syntax.AssignStmt) {
	op := s.Op - syntax.PLUS_EQ + syntax.PLUS
	to := s.LHS
	for {
		p, ok := to.(*syntax.ParenExpr)
		if !ok {
			break
		}
		to = p.X
	}
	switch to := to.(type) {
	case *syntax.DotExpr:
		of := fr.expr(to.X)
		y := fr.expr(s.RHS)
		setAttr(of, to.Name.Name, operate(op, attr(of, to.Name.Name), y))
	case *syntax.IndexExpr:
		m, ok := fr.expr(to.X).(*mapVal)
		if !ok {
			refuse("what is indexed cannot be changed")
		}
		k, y := fr.expr(to.Y), fr.expr(s.RHS)
		m.put(k, operate(op, m.get(k, nil), y))
	default:
		y := fr.expr(s.RHS)
		fr.assign(to, operate(op, fr.expr(to), y))
	}
}
