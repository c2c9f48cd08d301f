package check

import (
	"fmt"
	"path"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"

	"weir/hook"
	"weir/lang/diag"
	"weir/lang/value"
)

// A Fact is what is known of a name that a file binds.
type Fact struct {
	Name    string
	Pos     diag.Pos // where the file binds it
	Scope   diag.Pos // of the def around; the zero Pos is the whole file
	Kind    string   // "map", "param", "function", "type", "object", "constant", "local"
	Type    string   // as people read it
	Text    string   // a docstring, or the help of a param
	Def     diag.Pos // where what it stands for is defined, if that is elsewhere
	Owner   string   // whose Attributes stand behind its dot; "" if there are none
	Members []Member // what else stands behind its dot
	Element []Member // the fields of a map's record values
}

// A Member is what stands behind the dot of a Fact.
type Member struct {
	Name, Type, Text string
	Def              diag.Pos
}

// An Inspection is what an editor wants to know of a file, right or not.
type Inspection struct {
	Facts  []Fact
	Chains []string  // the functions that can be attached: main, or all of one parameter called pkt
	Diags  diag.List // of syntax and build time
}

// Inspect reads a file for an editor. What it finds in a file with errors is
// what can be known all the same. Like Check it never panics.
func Inspect(file string, src []byte, opts Options) (in Inspection) {
	sources := diag.Source{}
	b := newBuilder(opts, sources)
	defer func() {
		if r := recover(); r != nil {
			in.Diags = append(b.diags, internal(file, "check", r))
		}
		in.Diags = finish(in.Diags, sources)
	}()
	if strings.HasSuffix(file, ScriptSuffix) { // whose names are not ours
		b.parse(file, src)
		in.Diags = b.diags
		return in
	}
	b.root(file, src)
	in.Diags = b.diags
	m := b.modules[path.Clean(file)]
	if m.syntax == nil {
		return in
	}
	m.chains(&in)
	seen := map[string]bool{}
	for _, id := range m.order {
		v := m.globals[id.Name]
		if v == nil {
			v = m.loaded[id.Name]
		}
		if v != nil && !seen[id.Name] {
			seen[id.Name] = true
			f := factOf(v)
			f.Name, f.Pos = id.Name, posOf(id.NamePos)
			in.Facts = append(in.Facts, f)
		}
	}
	for _, name := range in.Chains {
		in.Facts = append(in.Facts, b.locals(m, name)...)
	}
	return in
}

func (m *module) chains(in *Inspection) {
	for _, id := range m.order {
		fn, ok := m.globals[id.Name].(*starlark.Function)
		if !ok || fn.NumParams() != 1 {
			continue
		}
		name, _ := fn.Param(0)
		if id.Name == "main" {
			in.Chains = []string{"main"}
			return
		}
		if (name == "pkt" || name == "conn") && len(in.Chains) < maxChains {
			in.Chains = append(in.Chains, id.Name)
		}
	}
}

// maxChains is how many functions of a file without main are looked at.
const maxChains = 64

// locals are the facts about the functions of m that a chain reaches.
func (b *builder) locals(m *module, chain string) (facts []Fact) {
	defer func() {
		if recover() != nil {
			facts = nil // the file has errors, which were told elsewhere
		}
	}()
	old := b.opts.Hook
	if fn, ok := m.globals[chain].(*starlark.Function); ok && fn.NumParams() == 1 {
		if name, _ := fn.Param(0); name == "conn" {
			b.opts.Hook = hook.Connect // which has most of what there is
		}
	}
	c := newChecker(b, b.newProgram(), root{module: m, fn: chain})
	nameAll(b, []*module{m}, false)
	c.run()
	conn := c.conn()
	b.opts.Hook = old
	for _, key := range sortedKeys(c.specials) {
		s := c.specials[key]
		if s.pos().File != m.name {
			continue
		}
		for _, v := range s.vars {
			f := Fact{Kind: "local"}
			switch {
			case v.static != nil:
				f = factOf(v.static)
			case v.typ.Kind != value.None:
				f.Type = v.typ.String()
				f.Owner, f.Members = behind(v.typ)
				if conn && v.typ.Kind == value.Packet {
					f.Type, f.Owner = "connection", "conn"
				}
			default:
				continue
			}
			f.Name, f.Pos, f.Scope = v.name, v.first, s.pos()
			facts = append(facts, f)
		}
	}
	return facts
}

// behind is what stands behind the dot of a value of type t.
func behind(t value.Type) (string, []Member) {
	switch t.Kind {
	case value.Packet:
		return "packet", nil
	case value.Span:
		if !t.Laid() {
			return "payload", nil
		}
		return "", fieldsOf(t)
	case value.IP4:
		return "address", nil
	case value.View:
		return t.Header.String(), nil
	case value.Record:
		return "", fieldsOf(t)
	}
	return "", nil
}

func fieldsOf(t value.Type) (members []Member) {
	for i, n := range t.Names {
		m := Member{Name: n, Type: t.Elems[i].String()}
		if t.Route {
			m.Text = docsOfRoute[n]
		}
		members = append(members, m)
	}
	return members
}

// factOf describes a value of build time.
func factOf(v starlark.Value) Fact {
	switch v := v.(type) {
	case *mapVal:
		f := Fact{Kind: "map", Type: declaration(v.m), Def: v.m.Pos}
		for _, n := range v.AttrNames() {
			w := wordOf("map", n)
			f.Members = append(f.Members, Member{Name: n, Type: w.Sign, Text: w.Text})
		}
		_, f.Element = behind(v.m.Value)
		return f
	case *paramVal:
		f := Fact{Kind: "param", Type: "param(" + v.p.Type.String() + ", " + defaultOf(v.p) + ")", Text: v.p.Help, Def: v.p.Pos}
		if v.p.Unit != "" {
			f.Type += " " + v.p.Unit
		}
		return f
	case *starlark.Function:
		return Fact{Kind: "function", Type: signature(v), Text: v.Doc(), Def: posOf(v.Position())}
	case *filterVal:
		return Fact{Kind: "function", Type: "filter(pkt)", Text: "True for the packets of tcpdump's " + syntax.Quote(v.f.Text, false) + "."}
	case *cFunc:
		return Fact{Kind: "function", Type: v.Name() + "(" + strings.Join(v.f.Names, ", ") + ")", Text: "In C: " + v.declaration()}
	case *typeVal:
		f := Fact{Kind: "type", Type: v.T.String()}
		_, f.Members = behind(v.T)
		return f
	case *headerVal:
		return Fact{Kind: "type", Type: v.t.String(), Members: []Member{{Name: "size", Type: "int"}}}
	case *starlarkstruct.Struct:
		f := Fact{Kind: "object", Type: "struct"}
		for _, n := range v.AttrNames() {
			if x, err := v.Attr(n); err == nil && x != nil {
				m := factOf(x)
				f.Members = append(f.Members, Member{n, m.Type, m.Text, m.Def})
			}
		}
		return f
	case addrVal:
		return Fact{Kind: "constant", Type: v.Type() + " " + v.String(), Owner: map[bool]string{true: "address"}[v.Type() == "ip4"]}
	}
	return Fact{Kind: "constant", Type: clip(strings.TrimPrefix(describe(v), "the "))}
}

// declaration shows a map as it could be declared.
func declaration(m *Map) string {
	var args []string
	if m.Key.Kind != value.None && m.Kind != Array {
		args = append(args, m.Key.String())
	}
	if m.Value.Kind != value.None {
		args = append(args, m.Value.String())
	}
	args = append(args, fmt.Sprintf("size = %d", m.Size))
	if m.TTL > 0 {
		args = append(args, fmt.Sprintf("expiring = %q", m.TTL))
	}
	return m.Kind.String() + "(" + strings.Join(args, ", ") + ")"
}

func defaultOf(p *Param) string {
	switch {
	case p.Type.Kind == value.Bool && p.Default == 1:
		return "True"
	case p.Type.Kind == value.Bool:
		return "False"
	case p.Type.Signed:
		return fmt.Sprint(int64(p.Default))
	}
	return fmt.Sprint(p.Default)
}

// signature is NAME(a, b = 1), as a function is called.
func signature(fn *starlark.Function) string {
	var s []string
	for i := range fn.NumParams() {
		name, _ := fn.Param(i)
		if d := fn.ParamDefault(i); d != nil {
			name += " = " + clip(d.String())
		}
		s = append(s, name)
	}
	return fn.Name() + "(" + strings.Join(s, ", ") + ")"
}
