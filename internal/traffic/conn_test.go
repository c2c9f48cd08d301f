package traffic

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"weir/attach"
	"weir/datapath"
	"weir/examples"
	"weir/hook"
	"weir/internal/nstest"
	"weir/internal/sockaddr"
	"weir/lab"
	"weir/lang"
)

// runAt compiles a chain for a place that is no interface and attaches it, until the
// test ends.
func runAt(t *testing.T, source string, w attach.Where) *chain {
	t.Helper()
	c, err := tryAt(t, source, w)
	if err != nil {
		t.Fatalf("attach: %v", err)
	}
	return c
}

func tryAt(t *testing.T, source string, w attach.Where) (*chain, error) {
	t.Helper()
	return tryOrdered(t, source, w, attach.Order{})
}

func tryOrdered(t *testing.T, source string, w attach.Where, o attach.Order) (*chain, error) {
	t.Helper()
	p, err := lang.Compile([]byte(source), lang.Options{File: "traffic.weir", Hook: w.Hook})
	if err != nil {
		t.Fatalf("compile for %s: %v\n%s", w.Hook, err, source)
	}
	k := datapath.Kernel{Root: "/sys/fs/bpf/weir-traffic", Lock: filepath.Join(t.TempDir(), "lock")}
	g, err := k.Attach(t.Context(), datapath.Options{Name: "traffic", How: datapath.How{Order: o}, Chains: []datapath.Chain{{Where: w, Program: p}}})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return &chain{t, g}, nil
}

// A sock is a socket of this process in a host, which waits at most two seconds.
type sock struct {
	t  *testing.T
	fd int
}

// newSock makes a socket: typ is unix.SOCK_STREAM or SOCK_DGRAM.
func newSock(t *testing.T, h *lab.Host, six bool, typ int) sock {
	t.Helper()
	s := sock{t: t}
	family := unix.AF_INET
	if six {
		family = unix.AF_INET6
	}
	if err := h.Do(func() (err error) {
		s.fd, err = unix.Socket(family, typ|unix.SOCK_CLOEXEC, 0)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(s.fd) })
	wait := &unix.Timeval{Sec: 2}
	for _, o := range []int{unix.SO_RCVTIMEO, unix.SO_SNDTIMEO} {
		if err := unix.SetsockoptTimeval(s.fd, unix.SOL_SOCKET, o, wait); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// connect connects the socket. Where a signal comes in between, as Go's scheduler
// sends them, the kernel goes on with it: connect(2).
func (s sock) connect(to netip.AddrPort) error {
	err := unix.Connect(s.fd, sockaddr.From(to))
	if !errors.Is(err, unix.EINTR) {
		return err
	}
	p := []unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLOUT}}
	if err := uninterrupted(func() error { _, err := unix.Poll(p, 2000); return err }); err != nil {
		return err
	}
	if n, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_ERROR); err != nil || n != 0 {
		return cmp.Or(err, error(unix.Errno(n)))
	}
	return nil
}

// uninterrupted repeats a call until no signal comes in between.
func uninterrupted(f func() error) error {
	for {
		if err := f(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// receive returns what comes, and from whom the kernel says it is.
func (s sock) receive() (text string, from netip.AddrPort, err error) {
	b := make([]byte, 100)
	err = uninterrupted(func() error {
		n, sa, err := unix.Recvfrom(s.fd, b, 0)
		if err == nil {
			text, from = string(b[:n]), sockaddr.AddrPort(sa)
		}
		return err
	})
	return text, from, err
}

// peer is what the kernel says the socket is connected to.
func (s sock) peer() netip.AddrPort {
	s.t.Helper()
	return sockaddr.AddrPort(must(unix.Getpeername(s.fd))(s.t))
}

// ask sends a datagram, to an address unless the socket is connected, and returns
// the answer and whom the kernel says it is from.
func (s sock) ask(text string, to netip.AddrPort) (string, netip.AddrPort) {
	s.t.Helper()
	var err error
	if to.IsValid() {
		err = unix.Sendto(s.fd, []byte(text), 0, sockaddr.From(to))
	} else {
		_, err = unix.Write(s.fd, []byte(text))
	}
	if err != nil {
		s.t.Fatalf("send %q to %v: %v", text, to, err)
	}
	answer, from, err := s.receive()
	if err != nil {
		s.t.Fatalf("answer to %q from %v: %v", text, to, err)
	}
	return answer, from
}

// answer answers each datagram at an address with NAME and its text.
func answer(t *testing.T, h *lab.Host, at netip.AddrPort, name string) {
	t.Helper()
	c := udp(t, h, at.Addr(), at.Port())
	go func() {
		b := make([]byte, 100)
		for {
			n, from, err := c.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			c.WriteToUDPAddrPort(append([]byte(name+" "), b[:n]...), from)
		}
	}()
}

// accept answers each connection at an address with NAME and the address that it was
// made to.
func accept(t *testing.T, l net.Listener, name string) {
	t.Helper()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprintf(c, "%s %s", name, c.LocalAddr())
			c.Close()
		}
	}()
}

// A flavour is a kind of socket for an address of a service.
type flavour struct {
	name      string
	six       bool // the socket's family
	vip, real netip.Addr
	seen      func(netip.Addr) netip.Addr // as the socket sees addresses
}

func flavours() []flavour {
	same := func(a netip.Addr) netip.Addr { return a }
	mapped := func(a netip.Addr) netip.Addr { return netip.AddrFrom16(a.As16()) }
	return []flavour{
		{"v4", false, vip4, b4, same},
		{"v6", true, vip6, b6, same},
		{"v4 of a v6 socket", true, vip4, b4, mapped},
	}
}

// vipChain sends what is for two virtual addresses to a server.
const vipChain = `
TO = {ip("10.0.0.80"): ip("10.0.0.2"), ip("10.0.0.81"): ip("10.0.0.2"), ip("fd00::80"): ip("fd00::2"), ip("fd00::81"): ip("fd00::2")}
VIPS = list(TO.keys())

def main(conn):
    if conn.ip.dst in VIPS:
        count("sent on")
        conn.ip.dst = TO[conn.ip.dst]
        conn.dport += 8000
    return PASS
`

// TestConnectElsewhere: a process that goes to a virtual address reaches the server,
// and sees the virtual address answer.
func TestConnectElsewhere(t *testing.T) {
	a, b := pair(t, lab.LinkOptions{})
	for _, real := range []netip.Addr{b4, b6} {
		accept(t, listen(t, b.Host, real, 8080), "web")
		answer(t, b.Host, netip.AddrPortFrom(real, 8053), "dns")
	}
	cgroup := nstest.NewCgroup(t) // which the servers are not in
	c := runAt(t, vipChain, attach.Where{Cgroup: cgroup.Path, Hook: hook.Connect})
	for _, f := range flavours() {
		to := func(addr netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(f.seen(addr), port) }
		second := netip.MustParseAddr(map[bool]string{true: "10.0.0.81", false: "fd00::81"}[f.vip.Is4()])
		t.Run("tcp "+f.name, func(t *testing.T) {
			s := newSock(t, a.Host, f.six, unix.SOCK_STREAM)
			if err := s.connect(to(f.vip, 80)); err != nil {
				t.Fatal(err)
			}
			if got := s.peer(); got != to(f.vip, 80) {
				t.Errorf("the peer is %v, want the virtual address", got)
			}
			buf := make([]byte, 100)
			n := must(unix.Read(s.fd, buf))(t)
			if want := "web " + netip.AddrPortFrom(f.real, 8080).String(); string(buf[:n]) != want {
				t.Errorf("got %q, want %q", buf[:n], want)
			}
		})
		t.Run("connected udp "+f.name, func(t *testing.T) {
			s := newSock(t, a.Host, f.six, unix.SOCK_DGRAM)
			if err := s.connect(to(f.vip, 53)); err != nil {
				t.Fatal(err)
			}
			text, from := s.ask("one", netip.AddrPort{})
			if text != "dns one" || from != to(f.vip, 53) || s.peer() != to(f.vip, 53) {
				t.Errorf("%q from %v, peer %v, want the virtual address", text, from, s.peer())
			}
		})
		t.Run("udp "+f.name, func(t *testing.T) {
			s := newSock(t, a.Host, f.six, unix.SOCK_DGRAM)
			for i, at := range []netip.AddrPort{to(f.vip, 53), to(second, 53), to(f.real, 8053), to(f.vip, 53)} {
				text, from := s.ask(fmt.Sprint(i), at)
				if text != fmt.Sprint("dns ", i) || from != at {
					t.Errorf("question %d to %v: %q from %v", i, at, text, from)
				}
			}
		})
	}
	before := c.count("sent on")
	if want := uint64(3 * (1 + 1 + 3)); before != want {
		t.Errorf("%d were sent on, want %d", before, want)
	}
	t.Run("a socket of another cgroup", func(t *testing.T) {
		cgroup.Leave()
		defer cgroup.Enter()
		s := newSock(t, a.Host, false, unix.SOCK_DGRAM)
		if err := s.connect(netip.AddrPortFrom(vip4, 53)); err != nil {
			t.Fatal(err)
		}
		if c.count("sent on") != before {
			t.Error("it was seen")
		}
	})
}

// TestConnectRefused: what a process is told.
func TestConnectRefused(t *testing.T) {
	a, b := pair(t, lab.LinkOptions{})
	for _, real := range []netip.Addr{b4, b6} {
		for _, port := range []uint16{1, 2, 3} {
			accept(t, listen(t, b.Host, real, port), "open")
			answer(t, b.Host, netip.AddrPortFrom(real, port), "open")
		}
	}
	cgroup := nstest.NewCgroup(t) // which the servers are not in
	c := runAt(t, `
def main(conn):
    if conn.dport == 1:
        return drop("one")
    return reject() if conn.dport == 2 else PASS
`, attach.Where{Cgroup: cgroup.Path, Hook: hook.Connect})
	seen := uint64(0)
	for _, f := range flavours() {
		for port, want := range map[uint16]error{1: unix.EPERM, 2: unix.ECONNREFUSED, 3: nil} {
			to := netip.AddrPortFrom(f.seen(f.real), port)
			for _, typ := range []int{unix.SOCK_STREAM, unix.SOCK_DGRAM} {
				if err := newSock(t, a.Host, f.six, typ).connect(to); !errors.Is(err, want) {
					t.Errorf("%s: connect to port %d: %v, want %v", f.name, port, err, want)
				}
			}
			s := newSock(t, a.Host, f.six, unix.SOCK_DGRAM)
			if err := unix.Sendto(s.fd, []byte("x"), 0, sockaddr.From(to)); !errors.Is(err, want) {
				t.Errorf("%s: send to port %d: %v, want %v", f.name, port, err, want)
			}
			seen += 3
		}
	}
	got := [3]uint64{
		c.dropped("one"),
		c.ended(func(x datapath.ExitCount) bool { return x.Verdict == "REJECT" }),
		c.ended(func(x datapath.ExitCount) bool { return x.Verdict == "PASS" }),
	}
	if want := [3]uint64{seen / 3, seen / 3, seen / 3}; got != want {
		t.Errorf("counted %v, want %v", got, want)
	}
}

// TestExampleVIP: the example's services are what its tables say.
func TestExampleVIP(t *testing.T) {
	a, b := pair(t, lab.LinkOptions{})
	accept(t, listen(t, b.Host, b4, 8080), "web")
	answer(t, b.Host, netip.AddrPortFrom(b6, 53), "dns")
	cgroup := nstest.NewCgroup(t)
	c := runAt(t, string(examples.MustRead("vip.weir")), attach.Where{Cgroup: cgroup.Path, Hook: hook.Connect})
	servers := must(c.Map("servers"))(t)
	for _, e := range [][2]string{
		{"(10.96.0.1, 80, 0)", "{to: 10.0.0.2, port: 8080}"}, {"(10.96.0.1, 80, 1)", "{to: 10.0.0.2, port: 8080}"},
		{"(fd00:96::53, 53, 0)", "{to: fd00::2, port: 53}"},
	} {
		if err := servers.Put(e[0], e[1]); err != nil {
			t.Fatal(err)
		}
	}
	web, dns := netip.MustParseAddrPort("10.96.0.1:80"), netip.MustParseAddrPort("[fd00:96::53]:53")
	for range 8 { // the sockets' numbers choose
		s := newSock(t, a.Host, false, unix.SOCK_STREAM)
		if err := s.connect(web); err != nil || s.peer() != web {
			t.Fatalf("connect to the service: %v", err)
		}
	}
	if text, from := newSock(t, a.Host, true, unix.SOCK_DGRAM).ask("x", dns); text != "dns x" || from != dns {
		t.Errorf("%q from %v", text, from)
	}
	if err := servers.Delete("(fd00:96::53, 53, 0)"); err != nil {
		t.Fatal(err)
	}
	if err := newSock(t, a.Host, true, unix.SOCK_DGRAM).connect(dns); !errors.Is(err, unix.ECONNREFUSED) || c.count("no server") != 1 {
		t.Errorf("a service without a server: %v", err)
	}
}
