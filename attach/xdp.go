package attach

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// ethernetMTU is the MTU up to which every driver's XDP takes frames whole.
const ethernetMTU = 1500

// xdpTry is a way of attaching an XDP program.
type xdpTry struct {
	mode  Mode
	frags bool
	load  func() (*ebpf.Program, error)
}

// xdpTries returns the ways to try, the best first. A linear program comes
// before one for fragments since it costs less; on socket buffers the kernel
// makes frames linear for it.
func xdpTries(dev netlink.Link, o Options) []xdpTry {
	linear := once(o.Linear)
	var tries []xdpTry
	if o.Mode != Generic {
		tries = append(tries, xdpTry{Native, false, linear})
		if o.Frags != nil && dev.Attrs().MTU > ethernetMTU {
			tries = append(tries, xdpTry{Native, true, o.Frags})
		}
	}
	if o.Mode != Native {
		tries = append(tries, xdpTry{Generic, false, linear})
	}
	return tries
}

func once(load func() (*ebpf.Program, error)) func() (*ebpf.Program, error) {
	var p *ebpf.Program
	return func() (_ *ebpf.Program, err error) {
		if p == nil {
			p, err = load()
		}
		return p, err
	}
}

func (l *Link) attachXDP(dev netlink.Link, o Options) error {
	var why []string
	var errs []error
	for _, try := range xdpTries(dev, o) {
		p, err := try.load()
		if err != nil {
			return err
		}
		raw, out, err := linkXDP(dev, p, try.mode, o.Force)
		if err == nil {
			if err := l.remember(out); err != nil {
				return errors.Join(err, raw.Close(), out.putBack(dev))
			}
			l.raws, l.Mode, l.Frags = []link.Link{raw}, try.mode, try.frags
			if try.mode != Native { // with fragments it is no worse a mode
				l.Why = strings.Join(why, "; ")
			}
			return nil
		}
		if errors.Is(err, ErrInUse) || errors.Is(err, ErrNoInterface) {
			return err
		}
		if err = explainXDP(dev, try, err); errors.Is(err, unix.EPERM) {
			return err
		}
		errs, why = append(errs, err), append(why, err.Error())
	}
	if len(errs) == 1 {
		return errs[0]
	}
	return &joined{errs}
}

// joined is several errors on one line.
type joined struct{ errs []error }

func (j *joined) Error() string {
	var s []string
	for _, e := range j.errs {
		s = append(s, e.Error())
	}
	return strings.Join(s, "; ")
}

func (j *joined) Unwrap() []error { return j.errs }

// linkXDP attaches p by a BPF link. The kernel answers EBUSY if a program is
// there in the same mode, EEXIST if one is there in the other mode. What makes way is
// returned.
func linkXDP(dev netlink.Link, p *ebpf.Program, mode Mode, force bool) (link.Link, *evicted, error) {
	attach := func() (link.Link, error) {
		return link.AttachXDP(link.XDPOptions{Program: p, Interface: dev.Attrs().Index, Flags: xdpFlags(mode)})
	}
	raw, err := attach()
	if err == nil {
		return raw, nil, nil
	}
	if errors.Is(err, unix.EINVAL) { // also what the kernel says of an index without interface
		if _, e := netlink.LinkByIndex(dev.Attrs().Index); e != nil {
			return nil, nil, vanished(unix.ENODEV)
		}
	}
	if !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.EEXIST) {
		return nil, nil, vanished(err)
	}
	f, ferr := foreignXDP(dev)
	if ferr != nil {
		return nil, nil, fmt.Errorf("%w by an XDP program; look for it: %w", ErrInUse, ferr)
	}
	if !force {
		return nil, nil, fmt.Errorf("%w by %s: %s", ErrInUse, f, f.advice(dev))
	}
	out, err := f.evict(dev)
	if err != nil {
		return nil, nil, fmt.Errorf("replace %s: %w", f, err)
	}
	raw, err = attach()
	if err != nil {
		return nil, nil, errors.Join(vanished(err), out.putBack(dev))
	}
	return raw, out, nil
}

func xdpFlags(m Mode) link.XDPAttachFlags {
	if m == Generic {
		return link.XDPGenericMode
	}
	return link.XDPDriverMode
}

// gone reports whether err says that the interface is not there any more.
func gone(err error) bool {
	return errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENOLINK) || errors.Is(err, unix.ENXIO)
}

// vanished says so in words.
func vanished(err error) error {
	if gone(err) {
		return fmt.Errorf("%w: it vanished meanwhile (%s)", ErrNoInterface, short(err))
	}
	return err
}
