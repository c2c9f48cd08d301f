package check

import (
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/value"
)

var arithmetic = map[syntax.Token]Op{
	syntax.PLUS: Add, syntax.MINUS: Sub, syntax.STAR: Mul, syntax.SLASHSLASH: FloorDiv, syntax.PERCENT: Mod,
	syntax.AMP: And, syntax.PIPE: Or, syntax.CIRCUMFLEX: Xor, syntax.LTLT: Shl, syntax.GTGT: Shr,
}

var comparisons = map[syntax.Token]Op{
	syntax.EQL: Eq, syntax.NEQ: Ne, syntax.LT: Lt, syntax.LE: Le, syntax.GT: Gt, syntax.GE: Ge,
}

// unary is -x, +x, ~x and not x.
func (p *pass) unary(e *syntax.UnaryExpr) operand {
	if e.Op == syntax.NOT {
		return p.boolOf(e, p.cond(e))
	}
	o := p.expr(e.X)
	x := p.intValue(e.X, o, "the operand of "+e.Op.String())
	if x == nil {
		return operand{}
	}
	t := norm(x.Type())
	c, isConst := x.(*Const)
	switch e.Op {
	case syntax.PLUS:
		return run(x)
	case syntax.MINUS:
		t.Signed = true
		if isConst {
			return run(intConst(-c.Bits, true, at(e)))
		}
		return run(&Unary{Base{t, at(e)}, Neg, x})
	case syntax.TILDE:
		if isConst {
			return run(intConst(^c.Bits, c.T.Signed, at(e)))
		}
		return run(&Unary{Base{t, at(e)}, Com, x})
	}
	p.errorf(e, "syntax", "", "%s means nothing here", e.Op)
	return operand{}
}

// boolOf gives a condition as an operand.
func (p *pass) boolOf(n syntax.Node, c condition) operand {
	if c.known {
		return known(starlark.Bool(c.holds))
	}
	if c.x == nil {
		return operand{}
	}
	return run(c.x)
}

func (p *pass) binaryExpr(e *syntax.BinaryExpr) operand {
	switch e.Op {
	case syntax.AND, syntax.OR:
		return p.boolOf(e, p.logic(e))
	case syntax.IN, syntax.NOT_IN:
		o := p.contains(e)
		if e.Op == syntax.IN || o.bad() {
			return o
		}
		if c := p.truth(e, o); c.known {
			return known(starlark.Bool(!c.holds))
		}
		return run(&Not{Base{value.BoolT, at(e)}, o.x})
	}
	x := p.expr(e.X)
	y := p.expr(e.Y)
	return p.binary(e, e.OpPos, e.Op, e.X, x, e.Y, y)
}

// binary types x OP y for operands that are typed already.
func (p *pass) binary(e syntax.Node, pos syntax.Position, op syntax.Token, xe syntax.Node, x operand, ye syntax.Node, y operand) operand {
	if x.bad() || y.bad() {
		return operand{}
	}
	if cmp, ok := comparisons[op]; ok {
		return p.compare(e, cmp, op, xe, x, ye, y)
	}
	if x.v != nil && y.v != nil && !numeric(x.v) && !numeric(y.v) || textual(x.v) && y.v != nil {
		return p.staticBinary(e, op, x.v, y.v)
	}
	if op == syntax.SLASH {
		p.errorAt(posOf(pos), "python", "write // for the quotient rounded down", "there are no fractions at packet time")
		return operand{}
	}
	if op == syntax.STARSTAR {
		p.errorAt(posOf(pos), "python", "write 1 << n for a power of two, or multiply", "** is for build time only")
		return operand{}
	}
	aop, ok := arithmetic[op]
	if !ok {
		p.errorAt(posOf(pos), "syntax", "", "%s means nothing here", op)
		return operand{}
	}
	tx, ty := p.typeWord(x), p.typeWord(y)
	if !p.counts(x) || !p.counts(y) {
		bad := x
		n := xe
		if p.counts(x) {
			bad, n = y, ye
		}
		p.errorf(n, "type", p.countHint(bad), "cannot compute %s %s %s", tx, op, ty)
		return operand{}
	}
	a, b := p.intValue(xe, x, ""), p.intValue(ye, y, "")
	if a == nil || b == nil {
		return operand{}
	}
	return run(arith(aop, a, b))
}

// arith is the operation of two integers, computed if both are constants.
func arith(op Op, a, b Expr) Expr {
	signed := a.Type().Signed || b.Type().Signed
	t := value.Type{Kind: value.Int, Width: 8, Signed: signed}
	if x, ok := a.(*Const); ok {
		if y, ok := b.(*Const); ok {
			return &Const{Base: Base{t, x.P}, Bits: fold(op, x.Bits, y.Bits, signed)}
		}
	}
	return &Binary{Base{t, a.Pos()}, op, a, b}
}

func numeric(v starlark.Value) bool {
	switch v.(type) {
	case starlark.Int, starlark.Bool, *paramVal, ifaceVal, starlark.Float:
		return true
	}
	return false
}

func textual(v starlark.Value) bool {
	_, ok := v.(starlark.String)
	return ok
}

// staticBinary computes with build-time values, as the interpreter does.
func (p *pass) staticBinary(e syntax.Node, op syntax.Token, x, y starlark.Value) operand {
	if _, ok := x.(starlark.String); !ok || op == syntax.STAR {
		p.errorf(e, "type", "compute it at the top level of the file", "cannot compute %s %s %s while a packet is handled", describe(x), op, describe(y))
		return operand{}
	}
	v, err := starlark.Binary(op, x, y)
	if err != nil {
		p.errorf(e, "type", "convert one side to the type of the other", "cannot compute %s %s %s", describe(x), op, describe(y))
		return operand{}
	}
	return known(v)
}

// counts reports whether an operand is an integer or a bool.
func (p *pass) counts(o operand) bool {
	if o.v != nil {
		_, fraction := o.v.(starlark.Float)
		return numeric(o.v) && !fraction
	}
	k := o.x.Type().Kind
	return k == value.Int || k == value.Bool
}

func (p *pass) countHint(o operand) string {
	if o.v != nil {
		switch v := o.v.(type) {
		case addrVal:
			if v.kind == value.IP4 {
				return "use its .int to count with an address"
			}
		case starlark.Float:
			return "compute with integers, and divide with //"
		case starlark.String:
			return textIsFixed
		}
		return "only integers are computed with"
	}
	switch t := o.x.Type(); t.Kind {
	case value.IP4:
		return "use its .int to count with an address"
	case value.IP6, value.IP:
		return "addresses are compared and looked up, not computed with"
	case value.View:
		return "read one of its fields"
	case value.Span:
		if t.Laid() {
			return "read one of its fields"
		}
		return "read its .len, or bytes of it with .u8(off)"
	case value.Record:
		return "read one of its fields"
	case value.Octets:
		return "count with one of its bytes: x[0], or read an integer: .u32(off)"
	}
	return "only integers are computed with"
}

// typeWord names the type of an operand in a sentence about an operation.
func (p *pass) typeWord(o operand) string {
	if o.v != nil {
		switch v := o.v.(type) {
		case starlark.Int, ifaceVal:
			return "int"
		case *paramVal:
			return v.p.Type.String()
		case starlark.String:
			return "string"
		}
		return o.v.Type()
	}
	if o.x.Type().Kind == value.Int {
		return "int"
	}
	return o.x.Type().String()
}

// intValue gives an operand as an integer of run time, a bool as 0 or 1, or nil
// after an error.
func (p *pass) intValue(n syntax.Node, o operand, role string) Expr {
	x := p.value(n, o)
	if x == nil {
		return nil
	}
	switch x.Type().Kind {
	case value.Int:
		return x
	case value.Bool:
		return p.coerce(x, value.U64)
	}
	p.errorf(n, "type", p.countHint(o), "%s is an integer, not %s", role, what(x.Type()))
	return nil
}

// compare types a comparison.
func (p *pass) compare(e syntax.Node, op Op, tok syntax.Token, xe syntax.Node, x operand, ye syntax.Node, y operand) operand {
	if x.v != nil && y.v != nil && !(p.counts(x) && p.counts(y)) {
		if o, done := p.staticCompare(e, tok, x.v, y.v); done {
			return o
		}
	}
	for _, o := range []operand{x, y} {
		if o.v == starlark.None {
			p.errorf(e, "python", noneHint(x, y), "nothing is None at packet time")
			return operand{}
		}
	}
	for _, side := range []struct {
		n        syntax.Node
		o, other operand
	}{{xe, x, y}, {ye, y, x}} {
		if side.other.x != nil && p.noText(side.n, side.o, side.other.x.Type(), "cannot compare %s with a string", what(side.other.x.Type())) {
			return operand{}
		}
	}
	if p.textForBytes(xe, x, y) || p.textForBytes(ye, y, x) {
		return operand{}
	}
	a, b := p.value(xe, x), p.value(ye, y)
	if a == nil || b == nil {
		return operand{}
	}
	ta, tb := a.Type(), b.Type()
	if isNum(ta) && isNum(tb) {
		if ta.Kind != value.Bool || tb.Kind != value.Bool || op > Ne {
			a, b = p.coerce(a, value.U64), p.coerce(b, value.U64)
		}
		p.neverEqual(e, op, a, b)
		return run(compareInts(op, a, b, at(e)))
	}
	if j, ok := join(ta, tb); ok {
		a, b = p.coerce(a, j), p.coerce(b, j)
	} else if ta.Kind == value.Tuple && tb.Kind == value.Tuple && len(ta.Elems) == len(tb.Elems) {
		a, b = p.coerce(a, tb), p.coerce(b, ta)
	}
	if !comparable(a.Type(), b.Type()) {
		p.errorf(e, "type", compareHint(ta, tb), "cannot compare %s with %s", what(ta), what(tb))
		return operand{}
	}
	if op != Eq && op != Ne {
		hint := "compare them with == and !="
		if ta.Kind == value.IP4 {
			hint = "compare their .int, or test addr in prefix"
		}
		if ta.Kind == value.Octets {
			p.errorf(e, "type", hint, "bytes have no order")
			return operand{}
		}
		p.errorf(e, "type", hint, "%ss have no order", ta.Kind)
		return operand{}
	}
	if c, ok := a.(*Const); ok && a.Type().Kind != value.Verdict {
		if d, ok := b.(*Const); ok {
			same := c.Bits == d.Bits && string(c.Octets) == string(d.Octets)
			return run(boolConst(same == (op == Eq), at(e)))
		}
	}
	return run(&Compare{Base{value.BoolT, at(e)}, op, false, a, b})
}

func isNum(t value.Type) bool { return t.Kind == value.Int || t.Kind == value.Bool }

// comparable reports whether two values can be compared with == as they are.
func comparable(t, u value.Type) bool {
	if t.Kind != u.Kind {
		return false
	}
	switch t.Kind {
	case value.Int, value.Bool, value.IP4, value.IP6, value.IP, value.MAC, value.Verdict:
		return true
	case value.Octets:
		return t.Width == u.Width
	case value.Record:
		return t.Equal(u)
	case value.Tuple:
		if len(t.Elems) != len(u.Elems) {
			return false
		}
		for i := range t.Elems {
			if !comparable(t.Elems[i], u.Elems[i]) {
				return false
			}
		}
		return true
	}
	return false
}

func compareHint(t, u value.Type) string {
	switch {
	case isIP(t.Kind) && isIP(u.Kind):
		return "an ip, as of pkt.ip, compares with both families"
	case isIP(t.Kind) && u.Kind == value.Int, isIP(u.Kind) && t.Kind == value.Int:
		return "compare with ip4(\"…\"), or use the .int of an ip4"
	case t.Kind == value.View || u.Kind == value.View:
		return "test whether the header is there: if pkt.udp:, or compare one of its fields"
	case t.Kind == value.Octets && u.Kind == value.Octets:
		return "both sides need the same length: these have " + itoa(uint64(t.Width)) + " and " + itoa(uint64(u.Width)) + " bytes"
	case t.Kind == value.Octets && u.Kind == value.Int, u.Kind == value.Octets && t.Kind == value.Int:
		return "compare with b\"…\", or one byte: x[0] == 71"
	case t.Kind == value.Tuple && u.Kind == value.Tuple:
		return "both need as many elements, of the same types"
	}
	return "both sides need the same type"
}

// staticCompare compares build-time values.
func (p *pass) staticCompare(e syntax.Node, tok syntax.Token, x, y starlark.Value) (operand, bool) {
	if x.Type() != y.Type() {
		if scalar(x) && scalar(y) {
			return operand{}, false // as at run time
		}
		switch tok {
		case syntax.EQL:
			return known(starlark.False), true
		case syntax.NEQ:
			return known(starlark.True), true
		}
	}
	if scalar(x) && scalar(y) && tok != syntax.EQL && tok != syntax.NEQ {
		return operand{}, false
	}
	if _, ok := x.(*paramVal); ok {
		return operand{}, false
	}
	holds, err := starlark.Compare(tok, x, y)
	if err != nil {
		p.fail(e, err)
		return operand{}, true
	}
	return known(starlark.Bool(holds)), true
}
