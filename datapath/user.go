package datapath

import (
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"weir/lang"
)

// HasReceivers reports whether the chain hands packets to AF_XDP sockets here.
func (a *Attachment) HasReceivers() bool { return a.unit.system(lang.UserMap) != nil }

// Receivers returns the kernel's number of the map of AF_XDP sockets here: the next
// generation has the same map as long as both hand packets on.
func (a *Attachment) Receivers() (ebpf.MapID, error) {
	info, err := a.unit.system(lang.UserMap).Info()
	if err != nil {
		return 0, wrap(err, "%s: receivers", a.Where)
	}
	id, _ := info.ID()
	return id, nil
}

// PutReceiver gives an AF_XDP socket the packets that come by a queue and that the
// chain hands on. It gets them until it is closed. The error wraps [ErrNotFound] if the
// chain knows no such queue.
func (a *Attachment) PutReceiver(queue uint32, fd int) error {
	m := a.unit.system(lang.UserMap)
	if m == nil {
		return fmt.Errorf("%s: receivers %w", a.Where, ErrNotFound)
	}
	if n := m.MaxEntries(); queue >= n {
		return fmt.Errorf("%s: queue %d %w: to_user() knows those up to %d", a.Where, queue, ErrNotFound, n-1)
	}
	return wrap(m.Put(queue, uint32(fd)), "%s: receive from queue %d", a.Where, queue)
}

// RemoveReceiver takes the socket of a queue away, and returns when the chain hands it
// nothing more: what it was given until then has come.
func (a *Attachment) RemoveReceiver(queue uint32) error {
	m := a.unit.system(lang.UserMap)
	if m == nil {
		return nil
	}
	if err := m.Delete(queue); err != nil {
		return wrap(err, "%s: receive from queue %d", a.Where, queue)
	}
	quiesce()
	return nil
}

// receive puts a socket into the maps of receivers of programs that are attached
// nowhere, at queue 0. It is bound to nothing: to be there is all that a test run asks.
func (s *State) receive() error {
	return s.each(lang.UserMap, func(_ *unit, m *ebpf.Map) error {
		if s.receiver == nil {
			fd, err := unix.Socket(unix.AF_XDP, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
			if errors.Is(err, unix.EAFNOSUPPORT) {
				return fmt.Errorf("AF_XDP socket: %w (needs a kernel with CONFIG_XDP_SOCKETS): %w", ebpf.ErrNotSupported, err)
			}
			if err != nil {
				return wrap(permission(err), "AF_XDP socket")
			}
			s.receiver = os.NewFile(uintptr(fd), "AF_XDP")
		}
		return wrap(m.Put(uint32(0), uint32(s.receiver.Fd())), "receive from queue 0")
	})
}
