package attach

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"weir/internal/holder"
)

// A Foreign is an XDP program that somebody else attached.
type Foreign struct {
	Program ebpf.ProgramID
	Name    string // of the program
	Mode    Mode
	Link    link.ID // 0 if it was attached by netlink
	Owner   string  // "pinned at …" or "held by process …"; empty if unknown

	Dispatcher *Dispatcher // nil if it is none
}

// advice says what to do for an interface that f has.
func (f Foreign) advice(dev netlink.Link) string {
	if f.Dispatcher != nil {
		return fmt.Sprintf("unload it with what made it (xdp-loader unload %s --all), take its place by force (--force), or attach at tc-ingress", dev.Attrs().Name)
	}
	return "detach it first, or take its place by force (--force)"
}

// String returns what there is to know: XDP program "xdp_filter" (id 12,
// native, link 3, held by process 77 (xdp-filter)).
func (f Foreign) String() string {
	what := fmt.Sprintf("XDP program %q", f.Name)
	if f.Dispatcher != nil {
		what = f.Dispatcher.String()
	}
	s := fmt.Sprintf("%s (id %d, %s", what, f.Program, f.Mode)
	if f.Link != 0 {
		s += fmt.Sprintf(", link %d", f.Link)
	}
	if f.Owner != "" {
		s += ", " + f.Owner
	}
	return s + ")"
}

// XDP_ATTACHED_SKB of linux/if_link.h.
const attachedGeneric = 2

// foreignXDP finds what is attached to dev.
func foreignXDP(dev netlink.Link) (Foreign, error) {
	now, err := netlink.LinkByIndex(dev.Attrs().Index)
	if err != nil {
		return Foreign{}, err
	}
	x := now.Attrs().Xdp
	if x == nil || !x.Attached {
		return Foreign{}, errors.New("there is none any more")
	}
	f := Foreign{Program: ebpf.ProgramID(x.ProgId), Mode: Native}
	if x.AttachMode == attachedGeneric {
		f.Mode = Generic
	}
	if p, err := ebpf.NewProgramFromID(f.Program); err == nil {
		if info, err := p.Info(); err == nil {
			f.Name = info.Name
		}
		f.Dispatcher = dispatcherOf(p)
		p.Close()
	}
	f.Link = xdpLinkOf(f.Program, dev.Attrs().Index)
	f.Owner = owner(f)
	return f, nil
}

// xdpLinkOf returns the link by which a program is at an interface, or 0.
func xdpLinkOf(p ebpf.ProgramID, ifindex int) (id link.ID) {
	_ = EachLink(func(_ link.Link, info *link.Info) bool { // without an answer it is as if there was none
		if x := info.XDP(); info.Program == p && x != nil && x.Ifindex == uint32(ifindex) {
			id = info.ID
		}
		return id == 0
	})
	return id
}

// owner says who keeps f, or its link if it has one; empty if nobody can be seen.
func owner(f Foreign) string {
	held := holder.Find()
	if f.Link != 0 {
		return held.Links[f.Link].String()
	}
	return held.Programs[f.Program].String()
}
