package check

import (
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"

	"weir/lang/value"
)

// A condition is an expression in the place of one: a bool of run time, or a
// known outcome, or neither after an error.
type condition struct {
	x     Expr
	known bool
	holds bool
	facts facts
}

func decided(holds bool) condition { return condition{known: true, holds: holds} }

// cond types an expression as a condition.
func (p *pass) cond(e syntax.Expr) condition {
	switch e := unparen(e).(type) {
	case *syntax.UnaryExpr:
		if e.Op == syntax.NOT {
			c := p.cond(e.X)
			if c.known {
				return decided(!c.holds)
			}
			if c.x != nil {
				c.x = &Not{Base{value.BoolT, posOf(e.OpPos)}, c.x}
			}
			c.facts = c.facts.not()
			return c
		}
	case *syntax.BinaryExpr:
		if e.Op == syntax.AND || e.Op == syntax.OR {
			return p.logic(e)
		}
	}
	return p.truth(e, p.expr(e))
}

// logic types and, and or: the right side is seen with what the left has shown.
func (p *pass) logic(e *syntax.BinaryExpr) condition {
	and := e.Op == syntax.AND
	p.loneNumber(e.X)
	p.loneNumber(e.Y)
	l := p.cond(e.X)
	if l.known && l.holds != and {
		return l // the right side is not reached
	}
	has, moves := p.fl.has, p.moves
	if and {
		p.fl.has |= l.facts.yes
	} else {
		p.fl.has |= l.facts.no
	}
	r := p.cond(e.Y)
	if p.fl.has = has & p.fl.has; p.moves == moves {
		p.fl.has = has
	} else {
		l.facts = facts{} // the left side was tested before the packet moved
	}
	switch {
	case l.known:
		return r
	case r.known && r.holds == and:
		return l
	case r.known && l.x != nil && !effects(l.x):
		return r
	case r.known:
		r.x = boolConst(r.holds, at(e.Y))
	}
	c := condition{}
	if l.x != nil && r.x != nil {
		c.x = &Logic{Base{value.BoolT, at(e)}, and, l.x, r.x}
	}
	if and {
		c.facts = facts{l.facts.yes | r.facts.yes, l.facts.no & (l.facts.yes | r.facts.no)}
	} else {
		c.facts = facts{l.facts.yes & (l.facts.no | r.facts.yes), l.facts.no | r.facts.no}
	}
	return c
}

// truth makes a condition of an operand.
func (p *pass) truth(n syntax.Node, o operand) condition {
	if o.v != nil {
		switch v := o.v.(type) {
		case *paramVal, ifaceVal:
			o = run(p.value(n, o))
		case addrVal, prefixVal, verdictVal:
			p.noCondition(n, describe(v), kindHint(v))
			return condition{}
		case starlark.Tuple:
			p.noCondition(n, "a tuple", "compare its elements")
			return condition{}
		case starlark.String, starlark.Bytes:
			p.noCondition(n, describe(v), `compare it: s != ""`)
			return condition{}
		case *mapVal:
			p.noCondition(n, describe(v), "test a key: if k in m; or m != None, if there may be none")
			return condition{}
		case *starlarkstruct.Struct, *typeVal:
			p.noCondition(n, describe(v), "compare it: x != None, if there may be none")
			return condition{}
		case starlark.Callable, *localFunc:
			p.noCondition(n, describe(v), "call it; or compare it: f != None, if there may be none")
			return condition{}
		default: // a constant, or a list or dict: true if it is not empty
			if p.noMatch(n, v) {
				return condition{}
			}
			return decided(bool(v.Truth()))
		}
	}
	if o.x == nil {
		p.lost = true
		return condition{}
	}
	switch t := o.x.Type(); t.Kind {
	case value.Bool:
		if c, ok := o.x.(*Const); ok {
			return decided(c.Bits != 0)
		}
		return condition{x: o.x, facts: p.factsOf(o.x)}
	case value.Int:
		if c, ok := o.x.(*Const); ok {
			return decided(c.Bits != 0)
		}
		p.ackAsCondition(n, o.x)
		return condition{x: p.truthOf(o.x)}
	case value.View:
		return condition{x: p.truthOf(o.x), facts: facts{yes: impliedBy(t)}}
	case value.Octets:
		if _, ok := o.x.(*Const); ok {
			return decided(true)
		}
		return condition{x: p.truthOf(o.x)}
	case value.Span, value.Record:
		x := p.truthOf(o.x)
		return condition{x: x, facts: p.factsOf(x)}
	case value.None:
		p.noCondition(n, "a call that gives no value", "let the function return one")
	case value.Verdict:
		p.noCondition(n, "a verdict", verdictCondition)
	case value.Tuple:
		p.noCondition(n, "a tuple", "compare its elements")
	case value.IP4, value.IP6, value.IP:
		p.noCondition(n, what(t), "compare it: addr != "+t.String()+"(…), or test the header: if pkt.ip4:")
	case value.Packet:
		if t.Inner {
			return condition{x: p.truthOf(o.x)}
		}
		p.noCondition(n, the[p.c.subject()], "it is always there; test a header: if "+p.c.subject()+".ip4:")
	default:
		p.noCondition(n, what(t), "compare it with ==")
	}
	return condition{}
}

const verdictCondition = "compare it: v == DROP, or choose one: DROP if cond else PASS"

func kindHint(v starlark.Value) string {
	switch v.(type) {
	case addrVal:
		return "compare it: addr == ip4(…)"
	case prefixVal:
		return "test an address: addr in prefix"
	}
	return verdictCondition
}

func (p *pass) noCondition(n syntax.Node, what, hint string) {
	p.errorf(n, "type", hint, "%s is no condition", what)
}

func (p *pass) truthOf(x Expr) Expr {
	if x.Type().Route {
		why := &Field{Base{value.U8, x.Pos()}, x, RouteWhy}
		return compareInts(Eq, why, intConst(0, false, x.Pos()), x.Pos())
	}
	return &Truth{Base{value.BoolT, x.Pos()}, x}
}

// asBool gives a condition as a bool of run time, or nil after an error.
func (p *pass) asBool(n syntax.Node, c condition) Expr {
	if c.known {
		return boolConst(c.holds, at(n))
	}
	return c.x
}

// factsOf is what the outcome of a test that was kept in a bool shows.
func (p *pass) factsOf(x Expr) facts {
	switch x := x.(type) {
	case *LocalRef:
		return p.fl.tests[x.Local]
	case *Truth:
		if t := x.X.Type(); t.Kind == value.View {
			return facts{yes: impliedBy(t)}
		}
		return facts{yes: p.laidIn(x.X)}
	case *Not:
		return p.factsOf(x.X).not()
	case *Logic:
		l, r := p.factsOf(x.X), p.factsOf(x.Y)
		if x.And {
			return facts{l.yes | r.yes, l.no & (l.yes | r.no)}
		}
		return facts{l.yes & (l.no | r.yes), l.no | r.no}
	}
	return facts{}
}
