package datapath

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// DefaultRoot is where generations are pinned.
const DefaultRoot = "/sys/fs/bpf/weir"

// bpfDir is where the BPF file system belongs.
const bpfDir = "/sys/fs/bpf"

// defaultLock keeps changes by two processes apart.
const defaultLock = "/run/weir.lock"

// A Kernel is where generations live. The zero value is the one of this
// machine; tests use others.
type Kernel struct {
	Root string // folder in a BPF file system; empty: DefaultRoot
	Lock string // lock file; empty: /run/weir.lock

	// AnyMountNamespace allows the BPF file system to be mounted in a mount
	// namespace that is not the machine's own, where pins end with it.
	AnyMountNamespace bool
}

func (k Kernel) root() string {
	if k.Root == "" {
		return DefaultRoot
	}
	return filepath.Clean(k.Root)
}

// dir returns the folder of a NAME.
func (k Kernel) dir(name string) string { return filepath.Join(k.root(), escape(name, "-")) }

// escape makes a name that the BPF file system takes: it refuses dots (they are
// reserved, see bpf_lookup in kernel/bpf/inode.c) and, of course, slashes.
func escape(s, keep string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte(keep, c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// unescape returns the name that escape made a file name of.
func unescape(file string) string {
	name, err := url.PathUnescape(file)
	if err != nil {
		return file // not one of ours
	}
	return name
}

// CheckName refuses NAMEs that cannot be told apart or typed.
func CheckName(name string) error {
	switch {
	case name == "" || len(name) > 64:
		return fmt.Errorf("name %q: want 1 to 64 octets: choose another one (--name)", name)
	case name[0] == '-':
		return fmt.Errorf("name %q: it begins as flags do: choose another one (--name)", name)
	case name == "." || name == "..":
		return fmt.Errorf("name %q: it is that of a folder: choose another one (--name)", name)
	}
	for _, c := range name {
		if c <= ' ' || c == '/' || c == 0x7f {
			return fmt.Errorf("name %q: %q is not allowed in it: choose another one (--name)", name, c)
		}
	}
	return nil
}

func isBPF(path string) bool {
	var st unix.Statfs_t
	return unix.Statfs(path, &st) == nil && st.Type == unix.BPF_FS_MAGIC
}

// Mounted reports whether root lies, or would lie, in a BPF file system.
func (k Kernel) Mounted() bool {
	path := k.root()
	for {
		if _, err := os.Stat(path); err == nil || path == "/" {
			return isBPF(path)
		}
		path = filepath.Dir(path)
	}
}

// readable refuses users to whom the root looks empty because it is not theirs, and
// a file system in which the kernel opens no links (bpf_obj_do_get).
func (k Kernel) readable() error {
	if _, err := os.ReadDir(k.root()); errors.Is(err, os.ErrPermission) {
		return permission(err)
	}
	var st unix.Statfs_t
	if unix.Statfs(k.root(), &st) == nil && st.Flags&unix.ST_RDONLY != 0 {
		return fmt.Errorf("%s: %w: links can only be opened where it is not: remount it (mount -o remount,rw %s)", k.root(), unix.EROFS, bpfDir)
	}
	return nil
}

// mount makes sure that root lies in a BPF file system. It is called under the
// lock: two mounts would hide each other's pins.
func (k Kernel) mount() error {
	if k.Mounted() {
		if err := k.readable(); err != nil {
			return err
		}
		return os.MkdirAll(k.root(), 0o700)
	}
	if !strings.HasPrefix(k.root(), bpfDir+"/") {
		return fmt.Errorf("%s does not lie in a BPF file system", k.root())
	}
	if err := k.Mountable(); err != nil {
		return err
	}
	if err := unix.Mount("bpf", bpfDir, "bpf", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0700"); err != nil {
		return fmt.Errorf("mount BPF file system on %s: %w (%s)", bpfDir, permission(err), byHand)
	}
	return os.MkdirAll(k.root(), 0o700)
}

const byHand = "mount it on the machine: mount -t bpf bpf " + bpfDir

// Mountable says why a mount of the BPF file system by [Kernel.Attach] would be
// of no use here, or nil. Whether this process may mount is another matter.
func (k Kernel) Mountable() error {
	if here, machine := mountNamespace("self"), mountNamespace("1"); here != machine && !k.AnyMountNamespace {
		return fmt.Errorf("no BPF file system on %s, and this process is in a mount namespace of its own "+
			"(as under ip netns exec), in which pins would be lost: name the place as NETNS/INTERFACE, or %s", bpfDir, byHand)
	}
	return nil
}

func mountNamespace(pid string) string {
	s, err := os.Readlink("/proc/" + pid + "/ns/mnt")
	if err != nil {
		return "" // not visible: taken for the same
	}
	return s
}

// lock waits until no other process changes anything. The lock ends with the
// process that holds it.
func (k Kernel) lock(ctx context.Context) (unlock func(), err error) {
	path := k.Lock
	if path == "" {
		path = defaultLock
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		select {
		case <-ctx.Done():
			holder, _ := os.ReadFile(path)
			f.Close()
			return nil, fmt.Errorf("%s is held by another weir process (%s): %w", path, strings.TrimSpace(string(holder)), ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
	// For people who wonder who holds it.
	f.Truncate(0)
	f.WriteAt(fmt.Appendf(nil, "process %d\n", os.Getpid()), 0)
	return func() { f.Close() }, nil
}
