package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// netnsDir is where ip-netns(8) keeps its bind mounts.
const netnsDir = "/run/netns"

// namePrefix starts the name of every namespace of every lab.
const namePrefix = "weir-"

// outcome is how a function that ran on a thread of its own ended.
type outcome struct {
	err      error
	panicked any
	stack    []byte
	returned bool // false: panic or runtime.Goexit
}

// onThread runs f on an OS thread that is back in its own network namespace
// when onThread returns. If it cannot be brought back, the thread dies with
// its goroutine. A panic or a runtime.Goexit (t.FailNow) in f happens again in
// the caller.
func onThread(f func() error) error {
	done := make(chan outcome, 1)
	go func() {
		var o outcome
		runtime.LockOSThread()
		home, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			runtime.UnlockOSThread()
			done <- outcome{err: fmt.Errorf("open own network namespace: %w", err), returned: true}
			return
		}
		defer func() {
			if !o.returned {
				if o.panicked = recover(); o.panicked != nil {
					o.stack = debug.Stack()
				}
			}
			if err := unix.Setns(home, unix.CLONE_NEWNET); err != nil {
				// Not unlocked: the runtime ends the thread with the goroutine.
				o.err = errors.Join(o.err, fmt.Errorf("return to own network namespace: %w", err))
			} else {
				runtime.UnlockOSThread()
			}
			unix.Close(home)
			done <- o
		}()
		o.err = f()
		o.returned = true
	}()
	o := <-done
	if o.panicked != nil {
		panic(fmt.Sprintf("%v\n\n%s", o.panicked, o.stack))
	}
	if !o.returned {
		runtime.Goexit()
	}
	return o.err
}

// createNetns makes a network namespace, binds it to netnsDir/name and returns
// a descriptor of it.
func createNetns(name string) (int, error) {
	if err := prepareNetnsDir(); err != nil {
		return -1, err
	}
	path := filepath.Join(netnsDir, name)
	fd := -1
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("unshare: %w", err)
		}
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDONLY, 0o444)
		if err != nil {
			return err
		}
		f.Close()
		err = unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, "")
		if err != nil {
			return fmt.Errorf("bind %s: %w", path, err)
		}
		fd, err = unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return -1, errors.Join(err, removeNetns(name))
	}
	return fd, nil
}

// prepareNetnsDir makes netnsDir a shared mount of itself, as ip-netns does
// before its first namespace. Otherwise a later "ip netns add" would bind it
// recursively over our mounts, which then could not be removed (EBUSY).
func prepareNetnsDir() error {
	if err := os.MkdirAll(netnsDir, 0o755); err != nil {
		return err
	}
	dir, err := os.Open(netnsDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	// The lock is the one that ip-netns takes.
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", netnsDir, err)
	}
	share := func() error { return unix.Mount("", netnsDir, "none", unix.MS_SHARED|unix.MS_REC, "") }
	err = share()
	if errors.Is(err, unix.EINVAL) { // not a mount point yet
		if err := unix.Mount(netnsDir, netnsDir, "none", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("bind %s to itself: %w", netnsDir, err)
		}
		err = share()
	}
	if err != nil {
		return fmt.Errorf("share %s: %w", netnsDir, err)
	}
	return nil
}

// removeNetns unmounts and removes the name; what is not there is no error.
func removeNetns(name string) error {
	path := filepath.Join(netnsDir, name)
	for {
		err := unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		if err != nil {
			if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
				return fmt.Errorf("unmount %s: %w", path, err)
			}
			break
		}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// removeWhere removes the namespaces of labs whose name match reports true
// for, and returns their names.
func removeWhere(match func(name string) bool) ([]string, error) {
	entries, err := os.ReadDir(netnsDir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var gone []string
	var errs []error
	for _, e := range entries {
		if !match(e.Name()) {
			continue
		}
		if err := removeNetns(e.Name()); err != nil {
			errs = append(errs, err)
			continue
		}
		gone = append(gone, e.Name())
	}
	return gone, errors.Join(errs...)
}

// Sweep removes namespaces of labs whose process is dead, and returns their
// names in /run/netns. An owner is known by its process id and its start time.
// Processes that share /run/netns must share the process id namespace too.
func Sweep() ([]string, error) {
	gone, err := removeWhere(func(name string) bool {
		pid, start, ok := ownerOf(name)
		return ok && !alive(pid, start)
	})
	if err != nil {
		return gone, fmt.Errorf("sweep %s: %w", netnsDir, err)
	}
	return gone, nil
}

// ownerOf reads weir-PID.START.RANDOM-HOST.
func ownerOf(name string) (pid int, start uint64, ok bool) {
	rest, ok := strings.CutPrefix(name, namePrefix)
	if !ok {
		return 0, 0, false
	}
	id, _, ok := strings.Cut(rest, "-")
	parts := strings.Split(id, ".")
	if !ok || len(parts) != 3 {
		return 0, 0, false
	}
	pid, err1 := strconv.Atoi(parts[0])
	start, err2 := strconv.ParseUint(parts[1], 36, 64)
	return pid, start, err1 == nil && err2 == nil
}

// alive reports whether the process that started at start (in clock ticks
// since boot) runs. A zombie holds nothing and counts as dead.
func alive(pid int, start uint64) bool {
	got, state, err := startTime(pid)
	return err == nil && got == start && state != 'Z' && state != 'X'
}

// startTime returns field 22 and field 3 of /proc/PID/stat (proc(5)).
func startTime(pid int) (start uint64, state byte, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, err
	}
	// The command name may hold spaces and parentheses: count from its end.
	s := string(b)
	fields := strings.Fields(s[strings.LastIndexByte(s, ')')+1:])
	if len(fields) < 20 {
		return 0, 0, fmt.Errorf("stat of process %d: short line", pid)
	}
	start, err = strconv.ParseUint(fields[19], 10, 64)
	return start, fields[0][0], err
}
