package toll

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"weir/attach"
)

// TestLeftCgroup: the cgroup of a measurement that was killed goes with the next one.
func TestLeftCgroup(t *testing.T) {
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	root, err := attach.CgroupRoot()
	if err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(root, "weir-toll-"+strconv.Itoa(cmd.Process.Pid)+"-1")
	if err := os.Mkdir(left, 0o755); err != nil {
		t.Fatal(err)
	}
	first, err := newCgroup()
	if err != nil {
		t.Fatal(err)
	}
	second, err := newCgroup()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is there still: %v", left, err)
	}
	for _, dir := range []string{first, second} {
		if err := os.Remove(dir); err != nil {
			t.Errorf("one that is in use: %v", err)
		}
	}
}
