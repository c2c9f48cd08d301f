package wtest

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"weir/datapath"
	"weir/hook"
	"weir/lang"
	"weir/lang/diag"
	"weir/trace"
)

// A bed is a chain file on trial: the programs of it that tests have run so far, in
// the kernel, and the maps that these share.
type bed struct {
	file     string
	load     func(string) ([]byte, error)
	set      map[string]string // parameters, for all tests
	cover    *Coverage         // nil: nobody wants to know
	runner   *trace.Runner     // nil: nothing was loaded yet
	programs map[key]*lang.Program
	refused  map[key]error
	dirty    bool // a test has touched it
}

// A key is a program of a bed.
type key struct {
	fn    string
	hook  hook.Hook
	large bool // with one for XDP frames of several fragments
}

// large is from how many octets on an XDP frame may need several fragments.
const large = 2048

// program loads a function of the file for a hook, once.
func (b *bed) program(k key, at time.Time) (*lang.Program, error) {
	if p := b.programs[k]; p != nil {
		return p, nil
	}
	if err := b.refused[k]; err != nil {
		return nil, err
	}
	p, err := b.compile(k, false)
	var frags *lang.Program
	if err == nil && k.large && k.hook == hook.XDP {
		frags, err = b.compile(k, true)
	}
	if err != nil {
		b.refused[k] = err
		return nil, err
	}
	if b.runner == nil {
		if b.runner, err = trace.NewRunner(p, trace.RunnerOptions{Frags: frags, Set: b.known(p), Start: epoch}); err == nil {
			b.runner.At(uint64(at.UnixNano()))
		}
	} else if err = b.runner.Add(p, frags); err == nil {
		err = b.setAll(p)
	}
	if err != nil {
		return nil, err
	}
	b.programs[k] = p
	return p, nil
}

func (b *bed) compile(k key, frags bool) (*lang.Program, error) {
	text, err := b.load(b.file)
	if err != nil {
		return nil, err
	}
	return lang.Compile(text, lang.Options{
		File: b.file, Func: k.fn, Hook: k.hook, Load: b.load, Trace: true, Clock: true, Frags: frags, Lines: b.cover != nil,
	})
}

// known are the parameters to be set that the program has.
func (b *bed) known(p *lang.Program) map[string]string {
	out := map[string]string{}
	for name, text := range b.set {
		if slices.ContainsFunc(p.Params, func(q lang.Param) bool { return q.Name == name }) {
			out[name] = text
		}
	}
	return out
}

func (b *bed) setAll(p *lang.Program) error {
	for name, text := range b.known(p) {
		if err := b.runner.SetParam(name, text); err != nil {
			return err
		}
	}
	return nil
}

// testable are the hooks at which the kernel runs a frame that is given to it, in the
// order in which tests choose one.
var testable = func() []hook.Hook {
	out := slices.Clone(hook.Frames())
	for _, h := range hook.All() {
		if !slices.Contains(out, h) && !h.Info().Conn {
			out = append(out, h)
		}
	}
	return out
}()

// first returns the first hook that takes the function.
func (b *bed) first(fn string, at time.Time) (hook.Hook, error) {
	var first error
	for _, h := range testable {
		_, err := b.program(key{fn: fn, hook: h}, at)
		if err == nil {
			return h, nil
		}
		if first == nil {
			first = err
		}
		if !aboutHook(err) {
			return h, err
		}
	}
	return 0, first
}

// all returns the hooks that take the function.
func (b *bed) all(fn string, at time.Time) ([]hook.Hook, error) {
	var out []hook.Hook
	for _, h := range testable {
		_, err := b.program(key{fn: fn, hook: h}, at)
		if err == nil {
			out = append(out, h)
		} else if !aboutHook(err) {
			return nil, err
		}
	}
	return out, nil
}

// params returns the names of the params of the file, which any chain of it has that
// compiles.
func (b *bed) params(chains []string) (names []string, err error) {
	for _, c := range chains {
		for _, h := range testable {
			p, err1 := b.compile(key{fn: c, hook: h}, false)
			if err1 == nil {
				for _, q := range p.Params {
					names = append(names, q.Name)
				}
				return names, nil
			}
			if err == nil {
				err = err1
			}
			if !aboutHook(err1) {
				break
			}
		}
	}
	return nil, err
}

// aboutHook reports whether a chain was refused since a hook cannot do what it asks
// for.
func aboutHook(err error) bool {
	var ds diag.List
	return errors.As(err, &ds) && !slices.ContainsFunc(ds.Errors(), func(d diag.Diagnostic) bool { return d.Code != "hook" })
}

// find returns the map of that name of a program that was loaded, and loads chains of
// the file until there is one.
func (b *bed) find(name string, chains []string, at time.Time) (m *datapath.Map, err error) {
	found, err := b.until(chains, at, func() (bool, error) {
		var err error
		m, err = b.runner.Map(name)
		return err == nil, nil
	})
	if err == nil && !found {
		err = fmt.Errorf("no chain of %s uses the map %s", b.file, name)
	}
	return m, err
}

// param is find for a param that has one of the names; it is nil where there is none.
func (b *bed) param(names, chains []string, at time.Time) (p *datapath.ParamValue, err error) {
	_, err = b.until(chains, at, func() (bool, error) {
		all, err := b.runner.Params()
		if i := slices.IndexFunc(all, func(q datapath.ParamValue) bool { return slices.Contains(names, q.Name) }); i >= 0 {
			p = &all[i]
		}
		return p != nil, err
	})
	return p, err
}

// until loads chains of the file until has finds in the runner what it looks for. Of
// chains that cannot be loaded it says so if no other one has it.
func (b *bed) until(chains []string, at time.Time, has func() (bool, error)) (found bool, err error) {
	var first error
	for i := -1; i < len(chains); i++ {
		if i >= 0 {
			if _, err := b.first(chains[i], at); err != nil && first == nil {
				first = err
			}
		}
		if b.runner == nil {
			continue
		}
		if found, err := has(); found || err != nil {
			return found, err
		}
	}
	return false, first
}

// again brings maps, parameters and counters back to what they were at first.
func (b *bed) again(ctx context.Context) error {
	if b.runner == nil || !b.dirty {
		return nil
	}
	b.dirty = false
	b.runner.At(uint64(epoch.UnixNano()))
	if err := b.runner.Reset(ctx); err != nil {
		return err
	}
	for _, p := range b.programs {
		if err := b.setAll(p); err != nil {
			return err
		}
	}
	return nil
}

func (b *bed) close() error {
	if b.runner == nil {
		return nil
	}
	var errs []error
	for _, p := range b.programs {
		if b.cover != nil {
			errs = append(errs, b.cover.take(b.runner, p))
		}
	}
	return errors.Join(append(errs, b.runner.Close())...)
}

// epoch is when every test starts: an hour after the machine did, so that what
// happened long ago has room.
var epoch = time.Unix(3600, 0)

// beds are the chain files that the tests of a file load, by their path.
type beds struct {
	load  func(string) ([]byte, error)
	set   map[string]string
	cover *Coverage
	all   map[string]*bed
}

func (s *beds) of(file string) *bed {
	file = path.Clean(file)
	if s.all[file] == nil {
		s.all[file] = &bed{file: file, load: s.load, set: s.set, cover: s.cover, programs: map[key]*lang.Program{}, refused: map[key]error{}}
	}
	return s.all[file]
}

func (s *beds) again(ctx context.Context) error {
	for _, b := range s.all {
		if err := b.again(ctx); err != nil {
			return fmt.Errorf("%s: bring back to its first state: %w", b.file, err)
		}
	}
	return nil
}

// at sets the time by which maps tell what has expired.
func (s *beds) at(now time.Time) {
	for _, b := range s.all {
		if b.runner != nil {
			b.runner.At(uint64(now.UnixNano()))
		}
	}
}

func (s *beds) close() error {
	var errs []error
	for _, b := range s.all {
		errs = append(errs, b.close())
	}
	return errors.Join(errs...)
}
