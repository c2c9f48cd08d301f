package lsp

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"go.starlark.net/syntax"

	"weir/lang/check"
	"weir/lang/diag"
)

// A view is a place in a document and what is known around it.
type view struct {
	doc    *document
	offset int
	facts  []check.Fact
	defs   []*syntax.DefStmt // the functions around, innermost first
}

// A shape is what an expression is, as far as an editor needs it.
type shape struct {
	title   string // on one line: a type, a call
	text    string
	owner   string // whose attributes stand behind its dot
	members []check.Member
	element []check.Member // of a map's values
	fact    *check.Fact    // of a name
	member  *check.Member
}

func (s *Server) view(ctx context.Context, d *document, offset int) *view {
	line, _ := placeOf(d.text, offset)
	return &view{doc: d, offset: offset, facts: d.known(ctx), defs: around(d, line)}
}

// tree returns the tree of a document, or of what can be parsed of it; nil if
// that is nothing. typing is the line that somebody types in, or 0.
func (d *document) tree(typing int) *syntax.File {
	f, _ := check.Parse(d.name, []byte(patched(d.name, d.text, typing)))
	return f
}

// around returns the functions around a line, innermost first.
func around(d *document, line int) []*syntax.DefStmt {
	f := d.tree(line)
	if f == nil {
		return nil
	}
	var out []*syntax.DefStmt
	lines := strings.Split(d.text, "\n")
	syntax.Walk(f, func(n syntax.Node) bool {
		if def, ok := n.(*syntax.DefStmt); ok && line >= int(def.Def.Line) && line <= bodyEnd(lines, def) {
			out = append([]*syntax.DefStmt{def}, out...)
		}
		return true
	})
	return out
}

// locals returns the names that a function binds, its parameters first; those of
// functions inside of it are their own.
func locals(def *syntax.DefStmt) []*syntax.Ident {
	var out []*syntax.Ident
	bind := func(e syntax.Expr) {
		syntax.Walk(e, func(n syntax.Node) bool {
			switch n := n.(type) {
			case *syntax.Ident:
				out = append(out, n)
			case *syntax.DotExpr, *syntax.IndexExpr:
				return false // changes what there is
			}
			return true
		})
	}
	for _, p := range def.Params {
		if b, ok := p.(*syntax.BinaryExpr); ok {
			p = b.X
		}
		bind(p)
	}
	for _, st := range def.Body {
		syntax.Walk(st, func(n syntax.Node) bool {
			switch n := n.(type) {
			case *syntax.DefStmt:
				out = append(out, n.Name)
				return false
			case *syntax.AssignStmt:
				bind(n.LHS)
			case *syntax.ForStmt:
				bind(n.Vars)
			case *syntax.Comprehension, *syntax.LambdaExpr:
				return false
			}
			return true
		})
	}
	return out
}

// binding is where the text binds a local of the functions around, or the zero
// Pos. The facts say it too, of functions that a chain reaches.
func (v *view) binding(name string) diag.Pos {
	for _, def := range v.defs {
		for _, id := range locals(def) {
			if id.Name == name {
				return diag.Pos{File: v.doc.name, Line: int(id.NamePos.Line), Col: int(id.NamePos.Col)}
			}
		}
	}
	return diag.Pos{}
}

// bodyEnd is the last line that can belong to a function: what follows its last
// statement and is blank, or further right than its header.
func bodyEnd(lines []string, def *syntax.DefStmt) int {
	last := int(syntax.End(def).Line)
	for last < len(lines) {
		l := lines[last]
		body := strings.TrimLeft(l, " \t")
		if body != "" && len(l)-len(body) < int(def.Def.Col) {
			break
		}
		last++
	}
	return last
}

// fact returns what is known of a name here: of a local of the functions around,
// or of a name of the file.
func (v *view) fact(name string) *check.Fact {
	for i := range v.facts {
		if f := &v.facts[i]; f.Name == name && v.within(f.Scope.Line) {
			return f
		}
	}
	if v.binding(name).Line != 0 {
		return nil // a local of which nothing is known
	}
	for i := range v.facts {
		if f := &v.facts[i]; f.Name == name && f.Scope.Line == 0 {
			return f
		}
	}
	return nil
}

// within reports whether a function around begins in a line.
func (v *view) within(line int) bool {
	return slices.ContainsFunc(v.defs, func(d *syntax.DefStmt) bool { return int(d.Def.Line) == line })
}

// of says what the text of an expression is; ok is false if nothing is known.
func (v *view) of(expr string) (shape, bool) {
	e, err := (&syntax.FileOptions{}).ParseExpr("", expr, 0)
	if err != nil {
		return shape{}, false
	}
	return v.expr(e, 0)
}

// maxDepth is how many steps an expression is followed.
const maxDepth = 20

func (v *view) expr(e syntax.Expr, depth int) (shape, bool) {
	if depth > maxDepth {
		return shape{}, false
	}
	switch e := e.(type) {
	case *syntax.ParenExpr:
		return v.expr(e.X, depth+1)
	case *syntax.Ident:
		return v.name(e.Name, depth)
	case *syntax.DotExpr:
		if s, ok := v.expr(e.X, depth+1); ok {
			return s.attribute(e.Name.Name)
		}
	case *syntax.IndexExpr:
		if s, ok := v.expr(e.X, depth+1); ok && s.element != nil {
			return shape{title: "record", members: s.element}, true
		}
	case *syntax.CallExpr:
		return v.call(e, depth)
	}
	return shape{}, false
}

// call says what a call gives: a map's record, a record, an address.
func (v *view) call(e *syntax.CallExpr, depth int) (shape, bool) {
	if dot, ok := e.Fn.(*syntax.DotExpr); ok && (dot.Name.Name == "get" || dot.Name.Name == "pop") {
		if s, ok := v.expr(dot.X, depth+1); ok && s.element != nil {
			return shape{title: "record", members: s.element}, true
		}
	}
	if id, ok := e.Fn.(*syntax.Ident); ok {
		if f := v.fact(id.Name); f != nil && f.Kind == "type" {
			return shape{title: f.Type, members: f.Members}, true
		}
		if id.Name == "ip4" {
			return shape{title: "ip4", owner: "address"}, true
		}
	}
	return shape{}, false
}

// name says what a name is: by the facts, by the tables of the language, or by
// the text before, where nothing could be found out.
func (v *view) name(name string, depth int) (shape, bool) {
	if f := v.fact(name); f != nil {
		s := shape{title: f.Type, text: f.Text, owner: f.Owner, members: f.Members, element: f.Element, fact: f}
		switch f.Kind {
		case "function":
			s.title = "def " + f.Type
		case "local", "map", "param", "constant":
			s.title = name + ": " + f.Type
		}
		return s, true
	}
	if name == "pkt" {
		return shape{title: "pkt: packet", text: "The packet.", owner: "packet"}, true
	}
	if name == "conn" {
		return shape{title: "conn: connection", text: "The connection.", owner: "conn"}, true
	}
	if x := v.assigned(name); x != "" {
		e, err := (&syntax.FileOptions{}).ParseExpr("", x, 0)
		if err == nil {
			if s, ok := v.expr(e, depth+5); ok {
				return s, true
			}
		}
	}
	if v.binding(name).Line != 0 {
		return shape{}, false
	}
	for _, w := range check.Builtins() {
		if w.Name == name {
			return shape{title: title(w), text: w.Text}, true
		}
	}
	return shape{}, false
}

// assigned is the text of what was assigned to a name last before the place.
func (v *view) assigned(name string) string {
	re := regexp.MustCompile(`(?m)^\s*` + regexp.QuoteMeta(name) + `\s*=\s*([^=\n].*)$`)
	all := re.FindAllStringSubmatch(v.doc.text[:v.offset], -1)
	if len(all) == 0 {
		return ""
	}
	x, _, _ := strings.Cut(all[len(all)-1][1], " #")
	return strings.TrimSpace(x)
}

// attribute is what stands behind the dot of s.
func (s shape) attribute(name string) (shape, bool) {
	for i := range s.members {
		if m := &s.members[i]; m.Name == name {
			return shape{title: memberTitle(*m), text: m.Text, owner: ownerOf(m.Type), member: m}, true
		}
	}
	for _, w := range attributes(s.owner) {
		if w.Name != name {
			continue
		}
		out := shape{title: title(w), text: w.Text, owner: ownerOf(w.Type)}
		if (s.owner == "packet" || s.owner == "conn") && w.Sign == "" && len(attributes(name)) > 0 {
			out.owner = name
			out.title = name + ": header"
			var fields []string
			for _, f := range attributes(name) {
				fields = append(fields, f.Name)
			}
			out.text += " Behind its dot: " + strings.Join(fields, ", ") + "."
		}
		if name == "inner" && s.owner == "packet" {
			out.owner = "packet"
		}
		return out, true
	}
	return shape{}, false
}

func attributes(owner string) []check.Word {
	if owner == "" {
		return nil
	}
	return check.Attributes(owner)
}

// ownerOf is whose attributes a value of a type has.
func ownerOf(typ string) string {
	if typ == "ip4" {
		return "address"
	}
	return ""
}

func title(w check.Word) string {
	switch {
	case w.Sign != "":
		return w.Sign
	case w.Type != "":
		return w.Name + ": " + w.Type
	}
	return w.Name
}

func memberTitle(m check.Member) string {
	if strings.HasPrefix(m.Type, m.Name+"(") || strings.Contains(m.Type, "(") {
		return m.Type
	}
	return m.Name + ": " + m.Type
}
