package attach

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"weir/hook"
)

// A Standing is one of the programs, or filters, that packets meet at a place.
type Standing struct {
	Program ebpf.ProgramID // 0 for a filter that is none
	Link    link.ID        // 0 if it is attached without
	Name    string         // the kernel's of the program, or what kind of filter it is
	Mode    Mode           // by which it is there
}

// String returns 12 "weir_edge", or the kind of filter.
func (s Standing) String() string {
	if s.Program == 0 {
		return s.Name
	}
	return fmt.Sprintf("%d %q", s.Program, s.Name)
}

// Row returns what stands at w, in the order in which packets meet it: weir's and
// others'. It is empty where there is no order that the kernel tells.
func Row(w Where) ([]Standing, error) {
	var row []Standing
	err := w.Do(func() error {
		var err error
		row, err = rowAt(w)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list what is at %s: %w", w, err)
	}
	for i, s := range row {
		if s.Program != 0 {
			row[i].Name = programName(s.Program)
		}
	}
	return row, nil
}

// rowAt returns what stands at w, in the thread's network namespace. Of netfilter
// the kernel does not tell which programs of it are of which namespace.
func rowAt(w Where) ([]Standing, error) {
	switch w.Hook.Info().Place {
	case hook.Netns:
		if w.Hook == hook.SkLookup {
			return lookupRow()
		}
		return nil, nil
	case hook.Cgroup:
		dir, err := cgroupDir(w.Cgroup)
		if err != nil {
			return nil, err
		}
		return cgroupRow(dir, cgroupType(w))
	}
	dev, err := device(w.Interface)
	switch {
	case err != nil:
		return nil, err
	case w.Hook == hook.XDP:
		return xdpRow(dev), nil
	case w.Hook == hook.Socket:
		return nil, nil // each has its own copy of packets
	}
	return tcRow(dev.Attrs().Index, w.Hook)
}

// A Place is a place of a network namespace with what stands there.
type Place struct {
	Where   Where
	Ifindex int        // there; 0 if it is no interface
	Row     []Standing // without names
}

// Rows returns what stands at all places of a network namespace at which
// something does.
func Rows(netns string) ([]Place, error) {
	var out []Place
	err := InNetns(netns, func() error {
		devs, err := Dump(netlink.LinkList)
		if err != nil {
			return err
		}
		add := func(w Where, dev netlink.Link, row []Standing) {
			if len(row) > 0 {
				out = append(out, Place{w, dev.Attrs().Index, row})
			}
		}
		for _, dev := range devs {
			w := Where{Netns: netns, Interface: dev.Attrs().Name, Hook: hook.XDP}
			add(w, dev, xdpRow(dev))
			for _, w.Hook = range []hook.Hook{hook.TCIngress, hook.TCEgress} {
				row, err := tcRow(dev.Attrs().Index, w.Hook)
				if err != nil && !gone(err) {
					return err
				}
				add(w, dev, row)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list what is in %s: %w", cmp.Or(netns, "this network namespace"), err)
	}
	return out, nil
}

// dumpTries is how often a listing is begun again that changes interrupt.
const dumpTries = 5

// Dump calls a function of package netlink that lists something, again if changes
// interrupted it. On a machine that never rests the last listing is taken as it is.
func Dump[T any](list func() ([]T, error)) (all []T, err error) {
	for range dumpTries {
		if all, err = list(); !errors.Is(err, netlink.ErrDumpInterrupted) {
			return all, err
		}
	}
	return all, nil
}

// xdpRow is what an interface has of XDP: at most one program.
func xdpRow(dev netlink.Link) []Standing {
	x := dev.Attrs().Xdp
	if x == nil || !x.Attached {
		return nil
	}
	mode := Native
	if x.AttachMode == attachedGeneric {
		mode = Generic
	}
	return []Standing{{Program: ebpf.ProgramID(x.ProgId), Mode: mode}}
}

// tcRow is what stands at tc: tcx programs come before filters (tcx_run in
// sch_handle_ingress, net/core/dev.c).
func tcRow(ifindex int, h hook.Hook) ([]Standing, error) {
	row, err := tcxRow(ifindex, h)
	// Before Linux 6.6 there is no such place: bpf_prog_query.
	if err != nil && !errors.Is(err, unix.EINVAL) {
		return nil, err
	}
	all, err := filters(ifindex, h)
	if err != nil {
		return row, nil // no such queueing discipline
	}
	for _, f := range all {
		if id := programOf(f); id != 0 {
			row = append(row, Standing{Program: id, Mode: Clsact})
		} else {
			row = append(row, Standing{Name: f.Type() + " filter", Mode: Clsact})
		}
	}
	return row, nil
}

func tcxRow(ifindex int, h hook.Hook) ([]Standing, error) {
	r, err := link.QueryPrograms(link.QueryOptions{Target: ifindex, Attach: tcxType(h)})
	if err != nil {
		return nil, err
	}
	var row []Standing
	for _, p := range r.Programs {
		s := Standing{Program: p.ID, Mode: TCX}
		s.Link, _ = p.LinkID()
		row = append(row, s)
	}
	return row, nil
}
