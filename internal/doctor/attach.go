package doctor

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"weir/attach"
	"weir/hook"
)

// The pair of interfaces in the doctor's network namespace.
const ifaceA, ifaceB = "weira", "weirb"

// A way is a way to attach at a hook.
type way struct {
	hook hook.Hook
	mode attach.Mode
	mtu  int
	of   string
	do   string
}

var ways = slices.Concat([]way{
	{hook.XDP, attach.Native, 1500, "speed: chains in the driver", "take a driver with XDP; weir falls back to generic XDP"},
	{hook.XDP, attach.Native, 9000, "chains in the driver with an MTU beyond 1,500", "take Linux 5.18 or newer; weir falls back to generic XDP"},
	{hook.XDP, attach.Generic, 1500, "chains at xdp where the driver has no XDP", "attach at tc-ingress"},
	{hook.Socket, attach.Packet, 1500, "chains that observe an interface", "take a kernel that is built with CONFIG_PACKET"},
	{hook.TCIngress, attach.TCX, 1500, "links at tc-ingress", "take Linux 6.6 or newer; weir falls back to clsact"},
	{hook.TCEgress, attach.TCX, 1500, "links at tc-egress", "take Linux 6.6 or newer; weir falls back to clsact"},
	{hook.TCIngress, attach.Clsact, 1500, "tc-ingress before Linux 6.6", "load the module: modprobe sch_ingress cls_bpf"},
	{hook.TCEgress, attach.Clsact, 1500, "tc-egress before Linux 6.6", "load the module: modprobe sch_ingress cls_bpf"},
}, linked(hook.Netns, "take Linux 6.4 or newer; or attach at tc-ingress or tc-egress"),
	linked(hook.Cgroup, "mount cgroups of version 2: mount -t cgroup2 none /sys/fs/cgroup"))

// linked are the ways at hooks of a kind of place that have one.
func linked(p hook.Place, do string) []way {
	var out []way
	for _, h := range hook.All() {
		if h.Info().Place == p {
			out = append(out, way{h, attach.BPFLink, 1500, "chains at " + h.String(), do})
		}
	}
	return out
}

// Attaching attaches a chain in every way that there is at some hooks: to virtual
// Ethernet in a network namespace, or to a cgroup, that are gone afterwards.
func Attaching(hooks ...hook.Hook) []Check {
	out := make(chan []Check, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends here
		err := newNetns()
		var cs []Check
		for _, w := range ways {
			if slices.Contains(hooks, w.hook) {
				cs = append(cs, w.check(err))
			}
		}
		out <- cs
	}()
	return <-out
}

// check tries a way, or says that there is no place to try it at.
func (w way) check(noPlace error) Check {
	c := Check{Area: "attach", Name: fmt.Sprintf("%s at %s", w.mode, w.hook), For: w.of, Hook: w.hook.String(), Mode: w.mode}
	if w.mtu > 1500 {
		c.Name += fmt.Sprintf(", MTU %d", w.mtu)
	}
	if noPlace != nil {
		c.Status, c.Detail, c.Do = Unknown, noPlace.Error(), "run weir doctor as root to find out"
		return c
	}
	return c.result(w.try(), w.do)
}

// newNetns puts the thread into a network namespace with a pair of interfaces.
func newNetns() error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("make network namespace: %w", err)
	}
	pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: ifaceA}, PeerName: ifaceB}
	if err := netlink.LinkAdd(pair); err != nil {
		return fmt.Errorf("make virtual Ethernet: %w", err)
	}
	return nil
}

// try attaches a chain and takes it away again.
func (w way) try() (err error) {
	at := attach.Where{Hook: w.hook}
	switch w.hook.Info().Place {
	case hook.Interface:
		if err := setMTU(w.mtu); err != nil {
			return err
		}
		at.Interface = ifaceA
	case hook.Cgroup:
		dir, err := newCgroup()
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.Remove(dir)) }()
		at.Cgroup = dir
	}
	ps, err := samplesFor(w.hook)[0].compile(w.hook)
	if err != nil {
		return err
	}
	s, err := open(ps)
	if err != nil {
		return err
	}
	defer s.Close()
	o := attach.Options{Chain: "doctor", Mode: w.mode}
	if w.hook == hook.Connect { // of whose programs one tells of all
		at.Point = ps[0].Points[0].At[0]
	}
	o.Linear = func() (*ebpf.Program, error) { return s.Objects(ps[0])[at.Point], nil }
	if len(ps) > 1 {
		o.Frags = func() (*ebpf.Program, error) { return s.Object(ps[1]), nil }
	}
	l, err := attach.Attach(at, o)
	if err != nil {
		return err
	}
	if there, err := l.Attached(); err != nil || !there {
		return errors.Join(errors.New("attached, but not there"), err, l.Detach())
	}
	return l.Detach()
}

func setMTU(mtu int) error {
	for _, name := range []string{ifaceA, ifaceB} {
		dev, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		if err := netlink.LinkSetMTU(dev, mtu); err != nil {
			return err
		}
	}
	return nil
}

// newCgroup makes a cgroup with no process in it and returns its folder.
func newCgroup() (string, error) {
	root, err := attach.CgroupRoot()
	if err != nil {
		return "", err
	}
	return os.MkdirTemp(root, "weir-doctor-")
}
