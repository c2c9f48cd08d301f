package ref

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"

	"go.starlark.net/starlark"
)

// octets is a value of bytes at packet time: read from a packet or a map. What
// was not there is zeros. A literal is starlark.Bytes at both times.
type octets struct {
	text  string
	ok    bool
	shown bool // as text: from a place of type text(n)
}

// legible are texts that are shown as they are, filled up with zeros.
var legible = regexp.MustCompile("^([!#-'*+\\-.-\\[\\]-z|~]+)\x00*$")

func (o octets) String() string {
	switch m := legible.FindStringSubmatch(o.text); {
	case !o.shown:
		return hex.EncodeToString([]byte(o.text))
	case m == nil || strings.HasPrefix(o.text, "0x"):
		return "0x" + hex.EncodeToString([]byte(o.text))
	default:
		return m[1]
	}
}

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
		return octets{text: string(v), ok: true}, true
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
	n    int
	text bool // text(n): shorter values are filled up with zeros
}

func (t *octetsType) String() string { return fmt.Sprintf("octets(%d)", t.n) }
func (t *octetsType) Type() string   { return "type" }
func (t *octetsType) Name() string   { return t.String() }
func (t *octetsType) shape() shape   { return shape{} }
func (t *octetsType) zero() value {
	return octets{text: strings.Repeat("\x00", t.n), shown: t.text}
}

func (t *octetsType) store(v value) (value, error) {
	if s, isText := v.(starlark.String); isText && t.text {
		v = starlark.Bytes(s)
	}
	o, ok := asOctets(v)
	if ok && t.text && len(o.text) < t.n {
		o.text += strings.Repeat("\x00", t.n-len(o.text))
	}
	if !ok || len(o.text) != t.n {
		return nil, fmt.Errorf("%s cannot be stored as %s", v.Type(), t)
	}
	o.ok, o.shown = true, t.text
	return o, nil
}

// build is octets(12)(b"…") and octets(12)(a, b) of integers, big-endian.
func (t *octetsType) build(args []value) (value, error) {
	if len(args) == 1 {
		if _, isNum := args[0].(num); !isNum {
			return t.store(args[0])
		}
	}
	var all []byte
	for i, a := range args {
		n, ok := a.(num)
		size := min(8, t.n-8*i)
		if !ok || size <= 0 {
			return nil, fmt.Errorf("%s is not made of %s", t, a.Type())
		}
		for at := size - 1; at >= 0; at-- {
			all = append(all, byte(n.bits>>(8*at)))
		}
	}
	if len(all) != t.n {
		return nil, fmt.Errorf("%s is not made of %d integers", t, len(args))
	}
	return octets{text: string(all), ok: true, shown: t.text}, nil
}

// CallInternal is the same at build time.
func (t *octetsType) CallInternal(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(kwargs) != 0 {
		return nil, fmt.Errorf("%s: want no names", t)
	}
	var all []value
	for _, a := range args {
		all = append(all, toPacket(a))
	}
	v, err := t.build(all)
	if err != nil {
		return nil, err
	}
	return starlark.Bytes(v.(octets).text), nil
}

// newTextType is the builtin text(n).
func newTextType(args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	v, err := newOctetsType(args, kwargs)
	if t, ok := v.(*octetsType); ok {
		t.text = true
	}
	return v, err
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
