package nstest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A Cgroup is a cgroup of version 2 that this process is in until the test ends, or
// leaves it.
type Cgroup struct {
	Path string // from the root of the hierarchy
	Dir  string // the folder
	ID   uint64 // as the kernel numbers it: the inode of Dir

	t   testing.TB
	was string // the folder of the cgroup that the process was in
}

// NewCgroup makes a cgroup with this process in it. No other test may run beside.
func NewCgroup(t testing.TB) *Cgroup {
	t.Helper()
	root := "/sys/fs/cgroup"
	if _, err := os.Stat(root + "/unified/cgroup.procs"); err == nil {
		root += "/unified" // beside those of version 1
	}
	was := root
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			was = filepath.Join(root, path)
		}
	}
	return enter(t, root, fmt.Sprintf("/weir-test-%d-%d", os.Getpid(), time.Now().UnixNano()), was)
}

// Below makes a cgroup below c, with this process in it until the test ends.
func (c *Cgroup) Below(name string) *Cgroup {
	c.t.Helper()
	return enter(c.t, strings.TrimSuffix(c.Dir, c.Path), c.Path+"/"+name, c.Dir)
}

func enter(t testing.TB, root, path, was string) *Cgroup {
	t.Helper()
	c := &Cgroup{Path: path, Dir: root + path, t: t, was: was}
	if err := os.Mkdir(c.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Leave()
		// The kernel counts sockets that have just been closed for a moment longer.
		err := os.Remove(c.Dir)
		for range 100 {
			if !errors.Is(err, unix.EBUSY) {
				break
			}
			time.Sleep(10 * time.Millisecond)
			err = os.Remove(c.Dir)
		}
		if err != nil {
			t.Error(err)
		}
	})
	c.Enter()
	info, err := os.Stat(c.Dir)
	if err != nil {
		t.Fatal(err)
	}
	c.ID = info.Sys().(*syscall.Stat_t).Ino
	return c
}

// Enter moves this process into the cgroup: sockets that it makes from here on
// belong to it.
func (c *Cgroup) Enter() { c.move(c.Dir) }

// Leave moves this process back to where it was.
func (c *Cgroup) Leave() { c.move(c.was) }

func (c *Cgroup) move(to string) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(to, "cgroup.procs"), fmt.Append(nil, os.Getpid()), 0); err != nil {
		c.t.Fatal(err)
	}
}
