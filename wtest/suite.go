package wtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"weir/datapath"
	"weir/lang/check"
	"weir/lang/diag"
	"weir/trace"
)

// A suite is a test file that is being run.
type suite struct {
	ctx    context.Context
	file   string
	cpu    int    // on which all chains run
	hook   string // at which chains run whose test does not say; "" chooses
	load   func(string) ([]byte, error)
	beds   beds
	now    time.Time
	chains map[string][]string // functions of chain files that take packets
	maybe  map[string][]string // those that may
	script *check.Script
	prints []string // of the test that runs
	lost   error    // of the test that runs, where the interpreter takes none
}

// open runs the top level of a test file.
func open(ctx context.Context, file string, o Options) (*suite, error) {
	text, err := o.Load(file)
	if err != nil {
		return nil, err
	}
	cpu, err := trace.CPU()
	if err != nil {
		return nil, err
	}
	s := &suite{
		ctx: ctx, file: file, cpu: cpu, hook: o.Hook, load: o.Load, now: epoch, chains: map[string][]string{}, maybe: map[string][]string{},
		beds: beds{load: o.Load, set: o.Set, cover: o.Cover, all: map[string]*bed{}},
	}
	env := makers()
	for name, f := range s.builtins() {
		env[name] = starlark.NewBuiltin(name, f)
	}
	for name, v := range packetBuiltins() {
		env[name] = v
	}
	script, ds := check.RunScript(file, text, check.ScriptOptions{
		Load: o.Load, Env: env,
		Map:   func(f, name string) starlark.Value { return &table{s, f, name} },
		Param: func(f, name string) starlark.Value { return &param{s, f, name} },
		Func:  s.function, Interface: trace.InterfaceName,
		Print: func(_ diag.Pos, text string) { s.prints = append(s.prints, text) },
	})
	if ds.Err() != nil {
		return nil, ds.Err()
	}
	s.script = script
	s.forgetModules()
	return s, nil
}

// forgetModules forgets the functions of files of which the test loads none that takes
// packets: they are modules of the others. What it loads that may take packets comes
// behind what does.
func (s *suite) forgetModules() {
	loaded := s.script.Loaded()
	for file, chains := range s.chains {
		if !slices.ContainsFunc(chains, func(c string) bool { return slices.Contains(loaded[file], c) }) {
			delete(s.chains, file)
		}
	}
	for file, maybe := range s.maybe {
		if len(s.chains[file]) == 0 && s.script.IsModule(file) {
			continue
		}
		for _, c := range maybe {
			if slices.Contains(loaded[file], c) {
				s.chains[file] = append(s.chains[file], c)
			}
		}
	}
}

// Knows reports whether every test has something of that name, beside what the language
// has.
func Knows(name string) bool {
	_, header := makers()[name]
	_, ok := packetBuiltins()[name]
	_, run := new(suite).builtins()[name]
	return header || ok || run
}

// packetBuiltins are those that need no kernel.
func packetBuiltins() starlark.StringDict {
	return starlark.StringDict{
		"packet": starlark.NewBuiltin("packet", newPacket), "cases": starlark.NewBuiltin("cases", newCases), "assert": assertions,
		"interface": starlark.NewBuiltin("interface", newInterface),
	}
}

// newInterface is interface("eth1"): the index that it has in test runs.
func newInterface(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var name string
	if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 1, &name); err != nil {
		return nil, err
	}
	return starlark.MakeUint(uint(trace.Index(name))), nil
}

// builtins are those that need chains in the kernel.
func (s *suite) builtins() map[string]builtin {
	return map[string]builtin{
		"run": s.run, "advance": s.advance, "now": s.time, "hooks": s.hooks, "replay": s.replay, "expect": s.expect,
	}
}

type builtin = func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error)

func (s *suite) function(file, name string, f *starlark.Function) starlark.Value {
	list := s.chains
	is, may := takesPackets(f)
	if !is {
		list = s.maybe
	}
	if may && name != "" && !slices.Contains(list[file], name) {
		list[file] = append(list[file], name)
	}
	return &chain{f, file, name}
}

// mapOf returns a map of a chain file, which a module of one of the files on trial may
// be.
func (s *suite) mapOf(file, name string) (*datapath.Map, error) {
	files, names := s.users(file, name)
	var first error
	var found []string // files that have it
	var m *datapath.Map
	for _, f := range files {
		b := s.beds.of(f)
		for _, n := range names {
			x, err := b.find(n, s.chains[f], s.now)
			if err == nil {
				b.dirty = true
				m, found = x, append(found, f)
				break
			}
			if first == nil {
				first = err
			}
		}
	}
	switch {
	case len(found) == 1:
		return m, nil
	case len(found) > 1:
		return nil, several("map", name, found)
	}
	if _, refused := errors.AsType[diag.List](first); refused || first != nil && len(names) == 1 {
		return nil, first
	}
	return nil, fmt.Errorf("map %s of %s is in no chain that the file loads: load a chain that uses it", name, file)
}

// users returns the chain files that may use what a file declares, and how it may be
// called there: the file itself, or those that load it as a module.
func (s *suite) users(file, name string) (files, names []string) {
	if len(s.chains[file]) > 0 || s.beds.all[path.Clean(file)] != nil {
		return []string{file}, []string{name}
	}
	return slices.Sorted(maps.Keys(s.chains)), []string{strings.TrimSuffix(path.Base(file), path.Ext(file)) + "." + name, name}
}

// several says that a module's map or param is not one.
func several(what, name string, files []string) error {
	return fmt.Errorf("each of %s has a %s %s of its own: test them in files of their own", strings.Join(files, ", "), what, name)
}

// paramValue returns what a parameter is set to, after it was set to v if v is not
// nil.
func (s *suite) paramValue(p *param, v starlark.Value) (starlark.Value, error) {
	if p.name == "" {
		return nil, fmt.Errorf("no global of %s leads to this param", p.file)
	}
	files, names := s.users(p.file, p.name)
	var found []string // files that have it
	var first error
	var b *bed
	var q *datapath.ParamValue
	for _, f := range files {
		x, err := s.beds.of(f).param(names, s.chains[f], s.now)
		if err != nil && first == nil {
			first = err
		}
		if x != nil {
			q, b, found = x, s.beds.of(f), append(found, f)
		}
	}
	switch {
	case len(found) == 1:
		b.dirty = true
		return setParam(b, *q, v)
	case len(found) > 1:
		return nil, several("param", p.name, found)
	}
	if first != nil {
		return nil, first
	}
	return nil, fmt.Errorf("no chain of %s uses the param %s", p.file, p.name)
}

func setParam(b *bed, p datapath.ParamValue, v starlark.Value) (starlark.Value, error) {
	if v == nil {
		octets := make([]byte, p.Type.Size())
		p.Type.PutWord(octets, p.Word)
		return check.Decode(p.Type, octets), nil
	}
	octets, err := check.Encode(p.Type, v)
	if err != nil {
		return nil, err
	}
	return starlark.None, b.runner.SetParam(p.Name, p.Type.Format(octets))
}

// advance is advance("10s"): time goes on.
func (s *suite) advance(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var text string
	if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 1, &text); err != nil {
		return nil, err
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("advance: %q is no duration of up to 292 years: write \"10s\" or \"1m30s\"", text)
	case d < 0:
		return nil, fmt.Errorf("advance: %q is negative, but time does not go back: write \"10s\" or \"1m30s\"", text)
	case d > endOfTime.Sub(s.now):
		return nil, fmt.Errorf("advance: %s from now on is more than the clock of chains counts, which is 292 years", text)
	}
	s.goOn(s.now.Add(d))
	return starlark.None, nil
}

// endOfTime is the last time that can be told in ns as the interpreter and Go do.
var endOfTime = time.Unix(0, math.MaxInt64)

func (s *suite) goOn(now time.Time) {
	s.now = now
	s.beds.at(now)
}

// time is now(): what a chain's now() gives, in ns.
func (s *suite) time(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 0); err != nil {
		return nil, err
	}
	return starlark.MakeInt64(s.now.UnixNano()), nil
}

// hooks is hooks(chain): the names of the hooks that take it and can be tested.
func (s *suite) hooks(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var fn starlark.Value
	if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 1, &fn); err != nil {
		return nil, err
	}
	c, ok := fn.(*chain)
	if !ok {
		return nil, fmt.Errorf("hooks: a chain is wanted, not %s", fn.Type())
	}
	all, err := s.beds.of(c.file).all(c.name, s.now)
	if err != nil {
		return nil, err
	}
	var out []starlark.Value
	for _, h := range all {
		out = append(out, starlark.String(h.String()))
	}
	return starlark.NewList(out), nil
}

// maxSteps is how many steps of the interpreter a test may take.
const maxSteps = 50_000_000

// maxTime is how long a test may take.
const maxTime = time.Minute

// run1 runs a test. What no further test could do is an error.
func (s *suite) run1(t test) (Result, error) {
	start := time.Now()
	s.prints, s.lost = nil, nil
	s.goOn(epoch)
	err := s.beds.again(s.ctx)
	if err == nil {
		ctx, stop := context.WithTimeoutCause(s.ctx, maxTime, fmt.Errorf("it took longer than %s", maxTime))
		defer stop()
		if _, err = s.script.Call(ctx, t.f, t.args, maxSteps); err == nil {
			err = s.lost
		}
	}
	r := Result{File: s.file, Name: t.name, Status: Passed, Line: t.line, Output: s.prints}
	if errors.Is(err, os.ErrPermission) {
		return r, err
	}
	if err != nil {
		r.fails(err)
	}
	r.Seconds = time.Since(start).Seconds()
	return r, nil
}

// fails says why a test did not pass.
func (r *Result) fails(err error) {
	r.Status, r.Message = Broken, err.Error()
	var se *check.ScriptError
	if errors.As(err, &se) {
		r.Message, r.Line, r.Hint, r.Source = se.Message, se.Pos.Line, se.Hint, strings.TrimSpace(se.Text)
		if se.Pos.File != "" && se.Pos.File != r.File {
			r.At = se.Pos.File
		}
	}
	var f *failure
	var ds diag.List
	switch {
	case errors.As(err, &f):
		r.Status, r.Message, r.Details, r.Hint = Failed, f.text, f.more, ""
	case errors.As(err, &ds):
		r.Message, r.Details, r.Hint = "the chain does not compile", strings.Split(strings.TrimRight(ds.Error(), "\n"), "\n"), ""
	}
}

// relative is the path of a file that a test names, from the folder of the test.
func (s *suite) relative(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(s.file), name)
}
