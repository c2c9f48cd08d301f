package term

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNumber(t *testing.T) {
	for _, c := range []struct {
		x    float64
		want string
	}{
		{0, "0"}, {7, "7"}, {7.25, "7.25"}, {12.34, "12.3"}, {512, "512"}, {999.4, "999"}, {999.6, "1.00 k"},
		{1234, "1.23 k"}, {45_600_000, "45.6 M"}, {123_456_789, "123 M"}, {-5, "-5"}, {2e21, "2e+03 E"},
	} {
		if got := Number(c.x); got != c.want {
			t.Errorf("Number(%v) = %q, want %q", c.x, got, c.want)
		}
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := Count(n); got != want {
			t.Errorf("Count(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestCutKeepsColours(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"abc", "abc"}, {"abcdef", "abc…"}, {"\x1b[31mabcdef\x1b[0m", "\x1b[31mabc…\x1b[0m"}, {"äöüß!", "äöü…"},
	} {
		if got := Cut(c.in, 4); got != c.want {
			t.Errorf("Cut(%q, 4) = %q, want %q", c.in, got, c.want)
		}
	}
}

func TestBar(t *testing.T) {
	for _, c := range []struct {
		f    float64
		want string
	}{
		{0, "    "}, {1, "████"}, {0.5, "██  "}, {0.001, "▏   "}, {2, "████"}, {0.3, "█▎  "},
	} {
		if got := Bar(c.f, 4); got != c.want {
			t.Errorf("Bar(%v, 4) = %q, want %q", c.f, got, c.want)
		}
	}
}

func TestTable(t *testing.T) {
	tb := Table{Head: []string{"NAME", ">PACKETS", "WHERE"}}
	tb.Add("edge", "1,234", "eth0")
	tb.Add("a", "5")
	var out strings.Builder
	if err := tb.Write(Plain(&out)); err != nil {
		t.Fatal(err)
	}
	want := "NAME  PACKETS  WHERE\nedge    1,234  eth0\na           5\n"
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestScreenDrawsInPlace(t *testing.T) {
	var out strings.Builder
	s := NewScreen(&Term{Writer: &out})
	s.Draw([]string{"a", "b"})
	s.Draw([]string{"c"})
	s.Close()
	want := "\x1b[?25la\x1b[K\nb\x1b[K\n\x1b[J" + "\x1b[2A\rc\x1b[K\n\x1b[J" + "\x1b[?25h"
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
