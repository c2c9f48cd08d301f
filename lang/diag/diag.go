// Package diag holds what the compiler tells its users: positions in sources
// and diagnostics, each with one sentence that says what is wrong and one that
// says what to do.
//
// A stage appends to a [List] all that it can find and then stops; the list is
// itself an error. Sources are kept by [Source] so that a diagnostic can show
// its line with a caret under the place.
package diag

import (
	"fmt"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Pos is a place in a source. Line and Col count from 1, Col in code points;
// a zero Line means that the place is not known.
type Pos struct {
	File      string
	Line, Col int
}

// String returns file:line:col, shortened by what is not known.
func (p Pos) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Col == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// A Diagnostic is one thing that is wrong with a source.
type Diagnostic struct {
	Pos     Pos
	Code    string // a stable word for tools: "type", "name", "limit", …
	Message string // what is wrong, one sentence without a full stop
	Hint    string // what to do, one sentence without a full stop; may be empty
	Text    string // the source line, without its newline; may be empty
	Skipped int    // how many characters of the line are left out before Text
	Warning bool   // the program is valid all the same
}

// End returns the place behind what the diagnostic points at: a name or number,
// a string, or else one character.
func (d Diagnostic) End() Pos {
	end := d.Pos
	text := []rune(d.Text)
	i := d.Pos.Col - 1 - d.Skipped
	if d.Pos.Col == 0 || i < 0 || i >= len(text) {
		return end
	}
	n := 1
	switch word := func(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }; {
	case word(text[i]):
		for i+n < len(text) && word(text[i+n]) {
			n++
		}
	case text[i] == '"' || text[i] == '\'':
		for i+n < len(text) && text[i+n] != text[i] {
			n++
		}
		n = min(n+1, len(text)-i)
	}
	end.Col += n
	return end
}

// String returns the diagnostic as people read it:
//
//	my.weir:7:12: error: cannot add ip4 and int
//	    x = ip.src + 1
//	        ^
//	  use ip.src.int to count with an address
func (d Diagnostic) String() string {
	var b strings.Builder
	kind := "error"
	if d.Warning {
		kind = "warning"
	}
	fmt.Fprintf(&b, "%s: %s: %s", visible(d.Pos.String()), kind, visible(d.Message))
	if d.Text != "" && d.Pos.Col > d.Skipped {
		text, caret := excerpt(d.Text, d.Pos.Col-d.Skipped)
		fmt.Fprintf(&b, "\n    %s\n    %s^", text, strings.Repeat(" ", caret))
	}
	if d.Hint != "" {
		fmt.Fprintf(&b, "\n  %s", visible(d.Hint))
	}
	return b.String()
}

// visible returns s with as many characters, but · for what a terminal would
// obey instead of showing it, and a blank for a tab.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r == utf8.RuneError || !unicode.IsPrint(r):
			return '·'
		}
		return r
	}, s)
}

// maxExcerpt is how much of a source line is shown, in characters.
const maxExcerpt = 160

// excerpt returns what is shown of a line, as many columns wide as it has
// characters, and how many of them stand before column col. It is visible; of a
// long line the part around col is taken.
func excerpt(line string, col int) (text string, before int) {
	out := []rune(visible(line))
	before = min(col-1, len(out))
	if len(out) <= maxExcerpt {
		return string(out), before
	}
	from := max(0, min(before-maxExcerpt/2, len(out)-maxExcerpt))
	out = out[from : from+maxExcerpt]
	if out[maxExcerpt-1] = '…'; from > 0 {
		out[0] = '…'
	}
	return string(out), before - from
}

// A List is the diagnostics of a compile. As an error it is all that are not
// warnings.
type List []Diagnostic

// Error returns the diagnostics, one after another.
func (l List) Error() string {
	var s []string
	for _, d := range l {
		s = append(s, d.String())
	}
	return strings.Join(s, "\n")
}

// Errors returns the diagnostics of l that are not warnings.
func (l List) Errors() List { return l.filter(false) }

// Warnings returns the diagnostics of l that are warnings.
func (l List) Warnings() List { return l.filter(true) }

func (l List) filter(warning bool) List {
	var out List
	for _, d := range l {
		if d.Warning == warning {
			out = append(out, d)
		}
	}
	return out
}

// Err returns the errors of l, or nil if there are none.
func (l List) Err() error {
	if e := l.Errors(); len(e) > 0 {
		return e
	}
	return nil
}

// Sort orders l by place and takes out what is said twice.
func (l List) Sort() List {
	sort.SliceStable(l, func(i, j int) bool {
		a, b := l[i].Pos, l[j].Pos
		if a.File != b.File {
			return a.File < b.File
		}
		if a.Line != b.Line {
			return a.Line < b.Line
		}
		return a.Col < b.Col
	})
	var out List
	for i, d := range l {
		if i > 0 && d == l[i-1] {
			continue
		}
		out = append(out, d)
	}
	return out
}

// A Source keeps the texts of a compile by file name.
type Source map[string][]string

// Add records the text of a file.
func (s Source) Add(file string, text []byte) {
	s[file] = strings.Split(string(text), "\n")
}

// Line returns line n (from 1) of a file, or "".
func (s Source) Line(file string, n int) string {
	if lines := s[file]; n >= 1 && n <= len(lines) {
		return strings.TrimSuffix(lines[n-1], "\r")
	}
	return ""
}

// Fill sets the Text of each diagnostic that has none.
func (s Source) Fill(l List) {
	for i := range l {
		if l[i].Text == "" {
			l[i].Text = s.Line(l[i].Pos.File, l[i].Pos.Line)
		}
	}
}
