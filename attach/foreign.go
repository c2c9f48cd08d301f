package attach

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
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
	f.Owner = owner(f, maxSearch)
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

// maxSearch bounds how many pins and descriptors are looked at for an owner of
// whom only an error tells.
const maxSearch = 20000

// owner says who keeps f: a pin, or else a process that has it open. It looks at
// no more than limit of each. Processes of other PID namespaces and pins of
// other mount namespaces are not seen.
func owner(f Foreign, limit int) string {
	if path := pinOf(f, limit); path != "" {
		return "pinned at " + path
	}
	want := fmt.Sprintf("\nprog_id:\t%d\n", f.Program)
	if f.Link != 0 {
		want = fmt.Sprintf("\nlink_id:\t%d\n", f.Link)
	}
	files, _ := filepath.Glob("/proc/[0-9]*/fdinfo/*")
	for _, name := range files[:min(len(files), limit)] {
		// Descriptors of other things have no such line.
		b, err := os.ReadFile(name)
		if err != nil || !strings.Contains("\n"+string(b), want) {
			continue
		}
		pid := strings.Split(name, "/")[2]
		comm, _ := os.ReadFile("/proc/" + pid + "/comm")
		return fmt.Sprintf("held by process %s (%s)", pid, strings.TrimSpace(string(comm)))
	}
	return ""
}

// pinOf returns the path at which the link of f, or its program, is pinned.
func pinOf(f Foreign, limit int) string {
	found, left := "", limit
	filepath.WalkDir("/sys/fs/bpf", func(path string, d fs.DirEntry, err error) error {
		if left--; err != nil || left < 0 || found != "" {
			return fs.SkipAll
		}
		if d.Type().IsRegular() && pinnedHere(f, path) {
			found = path
		}
		return nil
	})
	return found
}

func pinnedHere(f Foreign, path string) bool {
	if f.Link != 0 {
		l, err := link.LoadPinnedLink(path, &ebpf.LoadPinOptions{ReadOnly: true})
		if err != nil {
			return false
		}
		defer l.Close()
		info, err := l.Info()
		return err == nil && info.ID == f.Link
	}
	p, err := ebpf.LoadPinnedProgram(path, &ebpf.LoadPinOptions{ReadOnly: true})
	if err != nil {
		return false
	}
	defer p.Close()
	info, err := p.Info()
	if err != nil {
		return false
	}
	id, _ := info.ID()
	return id == f.Program
}
