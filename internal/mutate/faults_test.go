package main

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The list of faults fits the tree: each text is there once, and what is left
// after the change is Go. So a fault cannot go stale in silence.
func TestFaultsFitTheTree(t *testing.T) {
	const want = 55
	if len(faults) != want {
		t.Errorf("%d faults, want %d", len(faults), want)
	}
	names, folders := map[string]bool{}, map[string]int{}
	for _, f := range faults {
		if names[f.name] {
			t.Errorf("two faults %q", f.name)
		}
		names[f.name] = true
		folders[filepath.Dir(f.file)]++
		src, err := os.ReadFile(filepath.Join("../..", f.file))
		if err != nil {
			t.Error(err)
			continue
		}
		wrong, err := f.plant(string(src))
		if err != nil {
			t.Errorf("fault %q: %v", f.name, err)
			continue
		}
		if _, err := parser.ParseFile(token.NewFileSet(), f.file, wrong, 0); err != nil || wrong == string(src) {
			t.Errorf("fault %q: changes nothing, or is no Go: %v", f.name, err)
		}
	}
	for _, dir := range []string{"packet", "lang/check", "lang/lower", "lang/opt", "lang/gen"} {
		if folders[dir] < 3 {
			t.Errorf("%d faults in %s: they are to be spread over the compiler", folders[dir], dir)
		}
	}
}

func TestPlantRefuses(t *testing.T) {
	f := fault{name: "x", file: "x.go", old: "a + b", new: "a - b"}
	for _, src := range []string{"a - b", "a + b; a + b"} {
		if got, err := f.plant(src); err == nil {
			t.Errorf("plant in %q = %q, want an error", src, got)
		}
	}
	if got, err := f.plant("c = a + b"); err != nil || got != "c = a - b" {
		t.Errorf("plant = %q, %v", got, err)
	}
}

func TestTold(t *testing.T) {
	out := strings.Join([]string{
		"--- FAIL: TestCorpus (1.00s)",
		"    --- FAIL: TestCorpus/tcp/flags (0.10s)",
		"        corpus_test.go:66: xdp: frame syn: (-reference +kernel):",
	}, "\n")
	test, why := told([]byte(out))
	if test != "TestCorpus/tcp/flags" || why != "xdp: frame syn: (-reference +kernel):" {
		t.Errorf("told = %q, %q", test, why)
	}
	if test, _ := told([]byte("fatal error: stack overflow")); test != "the program died" {
		t.Errorf("told of a death = %q", test)
	}
}
