package check

import (
	"path"
	"slices"
	"sort"
	"strconv"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"
)

// A namer finds the paths by which a file's globals reach maps and params. It
// looks at what is nearest first: a global's own name wins over a path through a
// struct. Paths that begin in the attached file win over those of modules.
//
// Where several files are attached, a path begins with the name of the file,
// FILE.name. What several of them reach belongs to none: its path begins in the
// module that they load, MODULE.name.
type namer struct {
	b      *builder
	maps   map[*Map]string
	params map[*Param]string
	taken  map[string]bool
	seen   map[any]bool
	queue  []reached
	skip   map[any]bool // maps and params that are not named for now
}

type reached struct {
	path string
	v    starlark.Value
}

func newNamer(b *builder) *namer {
	return &namer{b: b, maps: map[*Map]string{}, params: map[*Param]string{}, taken: map[string]bool{}, seen: map[any]bool{}}
}

// nameAll names every map and param, and returns the maps that the own globals of
// the attached files reach.
// With prefix a path begins with the name of the file.
func nameAll(b *builder, attached []*module, prefixed bool) (reach map[*Map]bool) {
	n := newNamer(b)
	reach, n.skip = reaches(b, attached)
	for _, m := range attached {
		prefix := ""
		if prefixed {
			prefix = Name(m.name) + "."
		}
		n.module(m, prefix, true)
	}
	n.skip, n.seen = nil, map[any]bool{}
	for _, f := range b.files {
		if m := b.modules[path.Clean(f)]; !slices.Contains(attached, m) {
			n.module(m, Name(f)+".", false)
		}
	}
	for _, o := range b.objects {
		n.module(b.modules[path.Clean(o.File)], Name(o.File)+".", false)
	}
	for _, m := range attached { // what one has declared and another loads
		n.module(m, Name(m.name)+".", false)
	}
	for _, m := range b.maps {
		if n.maps[m] == "" {
			n.maps[m] = n.free(Name(m.Pos.File) + ".line" + strconv.Itoa(m.Pos.Line))
		}
		m.Name = n.maps[m]
	}
	for _, p := range b.params {
		if n.params[p] == "" {
			n.params[p] = n.free(Name(p.Pos.File) + ".line" + strconv.Itoa(p.Pos.Line))
		}
		p.Name = n.params[p]
	}
	return reach
}

// module names what the globals of m reach, and the names that it loads if loads
// is set.
func (n *namer) module(m *module, prefix string, loads bool) {
	for _, id := range m.order {
		if v := m.globals[id.Name]; v != nil {
			n.queue = append(n.queue, reached{prefix + id.Name, v})
		} else if v := m.loaded[id.Name]; v != nil && loads {
			n.queue = append(n.queue, reached{prefix + id.Name, v})
		}
	}
	for len(n.queue) > 0 {
		r := n.queue[0]
		n.queue = n.queue[1:]
		n.visit(r)
	}
}

// free returns name, or name with a number if it is taken.
func (n *namer) free(name string) string {
	out := name
	for i := 2; n.taken[out]; i++ {
		out = name + "#" + strconv.Itoa(i)
	}
	n.taken[out] = true
	return out
}

// reaches returns the maps that the globals of the files reach, and the maps and
// params that several of them do.
func reaches(b *builder, files []*module) (maps map[*Map]bool, several map[any]bool) {
	maps, several = map[*Map]bool{}, map[any]bool{}
	by := map[any]int{}
	for _, m := range files {
		n := newNamer(b)
		n.module(m, "", true)
		for x := range n.maps {
			maps[x] = true
			by[x]++
		}
		for x := range n.params {
			by[x]++
		}
	}
	for x, files := range by {
		several[x] = files > 1
	}
	return maps, several
}

// maxPath is how long a path is followed, in octets.
const maxPath = 200

func (n *namer) visit(r reached) {
	add := func(suffix string, v starlark.Value) {
		if v != nil && len(r.path) < maxPath {
			n.queue = append(n.queue, reached{r.path + suffix, v})
		}
	}
	switch v := r.v.(type) {
	case *mapVal:
		if n.maps[v.m] == "" && !n.skip[v.m] {
			n.maps[v.m] = n.free(r.path)
		}
	case *mapMethod:
		n.queue = append(n.queue, reached{r.path, v.m})
	case *paramVal:
		if n.params[v.p] == "" && !n.skip[v.p] {
			n.params[v.p] = n.free(r.path)
		}
	case *starlarkstruct.Struct:
		for _, name := range v.AttrNames() {
			x, err := v.Attr(name)
			if err != nil {
				continue
			}
			if fn, ok := x.(*starlark.Function); ok {
				n.closure(r.path, fn)
				continue
			}
			add("."+name, x)
		}
	case *starlark.Function:
		n.closure(r.path, v)
	case *starlark.List:
		if n.once(v) {
			for i := 0; i < v.Len(); i++ {
				add("["+strconv.Itoa(i)+"]", v.Index(i))
			}
		}
	case starlark.Tuple:
		for i, x := range v {
			add("["+strconv.Itoa(i)+"]", x)
		}
	case *starlark.Dict:
		if n.once(v) {
			for _, kv := range v.Items() {
				add("["+kv[0].String()+"]", kv[1])
			}
		}
	}
}

func (n *namer) once(v any) bool {
	if n.seen[v] {
		return false
	}
	n.seen[v] = true
	return true
}

// closure looks at the variables around a function; they are named after what
// holds the function.
func (n *namer) closure(owner string, fn *starlark.Function) {
	if !n.once(fn) {
		return
	}
	for i := 0; i < fn.NumFreeVars(); i++ {
		fv, v := fn.FreeVar(i)
		if v != nil && !n.b.loadNames[posOf(fv.Pos)] {
			n.queue = append(n.queue, reached{owner + "." + fv.Name, v})
		}
	}
}

// bindLoads records under which names a file loads what, and puts all names that
// the file binds in the order of its text.
func (m *module) bindLoads(b *builder) {
	for _, s := range m.syntax.Stmts {
		l, ok := s.(*syntax.LoadStmt)
		if !ok {
			continue
		}
		full, err := moduleName(m.name, l.ModuleName())
		if err != nil || b.modules[full] == nil {
			continue
		}
		for i, id := range l.To {
			if v := b.modules[full].globals[l.From[i].Name]; v != nil {
				m.loaded[id.Name] = v
				m.order = append(m.order, id)
			}
		}
	}
	sort.SliceStable(m.order, func(i, j int) bool {
		p, q := m.order[i].NamePos, m.order[j].NamePos
		return p.Line < q.Line || p.Line == q.Line && p.Col < q.Col
	})
}
