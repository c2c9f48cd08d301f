package ref

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Limits of build time and packet time. They stop what would not end; they
// are not the compiler's.
const (
	buildSteps  = 50_000_000
	packetSteps = 5_000_000
)

// place is where a definition begins. A function value leads back to its
// definition by it.
type place struct {
	file      string
	line, col int32
}

func placeOf(p syntax.Position) place { return place{p.Filename(), p.Line, p.Col} }

// module is a file after its build time. names are its globals and loaded
// names in the order of the source; loaded marks the latter's bindings.
type module struct {
	file    string
	globals starlark.StringDict
	names   []string
	values  map[string]starlark.Value
	loading bool
	err     error
}

// builder runs build time.
type builder struct {
	opts        Options
	predeclared starlark.StringDict
	defs        map[place]*resolve.Function
	modules     map[string]*module
	loaded      map[*syntax.Ident]bool // where load statements bind names
	order       []*module              // loaded ones, in the order in which they ended
	maps        []*mapVal
	clock       func() uint64
	texts       map[string]string // of the files
}

func newBuilder(opts Options, clock func() uint64) *builder {
	b := &builder{opts: opts, clock: clock, defs: map[place]*resolve.Function{}, modules: map[string]*module{}, loaded: map[*syntax.Ident]bool{}, texts: map[string]string{}}
	b.predeclared = b.names()
	return b
}

var dialect = &syntax.FileOptions{Set: true, While: true, TopLevelControl: true, GlobalReassign: true}

// roots runs the files of the parts, each once.
func (b *builder) roots(parts []Part) ([]*module, error) {
	var out []*module
	for _, p := range parts {
		m := b.modules[p.File]
		if m == nil {
			var err error
			if m, err = b.run(p.File, p.Source); err != nil {
				return nil, err
			}
			b.modules[p.File] = m
		}
		out = append(out, m)
	}
	return out, nil
}

// run runs a file's top level.
func (b *builder) run(file string, src []byte) (*module, error) {
	tree, err := dialect.Parse(file, src, 0)
	if err != nil {
		return nil, err
	}
	prog, err := starlark.FileProgram(tree, b.predeclared.Has)
	if err != nil {
		return nil, err
	}
	b.index(tree)
	b.texts[file] = string(src)
	m := &module{file: file, values: map[string]starlark.Value{}}
	thread := &starlark.Thread{
		Name:  file,
		Print: func(*starlark.Thread, string) {},
		Load: func(_ *starlark.Thread, name string) (starlark.StringDict, error) {
			loaded, err := b.load(file, name)
			if err != nil {
				return nil, err
			}
			return loaded.globals, nil
		},
	}
	thread.SetMaxExecutionSteps(buildSteps)
	m.globals, err = prog.Init(thread, b.predeclared)
	if err != nil {
		var deep *starlark.EvalError
		if errors.As(err, &deep) {
			return nil, fmt.Errorf("%s\n%w", deep.Backtrace(), err)
		}
		return nil, err
	}
	m.globals.Freeze()
	b.list(m, tree)
	return m, nil
}

// index notes where functions are defined.
func (b *builder) index(tree *syntax.File) {
	syntax.Walk(tree, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.DefStmt:
			b.defs[placeOf(n.Def)] = n.Function.(*resolve.Function)
		case *syntax.LambdaExpr:
			b.defs[placeOf(n.Lambda)] = n.Function.(*resolve.Function)
		}
		return true
	})
}

// list notes the module's names in the order of the source.
func (b *builder) list(m *module, tree *syntax.File) {
	for _, s := range tree.Stmts {
		load, ok := s.(*syntax.LoadStmt)
		if !ok {
			continue
		}
		from := b.modules[resolveName(m.file, load.ModuleName())]
		for i, id := range load.To {
			b.loaded[id] = true
			m.add(id.Name, from.globals[load.From[i].Name])
		}
	}
	for _, g := range tree.Module.(*resolve.Module).Globals {
		if v := m.globals[g.First.Name]; v != nil {
			m.add(g.First.Name, v)
		}
	}
}

func (m *module) add(name string, v starlark.Value) {
	if m.values[name] == nil {
		m.names = append(m.names, name)
	}
	m.values[name] = v
}

// load runs a module once.
func (b *builder) load(from, name string) (*module, error) {
	file := resolveName(from, name)
	if m := b.modules[file]; m != nil {
		if m.loading {
			return nil, fmt.Errorf("%s loads itself", file)
		}
		return m, m.err
	}
	m := &module{loading: true}
	b.modules[file] = m
	if b.opts.Load == nil {
		return nil, fmt.Errorf("no modules here")
	}
	src, err := b.opts.Load(file)
	if err == nil {
		var ran *module
		if ran, err = b.run(file, src); err == nil {
			*m = *ran
			b.order = append(b.order, m)
		}
	}
	m.loading, m.err = false, err
	return m, err
}

// resolveName is the name that Options.Load gets: as written, but for a name
// with "./" or "../" in a module that itself has a folder.
func resolveName(from, name string) string {
	relative := strings.HasPrefix(name, "./") || strings.HasPrefix(name, "../")
	if !relative || !strings.HasPrefix(from, "./") && !strings.HasPrefix(from, "../") {
		return name
	}
	joined := path.Join(path.Dir(from), name)
	if strings.HasPrefix(joined, "../") {
		return joined
	}
	return "./" + joined
}
