package format

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"weir/lang/diag"
)

// files returns every chain file of the repository that is formatted.
func files(t testing.TB) []string {
	t.Helper()
	var all []string
	for _, folder := range []string{"../../examples", "../std", "../testdata/corpus", "../testdata/compose/*"} {
		fs, err := filepath.Glob(folder + "/*.weir")
		if err != nil || len(fs) == 0 {
			t.Fatalf("%s: no chains (%v)", folder, err)
		}
		all = append(all, fs...)
	}
	return all
}

// TestHouse: examples, the library and the corpus are formatted.
func TestHouse(t *testing.T) {
	for _, f := range files(t) {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out, err := Source(f, src)
		if err != nil {
			t.Error(err)
			continue
		}
		if d := cmp.Diff(string(src), string(out)); d != "" {
			t.Errorf("%s is not formatted, run weir fmt -w %s (-is +want):\n%s", f, strings.TrimPrefix(f, "../../"), d)
		}
	}
}

// Each case is formatted to want, or stays as it is if that is "".
var cases = []struct{ name, src, want string }{
	{"aligned", "A = 1\nlonger = 2\n\nb = 3\n# of its own\nccc = 4\n", "A      = 1\nlonger = 2\n\nb = 3\n# of its own\nccc = 4\n"},
	{"aligned over brackets", "A = [\n  1\n]\nlonger = 2\n", "A      = [\n    1,\n]\nlonger = 2\n"},
	{"not aligned in blocks", "if True:\n    a = 1\n    bbb = 2\n", ""},
	{"augmented", "a = 1\nbbb += 2\nc = 3\n", ""},
	{"blanks", "x=f( a,b , c=1 )\ny = x [1]. z\nz=- x+~ y*2\n", "x = f(a, b, c = 1)\ny = x[1].z\nz = -x + ~y * 2\n"},
	{"quotes", "a = 'x' + 'say \"x\"' + b'GET ' + r'a\\b' + '''z'''\n", "a = \"x\" + 'say \"x\"' + b\"GET \" + r'a\\b' + \"\"\"z\"\"\"\n"},
	{"while and bytes", "def f(p):\n  i=0\n  while i<4 and p.payload.startswith(b\"\\x00\"):\n    i+=1\n", "def f(p):\n    i = 0\n    while i < 4 and p.payload.startswith(b\"\\x00\"):\n        i += 1\n"},
	{"top-level control", "for i in range(3):\n  if i: continue\n  else: pass\n", "for i in range(3):\n    if i:\n        continue\n    else:\n        pass\n"},
	{"semicolons", "a = 1; b = 2 # of b\n", "a = 1\nb = 2  # of b\n"},
	{"functions apart", "a = 1\n# of f\ndef f(): pass\n# of g\n\n\n\ndef g(): pass\nb = 1\n", "a = 1\n\n# of f\ndef f():\n    pass\n\n# of g\n\ndef g():\n    pass\n\nb = 1\n"},
	{"inner functions", "def f():\n    x = 1\n    def g():\n        return x\n    return g\n", ""},
	{"no blank lines at the ends of blocks", "\n\ndef f():\n\n    a = 1\n\n\n    b = 1\n\n\n\n", "def f():\n    a = 1\n\n    b = 1\n"},
	{"elif", "if a:\n  pass\n# why\nelif b: pass # b\nelse :  # not\n  # first\n  pass\n  # last\n# after\n", "if a:\n    pass\n# why\nelif b:\n    pass  # b\nelse:  # not\n    # first\n    pass\n    # last\n# after\n"},
	{"else with an if in it", "if a:\n    pass\nelse:\n    if b:\n        pass\n", ""},
	{"comments in lists", "A = [ # open\n  # own\n  1, 2, # one\n\n  # three\n  3 # last\n  # end\n] # close\n", "A = [  # open\n    # own\n    1, 2,  # one\n\n    # three\n    3,  # last\n    # end\n]  # close\n"},
	{"comments in odd places", "a = (b # b\n  . # dot\n  c) # c\nx = {1 # one\n: # colon\n 2}\n", ""},
	{"comment columns", "a = 1 # a\nbcd = 22 # b\n\ne = 333333 # e\n", "a   = 1   # a\nbcd = 22  # b\n\ne = 333333  # e\n"},
	{"only comments", "# a\n\n\n# b", "# a\n\n# b\n"},
	{"comment behind a function", "def f():\n    pass\n# end\n", "def f():\n    pass\n\n# end\n"},
	{"operators", "x = (a and\n  b or c) if d else (\n  e)\n", "x = (\n    a\n    and b or c\n) if d else (\n    e\n)\n"},
	{"tuples", "x = (1,)\ny = ()\nfor a, b in [(1, 2)]:\n    a, b = b, a\n", "x = (1,)\ny = ()\nfor a, b in [(1, 2)]:\n    a, b = b, a\n"},
	{"arguments", "def f(a, b = 1, *c, **d):\n    return g(*c, **d)\n", ""},
	{"lambda and slices", "f = lambda x, y = 1: x[1:2] + x[::3] + y[:]\ng = lambda: 0\n", ""},
	{"comprehensions", "x = [a for a, b in c if a if b]\ny = {a: 1\n  for a in b}\n", "x = [a for a, b in c if a if b]\ny = {\n    a: 1\n    for a in b\n}\n"},
	{"loads", "load('./x.weir' ,\"a\" , c='b', # why\n)\n", "load(\n    \"./x.weir\", \"a\", c = \"b\",  # why\n)\n"},
	{"continued lines", "x = 1 + \\\n  2\n", "x = 1 + 2\n"},
	{"text keeps its lines", "def f():\n  \"\"\"a\n b  \n\n\n  c\"\"\"\n", "def f():\n    \"\"\"a\n b  \n\n\n  c\"\"\"\n"},
	{"ends of lines", "a = 1\r\nb = 2\r# c \r\n", "a = 1\nb = 2\n# c\n"},
	{"nothing", "", ""},
	{"not and minus", "x = not not a\ny = - -1\n", "x = not not a\ny = --1\n"},
	{"hugged", "x = f(1, [\n  2,\n])\n", "x = f(1, [\n    2,\n])\n"},
}

func TestSource(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := Source("a.weir", []byte(c.src))
			if err != nil {
				t.Fatal(err)
			}
			want := c.want
			if want == "" {
				want = c.src
			}
			if c.name == "comments in odd places" {
				for _, text := range []string{"# b", "# dot", "# c", "# one", "# colon"} {
					if strings.Count(string(got), text) != strings.Count(c.src, text) {
						t.Errorf("%q is lost:\n%s", text, got)
					}
				}
				want = string(got)
			}
			if d := cmp.Diff(want, string(got)); d != "" {
				t.Errorf("Source(%q) (-want +got):\n%s", c.src, d)
			}
			again, err := Source("a.weir", got)
			if err != nil || string(again) != string(got) {
				t.Errorf("formatted twice it changes (%v):\n%s", err, cmp.Diff(string(got), string(again)))
			}
		})
	}
}

// TestLong: what is too long for a line is broken in its brackets, and nothing
// that the author broke is joined.
func TestLong(t *testing.T) {
	word := strings.Repeat("w", 30)
	for _, c := range []struct{ name, src, want string }{
		{"on one line", "x = f(" + word + ", " + word + ", " + word + ")", "x = f(\n    W, W, W,\n)\n"},
		{"a line each", "x = f(" + strings.Repeat(word+", ", 3) + word + ")", "x = f(\n    W,\n    W,\n    W,\n    W,\n)\n"},
		{"a dict", "x = f(a, {1: " + word + ", 2: " + word + ", 3: " + word + "})", "x = f(a, {\n    1: W,\n    2: W,\n    3: W,\n})\n"},
		{"numbers", "x = [" + strings.Repeat("1000, ", 20) + "1]", "x = [\n    " + strings.TrimSpace(strings.Repeat("1000, ", 16)) + "\n    1000, 1000, 1000, 1000, 1,\n]\n"},
		{"conditions", "x = a and (" + word + " or " + word + " or " + word + ")", "x = a and (\n    W\n    or W\n    or W\n)\n"},
		{"operators outside", "x = " + word + " + f(" + word + ") + f(" + word + ")", "x = W + f(W) + f(W)\n"},
		{"kept broken", "x = f(\n1)", "x = f(\n    1,\n)\n"},
	} {
		got, err := Source("a.weir", []byte(c.src))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(strings.ReplaceAll(c.want, "W", word), string(got)); d != "" {
			t.Errorf("%s: Source(%q) (-want +got):\n%s", c.name, c.src, d)
		}
	}
}

func TestNotAChain(t *testing.T) {
	_, err := Source("a.weir", []byte("def main(pkt)\n    return PASS\n"))
	var ds diag.List
	if !errors.As(err, &ds) || len(ds) != 1 || ds[0].Pos.Line != 1 || ds[0].Hint == "" {
		t.Errorf("Source = %v, want the diagnostic of the parser", err)
	}
}

// FuzzSource: what can be parsed can be formatted, means the same, keeps its
// comments (Source itself compares both), and formatted twice it is the same.
func FuzzSource(f *testing.F) {
	for _, name := range files(f) {
		src, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	for _, c := range cases {
		f.Add([]byte(c.src))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		out, err := Source("a.weir", src)
		var ds diag.List
		if errors.As(err, &ds) && !strings.Contains(err.Error(), "fault of weir") {
			return
		}
		if err != nil {
			t.Fatalf("%v\n%q", err, src)
		}
		again, err := Source("a.weir", out)
		if err != nil || string(again) != string(out) {
			t.Fatalf("formatted twice it changes (%v)\n%q\n%q\n%q", err, src, out, again)
		}
	})
}
