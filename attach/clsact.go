package attach

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"weir/hook"
)

// A Filter is what a clsact filter is known by.
type Filter struct {
	Name     string
	Priority uint16
	Handle   uint32
	Program  ebpf.ProgramID // 0: not known, any is taken for ours
	Qdisc    bool           // the queueing discipline was made for it
}

// filterPrefix begins the names of weir's filters.
const filterPrefix = "weir/"

// firstPriority leaves room for filters that others want before ours.
const firstPriority = 1000

func filterParent(h hook.Hook) uint32 {
	if h == hook.TCEgress {
		return netlink.HANDLE_MIN_EGRESS
	}
	return netlink.HANDLE_MIN_INGRESS
}

func clsactOf(ifindex int) *netlink.GenericQdisc {
	return &netlink.GenericQdisc{
		QdiscAttrs: netlink.QdiscAttrs{
			LinkIndex: ifindex, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT,
		},
		QdiscType: "clsact",
	}
}

// addFilter attaches p by a filter named after its chain, behind all that are there.
// One of that name is removed if a killed process left it (see leftover.go); if
// not, the error wraps [ErrInUse].
func addFilter(dev netlink.Link, h hook.Hook, chain string, p *ebpf.Program) (Filter, error) {
	ifindex := dev.Attrs().Index
	f := Filter{Name: filterPrefix + chain, Priority: firstPriority, Handle: 1, Qdisc: true}
	err := netlink.QdiscAdd(clsactOf(ifindex))
	if errors.Is(err, unix.EEXIST) {
		f.Qdisc, err = false, nil
	}
	if err != nil {
		return Filter{}, fmt.Errorf("add queueing discipline: %w", err)
	}
	all, err := filters(ifindex, h)
	if err != nil {
		return Filter{}, errors.Join(err, f.dropQdisc(ifindex))
	}
	f.Qdisc = f.Qdisc || onlyOurs(ifindex)
	for _, old := range all {
		if name(old) != f.Name {
			f.Priority = max(f.Priority, old.Attrs().Priority+1)
		} else if err := removeLeftover(old); err != nil {
			return Filter{}, err
		}
	}
	if err := f.put(ifindex, h, p, false); err != nil {
		return Filter{}, errors.Join(err, f.dropQdisc(ifindex))
	}
	return f, nil
}

// onlyOurs reports whether there are filters, and all are weir's: then one of
// them made the queueing discipline, and the last is to take it away.
func onlyOurs(ifindex int) bool {
	n := 0
	for _, h := range []hook.Hook{hook.TCIngress, hook.TCEgress} {
		all, err := filters(ifindex, h)
		if err != nil {
			return false
		}
		for _, f := range all {
			if n++; !strings.HasPrefix(name(f), filterPrefix) {
				return false
			}
		}
	}
	return n > 0
}

// name returns the name of a BPF filter, or "".
func name(f netlink.Filter) string {
	if b, ok := f.(*netlink.BpfFilter); ok {
		return b.Name
	}
	return ""
}

// programOf returns the program of a BPF filter; 0 if the kernel does not tell.
func programOf(f netlink.Filter) ebpf.ProgramID {
	if b, ok := f.(*netlink.BpfFilter); ok {
		return ebpf.ProgramID(b.Id)
	}
	return 0
}

func filters(ifindex int, h hook.Hook) ([]netlink.Filter, error) {
	dev := &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: ifindex}}
	all, err := Dump(func() ([]netlink.Filter, error) { return netlink.FilterList(dev, filterParent(h)) })
	if err != nil {
		return nil, fmt.Errorf("list filters: %w", err)
	}
	return all, nil
}

func (f Filter) spec(ifindex int, h hook.Hook) *netlink.BpfFilter {
	return &netlink.BpfFilter{
		FilterAttrs: netlink.FilterAttrs{
			LinkIndex: ifindex, Parent: filterParent(h), Handle: f.Handle, Protocol: unix.ETH_P_ALL, Priority: f.Priority,
		},
		Name: f.Name, DirectAction: true, Fd: -1,
	}
}

// put adds the filter, or puts p in the place of its program.
func (f *Filter) put(ifindex int, h hook.Hook, p *ebpf.Program, replace bool) error {
	s := f.spec(ifindex, h)
	s.Fd = p.FD()
	var err error
	if replace {
		err = netlink.FilterReplace(s)
	} else if err = netlink.FilterAdd(s); err != nil {
		err = fmt.Errorf("add filter: %w", err)
	}
	if err == nil {
		f.Program = programID(p)
	}
	return err
}

// runs reports whether p is the filter's program. Another's filter may have the
// same name and priority, once ours was taken away by force.
func (f Filter) runs(p ebpf.ProgramID) bool { return f.Program == 0 || p == 0 || p == f.Program }

func (f Filter) there(ifindex int, h hook.Hook) (bool, error) {
	x, err := f.find(ifindex, h)
	return x != nil && f.runs(programOf(x)), err
}

// find returns the filter of that name and priority, whatever its program; nil
// if there is none.
func (f Filter) find(ifindex int, h hook.Hook) (netlink.Filter, error) {
	all, err := filters(ifindex, h)
	if gone(err) || errors.Is(err, unix.EINVAL) {
		return nil, nil // no interface, or no such queueing discipline
	}
	for _, x := range all {
		if name(x) == f.Name && x.Attrs().Priority == f.Priority {
			return x, nil
		}
	}
	return nil, err
}

// remove takes the filter away, and the queueing discipline if it was made for
// filters of ours and holds none any more.
func (f Filter) remove(ifindex int, h hook.Hook) error {
	if ok, err := f.there(ifindex, h); !ok || err != nil {
		return err
	}
	if err := netlink.FilterDel(f.spec(ifindex, h)); err != nil && !gone(err) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("delete filter: %w", err)
	}
	return f.dropQdisc(ifindex)
}

func (f Filter) dropQdisc(ifindex int) error {
	if !f.Qdisc {
		return nil
	}
	for _, h := range []hook.Hook{hook.TCIngress, hook.TCEgress} {
		if all, err := filters(ifindex, h); err != nil || len(all) > 0 {
			return nil
		}
	}
	if err := netlink.QdiscDel(clsactOf(ifindex)); err != nil && !gone(err) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("delete queueing discipline: %w", err)
	}
	return nil
}
