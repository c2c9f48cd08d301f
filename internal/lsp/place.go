package lsp

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"weir/lang/diag"
)

// offsetOf returns where a position lies in a text, in octets. A position behind
// the end of its line is that end, one behind the last line the end of the text.
func offsetOf(text string, p position) int {
	start := 0
	for range max(0, p.Line) {
		i := strings.IndexByte(text[start:], '\n')
		if i < 0 {
			return len(text)
		}
		start += i + 1
	}
	units := p.Character
	for i, r := range text[start:] {
		if units <= 0 || r == '\n' {
			return start + i
		}
		units -= max(1, utf16.RuneLen(r))
	}
	return len(text)
}

// positionOf is the other way around.
func positionOf(text string, offset int) position {
	before := text[:min(offset, len(text))]
	line := strings.Count(before, "\n")
	return position{line, units(before[strings.LastIndexByte(before, '\n')+1:])}
}

// units is the length of s in UTF-16 code units.
func units(s string) int {
	n := 0
	for _, r := range s {
		n += max(1, utf16.RuneLen(r))
	}
	return n
}

// columnOf returns the position of a place that the compiler tells.
func columnOf(lines []string, p diag.Pos) position {
	if p.Line < 1 || p.Line > len(lines) {
		return position{}
	}
	line, n := lines[p.Line-1], 0
	for i := range line {
		if n++; n == p.Col {
			return position{p.Line - 1, units(line[:i])}
		}
	}
	if p.Col == 0 {
		return position{p.Line - 1, 0}
	}
	return position{p.Line - 1, units(line)}
}

// placeOf returns line and column, from 1, of an offset.
func placeOf(text string, offset int) (line, col int) {
	before := text[:offset]
	return 1 + strings.Count(before, "\n"), 1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
}
