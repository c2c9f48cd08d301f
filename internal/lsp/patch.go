package lsp

import (
	"strings"

	"weir/lang/check"
)

// maxPatches is how many lines of a text are replaced at most.
const maxPatches = 40

// maxParsed is how much is parsed for that, in octets: an editor waits.
const maxParsed = 16 << 20

// lookBack is how far before an error its cause is looked for: a bracket that is
// open is noticed later.
const lookBack = 6

// patched returns a text that can be parsed, with as many lines: lines that are
// wrong are replaced by ones that do nothing, first of all the one that somebody
// types in (from 1; 0 for none). It returns the text as it is if it is right, and
// what it has if it finds no end.
func patched(name, text string, typing int) string {
	wrong := errorLine(name, text)
	parsed := 0
	for range maxPatches {
		if wrong == 0 || parsed > maxParsed {
			return text
		}
		best, furthest := "", 0
		for _, n := range candidates(wrong, typing) {
			t := replaceLine(text, n)
			at := errorLine(name, t)
			parsed += len(t)
			if at == 0 {
				return t
			}
			if t != text && at > furthest {
				best, furthest = t, at
			}
		}
		if best == "" {
			return text
		}
		text, wrong, typing = best, furthest, 0
	}
	return text
}

func candidates(wrong, typing int) []int {
	var out []int
	if typing > 0 {
		out = append(out, typing)
	}
	for n := wrong; n > 0 && n > wrong-lookBack; n-- {
		out = append(out, n)
	}
	return out
}

// errorLine is where the parser stops, or 0.
func errorLine(name, text string) int {
	_, ds := check.Parse(name, []byte(text))
	if len(ds.Errors()) == 0 {
		return 0
	}
	return max(1, ds.Errors()[0].Pos.Line)
}

// replaceLine puts something that does nothing in the place of a line: a header
// that opens a block stays one.
func replaceLine(text string, n int) string {
	lines := strings.Split(text, "\n")
	if n > len(lines) {
		return text
	}
	line := lines[n-1]
	body := strings.TrimLeft(line, " \t")
	indent := line[:len(line)-len(body)]
	lines[n-1] = indent + "pass"
	for _, next := range lines[n:] {
		b := strings.TrimLeft(next, " \t")
		if b == "" || b[0] == '#' {
			continue
		}
		if len(next)-len(b) > len(indent) {
			lines[n-1] = indent + header(body)
		}
		break
	}
	return strings.Join(lines, "\n")
}

// header is a header without an error in the place of one that has one.
func header(body string) string {
	if rest, ok := strings.CutPrefix(body, "def "); ok {
		name, _, _ := strings.Cut(rest, "(")
		if isName(name) {
			return "def " + name + "(pkt):"
		}
	}
	return "if True:"
}

func isName(s string) bool {
	for i, r := range s {
		if !nameRune(r) || i == 0 && r >= '0' && r <= '9' {
			return false
		}
	}
	return s != ""
}

func nameRune(r rune) bool {
	return r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}
