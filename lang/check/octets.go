package check

import (
	"encoding/binary"
	"strconv"
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

// declareOctets is octets(n), and text(n): a type.
func declareOctets(_ *starlark.Thread, name string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	a, err := bindArgs(name, []string{"n"}, 1, args, kwargs)
	if err != nil {
		return nil, err
	}
	n, ok := a["n"].(starlark.Int)
	if !ok {
		return nil, fault("type", "write "+name+"(4) for the type, b\"GET \" for a value", "%s() makes a type of a number of bytes, not of %s", name, describe(a["n"]))
	}
	size, ok := n.Int64()
	if !ok || size < 0 || size > 1<<30 {
		size = 1 << 30
	}
	if err := octetsSize(int(size)); err != nil {
		return nil, err
	}
	t := octetsOf(int(size))
	t.Text = name == "text"
	return &typeVal{t}, nil
}

// storeOctets gives bytes that a place of type t holds; text is filled up with zeros.
func storeOctets(t value.Type, v starlark.Value) (starlark.Value, error) {
	s, _ := starlark.AsString(v)
	if b, ok := v.(starlark.Bytes); ok {
		s = string(b)
	} else if !t.Text {
		return nil, fault("type", "write b"+v.String(), "%s is bytes, not text", t)
	}
	if t.Text && len(s) < t.Width {
		s += strings.Repeat("\x00", t.Width-len(s))
	}
	if len(s) != t.Width {
		return nil, fault("type", "give it as many bytes as it keeps", "%d bytes do not fit %s", len(s), t)
	}
	return starlark.Bytes(s), nil
}

// words is how many integers make a value of n bytes: each gives 8, big-endian, and the
// last one its low bytes.
func words(n int) int { return (n + 7) / 8 }

// octetsOfInts is octets(12)(a, b) at build time.
func octetsOfInts(t value.Type, args starlark.Tuple) (starlark.Value, error) {
	if len(args) != words(t.Width) {
		return nil, fault("call", "each integer gives 8 bytes, the last one what is left", "%s is made of %d integers, not of %d", t, words(t.Width), len(args))
	}
	out := make([]byte, 0, t.Width)
	for i, a := range args {
		n, ok := a.(starlark.Int)
		if !ok {
			return nil, fault("type", "write "+example(t), "%s is made of bytes or integers, not of %s", t, describe(a))
		}
		word := binary.BigEndian.AppendUint64(nil, bitsOf(n))
		out = append(out, word[8-min(8, t.Width-8*i):]...)
	}
	return starlark.Bytes(out), nil
}

// octetsOfInts is octets(12)(a, b) of integers that packets bring.
func (p *pass) octetsOfInts(e *syntax.CallExpr, t value.Type) operand {
	names := make([]string, words(t.Width))
	for i := range names {
		names[i] = "x" + strconv.Itoa(i)
	}
	args, ok := p.passArgs(e, t.String(), names, len(names), len(names))
	if !ok {
		return operand{}
	}
	w := &Words{Base{t, at(e)}, make([]Expr, len(args))}
	for i, a := range args {
		if w.Elems[i] = p.intValue(a.e, a.o, "what "+t.String()+" is made of"); w.Elems[i] == nil {
			return operand{}
		}
	}
	return run(w)
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
