package attach

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"weir/hook"
)

// A Side says on which side of others a program goes.
type Side uint8

// Sides. First and Last are of all others that are there; Before and After are of
// an [Anchor].
const (
	Last Side = iota
	First
	Before
	After
)

// An Order is where a program goes among those that are at its place. The zero
// value is behind all.
type Order struct {
	Side   Side
	Anchor Anchor // of Before and After
}

// String returns before id:12.
func (o Order) String() string {
	switch o.Side {
	case First:
		return "first"
	case Before:
		return "before " + o.Anchor.String()
	case After:
		return "after " + o.Anchor.String()
	}
	return "last"
}

// An Anchor is one of the programs at a place, by one of its names.
type Anchor struct {
	ID      ebpf.ProgramID // the kernel's number, if it is not 0
	Program string         // the kernel's name, if it is not empty
	Chain   string         // the name of one of weir's, if it is not empty

	// IDs are the programs of Chain. Package datapath fills them in: this one does
	// not know them.
	IDs []ebpf.ProgramID
}

// ParseAnchor reads NAME, id:NUMBER or name:PROGRAM.
func ParseAnchor(s string) (Anchor, error) {
	kind, rest, ok := strings.Cut(s, ":")
	switch {
	case s == "":
		return Anchor{}, fmt.Errorf("an empty name (want NAME, id:NUMBER or name:PROGRAM)")
	case !ok:
		return Anchor{Chain: s}, nil
	case kind == "id":
		n, err := strconv.ParseUint(rest, 10, 32)
		if err != nil || n == 0 {
			return Anchor{}, fmt.Errorf("%q: %q is not the number of a program", s, rest)
		}
		return Anchor{ID: ebpf.ProgramID(n)}, nil
	case kind == "name" && rest != "":
		return Anchor{Program: rest}, nil
	}
	return Anchor{}, fmt.Errorf("%q: want NAME, id:NUMBER or name:PROGRAM", s)
}

// String returns what [ParseAnchor] reads.
func (a Anchor) String() string {
	switch {
	case a.ID != 0:
		return fmt.Sprintf("id:%d", a.ID)
	case a.Program != "":
		return "name:" + a.Program
	}
	return a.Chain
}

func (a Anchor) is(s Standing) bool {
	switch {
	case a.ID != 0:
		return s.Program == a.ID
	case a.Program != "":
		return s.Program != 0 && s.Name == a.Program
	}
	return slices.Contains(a.IDs, s.Program)
}

// find returns what of row a means.
func (a Anchor) find(row []Standing) (Standing, error) {
	var found []Standing
	var there []string
	for _, s := range row {
		s.Name = programName(s.Program)
		there = append(there, s.String())
		if a.is(s) {
			found = append(found, s)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return Standing{}, fmt.Errorf("%s is the name of several programs here: %v; say which by id:NUMBER", a, found)
	case len(row) == 0:
		return Standing{}, fmt.Errorf("%s is not here: there is no program", a)
	}
	return Standing{}, fmt.Errorf("%s is not here: there are %s", a, strings.Join(there, ", "))
}

// Check refuses an order where there is none.
func (o Order) Check(h hook.Hook) error {
	why := ""
	switch {
	case o.Side == Last, h == hook.TCIngress, h == hook.TCEgress, h.Info().Place == hook.Cgroup:
		return nil
	case h == hook.XDP:
		why = "there is room for one program, so that there is no order"
	case h.Netfilter():
		why = "priorities say the order"
	case h == hook.SkLookup:
		why = "programs stand in the order in which they were attached"
	default:
		why = "programs have no order there"
	}
	return &orderError{o, fmt.Errorf("%s (tc-ingress, tc-egress and hooks of cgroups have one)", why)}
}

// Holds refuses an order if the program of that number, which is in row, stands
// elsewhere. No order is kept by any place.
func (o Order) Holds(row []Standing, id ebpf.ProgramID) error {
	index := func(id ebpf.ProgramID) int {
		return slices.IndexFunc(row, func(s Standing) bool { return s.Program == id })
	}
	at := index(id)
	var holds bool
	switch o.Side {
	case Last:
		return nil
	case First:
		holds = at == 0
	default:
		s, err := o.Anchor.find(row)
		if err != nil {
			return &orderError{o, err}
		}
		holds = (o.Side == Before) == (at < index(s.Program))
	}
	if holds {
		return nil
	}
	return &orderError{o, fmt.Errorf("it stands at %d of %d", at+1, len(row))}
}

// anchorTCX returns where in the row of tcx programs o is.
func (o Order) anchorTCX(dev netlink.Link, h hook.Hook) (link.Anchor, error) {
	switch o.Side {
	case Last:
		return link.Tail(), nil
	case First:
		return link.Head(), nil
	}
	row, err := tcxRow(dev.Attrs().Index, h)
	if errors.Is(err, unix.EINVAL) { // no such place in this kernel: bpf_prog_query
		return nil, fmt.Errorf("%w: %w", ebpf.ErrNotSupported, err)
	}
	if err != nil {
		return nil, err
	}
	s, err := o.Anchor.find(row)
	if err != nil {
		return nil, &orderError{o, err}
	}
	if o.Side == Before {
		return link.BeforeProgramByID(s.Program), nil
	}
	return link.AfterProgramByID(s.Program), nil
}

// An orderError says that a program cannot have the order that was asked for.
type orderError struct {
	order Order
	err   error
}

func (e *orderError) Error() string { return fmt.Sprintf("%s: %v", e.order, e.err) }
func (e *orderError) Unwrap() error { return e.err }
