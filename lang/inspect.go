package lang

import (
	"errors"

	"weir/hook"
	"weir/lang/check"
	"weir/lang/diag"
)

// An Inspection is what an editor wants to know of a file, right or not.
type Inspection = check.Inspection

// Inspect tells what is known of a file and all that is wrong with it: of main,
// or in a file without it of every function that can be attached. A module
// needs none. What only some hooks have is no error where one of them takes the
// whole chain. Options.Func and Options.Hook are not used.
func Inspect(source []byte, opts Options) Inspection {
	c := &compiler{opts: opts}
	in := check.Inspect(opts.File, source, check.Options{Load: c.load})
	if in.Diags.Err() != nil {
		return in
	}
	for _, name := range in.Chains {
		opts.Func = name
		in.Diags = append(in.Diags, diagnose(source, opts)...)
	}
	in.Diags = in.Diags.Sort()
	return in
}

// diagnose compiles a chain for the hook that finds the least wrong with it.
func diagnose(source []byte, opts Options) diag.List {
	var best diag.List
	for i, h := range hook.All() {
		opts.Hook = h
		p, err := Compile(source, opts)
		if err == nil {
			return p.Warnings
		}
		var ds diag.List
		errors.As(err, &ds)
		if i == 0 || len(ds) < len(best) {
			best = ds
		}
		if !aboutHooks(ds) {
			break
		}
	}
	return best
}

func aboutHooks(ds diag.List) bool {
	for _, d := range ds {
		if d.Code == "hook" {
			return true
		}
	}
	return false
}

// DefaultHook returns the hook of a chain of which nobody says where it will run: XDP,
// and for connections connect, or sk-lookup if only that has what it does. Of several
// chains the first says it.
func DefaultHook(source []byte, opts Options) hook.Hook {
	c := &compiler{opts: opts}
	o := check.Options{Func: opts.Func, Then: opts.Then, Line: opts.Line, Load: c.load}
	if !check.ForConn(opts.File, source, o) {
		return hook.XDP
	}
	for _, h := range []hook.Hook{hook.Connect, hook.SkLookup} {
		o.Hook = h
		if _, ds := check.Check(opts.File, source, o); !aboutHooks(ds) {
			return h
		}
	}
	return hook.Connect
}
