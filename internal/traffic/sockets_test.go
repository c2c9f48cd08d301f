package traffic

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"weir/lab"
)

// udp opens a UDP socket of a host.
func udp(t *testing.T, h *lab.Host, addr netip.Addr, port uint16) *net.UDPConn {
	t.Helper()
	var c *net.UDPConn
	if err := h.Do(func() (err error) {
		c, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, port)))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetReadBuffer(4 << 20); err != nil {
		t.Fatal(err)
	}
	return c
}

// unsummed makes a UDP socket send checksums of zero, and take them.
func unsummed(t *testing.T, c *net.UDPConn) {
	t.Helper()
	raw := must(c.SyscallConn())(t)
	var err error
	cerr := raw.Control(func(fd uintptr) {
		err = errors.Join(unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_NO_CHECK, 1),
			unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_NO_CHECK6_TX, 1),
			unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_NO_CHECK6_RX, 1))
	})
	if err := errors.Join(err, cerr); err != nil {
		t.Fatal(err)
	}
}

// received reads datagrams until none has come for a while; it gives their
// number and octets.
func received(t *testing.T, c *net.UDPConn) (n, octets uint64) {
	t.Helper()
	b := make([]byte, 1<<16)
	for {
		if err := c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		k, err := c.Read(b)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return n, octets
		}
		if err != nil {
			t.Fatal(err)
		}
		n, octets = n+1, octets+uint64(k)
	}
}

// listen opens a TCP listener on a host.
func listen(t *testing.T, h *lab.Host, addr netip.Addr, port uint16) net.Listener {
	t.Helper()
	var l net.Listener
	if err := h.Do(func() (err error) {
		var lc net.ListenConfig
		lc.SetMultipathTCP(false)
		l, err = lc.Listen(t.Context(), "tcp", netip.AddrPortFrom(addr, port).String())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// dial connects by TCP from port from (0: any) of a host.
func dial(h *lab.Host, from uint16, to netip.AddrPort, within time.Duration) (c net.Conn, err error) {
	err = h.Do(func() (err error) {
		local := netip.IPv4Unspecified()
		if to.Addr().Is6() {
			local = netip.IPv6Unspecified()
		}
		d := net.Dialer{Timeout: within, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(local, from))}
		d.SetMultipathTCP(false)
		c, err = d.Dial("tcp", to.String())
		return err
	})
	return c, err
}

// A pinger sends ICMP echo requests.
type pinger struct {
	t   *testing.T
	c   net.PacketConn
	six bool
}

func newPinger(t *testing.T, h *lab.Host, addr netip.Addr) *pinger {
	t.Helper()
	p := &pinger{t: t, six: addr.Is6()}
	proto := "ip4:icmp"
	if p.six {
		proto = "ip6:ipv6-icmp"
	}
	if err := h.Do(func() (err error) {
		p.c, err = net.ListenPacket(proto, addr.String())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.c.Close() })
	return p
}

// ping sends a request. Over IPv6 the kernel computes the checksum.
func (p *pinger) ping(to netip.Addr, id, seq uint16, payload []byte) {
	p.t.Helper()
	b := make([]byte, 8, 8+len(payload))
	b[0] = 8
	if p.six {
		b[0] = 128
	}
	binary.BigEndian.PutUint16(b[4:], id)
	binary.BigEndian.PutUint16(b[6:], seq)
	b = append(b, payload...)
	if !p.six {
		var sum uint32
		for i := 0; i < len(b); i += 2 {
			sum += uint32(wire(append(b, 0), i, 2))
		}
		sum = sum>>16 + sum&0xffff
		binary.BigEndian.PutUint16(b[2:], ^uint16(sum>>16+sum))
	}
	// ENOBUFS is how the kernel tells of a drop at tc-egress, EPERM of one at netfilter
	// and cgroups.
	if _, err := p.c.WriteTo(b, &net.IPAddr{IP: to.AsSlice()}); err != nil && !errors.Is(err, unix.ENOBUFS) && !refused(err) {
		p.t.Fatal(err)
	}
}

// answers reads replies to an id until there are n of them, or none has come
// for a while.
func (p *pinger) answers(id uint16, n int) int {
	p.t.Helper()
	b := make([]byte, 1<<16)
	for got := 0; ; {
		if got == n {
			return got
		}
		if err := p.c.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			p.t.Fatal(err)
		}
		k, _, err := p.c.ReadFrom(b)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return got
		}
		if err != nil {
			p.t.Fatal(err)
		}
		reply := byte(0)
		if p.six {
			reply = 129
		}
		if k >= 8 && b[0] == reply && binary.BigEndian.Uint16(b[4:]) == id {
			got++
		}
	}
}

// send sends frames at once, not through tc-egress.
func send(t *testing.T, i lab.Iface, frames ...[]byte) {
	t.Helper()
	if err := i.Host.Send(bounded(t), i.Name, frames...); err != nil {
		t.Fatal(err)
	}
}

// sendQueued sends frames as sockets do by default, through tc-egress.
func sendQueued(t *testing.T, i lab.Iface, frames ...[]byte) {
	t.Helper()
	if err := i.Host.Do(func() error {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		for _, f := range frames {
			if err := unix.Sendto(fd, f, 0, &unix.SockaddrLinklayer{Ifindex: i.Index, Halen: 6}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
