package lower_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weir/hook"
	"weir/lang/check"
	"weir/lang/ir"
	"weir/lang/lower"
	"weir/lang/std"
)

const corpus = "../testdata/corpus"

func load(name string) ([]byte, error) {
	if strings.HasPrefix(name, "std/") {
		return std.Read(name)
	}
	return os.ReadFile(name)
}

// Every chain of the corpus becomes a valid middle form, at every hook and in
// every variant.
func TestCorpusIsValid(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(corpus, "*.weir"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	variants := map[string]lower.Options{
		"xdp":        {Hook: hook.XDP},
		"xdp frags":  {Hook: hook.XDP, Frags: true, Trace: true},
		"tc-ingress": {Hook: hook.TCIngress, Clock: true},
	}
	for _, file := range files {
		if strings.HasPrefix(filepath.Base(file), "mod_") {
			continue
		}
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range chains(string(src)) {
			for v, opts := range variants {
				tree, ds := check.Check(file, src, check.Options{Func: name, Hook: opts.Hook, Load: load})
				if err := ds.Err(); err != nil {
					t.Errorf("%s: %v", name, err)
					break
				}
				res, ds := lower.Lower(tree, opts)
				if err := ds.Err(); err != nil {
					t.Errorf("%s at %s: %v", name, v, err)
					continue
				}
				for _, f := range res.IR.Funcs {
					if err := ir.Verify(f); err != nil {
						t.Errorf("%s:%s at %s: %v", file, name, v, err)
					}
				}
			}
		}
	}
}

func chains(src string) []string {
	var names []string
	for _, line := range strings.Split(src, "\n") {
		if rest, ok := strings.CutPrefix(line, "def "); ok && !strings.HasPrefix(rest, "_") {
			if name, _, ok := strings.Cut(rest, "(pkt):"); ok {
				names = append(names, name)
			}
		}
	}
	return names
}
