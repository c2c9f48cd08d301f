// Package golden compares what a test got with a file of the tree, or writes that
// file anew. Whether it does is the test's own flag -update: the package defines
// none, so that tests that have no golden files do not get one.
package golden

import (
	"os"
	"testing"
)

// Compare fails t if the content of file is not got. If update is set it writes
// the file instead. renew says how to do that, for the message.
func Compare(t *testing.T, file, got string, update bool, renew string) {
	t.Helper()
	if update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (to accept: %s):\n%s", file, renew, got)
	}
}
