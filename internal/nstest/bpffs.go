package nstest

import (
	"testing"

	"golang.org/x/sys/unix"
)

// BPFFS mounts a BPF file system of the test's own, which ends with it, after what the
// test cleans up later. It returns the folder.
func BPFFS(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("bpf", dir, "bpf", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}
