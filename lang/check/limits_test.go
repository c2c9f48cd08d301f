package check_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weir/lang/check"
)

// TestLimits feeds what is too much, and asks that each limit is named.
func TestLimits(t *testing.T) {
	chain := "\ndef main(pkt):\n    return PASS\n"
	deep := func(open, end string, n int) string {
		return "x = " + strings.Repeat(open, n) + "1" + strings.Repeat(end, n)
	}
	var blocks strings.Builder
	for i := range 300 {
		blocks.WriteString(strings.Repeat(" ", i) + "if True:\n")
	}
	blocks.WriteString(strings.Repeat(" ", 300) + "pass\n")
	tests := []struct {
		name, src, want string
		steps           uint64
	}{
		{"endless loop", "n = 0\nwhile True:\n    n += 1", "more than the limit of 1000000 steps", 1_000_000},
		{"endless comprehension", "x = [[0 for a in range(10000)] for b in range(10000)]", "more than the limit of 1000000 steps", 1_000_000},
		{"large source", strings.Repeat("# a comment\n", 1<<20), "more than the limit of 4194304", 1_000_000},
		{"brackets", deep("(", ")", 100_000), "nested deeper than the limit of 200", 1_000_000},
		{"unclosed brackets", strings.Repeat("(", 3<<20), "nested deeper than the limit of 200", 1_000_000},
		{"lists", deep("[", "]", 500), "nested deeper than the limit of 200", 1_000_000},
		{"negations", deep("not ", "", 100_000), "nested deeper than the limit of 200", 1_000_000},
		{"signs", deep("-", "", 100_000), "nested deeper than the limit of 200", 1_000_000},
		{"sums", deep("1 + ", "", 100_000), "nested deeper than the limit of 200", 1_000_000},
		{"dots", "x = a" + strings.Repeat(".b", 100_000), "nested deeper than the limit of 200", 1_000_000},
		{"calls", "x = a" + strings.Repeat("()", 100_000), "nested deeper than the limit of 200", 1_000_000},
		{"indices", "x = a" + strings.Repeat("[0]", 100_000), "nested deeper than the limit of 200", 1_000_000},
		{"conditionals", deep("1 if 1 else ", "", 100_000), "nested deeper than the limit of 200", 1_000_000},
		{"lambdas", deep("lambda: ", "", 100_000), "nested deeper than the limit of 200", 1_000_000},
		{"blocks", blocks.String(), "nested deeper than the limit of 200", 1_000_000},
		{"elifs", "if 1:\n    pass\n" + strings.Repeat("elif 1:\n    pass\n", 5000), "nested deeper than the limit of 200", 1_000_000},
		{"giant map", "t = table(u64, u64, size = 1 << 62)", "more than the limit of 134217728 entries", 1_000_000},
		{"giant value", "t = table(u64, (" + strings.Repeat("u64,", 1000) + "), size = 1)", "more than the limit of 4096", 1_000_000},
		{"deep value", "x = []\nfor i in range(3000000):\n    x = [x]", "more lists, dicts, tuples and functions than the limit of 2000000", 0},
		{"zero octet", "x = 1\x00", "zero octet", 1_000_000},
		{"garbage", "\x7fELF\x02\x01\x01\xfe\xff", "not UTF-8", 1_000_000},
		{"many functions", manySpecials(), "more functions are specialised than the limit of 512", 1_000_000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if !strings.Contains(tt.src, "def main") {
				tt.src += chain
			}
			_, list := check.Check("t.weir", []byte(tt.src), check.Options{MaxSteps: tt.steps})
			if len(list) == 0 || !strings.Contains(list.Error(), tt.want) {
				t.Errorf("got %.300s, want %q", list.Error(), tt.want)
			}
		})
	}
}

func manySpecials() string {
	var b strings.Builder
	b.WriteString("def f(name):\n    count(name)\n\ndef g(pkt):\n")
	for i := range 600 {
		fmt.Fprintf(&b, "    f(\"n%d\")\n", i)
	}
	b.WriteString("    return PASS\n\ndef main(pkt):\n    return g(pkt)\n#")
	return b.String()
}

// TestTimeLimit stops what runs too long by the clock.
func TestTimeLimit(t *testing.T) {
	src := "n = 0\nwhile True:\n    n += 1\n"
	_, list := check.Check("t.weir", []byte(src), check.Options{MaxSteps: 1 << 40, MaxTime: 20 * time.Millisecond})
	if want := "more than the limit of 20ms"; !strings.Contains(list.Error(), want) {
		t.Errorf("got %s, want %q", list.Error(), want)
	}
}

// TestLoad checks how modules are found, and what is said if they are wrong.
func TestLoad(t *testing.T) {
	files := map[string]string{
		"lib/a.weir":      `load("./sub/b.weir", "f")` + "\ng = f\nt = table(ip4, size = 4)\n_hidden = 1\n",
		"lib/sub/b.weir":  `load("../c.weir", "two")` + "\ndef f(pkt):\n    return pkt.len * two\n",
		"lib/c.weir":      "two = 2\nprint(\"once\")\n",
		"lib/x.weir":      `load("./y.weir", "y")` + "\nx = 1\n",
		"lib/y.weir":      `load("./x.weir", "x")` + "\ny = 1\n",
		"lib/broken.weir": "def f(:\n",
		"lib/fails.weir":  "f = 1 // 0\n",
		"lib/wrong.weir":  "def f(pkt):\n    return pkt.colour\n",
	}
	load := func(name string) ([]byte, error) {
		if text, ok := files[name]; ok {
			return []byte(text), nil
		}
		return nil, os.ErrNotExist
	}
	tests := []struct{ name, src, want string }{
		{"nested and once", "load(\"./lib/a.weir\", \"g\")\nload(\"./lib/c.weir\", \"two\")\ndef main(pkt):\n    return DROP if g(pkt) > two else PASS\n", "lib/c.weir:2:6: warning: prints once"},
		{"cycle", "load(\"./lib/x.weir\", \"x\")\n", "lib/x.weir loads itself: lib/x.weir → lib/y.weir → lib/x.weir"},
		{"syntax", "load(\"./lib/broken.weir\", \"f\")\n", "lib/broken.weir:1:7: error: "},
		{"build", "load(\"./lib/fails.weir\", \"f\")\n", "lib/fails.weir:1:7: error: floored division by zero"},
		{"packet time", "load(\"./lib/wrong.weir\", \"f\")\ndef main(pkt):\n    f(pkt)\n    return PASS\n", "lib/wrong.weir:2:16: error: the packet has no colour"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, list := check.Check("main.weir", []byte(tt.src), check.Options{Load: load})
			if !strings.Contains(list.Error(), tt.want) || strings.Count(list.Error(), ": error: ")+strings.Count(list.Error(), ": warning: ") != 1 {
				t.Errorf("got %s, want %q alone", list.Error(), tt.want)
			}
			if tt.name == "nested and once" && (p == nil || strings.Join(p.Files, " ") != "main.weir lib/a.weir lib/sub/b.weir lib/c.weir") {
				t.Errorf("files: %v", p)
			}
		})
	}
}

// TestNames checks by which paths maps and params are known.
func TestNames(t *testing.T) {
	mod := "def make(k):\n    state = table(k, u32, size = 4)\n    rate = param(u32, 5)\n    def hit(x):\n        state[x] += rate\n    return struct(hit = hit)\nown = table(u8, size = 4)\ninner = struct(deep = struct(t = table(u16, size = 4)))\ndef use(pkt):\n    own.add(1)\n    inner.deep.t.add(2)\nlimit = param(u8, 1)\n"
	src := `load("./mod.weir", "make", "use", max_len = "limit")
blocked = table(ip4, size = 4)
b = make(ip4)
tables = [table(u8, size = 4), table(u16, size = 4)]
named = {"x": table(u32, size = 4)}
alias = tables[1]
def closure():
    m = table(u64, size = 4)
    def f(x):
        m.add(x)
    return f
add = closure()
def main(pkt):
    b.hit(pkt.ip4.src)
    use(pkt)
    add(1)
    return DROP if pkt.len > max_len else PASS
`
	load := func(string) ([]byte, error) { return []byte(mod), nil }
	p, list := check.Check("main.weir", []byte(src), check.Options{Load: load})
	if list.Err() != nil {
		t.Fatal(list)
	}
	var got []string
	for _, m := range p.Maps {
		got = append(got, m.Name)
	}
	for _, q := range p.Params {
		got = append(got, "param "+q.Name)
	}
	want := `add.m alias b.state blocked mod.inner.deep.t mod.own named["x"] tables[0] param b.rate param max_len`
	if strings.Join(got, " ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, " "), want)
	}
}

func FuzzCheck(f *testing.F) {
	for _, pattern := range []string{"testdata/tree/*.weir", "testdata/errors/*.weir", "../testdata/corpus/*.weir", "../std/*.weir"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			all := chunks(string(text))
			if len(all) == 0 {
				all = []chunk{{text: string(text)}}
			}
			for _, c := range all {
				f.Add([]byte(c.text))
			}
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		p, list := check.Check("fuzz.weir", src, check.Options{MaxSteps: 20_000, MaxTime: time.Second})
		for _, d := range list {
			if d.Code == "internal" || d.Message == "" {
				t.Fatalf("%s", d)
			}
		}
		if p == nil && list.Err() == nil {
			t.Fatal("neither a program nor an error")
		}
		if p != nil {
			_ = p.String()
		}
	})
}

// BenchmarkCheck types files of n functions of ten lines each.
func BenchmarkCheck(b *testing.B) {
	for _, n := range []int{250, 500, 1000} {
		src := bigChain(n)
		b.Run(fmt.Sprintf("lines=%d", 10*n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, list := check.Check("big.weir", src, check.Options{}); list.Err() != nil {
					b.Fatal(list)
				}
			}
		})
	}
}

func bigChain(n int) []byte {
	var s strings.Builder
	s.WriteString("seen = table(ip4, u64, size = 1000)\n")
	for i := range n {
		fmt.Fprintf(&s, `
def f%[1]d(pkt, x):
    ip = pkt.ip4
    if not ip:
        return x
    total = x + %[1]d
    for i in range(4):
        total += pkt.u8(i) * ip.ttl
    seen[ip.src] += total
    return total
`, i)
	}
	s.WriteString("def main(pkt):\n    n = 0\n")
	for i := range min(n, 500) {
		fmt.Fprintf(&s, "    n = f%d(pkt, n)\n", i)
	}
	s.WriteString("    return DROP if n > 5 else PASS\n")
	return []byte(s.String())
}
