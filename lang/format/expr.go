package format

import (
	"fmt"
	"strings"

	"go.starlark.net/syntax"
)

// An element is what stands between the commas of brackets.
type element struct {
	expr       syntax.Expr // nil: text alone
	text       string      // on one line
	start, end place
}

func elementOf(e syntax.Expr) element {
	return element{e, flat(e), at(syntax.Start(e)), at(syntax.End(e))}
}

func elements(list []syntax.Expr) []element {
	var out []element
	for _, e := range list {
		out = append(out, elementOf(e))
	}
	return out
}

// A list is what stands in a pair of brackets.
type list struct {
	elems []element
	sep   string // between elements on one line
	comma bool   // after the last element where the brackets are broken
	one   bool   // a tuple of one element, which keeps its comma
}

func commas(elems []element) list { return list{elems, ", ", true, false} }

func params(l []syntax.Expr) list { return commas(elements(l)) }

// loaded are the arguments of a load statement; of the string of a name the tree
// holds the place behind its quote.
func loaded(s *syntax.LoadStmt) list {
	out := []element{elementOf(s.Module)}
	for i, to := range s.To {
		text := syntax.Quote(s.From[i].Name, false)
		if to != s.From[i] {
			text = to.Name + " = " + text
		}
		start, end := at(to.NamePos), at(s.From[i].NamePos)
		end.col += len(text)
		out = append(out, element{nil, text, start, end})
	}
	return commas(out)
}

// bracketed takes apart an expression that ends with brackets: what stands
// before them, and what is in them. It reports whether e is one.
func bracketed(e syntax.Expr) (head syntax.Expr, open string, lb place, l list, close string, rb place, ok bool) {
	switch e := e.(type) {
	case *syntax.ParenExpr:
		if t, tuple := e.X.(*syntax.TupleExpr); tuple && !t.Lparen.IsValid() {
			l = commas(elements(t.List))
			l.one = len(t.List) == 1
		} else {
			l = list{elems: []element{elementOf(e.X)}}
		}
		return nil, "(", at(e.Lparen), l, ")", at(e.Rparen), true
	case *syntax.TupleExpr:
		if e.Lparen.IsValid() {
			return nil, "(", at(e.Lparen), commas(nil), ")", at(e.Rparen), true
		}
	case *syntax.ListExpr:
		return nil, "[", at(e.Lbrack), commas(elements(e.List)), "]", at(e.Rbrack), true
	case *syntax.DictExpr:
		return nil, "{", at(e.Lbrace), commas(elements(e.List)), "}", at(e.Rbrace), true
	case *syntax.CallExpr:
		return e.Fn, "(", at(e.Lparen), commas(elements(e.Args)), ")", at(e.Rparen), true
	case *syntax.IndexExpr:
		return e.X, "[", at(e.Lbrack), list{elems: []element{elementOf(e.Y)}}, "]", at(e.Rbrack), true
	case *syntax.Comprehension:
		l.elems, l.sep = []element{elementOf(e.Body)}, " "
		for _, c := range e.Clauses {
			l.elems = append(l.elems, clause(c))
		}
		if e.Curly {
			return nil, "{", at(e.Lbrack), l, "}", at(e.Rbrack), true
		}
		return nil, "[", at(e.Lbrack), l, "]", at(e.Rbrack), true
	}
	return nil, "", place{}, list{}, "", place{}, false
}

func clause(n syntax.Node) element {
	start, end := n.Span()
	out := element{start: at(start), end: at(end)}
	switch n := n.(type) {
	case *syntax.ForClause:
		out.text = "for " + flat(n.Vars) + " in " + flat(n.X)
	case *syntax.IfClause:
		out.text = "if " + flat(n.Cond)
	}
	return out
}

// flat is an expression without line breaks of its own.
func flat(e syntax.Expr) string {
	if head, open, _, l, close, _, ok := bracketed(e); ok {
		var s []string
		for _, x := range l.elems {
			s = append(s, x.text)
		}
		text := open + strings.Join(s, l.sep)
		if l.one {
			text += ","
		}
		if head != nil {
			text = flat(head) + text
		}
		return text + close
	}
	switch e := e.(type) {
	case *syntax.Ident:
		return e.Name
	case *syntax.Literal:
		return quoted(e)
	case *syntax.DotExpr:
		return flat(e.X) + dot(e) + e.Name.Name
	case *syntax.UnaryExpr:
		if e.X == nil {
			return e.Op.String()
		}
		return unary(e.Op) + flat(e.X)
	case *syntax.BinaryExpr:
		return flat(e.X) + " " + e.Op.String() + " " + flat(e.Y)
	case *syntax.CondExpr:
		return flat(e.True) + " if " + flat(e.Cond) + " else " + flat(e.False)
	case *syntax.DictEntry:
		return flat(e.Key) + ": " + flat(e.Value)
	case *syntax.TupleExpr:
		var s []string
		for _, x := range e.List {
			s = append(s, flat(x))
		}
		return strings.Join(s, ", ")
	case *syntax.LambdaExpr:
		return lambda(e) + flat(e.Body)
	case *syntax.SliceExpr:
		return flat(e.X) + slice(e)
	}
	panic(fmt.Sprintf("an expression of type %T", e))
}

// dot is what stands before a name: behind a number a dot alone would belong to
// it.
func dot(e *syntax.DotExpr) string {
	if x, ok := e.X.(*syntax.Literal); ok && (x.Token == syntax.INT || x.Token == syntax.FLOAT) {
		return " ."
	}
	return "."
}

func unary(op syntax.Token) string {
	if op == syntax.NOT {
		return "not "
	}
	return op.String()
}

func lambda(e *syntax.LambdaExpr) string {
	var s []string
	for _, x := range e.Params {
		s = append(s, flat(x))
	}
	if len(s) == 0 {
		return "lambda: "
	}
	return "lambda " + strings.Join(s, ", ") + ": "
}

func slice(e *syntax.SliceExpr) string {
	part := func(x syntax.Expr) string {
		if x == nil {
			return ""
		}
		return flat(x)
	}
	s := "[" + part(e.Lo) + ":" + part(e.Hi)
	if e.Step != nil {
		s += ":" + part(e.Step)
	}
	return s + "]"
}

// splits reports whether the author broke a line in e where that is kept.
func (p *printer) splits(e syntax.Expr) bool {
	if e == nil {
		return false
	}
	found := false
	syntax.Walk(e, func(n syntax.Node) bool {
		if x, ok := n.(syntax.Expr); ok && !found {
			if _, _, lb, _, _, _, ok := bracketed(x); ok {
				found = p.scan.split[lb]
			}
		}
		return !found
	})
	return found || p.broken && p.gaps(e)
}

// gaps reports whether a line ends beside an operator of e itself, outside of
// brackets.
func (p *printer) gaps(e syntax.Expr) bool {
	for _, o := range operands(e) {
		if o.gap || p.gaps(o.x) {
			return true
		}
	}
	if b, ok := e.(*syntax.BinaryExpr); ok && b.Op == syntax.EQ {
		return p.gaps(b.Y)
	}
	return false
}
