package format

import (
	"strings"
	"unicode/utf8"

	"go.starlark.net/syntax"
)

// A printer writes a tree as lines. Comments are taken from the scan in order:
// whoever is about to write what stands behind a comment flushes it first.
type printer struct {
	scan   *scan
	lines  []line
	cur    line
	indent int
	taken  int  // comments that are written
	broken bool // the innermost brackets around are broken over lines
	rigid  bool // beside an operator outside of brackets: breaking looks worse than a long line
	hang   int  // how much further right an operator stands that begins a line
}

func newPrinter(src []byte) *printer { return &printer{scan: newScan(src)} }

// text returns what was printed.
func (p *printer) text() []byte {
	align(p.lines)
	return render(p.lines)
}

// newline ends the current line, if there is anything in it.
func (p *printer) newline() {
	if !p.cur.blank() {
		p.lines = append(p.lines, p.cur)
	}
	p.cur = line{indent: p.indent}
}

// blank writes a blank line, but never a second one, and none where a block or a
// file begins.
func (p *printer) blank() {
	p.newline()
	if n := len(p.lines); n > 0 && !p.lines[n-1].blank() {
		p.lines = append(p.lines, line{indent: p.indent})
	}
}

// write adds text to the current line. Nothing can follow a comment on its line.
func (p *printer) write(s string) {
	if p.cur.comment != "" {
		p.newline()
	}
	if p.cur.text == "" {
		p.cur.indent = p.indent
	}
	p.cur.text += s
}

// fits reports whether the current line has room for s and tail more characters.
func (p *printer) fits(s string, tail int) bool {
	first, _, more := strings.Cut(s, "\n")
	if more {
		tail = 0
	}
	indent := p.indent
	if p.cur.text != "" {
		indent = p.cur.indent
	}
	if strings.Contains(p.cur.text, "\n") {
		indent = 0
	}
	return indent+width(p.cur.text)+utf8.RuneCountInString(first)+tail <= Width
}

// pending returns the next comment if it stands before a place.
func (p *printer) pending(before place) *comment {
	if p.taken < len(p.scan.comments) && p.scan.comments[p.taken].before(before) {
		return &p.scan.comments[p.taken]
	}
	return nil
}

// flush writes the comments before a place: one behind what is on the current
// line, if it stood behind something, others on lines of their own.
func (p *printer) flush(before place) {
	for c := p.pending(before); c != nil; c = p.pending(before) {
		p.attach(c)
	}
}

func (p *printer) attach(c *comment) {
	p.taken++
	if c.own || p.cur.text == "" || p.cur.comment != "" {
		p.own(c, c.own && p.scan.blank[c.line-1])
		return
	}
	p.cur.comment = c.text
}

// own writes a comment on a line of its own.
func (p *printer) own(c *comment, blank bool) {
	p.newline()
	if blank && !p.atStart() {
		p.blank()
	}
	p.cur = line{indent: p.indent, comment: c.text}
	p.newline()
}

// atStart reports whether the next line is the first of a block or of brackets.
func (p *printer) atStart() bool {
	n := len(p.lines)
	return n == 0 || p.lines[n-1].indent < p.indent
}

// end is where a file ends.
var end = place{1 << 30, 0}

func (p *printer) file(f *syntax.File) {
	p.block(f.Stmts, end, true)
	p.newline()
	for c := p.pending(end); c != nil; c = p.pending(end) {
		p.taken++
		p.own(c, p.scan.blank[c.line-1] || p.afterDef(f.Stmts))
	}
}

// afterDef reports whether the line that was written last ends a function at the
// top level.
func (p *printer) afterDef(stmts []syntax.Stmt) bool {
	if len(stmts) == 0 || len(p.lines) == 0 {
		return false
	}
	_, def := stmts[len(stmts)-1].(*syntax.DefStmt)
	return def && p.lines[len(p.lines)-1].indent > 0
}

// block writes statements. What stands before limit belongs to them.
func (p *printer) block(stmts []syntax.Stmt, limit place, top bool) {
	afterDef := false
	for i, s := range stmts {
		start, until := at(syntax.Start(s)), limit
		if i+1 < len(stmts) {
			until = at(syntax.Start(stmts[i+1]))
		}
		_, def := s.(*syntax.DefStmt)
		apart := p.scan.blank[start.line-1] && (i == 0 || int(syntax.End(stmts[i-1]).Line) < start.line)
		p.lead(start, apart, def && top, afterDef)
		first := len(p.lines)
		p.stmt(s, until, top)
		p.newline()
		if top && first < len(p.lines) {
			p.lines[first].begins = true
		}
		afterDef = def && top
	}
}

// lead writes the comments before a statement and the blank lines among them;
// apart says that the statement has one before it in the source. A
// function at the top level has a blank line before the comments that stand
// directly over it, and one behind it.
func (p *printer) lead(start place, apart, def, afterDef bool) {
	var cs []*comment
	for c := p.pending(start); c != nil; c = p.pending(start) {
		cs = append(cs, c)
		p.taken++
	}
	attached := len(cs)
	for next := start.line; attached > 0 && cs[attached-1].line == next-1; next-- {
		attached--
	}
	for i, c := range cs {
		p.own(c, p.scan.blank[c.line-1] || afterDef && i == 0 || def && i == attached)
	}
	if apart && !p.atStart() || len(cs) == 0 && afterDef || attached == len(cs) && def {
		p.blank()
	}
}

// stmt writes a statement and the comments in and behind it.
func (p *printer) stmt(s syntax.Stmt, limit place, top bool) {
	switch s := s.(type) {
	case *syntax.DefStmt:
		p.write("def " + s.Name.Name)
		p.brackets("(", at(s.Lparen), params(s.Params), ")", at(s.Rparen), 1)
		p.suite(s.Body, at(s.Rparen), at(s.Def), limit)
	case *syntax.ForStmt:
		p.write("for " + flat(s.Vars) + " in ")
		p.expr(s.X, 1)
		p.suite(s.Body, at(syntax.End(s.X)), at(s.For), limit)
	case *syntax.WhileStmt:
		p.write("while ")
		p.expr(s.Cond, 1)
		p.suite(s.Body, at(syntax.End(s.Cond)), at(s.While), limit)
	case *syntax.IfStmt:
		p.ifStmt(s, limit)
	default:
		p.simple(s, top)
		p.behind(at(syntax.End(s)), limit)
	}
}

func (p *printer) ifStmt(s *syntax.IfStmt, limit place) {
	for word := "if "; ; word = "elif " {
		p.write(word)
		p.expr(s.Cond, 1)
		until := limit
		if s.False != nil {
			until = at(s.ElsePos)
		}
		p.suite(s.True, at(syntax.End(s.Cond)), at(s.If), until)
		if s.False == nil {
			return
		}
		for c := p.pending(until); c != nil; c = p.pending(until) {
			p.taken++
			p.own(c, p.scan.blank[c.line-1])
		}
		p.newline()
		if elif, ok := s.False[0].(*syntax.IfStmt); ok && len(s.False) == 1 && elif.If == s.ElsePos {
			s = elif
			continue
		}
		p.write("else")
		p.suite(s.False, until, until, limit)
		return
	}
}

// suite writes the colon of a header that ends at a place, and its block. Comments
// behind the block that stand further right than the header belong to it.
func (p *printer) suite(body []syntax.Stmt, headerEnd, header, limit place) {
	p.write(":")
	p.behind(headerEnd, at(syntax.Start(body[0])))
	p.newline()
	p.indent += indentation
	p.cur.indent = p.indent
	p.block(body, limit, false)
	for c := p.pending(limit); c != nil && c.col > header.col; c = p.pending(limit) {
		p.taken++
		p.own(c, p.scan.blank[c.line-1])
	}
	p.indent -= indentation
	p.cur.indent = p.indent
}

// behind writes the comments inside of what ended at a place that nobody wrote,
// and the one behind it on its line.
func (p *printer) behind(ended, limit place) {
	for c := p.pending(limit); c != nil; c = p.pending(limit) {
		if !c.before(ended) && (c.own || c.line != ended.line) {
			return
		}
		p.attach(c)
	}
}

// simple writes a statement that has no block.
func (p *printer) simple(s syntax.Stmt, top bool) {
	switch s := s.(type) {
	case *syntax.AssignStmt:
		p.expr(s.LHS, 2)
		if top && s.Op == syntax.EQ && !strings.Contains(p.cur.text, "\n") {
			p.cur.equals = len(p.cur.text)
		}
		p.write(" " + s.Op.String() + " ")
		p.expr(s.RHS, 0)
	case *syntax.ExprStmt:
		p.expr(s.X, 0)
	case *syntax.BranchStmt:
		p.write(s.Token.String())
	case *syntax.ReturnStmt:
		p.write("return")
		if s.Result != nil {
			p.write(" ")
			p.expr(s.Result, 0)
		}
	case *syntax.LoadStmt:
		p.write("load")
		p.brackets("(", place{int(s.Load.Line), int(s.Load.Col) + 4}, loaded(s), ")", at(s.Rparen), 0)
	}
}
