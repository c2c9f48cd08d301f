package agent

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"weir/datapath"
)

// ErrRunning is the error of a second agent.
var ErrRunning = errors.New("an agent runs already")

// defaultLock is the lock of the agent of this machine's own pins.
const defaultLock = "/run/weir-agent.lock"

// lockFile is beside the lock of the kernel, which is held for each change. Agents of
// other pins have other locks.
func lockFile(k datapath.Kernel) string {
	path := defaultLock
	if k.Lock != "" {
		path = k.Lock + ".agent"
	}
	if root := filepath.Clean(k.Root); k.Root != "" && root != datapath.DefaultRoot {
		path += "." + url.PathEscape(root)
	}
	return path
}

// hold makes this process the agent, until it ends or releases that.
func hold(k datapath.Kernel) (release func(), err error) {
	path := lockFile(k)
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, fmt.Errorf("lock of the agent: %w", err)
		}
		switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
		case errors.Is(err, unix.EWOULDBLOCK):
			holder, _ := os.ReadFile(path)
			f.Close()
			return nil, fmt.Errorf("%w (%s): stop that one first, or send it SIGHUP to make it look at its config", ErrRunning, strings.TrimSpace(string(holder)))
		case err != nil:
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		// Who released it may have removed it between the two calls.
		mine, err := f.Stat()
		if there, e := os.Stat(path); err != nil || e != nil || !os.SameFile(mine, there) {
			f.Close()
			continue
		}
		f.Truncate(0)
		f.WriteAt(fmt.Appendf(nil, "process %d\n", os.Getpid()), 0)
		return func() {
			os.Remove(path)
			f.Close()
		}, nil
	}
}
