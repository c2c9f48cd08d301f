package attach

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// ErrNoSocket says that nothing listens where a socket was looked for.
var ErrNoSocket = errors.New("no such socket")

var descriptor = regexp.MustCompile(`^pid:(\d+)/fd:(\d+)$`)

// OpenSocket returns a descriptor of another process's socket: tcp:ADDRESS:PORT or
// udp:ADDRESS:PORT that listens in the network namespace of the thread, where
// ADDRESS may be *, or pid:NUMBER/fd:NUMBER. The error wraps [ErrNoSocket] if nothing
// listens there. The caller closes the descriptor.
func OpenSocket(text string) (int, error) {
	if m := descriptor.FindStringSubmatch(text); m != nil {
		pid, err1 := strconv.Atoi(m[1])
		fd, err2 := strconv.Atoi(m[2])
		if err := errors.Join(err1, err2); err != nil {
			return 0, err
		}
		return openFD(pid, fd)
	}
	proto, addr, _ := strings.Cut(text, ":")
	any := strings.HasPrefix(addr, "*:")
	want, err := netip.ParseAddrPort(strings.Replace(addr, "*:", "0.0.0.0:", 1))
	if err != nil || proto != "tcp" && proto != "udp" {
		return 0, fmt.Errorf("%q is no socket (want tcp:ADDRESS:PORT, udp:ADDRESS:PORT or pid:NUMBER/fd:NUMBER)", text)
	}
	all, err := Listening(proto)
	if err != nil {
		return 0, err
	}
	for _, l := range all {
		if l.At.Port() == want.Port() && (any || l.At.Addr() == want.Addr()) {
			return l.open()
		}
	}
	return 0, fmt.Errorf("%w: nothing listens at %s (start the server first, or call the socket by a word and give it one by weir maps put)", ErrNoSocket, text)
}

// OpenCookie returns a descriptor of the socket with that cookie that listens in the
// network namespace of the thread. The error wraps [ErrNoSocket] if there is none.
func OpenCookie(cookie uint64) (int, error) {
	all, err := Listening("")
	if err != nil {
		return 0, err
	}
	for _, l := range all {
		if l.Cookie == cookie {
			return l.open()
		}
	}
	return 0, ErrNoSocket
}

// openFD duplicates a descriptor of a process.
func openFD(pid, fd int) (int, error) {
	p, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return 0, fmt.Errorf("process %d: %w", pid, err)
	}
	defer unix.Close(p)
	got, err := unix.PidfdGetfd(p, fd, 0)
	if err != nil {
		return 0, fmt.Errorf("descriptor %d of process %d: %w", fd, pid, err)
	}
	return got, nil
}

// A Listener is a socket that connections or datagrams come to.
type Listener struct {
	Proto  string // tcp or udp
	At     netip.AddrPort
	Inode  uint32
	Cookie uint64
}

// String returns the socket as [OpenSocket] takes it.
func (l Listener) String() string { return l.Proto + ":" + l.At.String() }

// tcpListen is TCP_LISTEN of the kernel's include/net/tcp_states.h.
const tcpListen = 10

// Listening returns the sockets of a protocol, or of both, that wait in the network
// namespace of the thread.
func Listening(proto string) ([]Listener, error) {
	var out []Listener
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		for name, dump := range map[string]func(uint8) ([]*netlink.Socket, error){"tcp": netlink.SocketDiagTCP, "udp": netlink.SocketDiagUDP} {
			if proto != "" && proto != name {
				continue
			}
			list, err := dump(family)
			if err != nil {
				return nil, fmt.Errorf("list %s sockets: %w", name, err)
			}
			for _, s := range list {
				ip, ok := netip.AddrFromSlice(s.ID.Source)
				if name == "tcp" && s.State != tcpListen || name == "udp" && s.ID.DestinationPort != 0 || !ok {
					continue
				}
				out = append(out, Listener{name, netip.AddrPortFrom(ip.Unmap(), s.ID.SourcePort), s.INode,
					uint64(s.ID.Cookie[0]) | uint64(s.ID.Cookie[1])<<32})
			}
		}
	}
	return out, nil
}

// open finds a process that has the socket, and duplicates its descriptor.
func (l Listener) open() (int, error) {
	want := fmt.Sprintf("socket:[%d]", l.Inode)
	files, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return 0, err
	}
	for _, f := range files {
		if to, err := os.Readlink(f); err != nil || to != want {
			continue
		}
		part := strings.Split(f, "/")
		pid, err1 := strconv.Atoi(part[2])
		fd, err2 := strconv.Atoi(part[4])
		if err := errors.Join(err1, err2); err != nil {
			return 0, err
		}
		return openFD(pid, fd)
	}
	return 0, fmt.Errorf("%s: no process that can be seen from here has it", l)
}
