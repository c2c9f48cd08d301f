package check

import (
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/value"
)

// contains is x in y.
func (p *pass) contains(e *syntax.BinaryExpr) operand {
	x := p.expr(e.X)
	if list, ok := targetList(unparen(e.Y)); ok {
		return p.inLiteral(e, x, list)
	}
	y := p.expr(e.Y)
	if x.bad() || y.bad() {
		return operand{}
	}
	if y.v == nil {
		return p.inRuntime(e, x, y.x)
	}
	return p.inStatic(e, x, y.v)
}

// inLiteral is x in (a, b), where a and b may be known at run time only.
func (p *pass) inLiteral(e *syntax.BinaryExpr, x operand, list []syntax.Expr) operand {
	static, bad := true, x.bad()
	ops := make([]operand, len(list))
	for i, l := range list {
		ops[i] = p.expr(l)
		if c, ok := ops[i].x.(*Const); ok && staticOf(c) != nil {
			ops[i] = known(staticOf(c))
		}
		bad = bad || ops[i].bad()
		static = static && ops[i].v != nil && !isParam(ops[i].v)
	}
	if bad {
		return operand{}
	}
	if static {
		var t starlark.Tuple
		for _, o := range ops {
			t = append(t, o.v)
		}
		return p.inStatic(e, x, t)
	}
	if x.x != nil && effects(x.x) {
		p.errorf(e.X, "type", "keep it in a local first", "what is computed with effects cannot be compared with several values")
		return operand{}
	}
	var or Expr
	for i, o := range ops {
		c := p.compare(e, Eq, syntax.EQL, e.X, x, list[i], o)
		if c.bad() {
			return operand{}
		}
		b := p.asBool(e, p.truth(e, c))
		if or == nil {
			or = b
		} else {
			or = &Logic{Base{value.BoolT, at(e)}, false, or, b}
		}
	}
	return run(or)
}

// inRuntime refuses x in y where y is no build-time value.
func (p *pass) inRuntime(e *syntax.BinaryExpr, x operand, y Expr) operand {
	hint := "maps, lists, dicts, tuples and prefixes can be searched"
	switch y.Type().Kind {
	case value.Span:
		p.errorf(e.Y, "type", "say how far: .contains(b\"…\", within = 64)", "%s is not searched with in", what(y.Type()))
		return operand{}
	case value.Int:
		hint = "test a bit with x & y != 0"
	}
	p.errorf(e.Y, "type", hint, "%s cannot be searched", what(y.Type()))
	return operand{}
}

func (p *pass) inStatic(e *syntax.BinaryExpr, x operand, y starlark.Value) operand {
	switch y := y.(type) {
	case *mapVal:
		return p.inMap(e, y.m, x)
	case prefixVal:
		return p.inPrefixes(e, x, []starlark.Value{y})
	case *starlark.List:
		return p.inList(e, x, elems(y))
	case starlark.Tuple:
		return p.inList(e, x, y)
	case *starlark.Dict:
		return p.inList(e, x, y.Keys())
	case *starlark.Set:
		var vs []starlark.Value
		for v := range y.Elements() {
			vs = append(vs, v)
		}
		return p.inList(e, x, vs)
	case starlark.String:
		if s, ok := x.v.(starlark.String); ok {
			has, _ := y.Has(s)
			return known(starlark.Bool(has))
		}
		hint := "strings are known at build time only"
		if x.x != nil && isIP(x.x.Type().Kind) {
			hint = textHint(string(y), x.x.Type())
		}
		p.errorf(e.X, "type", hint, "%s cannot be searched for in a string", p.typeWord(x))
		return operand{}
	}
	if y.Type() == "range" {
		return p.inRange(e, x, y)
	}
	hint := "maps, lists, dicts, tuples and prefixes can be searched"
	if _, ok := y.(*mapMethod); ok {
		hint = "leave out the method: k in m"
	}
	if _, ok := y.(starlark.Int); ok {
		hint = fmt.Sprintf("write x == %s, or x in [%s]", y, y)
	}
	p.errorf(e.Y, "type", hint, "%s cannot be searched", describe(y))
	return operand{}
}

func (p *pass) inMap(e *syntax.BinaryExpr, m *Map, x operand) operand {
	key := p.key(e.X, m, x)
	if key == nil {
		return operand{}
	}
	return run(&Contains{Base{value.BoolT, at(e)}, m, key})
}

// inRange is x in range(a, b) of build time, as one comparison.
func (p *pass) inRange(e *syntax.BinaryExpr, x operand, r starlark.Value) operand {
	seq, n := r.(starlark.Indexable), 0
	n = seq.Len()
	if n == 0 {
		return known(starlark.False)
	}
	first, _ := seq.Index(0).(starlark.Int).Int64()
	last, _ := seq.Index(n - 1).(starlark.Int).Int64()
	if last-first != int64(n-1) {
		if n > maxListEntries {
			p.errorf(e.Y, "limit", "compare with its ends", "the range has %d elements, more than the limit of %d", n, maxListEntries)
			return operand{}
		}
		return p.inList(e, x, elems(seq))
	}
	v := p.intValue(e.X, x, "what is searched in a range")
	if v == nil {
		return operand{}
	}
	off := arith(Sub, v, intConst(uint64(first), false, at(e)))
	if b, ok := off.(*Binary); ok {
		b.T.Signed = false
	}
	if c, ok := off.(*Const); ok {
		return known(starlark.Bool(c.Bits < uint64(n)))
	}
	return run(&Compare{Base{value.BoolT, at(e)}, Lt, false, off, intConst(uint64(n), false, at(e))})
}

// inList is x in a list of build-time values.
func (p *pass) inList(e *syntax.BinaryExpr, x operand, vs []starlark.Value) operand {
	if len(vs) == 0 {
		return known(starlark.False)
	}
	if len(vs) > maxListEntries {
		p.errorf(e.Y, "limit", "use a table with init =", "the list has %d elements, more than the limit of %d", len(vs), maxListEntries)
		return operand{}
	}
	if x.v != nil && !isParam(x.v) {
		for _, v := range vs {
			if same, err := starlark.Equal(x.v, v); err == nil && same {
				return known(starlark.True)
			}
			if pre, ok := v.(prefixVal); ok {
				if has, err := pre.Has(x.v); err == nil && has {
					return known(starlark.True)
				}
			}
		}
		return known(starlark.False)
	}
	for _, v := range vs {
		if _, ok := v.(prefixVal); ok {
			return p.inPrefixes(e, x, vs)
		}
	}
	v := p.value(e.X, x)
	if v == nil {
		return operand{}
	}
	for _, l := range vs {
		if p.noText(e.Y, known(l), v.Type(), "%s is not among strings", what(v.Type())) {
			return operand{}
		}
	}
	values := p.caseList(e.Y, vs, v)
	if values == nil {
		return operand{}
	}
	return run(&OneOf{Base{value.BoolT, at(e)}, p.coerce(v, values[0].Type()), values})
}

// caseList gives the constants that x is compared with, in x's type.
func (p *pass) caseList(n syntax.Node, vs []starlark.Value, x Expr) []Expr {
	values, t := p.constants(n, vs)
	if values == nil {
		return nil
	}
	xt := norm(x.Type())
	if xt.Kind == value.Bool && t.Kind == value.Int || xt.Kind == value.Int && t.Kind == value.Bool {
		xt = value.U64
	}
	for i := range values {
		values[i] = p.coerce(values[i], xt)
	}
	t = values[0].Type()
	if j, ok := join(xt, t); ok {
		for i := range values {
			values[i] = retype(p.coerce(values[i], j), j)
		}
		return values
	}
	hint := "all of them need the type of what is searched"
	if isIP(xt.Kind) && isIP(t.Kind) {
		hint = "an ip, as of pkt.ip, compares with both families"
	}
	p.errorf(n, "type", hint, "cannot look for %s among values of type %s", what(x.Type()), t)
	return nil
}

// inPrefixes is addr in PREFIX, or in a list of prefixes and addresses.
func (p *pass) inPrefixes(e *syntax.BinaryExpr, x operand, vs []starlark.Value) operand {
	if a, ok := x.v.(addrVal); ok && len(vs) == 1 {
		has, err := vs[0].(prefixVal).Has(a)
		if err != nil {
			p.fail(e, err)
			return operand{}
		}
		return known(starlark.Bool(has))
	}
	addr := p.value(e.X, x)
	if addr == nil {
		return operand{}
	}
	if !isIP(addr.Type().Kind) {
		hint := "test an address: ip.src in prefix"
		if addr.Type().Kind == value.Int {
			hint = "make an address of it: ip4(n) in prefix"
		}
		p.errorf(e.X, "type", hint, "only an address lies in a prefix, not %s", what(addr.Type()))
		return operand{}
	}
	possible := false
	in := &InPrefix{Base: Base{value.BoolT, at(e)}, X: addr}
	for _, v := range vs {
		pre, err := makePrefix(value.Prefix, v)
		if _, text := v.(starlark.String); err != nil || text {
			p.errorf(e.Y, "type", "all of them need to be prefixes or addresses", "the list mixes prefixes with %s", describe(v))
			return operand{}
		}
		pv := pre.(prefixVal)
		possible = possible || addr.Type().Kind == value.IP || addr.Type().Kind == value.IP4 == pv.v4
		in.Prefixes = append(in.Prefixes, pv.value())
	}
	if !possible {
		p.warnf(e, "never", "compare addresses and prefixes of one family, or use pkt.ip", "%s never lies in a prefix of the other family", what(addr.Type()))
	}
	return run(in)
}
