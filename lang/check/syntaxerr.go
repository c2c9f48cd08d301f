package check

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"go.starlark.net/syntax"

	"weir/lang/diag"
)

// parse reads a file; the parser stops at its first error.
func (b *builder) parse(file string, src []byte) (*syntax.File, bool) {
	if !b.isText(file, src) {
		return nil, false
	}
	f, err := b.tree(file, src)
	if err != nil {
		var se syntax.Error
		if !errors.As(err, &se) {
			b.errorf(diag.Pos{File: file}, "syntax", "see the language's manual", "%s", err)
			return nil, false
		}
		e := &syntaxError{file: file, src: src, msg: se.Msg, pos: diag.Pos{File: file, Line: int(se.Pos.Line), Col: int(se.Pos.Col)}}
		code, msg, hint := e.explain()
		b.errorf(e.pos, code, hint, "%s", msg)
		return nil, false
	}
	if pos, ok := tooDeep(f); ok {
		b.errorf(pos, "limit", deepHint, "this is nested deeper than the limit of %d", maxNesting)
		return nil, false
	}
	return f, true
}

const deepHint = "give parts of it names of their own"

// isText refuses what is too long or no text: the parser takes a zero octet for
// the end of the file.
func (b *builder) isText(file string, src []byte) bool {
	pos := diag.Pos{File: file}
	if len(src) > maxSource {
		b.errorf(pos, "limit", "split it into modules, or keep the data in a map's content",
			"the file has %d octets, more than the limit of %d", len(src), maxSource)
		return false
	}
	place := func(i int) diag.Pos {
		start := bytes.LastIndexByte(src[:i], '\n') + 1
		return diag.Pos{File: file, Line: 1 + bytes.Count(src[:i], []byte("\n")), Col: 1 + utf8.RuneCount(src[start:i])}
	}
	if i := bytes.IndexByte(src, 0); i >= 0 {
		b.errorf(place(i), "syntax", "a chain is a text in UTF-8", "the file is no text: it has a zero octet here")
		return false
	}
	if bytes.HasPrefix(src, []byte("\xef\xbb\xbf")) {
		b.errorf(place(0), "syntax", "save it as UTF-8 without a byte order mark", "the file begins with a byte order mark")
		return false
	}
	for i := 0; i < len(src); {
		r, n := utf8.DecodeRune(src[i:])
		if r == utf8.RuneError && n <= 1 {
			b.errorf(place(i), "syntax", "a chain is a text in UTF-8", "the file is no text: the octet 0x%02x here is not UTF-8", src[i])
			return false
		}
		i += n
	}
	return true
}

// A syntaxError is the parser's one error, on its way to a sentence that helps.
type syntaxError struct {
	file string
	src  []byte
	msg  string
	pos  diag.Pos

	lines []string
	toks  []token // of the line of the error
	at    int     // the token that the parser did not expect, or len(toks)
	got   string  // what it calls it
	want  string
}

// explain finds the rule that fits and returns what to say.
func (e *syntaxError) explain() (code, msg, hint string) {
	if strings.Contains(e.msg, "excessive nesting") {
		return "limit", fmt.Sprintf("this is nested deeper than the limit of %d", maxNesting), deepHint
	}
	e.prepare()
	for _, rule := range syntaxRules {
		if msg, hint := rule(e); msg != "" {
			code = "syntax"
			switch {
			case strings.Contains(msg, "limit"):
				code = "limit"
			case strings.HasPrefix(msg, "there is no ") || strings.HasPrefix(msg, "there are no "):
				code = "python"
			}
			return code, msg, hint
		}
	}
	return "syntax", firstLine(e.msg), "see the language's manual"
}

// maxLine is how much of a line is looked at and shown, in code points.
const maxLine = 500

// prepare finds the token that the error is about and moves the position there:
// the parser often tells where the token ends.
func (e *syntaxError) prepare() {
	e.lines = strings.Split(strings.ReplaceAll(string(e.src), "\r\n", "\n"), "\n")
	if rest, ok := strings.CutPrefix(e.msg, "got "); ok {
		e.got, e.want, _ = strings.Cut(rest, ", want ")
	}
	if e.got == "newline" && e.pos.Col == 1 && e.pos.Line > 1 {
		e.pos.Line--
		e.pos.Col = len([]rune(strings.TrimRight(e.line(e.pos.Line), " \t"))) + 1
	}
	line := []rune(e.line(e.pos.Line))
	e.toks = tokens(line[:min(len(line), maxLine)])
	e.at = len(e.toks)
	for i, t := range e.toks {
		here := t.col <= e.pos.Col && e.pos.Col < t.end
		if e.tellsEnd() {
			here = t.col < e.pos.Col && e.pos.Col <= t.end
		}
		if here && e.got != "newline" && e.got != "end of file" {
			e.at = i
			break
		}
	}
	if e.got == "indent" || e.got == "outdent" {
		e.at = 0
	}
	if e.at < len(e.toks) && !strings.Contains(e.msg, "in string") {
		e.pos.Col = e.toks[e.at].col
	}
}

// tellsEnd reports whether the parser tells where the token ends that it did not
// expect; other errors tell where it begins.
func (e *syntaxError) tellsEnd() bool {
	if e.want != "" {
		return e.want != "primary expression"
	}
	for _, m := range []string{"not an identifier", "does not associate", "keyword argument must", "obsolete form", "load operand", "must be quoted"} {
		if strings.Contains(e.msg, m) {
			return true
		}
	}
	return false
}

func (e *syntaxError) line(n int) string {
	if n >= 1 && n <= len(e.lines) {
		return e.lines[n-1]
	}
	return ""
}

// tok is the text of the token i places from the one that was not expected.
func (e *syntaxError) tok(i int) string {
	if i += e.at; i >= 0 && i < len(e.toks) {
		return e.toks[i].text
	}
	return ""
}

func (e *syntaxError) kind(i int) tokenKind {
	if i += e.at; i >= 0 && i < len(e.toks) {
		return e.toks[i].kind
	}
	return noToken
}

// first is the text of the first token of the line.
func (e *syntaxError) first() string {
	if len(e.toks) > 0 {
		return e.toks[0].text
	}
	return ""
}

// move puts the caret under the token i places from the one not expected.
func (e *syntaxError) move(i int) {
	if i += e.at; i >= 0 && i < len(e.toks) {
		e.pos.Col = e.toks[i].col
	}
}

// A tokenKind is what a token of a line looks like.
type tokenKind uint8

const (
	noToken tokenKind = iota
	word
	number
	text
	operator
	comment
)

// A token is a run of a line; col and end count code points from 1.
type token struct {
	kind     tokenKind
	text     string
	col, end int
}

// tokens takes a line apart, roughly as people see it: dots join numbers, so that
// addresses are one token.
func tokens(r []rune) []token {
	var out []token
	for i := 0; i < len(r); {
		start := i
		kind := operator
		switch c := r[i]; {
		case c == ' ' || c == '\t':
			i++
			continue
		case c == '#':
			kind, i = comment, len(r)
		case isLetter(c):
			kind = word
			for i < len(r) && (isLetter(r[i]) || isDigit(r[i])) {
				i++
			}
		case isDigit(c):
			kind = number
			for i < len(r) && (isDigit(r[i]) || isLetter(r[i]) && r[i] != '_' && isNumberLetter(r, start, i) || r[i] == '.' && i+1 < len(r) && isDigit(r[i+1])) {
				i++
			}
		case c == '"' || c == '\'':
			kind = text
			i = endOfString(r, i)
		default:
			i++
			for _, op := range longOperators {
				if strings.HasPrefix(string(r[start:min(start+3, len(r))]), op) {
					i = start + len(op)
					break
				}
			}
		}
		out = append(out, token{kind, string(r[start:i]), start + 1, i + 1})
	}
	return out
}

var longOperators = []string{"...", "<<=", ">>=", "//=", "**", "//", "==", "!=", "<=", ">=", "<<", ">>", "&&", "||", "++", "--", "->", ":=", "::", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<>", "/*"}

func isLetter(c rune) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0xaa && c != 0xd7 && c != 0xf7 && c < 0x2000
}

func isDigit(c rune) bool { return c >= '0' && c <= '9' }

// isNumberLetter reports whether a letter belongs to a number: 0x1f, 0o17, 1e5.
func isNumberLetter(r []rune, start, i int) bool {
	if r[start] == '0' && i > start {
		switch r[start+1] {
		case 'x', 'X', 'o', 'O', 'b', 'B':
			return i == start+1 || strings.ContainsRune("0123456789abcdefABCDEF", r[i])
		}
	}
	return false
}

func endOfString(r []rune, i int) int {
	quote := r[i]
	for i++; i < len(r); i++ {
		switch r[i] {
		case '\\':
			i++
		case quote:
			return i + 1
		}
	}
	return len(r)
}
