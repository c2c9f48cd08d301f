package format

import (
	"strings"

	"go.starlark.net/syntax"
)

// A place is a line and a column, both from 1, columns in code points as the
// parser counts them.
type place struct{ line, col int }

func at(p syntax.Position) place { return place{int(p.Line), int(p.Col)} }

func (p place) before(q place) bool {
	return p.line < q.line || p.line == q.line && p.col < q.col
}

// A comment is a # and what follows it on its line.
type comment struct {
	place
	text string
	own  bool // it has its line for itself
}

// A scan is what the tree of a text does not hold.
type scan struct {
	comments []comment
	split    map[place]bool // opening brackets with a line's end inside, not counting inner brackets
	blank    []bool         // by line: nothing but blanks
}

// A scanner goes through a text once. The text has been parsed, so strings and
// brackets have ends.
type scanner struct {
	*scan
	rest []rune
	here place
	own  bool // no token yet on this line
	open []place
}

func newScan(src []byte) *scan {
	s := &scanner{scan: &scan{split: map[place]bool{}, blank: []bool{true}}, rest: []rune(string(src)), here: place{1, 1}, own: true}
	for _, l := range strings.Split(string(src), "\n") {
		s.blank = append(s.blank, strings.TrimSpace(l) == "")
	}
	for len(s.rest) > 0 {
		s.token()
	}
	return s.scan
}

func (s *scanner) next() rune {
	r := s.rest[0]
	s.rest = s.rest[1:]
	s.here.col++
	if r == '\n' {
		s.here = place{s.here.line + 1, 1}
	}
	return r
}

// token steps over a token, a comment or a blank.
func (s *scanner) token() {
	start := s.here
	switch r := s.rest[0]; r {
	case ' ', '\t':
		s.next()
	case '\n':
		s.next()
		s.own = true
		if n := len(s.open); n > 0 {
			s.split[s.open[n-1]] = true
		}
	case '#':
		var text strings.Builder
		for len(s.rest) > 0 && s.rest[0] != '\n' {
			text.WriteRune(s.next())
		}
		s.comments = append(s.comments, comment{start, strings.TrimRight(text.String(), " \t"), s.own})
	default:
		s.own = false
		switch r {
		case '"', '\'':
			s.str(r)
			return
		case '(', '[', '{':
			s.open = append(s.open, start)
		case ')', ']', '}':
			s.open = s.open[:max(0, len(s.open)-1)]
		}
		s.next()
	}
}

// str steps over a string. A backslash takes the next character with it, in raw
// strings too.
func (s *scanner) str(quote rune) {
	n := 1
	if len(s.rest) >= 3 && s.rest[1] == quote && s.rest[2] == quote {
		n = 3
	}
	for range n {
		s.next()
	}
	for seen := 0; len(s.rest) > 0 && seen < n; {
		switch s.next() {
		case quote:
			seen++
		case '\\':
			if seen = 0; len(s.rest) > 0 {
				s.next()
			}
		default:
			seen = 0
		}
	}
}
