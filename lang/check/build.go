package check

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/diag"
	"weir/lang/std"
)

// A module is a file after build time.
type module struct {
	name    string
	syntax  *syntax.File
	globals starlark.StringDict
	order   []*syntax.Ident // globals and loaded names, in order of first mention
	loaded  map[string]starlark.Value
	object  *Object // a C object, which has no syntax
	busy    bool
	failed  bool
}

// A builder runs build time.
type builder struct {
	opts      Options
	sources   diag.Source
	env       starlark.StringDict
	thread    *starlark.Thread
	files     []string // in order of loading
	objects   []*Object
	modules   map[string]*module
	loading   []string // the files whose top level runs now, outermost first
	defs      map[diag.Pos]*resolve.Function
	loadNames map[diag.Pos]bool // places where a load binds a name
	maps      []*Map
	params    []*Param
	diags     diag.List
	prints    int
	unknown   int // errors about names that nothing defines, inside functions

	script    *ScriptOptions // where the root is a script
	scriptEnv starlark.StringDict
}

// errReported stops the interpreter after a diagnostic has been recorded.
var errReported = errors.New("already reported")

// dialect is the Starlark of chain files.
var dialect = &syntax.FileOptions{Set: true, While: true, TopLevelControl: true, GlobalReassign: true}

func newBuilder(opts Options, sources diag.Source) *builder {
	b := &builder{opts: opts, sources: sources, modules: map[string]*module{}, defs: map[diag.Pos]*resolve.Function{}, loadNames: map[diag.Pos]bool{}}
	b.env = b.predeclared()
	b.thread = &starlark.Thread{Name: "build", Load: b.load, Print: b.print}
	b.thread.SetLocal(builderKey, b)
	return b
}

func (b *builder) errorf(pos diag.Pos, code, hint, format string, args ...any) {
	b.diags = append(b.diags, diag.Diagnostic{Pos: pos, Code: code, Message: fmt.Sprintf(format, args...), Hint: hint})
}

// root runs an attached file under the limits of build time, if no chain before it
// has loaded it. It returns nil if there was an error.
func (b *builder) root(file string, src []byte) *module {
	if m := b.modules[path.Clean(file)]; m != nil {
		return m.whole()
	}
	steps, limit := b.opts.MaxSteps, b.opts.MaxTime
	if steps == 0 {
		steps = DefaultMaxSteps
	}
	if limit == 0 {
		limit = DefaultMaxTime
	}
	b.thread.SetMaxExecutionSteps(b.thread.ExecutionSteps() + steps)
	b.thread.OnMaxSteps = func(th *starlark.Thread) { th.Cancel(fmt.Sprintf("limit: %d steps", steps)) }
	timer := time.AfterFunc(limit, func() { b.thread.Cancel("limit: " + limit.String()) })
	defer timer.Stop()
	return b.module(file, src).whole()
}

// whole returns m, or nil if it has errors.
func (m *module) whole() *module {
	if m.failed {
		return nil
	}
	return m
}

// module parses and runs a file.
func (b *builder) module(file string, src []byte) *module {
	m := &module{name: file, loaded: map[string]starlark.Value{}, busy: true}
	b.modules[path.Clean(file)] = m
	b.files = append(b.files, file)
	b.sources.Add(file, src)
	defer func() { m.busy = false }()
	f, ok := b.parse(file, src)
	if !ok {
		m.failed = true
		return m
	}
	m.syntax = f
	prog, err := starlark.FileProgram(f, b.envOf(file).Has)
	if err != nil {
		b.resolveErrors(file, err)
		if f, prog = b.withUnknown(file, src, f, err); f == nil {
			m.failed = true
			return m
		}
		m.syntax = f
	}
	b.index(f)
	b.loading = append(b.loading, file)
	err = b.exec(m, prog)
	b.loading = b.loading[:len(b.loading)-1]
	if err != nil {
		if b.unknown == 0 { // it may be a consequence
			b.evalError(file, err)
		}
		m.failed = true
	}
	if tooMany(m.globals) {
		b.errorf(diag.Pos{File: file}, "limit", "keep less at the top level", "the file holds more lists, dicts, tuples and functions than the limit of %d", maxContainers)
		m.failed, m.globals = true, nil
	}
	m.globals.Freeze()
	m.order = bindingOrder(f)
	m.bindLoads(b)
	return m
}

// exec runs the top level; what a method could not return comes as a panic.
func (b *builder) exec(m *module, prog *starlark.Program) (err error) {
	defer func() {
		if r := recover(); r != nil {
			p, ok := r.(buildPanic)
			if !ok {
				panic(r)
			}
			b.errorf(p.pos, "build", p.err.(*hintError).hint, "%s", p.err)
			err = errReported
		}
	}()
	m.globals, err = prog.Init(b.thread, b.envOf(m.name))
	return err
}

// load is the interpreter's callback for load statements.
func (b *builder) load(th *starlark.Thread, name string) (starlark.StringDict, error) {
	from := b.loading[len(b.loading)-1]
	full, err := moduleName(from, name)
	if err != nil {
		return nil, err
	}
	m := b.modules[full]
	if m != nil && m.busy {
		return nil, fault("load", "move what both need into a third file", "%s loads itself: %s", full, strings.Join(append(b.cycle(full), full), " → "))
	}
	if m == nil {
		if len(b.modules) >= maxModules {
			return nil, fault("limit", "join some of them", "more files are loaded than the limit of %d", maxModules)
		}
		text, err := b.read(full, name)
		if err != nil {
			return nil, err
		}
		if isObject(full) {
			m, err = b.object(full, text)
		} else {
			m = b.module(full, text)
		}
		if err != nil {
			return nil, err
		}
	}
	if m.failed {
		return nil, errReported
	}
	return b.given(from, m), nil
}

func (b *builder) cycle(full string) []string {
	for i, n := range b.loading {
		if n == full {
			return append([]string(nil), b.loading[i:]...)
		}
	}
	return nil
}

func moduleName(from, name string) (string, error) {
	switch {
	case strings.HasPrefix(name, "std/"):
		return name, nil
	case strings.HasPrefix(name, "./"), strings.HasPrefix(name, "../"):
		return path.Join(path.Dir(from), name), nil
	case strings.HasPrefix(name, "/"):
		return path.Clean(name), nil
	}
	return "", fault("load", fmt.Sprintf("write %q for a file of yours, or \"std/…\"", "./"+name), "%q is no file that can be loaded", name)
}

func (b *builder) read(full, name string) ([]byte, error) {
	if strings.HasPrefix(full, "std/") {
		text, err := std.Read(full)
		if err != nil {
			return nil, fault("load", didYouMean(full, "", std.Names()), "the standard library has no %s", full)
		}
		return text, nil
	}
	if b.opts.Load == nil {
		return nil, fault("load", "load from std/", "files cannot be loaded here, but %s is", name)
	}
	text, err := b.opts.Load(full)
	if err != nil {
		return nil, fault("load", "the path counts from the folder of the file that loads", "load %s: %s", name, firstLine(err.Error()))
	}
	return text, nil
}

// print shows what a file prints at build time.
func (b *builder) print(th *starlark.Thread, msg string) {
	if b.prints++; b.prints > 20 {
		return
	}
	b.diags = append(b.diags, diag.Diagnostic{
		Pos: callerPos(th), Code: "print", Message: "prints " + firstLine(msg), Hint: "this runs once, while the file is read", Warning: true,
	})
}

// definedOnce reports functions of one name beside each other.
func (b *builder) definedOnce(stmts []syntax.Stmt) {
	seen := map[string]*syntax.DefStmt{}
	for _, s := range stmts {
		d, ok := s.(*syntax.DefStmt)
		if !ok {
			continue
		}
		if old := seen[d.Name.Name]; old != nil {
			b.errorf(posOf(d.Name.NamePos), "name", "give one of them another name",
				"%s is defined twice, first in line %d", d.Name.Name, old.Def.Line)
		}
		seen[d.Name.Name] = d
	}
}

// index keeps the functions of a file by the position of their def.
func (b *builder) index(f *syntax.File) {
	b.definedOnce(f.Stmts)
	syntax.Walk(f, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.DefStmt:
			b.defs[posOf(n.Def)] = n.Function.(*resolve.Function)
			b.definedOnce(n.Body)
		case *syntax.LoadStmt:
			for _, id := range n.To {
				b.loadNames[posOf(id.NamePos)] = true
			}
		case *syntax.LambdaExpr:
			b.defs[posOf(n.Lambda)] = n.Function.(*resolve.Function)
		}
		return true
	})
}

// bindingOrder returns the names that a file binds at its top level.
func bindingOrder(f *syntax.File) []*syntax.Ident {
	var out []*syntax.Ident
	for _, g := range f.Module.(*resolve.Module).Globals {
		out = append(out, g.First)
	}
	return out
}
