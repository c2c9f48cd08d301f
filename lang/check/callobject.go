package check

import (
	"fmt"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/hook"
	"weir/lang/value"
	"weir/object"
)

// A cFunc is a global function of a C object.
type cFunc struct {
	f *object.Func
	o *Object
}

var _ starlark.Callable = (*cFunc)(nil)

func (c *cFunc) String() string        { return "function " + c.f.Name }
func (c *cFunc) Type() string          { return "function" }
func (c *cFunc) Freeze()               {}
func (c *cFunc) Truth() starlark.Bool  { return true }
func (c *cFunc) Hash() (uint32, error) { return hashOf([]byte(c.f.Name)), nil }
func (c *cFunc) Name() string          { return c.f.Name }

// CallInternal refuses: the kernel runs the function, for a packet.
func (c *cFunc) CallInternal(*starlark.Thread, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
	return nil, fault("build", "call it inside a function, which runs for each packet", "%s() of %s is not called while the file is read", c.f.Name, c.o.File)
}

// declaration is how C declares the function.
func (c *cFunc) declaration() string {
	var s []string
	for i, t := range c.f.Params {
		name := t.Name + " "
		switch t.Kind {
		case object.Context:
			name = "struct " + t.Name + " *"
		case object.Pointer:
			name = t.Name
		}
		s = append(s, name+c.f.Names[i])
	}
	return c.f.Result.Name + " " + c.f.Name + "(" + strings.Join(s, ", ") + ")"
}

// callObject calls a function of a C object.
func (p *pass) callObject(e *syntax.CallExpr, v *cFunc) operand {
	if !p.callable(e, v) {
		p.args(e)
		return operand{}
	}
	names := v.f.Names
	args, ok := p.passArgs(e, v.f.Name, names, len(names), len(names))
	if !ok {
		return operand{}
	}
	x := &CallObject{Base: Base{P: at(e)}, Object: v.o, Func: v.f}
	for i, a := range args {
		y := p.passObject(v, i, a)
		if y == nil {
			return operand{}
		}
		x.Args = append(x.Args, y)
	}
	if x.T = numberOf(v.f.Result); v.f.Result.Big && v.f.Result.Size == 4 {
		x.T = value.IP4T
	}
	if v.f.Program {
		x.T = value.VerdT
		x.Codes, x.Other = p.programCodes()
	}
	if v.f.Changes {
		p.moved(moving{what: v.f.Name + "() may have changed", pos: at(e)})
	}
	p.uses(v)
	return run(x)
}

// callable reports what stands in the way of any call of a function here.
func (p *pass) callable(e *syntax.CallExpr, v *cFunc) bool {
	if v.f.Bad != "" {
		p.errorf(e, "type", v.f.Hint, "%s() of %s cannot be called: %s", v.f.Name, v.o.File, v.f.Bad)
		return false
	}
	h := p.c.b.opts.Hook
	if ctx := v.f.Context(); ctx != "" && ctx != h.Context() {
		p.errorf(e, "hook", fmt.Sprintf("attach the chain at %s, or build the object with a function that takes struct %s", hooksWhere(func(o hook.Hook) bool { return o.Context() == ctx }), h.Context()),
			"%s() of %s takes struct %s, and at %s there is struct %s", v.f.Name, v.o.File, ctx, h, h.Context())
		return false
	}
	for _, m := range v.f.Maps {
		if lack, ok := v.o.lacking[m]; ok {
			p.errorf(e, "type", lack.hint, "%s() of %s needs the map %s, %s, which weir does not make", v.f.Name, v.o.File, m, lack.kind)
			return false
		}
	}
	return true
}

// uses notes what the function needs.
func (p *pass) uses(v *cFunc) {
	funcs := p.c.objects[v.o]
	if funcs == nil {
		funcs = map[string]bool{}
		p.c.objects[v.o] = funcs
	}
	funcs[v.f.Name] = true
	for _, name := range v.f.Maps {
		p.c.used[v.o.maps[name]] = true
		for _, s := range v.o.settable {
			if s.section == name {
				p.c.params[s.param] = true
			}
		}
	}
}

// numberOf is the type of an integer of C.
func numberOf(t object.Type) value.Type {
	switch t.Kind {
	case object.Int:
		return value.Type{Kind: value.Int, Width: t.Size, Signed: t.Signed}
	case object.Bool:
		return value.BoolT
	}
	return value.Type{}
}

// passObject gives an argument as the function takes it, or nil after an error.
func (p *pass) passObject(v *cFunc, i int, a passed) Expr {
	t, place := v.f.Params[i], v.f.Names[i]+" of "+v.f.Name+"()"
	x := p.value(a.e, a.o)
	if x == nil {
		return nil
	}
	from := x.Type()
	switch t.Kind {
	case object.Context:
		if from.Kind != value.Packet || from.Inner {
			p.errorf(a.e, "type", "give it "+p.c.subject(), "%s is %s, not %s", place, the[p.c.subject()], what(from))
			return nil
		}
		return x
	case object.Pointer:
		if from.Kind != value.Record {
			p.errorf(a.e, "type", "give it a record of the same layout", "%s is a pointer to struct %s, not %s", place, t.Struct.Name, what(from))
			return nil
		}
		if err := sameLayout(from, t.Struct); err != nil {
			p.errorf(a.e, "type", layoutHint(v, t.Struct), "%s is a pointer to struct %s, and the record has another layout: %s", place, t.Struct.Name, err)
			return nil
		}
		return x
	}
	if from.Kind == value.IP4 && t.Big && t.Size == 4 {
		return x
	}
	return p.store(a.e, x, numberOf(t), place)
}

// layoutHint says how to get a record of a struct's layout.
func layoutHint(v *cFunc, s *object.Struct) string {
	t, err := recordOf(s)
	if err != nil {
		return "no record is like it (" + err.Error() + "): " + unlikeHint
	}
	return fmt.Sprintf("load the type: load(%q, %q); it is %s", "./"+v.o.File[strings.LastIndex(v.o.File, "/")+1:], s.Name, t)
}

// sameLayout says where a record lies otherwise than a struct.
func sameLayout(t value.Type, s *object.Struct) error {
	if len(t.Elems) != len(s.Fields) {
		return fmt.Errorf("it has %d fields, the struct %d", len(t.Elems), len(s.Fields))
	}
	for i, f := range s.Fields {
		if at := t.Offset(i); at != f.Offset {
			return fmt.Errorf("%s lies at %d, %s of the struct at %d", t.Names[i], at, f.Name, f.Offset)
		}
		if e := t.Elems[i]; !sameKind(e, f.Type) {
			return fmt.Errorf("%s is %s, %s of the struct %s", t.Names[i], article(e), f.Name, f.Type.Name)
		}
	}
	if t.Size() != s.Size {
		return fmt.Errorf("it has %d octets, the struct %d", t.Size(), s.Size)
	}
	return nil
}

// sameKind reports whether a field of a record holds what a field of a struct does.
func sameKind(e value.Type, t object.Type) bool {
	switch t.Kind {
	case object.Int:
		if t.Big && t.Size == 4 {
			return e.Kind == value.IP4
		}
		return e.Kind == value.Int && e.Width == t.Size && e.Big == (t.Big && t.Size > 1)
	case object.Bool:
		return e.Kind == value.Bool
	case object.Struct_:
		return e.Kind == value.Record && sameLayout(e, t.Struct) == nil
	case object.Array:
		return e.Kind != value.Int && e.Kind != value.Bool && e.Kind != value.Record && e.Kind != value.Tuple && e.Size() == t.Size
	}
	return false
}
