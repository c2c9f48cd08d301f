package format

import (
	"go.starlark.net/syntax"
)

// expr writes an expression; tail characters follow it on its last line.
func (p *printer) expr(e syntax.Expr, tail int) {
	if s := flat(e); !p.splits(e) && p.fits(s, tail) {
		p.write(s)
		return
	}
	if head, open, lb, l, close, rb, ok := bracketed(e); ok {
		if head != nil {
			p.expr(head, 1)
		}
		p.brackets(open, lb, l, close, rb, tail)
		return
	}
	switch e := e.(type) {
	case *syntax.DotExpr:
		p.expr(e.X, tail+1+len(e.Name.Name))
		p.write(dot(e) + e.Name.Name)
	case *syntax.UnaryExpr:
		if e.X == nil {
			p.write(flat(e))
			return
		}
		p.write(unary(e.Op))
		p.expr(e.X, tail)
	case *syntax.BinaryExpr:
		if e.Op == syntax.EQ { // the name of an argument
			p.write(flat(e.X) + " = ")
			p.expr(e.Y, tail)
			return
		}
		p.chain(e, tail)
	case *syntax.CondExpr:
		p.chain(e, tail)
	case *syntax.DictEntry:
		p.expr(e.Key, 1)
		p.write(": ")
		p.expr(e.Value, tail)
	case *syntax.TupleExpr:
		for i, x := range e.List {
			if i > 0 {
				p.write(", ")
			}
			p.expr(x, tail)
		}
	case *syntax.LambdaExpr:
		p.write(lambda(e))
		p.expr(e.Body, tail)
	case *syntax.SliceExpr:
		p.expr(e.X, tail)
		p.write(slice(e))
	default:
		p.write(flat(e))
	}
}

// An operand is a part of an expression with the operator before it.
type operand struct {
	op  string // "" of the first
	x   syntax.Expr
	gap bool // the author broke the line at the operator
}

// operands takes apart operators of one kind that follow each other, or a
// conditional expression.
func operands(e syntax.Expr) []operand {
	apart := func(x, y syntax.Expr) bool { return syntax.End(x).Line < syntax.Start(y).Line }
	switch e := e.(type) {
	case *syntax.CondExpr:
		return []operand{
			{x: e.True}, {"if ", e.Cond, apart(e.True, e.Cond)}, {"else ", e.False, apart(e.Cond, e.False)},
		}
	case *syntax.BinaryExpr:
		if e.Op == syntax.EQ {
			return nil
		}
		left := []operand{{x: e.X}}
		if x, ok := e.X.(*syntax.BinaryExpr); ok && kind(x.Op) == kind(e.Op) {
			left = operands(x)
		}
		return append(left, operand{e.Op.String() + " ", e.Y, apart(e.X, e.Y)})
	}
	return nil
}

// kind is the same of operators that bind alike where they follow each other.
func kind(op syntax.Token) syntax.Token {
	switch op {
	case syntax.MINUS:
		return syntax.PLUS
	case syntax.SLASH, syntax.SLASHSLASH, syntax.PERCENT:
		return syntax.STAR
	case syntax.GTGT:
		return syntax.LTLT
	}
	return op
}

// chain writes operands. Inside of broken brackets they begin lines where the
// author broke them, or all of them if they are too long for one.
func (p *printer) chain(e syntax.Expr, tail int) {
	parts := operands(e)
	all := p.broken && !p.splits(e)
	indent, rigid := p.indent, p.rigid
	p.rigid = rigid || !p.broken
	for i, o := range parts {
		switch {
		case i == 0:
		case p.broken && (all || o.gap):
			p.indent = indent + p.hang
			p.flush(at(syntax.Start(o.x)))
			p.newline()
		default:
			p.write(" ")
		}
		p.write(o.op)
		t := 1
		if i == len(parts)-1 {
			t = tail
		}
		p.expr(o.x, t)
	}
	p.indent, p.rigid = indent, rigid
}

// brackets writes a pair of brackets: on one line, or broken.
func (p *printer) brackets(open string, lb place, l list, close string, rb place, tail int) {
	split := p.scan.split[lb]
	p.write(open)
	if !split && (len(l.elems) == 0 || p.inline(l, tail)) {
		broken := p.broken
		p.broken = false
		for i, x := range l.elems {
			if i > 0 {
				p.write(l.sep)
			}
			p.element(x, 1)
		}
		if l.one {
			p.write(",")
		}
		p.write(close)
		p.broken = broken
		return
	}
	p.breakUp(l, rb, split)
	p.write(close)
}

// inline reports whether brackets that the author did not break stay so: they
// fit, or the break lies in an element, or will lie in the last one.
func (p *printer) inline(l list, tail int) bool {
	text := ""
	if p.rigid && !conditions(l) {
		return true
	}
	for i, x := range l.elems {
		if p.splits(x.expr) {
			return true
		}
		if i > 0 {
			text += l.sep
		}
		if i == len(l.elems)-1 && p.hugs(x.expr) && p.fits(text+x.text[:1], 1) {
			return true
		}
		text += x.text
	}
	return p.fits(text, 1+tail)
}

// conditions reports whether l is a condition in parentheses, which reads well
// over several lines.
func conditions(l list) bool {
	if l.comma || len(l.elems) != 1 {
		return false
	}
	b, ok := l.elems[0].expr.(*syntax.BinaryExpr)
	return ok && (b.Op == syntax.AND || b.Op == syntax.OR)
}

// hugs reports whether an element is a list or a dict, by name or not, which is
// rather broken itself.
func (p *printer) hugs(e syntax.Expr) bool {
	if b, ok := e.(*syntax.BinaryExpr); ok && b.Op == syntax.EQ {
		e = b.Y
	}
	switch e := e.(type) {
	case *syntax.ListExpr:
		return len(e.List) > 1
	case *syntax.DictExpr:
		return len(e.List) > 1
	case *syntax.Comprehension:
		return true
	}
	return false
}

func (p *printer) element(x element, tail int) {
	if x.expr == nil {
		p.write(x.text)
		return
	}
	p.expr(x.expr, tail)
}

// breakUp writes the elements of broken brackets. Those that the author had on
// one line stay on one as far as they fit; if he broke nothing, short ones fill
// lines and others have a line each.
func (p *printer) breakUp(l list, rb place, split bool) {
	broken, rigid, hang := p.broken, p.rigid, p.hang
	p.broken, p.rigid, p.hang = true, false, 0
	if l.comma {
		p.hang = indentation
	}
	p.indent += indentation
	fill := !split && (short(l.elems) || p.oneLine(l))
	for i, x := range l.elems {
		c := p.pending(x.start)
		p.flush(x.start)
		beside := fill || split && i > 0 && l.elems[i-1].end.line == x.start.line
		tail := len(l.sep)
		if i > 0 && c == nil && beside && p.fits(" "+x.text, tail) {
			p.write(" ")
		} else {
			p.newline()
			if i > 0 && c == nil && x.start.line > l.elems[i-1].end.line && p.scan.blank[x.start.line-1] {
				p.blank()
			}
		}
		p.element(x, tail)
		if l.sep == ", " && (l.comma || i < len(l.elems)-1) {
			p.write(",")
		}
	}
	p.flush(rb)
	p.indent -= indentation
	p.broken, p.rigid, p.hang = broken, rigid, hang
	p.newline()
}

// oneLine reports whether all elements fit on a line of their own. Those of a
// dict, which are read as a table, never do.
func (p *printer) oneLine(l list) bool {
	n := p.indent + len(l.sep)*len(l.elems)
	for _, x := range l.elems {
		if _, entry := x.expr.(*syntax.DictEntry); entry {
			return false
		}
		n += width(x.text)
	}
	return n <= Width
}

// short reports whether all elements are names or literals, and many.
func short(l []element) bool {
	for _, x := range l {
		switch e := x.expr.(type) {
		case *syntax.Ident, *syntax.Literal:
		case *syntax.UnaryExpr:
			if _, ok := e.X.(*syntax.Literal); !ok {
				return false
			}
		default:
			return false
		}
	}
	return len(l) > 8
}
