package check_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weir/hook"
	"weir/lang/check"
)

// TestErrors compares, word for word, what is said about wrong programs. A file
// of testdata/errors holds many, each under a line "=== NAME"; the golden file
// beside it holds what the compiler says.
func TestErrors(t *testing.T) {
	files, err := filepath.Glob("testdata/errors/*.weir")
	if err != nil || len(files) == 0 {
		t.Fatalf("no programs: %v", err)
	}
	total := 0
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".weir"), func(t *testing.T) {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for _, c := range chunks(string(text)) {
				total++
				opts := check.Options{Load: load, MaxSteps: 1_000_000}
				if i := strings.LastIndex(c.name, " at "); i >= 0 { // another hook than XDP
					if h, err := hook.Parse(c.name[i+len(" at "):]); err == nil {
						opts.Hook = h
					}
				}
				_, list := check.Check("t.weir", []byte(c.text), opts)
				if len(list) == 0 {
					t.Errorf("%s: nothing is said about it", c.name)
				}
				for _, d := range list {
					if d.Message == "" || d.Hint == "" || d.Code == "" || strings.HasSuffix(d.Message, ".") || strings.HasSuffix(d.Hint, ".") {
						t.Errorf("%s: %#v", c.name, d)
					}
				}
				got.WriteString("=== " + c.name + "\n" + list.Error() + "\n")
			}
			compare(t, strings.TrimSuffix(f, ".weir")+".golden", got.String())
		})
	}
	if total < 60 {
		t.Errorf("%d wrong programs are too few", total)
	}
}

type chunk struct{ name, text string }

func chunks(text string) []chunk {
	var out []chunk
	for _, c := range strings.Split("\n"+text, "\n=== ")[1:] {
		name, body, _ := strings.Cut(c, "\n")
		out = append(out, chunk{name, strings.TrimSuffix(body, "\n") + "\n"})
	}
	return out
}
