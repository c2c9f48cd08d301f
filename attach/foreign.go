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
}

// String returns what there is to know: XDP program "xdp_filter" (id 12,
// native, link 3, held by process 77 (xdp-filter)).
func (f Foreign) String() string {
	s := fmt.Sprintf("XDP program %q (id %d, %s", f.Name, f.Program, f.Mode)
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
		p.Close()
	}
	f.Link = xdpLinkOf(f.Program, dev.Attrs().Index)
	f.Owner = owner(f)
	return f, nil
}

// xdpLinkOf returns the link by which a program is at an interface, or 0.
func xdpLinkOf(p ebpf.ProgramID, ifindex int) link.ID {
	it := new(link.Iterator)
	defer it.Close()
	for it.Next() {
		info, err := it.Link.Info()
		if err != nil || info.Program != p {
			continue
		}
		if x := info.XDP(); x != nil && x.Ifindex == uint32(ifindex) {
			return info.ID
		}
	}
	return 0
}

// evict takes f away. What it returns puts f back as far as that can be done:
// the link of another process, once detached, stays so.
func (f Foreign) evict(dev netlink.Link) (restore func() error, err error) {
	if f.Link != 0 {
		l, err := link.NewFromID(f.Link)
		if err != nil {
			return nil, err
		}
		defer l.Close()
		return func() error { return fmt.Errorf("%s cannot be put back", f) }, l.Detach()
	}
	p, err := ebpf.NewProgramFromID(f.Program)
	if err != nil {
		return nil, err
	}
	flags := int(xdpFlags(f.Mode))
	if err := netlink.LinkSetXdpFdWithFlags(dev, -1, flags); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return func() error {
		defer p.Close()
		return netlink.LinkSetXdpFdWithFlags(dev, p.FD(), flags)
	}, nil
}

// owner says who keeps f, or its link if it has one; empty if nobody can be seen.
func owner(f Foreign) string {
	held := holder.Find()
	if f.Link != 0 {
		return held.Links[f.Link].String()
	}
	return held.Programs[f.Program].String()
}
