package check

import (
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/diag"
	"weir/lang/value"
)

// A paramVal is a param at build time: declared, without a value.
type paramVal struct {
	p  *Param
	th *starlark.Thread
}

var _ starlark.HasBinary = (*paramVal)(nil)
var _ starlark.HasUnary = (*paramVal)(nil)

func (p *paramVal) String() string        { return "param" }
func (p *paramVal) Type() string          { return "param" }
func (p *paramVal) Freeze()               {}
func (p *paramVal) Truth() starlark.Bool  { panic(buildPanic{p.noValue(), callerPos(p.th)}) }
func (p *paramVal) Hash() (uint32, error) { return hashOf(fmt.Appendf(nil, "%p", p)), nil }

// Binary refuses: a param has no value at build time.
func (p *paramVal) Binary(syntax.Token, starlark.Value, starlark.Side) (starlark.Value, error) {
	return nil, p.noValue()
}

// Unary refuses: a param has no value at build time.
func (p *paramVal) Unary(syntax.Token) (starlark.Value, error) { return nil, p.noValue() }

// CompareSameType refuses: a param has no value at build time.
func (p *paramVal) CompareSameType(syntax.Token, starlark.Value, int) (bool, error) {
	return false, p.noValue()
}

func (p *paramVal) noValue() error {
	return fault("build", "compute with it inside a function, which runs for each packet", "a param has no value at build time")
}

// A buildPanic carries an error out of a method that cannot return one.
type buildPanic struct {
	err error
	pos diag.Pos
}

// declareParam is param(type, default, unit =, help =).
func (b *builder) declareParam(th *starlark.Thread, name string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	names := []string{"type", "default", "unit", "help"}
	a, err := bindArgs(name, names, 2, args, kwargs)
	if err != nil {
		return nil, err
	}
	t, err := typeOf(a["type"])
	if err != nil {
		return nil, onArg("type", names, err)
	}
	if t.Kind != value.Int && t.Kind != value.Bool {
		return nil, fault("type", "params are integers or bool; keep others in a map", "a param cannot be %s", article(t))
	}
	def, err := storeAs(t, a["default"])
	if err != nil {
		return nil, onArg("default", names, within("default", err))
	}
	p := &Param{Type: t, Pos: callerPos(th)}
	for _, s := range []struct {
		name string
		to   *string
	}{{"unit", &p.Unit}, {"help", &p.Help}} {
		if v := a[s.name]; v != nil && v != starlark.None {
			text, ok := starlark.AsString(v)
			if !ok {
				return nil, fault("type", "write a string", "%s is %s", s.name, describe(v))
			}
			*s.to = text
		}
	}
	switch d := def.(type) {
	case starlark.Bool:
		if d {
			p.Default = 1
		}
	case starlark.Int:
		p.Default = bitsOf(d)
	}
	b.params = append(b.params, p)
	return &paramVal{p, th}, nil
}
