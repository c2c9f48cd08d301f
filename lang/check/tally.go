package check

import (
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/value"
)

// TallySize is how many values a count of values that packets bring tells apart
// at once. Those of one octet have room for all.
const TallySize = 16384

// count is count("name", n = 1), and count(x, n = 1) of what packets bring.
func (p *pass) count(e *syntax.CallExpr) {
	args, ok := p.passArgs(e, "count", []string{"x", "n"}, 2, 1)
	if !ok {
		return
	}
	var n Expr = intConst(1, false, at(e))
	if args[1].e != nil {
		if n = p.intValue(args[1].e, args[1].o, "what is added"); n == nil {
			return
		}
		if c, ok := n.(*Const); ok && constInt(c).Sign() < 0 {
			p.errorf(args[1].e, "value", "a map can go down: m.incr(k, -1)", "a counter only goes up: it cannot count %s", constInt(c))
			return
		}
	}
	if name, ok := args[0].o.v.(starlark.String); ok {
		if name == "" {
			p.errorf(args[0].e, "value", "write count(\"name\")", "the name of a counter is empty")
			return
		}
		p.emit(&Count{Pos: at(e), Counter: p.c.counter(string(name)), N: n})
		return
	}
	x := p.value(args[0].e, args[0].o)
	if x == nil {
		return
	}
	if !x.Type().Stored() {
		hint := "count a field of it, or bool() of it"
		if x.Type().Kind == value.Verdict {
			hint = "weir run counts verdicts by itself; count(\"name\") counts events"
		}
		p.errorf(args[0].e, "type", hint, "%s cannot be counted by its value", what(x.Type()))
		return
	}
	m := p.tally(e, p.c.root.prefix+p.text(args[0].e), x.Type())
	p.emit(&SetMap{Pos: at(e), Map: m, Key: x, Op: AddTo, X: n})
}

// tally returns the map that counts values of a type under a name. Each pass
// makes its own, since types may change until the last.
func (p *pass) tally(e syntax.Node, name string, t value.Type) *Map {
	for _, m := range p.tallies {
		if m.Name == name && m.Key.Equal(t) {
			return m
		}
	}
	m := &Map{Name: name, Kind: LRU, Key: t, Value: value.U64, Size: TallySize, PerCPU: true, Tally: name, Pos: at(e)}
	if t.Size() == 1 {
		m.Kind, m.Size = Table, 256
	}
	p.tallies = append(p.tallies, m)
	return m
}

// mergeTallies gives the program the tallies of all functions of the chain, each
// name and type once, and puts those that stay in the place of the others. Where
// one text has values of several types, their names have the type as well.
func (c *checker) mergeTallies() {
	kept := map[string]*Map{}
	names := map[string]int{}
	same := map[*Map]*Map{}
	for _, m := range c.tallies {
		key := m.Name + "\x00" + m.Key.String()
		if kept[key] == nil {
			kept[key] = m
			names[m.Name]++
			c.prog.Maps = append(c.prog.Maps, m)
		}
		same[m] = kept[key]
	}
	for _, m := range kept {
		if names[m.Tally] > 1 {
			m.Name += " (" + m.Key.String() + ")"
		}
	}
	for _, f := range c.funcs {
		eachStmt(f.Body, func(s Stmt) {
			if s, ok := s.(*SetMap); ok && same[s.Map] != nil {
				s.Map = same[s.Map]
			}
		})
	}
}

// hist is hist("name", x), and hist(x), whose name is the text of x.
func (p *pass) hist(e *syntax.CallExpr) {
	names := []string{"name", "x"}
	if len(e.Args) == 1 {
		names = names[1:]
	}
	args, ok := p.passArgs(e, "hist", names, len(names), len(names))
	if !ok {
		return
	}
	of := args[len(args)-1]
	name := p.text(of.e)
	if len(args) == 2 {
		s, ok := args[0].o.v.(starlark.String)
		if !ok || s == "" {
			p.errorf(args[0].e, "type", "write hist(\"name\", x), or hist(x)", "the name of a histogram is a string that is known at build time")
			return
		}
		name = string(s)
	} else if _, ok := of.o.v.(starlark.String); ok {
		p.errorf(e, "call", "write hist(\"name\", x)", "hist() needs a number to put into the histogram")
		return
	}
	if x := p.intValue(of.e, of.o, "what a histogram is made of"); x != nil {
		p.emit(&Hist{Pos: at(e), Hist: p.c.histogram(name), X: x})
	}
}

// text is the source text of an expression, in one line.
func (p *pass) text(e syntax.Expr) string {
	start, end := leftmost(e), endOf(e)
	lines := p.c.prog.Sources[start.Filename()]
	var b strings.Builder
	for n := start.Line; n <= end.Line && int(n) <= len(lines); n++ {
		line := []rune(lines[n-1])
		from, to := 0, len(line)
		if n == start.Line {
			from = min(int(start.Col)-1, to)
		}
		if n == end.Line {
			to = min(int(end.Col)-1, to)
		}
		b.WriteString(string(line[from:max(from, to)]))
		b.WriteByte(' ')
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// endOf is the place behind an expression. The parser's own is that of the last
// bracket, not behind it, for an index, a slice and a tuple.
func endOf(e syntax.Expr) syntax.Position {
	_, end := e.Span()
	switch e := e.(type) {
	case *syntax.IndexExpr, *syntax.SliceExpr:
		end.Col++
	case *syntax.TupleExpr:
		if e.Lparen.IsValid() {
			end.Col++
		} else {
			end = endOf(e.List[len(e.List)-1])
		}
	case *syntax.BinaryExpr:
		end = endOf(e.Y)
	case *syntax.UnaryExpr:
		end = endOf(e.X)
	case *syntax.CondExpr:
		end = endOf(e.False)
	}
	return end
}
