package check

import (
	"go.starlark.net/syntax"

	"weir/lang/value"
)

// MaxSum is the most octets that are added up at once: no IP packet is longer.
const MaxSum = 65535

// sumBytes is SPAN.sum(off, n, start = 0), or that of the packet.
func (p *pass) sumBytes(e *syntax.CallExpr, span Expr) operand {
	args, ok := p.passArgs(e, "sum", []string{"off", "n", "start"}, 3, 2)
	if !ok {
		return operand{}
	}
	s := &Sum{Base: Base{value.U16, at(e)}, Span: span, Start: intConst(0, false, at(e))}
	if s.Off = p.offset(args[0], "the sum is 0"); s.Off == nil {
		return operand{}
	}
	if s.N = p.intValue(args[1].e, args[1].o, "how many bytes are added up"); s.N == nil {
		return operand{}
	}
	if c, ok := s.N.(*Const); ok && c.Bits > MaxSum {
		p.errorf(args[1].e, "range", "it takes 0 to 65535", "%s does not fit n of sum()", constInt(c))
		return operand{}
	}
	if args[2].e != nil {
		if s.Start = p.intValue(args[2].e, args[2].o, "what a sum starts from"); s.Start == nil {
			return operand{}
		}
	}
	return run(s)
}
