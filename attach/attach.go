// Package attach is the kernel side of hooks: it puts a loaded program where
// packets pass, replaces it, takes it away, and says what is there.
//
// The model: a [Where] names a place, [Attach] makes a [Link] there in the best
// [Mode] that the machine has, and a Link's [Record] is all that another process
// needs to [Open] it again. Attaching is tried first and explained afterwards: a
// mode that is refused is followed by the next one, the reasons are kept in
// [Record.Why], and only when all have failed is the kernel probed for what it
// lacks. Each hook has a file: xdp.go, tcx.go, clsact.go.
//
// Who owns what: programs belong to the caller; the link holds the kernel's
// reference. BPF links live as long as a descriptor or a pin of theirs. A
// clsact filter (kernels without tcx) lives until it is detached, also when its
// process is killed, and is known by its name, priority and program. Two chains
// of one name cannot have filters at the same place. A filter whose program
// nobody keeps any more is a leftover: the next [Attach] of that name there
// removes it, as does [Sweep].
//
// Other people's programs are left alone: an interface has room for one XDP
// program, and if it is taken the error says by what and by whom, unless
// [Options.Force] is set. At tc programs stand in a row ([Row]) and ours goes
// last, or where [Options.Order] says.
//
// What it does not do: it neither loads programs nor knows chains, maps or
// generations; see package datapath.
package attach

import (
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"weir/hook"
)

// Causes of an [Error] that callers branch on.
var (
	ErrNoNetns     = errors.New("no such network namespace")
	ErrNoInterface = errors.New("no such interface")
	ErrInUse       = errors.New("already in use")
)

// An Error says which attachment failed. It is the only error type that leaves
// this package's operations; its cause is reachable with errors.Is and
// errors.As.
type Error struct {
	Op    string // "attach", "replace", "detach", "open", "query"
	Chain string
	Iface string // [NETNS/]INTERFACE
	Hook  hook.Hook
	Err   error
}

// Error returns one line: attach edge on eth0 at xdp: no such interface.
func (e *Error) Error() string {
	return fmt.Sprintf("%s %s on %s at %s: %v", e.Op, e.Chain, e.Iface, e.Hook, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// A Mode is a way of attaching at a hook.
type Mode string

// The modes.
const (
	Best    Mode = ""        // the first that works
	Native  Mode = "native"  // XDP in the driver
	Generic Mode = "generic" // XDP on socket buffers, for drivers without XDP
	TCX     Mode = "tcx"
	Clsact  Mode = "clsact" // a filter of the clsact queueing discipline
)

// Modes returns the modes of a hook, the best first.
func Modes(h hook.Hook) []Mode {
	if h == hook.XDP {
		return []Mode{Native, Generic}
	}
	return []Mode{TCX, Clsact}
}

// Options of an attachment.
type Options struct {
	Chain string // its name, for errors and for the name of a clsact filter

	// Mode is the only mode to try.
	Mode Mode

	// Linear gives the program. Frags gives the one for XDP frames in several
	// fragments, which is tried where the driver refuses Linear because of the
	// interface's MTU; nil if there is none. Each is called at most once. The
	// programs stay the caller's.
	Linear, Frags func() (*ebpf.Program, error)

	Order Order  // among the programs that are there; hooks with room for one have none
	Force bool   // take the place of a foreign XDP program
	Pin   string // path of the link's pin; empty for none
}

// A Record is what is known of an attachment. It is plain data, fit for
// encoding/gob, and enough to [Open] a pinned attachment again.
type Record struct {
	Chain   string
	Where   Where
	Ifindex int // in the network namespace of Where
	Mode    Mode
	Frags   bool   // the program of Options.Frags is attached
	Why     string // why no better mode was taken; empty if there is none
	Pin     string
	Filter  Filter // of mode Clsact
}

// A Link is a program at its place.
type Link struct {
	Record
	raw link.Link // nil in mode Clsact
}

// Attach puts a program at w. Its error is an [*Error]; after an error nothing
// is attached.
func Attach(w Where, o Options) (*Link, error) {
	l := &Link{Record: Record{Chain: o.Chain, Where: w, Pin: o.Pin}}
	err := w.Do(func() error {
		if err := o.Order.check(w.Hook); err != nil {
			return err
		}
		dev, err := device(w.Interface)
		if err != nil {
			return err
		}
		l.Ifindex = dev.Attrs().Index
		if w.Hook == hook.XDP {
			err = l.attachXDP(dev, o)
		} else {
			err = l.attachTC(dev, o)
		}
		if err != nil {
			return err
		}
		return l.pin()
	})
	if err != nil {
		return nil, l.fail("attach", err)
	}
	return l, nil
}

func (l *Link) fail(op string, err error) error {
	return &Error{Op: op, Chain: l.Chain, Iface: l.Where.iface(), Hook: l.Where.Hook, Err: err}
}

// device returns the interface of that name in the thread's namespace.
func device(name string) (netlink.Link, error) {
	dev, err := netlink.LinkByName(name)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return nil, ErrNoInterface
	}
	if err != nil {
		return nil, fmt.Errorf("find interface: %w", err)
	}
	return dev, nil
}

func (l *Link) pin() error {
	if l.raw == nil || l.Pin == "" {
		l.Pin = ""
		return nil
	}
	if err := l.raw.Pin(l.Pin); err != nil {
		return errors.Join(fmt.Errorf("pin link: %w", err), l.raw.Close())
	}
	return nil
}

// Open finds a pinned attachment, or a clsact filter, by its record.
func Open(r Record) (*Link, error) {
	l := &Link{Record: r}
	if r.Mode == Clsact {
		return l, nil
	}
	raw, err := link.LoadPinnedLink(r.Pin, nil)
	if err != nil {
		return nil, l.fail("open", err)
	}
	l.raw = raw
	return l, nil
}

// Update puts p in the place of the attached program; no packet is missed.
func (l *Link) Update(p *ebpf.Program) error {
	var err error
	if l.raw == nil {
		err = l.Where.Do(func() error { return l.Filter.put(l.Ifindex, l.Where.Hook, p, true) })
	} else {
		err = l.raw.Update(p)
	}
	if err != nil {
		return l.fail("replace", vanished(err))
	}
	return nil
}

// Attached reports whether the program is still at its place. It is not when
// the interface is gone or another took the program away by force.
func (l *Link) Attached() (bool, error) {
	if l.raw == nil {
		var ok bool
		err := l.Where.Do(func() (err error) {
			ok, err = l.Filter.there(l.Ifindex, l.Where.Hook)
			return err
		})
		if errors.Is(err, ErrNoNetns) {
			return false, nil
		}
		return ok, err
	}
	info, err := l.raw.Info()
	if err != nil {
		return false, l.fail("query", err)
	}
	if x := info.XDP(); x != nil {
		return x.Ifindex != 0, nil
	}
	if x := info.TCX(); x != nil {
		return x.Ifindex != 0, nil
	}
	return true, nil
}

// ID returns the kernel's number of the link; 0 in mode Clsact.
func (l *Link) ID() link.ID {
	if l.raw == nil {
		return 0
	}
	info, err := l.raw.Info()
	if err != nil {
		return 0
	}
	return info.ID
}

// Detach takes the program away, and the pin. The Link is closed. That the
// interface is gone already is no error.
func (l *Link) Detach() error {
	var errs []error
	if l.raw == nil {
		err := l.Where.Do(func() error { return l.Filter.remove(l.Ifindex, l.Where.Hook) })
		if !errors.Is(err, ErrNoNetns) {
			errs = append(errs, err)
		}
	} else {
		// Detach ends the link even if others hold descriptors of it; where the
		// interface is gone it has nothing to do (tcx says ENOLINK).
		if err := l.raw.Detach(); err != nil && !gone(err) {
			errs = append(errs, err)
		}
		if l.Pin != "" {
			if err := l.raw.Unpin(); err != nil && !errors.Is(err, os.ErrNotExist) {
				errs = append(errs, err)
			}
		}
		errs = append(errs, l.raw.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return l.fail("detach", err)
	}
	return nil
}

// Close releases what the process holds of the link. A BPF link that is not
// pinned ends with it; a clsact filter stays.
func (l *Link) Close() error {
	if l.raw == nil {
		return nil
	}
	return l.raw.Close()
}
