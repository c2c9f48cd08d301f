package check

import (
	"fmt"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/value"
)

// A recordVal is a record made at build time.
type recordVal struct {
	t      *typeVal
	fields []starlark.Value
	frozen bool

	write func(off int, field []byte) error // of a record in a map, which takes what a script writes; or nil
}

var _ starlark.HasSetField = (*recordVal)(nil)

func newRecordVal(t *typeVal, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(args) > 0 {
		return nil, fault("call", "write R("+t.T.Names[0]+" = …)", "the fields of a record are given by name")
	}
	r := &recordVal{t: t, fields: make([]starlark.Value, len(t.T.Elems))}
	for i, e := range t.T.Elems {
		r.fields[i] = zeroValue(e)
	}
	for _, kw := range kwargs {
		if err := r.SetField(string(kw[0].(starlark.String)), kw[1]); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r *recordVal) String() string {
	var s []string
	for i, f := range r.fields {
		s = append(s, r.t.T.Names[i]+": "+f.String())
	}
	return "{" + strings.Join(s, ", ") + "}"
}
func (r *recordVal) Type() string         { return "record" }
func (r *recordVal) Truth() starlark.Bool { return true }
func (r *recordVal) Freeze() {
	r.frozen = true
	for _, f := range r.fields {
		f.Freeze()
	}
}

// Hash lets a frozen record be the key of a map's first content.
func (r *recordVal) Hash() (uint32, error) { return hashOf([]byte(r.String())), nil }

func (r *recordVal) CompareSameType(op syntax.Token, y starlark.Value, depth int) (bool, error) {
	o := y.(*recordVal)
	same := r.t.T.Equal(o.t.T)
	for i := range r.fields {
		if !same {
			break
		}
		var err error
		if same, err = starlark.EqualDepth(r.fields[i], o.fields[i], depth-1); err != nil {
			return false, err
		}
	}
	return equalOnly(op, "records", same)
}

func (r *recordVal) AttrNames() []string { return r.t.T.Names }

func (r *recordVal) Attr(name string) (starlark.Value, error) {
	i := r.t.T.Field(name)
	if i < 0 {
		return nil, noField(name, r.t.T)
	}
	return r.fields[i], nil
}

// SetField writes a field as a map would store it.
func (r *recordVal) SetField(name string, v starlark.Value) error {
	i := r.t.T.Field(name)
	if i < 0 {
		return noField(name, r.t.T)
	}
	if r.frozen {
		return fault("build", "", "cannot change a frozen record")
	}
	x, err := storeAs(r.t.T.Elems[i], v)
	if err != nil {
		code, hint := hintOf(err)
		return fault(code, hint, "field %s: %s", name, err)
	}
	if r.write != nil {
		field := make([]byte, r.t.T.Elems[i].Size())
		encode(field, r.t.T.Elems[i], x)
		if err := r.write(r.t.T.Offset(i), field); err != nil {
			return err
		}
	}
	r.fields[i] = x
	return nil
}

func noField(name string, t value.Type) error {
	return fault("name", didYouMean(name, "", t.Names), "the record has no field %s", name)
}

// zeroValue is what a field that was not given holds.
func zeroValue(t value.Type) starlark.Value {
	switch t.Kind {
	case value.Int:
		return starlark.MakeInt(0)
	case value.Bool:
		return starlark.False
	case value.IP4, value.IP:
		return addrVal{kind: t.Kind, b: [16]byte{10: 0xff, 11: 0xff}}.zero()
	case value.IP6, value.MAC:
		return addrVal{kind: t.Kind}
	case value.Octets:
		return starlark.Bytes(strings.Repeat("\x00", t.Width))
	case value.Tuple:
		var out starlark.Tuple
		for _, e := range t.Elems {
			out = append(out, zeroValue(e))
		}
		return out
	case value.Record:
		r := &recordVal{t: &typeVal{t}}
		for _, e := range t.Elems {
			r.fields = append(r.fields, zeroValue(e))
		}
		return r
	}
	return starlark.None
}

// zero is the address whose octets are all zero: for ip that is ::.
func (a addrVal) zero() addrVal {
	if a.kind == value.IP {
		a.b = [16]byte{}
	}
	return a
}

// storeAs converts v to what a place of type t holds, or says why it cannot.
func storeAs(t value.Type, v starlark.Value) (starlark.Value, error) {
	switch t.Kind {
	case value.Int:
		if b, ok := v.(starlark.Bool); ok {
			return makeInt(t, b)
		}
		if n, ok := v.(starlark.Int); ok {
			if !intFits(t, n) {
				return nil, doesNotFit(n.String(), t)
			}
			return n, nil
		}
	case value.Bool:
		if b, ok := v.(starlark.Bool); ok {
			return b, nil
		}
	case value.IP4, value.IP6, value.IP, value.MAC:
		if a, ok := v.(addrVal); ok {
			if a.kind == t.Kind {
				return a, nil
			}
			if t.Kind == value.IP && a.kind != value.MAC {
				return addrVal{value.IP, a.b}, nil
			}
		}
	case value.Octets:
		switch v.(type) {
		case starlark.Bytes, starlark.String:
			return storeOctets(t, v)
		}
	case value.Prefix4, value.Prefix6, value.Prefix:
		switch v.(type) {
		case prefixVal, addrVal:
			return makePrefix(t.Kind, v)
		}
	case value.Tuple:
		if tup, ok := v.(starlark.Tuple); ok && len(tup) == len(t.Elems) {
			out := make(starlark.Tuple, len(tup))
			for i := range tup {
				x, err := storeAs(t.Elems[i], tup[i])
				if err != nil {
					return nil, err
				}
				out[i] = x
			}
			return out, nil
		}
	case value.Record:
		if r, ok := v.(*recordVal); ok && r.t.T.Equal(t) {
			return r, nil
		}
	}
	if p, ok := v.(*paramVal); ok {
		return nil, p.noValue()
	}
	return nil, fault("type", "give it "+article(t), "%s is not %s", describe(v), article(t))
}

func doesNotFit(n string, t value.Type) error {
	lo, hi := rangeOf(t)
	return fault("range", fmt.Sprintf("%s holds %s to %s; %s(%s) keeps the low bits", t, lo, hi, t, n), "%s does not fit %s", n, t)
}

func intFits(t value.Type, n starlark.Int) bool {
	if t.Signed {
		v, ok := n.Int64()
		shift := 64 - 8*uint(t.Width)
		return ok && v<<shift>>shift == v
	}
	v, ok := n.Uint64()
	return ok && (t.Width == 8 || v>>(8*uint(t.Width)) == 0)
}

func rangeOf(t value.Type) (lo, hi string) {
	bits := 8 * uint(t.Width)
	if t.Signed {
		return fmt.Sprint(-1 << (bits - 1)), fmt.Sprint(uint64(1)<<(bits-1) - 1)
	}
	return "0", fmt.Sprint(^uint64(0) >> (64 - bits))
}

// article names a type as a sentence does: a u32, an ip4, a tuple (ip4, u16).
func article(t value.Type) string {
	s := t.String()
	switch t.Kind {
	case value.Tuple:
		return "a tuple " + s
	case value.Record:
		return "a " + s
	case value.View:
		return "the " + t.String()
	case value.Span, value.Packet:
		if !t.Laid() {
			return "the " + s
		}
	}
	if strings.ContainsRune("aio", rune(s[0])) {
		return "an " + s
	}
	return "a " + s
}

// what names the type of a value as a sentence does; the width of an integer is
// the affair of places, not of values.
func what(t value.Type) string {
	if t.Kind == value.Int {
		return "an integer"
	}
	return article(t)
}

// describe names a build-time value as a sentence does.
func describe(v starlark.Value) string {
	switch v := v.(type) {
	case starlark.NoneType:
		return "None"
	case starlark.Bool:
		return v.String()
	case starlark.Int:
		if s := v.String(); len(s) < 24 {
			return "the integer " + s
		}
		return "an integer"
	case starlark.Float:
		return "a fraction"
	case starlark.String:
		if len(v) < 32 {
			return "the string " + v.String()
		}
		return "a string"
	case starlark.Bytes:
		return "bytes"
	case *starlark.List:
		return "a list"
	case *starlark.Dict:
		return "a dict"
	case starlark.Tuple:
		return "a tuple"
	case *starlark.Function:
		return "the function " + v.Name()
	case *localFunc:
		return "the function " + v.Name()
	case *starlark.Builtin:
		return "the function " + v.Name()
	case *packetBuiltin:
		return "the function " + v.name
	case *filterVal:
		return "a filter"
	case *mapVal:
		return "a " + v.m.Kind.String()
	case *paramVal:
		return "a param"
	case *typeVal:
		return "the type " + v.String()
	case addrVal, prefixVal:
		return article(value.Type{Kind: kindOf(v)}) // as ip4, prefix
	case *recordVal:
		return "a record"
	case verdictVal:
		return "a verdict"
	}
	return "a " + v.Type()
}

func kindOf(v starlark.Value) value.Kind {
	switch v := v.(type) {
	case addrVal:
		return v.kind
	case prefixVal:
		return v.kind
	}
	return value.None
}
