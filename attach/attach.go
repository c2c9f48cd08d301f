// Package attach is the kernel side of hooks: it puts a loaded program where
// packets pass, replaces it, takes it away, and says what is there.
//
// The model: a [Where] names a place, [Attach] makes a [Link] there in the best
// [Mode] that the machine has, and a Link's [Record] is all that another process
// needs to [Open] it again. Attaching is tried first and explained afterwards: a
// mode that is refused is followed by the next one, the reasons are kept in
// [Record.Why], and only when all have failed is the kernel probed for what it
// lacks. Names of interfaces and network namespaces are given to others, and mean others
// elsewhere: a [Spot] is a place by the kernel's numbers, and what is done to a link is
// done where that is now, in the namespace that the record has the number of.
//
// Each kind of hook has a file: xdp.go, tcx.go, clsact.go, netfilter.go, cgroup.go,
// connect.go, lookup.go, socket.go. What others have there is in row.go, foreign.go,
// dispatcher.go and evict.go, the order among them in order.go and cgrouporder.go. What
// chains at sk-lookup hand connections to is in listener.go. Where places are, whatever
// they are called: where.go, netns.go, spot.go, now.go.
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
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"weir/hook"
)

// Causes of an [Error] that callers branch on.
var (
	ErrNoNetns     = errors.New("no such network namespace")
	ErrNoInterface = errors.New("no such interface")
	ErrNoCgroup    = errors.New("no such cgroup")
	ErrInUse       = errors.New("already in use")
)

// An Error says which attachment failed. It is the only error type that leaves
// this package's operations; its cause is reachable with errors.Is and
// errors.As.
type Error struct {
	Op    string // "attach", "replace", "detach", "open", "query"
	Chain string
	Place string // [NETNS/]INTERFACE, NETNS, or the cgroup
	Hook  hook.Hook
	Err   error
}

// Error returns one line: attach edge on eth0 at xdp: no such interface.
func (e *Error) Error() string {
	return fmt.Sprintf("%s %s on %s at %s: %v", e.Op, e.Chain, e.Place, e.Hook, e.Err)
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
	BPFLink Mode = "link"   // at netfilter and cgroups
	Packet  Mode = "packet" // the filter of a packet socket
)

// Modes returns the modes of a hook, the best first.
func Modes(h hook.Hook) []Mode {
	switch {
	case h == hook.XDP:
		return []Mode{Native, Generic}
	case h == hook.Socket:
		return []Mode{Packet}
	case h.Info().Place != hook.Interface:
		return []Mode{BPFLink}
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

	// At netfilter: programs run in the order of their priorities, and iptables' and
	// nftables' tables have theirs (filter: 0). Defrag puts packets together before.
	Priority int32
	Defrag   bool
}

// A Record is what is known of an attachment. It is plain data, fit for
// encoding/gob, and enough to [Open] a pinned attachment again.
type Record struct {
	Chain   string
	Where   Where
	Ifindex int // in the network namespace of Where

	// NetnsInode tells that namespace from others that come to have its name.
	NetnsInode uint64

	Mode   Mode
	Frags  bool   // the program of Options.Frags is attached
	Why    string // why no better mode was taken; empty if there is none
	Pin    string
	Links  int    // how many the attachment has; those after the first are pinned at Pin+"+N"
	Filter Filter // of mode Clsact

	// Evicted is the mode of the foreign XDP program that made way, which is put back
	// at the end; Best if there was none. Ended says which one cannot be put back.
	Evicted Mode
	Ended   string

	// At netfilter, what was asked for; see [Link.RunsAt].
	Priority int32
	Defrag   bool
}

// A Link is a program at its place.
type Link struct {
	Record
	raws []link.Link   // none in modes Clsact and Packet
	sock *packetSocket // of mode Packet

	evicted *ebpf.Program // of Record.Evicted; nil if the Link was opened
	finder  *Finder       // see Share
}

// Attach puts a program at w. Its error is an [*Error]; after an error nothing
// is attached.
func Attach(w Where, o Options) (*Link, error) {
	l := &Link{Record: Record{Chain: o.Chain, Where: w, Pin: o.Pin}}
	err := w.Do(func() error {
		l.NetnsInode = inode(ownNetns)
		if err := o.Order.Check(w.Hook); err != nil {
			return err
		}
		if o.Mode != Best && !slices.Contains(Modes(w.Hook), o.Mode) {
			return fmt.Errorf("there is no mode %s (there are %v)", o.Mode, Modes(w.Hook))
		}
		if err := l.attach(o); err != nil {
			return err
		}
		if err := l.pin(); err != nil {
			return errors.Join(err, l.putBack())
		}
		return nil
	})
	if err != nil {
		return nil, l.fail("attach", err)
	}
	return l, nil
}

// attach puts the program at its place, in the thread's network namespace.
func (l *Link) attach(o Options) error {
	switch l.Where.Hook.Info().Place {
	case hook.Netns:
		if l.Where.Hook == hook.SkLookup {
			return l.attachLookup(o)
		}
		return l.attachNetfilter(o)
	case hook.Cgroup:
		return l.attachCgroup(o)
	}
	dev, err := device(l.Where.Interface)
	if err != nil {
		return err
	}
	l.Ifindex = dev.Attrs().Index
	switch l.Where.Hook {
	case hook.XDP:
		return l.attachXDP(dev, o)
	case hook.Socket:
		return l.attachSocket(dev, o)
	}
	return l.attachTC(dev, o)
}

func (l *Link) fail(op string, err error) error {
	return &Error{Op: op, Chain: l.Chain, Place: l.Where.place(), Hook: l.Where.Hook, Err: err}
}

// Index returns the number of the interface of that name in the thread's namespace. The
// error wraps [ErrNoInterface] if there is none.
func Index(name string) (int, error) {
	dev, err := device(name)
	if err != nil {
		return 0, err
	}
	return dev.Attrs().Index, nil
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
