package ref

import (
	"fmt"
	"slices"

	"go.starlark.net/starlark"
)

// namer finds the names of maps and params: the path by which the attached
// file reaches them. The shortest way wins, then the first in the source. Of
// several attached files each puts its name before the path; what more than one
// reaches is named by the module that declares it.
type namer struct {
	b      *builder
	maps   map[*mapVal]string
	params map[*paramVal]string
	taken  map[string]bool
	seen   map[starlark.Value]bool
	common map[starlark.Value]bool // what several reach
}

func newNamer(b *builder) *namer {
	return &namer{b: b, maps: map[*mapVal]string{}, params: map[*paramVal]string{}, taken: map[string]bool{}}
}

// name names everything that the files ms or a loaded module reach: a file's own
// names first, then what is inside of them, then what only the functions
// reach by the variables around them, and last the same in each module.
func (b *builder) name(ms []*module) *namer {
	n := newNamer(b)
	var files []*module
	for _, m := range ms {
		if !slices.Contains(files, m) {
			files = append(files, m)
		}
	}
	if len(files) == 1 {
		n.module(files[0], "", true)
	} else {
		n.common = b.common(files)
		for _, m := range files {
			n.module(m, base(m.file)+".", true)
		}
		n.common = nil
	}
	for _, l := range append(slices.Clone(b.order), files...) {
		n.module(l, base(l.file)+".", false)
	}
	for i, m := range b.maps {
		if n.maps[m] == "" {
			n.give(m, fmt.Sprintf("map%d", i)) // nothing reaches it
		}
	}
	return n
}

// common is what more than one of the files reach.
func (b *builder) common(files []*module) map[starlark.Value]bool {
	times := map[starlark.Value]int{}
	for _, m := range files {
		n := newNamer(b)
		n.module(m, "", true)
		for x := range n.maps {
			times[x]++
		}
		for x := range n.params {
			times[x]++
		}
	}
	out := map[starlark.Value]bool{}
	for x, k := range times {
		out[x] = k > 1
	}
	return out
}

// module names what a file reaches, by what it loads too if loads is set.
func (n *namer) module(m *module, prefix string, loads bool) {
	for depth := range 3 {
		n.seen = map[starlark.Value]bool{}
		for _, name := range m.names {
			if !loads && m.globals[name] == nil {
				continue
			}
			n.visit(m.values[name], prefix+name, prefix+name, depth)
		}
	}
}

// visit goes into v, whose path is name: owner is the path of the struct whose
// function v may be, or name again. It goes in at depth 0 not at all, at 1 into structs, lists and
// dicts, at 2 also into the variables around functions.
func (n *namer) visit(v starlark.Value, name, owner string, depth int) {
	switch v := v.(type) {
	case *mapVal, *paramVal:
		n.give(v, name)
		return
	case starlark.Tuple:
		for i, e := range v {
			if depth > 0 {
				elem := fmt.Sprintf("%s[%d]", name, i)
				n.visit(e, elem, elem, depth)
			}
		}
		return
	case *starlark.List, *starlark.Dict, *structVal, *starlark.Function:
		if depth == 0 || n.seen[v] {
			return
		}
		n.seen[v] = true
	default:
		return
	}
	switch v := v.(type) {
	case *starlark.List:
		for i := range v.Len() {
			elem := fmt.Sprintf("%s[%d]", name, i)
			n.visit(v.Index(i), elem, elem, depth)
		}
	case *starlark.Dict:
		for _, item := range v.Items() {
			elem := fmt.Sprintf("%s[%s]", name, item[0])
			n.visit(item[1], elem, elem, depth)
		}
	case *structVal:
		for _, field := range v.names {
			n.visit(v.vals[field], name+"."+field, name, depth)
		}
	case *starlark.Function:
		if depth == 2 {
			n.around(v, owner, depth)
		}
	}
}

// around visits the build-time variables around a function; loaded names
// belong to their file. Functions among them have the same owner.
func (n *namer) around(f *starlark.Function, owner string, depth int) {
	def := n.b.defs[placeOf(f.Position())]
	for i := range f.NumFreeVars() {
		free, v := f.FreeVar(i)
		if v != nil && !n.b.loaded[def.FreeVars[i].First] {
			n.visit(v, owner+"."+free.Name, owner, depth)
		}
	}
}

func (n *namer) give(v starlark.Value, name string) {
	if n.common[v] {
		return
	}
	switch v := v.(type) {
	case *mapVal:
		if n.maps[v] == "" && !n.taken[name] {
			n.maps[v] = name
			n.taken[name] = true
		}
	case *paramVal:
		if n.params[v] == "" && !n.taken[name] {
			n.params[v] = name
			n.taken[name] = true
		}
	}
}
