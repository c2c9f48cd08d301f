package attach

import (
	"maps"
	"path/filepath"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"weir/hook"
	"weir/internal/holder"
)

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

// Now returns where the program is at present. That is another place than the
// record's if the interface was renamed, or has moved to another network
// namespace since. It returns false if the program is nowhere, or where this
// process cannot go.
func (l *Link) Now() (Where, bool) {
	if l.Where.Hook.Info().Place == hook.Netns {
		return l.nowNetns()
	}
	at := l.standing()
	if at.ifindex == 0 {
		ok, err := l.Attached() // not of an interface, or of one that is gone
		return l.Where, ok && err == nil
	}
	if w, ok := at.in(l.Where.Netns); ok {
		return w, true
	}
	for _, ns := range Namespaces(holder.Find()) {
		if w, ok := at.in(ns.Name); ok {
			return w, true
		}
	}
	return Where{}, false
}

// nowNetns looks for the network namespace that the program was attached in: under
// its name there may be another one by now.
func (l *Link) nowNetns() (Where, bool) {
	w := l.Where
	if err := w.Do(func() error { return l.sameNetns() }); err == nil {
		return w, true
	}
	for _, ns := range Namespaces(holder.Find()) {
		if ns.Inode == l.NetnsInode {
			w.Netns = ns.Name
			return w, true
		}
	}
	return Where{}, false
}

func (l *Link) sameNetns() error {
	if inode(ownNetns) != l.NetnsInode {
		return ErrNoNetns
	}
	return nil
}

// ownNetns is the thread's: the process's first one may be elsewhere for a moment,
// see InNetns.
const ownNetns = "/proc/thread-self/ns/net"

// inode returns the number of a file, 0 if there is none.
func inode(path string) uint64 {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return 0
	}
	return st.Ino
}

// A standing is an attachment to an interface, as the kernel knows it.
type standing struct {
	ifindex int // 0: none, or none any more
	hook    hook.Hook
	program ebpf.ProgramID
	link    link.ID
}

func (l *Link) standing() standing {
	s := standing{hook: l.Where.Hook}
	if l.Mode == Clsact {
		s.ifindex, s.program = l.Ifindex, l.Filter.Program
		return s
	}
	if len(l.raws) == 0 {
		return s
	}
	info, err := l.raws[0].Info()
	if err != nil {
		return s
	}
	s.program, s.link = info.Program, info.ID
	if x := info.XDP(); x != nil {
		s.ifindex = int(x.Ifindex)
	}
	if x := info.TCX(); x != nil {
		s.ifindex = int(x.Ifindex)
	}
	return s
}

// in looks for s in a network namespace: indices of interfaces mean others there.
func (s standing) in(netns string) (w Where, ok bool) {
	_ = InNetns(netns, func() error {
		dev, err := netlink.LinkByIndex(s.ifindex)
		if err != nil {
			return err
		}
		row := xdpRow(dev)
		if s.hook != hook.XDP {
			row, err = tcRow(s.ifindex, s.hook)
		}
		ok = slices.ContainsFunc(row, func(x Standing) bool {
			return x.Program == s.program && (x.Link == 0 || x.Link == s.link)
		})
		w = Where{Netns: netns, Interface: dev.Attrs().Name, Hook: s.hook}
		return err
	})
	return w, ok
}
