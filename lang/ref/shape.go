package ref

import (
	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// shape is what is known of an expression's value without running it, as far
// as signedness needs it. The zero shape is an unsigned integer, or a value
// in which no integer can be signed.
type shape struct {
	signed bool
	elems  []shape     // of a tuple
	rec    *recordType // of a record or a reference to one
	laid   *headerType // of a header of the chain's own, laid over bytes
	val    value       // known at build time: a list, map, function, constant
}

// shapeOf is the shape of a value that exists.
func shapeOf(v value) shape {
	switch v := v.(type) {
	case num:
		return shape{signed: v.signed}
	case starlark.Int:
		return shape{signed: v.Sign() < 0, val: v}
	case starlark.Tuple:
		s := shape{elems: make([]shape, len(v))}
		for i, e := range v {
			s.elems[i] = shapeOf(e)
		}
		return s
	case *recordObj:
		return v.typ.shape()
	case *paramVal:
		return v.typ.shape()
	case *starlark.List, *starlark.Dict, *starlark.Set, starlark.String, starlark.Bytes, starlark.NoneType,
		*starlark.Function, *starlark.Builtin, *function, *scalar, *recordType, *headerType, *mapVal, *structVal, *filter:
		return shape{val: v}
	case *payload:
		return shape{laid: v.laid}
	}
	return shape{}
}

// join is the shape of a place that values of two shapes come to.
func join(a, b shape) shape {
	out := shape{signed: a.signed || b.signed, rec: a.rec, laid: a.laid, elems: a.elems}
	if b.rec != nil {
		out.rec = b.rec
	}
	if b.laid != nil {
		out.laid = b.laid
	}
	switch {
	case a.elems != nil && len(a.elems) == len(b.elems):
		out.elems = make([]shape, len(a.elems))
		for i := range a.elems {
			out.elems[i] = join(a.elems[i], b.elems[i])
		}
	case a.elems == nil:
		out.elems = b.elems
	}
	// A constant that an unrolled loop changes: the walk is in the order of
	// the program, so that the latest is the one to go on with.
	if a.val != nil && b.val != nil && (sameConst(a.val, b.val) || !isInt(a.val) && !isInt(b.val)) {
		out.val = b.val
	}
	return out
}

func joinAll(shapes []shape) shape {
	var out shape
	for i, s := range shapes {
		if i == 0 {
			out = s
		} else {
			out = join(out, s)
		}
	}
	return out
}

func isInt(v value) bool { _, ok := v.(starlark.Int); return ok }

func sameConst(a, b value) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	if isInt(a) && isInt(b) {
		eq, err := starlark.Equal(a, b)
		return err == nil && eq
	}
	return a == b
}

func sameShape(a, b shape) bool {
	if a.signed != b.signed || a.rec != b.rec || a.laid != b.laid || len(a.elems) != len(b.elems) || !sameConst(a.val, b.val) {
		return false
	}
	for i := range a.elems {
		if !sameShape(a.elems[i], b.elems[i]) {
			return false
		}
	}
	return true
}

// raise sets the signed flag of the integers in v that are signed in s.
func raise(v value, s shape) value {
	switch v := v.(type) {
	case num:
		v.signed = v.signed || s.signed
		return v
	case starlark.Tuple:
		if len(s.elems) != len(v) {
			return v
		}
		out := make(starlark.Tuple, len(v))
		for i, e := range v {
			out[i] = raise(e, s.elems[i])
		}
		return out
	}
	return v
}

// env tells what is known of names: of all a function's assignments before a
// call (typing), of the moment in a call (frame).
type env interface {
	identShape(id *syntax.Ident) shape
	caller() *evaluator
}

// exprShape is the shape of an expression.
func exprShape(n env, x syntax.Expr) shape {
	switch x := x.(type) {
	case *syntax.ParenExpr:
		return exprShape(n, x.X)
	case *syntax.Ident:
		return n.identShape(x)
	case *syntax.Literal:
		return shape{val: literal(x)}
	case *syntax.UnaryExpr:
		s := exprShape(n, x.X)
		switch x.Op {
		case syntax.MINUS:
			return shape{signed: true}
		case syntax.TILDE, syntax.PLUS:
			return shape{signed: s.signed}
		}
		return shape{}
	case *syntax.BinaryExpr:
		if isArithmetic(x.Op) {
			return shape{signed: exprShape(n, x.X).signed || exprShape(n, x.Y).signed}
		}
		return shape{}
	case *syntax.CondExpr:
		return join(exprShape(n, x.True), exprShape(n, x.False))
	case *syntax.TupleExpr:
		return shape{elems: exprShapes(n, x.List)}
	case *syntax.ListExpr:
		return shape{elems: exprShapes(n, x.List)}
	case *syntax.DotExpr:
		return attrShape(exprShape(n, x.X), x.Name.Name)
	case *syntax.IndexExpr:
		return indexShape(n, exprShape(n, x.X), x.Y)
	case *syntax.CallExpr:
		return callShape(n, x)
	}
	return shape{}
}

func exprShapes(n env, xs []syntax.Expr) []shape {
	out := make([]shape, len(xs))
	for i, x := range xs {
		out[i] = exprShape(n, x)
	}
	return out
}

func isArithmetic(op syntax.Token) bool {
	switch op {
	case syntax.PLUS, syntax.MINUS, syntax.STAR, syntax.SLASHSLASH, syntax.PERCENT, syntax.AMP,
		syntax.PIPE, syntax.CIRCUMFLEX, syntax.LTLT, syntax.GTGT:
		return true
	}
	return false
}

func attrShape(of shape, name string) shape {
	if of.rec != nil {
		if i := of.rec.field(name); i >= 0 {
			return of.rec.types[i].shape()
		}
	}
	if of.laid != nil {
		return of.laid.types[of.laid.field(name)].shape()
	}
	if s, ok := of.val.(*structVal); ok && s.vals[name] != nil {
		return shapeOf(s.vals[name])
	}
	return shape{}
}

// constIndex is the value of an index that is a constant where it stands: a
// literal, an integer of build time, any string. LIST[0] is then the element itself;
// LIST[i] is a read-only table, whose elements have one type.
func constIndex(n env, x syntax.Expr) value {
	switch x := x.(type) {
	case *syntax.ParenExpr:
		return constIndex(n, x.X)
	case *syntax.Literal:
		return literal(x)
	case *syntax.UnaryExpr:
		if i, ok := constIndex(n, x.X).(starlark.Int); ok && x.Op == syntax.MINUS {
			return starlark.MakeInt(0).Sub(i)
		}
	case *syntax.Ident:
		b := x.Binding.(*resolve.Binding)
		switch v := n.identShape(x).val.(type) {
		case starlark.String:
			return v
		case starlark.Int:
			if b.Scope == resolve.Global || b.Scope == resolve.Free {
				return v
			}
		}
	}
	return nil
}

func indexShape(n env, of shape, index syntax.Expr) shape {
	i := constIndex(n, index)
	if m, ok := of.val.(*mapVal); ok {
		return m.valueShape()
	}
	if i != nil && of.val != nil {
		if v, ok := constElem(of.val, i); ok {
			return shapeOf(v)
		}
	}
	if i, ok := i.(starlark.Int); ok && of.elems != nil {
		if k, ok := i.Int64(); ok && k >= 0 && int(k) < len(of.elems) {
			return of.elems[k]
		}
	}
	if of.elems != nil {
		return joinAll(of.elems)
	}
	return joinAll(constShapes(of.val))
}

// constElem is LIST[i] or DICT[k] of build time.
func constElem(of, i value) (value, bool) {
	switch of := of.(type) {
	case *starlark.Dict:
		v, ok, err := of.Get(i)
		return v, ok && err == nil
	case *starlark.List:
		if k, err := starlark.AsInt32(i); err == nil {
			if k < 0 {
				k += of.Len()
			}
			if k >= 0 && k < of.Len() {
				return of.Index(k), true
			}
		}
	}
	return nil, false
}

// constShapes are the shapes of a list's elements or a dict's values.
func constShapes(v value) []shape {
	var out []shape
	switch v := v.(type) {
	case *starlark.List:
		for i := range v.Len() {
			out = append(out, shapeOf(v.Index(i)))
		}
	case *starlark.Dict:
		for _, item := range v.Items() {
			out = append(out, shapeOf(item[1]))
		}
	}
	return out
}
