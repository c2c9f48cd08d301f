package arch

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// TestDependencies: each direct dependency has its row in docs/dependencies.md,
// and there is no row without one.
func TestDependencies(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs/dependencies.md"))
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllSubmatch(text, -1) {
		told = append(told, string(m[1]))
	}
	have := direct(t)
	for _, m := range have {
		if !slices.Contains(told, m) {
			t.Errorf("docs/dependencies.md: no row for %s: what it saves, what it drags in, what else was weighed", m)
		}
	}
	for _, m := range told {
		if !slices.Contains(have, m) {
			t.Errorf("docs/dependencies.md: %s is no direct dependency of go.mod", m)
		}
	}
}

// direct returns the modules that go.mod and scripts/tools.mod ask for
// themselves.
func direct(t *testing.T) []string {
	t.Helper()
	cmd := exec.Command("go", "mod", "edit", "-json")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var mod struct {
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	ms := []string{"honnef.co/go/tools"} // of scripts/tools.mod, where all are marked indirect
	for _, r := range mod.Require {
		if !r.Indirect {
			ms = append(ms, r.Path)
		}
	}
	return ms
}
