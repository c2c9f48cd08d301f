package wtest

import "go.starlark.net/starlark"

// A param is a parameter of a chain file.
type param struct {
	s    *suite
	file string
	name string
}

var _ starlark.HasAttrs = (*param)(nil)

func (p *param) String() string        { return "param " + p.name }
func (p *param) Type() string          { return "param" }
func (p *param) Freeze()               {}
func (p *param) Truth() starlark.Bool  { return true }
func (p *param) Hash() (uint32, error) { return hash([]byte(p.file + p.name)), nil }

// AttrNames are the methods.
func (p *param) AttrNames() []string { return []string{"get", "set"} }

// Attr gives a method.
func (p *param) Attr(name string) (starlark.Value, error) {
	switch name {
	case "get":
		return starlark.NewBuiltin(p.name+".get", func(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
			return p.s.paramValue(p, nil)
		}), nil
	case "set":
		return starlark.NewBuiltin(p.name+".set", func(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
			var v starlark.Value
			if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 1, &v); err != nil {
				return nil, err
			}
			return p.s.paramValue(p, v)
		}), nil
	}
	return nil, lacks(p, "a param", name)
}
