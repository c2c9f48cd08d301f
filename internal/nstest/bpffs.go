package nstest

import (
	"testing"

	"golang.org/x/sys/unix"
)

// BPFFS mounts a BPF file system in a folder of the test's own, and returns the folder.
// It ends with the test, after what the test cleans up later.
func BPFFS(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	MountBPFFS(t, dir)
	return dir
}

// MountBPFFS is BPFFS in a folder that there is.
func MountBPFFS(t testing.TB, dir string) {
	t.Helper()
	if err := unix.Mount("bpf", dir, "bpf", 0, "mode=0700"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}
