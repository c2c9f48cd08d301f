package wtest

import (
	"errors"
	"fmt"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/diag"
)

// cases are what a test is run with, one after another: the default of its parameter.
type cases struct {
	*starlark.List
	names []string
}

// newCases is cases(list) or cases(dict).
func newCases(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var of starlark.Iterable
	if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 1, &of); err != nil {
		return nil, err
	}
	var list []starlark.Value
	var names []string
	if d, ok := of.(*starlark.Dict); ok {
		for _, kv := range d.Items() {
			list, names = append(list, kv[1]), append(names, nameOf(kv[0]))
		}
	} else {
		it := of.Iterate()
		defer it.Done()
		for x := starlark.Value(nil); it.Next(&x); {
			list, names = append(list, x), append(names, nameOf(x))
		}
	}
	if len(list) == 0 {
		return nil, errors.New("cases: there is none, so that the test would never run: give it some")
	}
	return &cases{starlark.NewList(list), unique(names)}, nil
}

// unique numbers names that come again.
func unique(names []string) []string {
	seen := map[string]int{}
	for i, n := range names {
		if seen[n]++; seen[n] > 1 {
			names[i] = fmt.Sprintf("%s#%d", n, seen[n])
		}
	}
	return names
}

func nameOf(v starlark.Value) string {
	if s, ok := starlark.AsString(v); ok {
		return s
	}
	return v.String()
}

// A test is a call of a test function.
type test struct {
	name string
	line int
	f    *starlark.Function
	args starlark.Tuple
}

// tests returns the tests of the file, in the order of its text. One function may be
// several tests, by several names.
func (s *suite) tests() ([]test, error) {
	var out []test
	for _, g := range s.script.Bound() {
		if !strings.HasPrefix(g.Name, "test_") {
			continue
		}
		var f *starlark.Function
		switch v := s.script.Globals[g.Name].(type) {
		case *starlark.Function:
			f = v
		case *chain:
			return nil, noTest(g.Pos, g.Name+" is a chain", fmt.Sprintf("write a function that runs it: def %s():", g.Name))
		default:
			return nil, noTest(g.Pos, fmt.Sprintf("%s is no function, but %s", g.Name, v.Type()), "give it a name that does not begin with test_, or write a function")
		}
		if f.NumParams() == 0 {
			out = append(out, test{g.Name, g.Pos.Line, f, nil})
			continue
		}
		c, ok := f.ParamDefault(0).(*cases)
		if !ok || f.NumParams() > 1 {
			name, _ := f.Param(0)
			return nil, noTest(position(f.Position()), fmt.Sprintf("%s has a parameter %s without cases", g.Name, name),
				fmt.Sprintf("give it some: def %s(%s = cases([1, 2])), or take it away", g.Name, name))
		}
		for i := range c.Len() {
			out = append(out, test{g.Name + "/" + c.names[i], g.Pos.Line, f, starlark.Tuple{c.Index(i)}})
		}
	}
	return out, nil
}

func noTest(pos diag.Pos, message, hint string) error {
	return diag.List{{Pos: pos, Code: "call", Message: message, Hint: hint}}
}

func position(p syntax.Position) diag.Pos {
	return diag.Pos{File: p.Filename(), Line: int(p.Line), Col: int(p.Col)}
}
