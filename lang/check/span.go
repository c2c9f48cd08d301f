package check

import (
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/value"
)

// A span is a run of bytes in the packet: the payload, an option of TCP. The
// packet itself has those of its methods that read at an offset.

// maxWithin is how far a search goes at most, in octets.
const maxWithin = 1024

// A spanMethod is a method of spans.
type spanMethod struct {
	form  string // its arguments, for hints
	frame bool   // the packet has it, too
	width int    // of an integer that is read, in octets
	call  func(p *pass, e *syntax.CallExpr, span Expr) operand
}

var spanMethods map[string]spanMethod

func init() {
	spanMethods = map[string]spanMethod{
		"u8":  {form: "(off)", frame: true, width: 1},
		"u16": {form: "(off)", frame: true, width: 2},
		"u32": {form: "(off)", frame: true, width: 4},
		"u64": {form: "(off)", frame: true, width: 8},

		"bytes":      {form: "(off, n)", frame: true, call: (*pass).bytesAt},
		"startswith": {form: "(b\"…\")", call: (*pass).startsWith},
		"find":       {form: "(b\"…\", within = 64)", call: (*pass).find},
		"view":       {form: "(H, off = 0)", frame: true, call: (*pass).layHeader},
		"put_u8":     putInt(1),
		"put_u16":    putInt(2),
		"put_u32":    putInt(4),
		"put_u64":    putInt(8),
		"put_bytes":  {form: "(off, b\"…\")", frame: true, call: (*pass).putBytes},
		"sum":        {form: "(off, n, start = 0)", frame: true, call: (*pass).sumBytes},

		"contains": {form: "(b\"…\", within = 64)", call: (*pass).containsBytes},
	}
}

// spanMethod is SPAN.name(…), or pkt.name(off).
func (p *pass) spanMethod(e *syntax.CallExpr, base Expr, name string) (operand, bool) {
	m, ok := spanMethods[name]
	span := base
	switch base.Type().Kind {
	case value.Packet:
		span, ok = nil, ok && m.frame
		if ok && base.Type().Inner {
			p.errorf(e, "name", "read its fields or its payload: pkt.inner.payload."+name+m.form, "the packet inside has no %s", name)
			p.args(e)
			return operand{}, true
		}
	case value.Span:
		ok = ok && !base.Type().Laid()
	default:
		return operand{}, false
	}
	switch {
	case !ok:
		return operand{}, false
	case m.width > 0:
		return p.read(e, span, name, m.width), true
	}
	return m.call(p, e, span), true
}

// spanAttr is SPAN.name where it is no call.
func (p *pass) spanAttr(e *syntax.DotExpr, span Expr) operand {
	name := e.Name.Name
	if name == "len" {
		return run(&SpanLen{Base{value.U32, at(e)}, span})
	}
	if name == "offset" {
		return p.offsetOf(e, span)
	}
	if m, ok := spanMethods[name]; ok {
		p.errorAt(posOf(e.Name.NamePos), "call", "write ."+name+m.form, "%s is a function", name)
		return operand{}
	}
	names := []string{"len", "offset"}
	for n := range spanMethods {
		names = append(names, n)
	}
	sortBy(names, func(s string) string { return s })
	p.errorAt(posOf(e.Name.NamePos), "name", didYouMean(name, "", names), "%s has no %s", what(span.Type()), name)
	return operand{}
}

// offsetOf is X.offset, of a header or of bytes.
func (p *pass) offsetOf(e *syntax.DotExpr, x Expr) operand {
	if x.Type().Inner {
		p.errorAt(posOf(e.Name.NamePos), "name", "take the tunnel off first, or read with pkt.inner.payload.u8(off)", "what is inside a tunnel has no offset")
		return operand{}
	}
	return run(&OffsetOf{Base{value.U32, at(e)}, x})
}

// offset gives the operand that says where to read or write, or nil after an
// error.
func (p *pass) offset(a passed, what string) Expr {
	off := p.intValue(a.e, a.o, "an offset")
	if c, ok := off.(*Const); ok && c.T.Signed && int64(c.Bits) < 0 {
		p.warnf(a.e, "never", "offsets count from the start", "nothing lies at the offset %s: %s", constInt(c), what)
	}
	return off
}

// read is pkt.u16(off) or SPAN.u16(off).
func (p *pass) read(e *syntax.CallExpr, span Expr, name string, width int) operand {
	args, ok := p.passArgs(e, name, []string{"off"}, 1, 1)
	if !ok {
		return operand{}
	}
	off := p.offset(args[0], "it reads as 0")
	if off == nil {
		return operand{}
	}
	return run(&Read{Base{value.Type{Kind: value.Int, Width: width}, at(e)}, span, off, width})
}

// bytesAt is pkt.bytes(off, n) or SPAN.bytes(off, n).
func (p *pass) bytesAt(e *syntax.CallExpr, span Expr) operand {
	args, ok := p.passArgs(e, "bytes", []string{"off", "n"}, 2, 2)
	if !ok {
		return operand{}
	}
	off := p.offset(args[0], "the bytes are zero")
	if off == nil {
		return operand{}
	}
	n, ok := p.constIndex(args[1].o)
	if !ok {
		if args[1].o.x != nil {
			p.want(args[1].o.x)
		}
		p.errorf(args[1].e, "type", "write a number, or loop over single bytes with .u8(off)", "how many bytes are read is known before packets come")
		return operand{}
	}
	if err := octetsSize(int(n)); err != nil {
		p.fail(args[1].e, err)
		return operand{}
	}
	return run(&BytesAt{Base{octetsOf(int(n)), at(e)}, span, off})
}

// startsWith is SPAN.startswith(b"…").
func (p *pass) startsWith(e *syntax.CallExpr, span Expr) operand {
	args, ok := p.passArgs(e, "startswith", []string{"prefix"}, 1, 1)
	if !ok {
		return operand{}
	}
	b, ok := p.pattern(args[0], "startswith()")
	if !ok {
		return operand{}
	}
	return run(&StartsWith{Base{value.BoolT, at(e)}, span, []byte(b)})
}

// find is SPAN.find(b"…", within = 64).
func (p *pass) find(e *syntax.CallExpr, span Expr) operand { return p.search(e, span, "find") }

// containsBytes is SPAN.contains(b"…", within = 64).
func (p *pass) containsBytes(e *syntax.CallExpr, span Expr) operand {
	o := p.search(e, span, "contains")
	if o.bad() {
		return o
	}
	return run(compareInts(Ge, o.x, intConst(0, true, at(e)), at(e)))
}

func (p *pass) search(e *syntax.CallExpr, span Expr, fn string) operand {
	args, ok := p.passArgs(e, fn, []string{"pattern", "within"}, 2, 1)
	if !ok {
		return operand{}
	}
	b, ok := p.pattern(args[0], fn+"()")
	if !ok {
		return operand{}
	}
	within := int64(64)
	if args[1].e != nil {
		if within, ok = p.constIndex(args[1].o); !ok {
			p.errorf(args[1].e, "type", "write a number: within = 64", "how far a search goes is known before packets come")
			return operand{}
		}
	}
	switch {
	case within < 1 || within > maxWithin:
		p.errorf(args[1].e, "range", "search the first 1 to 1024 bytes", "a search within %d bytes is not possible", within)
		return operand{}
	case int64(len(b)) > within:
		p.errorf(args[0].e, "range", "raise within to "+itoa(uint64(len(b)))+" or more", "%d bytes never lie within %d bytes", len(b), within)
		return operand{}
	case b == "":
		return run(intConst(0, true, at(e))) // as in Python
	}
	return run(&Find{Base{value.I64, at(e)}, span, []byte(b), int(within)})
}

// isBytes reports whether a value known at build time is bytes.
func isBytes(v starlark.Value) bool {
	_, ok := v.(starlark.Bytes)
	return ok
}
