package check

import (
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// maxContainers is how many lists, dicts, tuples, structs and functions the
// globals of a file may reach. The interpreter follows them recursively when it
// freezes or prints them; this bounds how deep that can go.
const maxContainers = 2_000_000

// tooMany reports whether the globals reach more than maxContainers containers.
// It keeps its own stack, so that depth costs it nothing.
func tooMany(globals starlark.StringDict) bool {
	seen := map[any]bool{}
	var stack []starlark.Value
	push := func(v starlark.Value) {
		if id := identity(v); id != nil && !seen[id] {
			seen[id] = true
			stack = append(stack, v)
		}
	}
	for _, v := range globals {
		push(v)
	}
	for len(stack) > 0 && len(seen) <= maxContainers {
		v := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		eachPart(v, push)
	}
	return len(seen) > maxContainers
}

// identity tells containers apart; it is nil for what contains nothing.
func identity(v starlark.Value) any {
	switch v := v.(type) {
	case *starlark.List, *starlark.Dict, *starlark.Set, *starlark.Function, *starlarkstruct.Struct, *recordVal:
		return v
	case starlark.Tuple:
		if len(v) > 0 {
			return &v[0]
		}
	}
	return nil
}

func eachPart(v starlark.Value, f func(starlark.Value)) {
	switch v := v.(type) {
	case *starlark.List:
		for i := range v.Len() {
			f(v.Index(i))
		}
	case starlark.Tuple:
		for _, x := range v {
			f(x)
		}
	case *starlark.Dict:
		for k, x := range v.Entries() {
			f(k)
			f(x)
		}
	case *starlark.Set:
		for x := range v.Elements() {
			f(x)
		}
	case *starlarkstruct.Struct:
		for _, x := range v.Entries() {
			f(x)
		}
	case *recordVal:
		for _, x := range v.fields {
			f(x)
		}
	case *starlark.Function:
		for i := range v.NumFreeVars() {
			if _, x := v.FreeVar(i); x != nil {
				f(x)
			}
		}
		for i := range v.NumParams() {
			if x := v.ParamDefault(i); x != nil {
				f(x)
			}
		}
	}
}
