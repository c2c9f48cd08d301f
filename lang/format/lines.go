package format

import (
	"strings"
	"unicode/utf8"
)

// A line is one line of the result, or more if its text holds a string of
// several lines.
type line struct {
	indent  int
	text    string
	comment string // behind the text, or alone
	equals  int    // octets before the = that is to be aligned; 0 for none
	begins  bool   // the first line of a statement at the top level
}

func (l line) blank() bool { return l.text == "" && l.comment == "" }

// width is the number of characters of s's last line.
func width(s string) int { return utf8.RuneCountInString(s[strings.LastIndexByte(s, '\n')+1:]) }

// align puts the = of assignments at the top level that follow each other below
// each other. Lines that go on with a statement belong to it; all others end a
// group.
func align(lines []line) {
	var group []int
	finish := func() {
		most := 0
		for _, i := range group {
			most = max(most, width(lines[i].text[:lines[i].equals]))
		}
		for _, i := range group {
			l := &lines[i]
			name := l.text[:l.equals]
			l.text = name + strings.Repeat(" ", most-width(name)) + l.text[l.equals:]
		}
		group = nil
	}
	for i, l := range lines {
		switch {
		case l.equals > 0:
			group = append(group, i)
		case l.begins, l.indent == 0 && l.text == "":
			finish()
		}
	}
	finish()
}

// render returns the text of lines, with comments that follow each other in one
// column.
func render(lines []line) []byte {
	var b strings.Builder
	for i := 0; i < len(lines); {
		n := i + 1
		for n < len(lines) && beside(lines[n-1]) && beside(lines[n]) && lines[n].indent == lines[i].indent {
			n++
		}
		column := 0
		for _, l := range lines[i:n] {
			column = max(column, width(l.text))
		}
		for ; i < n; i++ {
			lines[i].write(&b, column)
		}
	}
	return []byte(b.String())
}

// beside reports whether the comment of l takes part in a column.
func beside(l line) bool {
	return l.text != "" && l.comment != "" && !strings.Contains(l.text, "\n")
}

func (l line) write(b *strings.Builder, column int) {
	if !l.blank() {
		b.WriteString(strings.Repeat(" ", l.indent))
	}
	b.WriteString(l.text)
	if l.comment != "" {
		if l.text != "" {
			b.WriteString(strings.Repeat(" ", max(0, column-width(l.text))+2))
		}
		b.WriteString(l.comment)
	}
	b.WriteByte('\n')
}
