package check

import (
	"slices"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/value"
)

// A localFunc is a function defined inside a packet-time function, as a value
// known at build time. It sees the build-time values around it, and nothing that
// changes from packet to packet.
type localFunc struct {
	def    *resolve.Function
	name   string
	outer  *pass
	params []syntax.Expr
}

func (f *localFunc) String() string        { return "function " + f.name }
func (f *localFunc) Type() string          { return "function" }
func (f *localFunc) Freeze()               {}
func (f *localFunc) Truth() starlark.Bool  { return true }
func (f *localFunc) Hash() (uint32, error) { return hashOf([]byte(f.name)), nil }
func (f *localFunc) Name() string          { return f.name }

// callStmt is a call that stands alone.
func (p *pass) callStmt(e *syntax.CallExpr) {
	if m, name := p.mapCall(e); m != nil {
		p.methodStmt(e, m.m, name)
		return
	}
	if b, ok := p.calleeOf(e).v.(*packetBuiltin); ok {
		switch b.name {
		case "count":
			p.count(e)
			return
		case "hist":
			p.hist(e)
			return
		case "log":
			p.log(e)
			return
		}
	}
	o := p.call(e)
	p.unusedVerdict(e, o)
	if o.x != nil && effects(o.x) {
		p.emit(&Eval{Pos: at(e), X: o.x})
	}
}

// calleeOf is what a call calls, if that is a plain name; it reports nothing.
func (p *pass) calleeOf(e *syntax.CallExpr) operand {
	id, ok := unparen(e.Fn).(*syntax.Ident)
	if !ok {
		return operand{}
	}
	b, ok := id.Binding.(*resolve.Binding)
	if !ok || b.Scope == resolve.Local || b.Scope == resolve.Cell {
		return operand{}
	}
	return p.ident(id)
}

// call types a call that is used as a value.
func (p *pass) call(e *syntax.CallExpr) operand {
	if dot, ok := unparen(e.Fn).(*syntax.DotExpr); ok {
		base := p.expr(dot.X)
		if base.bad() {
			p.args(e)
			return operand{}
		}
		moves := p.moves
		if o, done := p.methodCall(e, dot, base); done {
			p.overtaken(dot.X, base, moves)
			return o
		}
		return p.callValue(e, p.attrOf(dot, base))
	}
	return p.callValue(e, p.expr(e.Fn))
}

// args types the arguments of a call for their errors.
func (p *pass) args(e *syntax.CallExpr) {
	for _, a := range e.Args {
		if b, ok := a.(*syntax.BinaryExpr); ok && b.Op == syntax.EQ {
			a = b.Y
		}
		if u, ok := a.(*syntax.UnaryExpr); ok && (u.Op == syntax.STAR || u.Op == syntax.STARSTAR) {
			a = u.X
		}
		p.expr(a)
	}
}

// callValue calls a value.
func (p *pass) callValue(e *syntax.CallExpr, f operand) operand {
	if f.bad() {
		p.args(e)
		return operand{}
	}
	switch v := f.v.(type) {
	case *starlark.Function:
		return p.callFunc(e, callee{name: v.Name(), def: p.c.b.defs[posOf(v.Position())], fn: v})
	case *localFunc:
		return p.callFunc(e, callee{name: v.name, def: v.def, local: v})
	case *packetBuiltin:
		return p.packetCall(e, v)
	case *headerVal:
		p.errorf(e, "type", layHint, "a header is laid over bytes, not made")
	case *typeVal:
		return p.convert(e, v)
	case *cFunc:
		return p.callObject(e, v)
	case *filterVal:
		return p.filterCall(e, v)
	case *mapMethod:
		return p.mapMethod(e, v.m.m, v.name)
	case *starlark.Builtin:
		return p.builtinCall(e, v)
	case *mapVal:
		p.errorf(e, "type", "read an entry: "+v.m.Name+"[key]", "a map is not called")
	case nil:
		hint := "only functions and types can be called"
		if f.x.Type().Kind == value.View {
			hint = "headers are attributes: leave out the brackets"
		}
		p.errorf(e, "type", hint, "%s is not called", what(f.x.Type()))
	case verdictVal:
		p.errorf(e, "type", "leave out the brackets: return "+v.v.Action.String(), "%s is not called", describe(f.v))
	default:
		p.errorf(e, "type", "only functions and types can be called", "%s is not called", describe(f.v))
	}
	p.args(e)
	return operand{}
}

// A passed is one argument of a call.
type passed struct {
	e     syntax.Expr
	o     operand
	moves int // of the packet when it was computed
}

// passArgs types the arguments of a call and gives them by parameter. names are
// the parameters: the first of them can be given by position, the required ones
// have no default.
func (p *pass) passArgs(e *syntax.CallExpr, fn string, names []string, positional, required int) ([]passed, bool) {
	out := make([]passed, len(names))
	ok := true
	pos := 0
	for _, a := range e.Args {
		i := pos
		if u, isStar := a.(*syntax.UnaryExpr); isStar && (u.Op == syntax.STAR || u.Op == syntax.STARSTAR) {
			p.errorf(a, "python", "name the arguments", "%s passes arguments at build time only", u.Op)
			ok = false
			continue
		}
		if b, isName := a.(*syntax.BinaryExpr); isName && b.Op == syntax.EQ {
			a = b.Y
			i = p.argIndex(b.X.(*syntax.Ident), fn, names, out)
		} else if pos++; pos > positional {
			if ok {
				p.errorf(a, "call", takes(names), "%s() takes %s", fn, arguments(positional))
			}
			i = -1
		}
		o := p.expr(a)
		if i < 0 {
			ok = false
			continue
		}
		out[i] = passed{a, o, p.moves}
		ok = ok && !o.bad()
	}
	p.inOrder(e, out)
	for _, a := range out {
		if a.e != nil {
			p.overtaken(a.e, a.o, a.moves)
		}
	}
	for i := 0; i < required && ok; i++ {
		if out[i].e == nil {
			p.errorf(e, "call", takes(names), "%s() needs %s", fn, names[i])
			return nil, false
		}
	}
	return out, ok
}

// argIndex is the parameter that an argument names, or -1 after an error.
func (p *pass) argIndex(id *syntax.Ident, fn string, names []string, given []passed) int {
	i := slices.Index(names, id.Name)
	switch {
	case i < 0:
		p.errorAt(posOf(id.NamePos), "call", didYouMean(id.Name, "", names), "%s() has no argument %s", fn, id.Name)
	case given[i].e != nil:
		p.errorAt(posOf(id.NamePos), "call", "give it once", "%s() is given %s twice", fn, id.Name)
		return -1
	}
	return i
}

// inOrder refuses arguments with effects that are not given in the order of the
// parameters, in which they are computed.
func (p *pass) inOrder(e *syntax.CallExpr, args []passed) {
	var last syntax.Position
	for _, a := range args {
		if a.o.x == nil || !effects(a.o.x) {
			continue
		}
		start := leftmost(a.e)
		if last.IsValid() && (start.Line < last.Line || start.Line == last.Line && start.Col < last.Col) {
			p.errorf(e, "call", "give them in the order of the parameters", "two arguments that do something are not in the order of the parameters")
		}
		last = start
	}
}

func arguments(n int) string {
	switch n {
	case 0:
		return "only arguments with names"
	case 1:
		return "at most one argument"
	}
	return "at most " + itoa(uint64(n)) + " arguments"
}

func takes(names []string) string {
	if len(names) == 0 {
		return "it takes none"
	}
	return "it takes " + list(names)
}
