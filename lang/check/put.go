package check

import (
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/diag"
	"weir/lang/value"
)

// putInt is SPAN.put_u16(off, x) and its like.
func putInt(width int) spanMethod {
	t := value.Type{Kind: value.Int, Width: width}
	name := "put_" + t.String()
	return spanMethod{form: "(off, x)", frame: true, call: func(p *pass, e *syntax.CallExpr, span Expr) operand {
		off, args := p.putArgs(e, span, name, "x")
		if off == nil {
			return operand{}
		}
		x := p.intValue(args.e, args.o, "what is written")
		if x = p.store(args.e, x, t, "the place"); x == nil {
			return operand{}
		}
		return run(&Put{Base{value.Type{}, at(e)}, span, off, x, width})
	}}
}

// putBytes is SPAN.put_bytes(off, b).
func (p *pass) putBytes(e *syntax.CallExpr, span Expr) operand {
	off, args := p.putArgs(e, span, "put_bytes", "b")
	if off == nil {
		return operand{}
	}
	if s, ok := args.o.v.(starlark.String); ok {
		p.errorf(args.e, "type", "write b"+s.String(), "packets hold bytes, not text")
		return operand{}
	}
	x := p.value(args.e, args.o)
	if x == nil {
		return operand{}
	}
	switch t := x.Type(); t.Kind {
	case value.IP4, value.IP6, value.MAC:
		return run(&Put{Base{value.Type{}, at(e)}, span, off, x, t.Size()})
	}
	if t := x.Type(); t.Kind != value.Octets {
		p.errorf(args.e, "type", "write put_u32(off, x) for an integer, put_bytes(off, b\"…\") for bytes", "put_bytes() writes bytes, not %s", what(t))
		return operand{}
	}
	return run(&Put{Base{value.Type{}, at(e)}, span, off, x, x.Type().Width})
}

// putArgs gives where to write and what, or nil after an error.
func (p *pass) putArgs(e *syntax.CallExpr, span Expr, name, what string) (Expr, passed) {
	args, ok := p.passArgs(e, name, []string{"off", what}, 2, 2)
	if !ok {
		return nil, passed{}
	}
	if span != nil && p.isInside(e, span.Type()) || !p.mayPut(at(e)) {
		return nil, passed{}
	}
	return p.offset(args[0], "nothing is written"), args[1]
}

// observes reports whether the chain is observed, and may not do what changes packets.
func (p *pass) observes(pos diag.Pos) bool {
	if p.c.root.observe {
		p.errorAt(pos, "observe", "let it take effect, or leave out what changes packets", "%s is observed, and would change packets here", p.c.root.name)
	}
	return p.c.root.observe
}

// mayPut reports whether bytes of packets can be written at the hook.
func (p *pass) mayPut(pos diag.Pos) bool {
	if p.observes(pos) {
		return false
	}
	if p.c.b.opts.Hook.Info().Write {
		return true
	}
	p.errorAt(pos, "hook", "attach the chain at "+hooksWith(func(i hookInfo) bool { return i.Write }), "packets cannot be written at %s", p.c.b.opts.Hook)
	return false
}
