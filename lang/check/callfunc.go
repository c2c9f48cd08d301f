package check

import (
	"strings"

	"go.starlark.net/syntax"

	"weir/lang/diag"
	"weir/lang/value"
)

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
		if p.fl.has&bitOf(r.view()) == 0 && !p.fl.dead {
			p.unguarded = append(p.unguarded, r)
		}
	}
	if d, bad := stdError(s); bad && !isStd(p.s.pos().File) {
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

// stdError returns the first error of a function of the standard library, or of what
// that calls.
func stdError(s *special) (d diag.Diagnostic, bad bool) {
	if !isStd(s.pos().File) {
		return d, false
	}
	if errs := s.diags.Errors(); len(errs) > 0 {
		return errs[0], true
	}
	for _, t := range s.calls {
		if d, bad = stdError(t); bad {
			return d, true
		}
	}
	return d, false
}
