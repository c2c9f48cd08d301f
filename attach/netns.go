package attach

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"weir/internal/holder"
)

// NetnsDir is where network namespaces have names, as ip-netns(8) has it.
const NetnsDir = "/run/netns"

// ownNetns is the thread's: the process's first one may be elsewhere for a moment,
// see InNetns.
const ownNetns = "/proc/thread-self/ns/net"

// hostNetns is that of the machine, or of the container that this process is in.
const hostNetns = "/proc/1/ns/net"

// A Namespace is a network namespace that this process can reach.
type Namespace struct {
	Name  string // as [InNetns] takes it; empty for the process's own
	Path  string // to open it by
	Inode uint64
}

// Namespaces returns the process's own network namespace, and then those that have
// a name or are mounted, that processes run in, or have open.
func Namespaces(held holder.Table) []Namespace {
	own := inode(ownNetns)
	out := []Namespace{{Path: ownNetns, Inode: own}}
	for _, ino := range slices.Sorted(maps.Keys(held.Netns)) {
		if path := held.Netns[ino]; ino != own {
			out = append(out, Namespace{netnsName(path), path, ino})
		}
	}
	return out
}

// netnsName returns a name for a path in [NetnsDir], other paths as they are.
func netnsName(path string) string {
	if dir, name := filepath.Split(path); filepath.Clean(dir) == NetnsDir || filepath.Clean(dir) == "/var"+NetnsDir {
		return name
	}
	return path
}

// NetnsPath returns where a network namespace is opened that is called name: a name in
// [NetnsDir], a path, or empty for the one of the process.
func NetnsPath(name string) string {
	switch {
	case name == "":
		return ownNetns
	case strings.Contains(name, "/"):
		return name
	}
	return filepath.Join(NetnsDir, name)
}

// A Finder finds network namespaces for several links, and looks at all processes once
// for that: see [Link.Share]. It is for a listing; what comes later it does not see. A
// nil Finder looks each time.
type Finder struct {
	once  sync.Once
	table holder.Table
	all   []Namespace
}

// look looks at all processes, if nobody has.
func (f *Finder) look() {
	f.once.Do(func() {
		f.table = holder.Find()
		f.all = Namespaces(f.table)
	})
}

func (f *Finder) namespaces() []Namespace {
	if f == nil {
		return Namespaces(holder.Find())
	}
	f.look()
	return f.all
}

// held is who holds what.
func (f *Finder) held() holder.Table {
	if f == nil {
		return holder.Find()
	}
	f.look()
	return f.table
}

// Share lets l find namespaces by f.
func (l *Link) Share(f *Finder) { l.finder = f }

// netns returns what the network namespace of that number is called here and now:
// name, if that leads there. Names are given to others, and an empty one means another
// in each process. The error is [ErrNoNetns] if it cannot be reached.
func (f *Finder) netns(name string, ino uint64) (string, error) {
	if inode(NetnsPath(name)) == ino {
		return name, nil
	}
	for _, ns := range f.namespaces() {
		if ns.Inode == ino {
			return ns.Name, nil
		}
	}
	return "", ErrNoNetns
}

// inode returns the number of a file, 0 if there is none.
func inode(path string) uint64 {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return 0
	}
	return st.Ino
}

// Do runs f in the network namespace that the program was attached in, whatever that
// is called by now and wherever the caller is. The error wraps [ErrNoNetns] if it
// cannot be reached.
func (r *Record) Do(f func() error) error {
	name, err := (*Finder)(nil).netns(r.Where.Netns, r.NetnsInode)
	if err != nil {
		return err
	}
	return InNetns(name, func() error {
		if inode(ownNetns) != r.NetnsInode {
			return ErrNoNetns // the name was given to another just now
		}
		return f()
	})
}

// Do runs f in the network namespace of w; see [InNetns].
func (w Where) Do(f func() error) error { return InNetns(w.Netns, f) }

const namedNetns = "ip netns lists those that have a name"

// InNetns runs f on a thread inside a network namespace: a name in [NetnsDir],
// or a path if it has a slash. With an empty name f runs on the caller's
// thread. If the thread cannot return to its own namespace it is not used
// again. The error wraps [ErrNoNetns] if there is no such namespace.
func InNetns(name string, f func() error) error {
	if name == "" {
		return f()
	}
	path := NetnsPath(name)
	target, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return because(ErrNoNetns, "%v: %s (%s)", ErrNoNetns, path, namedNetns)
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
			if err = fmt.Errorf("enter network namespace %s: %w", path, e); errors.Is(e, unix.EINVAL) {
				err = because(ErrNoNetns, "%v: %s is something else (%s)", ErrNoNetns, path, namedNetns)
			}
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
