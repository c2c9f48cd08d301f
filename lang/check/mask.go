package check

import (
	"go.starlark.net/syntax"

	"weir/lang/value"
)

// maskCall is mask(addr, bits, bits6 =).
func (p *pass) maskCall(e *syntax.CallExpr) operand {
	args, ok := p.passArgs(e, "mask", []string{"addr", "bits", "bits6"}, 3, 2)
	if !ok {
		return operand{}
	}
	x := p.value(args[0].e, args[0].o)
	if x == nil {
		return operand{}
	}
	either := x.Type().Kind == value.IP
	if !isIP(x.Type().Kind) {
		p.errorf(args[0].e, "type", "write mask(pkt.ip4.src, 24)", "mask() takes an address, not %s", what(x.Type()))
		return operand{}
	}
	if either != (args[2].e != nil) {
		hint, message := "give the bits of both: mask(pkt.ip.src, 24, bits6 = 56)", "an ip is of either family"
		if !either {
			hint, message = "leave bits6 out", "an address of one family has one number of bits"
		}
		p.errorf(e, "call", hint, "%s", message)
		return operand{}
	}
	m := &Mask{Base: Base{x.Type(), at(e)}, X: x}
	most := map[value.Kind]uint64{value.IP4: 32, value.IP6: 128, value.IP: 32}[x.Type().Kind]
	if m.Bits = p.maskBits(args[1], most); m.Bits == nil {
		return operand{}
	}
	if m.Bits6 = m.Bits; either {
		m.Bits6 = p.maskBits(args[2], 128)
	}
	if m.Bits6 == nil {
		return operand{}
	}
	return run(m)
}

// maskBits is a number of bits that an address keeps, or nil after an error.
func (p *pass) maskBits(a passed, most uint64) Expr {
	x := p.intValue(a.e, a.o, "a number of bits")
	if c, ok := x.(*Const); ok && c.Bits > most {
		p.errorf(a.e, "range", "it takes 0 to "+itoa(most), "%s does not fit the bits of the address", constInt(c))
		return nil
	}
	return x
}

// bitLength is bit_length(x).
func (p *pass) bitLength(e *syntax.CallExpr) operand {
	args, ok := p.passArgs(e, "bit_length", []string{"x"}, 1, 1)
	if !ok {
		return operand{}
	}
	x := p.intValue(args[0].e, args[0].o, "what bit_length() measures")
	if x == nil {
		return operand{}
	}
	return run(&BitLength{Base{value.U8, at(e)}, x})
}
