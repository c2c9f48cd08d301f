package check_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weir/internal/golden"
	"weir/lang/check"
)

var update = flag.Bool("update", false, "write what was got as what is wanted")

func load(name string) ([]byte, error) {
	if name == "lib/private.weir" {
		return nil, fmt.Errorf("no such file")
	}
	if strings.HasSuffix(name, ".o") {
		return os.ReadFile(filepath.Join("../../object/testdata", filepath.Base(name)))
	}
	return os.ReadFile(filepath.Join("testdata", name))
}

// TestTree compares the typed trees of representative chains.
func TestTree(t *testing.T) {
	files, err := filepath.Glob("testdata/tree/*.weir")
	if err != nil || len(files) == 0 {
		t.Fatalf("no chains: %v", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".weir"), func(t *testing.T) {
			src, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			name := strings.TrimPrefix(f, "testdata/")
			p, list := check.Check(name, src, check.Options{Load: load})
			if len(list) > 0 {
				t.Fatalf("%s:\n%s", f, list)
			}
			compare(t, strings.TrimSuffix(f, ".weir")+".tree", p.String())
		})
	}
}

func compare(t *testing.T, file, got string) {
	t.Helper()
	golden.Compare(t, file, got, *update, "run with -update")
}

// TestLambda wants the place of a lambda's body for the return that it is.
func TestLambda(t *testing.T) {
	p, list := check.Check("t.weir", []byte("\nmain = lambda pkt: DROP\n"), check.Options{})
	if list.Err() != nil {
		t.Fatal(list)
	}
	main := p.Chains[0].Main
	r, ok := main.Body[0].(*check.Return)
	if !ok || r.Pos.Line != 2 || r.Pos.Col != 20 {
		t.Errorf("the return of a lambda is %+v, want one at 2:20", main.Body[0])
	}
}
