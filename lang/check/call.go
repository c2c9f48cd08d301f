package check

import (
	"slices"
	"strings"

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

// callFunc calls a function of the language.
func (p *pass) callFunc(e *syntax.CallExpr, f callee) operand {
	if f.def == nil {
		p.errorf(e, "internal", "", "the text of %s is not known", f.name)
		return operand{}
	}
	if f.def.HasVarargs || f.def.HasKwargs {
		p.errorf(e, "python", "give "+f.name+" a parameter for each", "functions that handle packets take no *args and **kwargs, but %s does", f.name)
		return operand{}
	}
	names, defaults, required := p.signature(f)
	positional := len(names) - f.def.NumKwonlyParams
	args, ok := p.passArgs(e, f.name, names, positional, required)
	if !ok {
		p.lost = true
		p.callBroken(f, args, defaults)
		return operand{}
	}
	for i := range args {
		if args[i].e != nil {
			continue
		}
		if args[i] = (passed{e: e, o: defaults[i]}); defaults[i].bad() {
			p.errorf(e, "call", takes(names), "%s() needs %s", f.name, names[i])
			return operand{}
		}
	}
	if path := p.c.calling(f); path != nil {
		p.errorf(e, "recursion", "use a loop with a known number of turns", "%s calls itself: %s", f.name, strings.Join(path, " → "))
		return operand{}
	}
	return p.callSpecial(e, f, args)
}

// callBroken types a function whose call has an error, for the errors of its own:
// what is not known of its arguments is silent there.
func (p *pass) callBroken(f callee, args []passed, defaults []operand) {
	if isStd(f.pos().File) || p.c.calling(f) != nil {
		return
	}
	spec := make([]argument, len(args))
	for i, a := range args {
		o := a.o
		if a.e == nil {
			o = defaults[i]
		}
		switch {
		case o.bad():
			spec[i].bad = true
		case o.v != nil:
			spec[i].static = o.v
		default:
			spec[i].typ = norm(o.x.Type())
		}
	}
	if len(spec) == len(f.def.Params) {
		p.calls = append(p.calls, p.c.special(f, spec, false))
	}
}

// signature gives the parameters of a function and their defaults.
func (p *pass) signature(f callee) (names []string, defaults []operand, required int) {
	params := f.def.Params
	first := true
	for _, prm := range params {
		if b, ok := prm.(*syntax.BinaryExpr); ok {
			first = false
			names = append(names, b.X.(*syntax.Ident).Name)
			if f.fn != nil {
				defaults = append(defaults, operand{v: f.fn.ParamDefault(len(names) - 1)})
			} else {
				defaults = append(defaults, p.expr(b.Y))
			}
			continue
		}
		id, ok := prm.(*syntax.Ident)
		if !ok {
			first = false
			continue // the bare * before keyword-only parameters
		}
		names = append(names, id.Name)
		defaults = append(defaults, operand{})
		if first {
			required++
		}
	}
	return names, defaults, required
}

// callSpecial specialises a function for its arguments and calls it.
func (p *pass) callSpecial(e *syntax.CallExpr, f callee, args []passed) operand {
	s, xs := p.specialise(f, args)
	if s == nil {
		return operand{}
	}
	for again := true; again && s.wanted; {
		for i := range p.c.wants[f.def] {
			if args[i].o.x == nil {
				continue
			}
			p.want(args[i].o.x)
			if c, ok := args[i].o.x.(*Const); ok && staticOf(c) != nil {
				args[i].o = known(staticOf(c))
			}
		}
		t := s
		if s, xs = p.specialise(f, args); s == nil {
			return operand{}
		}
		again = s != t
	}
	if !p.called[s] {
		p.called[s] = true
		p.calls = append(p.calls, s)
	}
	if s.moves.pos.Line > 0 {
		p.moved(s.moves)
	}
	for _, r := range s.unguarded {
		if p.fl.has&bit(r.header) == 0 && !p.fl.dead {
			p.unguarded = append(p.unguarded, r)
		}
	}
	if errs := s.diags.Errors(); len(errs) > 0 && isStd(s.pos().File) && !isStd(p.s.pos().File) {
		d := errs[0]
		p.errorf(e, d.Code, d.Hint, "%s cannot be called like this: %s", f.name, d.Message)
		return operand{}
	}
	if s.hasResult && s.result.Kind == value.None {
		return operand{}
	}
	if !s.hasResult && (s.failed || len(s.diags.Errors()) > 0) {
		return operand{}
	}
	if s.hidden != nil {
		xs = append(xs, &LocalRef{Base{value.PacketT, at(e)}, p.packetParam()})
	}
	return run(&Call{Base{s.result, at(e)}, s.out, xs})
}

// specialise gives the special for a call, and the run-time arguments.
func (p *pass) specialise(f callee, args []passed) (*special, []Expr) {
	spec := make([]argument, len(args))
	var xs []Expr
	for i, a := range args {
		o := a.o
		if o.v != nil && (!scalar(o.v) || p.c.wants[f.def][i]) && !isParam(o.v) {
			spec[i].static = o.v
			continue
		}
		x := p.value(a.e, o)
		if x == nil {
			return nil, nil
		}
		spec[i].typ = norm(x.Type())
		if b, ok := p.bounds(x); ok && p.c.wants[f.def][i] {
			spec[i].bounds = &b
		}
		xs = append(xs, x)
	}
	return p.c.special(f, spec, false), xs
}

// want asks that the parameters that x is computed from be known by value, where
// the function is called with values that are known.
func (p *pass) want(x Expr) {
	walk(x, func(e Expr) {
		ref, ok := e.(*LocalRef)
		if !ok {
			return
		}
		for i, v := range p.s.vars[:len(p.s.args)] {
			if v.local == ref.Local && p.info.assigned[i] == 0 {
				w := p.c.wants[p.s.def]
				if w == nil {
					w = map[int]bool{}
					p.c.wants[p.s.def] = w
				}
				w[i] = true
				p.s.wanted = true
			}
		}
	})
}
