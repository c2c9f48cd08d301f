package ref

import (
	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// maxDepth bounds how deeply calls nest; a chain cannot recurse.
const maxDepth = 100

// parameter is one of a function's parameters. index is its place among
// Starlark's parameters, local its place among the locals.
type parameter struct {
	name         string
	index, local int
	keywordOnly  bool
	fallback     syntax.Expr // the default as written; nil without one
}

// function is a function as packet time calls it: of a def or lambda of build
// time (built), or one that a packet-time function defines (then outer is the
// frame that it closes over, and outerTyping that frame's typing).
type function struct {
	opaque
	fn     *resolve.Function
	name   string
	params []parameter
	module starlark.StringDict // globals of its file
	built  *starlark.Function

	outer        *frame
	outerTyping  *typing
	defaults     map[int]value // of a function of packet time
	defaultShape func(syntax.Expr) shape

	typings []*typing
}

func (f *function) String() string { return f.name }
func (f *function) Type() string   { return "function" }

func newFunction(fn *resolve.Function, name string) *function {
	f := &function{fn: fn, name: name}
	keywordOnly := false
	for i, p := range fn.Params {
		param := parameter{index: i, keywordOnly: keywordOnly}
		var id *syntax.Ident
		switch p := p.(type) {
		case *syntax.Ident:
			id = p
		case *syntax.BinaryExpr:
			id, param.fallback = p.X.(*syntax.Ident), p.Y
		case *syntax.UnaryExpr:
			if p.Op != syntax.STAR || p.X != nil {
				refuse("%s: *args and **kwargs are not there at packet time", name)
			}
			keywordOnly = true
			continue
		}
		if keywordOnly {
			param.index--
		}
		param.name = id.Name
		param.local = id.Binding.(*resolve.Binding).Index
		f.params = append(f.params, param)
	}
	return f
}

// functionOf is the packet-time side of a function value, or nil.
func (e *evaluator) functionOf(v value) *function {
	switch v := v.(type) {
	case *function:
		return v
	case *starlark.Function:
		if f := e.functions[v]; f != nil {
			return f
		}
		fn := e.defs[placeOf(v.Position())]
		if fn == nil {
			refuse("no definition of %s at %s", v.Name(), v.Position())
		}
		f := newFunction(fn, v.Name())
		f.built, f.module = v, v.Globals()
		e.functions[v] = f
		return f
	}
	return nil
}

// buildTime is the value of a name that is not the function's own.
func (f *function) buildTime(e *evaluator, id *syntax.Ident) value {
	b := id.Binding.(*resolve.Binding)
	var v value
	switch b.Scope {
	case resolve.Global:
		v = f.module[id.Name]
	case resolve.Free:
		_, v = f.built.FreeVar(b.Index)
	case resolve.Predeclared:
		v = e.predeclared[id.Name]
	case resolve.Universal:
		v = starlark.Universe[id.Name]
	}
	if v == nil {
		refuse("%s has no value when build time ends", id.Name)
	}
	return v
}

// fallbackShape and fallback are a parameter's default.
func (f *function) fallbackShape(p parameter) (shape, bool) {
	switch {
	case p.fallback == nil:
		return shape{}, false
	case f.built != nil:
		return shapeOf(f.built.ParamDefault(p.index)), true
	case f.defaultShape != nil:
		return f.defaultShape(p.fallback), true
	}
	return shapeOf(f.defaults[p.index]), true
}

func (f *function) fallback(p parameter) (value, bool) {
	switch {
	case p.fallback == nil:
		return nil, false
	case f.built != nil:
		return toPacket(f.built.ParamDefault(p.index)), true
	}
	return f.defaults[p.index], true
}

// bind puts arguments to parameters, as Python does.
func bind[T any](f *function, args []T, named map[string]T, fallback func(parameter) (T, bool)) []T {
	out := make([]T, len(f.params))
	used := 0
	for i, p := range f.params {
		arg, byName := named[p.name]
		switch {
		case i < len(args) && !p.keywordOnly:
			if byName {
				refuse("%s: two values for %s", f.name, p.name)
			}
			out[i] = args[i]
			used++
		case byName:
			out[i] = arg
			delete(named, p.name)
		default:
			var ok bool
			if out[i], ok = fallback(p); !ok {
				refuse("%s: no value for %s", f.name, p.name)
			}
		}
	}
	if used < len(args) {
		refuse("%s: too many arguments", f.name)
	}
	for name := range named {
		refuse("%s: no parameter %s", f.name, name)
	}
	return out
}

// splitArgs parts a call's arguments into those by place and those by name.
func splitArgs(call *syntax.CallExpr) (args []syntax.Expr, names []string, named []syntax.Expr) {
	for _, a := range call.Args {
		switch a := a.(type) {
		case *syntax.BinaryExpr:
			if a.Op == syntax.EQ {
				names = append(names, a.X.(*syntax.Ident).Name)
				named = append(named, a.Y)
				continue
			}
		case *syntax.UnaryExpr:
			if a.Op == syntax.STAR || a.Op == syntax.STARSTAR {
				refuse("*args are not there at packet time")
			}
		}
		args = append(args, a)
	}
	return args, names, named
}

// unnamed is an argument's value, of NAME = VALUE too.
func unnamed(a syntax.Expr) syntax.Expr {
	if named, ok := a.(*syntax.BinaryExpr); ok && named.Op == syntax.EQ {
		return named.Y
	}
	return a
}

// callShape is the shape of a call's result.
func callShape(n env, call *syntax.CallExpr) shape {
	args, names, namedArgs := splitArgs(call)
	if dot, ok := call.Fn.(*syntax.DotExpr); ok {
		of := exprShape(n, dot.X)
		if _, ok := of.val.(*structVal); !ok {
			return methodShape(n, of, dot.Name.Name, call.Args)
		}
	}
	callee := exprShape(n, call.Fn).val
	switch c := callee.(type) {
	case *scalar:
		return c.shape()
	case *recordType:
		return c.shape()
	case *starlark.Builtin:
		switch c.Name() {
		case "abs":
			return shape{signed: anySigned(n, args)}
		case "min", "max":
			if len(args) == 1 {
				return shape{signed: joinAll(iterShapes(n, args[0])).signed}
			}
			return shape{signed: anySigned(n, args)}
		}
	}
	f := n.caller().functionOf(callee)
	if f == nil {
		return shape{}
	}
	named := map[string]shape{}
	for i, name := range names {
		named[name] = exprShape(n, namedArgs[i])
	}
	return n.caller().infer(f, bind(f, exprShapes(n, args), named, f.fallbackShape)).resultShape()
}

// methodShape is the shape of m.get(…) and its like.
func methodShape(n env, of shape, name string, args []syntax.Expr) shape {
	var out shape
	switch m := of.val.(type) {
	case *mapVal:
		switch name {
		case "get", "pop", "incr":
			out = m.valueShape()
		default:
			return shape{}
		}
	case *starlark.Dict:
		if name != "get" {
			return shape{}
		}
		out = joinAll(constShapes(m))
	default: // a span
		for _, a := range args {
			if h, ok := exprShape(n, unnamed(a)).val.(*headerType); ok && name == "view" {
				return shape{laid: h}
			}
		}
		return shape{signed: name == "find" && of.val == nil}
	}
	if name == "get" && len(args) > 1 {
		out = join(out, exprShape(n, unnamed(args[1])))
	}
	return out
}
