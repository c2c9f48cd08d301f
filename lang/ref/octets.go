package ref

import (
	"encoding/hex"
	"fmt"
	"strings"

	"go.starlark.net/starlark"
)

// octets is a value of bytes at packet time: read from a packet or a map. What
// was not there is zeros. A literal is starlark.Bytes at both times.
type octets struct {
	text string
	ok   bool
}

func (o octets) String() string        { return hex.EncodeToString([]byte(o.text)) }
func (o octets) Type() string          { return fmt.Sprintf("octets(%d)", len(o.text)) }
func (o octets) Freeze()               {}
func (o octets) Truth() starlark.Bool  { return starlark.Bool(o.ok) }
func (o octets) Hash() (uint32, error) { return starlark.String(o.text).Hash() }

// asOctets is a value as octets, if it is bytes of either time.
func asOctets(v value) (octets, bool) {
	switch v := v.(type) {
	case octets:
		return v, true
	case starlark.Bytes:
		return octets{string(v), true}, true
	}
	return octets{}, false
}

// at is x[i]: zero past the end.
func (o octets) at(i num) value {
	if i.bits >= uint64(len(o.text)) {
		return unsigned(0)
	}
	return unsigned(uint64(o.text[i.bits]))
}

// octetsType is octets(n). Called, it makes a value of bytes.
type octetsType struct {
	opaque
	n int
}

func (t *octetsType) String() string { return fmt.Sprintf("octets(%d)", t.n) }
func (t *octetsType) Type() string   { return "type" }
func (t *octetsType) Name() string   { return t.String() }
func (t *octetsType) shape() shape   { return shape{} }
func (t *octetsType) zero() value    { return octets{text: strings.Repeat("\x00", t.n)} }

func (t *octetsType) store(v value) (value, error) {
	o, ok := asOctets(v)
	if !ok || len(o.text) != t.n {
		return nil, fmt.Errorf("%s cannot be stored as %s", v.Type(), t)
	}
	o.ok = true
	return o, nil
}

// CallInternal is octets(4)(b"GET ") at build time.
func (t *octetsType) CallInternal(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(args) != 1 || len(kwargs) != 0 {
		return nil, fmt.Errorf("%s: want one argument", t)
	}
	if _, err := t.store(args[0]); err != nil {
		return nil, err
	}
	return args[0], nil
}

// newOctetsType is the builtin octets(n).
func newOctetsType(args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var n int
	if err := starlark.UnpackArgs("octets", args, kwargs, "n", &n); err != nil {
		return nil, err
	}
	if n < 1 || n > 64 {
		return nil, fmt.Errorf("octets(%d): want 1 to 64", n)
	}
	return &octetsType{n: n}, nil
}
