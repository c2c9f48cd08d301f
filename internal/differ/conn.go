package differ

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"weir/attach"
	"weir/datapath"
	"weir/hook"
	"weir/internal/sockaddr"
	"weir/lang"
	"weir/lang/ref"
)

// A Conn is a connection to make, and what to call it.
type Conn struct {
	Name string
	ref.Conn
	Send bool // a datagram of a socket that is not connected
}

// RunConns runs a case of sk-lookup, by test run, or of connect, by sockets of this
// process, which is in cgroup, and compares as [Case.Run] does. listener is the
// socket that every to_socket() names, a listening TCP socket of both families.
func (c Case) RunConns(h hook.Hook, cgroup string, listener int, conns []Conn) error {
	k, want, err := c.open(h, false)
	if err != nil {
		return err
	}
	defer k.close()
	see := k.lookUp
	if h == hook.Connect {
		detach, err := k.attachTo(cgroup)
		if err != nil {
			return err
		}
		defer detach()
		see = k.connect
	}
	for i := range k.prog.Sockets {
		if err := k.state.SystemMap(k.prog, lang.SocketMap).Put(uint32(i), uint64(listener)); err != nil {
			return fmt.Errorf("socket: %w", err)
		}
	}
	for _, conn := range conns {
		if err := k.compareConn(want, conn, see); err != nil {
			return fmt.Errorf("%s: %w", conn.Name, err)
		}
	}
	return k.compareState(want)
}

// attachTo attaches what is asked on the way out: not what tells the process of its
// peer, so that it sees the true one.
func (k *kernel) attachTo(cgroup string) (detach func(), err error) {
	var links []link.Link
	detach = func() {
		for _, l := range links {
			l.Close()
		}
	}
	objs := k.state.Objects(k.prog)
	for _, point := range []string{"connect4", "connect6", "sendmsg4", "sendmsg6"} {
		l, err := link.AttachCgroup(link.CgroupOptions{Path: cgroup, Attach: attach.Points[point], Program: objs[point]})
		if err != nil {
			detach()
			return nil, fmt.Errorf("attach at %s: %w", point, err)
		}
		links = append(links, l)
	}
	return detach, nil
}

// A saw is what the kernel made of a connection. The fields of it are those that
// the reference is asked about in turn.
type saw struct {
	asked ref.Conn // what the chain saw
	to    netip.AddrPort
}

func (k *kernel) compareConn(r *ref.Chain, c Conn, see func(Conn) (saw, error)) error {
	if err := k.tick(); err != nil {
		return err
	}
	s, err := see(c)
	if err != nil {
		return err
	}
	want, left, err := r.RunConn(s.asked)
	if err != nil {
		return fmt.Errorf("reference: %w", err)
	}
	_, x, err := k.outcome()
	if err != nil {
		return err
	}
	got := ref.Result{Verdict: x.Verdict, Reason: x.Reason, Line: x.Line}
	w := ref.Result{Verdict: want.Verdict, Reason: want.Reason, Line: want.Line}
	if d := cmp.Diff(w, got); d != "" {
		return fmt.Errorf("(-reference +kernel):\n%s", d)
	}
	if to := netip.AddrPortFrom(left.Dst, left.DstPort); s.to.IsValid() && to != s.to {
		return fmt.Errorf("it went to %v, the reference sends it to %v", s.to, to)
	}
	return k.note(want)
}

// lookUp shows the program a connection that comes in.
func (k *kernel) lookUp(c Conn) (saw, error) {
	c.NoSocket = c.Proto != unix.IPPROTO_TCP
	in := datapath.LookupContext(c.Proto, netip.AddrPortFrom(c.Src, c.SrcPort), netip.AddrPortFrom(c.Dst, c.DstPort))
	code, err := k.object.Run(&ebpf.RunOptions{Context: in, ContextOut: make([]byte, len(in))})
	if err != nil {
		return saw{}, fmt.Errorf("test run: %w", err)
	}
	_, x, err := k.outcome()
	if err != nil {
		return saw{}, err
	}
	if drop := x.Verdict == "DROP" || x.Verdict == "REJECT"; drop != (code == 0) {
		return saw{}, fmt.Errorf("the kernel was told %d for %s", code, x.Verdict)
	}
	return saw{asked: c.Conn}, nil
}

// connect makes the connection.
func (k *kernel) connect(c Conn) (saw, error) {
	family, typ := unix.AF_INET, unix.SOCK_STREAM
	if c.Dst.Is6() {
		family = unix.AF_INET6
	}
	if c.Proto == unix.IPPROTO_UDP {
		typ = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(family, typ|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return saw{}, err
	}
	defer unix.Close(fd)
	if c.Src.IsValid() && !c.Src.IsUnspecified() || c.SrcPort != 0 {
		if err := unix.Bind(fd, sockaddr.From(netip.AddrPortFrom(c.Src, c.SrcPort))); err != nil {
			return saw{}, fmt.Errorf("bind: %w", err)
		}
		c.SrcPort = localPort(fd)
	}
	cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_COOKIE)
	if err != nil {
		return saw{}, err
	}
	c.PID, c.UID, c.Cookie = uint32(os.Getpid()), uint32(os.Getuid()), cookie
	dst := sockaddr.From(netip.AddrPortFrom(c.Dst, c.DstPort))
	if c.Send {
		err = unix.Sendto(fd, []byte("x"), 0, dst)
		c.SrcPort = localPort(fd) // which it has been given before the chain sees it
		if c.Dst.Is4In6() {       // the kernel hands it to IPv4
			c.Src, c.Dst = c.Src.Unmap(), c.Dst.Unmap()
		}
	} else {
		err = unix.Connect(fd, dst)
	}
	s := saw{asked: c.Conn}
	_, x, oerr := k.outcome()
	if oerr != nil {
		return s, oerr
	}
	if e := told(x.Verdict, err); e != nil || x.Verdict == "DROP" || x.Verdict == "REJECT" {
		return s, e
	}
	s.to, err = k.wentTo(fd, c)
	return s, err
}

// told compares a verdict with what the process was told.
func told(verdict string, err error) error {
	want := map[string]error{"DROP": syscall.EPERM, "REJECT": syscall.ECONNREFUSED}[verdict]
	if want != nil && !errors.Is(err, want) || want == nil && errors.Is(err, syscall.EPERM) {
		return fmt.Errorf("after %s the process was told %v", verdict, err)
	}
	return nil
}

// wentTo returns where the socket is connected to, if it is; else, where the program
// noted that it changed something, what it made of it.
func (k *kernel) wentTo(fd int, c Conn) (netip.AddrPort, error) {
	if peer, err := unix.Getpeername(fd); err == nil {
		return sockaddr.AddrPort(peer), nil
	}
	m := k.state.SystemMap(k.prog, lang.OriginMap)
	if m == nil || !c.Send {
		return netip.AddrPort{}, nil
	}
	var key [32]byte
	var val [24]byte
	for it := m.Iterate(); it.Next(&key, &val); {
		if binary.NativeEndian.Uint64(key[:]) != c.Cookie {
			continue
		}
		was := netip.AddrPortFrom(netip.AddrFrom16([16]byte(val[:16])).Unmap(), binary.BigEndian.Uint16(val[16:]))
		if want := netip.AddrPortFrom(c.Dst.Unmap(), c.DstPort); was != want {
			return netip.AddrPort{}, fmt.Errorf("it is noted that it was to go to %v, not %v", was, want)
		}
		to := netip.AddrFrom16([16]byte(key[8:24]))
		if c.Dst.Is4() {
			to = to.Unmap()
		}
		return netip.AddrPortFrom(to, binary.BigEndian.Uint16(key[24:])), nil
	}
	return netip.AddrPortFrom(c.Dst, c.DstPort), nil
}

func localPort(fd int) uint16 {
	a, err := unix.Getsockname(fd)
	if err != nil {
		return 0
	}
	return sockaddr.AddrPort(a).Port()
}
