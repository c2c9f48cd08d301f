package attach

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// cgroupRow is what is attached to a cgroup itself, in the order in which it runs.
// What is attached to those above runs after it (compute_effective_progs in
// kernel/bpf/cgroup.c).
func cgroupRow(dir string, at ebpf.AttachType) ([]Standing, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, err
	}
	r, err := link.QueryPrograms(link.QueryOptions{Target: int(f.Fd()), Attach: at})
	if err != nil {
		return nil, err
	}
	links, err := cgroupLinks(st.Ino, at) // the kernel's answer has none
	if err != nil && !errors.Is(err, unix.EPERM) {
		return nil, err
	}
	var row []Standing
	for _, p := range r.Programs {
		s := Standing{Program: p.ID, Mode: BPFLink}
		if ids := links[p.ID]; len(ids) > 0 {
			s.Link, links[p.ID] = ids[0], ids[1:]
		}
		row = append(row, s)
	}
	return row, nil
}

// cgroupLinks returns the links of a cgroup, whose number is that of its folder.
func cgroupLinks(ino uint64, at ebpf.AttachType) (map[ebpf.ProgramID][]link.ID, error) {
	out := map[ebpf.ProgramID][]link.ID{}
	err := EachLink(func(_ link.Link, info *link.Info) bool {
		if c := info.Cgroup(); c != nil && c.CgroupId == ino && ebpf.AttachType(c.AttachType) == at {
			out[info.Program] = append(out[info.Program], info.ID)
		}
		return true
	})
	return out, err
}

// linkCgroup attaches p to a cgroup where o says.
func linkCgroup(dir string, at ebpf.AttachType, p *ebpf.Program, o Order) (link.Link, error) {
	if o.Side == Last {
		return link.AttachCgroup(link.CgroupOptions{Path: dir, Attach: at, Program: p})
	}
	flags, raw, err := linkOrdered(dir, at, p, o, 0)
	// A kernel without an order takes no flags here: cgroup_bpf_link_attach.
	// Newer ones take no program that has no link beside one that has.
	if errors.Is(err, unix.EINVAL) {
		why := "programs of a cgroup have no order in this kernel (needs Linux 6.17)"
		if flags&flagID != 0 && flags&flagLink == 0 {
			why += ", or none beside a program that was attached without a link"
		}
		return nil, &orderError{o, because(ebpf.ErrNotSupported, "%s", why)}
	}
	return raw, err
}

// linkOrdered makes the link with the flags of o and others.
func linkOrdered(dir string, at ebpf.AttachType, p *ebpf.Program, o Order, more uint32) (flags uint32, raw link.Link, err error) {
	flags, relative, err := o.anchorCgroup(dir, at)
	if err != nil {
		return flags, nil, err
	}
	f, err := os.Open(dir)
	if err != nil {
		return flags, nil, err
	}
	defer f.Close()
	raw, err = createLink(&linkCreate{
		program: uint32(p.FD()), target: uint32(f.Fd()), attach: uint32(at), flags: flags | more, relative: relative,
	})
	return flags, raw, err
}

// linkWayBack attaches p, which undoes what another program of its chain does at a
// cgroup where o says: what was done last is undone first. So it stands on the other
// side of others, and runs with those that go from the root down to the process's
// cgroup (BPF_F_PREORDER), where all others go up. Kernels that have no order for
// links let it run behind others as anywhere.
func linkWayBack(dir string, at ebpf.AttachType, p *ebpf.Program, o Order) (link.Link, error) {
	back := o
	back.Side = [...]Side{Last: First, First: Last, Before: After, After: Before}[o.Side]
	_, raw, err := linkOrdered(dir, at, p, back, flagPreorder)
	switch {
	case !errors.Is(err, unix.EINVAL):
		return raw, err
	case o.Side == Last:
		return linkCgroup(dir, at, p, o)
	}
	return linkCgroup(dir, at, p, back) // beside one that goes up, or not at all
}

// Flags of linux/bpf.h that say where a link goes.
const (
	flagBefore   = 1 << 3
	flagAfter    = 1 << 4
	flagID       = 1 << 5 // the anchor is given by its number
	flagPreorder = 1 << 6
	flagLink     = 1 << 13 // the anchor is a link
)

// anchorCgroup returns the flags and the number for o. Programs that have a link are
// found by that only, others by themselves.
func (o Order) anchorCgroup(dir string, at ebpf.AttachType) (flags, relative uint32, err error) {
	if flags = flagBefore; o.Side == After || o.Side == Last {
		flags = flagAfter
	}
	if o.Side == First || o.Side == Last {
		return flags, 0, nil
	}
	row, err := cgroupRow(dir, at)
	if err != nil {
		return 0, 0, err
	}
	s, err := o.Anchor.find(row)
	if err != nil {
		return 0, 0, &orderError{o, err}
	}
	if s.Link != 0 {
		return flags | flagID | flagLink, uint32(s.Link), nil
	}
	return flags | flagID, uint32(s.Program), nil
}

// linkCreate is struct link_create of union bpf_attr in linux/bpf.h, as cgroups use
// it. The library knows no order there.
type linkCreate struct {
	program, target, attach, flags uint32
	relative, _                    uint32
	revision                       uint64 // 0: any
}

const linkCreateCommand = 28 // BPF_LINK_CREATE

func createLink(c *linkCreate) (link.Link, error) {
	fd, _, errno := unix.Syscall(unix.SYS_BPF, linkCreateCommand, uintptr(unsafe.Pointer(c)), unsafe.Sizeof(*c))
	runtime.KeepAlive(c)
	if errno != 0 {
		return nil, fmt.Errorf("create link: %w", errno)
	}
	return link.NewFromFD(int(fd))
}

// alone looks for a program that suffers no other at a cgroup: attached there or
// above, without a link, since links never ask for that.
func alone(dir string, at ebpf.AttachType) (s Standing, where string, ok bool) {
	root, err := CgroupRoot()
	if err != nil {
		return s, "", false
	}
	for ; strings.HasPrefix(dir, root); dir = filepath.Dir(dir) {
		row, err := cgroupRow(dir, at)
		if err != nil || len(row) != 1 || row[0].Link != 0 {
			continue
		}
		s := row[0]
		s.Name = programName(s.Program)
		return s, filepath.Join("/", strings.TrimPrefix(dir, root)), true
	}
	return s, "", false
}
