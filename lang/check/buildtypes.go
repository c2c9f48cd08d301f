package check

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math/big"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/diag"
	"weir/lang/value"
)

// A typeVal is a type at build time; called, it makes a value.
type typeVal struct {
	T value.Type
}

var _ starlark.Callable = (*typeVal)(nil)

func (t *typeVal) String() string        { return t.T.String() }
func (t *typeVal) Type() string          { return "type" }
func (t *typeVal) Freeze()               {}
func (t *typeVal) Truth() starlark.Bool  { return true }
func (t *typeVal) Hash() (uint32, error) { return hashOf([]byte(t.T.String())), nil }
func (t *typeVal) Name() string          { return t.T.String() }

func (t *typeVal) CompareSameType(op syntax.Token, y starlark.Value, _ int) (bool, error) {
	return equalOnly(op, "types", t.T.Equal(y.(*typeVal).T))
}

// CallInternal makes a value of the type from one argument.
func (t *typeVal) CallInternal(th *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if t.T.Kind == value.Record {
		return newRecordVal(t, args, kwargs)
	}
	if t.T.Kind == value.Octets && len(args) > 1 && len(kwargs) == 0 {
		return octetsOfInts(t.T, args)
	}
	if len(args) != 1 || len(kwargs) > 0 {
		return nil, fault("type", "write "+example(t.T), "%s takes one value", t.T)
	}
	if b, ok := th.Local(builderKey).(*builder); ok && lacksLength(t.T, args[0]) {
		b.diags = append(b.diags, diag.Diagnostic{Pos: callerPos(th), Code: "prefix", Message: lengthMessage(args[0]), Hint: lengthHint, Warning: true})
	}
	return makeValue(t.T, args[0])
}

// example shows how a value of a type is written.
func example(t value.Type) string {
	switch t.Kind {
	case value.IP4:
		return `ip4("192.0.2.1")`
	case value.IP6:
		return `ip6("2001:db8::1")`
	case value.IP:
		return `ip("192.0.2.1")`
	case value.MAC:
		return `mac("02:00:00:00:00:01")`
	case value.Prefix4:
		return `prefix4("10.0.0.0/8")`
	case value.Prefix6:
		return `prefix6("2001:db8::/32")`
	case value.Prefix:
		return `prefix("10.0.0.0/8")`
	case value.Bool:
		return "bool(1)"
	case value.Octets:
		return starlark.Bytes(strings.Repeat("\x00", t.Width)).String()
	}
	return t.String() + "(1)"
}

// makeValue converts a build-time value to a type.
func makeValue(t value.Type, x starlark.Value) (starlark.Value, error) {
	if p, ok := x.(*paramVal); ok {
		return nil, p.noValue()
	}
	switch t.Kind {
	case value.Int:
		return makeInt(t, x)
	case value.Bool:
		return x.Truth(), nil
	case value.IP4, value.IP6, value.IP, value.MAC:
		return makeAddr(t.Kind, x)
	case value.Prefix4, value.Prefix6, value.Prefix:
		return makePrefix(t.Kind, x)
	case value.Octets:
		if _, ok := x.(starlark.Int); ok {
			return octetsOfInts(t, starlark.Tuple{x})
		}
		return storeAs(t, x)
	}
	return nil, fmt.Errorf("%s makes no value", t)
}

func makeInt(t value.Type, x starlark.Value) (starlark.Value, error) {
	switch x := x.(type) {
	case starlark.Bool:
		if x {
			return starlark.MakeInt(1), nil
		}
		return starlark.MakeInt(0), nil
	case starlark.Int:
		b := new(big.Int).And(x.BigInt(), new(big.Int).SetUint64(1<<(8*uint(t.Width))-1))
		bits := b.Uint64()
		if t.Signed {
			shift := 64 - 8*uint(t.Width)
			return starlark.MakeInt64(int64(bits<<shift) >> shift), nil
		}
		return starlark.MakeUint64(bits), nil
	case addrVal:
		if x.kind == value.IP4 {
			return nil, fault("type", "use the address's .int", "%s counts with integers, not with addresses", t)
		}
	case starlark.Float:
		return nil, fault("type", "there are no fractions at packet time: divide with //", "%s cannot hold the fraction %s", t, x)
	}
	return nil, fault("type", "write "+example(t), "%s is made of an integer, not of %s", t, describe(x))
}

// A Typed is a value of a script's own that stands for a type, too.
type Typed interface {
	starlark.Value
	ChainType() (value.Type, error)
}

// typeOf reads a value that stands for a type: u32, or a tuple of types.
func typeOf(v starlark.Value) (value.Type, error) {
	switch v := v.(type) {
	case *typeVal:
		return v.T, nil
	case Typed:
		return v.ChainType()
	case starlark.Tuple:
		t := value.Type{Kind: value.Tuple}
		for _, e := range v {
			et, err := typeOf(e)
			if err != nil {
				return t, err
			}
			t.Elems = append(t.Elems, et)
		}
		if len(t.Elems) == 0 {
			return t, errors.New("an empty tuple is no type")
		}
		return t, nil
	case *starlark.Builtin:
		switch v.Name() {
		case "int":
			return value.Type{}, fault("type", "say how wide: u8, u16, u32, u64, or i8 … i64 if it can be negative", "int is no type that can be stored")
		case "bytes", "octets":
			return value.Type{}, fault("type", "say how many: octets(4)", "%s is no type that can be stored", v.Name())
		case "str":
			return value.Type{}, fault("type", "give it a number, and keep the text where the numbers are read; or octets(n) for n bytes", "%s is no type that can be stored", v.Name())
		}
	}
	return value.Type{}, fault("type", "types are u8 … i64, bool, ip4, ip6, ip, mac, octets(n), records and tuples of them", "%s is no type", describe(v))
}

// equalOnly answers == and != and refuses the other comparisons.
func equalOnly(op syntax.Token, what string, same bool) (bool, error) {
	switch op {
	case syntax.EQL:
		return same, nil
	case syntax.NEQ:
		return !same, nil
	}
	return false, fault("type", "compare them with == and !=", "%s have no order", what)
}

func hashOf(b []byte) uint32 {
	h := fnv.New32a()
	h.Write(b)
	return h.Sum32()
}
