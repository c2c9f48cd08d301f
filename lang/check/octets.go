package check

import (
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/value"
)

// maxOctets is how many bytes one value has at most: it lives in registers.
const maxOctets = 64

func octetsOf(n int) value.Type { return value.Type{Kind: value.Octets, Width: n} }

// octetsSize says why there are no values of n bytes.
func octetsSize(n int) error {
	switch {
	case n <= 0:
		return fault("range", "it has 1 to 64 bytes", "there is no value of %d bytes", n)
	case n > maxOctets:
		return fault("limit", "take it in pieces", "%d bytes are more than the limit of %d for one value", n, maxOctets)
	}
	return nil
}

// declareOctets is octets(n): a type.
func declareOctets(_ *starlark.Thread, name string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	a, err := bindArgs(name, []string{"n"}, 1, args, kwargs)
	if err != nil {
		return nil, err
	}
	n, ok := a["n"].(starlark.Int)
	if !ok {
		return nil, fault("type", "write octets(4) for the type, b\"GET \" for a value", "octets() makes a type of a number of bytes, not of %s", describe(a["n"]))
	}
	size, ok := n.Int64()
	if !ok || size < 0 || size > 1<<30 {
		size = 1 << 30
	}
	if err := octetsSize(int(size)); err != nil {
		return nil, err
	}
	return &typeVal{octetsOf(int(size))}, nil
}

// octet is x[i] of bytes, whose index may be known at run time only.
func (p *pass) octet(e *syntax.IndexExpr, x Expr, y operand) operand {
	if x == nil {
		return operand{}
	}
	at1 := func(i Expr) operand { return run(&Octet{Base{value.U8, at(e)}, x, i}) }
	if i, ok := p.constIndex(y); ok {
		return p.octetAt(e, x.Type().Width, i, func(i int) operand { return at1(intConst(uint64(i), false, at(e))) })
	}
	i := p.intValue(e.Y, y, "an index")
	if i == nil {
		return operand{}
	}
	return at1(i)
}

// octetAt reads the byte i of n, counted from the end if i is negative.
func (p *pass) octetAt(e *syntax.IndexExpr, n int, i int64, read func(int) operand) operand {
	if i < 0 {
		i += int64(n)
	}
	if i < 0 || i >= int64(n) {
		p.errorf(e.Y, "range", "indices count from 0 to the length less 1", "there are %d bytes", n)
		return operand{}
	}
	return read(int(i))
}

// textForBytes reports a string that stands where bytes are meant.
func (p *pass) textForBytes(n syntax.Node, text, other operand) bool {
	s, ok := text.v.(starlark.String)
	_, static := other.v.(starlark.Bytes)
	if !ok || !static && (other.x == nil || other.x.Type().Kind != value.Octets) {
		return false
	}
	p.errorf(n, "type", "write b"+s.String(), "packets hold bytes, not text")
	return true
}

// pattern gives bytes that are known at build time, as an argument of a span's
// method.
func (p *pass) pattern(a passed, fn string) (string, bool) {
	switch v := a.o.v.(type) {
	case starlark.Bytes:
		if len(v) <= maxOctets {
			return string(v), true
		}
		p.errorf(a.e, "limit", "look for fewer", "%d bytes are more than the limit of %d", len(v), maxOctets)
		return "", false
	case starlark.String:
		p.errorf(a.e, "type", "write b"+v.String(), "packets hold bytes, not text")
		return "", false
	}
	if c, ok := a.o.x.(*Const); ok && c.T.Kind == value.Octets {
		return string(c.Octets), true
	}
	p.errorf(a.e, "type", "write "+strings.TrimSuffix(fn, "()")+"(b\"GET \")", "%s takes bytes that are known at build time", fn)
	return "", false
}
