package attach

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"

	"weir/hook"
	"weir/internal/holder"
)

// A clsact filter outlives a process that is killed. What tells such a leftover
// from one that is wanted: nothing else keeps its program, neither a process
// that has it open nor a pin.

// removeLeftover removes a filter of weir's whose process was killed.
func removeLeftover(f netlink.Filter) error {
	if id := programOf(f); id != 0 {
		if by := owner(Foreign{Program: id}); by != "" {
			return fmt.Errorf("%w by filter %s (program %d, %s): end that first, or choose another name", ErrInUse, name(f), id, by)
		}
	}
	if err := netlink.FilterDel(f); err != nil && !gone(err) {
		return fmt.Errorf("remove filter %s that was left behind: %w", name(f), err)
	}
	return nil
}

// Sweep removes the clsact filters of a chain that killed processes left, in all
// network namespaces that can be reached. It returns how many there were.
func Sweep(chain string) (int, error) {
	swept := 0
	var errs []error
	for _, ns := range Namespaces(holder.Find()) {
		// Where one cannot go any more is nothing to sweep.
		_ = InNetns(ns.Name, func() error {
			devs, err := Dump(netlink.LinkList)
			errs = append(errs, err)
			for _, d := range devs {
				n, err := sweep(d.Attrs().Index, filterPrefix+chain)
				swept += n
				errs = append(errs, err)
			}
			return nil
		})
	}
	return swept, errors.Join(errs...)
}

// sweep removes leftovers of that name from an interface.
func sweep(ifindex int, filter string) (int, error) {
	n := 0
	ours := Filter{Qdisc: onlyOurs(ifindex)}
	for _, h := range []hook.Hook{hook.TCIngress, hook.TCEgress} {
		all, err := filters(ifindex, h)
		if err != nil {
			continue // no such queueing discipline
		}
		for _, f := range all {
			if name(f) != filter {
				continue
			}
			switch err := removeLeftover(f); {
			case err == nil:
				n++
			case !errors.Is(err, ErrInUse):
				return n, err
			}
		}
	}
	if n == 0 {
		return 0, nil
	}
	return n, ours.dropQdisc(ifindex)
}
