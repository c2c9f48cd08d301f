package attach

import (
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
}

// String returns 12 "weir_edge", or the kind of filter.
func (s Standing) String() string {
	if s.Program == 0 {
		return s.Name
	}
	return fmt.Sprintf("%d %q", s.Program, s.Name)
}

// Row returns what stands at w, in the order in which packets meet it: weir's and
// others'.
func Row(w Where) ([]Standing, error) {
	var row []Standing
	err := w.Do(func() error {
		dev, err := device(w.Interface)
		if err != nil {
			return err
		}
		if w.Hook == hook.XDP {
			row = xdpRow(dev)
		} else {
			row, err = tcRow(dev.Attrs().Index, w.Hook)
		}
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

// xdpRow is what an interface has of XDP: at most one program.
func xdpRow(dev netlink.Link) []Standing {
	if x := dev.Attrs().Xdp; x != nil && x.Attached {
		return []Standing{{Program: ebpf.ProgramID(x.ProgId)}}
	}
	return nil
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
			row = append(row, Standing{Program: id})
		} else {
			row = append(row, Standing{Name: f.Type() + " filter"})
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
		s := Standing{Program: p.ID}
		s.Link, _ = p.LinkID()
		row = append(row, s)
	}
	return row, nil
}
