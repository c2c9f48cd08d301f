package attach

import (
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// An evicted is a foreign XDP program that made way for ours, and is put back when ours
// goes.
type evicted struct {
	program *ebpf.Program // nil: it had a link, which is ended for good
	Foreign
}

// evict takes f away.
func (f Foreign) evict(dev netlink.Link) (*evicted, error) {
	if f.Link != 0 {
		l, err := link.NewFromID(f.Link)
		if err != nil {
			return nil, err
		}
		defer l.Close()
		return &evicted{nil, f}, l.Detach()
	}
	p, err := ebpf.NewProgramFromID(f.Program)
	if err != nil {
		return nil, err
	}
	if err := netlink.LinkSetXdpFdWithFlags(dev, -1, int(xdpFlags(f.Mode))); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return &evicted{p, f}, nil
}

// putBack attaches e again where it was.
func (e *evicted) putBack(dev netlink.Link) error {
	if e.program == nil {
		return fmt.Errorf("%s cannot be put back", e.Foreign)
	}
	return errors.Join(putXDP(dev, e.program, e.Mode), e.program.Close())
}

// putXDP attaches p where no other is: who has come meanwhile stays.
func putXDP(dev netlink.Link, p *ebpf.Program, m Mode) error {
	err := netlink.LinkSetXdpFdWithFlags(dev, p.FD(), int(xdpFlags(m))|unix.XDP_FLAGS_UPDATE_IF_NOEXIST)
	if errors.Is(err, unix.EBUSY) || errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}

// remember writes down what made way for l, with a pin if l has one.
func (l *Link) remember(e *evicted) error {
	switch {
	case e == nil:
		return nil
	case e.program == nil:
		l.Ended = e.Foreign.String()
		return nil
	}
	l.Evicted, l.evicted = e.Mode, e.program
	if l.Pin == "" {
		return nil
	}
	path := l.evictedPin()
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("pin %s: %w", e, err)
	}
	if err := e.program.Pin(path); err != nil {
		return fmt.Errorf("pin %s: %w", e, err)
	}
	return nil
}

func (r *Record) evictedPin() string { return r.Pin + "+evicted" }

// putBack puts back what made way for l, if the interface is still where it was.
func (l *Link) putBack() error {
	if l.Evicted == Best {
		return nil
	}
	p := l.evicted
	if p == nil {
		var err error
		if p, err = ebpf.LoadPinnedProgram(l.evictedPin(), nil); errors.Is(err, os.ErrNotExist) {
			return nil // it was put back already
		} else if err != nil {
			return fmt.Errorf("open what made way: %w", err)
		}
	}
	err := l.Do(func() error {
		dev, err := netlink.LinkByIndex(l.Ifindex)
		if err != nil {
			return nil // it is gone, or elsewhere
		}
		return putXDP(dev, p, l.Evicted)
	})
	if errors.Is(err, ErrNoNetns) {
		err = nil
	}
	if err != nil {
		err = fmt.Errorf("put back what made way: %w", err)
	}
	l.Evicted, l.evicted = Best, nil
	err = errors.Join(err, p.Close())
	if l.Pin == "" {
		return err
	}
	if rerr := os.Remove(l.evictedPin()); !errors.Is(rerr, os.ErrNotExist) {
		err = errors.Join(err, rerr)
	}
	return err
}
