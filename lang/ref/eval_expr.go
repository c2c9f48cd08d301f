package ref

import (
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// expr evaluates an expression.
func (fr *frame) expr(x syntax.Expr) value {
	fr.e.step(syntax.Start(x))
	switch x := x.(type) {
	case *syntax.ParenExpr:
		return fr.expr(x.X)
	case *syntax.Ident:
		v := fr.lookup(x)
		if v == nil {
			refuse("%s is read before it has a value", x.Name)
		}
		return toPacket(v)
	case *syntax.Literal:
		return toPacket(literal(x))
	case *syntax.UnaryExpr:
		return unary(x.Op, fr.expr(x.X))
	case *syntax.BinaryExpr:
		return fr.binary(x)
	case *syntax.CondExpr:
		both := exprShape(fr, x)
		if truth(fr.expr(x.Cond)) {
			return raise(fr.expr(x.True), both)
		}
		return raise(fr.expr(x.False), both)
	case *syntax.TupleExpr:
		return starlark.Tuple(fr.exprs(x.List))
	case *syntax.ListExpr: // as in x in [a, b]
		return starlark.Tuple(fr.exprs(x.List))
	case *syntax.DotExpr:
		return attr(fr.expr(x.X), x.Name.Name)
	case *syntax.IndexExpr:
		return fr.index(x)
	case *syntax.CallExpr:
		return fr.callExpr(x)
	case *syntax.LambdaExpr:
		refuse("lambda: write a def")
	}
	refuse("no such expression at packet time")
	return nil
}

func (fr *frame) exprs(xs []syntax.Expr) []value {
	out := make([]value, len(xs))
	for i, x := range xs {
		out[i] = fr.expr(x)
	}
	return out
}

func unary(op syntax.Token, v value) value {
	if op == syntax.NOT {
		return starlark.Bool(!truth(v))
	}
	n := needNum(v, op.String())
	switch op {
	case syntax.MINUS:
		return num{bits: -n.bits, signed: true}
	case syntax.PLUS:
		return n
	case syntax.TILDE:
		return num{bits: ^n.bits, signed: n.signed}
	}
	refuse("%s: not an operator of packet time", op)
	return nil
}

func (fr *frame) binary(x *syntax.BinaryExpr) value {
	switch x.Op {
	case syntax.AND:
		return starlark.Bool(truth(fr.expr(x.X)) && truth(fr.expr(x.Y)))
	case syntax.OR:
		return starlark.Bool(truth(fr.expr(x.X)) || truth(fr.expr(x.Y)))
	}
	a := fr.expr(x.X)
	return operate(x.Op, a, fr.expr(x.Y))
}

// operate is x op y of two values.
func operate(op syntax.Token, x, y value) value {
	switch op {
	case syntax.EQL, syntax.NEQ, syntax.LT, syntax.GT, syntax.LE, syntax.GE:
		return starlark.Bool(compare(op, x, y))
	case syntax.IN, syntax.NOT_IN:
		var in bool
		if m, ok := y.(*mapVal); ok {
			in = m.find(x) != nil
		} else {
			in = contains(x, y)
		}
		return starlark.Bool(in == (op == syntax.IN))
	}
	if s, ok := x.(starlark.String); ok && (op == syntax.PLUS || op == syntax.PERCENT) {
		// A text that is known at build time.
		out, err := starlark.Binary(op, s, toBuild(y))
		check(err)
		return out
	}
	return arithmetic(op, needNum(x, op.String()), needNum(y, op.String()))
}

// toBuild is a value as Starlark's own operations and functions take it.
func toBuild(v value) starlark.Value {
	switch v := v.(type) {
	case num:
		if v.signed {
			return starlark.MakeInt64(int64(v.bits))
		}
		return starlark.MakeUint64(v.bits)
	case starlark.Tuple:
		out := make(starlark.Tuple, len(v))
		for i, e := range v {
			out[i] = toBuild(e)
		}
		return out
	}
	return v
}

// attr is v.name.
func attr(v value, name string) value {
	switch v := v.(type) {
	case *packet:
		return v.attr(name)
	case *inside:
		return v.attr(name)
	case *view:
		return v.attr(name)
	case *connection:
		return v.attr(name)
	case *connAddrs:
		return v.attr(name)
	case *headerType:
		if name == "size" {
			return unsigned(uint64(v.size()))
		}
	case *payload:
		if name == "offset" && !v.has(name) {
			if !v.ok {
				return unsigned(0)
			}
			return unsigned(uint64(v.at))
		}
		if v.laid != nil {
			return v.get(name)
		}
		if name == "len" {
			return unsigned(uint64(len(v.bytes)))
		}
	case *recordObj:
		out, err := v.get(name)
		check(err)
		return out
	case fibBuiltin:
		n, err := v.Attr(name)
		check(err)
		return toPacket(n)
	case ip4Val:
		if name == "int" {
			return unsigned(uint64(v.uint32()))
		}
	case macVal:
		if name == "int" {
			return unsigned(v.uint64())
		}
	case *structVal:
		if out := v.vals[name]; out != nil {
			return toPacket(out)
		}
	}
	refuse("%s has no %s", v.Type(), name)
	return nil
}

// setAttr is of.name = v.
func setAttr(of value, name string, v value) {
	switch of := of.(type) {
	case *view:
		of.set(name, v)
	case *connection:
		of.set(name, v)
	case *connAddrs:
		of.set(name, v)
	case *packet:
		of.set(name, v)
	case *payload:
		of.set(name, v)
	case *recordObj:
		check(of.set(name, v))
	default:
		refuse("%s.%s cannot be written", of.Type(), name)
	}
}

// index is x[y]: of a map, of a list or dict of build time, of a tuple.
func (fr *frame) index(x *syntax.IndexExpr) value {
	of := fr.expr(x.X)
	if m, ok := of.(*mapVal); ok {
		return m.get(fr.expr(x.Y), nil)
	}
	known := constIndex(fr, x.Y)
	if known != nil {
		if v, ok := constElem(of, known); ok {
			return toPacket(v)
		}
	}
	i := fr.expr(x.Y)
	switch of := of.(type) {
	case starlark.Tuple:
		n := needNum(i, "index of a tuple")
		if known, ok := known.(starlark.Int); ok && known.Sign() < 0 {
			n.bits += uint64(len(of))
		}
		if n.bits >= uint64(len(of)) {
			refuse("the tuple has %d values", len(of))
		}
		return of[n.bits]
	case *starlark.List:
		s := joinAll(constShapes(of))
		if n := needNum(i, "index of a list"); n.bits < uint64(of.Len()) {
			return raise(toPacket(of.Index(int(n.bits))), s)
		}
		if of.Len() == 0 {
			refuse("the list is empty")
		}
		return raise(zeroLike(toPacket(of.Index(0))), s)
	case *starlark.Dict:
		return dictGet(of, i, nil)
	}
	if o, ok := asOctets(of); ok {
		n := needNum(i, "index of bytes")
		if known, ok := known.(starlark.Int); ok && known.Sign() < 0 {
			n.bits += uint64(len(o.text))
		}
		return o.at(n)
	}
	refuse("%s has no elements", of.Type())
	return nil
}

// dictGet is d.get(k, otherwise), or zero where there is no otherwise.
func dictGet(d *starlark.Dict, k, otherwise value) value {
	s := joinAll(constShapes(d))
	if otherwise != nil {
		s = join(s, shapeOf(otherwise))
	}
	for _, item := range d.Items() {
		if eq, ok := equal(k, toPacket(item[0])); ok && eq {
			return raise(toPacket(item[1]), s)
		}
	}
	if otherwise != nil {
		return raise(otherwise, s)
	}
	if d.Len() == 0 {
		refuse("the dict is empty")
	}
	return raise(zeroLike(toPacket(d.Items()[0][1])), s)
}

// zeroLike is the zero of a value's type.
func zeroLike(v value) value {
	switch v := v.(type) {
	case num:
		return num{signed: v.signed}
	case starlark.Tuple:
		out := make(starlark.Tuple, len(v))
		for i, e := range v {
			out[i] = zeroLike(e)
		}
		return out
	case *recordObj:
		return v.typ.zero()
	case prefixVal:
		return prefixVal{kind: v.kind}
	case starlark.Bytes:
		return (&octetsType{n: len(v)}).zero()
	}
	for _, s := range scalars {
		if s.name == v.Type() {
			return s.zero()
		}
	}
	refuse("past the end of a table of %s, which has no zero", v.Type())
	return nil
}
