package ref

import (
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// A Number is an integer of packet time: 64 bits, read as two's complement if
// Signed.
type Number struct {
	Bits   uint64
	Signed bool
}

// tally is count(x, n = 1) or hist(name, x), whose names may be the text of the
// call's first argument.
func (e *evaluator) tally(fn string, call *syntax.CallExpr, args []value, named map[string]value) {
	if len(args) == 0 {
		refuse("%s: want a value", fn)
	}
	text, isText := args[0].(starlark.String)
	if fn == "count" {
		n := unsigned(1)
		if len(args) == 2 {
			n = needNum(args[1], fn)
		} else if v, ok := named["n"]; ok {
			n = needNum(v, fn)
		}
		name := string(text)
		if !isText {
			name = e.source(call.Args[0]) + "=" + args[0].String()
		}
		e.counts[e.prefix+name] += n.bits
		return
	}
	name := string(text)
	if len(args) == 1 {
		name = e.source(call.Args[0])
	}
	n := needNum(args[len(args)-1], fn)
	name = e.prefix + name
	e.hists[name] = append(e.hists[name], Number{n.bits, n.signed})
}

// Limits of a log() of the source: lines at once, and ns until one more.
const (
	logBurst    = 1000
	logInterval = 1_000_000
)

// log is log("fmt {}", x, …).
func (e *evaluator) log(call *syntax.CallExpr, args []value) {
	if len(args) == 0 {
		refuse("log: want a text")
	}
	text, ok := args[0].(starlark.String)
	if !ok {
		refuse("log: want a text that is known at build time")
	}
	now, at := e.now(), placeOf(syntax.Start(call))
	next := e.lines[at]
	if next > now+(logBurst-1)*logInterval {
		return
	}
	e.lines[at] = max(next, now) + logInterval
	var out strings.Builder
	rest, args := string(text), args[1:]
	for rest != "" {
		switch {
		case strings.HasPrefix(rest, "{{"), strings.HasPrefix(rest, "}}"):
			out.WriteByte(rest[0])
			rest = rest[2:]
		case strings.HasPrefix(rest, "{}"):
			if len(args) == 0 {
				refuse("log: more {} than values")
			}
			if s, ok := args[0].(starlark.String); ok {
				out.WriteString(string(s))
			} else {
				out.WriteString(args[0].String())
			}
			rest, args = rest[2:], args[1:]
		default:
			out.WriteByte(rest[0])
			rest = rest[1:]
		}
	}
	if len(args) > 0 {
		refuse("log: more values than {}")
	}
	e.logged = append(e.logged, out.String())
}

// source is the text of an expression, in one line.
func (e *evaluator) source(x syntax.Expr) string {
	from, to := syntax.Start(x), behind(x)
	var out []string
	for i, line := range strings.Split(e.builder.texts[from.Filename()], "\n") {
		runes := []rune(line)
		switch n := int32(i) + 1; {
		case n < from.Line || n > to.Line:
			continue
		case n == from.Line && n == to.Line:
			runes = runes[from.Col-1 : to.Col-1]
		case n == from.Line:
			runes = runes[from.Col-1:]
		case n == to.Line:
			runes = runes[:to.Col-1]
		}
		out = append(out, strings.Fields(string(runes))...)
	}
	return strings.Join(out, " ")
}

// behind is where the text of x has ended. For what ends with a bracket the
// parser may tell the place of the bracket.
func behind(x syntax.Expr) syntax.Position {
	to := syntax.End(x)
	switch x := x.(type) {
	case *syntax.BinaryExpr:
		return behind(x.Y)
	case *syntax.CondExpr:
		return behind(x.False)
	case *syntax.UnaryExpr:
		return behind(x.X)
	case *syntax.IndexExpr:
		to.Col = x.Rbrack.Col + 1
	case *syntax.TupleExpr:
		if x.Lparen.IsValid() {
			to.Col = x.Rparen.Col + 1
		}
	}
	return to
}
