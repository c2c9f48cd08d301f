package datapath

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"weir/internal/nstest"
)

// What was made to take the place of something else, by a process that was killed
// before it did, is in nobody's way.
func TestLeftOver(t *testing.T) {
	n := nstest.New(t)
	k := kernel(t)
	n.Veth("wa", "wb", 1500)
	attachedAs(t, k, Options{Chains: compiled(t, n, first, "wa")})
	attachedAs(t, k, Options{Replace: true, Chains: compiled(t, n, second, "wa")})
	dir := k.dir("edge")
	leave := func() (left []string) {
		for _, number := range []string{"1", "2"} {
			m, err := readManifest(filepath.Join(dir, number, manifestName))
			if err != nil {
				t.Fatal(err)
			}
			obj, err := m.store()
			if err != nil {
				t.Fatal(err)
			}
			defer obj.Close()
			left = append(left, filepath.Join(dir, number, manifestName+nextSuffix))
			if err := obj.Pin(left[len(left)-1]); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink("generation=9", filepath.Join(dir, recordName+nextSuffix)); err != nil {
			t.Fatal(err)
		}
		return append(left, filepath.Join(dir, recordName+nextSuffix))
	}
	leave()
	if now, err := k.Rollback(t.Context(), "edge"); now != 1 || err != nil {
		t.Fatalf("Rollback() = %d, %v", now, err)
	}
	if err := k.Detach(t.Context(), "edge"); err != nil {
		t.Fatal(err)
	}

	// Who was killed at a rollback has said before that it is at work.
	attachedAs(t, k, Options{Chains: compiled(t, n, first, "wa")})
	attachedAs(t, k, Options{Replace: true, Chains: compiled(t, n, second, "wa")})
	if err := (record{Generation: 2, Previous: 1, Busy: true}).write(dir); err != nil {
		t.Fatal(err)
	}
	left := leave()
	if _, err := k.Names(); err != nil {
		t.Fatal(err)
	}
	for _, path := range left {
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", path, err)
		}
	}
	if now, err := k.Rollback(t.Context(), "edge"); now != 1 || err != nil {
		t.Errorf("Rollback() = %d, %v", now, err)
	}
}
