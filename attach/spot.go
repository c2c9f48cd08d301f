package attach

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"

	"weir/hook"
)

// A Spot is a place by the kernel's numbers: two are equal if they are the same place,
// whatever it is called.
type Spot struct {
	Netns   uint64 // the number of its file; of hooks of interfaces and network namespaces
	Ifindex int    // of hooks of interfaces
	Cgroup  uint64 // of hooks of cgroups
	Hook    hook.Hook
	Point   string
}

// Spot returns what w is here and now. The error wraps [ErrNoNetns], [ErrNoInterface] or
// [ErrNoCgroup] if it is nothing.
func (w Where) Spot() (Spot, error) {
	s := Spot{Hook: w.Hook, Point: w.Point}
	if w.Hook.Info().Place == hook.Cgroup {
		dir, err := cgroupDir(w.Cgroup)
		s.Cgroup = inode(dir)
		return s, err
	}
	err := w.Do(func() error {
		s.Netns = inode(ownNetns)
		if w.Interface == "" {
			return nil
		}
		dev, err := device(w.Interface)
		if err == nil {
			s.Ifindex = dev.Attrs().Index
		}
		return err
	})
	return s, err
}

// Spot returns where the program is at present; false if it is nowhere, or where this
// process cannot go.
func (l *Link) Spot() (Spot, bool) {
	w, ok := l.Now()
	if !ok {
		return Spot{}, false
	}
	s, err := w.Spot()
	return s, err == nil
}

// Lasting returns w by the name that other processes call it by, later too: the host's
// network namespace has none, and that of the caller the one that it was given. Where
// it was given none it has none either, and only its number tells. A cgroup's path
// counts from the root.
func (w Where) Lasting() Where { return (*Finder)(nil).Lasting(w) }

// Lasting is [Where.Lasting] for many places.
func (f *Finder) Lasting(w Where) Where {
	if w.Hook.Info().Place == hook.Cgroup {
		w.Cgroup = cgroupPath(w.Cgroup)
		return w
	}
	own, host := inode(ownNetns), inode(hostNetns)
	switch {
	case w.Netns == "" && own != host:
		w.Netns = f.givenName(own)
	case w.Netns != "" && inode(NetnsPath(w.Netns)) == host && (own == host || f.givenName(own) != ""):
		w.Netns = ""
	}
	return w
}

// givenName returns the name of a network namespace, or the path that it is mounted at;
// empty if it has neither.
func (f *Finder) givenName(ino uint64) string {
	path := f.held().Netns[ino]
	if strings.HasPrefix(path, "/proc/") {
		return "" // of a process, which ends
	}
	return netnsName(path)
}

// cgroupPath returns the path of a cgroup from the root of the hierarchy.
func cgroupPath(path string) string {
	if root, err := CgroupRoot(); err == nil && (path == root || strings.HasPrefix(path, root+"/")) {
		path = strings.TrimPrefix(path, root)
	}
	return filepath.Clean("/" + path)
}

// Again returns where a program of the record would be now, had it not been taken away:
// the interface and the namespace may have other names. The error wraps [ErrNoNetns]
// or [ErrNoInterface] if they are gone.
func (r *Record) Again() (Where, error) {
	w := r.Where
	if w.Hook.Info().Place == hook.Cgroup {
		return w, nil
	}
	name, err := (*Finder)(nil).netns(w.Netns, r.NetnsInode)
	if err != nil {
		return w, err
	}
	w.Netns = name
	err = w.Do(func() error {
		if w.Interface == "" {
			return nil
		}
		dev, err := netlink.LinkByIndex(r.Ifindex)
		if err != nil {
			return fmt.Errorf("%w: %s", ErrNoInterface, w.Interface)
		}
		w.Interface = dev.Attrs().Name
		return nil
	})
	return w, err
}

// Key tells an attachment of a chain from all others of it. It stays when the program
// is exchanged, and when the place is called something else.
func (r *Record) Key() string {
	if r.Mode == Clsact {
		return fmt.Sprintf("%d/%d/%s/%d/%d", r.NetnsInode, r.Ifindex, r.Where.Hook, r.Filter.Priority, r.Filter.Handle)
	}
	return filepath.Base(r.Pin)
}
