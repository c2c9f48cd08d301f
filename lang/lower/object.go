package lower

import (
	"weir/lang/check"
	"weir/lang/ir"
	"weir/lang/value"
	"weir/object"
)

// callObject calls a function of a C object. After one that may write to the packet
// pointers into it may be bad, and headers are found anew.
func (l *lowerer) callObject(e *check.CallObject) parts {
	var args []*ir.Value
	for i, a := range e.Args {
		args = append(args, l.argument(e.Func.Params[i], a))
	}
	l.pos = e.P
	f := l.foreign[e.Func]
	if f == nil {
		f = ir.NewFunc(check.Symbol(e.Object, e.Func.Name), ir.Foreign, len(args))
		f.Pos, f.Stack, f.Depth = e.P, e.Func.Stack, e.Func.Depth
		for _, in := range e.Func.Inlined {
			f.Inline = append(f.Inline, ir.Raw{Op: uint8(in.OpCode), Dst: uint8(in.Dst), Src: uint8(in.Src), Off: in.Offset, Imm: in.Constant})
		}
		if f.Inline != nil {
			f.Stack, f.Depth = 0, 0
		}
		l.foreign[e.Func] = f
	}
	out := l.callFunc(f, args...)
	if e.Func.Changes && !l.conn() {
		l.moved()
	}
	switch t := e.Func.Result; {
	case e.Func.Program:
		return l.programVerdict(e, l.width(ir.OpZExt, 4, out), 0)
	case t.Kind == object.Void:
		return nil
	case e.T.Kind == value.IP4:
		return parts{l.width(ir.OpZExt, 4, out)}
	case t.Big:
		return parts{l.swap(t.Size, out)}
	default:
		return parts{l.extend(out, t.Size, t.Signed)}
	}
}

// programVerdict is what a program has said with a number, from the i-th of those that
// mean something at the hook on.
func (l *lowerer) programVerdict(e *check.CallObject, code *ir.Value, i int) parts {
	if i == len(e.Codes) {
		return l.verdict(e.Other)
	}
	c := e.Codes[i]
	return l.choose(e.T, func(then, els *ir.Block) { l.branch(ir.Eq, code, l.konst(int64(uint32(c.Number))), then, els) },
		func() parts { return l.verdict(c.Verdict) },
		func() parts { return l.programVerdict(e, code, i+1) })
}

// argument is what a register holds for a parameter of C.
func (l *lowerer) argument(t object.Type, a check.Expr) *ir.Value {
	if t.Kind == object.Context {
		return l.ctx
	}
	x := l.expr(a)[0]
	switch {
	case t.Kind == object.Pointer, a.Type().Kind == value.IP4:
		return x
	case t.Big:
		return l.swap(t.Size, x)
	}
	return l.extend(x, t.Size, t.Signed)
}

// extend is the number that the low octets of x hold: C promises nothing of the
// others.
func (l *lowerer) extend(x *ir.Value, size int, signed bool) *ir.Value {
	switch {
	case size == 8:
		return x
	case signed:
		return l.width(ir.OpSExt, size, x)
	}
	return l.width(ir.OpZExt, size, x)
}
