// Package term writes for people: tables, colours, bars, and lines that are
// drawn again in place.
//
// A [Term] knows what it writes to. On a terminal it has colours (unless
// NO_COLOR is set, see no-color.org, or TERM is dumb) and a width; elsewhere
// everything is plain text of the same words. It never reads, and it keeps no
// state but that of a [Screen], which owns the lines that it drew last, and the first
// error of writing: see [Term.Err].
package term

import (
	"io"
	"os"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// A Term is a place to write to.
type Term struct {
	io.Writer
	Terminal bool // a person is looking
	Color    bool
	fd       int
	file     *file // of New
}

// A file remembers the first error of writing to it.
type file struct {
	*os.File
	err error
}

func (f *file) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	if err != nil && f.err == nil {
		f.err = err
	}
	return n, err
}

// New returns the Term of an open file.
func New(f *os.File) *Term {
	w := &file{File: f}
	t := &Term{Writer: w, fd: int(f.Fd()), file: w}
	t.Terminal = term.IsTerminal(t.fd) && os.Getenv("TERM") != "dumb"
	t.Color = t.Terminal && os.Getenv("NO_COLOR") == ""
	return t
}

// Err returns the first error of writing to the file of [New], also where nobody has
// looked at it: a full disk.
func (t *Term) Err() error {
	if t.file == nil {
		return nil
	}
	return t.file.err
}

// Plain returns a Term without a terminal.
func Plain(w io.Writer) *Term { return &Term{Writer: w} }

// Size returns the columns and lines of the terminal; 100 and 40 where there
// is none.
func (t *Term) Size() (columns, lines int) {
	if t.Terminal {
		if w, h, err := term.GetSize(t.fd); err == nil && w > 0 && h > 0 {
			return w, h
		}
	}
	return 100, 40
}

// A Color is an ANSI colour (SGR parameters of ECMA-48, section 8.3.117).
type Color string

// The colours in use. Each stands for one meaning.
const (
	Red    Color = "31" // dropped, failed
	Green  Color = "32" // passed, done
	Yellow Color = "33" // warnings, limits
	Blue   Color = "34" // names
	Cyan   Color = "36" // places in a source
	Bold   Color = "1"
	Faint  Color = "2"
)

// Paint returns s in a colour, or s where there are none.
func (t *Term) Paint(c Color, s string) string {
	if !t.Color || s == "" {
		return s
	}
	return "\x1b[" + string(c) + "m" + s + "\x1b[0m"
}

// Clean returns s on one line and without what a terminal would obey instead of
// showing: such characters become · (a tab a blank). It is for words of others:
// reasons, names, sources.
func Clean(s string) string {
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

// painted is what Paint returns.
var painted = regexp.MustCompile("\x1b\\[(?:3[12346]|1|2)m([^\x1b]+)\x1b\\[0m")

// clean is Clean for a line of which parts are painted: their colours stay.
func (t *Term) clean(s string) string {
	if !t.Color {
		return Clean(s)
	}
	var b strings.Builder
	end := 0
	for _, m := range painted.FindAllStringSubmatchIndex(s, -1) {
		b.WriteString(Clean(s[end:m[0]]) + s[m[0]:m[2]] + Clean(s[m[2]:m[3]]) + s[m[3]:m[1]])
		end = m[1]
	}
	return b.String() + Clean(s[end:])
}

// Width returns the columns that s takes: its runes without escape sequences.
func Width(s string) int {
	n := 0
	for len(s) > 0 {
		if l := escape(s); l > 0 {
			s = s[l:]
			continue
		}
		_, l := utf8.DecodeRuneInString(s)
		s = s[l:]
		n++
	}
	return n
}

// escape returns the length of the escape sequence at the start of s, or 0.
func escape(s string) int {
	if !strings.HasPrefix(s, "\x1b[") {
		return 0
	}
	for i := 2; i < len(s); i++ {
		if s[i] >= 0x40 && s[i] <= 0x7e { // final byte, ECMA-48 section 5.4
			return i + 1
		}
	}
	return len(s)
}

// Cut returns s cut to so many columns, with … where something is missing.
// Escape sequences are kept.
func Cut(s string, columns int) string {
	if Width(s) <= columns {
		return s
	}
	var b strings.Builder
	n := 0
	for len(s) > 0 {
		if l := escape(s); l > 0 {
			b.WriteString(s[:l])
			s = s[l:]
			continue
		}
		_, l := utf8.DecodeRuneInString(s)
		switch {
		case n < columns-1:
			b.WriteString(s[:l])
		case n == columns-1:
			b.WriteString("…")
		}
		s = s[l:]
		n++
	}
	return b.String()
}

// Pad returns s with spaces up to so many columns; to the left of it if right.
func Pad(s string, columns int, right bool) string {
	gap := strings.Repeat(" ", max(0, columns-Width(s)))
	if right {
		return gap + s
	}
	return s + gap
}
