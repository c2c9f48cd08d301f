package examples_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weir/wtest"
)

// TestTests runs the tests that stand beside the examples.
func TestTests(t *testing.T) {
	files, err := filepath.Glob("*" + wtest.Suffix)
	if err != nil || len(files) < 3 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, f := range files {
		n, err := wtest.Run(t.Context(), f, wtest.Options{Load: os.ReadFile, Each: func(r wtest.Result) error {
			t.Run(strings.TrimSuffix(filepath.Base(r.File), wtest.Suffix)+"/"+r.Name, func(t *testing.T) {
				if r.Status != wtest.Passed {
					t.Errorf("%s:%d: %s %q", r.File, r.Line, r.Message, r.Details)
				}
			})
			return nil
		}})
		if err != nil || n == 0 {
			t.Errorf("%s: %d tests: %v", f, n, err)
		}
	}
}
