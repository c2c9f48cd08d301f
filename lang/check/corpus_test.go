package check_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"weir/hook"
	"weir/lang/check"
)

var chainDef = regexp.MustCompile(`(?m)^def ([a-zA-Z]\w*)\(pkt\):`)

// TestCorpus checks that every chain of the corpus is accepted at every hook.
func TestCorpus(t *testing.T) {
	files, err := filepath.Glob("../testdata/corpus/*.weir")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("the corpus is empty")
	}
	for _, f := range files {
		if strings.HasPrefix(filepath.Base(f), "mod_") {
			continue
		}
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range chainDef.FindAllSubmatch(src, -1) {
			name := string(m[1])
			t.Run(filepath.Base(f)+":"+name, func(t *testing.T) {
				for _, h := range hook.Frames() {
					p, list := check.Check(f, src, check.Options{Func: name, Hook: h, Load: os.ReadFile})
					if err := list.Err(); err != nil {
						t.Fatalf("%s at %s:\n%s", name, h, err)
					}
					if len(p.Chains) != 1 || p.Chains[0].Main != p.Funcs[len(p.Funcs)-1] {
						t.Fatalf("%s at %s: the attached function is not the last", name, h)
					}
					if p.String() == "" {
						t.Fatal("no text")
					}
				}
			})
		}
	}
}
