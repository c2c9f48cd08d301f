package attach

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"weir/hook"
	"weir/internal/holder"
	"weir/internal/spell"
)

// attachCgroup makes a link to the cgroup. Programs of several links there run one
// after another, and a packet passes if all let it pass.
func (l *Link) attachCgroup(o Options) error {
	dir, err := cgroupDir(l.Where.Cgroup)
	if err != nil {
		return err
	}
	p, err := o.Linear()
	if err != nil {
		return err
	}
	attach := linkCgroup
	if WayBack(l.Where.Point) {
		attach = linkWayBack
	}
	raw, err := attach(dir, cgroupType(l.Where), p, o.Order)
	if errors.As(err, new(*orderError)) {
		return err
	}
	if errors.Is(err, unix.EPERM) {
		if s, at, ok := alone(dir, cgroupType(l.Where)); ok {
			return fmt.Errorf("%w by program %s, which was attached to cgroup %s without BPF_F_ALLOW_MULTI: it suffers no other there or below", ErrInUse, s, at)
		}
	}
	if err != nil {
		typ := ebpf.CGroupSKB
		if l.Where.Hook == hook.Connect {
			typ = ebpf.CGroupSockAddr
		}
		if why := explainKernel(typ, l.Where.Hook, err); why != "" {
			return because(err, "cgroup: %s", why)
		}
		return because(err, "cgroup: %s", short(err))
	}
	l.Mode, l.raws = BPFLink, []link.Link{raw}
	return nil
}

// cgroupType is the kernel's place of a place at a cgroup.
func cgroupType(w Where) ebpf.AttachType {
	switch w.Hook {
	case hook.CgroupEgress:
		return ebpf.AttachCGroupInetEgress
	case hook.Connect:
		return Points[w.Point]
	}
	return ebpf.AttachCGroupInetIngress
}

// cgroupDir returns the folder of a cgroup of version 2. Its path counts from the
// root of the hierarchy, which it does not leave, or is the whole path of the folder.
func cgroupDir(path string) (string, error) {
	root, err := CgroupRoot()
	if err != nil {
		return "", err
	}
	path = filepath.Clean("/" + path)
	dir := filepath.Join(root, cgroupPath(path))
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", noCgroup(root, path, dir)
	case err != nil:
		return "", fmt.Errorf("find cgroup: %w", err)
	case !info.IsDir():
		return "", because(ErrNoCgroup, "%s is a file of a cgroup: give the cgroup, %s", dir, filepath.Dir(cgroupPath(path)))
	case fsType(dir) != unix.CGROUP2_SUPER_MAGIC:
		return "", because(ErrNoCgroup, "%s is no cgroup of version 2, though it lies under %s", dir, root)
	}
	return dir, nil
}

// findCgroup returns the path of the cgroup of that number: path, if that leads there.
// In a cgroup namespace it leads elsewhere. Where there is no hierarchy nothing tells.
func findCgroup(path string, id uint64) (string, error) {
	root, err := CgroupRoot()
	if err != nil || inode(filepath.Join(root, cgroupPath(path))) == id {
		return path, nil
	}
	found := ErrNoCgroup
	filepath.WalkDir(root, func(dir string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && inode(dir) == id {
			path, found = cgroupPath(dir), nil
			return fs.SkipAll
		}
		return nil // one that is gone meanwhile
	})
	return path, found
}

// noCgroup says what a path is that leads to no cgroup of version 2.
func noCgroup(root, path, dir string) error {
	switch _, err := os.Stat(path); {
	case fsType(path) == unix.CGROUP_SUPER_MAGIC:
		return because(ErrNoCgroup, "%s is a cgroup of version 1: programs are attached to those of version 2, under %s", path, root)
	case err == nil:
		return because(ErrNoCgroup, "%s is no cgroup of version 2: they are under %s, which is /", path, root)
	}
	above := filepath.Dir(cgroupPath(path))
	var there []string
	for _, c := range Cgroups(above) {
		there = append(there, filepath.Base(c))
	}
	if near := spell.Nearest(filepath.Base(dir), there); near != "" {
		return because(ErrNoCgroup, "%v: %s, did you mean %s?", ErrNoCgroup, dir, filepath.Join(above, near))
	}
	return because(ErrNoCgroup, "%v: %s (mkdir makes one, ls %s lists those that there are)", ErrNoCgroup, dir, root)
}

// fsType returns the kernel's number of the kind of file system that path lies in, 0
// if there is no such path.
func fsType(path string) int64 {
	var fs unix.Statfs_t
	if unix.Statfs(path, &fs) != nil {
		return 0
	}
	return fs.Type
}

// CgroupRoot returns where cgroups of version 2 are mounted: proc(5), mountinfo.
func CgroupRoot() (string, error) {
	if roots := holder.Mounts("cgroup2"); len(roots) > 0 {
		return roots[0], nil
	}
	return "", because(ErrNoCgroup, "cgroups of version 2 are not mounted: mount -t cgroup2 none /sys/fs/cgroup")
}

// Cgroups returns the paths of cgroups of version 2 that lie right in the one with
// that path, for completion.
func Cgroups(path string) []string {
	dir, err := cgroupDir(path)
	if err != nil {
		return nil
	}
	entries, _ := os.ReadDir(dir)
	var out []string
	for _, e := range entries {
		if e.IsDir() {
			out = append(out, filepath.Join("/", path, e.Name()))
		}
	}
	return out
}
