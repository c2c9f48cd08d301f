package check

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"

	"weir/lang/diag"
	"weir/lang/value"
)

// ScriptSuffix is how the names of files end that are scripts, not chains.
const ScriptSuffix = "_test.weir"

// A Script is a file that runs whole in the interpreter, as the tests of chains do:
// it knows the names of build time, and more that its caller gives it. What it loads
// are chain files, and other scripts.
type Script struct {
	b       *builder
	root    *module
	Globals starlark.StringDict
}

// ScriptOptions are options of [RunScript].
type ScriptOptions struct {
	Load func(path string) ([]byte, error) // see Options.Load
	Env  starlark.StringDict               // names beside those of a chain file, or in their place

	// What a script gets in the place of a map, a param and a function that it loads
	// from a chain file, also where a list, dict, tuple or struct holds it. The name
	// is what a program of that file calls a map or param; "" if no global of the
	// file leads to it.
	Map   func(file, name string) starlark.Value
	Param func(file, name string) starlark.Value
	// Of a function the name is that of the global which it is; "" for one that another
	// function has made.
	Func func(file, name string, f *starlark.Function) starlark.Value

	Interface func(index int) string // the name that a redirect to it is known by

	Print func(pos diag.Pos, text string)
}

// RunScript runs the top level of a script, under the limits of build time.
func RunScript(file string, src []byte, o ScriptOptions) (*Script, diag.List) {
	sources := diag.Source{}
	b := newBuilder(Options{Load: o.Load}, sources)
	b.script = &o
	b.scriptEnv = b.predeclared()
	for name, f := range map[string]builtinFunc{"redirect": o.redirect, "redirect_peer": o.redirect, "redirect_cpu": toNumber, "to_user": toNumber} {
		b.scriptEnv[name] = builtin(name, f)
	}
	for name, v := range o.Env {
		b.scriptEnv[name] = v
	}
	if o.Print != nil {
		b.thread.Print = func(th *starlark.Thread, text string) { o.Print(callerPos(th), text) }
	}
	m := b.root(file, src)
	if ds := finish(b.diags, sources); ds.Err() != nil || m == nil {
		return nil, ds
	}
	return &Script{b, m, m.globals}, nil
}

// A Bound is a name that the top level of a script binds, and where.
type Bound struct {
	Name string
	Pos  diag.Pos
}

// Bound returns the globals of the script in the order of its text.
func (s *Script) Bound() []Bound {
	var out []Bound
	for _, id := range s.root.order {
		if s.Globals[id.Name] != nil {
			out = append(out, Bound{id.Name, posOf(id.NamePos)})
		}
	}
	return out
}

// Loaded returns the names that scripts load, by the chain files that have them.
func (s *Script) Loaded() map[string][]string {
	return s.loads(func(by string) bool { return strings.HasSuffix(by, ScriptSuffix) })
}

// IsModule reports whether a chain file loads that file.
func (s *Script) IsModule(file string) bool {
	return s.loads(func(by string) bool { return !strings.HasSuffix(by, ScriptSuffix) })[path.Clean(file)] != nil
}

// loads returns the names that files load, by the files that have them.
func (s *Script) loads(by func(string) bool) map[string][]string {
	out := map[string][]string{}
	for _, m := range s.b.modules {
		if !by(m.name) || m.syntax == nil {
			continue
		}
		for _, st := range m.syntax.Stmts {
			l, ok := st.(*syntax.LoadStmt)
			if !ok {
				continue
			}
			full, err := moduleName(m.name, l.ModuleName())
			if err != nil {
				continue
			}
			for _, id := range l.From {
				out[full] = append(out[full], id.Name)
			}
		}
	}
	return out
}

// Call calls a function of the script, for at most that many steps of the
// interpreter, and until ctx is done. Its error is a [*ScriptError].
func (s *Script) Call(ctx context.Context, f starlark.Callable, args starlark.Tuple, steps uint64) (starlark.Value, error) {
	b := s.b
	b.thread.Uncancel() // a call before may have been
	b.thread.SetMaxExecutionSteps(b.thread.ExecutionSteps() + steps)
	b.thread.OnMaxSteps = func(th *starlark.Thread) { th.Cancel(fmt.Sprintf("it took more than %d steps", steps)) }
	stop := context.AfterFunc(ctx, func() { b.thread.Cancel(context.Cause(ctx).Error()) })
	defer stop()
	v, err := starlark.Call(b.thread, f, args, nil)
	if err == nil {
		return v, nil
	}
	b.diags = nil
	b.evalError("", err)
	d := b.diags[0]
	if p, ok := scriptPos(err); ok {
		d.Pos = p
	}
	return nil, &ScriptError{finish(diag.List{d}, b.sources)[0], err}
}

// A ScriptError is what went wrong in a function of a script, at the innermost place
// of a script that led to it. It wraps the error of the builtin that failed.
type ScriptError struct {
	diag.Diagnostic
	err error
}

// Error shows the place and what is wrong there.
func (e *ScriptError) Error() string { return e.String() }

// Unwrap returns the error of the builtin.
func (e *ScriptError) Unwrap() error { return e.err }

// scriptPos returns the innermost place of a script on the way to an error.
func scriptPos(err error) (diag.Pos, bool) {
	var ev *starlark.EvalError
	if !errors.As(err, &ev) {
		return diag.Pos{}, false
	}
	for i := len(ev.CallStack) - 1; i >= 0; i-- {
		if p := posOf(ev.CallStack[i].Pos); strings.HasSuffix(p.File, ScriptSuffix) && p.Line > 0 {
			return p, true
		}
	}
	return diag.Pos{}, false
}

// envOf returns the names that a file sees.
func (b *builder) envOf(file string) starlark.StringDict {
	if b.script != nil && strings.HasSuffix(file, ScriptSuffix) {
		return b.scriptEnv
	}
	return b.env
}

// given returns what a file gets of a module that it loads.
func (b *builder) given(from string, m *module) starlark.StringDict {
	if b.script == nil || !strings.HasSuffix(from, ScriptSuffix) || strings.HasSuffix(m.name, ScriptSuffix) {
		return m.globals
	}
	n := newNamer(b)
	n.module(m, "", true)
	g := giver{b.script, m.name, n, map[any]starlark.Value{}}
	out := starlark.StringDict{}
	for _, name := range m.globals.Keys() { // which are sorted
		out[name] = g.value(m.globals[name])
	}
	return out
}

// A giver turns the values of a chain file into those that a script works with.
type giver struct {
	o    *ScriptOptions
	file string
	n    *namer
	made map[any]starlark.Value // of what is given in several places
}

func (g *giver) value(v starlark.Value) starlark.Value {
	switch v := v.(type) {
	case *mapVal:
		return g.once(v.m, func() starlark.Value { return g.o.Map(g.file, g.n.maps[v.m]) })
	case *paramVal:
		return g.once(v.p, func() starlark.Value { return g.o.Param(g.file, g.n.params[v.p]) })
	case *starlark.Function:
		return g.once(v, func() starlark.Value { return g.function(v) })
	case starlark.Tuple:
		return starlark.Tuple(g.all(v))
	case *starlark.List:
		return g.once(v, func() starlark.Value {
			list := make([]starlark.Value, v.Len())
			for i := range list {
				list[i] = v.Index(i)
			}
			return starlark.NewList(g.all(list))
		})
	case *starlark.Dict:
		return g.once(v, func() starlark.Value {
			d := starlark.NewDict(v.Len())
			for _, kv := range v.Items() {
				d.SetKey(kv[0], g.value(kv[1])) // of hashable keys
			}
			return d
		})
	case *starlarkstruct.Struct:
		d := starlark.StringDict{}
		v.ToStringDict(d)
		for name, x := range d {
			d[name] = g.value(x)
		}
		return starlarkstruct.FromStringDict(v.Constructor(), d)
	}
	return v
}

func (g *giver) function(f *starlark.Function) starlark.Value {
	file, name := path.Clean(f.Position().Filename()), f.Name()
	if m := g.n.b.modules[file]; m == nil || m.globals[name] != f {
		name = ""
	}
	return g.o.Func(file, name, f)
}

func (g *giver) all(list []starlark.Value) []starlark.Value {
	out := make([]starlark.Value, len(list))
	for i, x := range list {
		out[i] = g.value(x)
	}
	return out
}

func (g *giver) once(of any, f func() starlark.Value) starlark.Value {
	if g.made[of] == nil {
		g.made[of] = f()
	}
	return g.made[of]
}

// Encode lays a value of the interpreter out as package value stores it. It refuses
// what a chain could not store there.
func Encode(t value.Type, v starlark.Value) ([]byte, error) { return encodeAs(t, v) }

// Make converts a value of the interpreter as the call of a type does: ip4("192.0.2.1").
func Make(t value.Type, v starlark.Value) (starlark.Value, error) { return makeValue(t, v) }
