package ref

import (
	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// typing is a function's locals and result for arguments of given shapes.
type typing struct {
	e       *evaluator
	f       *function
	args    []shape
	locals  []*shape // nil: nothing assigned yet
	result  *shape
	outer   *typing // of the function around one that packet time made
	changed bool
}

var _ env = (*typing)(nil)

func (t *typing) caller() *evaluator { return t.e }

// infer walks f's body until no local's shape changes. What it found is kept:
// a function is inferred once for each shape of arguments.
func (e *evaluator) infer(f *function, args []shape) *typing {
	for _, t := range f.typings {
		if len(t.args) == len(args) && sameShape(shape{elems: t.args}, shape{elems: args}) {
			return t
		}
	}
	if e.inferring++; e.inferring > maxDepth {
		refuse("%s: calls nest too deeply (recursion?)", f.name)
	}
	defer func() { e.inferring-- }()
	t := &typing{e: e, f: f, args: args, locals: make([]*shape, len(f.fn.Locals)), outer: f.outerTyping}
	for i, p := range f.params {
		t.assignLocal(p.local, args[i])
	}
	for t.changed = true; t.changed; {
		t.changed = false
		t.stmts(f.fn.Body)
	}
	f.typings = append(f.typings, t)
	return t
}

// resultShape is the shape that calls of the function give.
func (t *typing) resultShape() shape {
	if t.result == nil {
		return shape{}
	}
	return *t.result
}

func (t *typing) local(i int) shape {
	if t.locals[i] == nil {
		return shape{}
	}
	return *t.locals[i]
}

func (t *typing) identShape(id *syntax.Ident) shape {
	b := id.Binding.(*resolve.Binding)
	switch b.Scope {
	case resolve.Local, resolve.Cell:
		return t.local(b.Index)
	case resolve.Free:
		if t.f.built == nil {
			outer := *id
			outer.Binding = t.f.fn.FreeVars[b.Index]
			return t.outer.identShape(&outer)
		}
	}
	return shapeOf(t.f.buildTime(t.e, id))
}

func (t *typing) assignLocal(i int, s shape) {
	if t.locals[i] == nil {
		t.locals[i] = &s
		t.changed = true
		return
	}
	joined := join(*t.locals[i], s)
	// What is known of a value follows the walk; only what holds for all
	// assignments decides whether the walk is done.
	if known := *t.locals[i]; !sameShape(withoutConst(known), withoutConst(joined)) {
		t.changed = true
	}
	t.locals[i] = &joined
}

func withoutConst(s shape) shape {
	out := shape{signed: s.signed, rec: s.rec, laid: s.laid}
	for _, e := range s.elems {
		out.elems = append(out.elems, withoutConst(e))
	}
	return out
}

func (t *typing) stmts(list []syntax.Stmt) {
	for _, s := range list {
		t.stmt(s)
	}
}

func (t *typing) stmt(s syntax.Stmt) {
	switch s := s.(type) {
	case *syntax.AssignStmt:
		right := exprShape(t, s.RHS)
		if s.Op != syntax.EQ {
			right = shape{signed: right.signed || exprShape(t, s.LHS).signed}
		}
		t.assign(s.LHS, right)
	case *syntax.IfStmt:
		t.stmts(s.True)
		t.stmts(s.False)
	case *syntax.WhileStmt:
		t.stmts(s.Body)
	case *syntax.ForStmt:
		elems := iterShapes(t, s.X)
		if plain(elems) {
			elems = []shape{joinAll(elems)}
		}
		for _, el := range elems {
			t.assign(s.Vars, el)
			t.stmts(s.Body)
		}
	case *syntax.ReturnStmt:
		var r shape
		if s.Result != nil {
			r = exprShape(t, s.Result)
		}
		if t.result != nil {
			r = join(*t.result, r)
		}
		t.result = &r
	case *syntax.DefStmt:
		f := newFunction(s.Function.(*resolve.Function), s.Name.Name)
		f.outerTyping, f.module = t, t.f.module
		f.defaultShape = func(x syntax.Expr) shape { return exprShape(t, x) }
		t.assign(s.Name, shape{val: f})
	}
}

// assign assigns to names and tuples of names; what is stored elsewhere keeps
// the type of its place.
func (t *typing) assign(to syntax.Expr, s shape) {
	var targets []syntax.Expr
	switch to := to.(type) {
	case *syntax.ParenExpr:
		t.assign(to.X, s)
	case *syntax.Ident:
		if b := to.Binding.(*resolve.Binding); b.Scope == resolve.Local || b.Scope == resolve.Cell {
			t.assignLocal(b.Index, s)
		}
	case *syntax.TupleExpr:
		targets = to.List
	case *syntax.ListExpr:
		targets = to.List
	}
	elems := s.elems
	if elems == nil {
		elems = constShapes(s.val)
	}
	for i, target := range targets {
		if i < len(elems) {
			t.assign(target, elems[i])
		}
	}
}

// plain says that no element is a map, string, function …: one walk of a
// loop's body is enough.
func plain(elems []shape) bool {
	for _, s := range elems {
		if s.val != nil && !isInt(s.val) || s.elems != nil && !plain(s.elems) {
			return false
		}
	}
	return true
}

// iterShapes are the shapes of what a loop over x takes; one for all turns of
// a range.
func iterShapes(n env, x syntax.Expr) []shape {
	for {
		p, ok := x.(*syntax.ParenExpr)
		if !ok {
			break
		}
		x = p.X
	}
	if call, ok := x.(*syntax.CallExpr); ok {
		if s, ok := iterCallShapes(n, call); ok {
			return s
		}
	}
	s := exprShape(n, x)
	if s.elems != nil {
		return s.elems
	}
	if d, ok := s.val.(*starlark.Dict); ok {
		return shapesOf(d.Keys())
	}
	return constShapes(s.val)
}

func shapesOf(vals []value) []shape {
	var out []shape
	for _, v := range vals {
		out = append(out, shapeOf(v))
	}
	return out
}

func iterCallShapes(n env, call *syntax.CallExpr) ([]shape, bool) {
	if dot, ok := call.Fn.(*syntax.DotExpr); ok {
		d, ok := exprShape(n, dot.X).val.(*starlark.Dict)
		if !ok {
			return nil, false
		}
		switch dot.Name.Name {
		case "items":
			var out []shape
			for _, item := range d.Items() {
				out = append(out, shapeOf(item))
			}
			return out, true
		case "keys":
			return shapesOf(d.Keys()), true
		case "values":
			return constShapes(d), true
		}
		return nil, false
	}
	b, ok := exprShape(n, call.Fn).val.(*starlark.Builtin)
	if !ok {
		return nil, false
	}
	switch b.Name() {
	case "range":
		return []shape{{signed: anySigned(n, call.Args)}}, true
	case "enumerate":
		start := shape{signed: anySigned(n, call.Args[1:])}
		var out []shape
		for _, s := range iterShapes(n, call.Args[0]) {
			out = append(out, shape{elems: []shape{start, s}})
		}
		return out, true
	case "zip":
		return zipShapes(n, call.Args), true
	}
	return nil, false
}

func zipShapes(n env, args []syntax.Expr) []shape {
	var out []shape
	for i, a := range args {
		column := iterShapes(n, a)
		if i == 0 {
			out = make([]shape, len(column))
		}
		out = out[:min(len(out), len(column))]
		for k := range out {
			out[k].elems = append(out[k].elems, column[k])
		}
	}
	return out
}

// anySigned looks at arguments, named ones too.
func anySigned(n env, args []syntax.Expr) bool {
	for _, a := range args {
		if exprShape(n, unnamed(a)).signed {
			return true
		}
	}
	return false
}
