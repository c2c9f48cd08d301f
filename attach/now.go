package attach

import (
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"weir/hook"
)

// Now returns where the program is at present. That is another place than the
// record's if the interface was renamed, or has moved to another network
// namespace since. It returns false if the program is nowhere, or where this
// process cannot go.
func (l *Link) Now() (Where, bool) {
	at := l.standing()
	if at.ifindex == 0 { // not of an interface, or of one that is gone
		w := l.Where
		ok, err := l.Attached()
		switch place := w.Hook.Info().Place; {
		case !ok || err != nil:
		case place == hook.Netns:
			w.Netns, err = l.finder.netns(w.Netns, l.NetnsInode)
		case place == hook.Cgroup:
			w.Cgroup, err = findCgroup(w.Cgroup, l.cgroupID())
		}
		return w, ok && err == nil
	}
	if w, ok := at.in(l.Where.Netns); ok {
		return w, true
	}
	for _, ns := range l.finder.namespaces() {
		if w, ok := at.in(ns.Name); ok {
			return w, true
		}
	}
	return Where{}, false
}

// cgroupID returns the number of the folder of the cgroup that the program is at, 0 if
// it is at none.
func (l *Link) cgroupID() uint64 {
	for _, raw := range l.raws {
		if info, err := raw.Info(); err == nil && info.Cgroup() != nil {
			return info.Cgroup().CgroupId
		}
	}
	return 0
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

// among reports whether s is one of a row.
func (s standing) among(row []Standing) bool {
	return slices.ContainsFunc(row, func(x Standing) bool {
		return x.Program == s.program && (x.Link == 0 || x.Link == s.link)
	})
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
			if row, err = tcxRow(s.ifindex, s.hook); err != nil || s.link == 0 {
				row, err = tcRow(s.ifindex, s.hook)
			}
		}
		ok = s.among(row)
		w = Where{Netns: netns, Interface: dev.Attrs().Name, Hook: s.hook}
		return err
	})
	return w, ok
}
