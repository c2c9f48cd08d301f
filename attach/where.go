package attach

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"weir/hook"
)

// NetnsDir is where network namespaces have names, as ip-netns(8) has it.
const NetnsDir = "/run/netns"

// A Where is a place that a program can be attached at.
type Where struct {
	Netns     string // a name in NetnsDir or a path; empty for the process's own
	Interface string
	Hook      hook.Hook
}

// ParseWhere reads [NETNS/]INTERFACE[:HOOK]. NETNS is a name or, if it has a
// slash, a path; the hook is xdp where none is given.
func ParseWhere(s string) (Where, error) {
	var w Where
	rest := s
	if i := strings.LastIndexByte(rest, ':'); i >= 0 {
		h, err := hook.Parse(rest[i+1:])
		if err != nil {
			return Where{}, fmt.Errorf("place %q: %w", s, err)
		}
		w.Hook, rest = h, rest[:i]
	}
	if i := strings.LastIndexByte(rest, '/'); i >= 0 {
		if w.Netns, rest = rest[:i], rest[i+1:]; w.Netns == "" {
			return Where{}, fmt.Errorf("place %q: no network namespace before the slash (want [NETNS/]INTERFACE[:HOOK])", s)
		}
	}
	// What the kernel takes as a name: dev_valid_name in net/core/dev.c.
	if rest == "" || rest == "." || rest == ".." || strings.ContainsAny(rest, ": \t\n\v\f\r") {
		return Where{}, fmt.Errorf("place %q: %q is no interface name (want [NETNS/]INTERFACE[:HOOK])", s, rest)
	}
	if len(rest) >= unix.IFNAMSIZ {
		return Where{}, fmt.Errorf("place %q: interface name %q is longer than %d octets", s, rest, unix.IFNAMSIZ-1)
	}
	w.Interface = rest
	return w, nil
}

// String returns the place with its hook: blue/eth0:tc-ingress.
func (w Where) String() string { return w.iface() + ":" + w.Hook.String() }

func (w Where) iface() string {
	if w.Netns == "" {
		return w.Interface
	}
	return w.Netns + "/" + w.Interface
}

// Do runs f in the network namespace of w; see [InNetns].
func (w Where) Do(f func() error) error { return InNetns(w.Netns, f) }

// InNetns runs f on a thread inside a network namespace: a name in [NetnsDir],
// or a path if it has a slash. With an empty name f runs on the caller's
// thread. If the thread cannot return to its own namespace it is not used
// again. The error wraps [ErrNoNetns] if there is no such namespace.
func InNetns(name string, f func() error) error {
	if name == "" {
		return f()
	}
	path := name
	if !strings.Contains(name, "/") {
		path = filepath.Join(NetnsDir, name)
	}
	target, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w: %s", ErrNoNetns, path)
	}
	if err != nil {
		return fmt.Errorf("open network namespace: %w", err)
	}
	defer target.Close()

	done := make(chan error, 1)
	go func() {
		err := errors.New("ended early") // f called runtime.Goexit
		defer func() { done <- err }()
		runtime.LockOSThread()
		home, e := os.Open("/proc/thread-self/ns/net")
		if e != nil {
			err = e
			return // the thread ends with the goroutine, being locked
		}
		defer home.Close()
		if e := unix.Setns(int(target.Fd()), unix.CLONE_NEWNET); e != nil {
			runtime.UnlockOSThread()
			err = fmt.Errorf("enter network namespace %s: %w", path, e)
			return
		}
		defer func() {
			if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
				runtime.UnlockOSThread()
			}
		}()
		err = f()
	}()
	return <-done
}
