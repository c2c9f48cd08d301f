package diag

import (
	"strings"
	"testing"
)

func TestString(t *testing.T) {
	long := strings.Repeat("a", 100) + strings.Repeat("b", 100) + strings.Repeat("c", 100)
	for _, c := range []struct {
		name, text string
		col        int
		want       string
	}{
		{"plain", "\tx = é + 1", 8, "     x = é + 1\n           ^"},
		{"control", "a\x1b[2Jb\xff\u202ec", 3, "    a·[2Jb··c\n      ^"},
		{"behind the end", "ab", 9, "    ab\n      ^"},
		{"long, begin", long, 1, "    " + long[:159] + "…\n    ^"},
		{"long, middle", long, 151, "    …" + long[71:229] + "…\n    " + strings.Repeat(" ", 80) + "^"},
	} {
		d := Diagnostic{Pos: Pos{"f.weir", 3, c.col}, Message: "m", Text: c.text}
		if got, want := d.String(), "f.weir:3:"; !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q", c.name, got)
		} else if _, got, _ := strings.Cut(got, "\n"); got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
}

func TestStringIsVisible(t *testing.T) {
	d := Diagnostic{Pos: Pos{"f\x1b[2J.weir", 3, 1}, Message: "no name \"a\nb\"", Hint: "write \x1b]0;c\a"}
	if got, want := d.String(), "f·[2J.weir:3:1: error: no name \"a·b\"\n  write ·]0;c·"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestSkipped shows a line whose beginning was left out.
func TestSkipped(t *testing.T) {
	d := Diagnostic{Pos: Pos{"f.weir", 3, 1003}, Message: "m", Text: "abcdef", Skipped: 1000}
	if got, want := d.String(), "f.weir:3:1003: error: m\n    abcdef\n      ^"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestEnd(t *testing.T) {
	const text = `    x = nosuch + f("a b") # é`
	for _, c := range []struct{ col, skipped, want int }{
		{5, 0, 6}, {9, 0, 15}, {16, 0, 17}, {20, 0, 25}, {26, 0, 27}, {0, 0, 0}, {40, 0, 40}, {109, 100, 115},
	} {
		d := Diagnostic{Pos: Pos{File: "a", Line: 1, Col: c.col}, Text: text, Skipped: c.skipped}
		if got := d.End(); got.Col != c.want || got.Line != 1 {
			t.Errorf("End of column %d of %q = %v, want column %d", c.col, text, got, c.want)
		}
	}
}
