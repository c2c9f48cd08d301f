package ref

import (
	"fmt"
	"iter"
	"math/big"
	"slices"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// refusal is how a refusal travels up to [Chain.Run], which adds the place.
type refusal string

func refuse(format string, args ...any) { panic(refusal(fmt.Sprintf(format, args...))) }

// check refuses if there is an error.
func check(err error) {
	if err != nil {
		refuse("%v", err)
	}
}

// toPacket is a build-time value as packet time reads it.
func toPacket(v starlark.Value) value {
	switch v := v.(type) {
	case starlark.Int:
		if n, ok := v.Int64(); ok && n < 0 {
			return signed(n)
		}
		n, ok := v.Uint64()
		if !ok {
			refuse("%s does not fit in 64 bits", v)
		}
		return unsigned(n)
	case starlark.Tuple:
		out := make(starlark.Tuple, len(v))
		for i, e := range v {
			out[i] = toPacket(e)
		}
		return out
	case *paramVal:
		return v.current
	}
	return v
}

// literal is the build-time value of a literal.
func literal(x *syntax.Literal) value {
	switch v := x.Value.(type) {
	case int64:
		return starlark.MakeInt64(v)
	case *big.Int:
		return starlark.MakeBigInt(v)
	case string:
		if x.Token == syntax.BYTES {
			return starlark.Bytes(v)
		}
		return starlark.String(v)
	}
	refuse("%s: no such numbers at packet time", x.Raw)
	return nil
}

// asNum is v as an integer; a bool is 0 or 1.
func asNum(v value) (num, bool) {
	switch v := v.(type) {
	case num:
		return v, true
	case starlark.Bool:
		if v {
			return unsigned(1), true
		}
		return unsigned(0), true
	}
	return num{}, false
}

func needNum(v value, what string) num {
	n, ok := asNum(v)
	if !ok {
		refuse("%s: want an integer, not %s", what, v.Type())
	}
	return n
}

// arithmetic is x op y in 64 bits, signed if either is.
func arithmetic(op syntax.Token, x, y num) num {
	sign := x.signed || y.signed
	out := func(bits uint64) num { return num{bits: bits, signed: sign} }
	a, b := x.bits, y.bits
	switch op {
	case syntax.PLUS:
		return out(a + b)
	case syntax.MINUS:
		return out(a - b)
	case syntax.STAR:
		return out(a * b)
	case syntax.AMP:
		return out(a & b)
	case syntax.PIPE:
		return out(a | b)
	case syntax.CIRCUMFLEX:
		return out(a ^ b)
	case syntax.LTLT:
		return out(a << (b % 64))
	case syntax.GTGT:
		if sign {
			return out(uint64(int64(a) >> (b % 64)))
		}
		return out(a >> (b % 64))
	case syntax.SLASHSLASH:
		q, _ := divide(x, y, sign)
		return out(q)
	case syntax.PERCENT:
		_, r := divide(x, y, sign)
		return out(r)
	}
	refuse("%s: not an operator of packet time", op)
	return num{}
}

// divide rounds down, as Python does; by zero the quotient is 0 and the
// remainder the dividend. The least integer by -1 wraps to itself.
func divide(x, y num, sign bool) (quotient, remainder uint64) {
	if y.bits == 0 {
		return 0, x.bits
	}
	if !sign {
		return x.bits / y.bits, x.bits % y.bits
	}
	a, b := big.NewInt(int64(x.bits)), big.NewInt(int64(y.bits))
	q, r := new(big.Int).QuoRem(a, b, new(big.Int)) // toward zero
	if r.Sign() != 0 && r.Sign() != b.Sign() {
		q.Sub(q, big.NewInt(1))
		r.Add(r, b)
	}
	if q.IsInt64() {
		return uint64(q.Int64()), uint64(r.Int64())
	}
	return x.bits, 0 // 2^63 wraps to -2^63
}

// less is x < y, as signed integers if either is.
func less(x, y num) bool {
	if x.signed || y.signed {
		return int64(x.bits) < int64(y.bits)
	}
	return x.bits < y.bits
}

// equal compares; ok is false where the two cannot be compared.
func equal(x, y value) (eq, ok bool) {
	if a, isNum := asNum(x); isNum {
		b, ok := asNum(y)
		return ok && a.bits == b.bits, ok
	}
	if a, isOctets := x.(octets); isOctets {
		b, ok := asOctets(y)
		return a.text == b.text, ok && len(a.text) == len(b.text)
	}
	switch a := x.(type) {
	case ip4Val, ip6Val, ipVal:
		b, ok := as128(y)
		if mixed := x.Type() != y.Type() && x.Type() != "ip" && y.Type() != "ip"; !ok || mixed {
			return false, false
		}
		a128, _ := as128(x)
		return a128 == b, true
	case macVal, prefixVal:
		return x == y, x.Type() == y.Type()
	case verdict:
		b, ok := y.(verdict)
		return ok && a.kind == b.kind && a.via == b.via && a.target == b.target && a.group == b.group && a.socket == b.socket, ok
	case starlark.Tuple:
		b, ok := y.(starlark.Tuple)
		if !ok || len(a) != len(b) {
			return false, false
		}
		eq = true
		for i := range a {
			e, ok := equal(a[i], b[i])
			if !ok {
				return false, false
			}
			eq = eq && e
		}
		return eq, true
	case starlark.NoneType:
		return y == starlark.None, true
	case starlark.String, starlark.Bytes, *scalar, *recordType, *starlark.Function, *mapVal, *structVal:
		if y.Type() != x.Type() {
			return false, y == starlark.None
		}
		return x == y, true
	}
	return false, y == starlark.None
}

// compare is x op y for the six comparisons.
func compare(op syntax.Token, x, y value) bool {
	if op == syntax.EQL || op == syntax.NEQ {
		eq, ok := equal(x, y)
		if !ok {
			if eq, ok = equal(y, x); !ok {
				refuse("%s cannot be compared with %s", x.Type(), y.Type())
			}
		}
		return eq == (op == syntax.EQL)
	}
	a, b := needNum(x, op.String()), needNum(y, op.String())
	switch op {
	case syntax.LT:
		return less(a, b)
	case syntax.GT:
		return less(b, a)
	case syntax.LE:
		return !less(b, a)
	}
	return !less(a, b)
}

// contains is x in y, for what is no map of the language.
func contains(x, y value) bool {
	switch y := y.(type) {
	case prefixVal:
		return inPrefix(x, y)
	case rangeVal:
		return y.has(needNum(x, "in"))
	case starlark.String:
		part, ok := x.(starlark.String)
		if !ok {
			refuse("%s in string", x.Type())
		}
		found, err := y.Has(part)
		check(err)
		return found
	}
	items, ok := iterate(y)
	if !ok {
		refuse("in: %s has no elements", y.Type())
	}
	for item := range items {
		if p, ok := item.(prefixVal); ok && x.Type() != p.kind {
			if inPrefix(x, p) {
				return true
			}
			continue
		}
		if eq, ok := equal(x, item); ok && eq {
			return true
		}
	}
	return false
}

// inPrefix is addr in prefix.
func inPrefix(x value, p prefixVal) bool {
	found, err := p.Has(x)
	check(err)
	return found
}

// iterate is what a loop over v takes. A dict gives its keys.
func iterate(v value) (iter.Seq[value], bool) {
	switch v := v.(type) {
	case rangeVal:
		return v.values, true
	case starlark.Tuple:
		return slices.Values(v), true
	case starlark.String, starlark.Bytes:
		return nil, false
	case starlark.Iterable:
		return func(yield func(value) bool) {
			it := v.Iterate()
			defer it.Done()
			for x := starlark.Value(nil); it.Next(&x); {
				if !yield(toPacket(x)) {
					return
				}
			}
		}, true
	}
	return nil, false
}

// truth is a condition's value.
func truth(v value) bool {
	switch v := v.(type) {
	case num, starlark.Bool, starlark.NoneType, starlark.String, starlark.Bytes, *starlark.List, *starlark.Dict:
		return bool(v.Truth())
	case *view, *inside, *connAddrs, *payload, *recordObj, octets:
		return present(v)
	}
	refuse("%s is not a condition", v.Type())
	return false
}

// present says that a view's header, a payload's L4 header, or a reference's
// entry is there.
func present(v value) bool {
	switch v := v.(type) {
	case *view:
		return v.ok
	case *inside:
		return v.there()
	case *connAddrs:
		return v.there()
	case *payload:
		return v.ok
	case *recordObj:
		return !v.absent && (v.typ != routeType || !bool(v.vals[0].Truth()))
	case octets:
		return v.ok
	}
	return false
}
