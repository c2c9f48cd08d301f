package doctor

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"weir/attach"
	"weir/hook"
)

// The pair of interfaces in the doctor's network namespace.
const ifaceA, ifaceB = "weira", "weirb"

// ways are the ways to attach.
var ways = []struct {
	hook hook.Hook
	mode attach.Mode
	mtu  int
	of   string
	do   string
}{
	{hook.XDP, attach.Native, 1500, "speed: chains in the driver", "take a driver with XDP; weir falls back to generic XDP"},
	{hook.XDP, attach.Native, 9000, "chains in the driver with an MTU beyond 1,500", "take Linux 5.18 or newer; weir falls back to generic XDP"},
	{hook.XDP, attach.Generic, 1500, "chains at xdp where the driver has no XDP", "attach at tc-ingress"},
	{hook.TCIngress, attach.TCX, 1500, "links at tc-ingress", "take Linux 6.6 or newer; weir falls back to clsact"},
	{hook.TCEgress, attach.TCX, 1500, "links at tc-egress", "take Linux 6.6 or newer; weir falls back to clsact"},
	{hook.TCIngress, attach.Clsact, 1500, "tc-ingress before Linux 6.6", "load the module: modprobe sch_ingress cls_bpf"},
	{hook.TCEgress, attach.Clsact, 1500, "tc-egress before Linux 6.6", "load the module: modprobe sch_ingress cls_bpf"},
}

// attaching attaches a chain in every way, to virtual Ethernet in a network
// namespace that ends with its thread.
func attaching() []Check {
	out := make(chan []Check, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends here
		err := newNetns()
		var cs []Check
		for _, w := range ways {
			name := fmt.Sprintf("%s at %s", w.mode, w.hook)
			if w.mtu > 1500 {
				name += fmt.Sprintf(", MTU %d", w.mtu)
			}
			c := Check{Area: "attach", Name: name, For: w.of}
			if err != nil {
				c.Status, c.Detail, c.Do = Unknown, err.Error(), "run weir doctor as root to find out"
			} else {
				c = c.result(tryAttach(w.hook, w.mode, w.mtu), w.do)
			}
			cs = append(cs, c)
		}
		out <- cs
	}()
	return <-out
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

// tryAttach attaches a chain and takes it away again.
func tryAttach(h hook.Hook, mode attach.Mode, mtu int) error {
	for _, name := range []string{ifaceA, ifaceB} {
		dev, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		if err := netlink.LinkSetMTU(dev, mtu); err != nil {
			return err
		}
	}
	ps, err := samples[0].compile(h)
	if err != nil {
		return err
	}
	s, err := open(ps)
	if err != nil {
		return err
	}
	defer s.Close()
	o := attach.Options{Chain: "doctor", Mode: mode}
	o.Linear = func() (*ebpf.Program, error) { return s.Object(ps[0]), nil }
	if len(ps) > 1 {
		o.Frags = func() (*ebpf.Program, error) { return s.Object(ps[1]), nil }
	}
	l, err := attach.Attach(attach.Where{Interface: ifaceA, Hook: h}, o)
	if err != nil {
		return err
	}
	if there, err := l.Attached(); err != nil || !there {
		return errors.Join(errors.New("attached, but not there"), err, l.Detach())
	}
	return l.Detach()
}
