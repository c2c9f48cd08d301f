package attach

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// errProcess is why a packet socket cannot be pinned.
var errProcess = errors.New("a packet socket lives as long as its process: use weir run")

// attachSocket opens a packet socket on dev, whose filter the program is. It sees
// what comes in and what goes out. It gets packets from here on: the filter is
// there before the socket is bound.
func (l *Link) attachSocket(dev netlink.Link, o Options) error {
	if o.Pin != "" {
		return errProcess
	}
	p, err := o.Linear()
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("open packet socket: %w", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ATTACH_BPF, p.FD()); err != nil {
		return errors.Join(fmt.Errorf("attach to packet socket: %w", err), unix.Close(fd))
	}
	at := &unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_ALL), Ifindex: dev.Attrs().Index}
	if err := unix.Bind(fd, at); err != nil {
		return errors.Join(fmt.Errorf("bind packet socket: %w", err), unix.Close(fd))
	}
	l.Mode, l.sock = Packet, &packetSocket{fd: fd}
	return nil
}

func bigEndian(n uint16) uint16 { return n<<8 | n>>8 }

// A packetSocket is a socket whose filter is a program.
type packetSocket struct{ fd int }

func (s *packetSocket) update(p *ebpf.Program) error {
	return unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_ATTACH_BPF, p.FD())
}

// attached reports whether the interface is still there: one that has gone leaves
// the socket unbound.
func (s *packetSocket) attached() (bool, error) {
	at, err := unix.Getsockname(s.fd)
	if err != nil {
		return false, fmt.Errorf("query packet socket: %w", err)
	}
	ll, ok := at.(*unix.SockaddrLinklayer)
	return ok && ll.Ifindex > 0, nil
}

func (s *packetSocket) close() error { return unix.Close(s.fd) }
