package term

import (
	"strings"
	"testing"
	"time"

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

func TestDuration(t *testing.T) {
	for in, want := range map[string]string{
		"1h": "1h", "90s": "1m30s", "1m": "1m", "3600s": "1h", "1h1m": "1h1m", "1h5s": "1h0m5s", "10m": "10m", "10s": "10s", "500ms": "500ms", "0s": "0s", "20h": "20h",
	} {
		d, err := time.ParseDuration(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := Duration(d); got != want {
			t.Errorf("Duration(%s) = %q, want %q", in, got, want)
		}
	}
}

// What a terminal would obey is shown as ·, but for our own colours.
func TestClean(t *testing.T) {
	plain, colored := &Term{}, &Term{Color: true}
	for _, c := range []struct {
		t        *Term
		in, want string
	}{
		{plain, "a\nb\x1b[2Jc\td\xffe\u202ef\u009bg é", "a·b·[2Jc d·e·f·g é"},
		{plain, "\x1b[31mred\x1b[0m", "·[31mred·[0m"},
		{colored, colored.Paint(Red, "a\r\nb") + "\n" + colored.Paint(Bold, "c"), "\x1b[31ma··b\x1b[0m·\x1b[1mc\x1b[0m"},
		{colored, "\x1b[31mnot closed", "·[31mnot closed"},
		{colored, "\x1b[8mhidden\x1b[0m", "·[8mhidden·[0m"},
		{colored, "\x1b]0;title\a", "·]0;title·"},
	} {
		tb := Table{Head: []string{"X"}}
		tb.Add(c.in)
		if got := tb.Lines(c.t)[1]; got != c.want {
			t.Errorf("a cell of %q is %q, want %q", c.in, got, c.want)
		}
	}
	var out strings.Builder
	NewScreen(&Term{Writer: &out}).Draw([]string{"a\x1b[2Jb"})
	if want := "\x1b[?25la·[2Jb\x1b[K\n\x1b[J"; out.String() != want {
		t.Errorf("drawn %q, want %q", out.String(), want)
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
