package toll

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"weir/lab"
)

// socketsArg0 is the name by which a process knows that it is to open the sockets. They
// belong to the cgroup of who opens them, and this process shall stay in its own.
const socketsArg0 = "weir-toll-sockets"

// MaybeOpen does not return if this process is to open sockets for a measurement. In
// every other process it returns at once. It must be called first in main and in
// TestMain.
func MaybeOpen() {
	if os.Args[0] != socketsArg0 {
		return
	}
	if err := handOver(3); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// handOver opens a socket that takes packets and one that sends some, and hands them
// to who is at the other end of a socket.
func handOver(to int) error {
	taker, err := udp(netip.AddrPortFrom(hostAddr, port))
	if err != nil {
		return err
	}
	// Little room: nobody reads, and what finds none has come all the way.
	if err := unix.SetsockoptInt(taker, unix.SOL_SOCKET, unix.SO_RCVBUF, 1); err != nil {
		return fmt.Errorf("room of socket: %w", err)
	}
	giver, err := udp(netip.AddrPortFrom(netip.IPv4Unspecified(), 0))
	if err != nil {
		return err
	}
	return unix.Sendmsg(to, []byte{0}, unix.UnixRights(taker, giver), nil, 0)
}

func udp(at netip.AddrPort) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("open socket: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: at.Addr().As4(), Port: int(at.Port())}); err != nil {
		return 0, fmt.Errorf("bind socket: %w", err)
	}
	return fd, nil
}

// sockets are the sockets of host.
type sockets struct {
	dir, cgroup  string // the cgroup: its folder, its path
	taker, giver int
}

// openSockets has another process open them on a host, in a cgroup of its own.
func openSockets(h *lab.Host) (s *sockets, err error) {
	s = &sockets{taker: -1, giver: -1}
	if s.dir, err = newCgroup(); err != nil {
		return nil, err
	}
	s.cgroup = cgroupPath(s.dir)
	if err := s.take(h); err != nil {
		return nil, errors.Join(fmt.Errorf("open sockets in a cgroup: %w", err), s.close())
	}
	return s, nil
}

func (s *sockets) take(h *lab.Host) error {
	group, err := os.Open(s.dir)
	if err != nil {
		return err
	}
	defer group.Close()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	theirs := os.NewFile(uintptr(pair[1]), "theirs")
	defer unix.Close(pair[0])
	cmd := exec.Command("/proc/self/exe")
	cmd.Args, cmd.ExtraFiles, cmd.Stderr = []string{socketsArg0}, []*os.File{theirs}, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(group.Fd())}
	err = h.Do(cmd.Start)
	theirs.Close() // so that it ends for us when the process does
	if err != nil {
		return err
	}
	rerr := s.receive(pair[0])
	return errors.Join(cmd.Wait(), rerr)
}

func (s *sockets) receive(from int) error {
	b, oob := make([]byte, 1), make([]byte, unix.CmsgSpace(2*4))
	_, n, _, _, err := unix.Recvmsg(from, b, oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return err
	}
	msgs, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(msgs) != 1 {
		return errors.Join(errors.New("no sockets came"), err)
	}
	fds, err := unix.ParseUnixRights(&msgs[0])
	if err != nil || len(fds) != 2 {
		return errors.Join(errors.New("no sockets came"), err)
	}
	s.taker, s.giver = fds[0], fds[1]
	return nil
}

// send sends a burst to next, a system call each, and gives the time of one in the
// fastest span, in ns. That a chain has dropped a packet is no error.
func (s *sockets) send(cpu int) (ns float64, err error) {
	to := &unix.SockaddrInet4{Addr: nextAddr.As4(), Port: port}
	packet := make([]byte, 18)
	least := time.Duration(math.MaxInt64)
	err = onCPU(cpu, func() error {
		for range sentPackets / sentSpan {
			start := time.Now()
			for range sentSpan {
				if err := unix.Sendto(s.giver, packet, 0, to); err != nil && !errors.Is(err, unix.EPERM) {
					return fmt.Errorf("send: %w", err)
				}
			}
			least = min(least, time.Since(start))
		}
		return nil
	})
	return float64(least.Nanoseconds()) / sentSpan, err
}

func (s *sockets) close() error {
	for _, fd := range []int{s.taker, s.giver} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
	// The kernel counts sockets that have just been closed for a moment longer.
	err := os.Remove(s.dir)
	for range 100 {
		if !errors.Is(err, unix.EBUSY) {
			break
		}
		time.Sleep(10 * time.Millisecond)
		err = os.Remove(s.dir)
	}
	return err
}
