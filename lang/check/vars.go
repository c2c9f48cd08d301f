package check

import (
	"sort"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/diag"
	"weir/lang/value"
)

// A variable is a local of a special: a place with a type, or a name for a value
// known at build time.
type variable struct {
	name   string
	index  int
	typ    value.Type // Kind None until something is assigned
	static starlark.Value
	first  diag.Pos // where it got its type or value
	local  *Local
	bad    bool // an error was told about it
}

// declare makes the variables of a special.
func (s *special) declare() {
	for i, b := range s.def.Locals {
		v := &variable{name: b.First.Name, index: i, first: posOf(b.First.NamePos)}
		v.local = &Local{Name: v.name, Pos: v.first}
		if i < len(s.args) {
			v.typ, v.static = norm(s.args[i].typ), s.args[i].static
			v.local.Type = v.typ
			v.bad = s.args[i].bad
			if v.static == nil {
				s.out.Params = append(s.out.Params, v.local)
			}
		}
		s.vars = append(s.vars, v)
	}
}

// norm is the type of a local that holds a value of type t: integers have 64
// bits there.
func norm(t value.Type) value.Type {
	switch t.Kind {
	case value.Int:
		return value.Type{Kind: value.Int, Width: 8, Signed: t.Signed}
	case value.Tuple:
		u := t
		u.Elems = nil
		for _, e := range t.Elems {
			u.Elems = append(u.Elems, norm(e))
		}
		return u
	}
	return t
}

// join is the type of what is sometimes a t and sometimes a u.
func join(t, u value.Type) (value.Type, bool) {
	switch {
	case t.Kind == value.Int && u.Kind == value.Int:
		return value.Type{Kind: value.Int, Width: 8, Signed: t.Signed || u.Signed}, true
	case t.Equal(u):
		return t, true
	case isIP(t.Kind) && isIP(u.Kind) && (t.Kind == value.IP || u.Kind == value.IP):
		return value.IPT, true
	case t.Kind == value.Tuple && u.Kind == value.Tuple && len(t.Elems) == len(u.Elems):
		j := value.Type{Kind: value.Tuple}
		for i := range t.Elems {
			e, ok := join(t.Elems[i], u.Elems[i])
			if !ok {
				return t, false
			}
			j.Elems = append(j.Elems, e)
		}
		return j, true
	}
	return t, false
}

func isIP(k value.Kind) bool { return k == value.IP4 || k == value.IP6 || k == value.IP }

// A bodyInfo is what the syntax of a function says about its locals.
type bodyInfo struct {
	assigned map[int]int                  // times that a local is assigned, loops' variables included
	inLoop   map[syntax.Stmt]map[int]bool // locals that a loop's body assigns
	uses     map[int]int                  // times that a local is named
	usesIn   map[*syntax.ForStmt]map[int]int
	def      *resolve.Function
}

// info looks at the body of a function once.
func (c *checker) info(def *resolve.Function) *bodyInfo {
	if in := c.infos[def]; in != nil {
		return in
	}
	in := &bodyInfo{def: def, assigned: map[int]int{}, inLoop: map[syntax.Stmt]map[int]bool{}, usesIn: map[*syntax.ForStmt]map[int]int{}}
	c.infos[def] = in
	in.stmts(def.Body, nil)
	return in
}

func (in *bodyInfo) stmts(stmts []syntax.Stmt, loops []map[int]bool) {
	set := func(id *syntax.Ident) {
		if b, ok := id.Binding.(*resolve.Binding); ok && (b.Scope == resolve.Local || b.Scope == resolve.Cell) {
			in.assigned[b.Index]++
			for _, l := range loops {
				l[b.Index] = true
			}
		}
	}
	for _, s := range stmts {
		switch s := s.(type) {
		case *syntax.AssignStmt:
			eachTarget(s.LHS, set)
		case *syntax.DefStmt:
			set(s.Name)
		case *syntax.IfStmt:
			in.stmts(s.True, loops)
			in.stmts(s.False, loops)
		case *syntax.ForStmt:
			eachTarget(s.Vars, set)
			in.inLoop[s] = map[int]bool{}
			in.stmts(s.Body, append(loops[:len(loops):len(loops)], in.inLoop[s]))
		case *syntax.WhileStmt:
			in.inLoop[s] = map[int]bool{}
			in.stmts(s.Body, append(loops[:len(loops):len(loops)], in.inLoop[s]))
		}
	}
}

// usedOutside reports whether a local is named outside of the loop s.
func (in *bodyInfo) usedOutside(s *syntax.ForStmt, index int) bool {
	if in.uses == nil {
		in.uses = map[int]int{}
		for _, st := range in.def.Body {
			in.count(st, in.uses)
		}
	}
	inside := in.usesIn[s]
	if inside == nil {
		inside = map[int]int{}
		in.count(s, inside)
		in.usesIn[s] = inside
	}
	return in.uses[index] > inside[index]
}

func (in *bodyInfo) count(n syntax.Node, uses map[int]int) {
	syntax.Walk(n, func(n syntax.Node) bool {
		id, ok := n.(*syntax.Ident)
		if !ok {
			return true
		}
		b, ok := id.Binding.(*resolve.Binding)
		if ok && (b.Scope == resolve.Local || b.Scope == resolve.Cell) && b.Index < len(in.def.Locals) && b == in.def.Locals[b.Index] {
			uses[b.Index]++
		}
		return true
	})
}

func sortBy[T any](l []T, key func(T) string) {
	sort.SliceStable(l, func(i, j int) bool { return key(l[i]) < key(l[j]) })
}
