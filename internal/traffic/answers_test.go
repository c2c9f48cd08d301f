package traffic

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"weir/hook"
	"weir/lab"
)

// tooBig is a wire over which no packet longer than 1400 bytes goes, and whose ends are
// told so.
const tooBig = `
load("std/icmp.weir", "too_big", "unreachable")
load("std/xconnect.weir", "xconnect")

wire = xconnect("eth0", "eth1")

def main(pkt):
    if pkt.ip and pkt.ip.len > 1400 and pkt.segments < 2:
        if too_big(pkt, 1400):
            count("told")
            return TX
        return drop("long")
    if pkt.udp and pkt.udp.dport == 9999:
        return TX if unreachable(pkt, code4 = 3, code6 = 4) else drop("wrong")
    return wire.forward(pkt)
`

// TestStdICMP: the kernel's TCP takes the module's word for how long packets may be, and
// its UDP for that nobody listens.
func TestStdICMP(t *testing.T) {
	for _, h := range []hook.Hook{hook.XDP, hook.TCIngress} {
		for _, f := range families {
			t.Run(h.String()+"/"+f.name, func(t *testing.T) {
				n := apart(t)
				finishing(t, n.a)
				finishing(t, n.c)
				for _, i := range []lab.Iface{n.m0, n.m1} { // else at tc packets come merged
					if err := i.Host.SetOffload(i.Name, false, lab.GRO); err != nil {
						t.Fatal(err)
					}
				}
				c := answering(t, tooBig, h, []lab.Iface{n.m0, n.m1}, []lab.Iface{n.a, n.c})
				download(t, n.c, n.a, f.b, 1<<20)
				if c.count("told") == 0 {
					t.Error("nobody was told that packets are too long")
				}
				if err := refusedBy(n.a.Host, netip.AddrPortFrom(f.b, 9999)); !errors.Is(err, unix.ECONNREFUSED) {
					t.Errorf("a datagram to nobody: %v, want %v", err, unix.ECONNREFUSED)
				}
			})
		}
	}
}

// refusedBy returns what a socket is told that sends a datagram.
func refusedBy(h *lab.Host, to netip.AddrPort) error {
	var c *net.UDPConn
	err := h.Do(func() (err error) {
		c, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
		return err
	})
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Write([]byte("anybody?")); err != nil {
		return err
	}
	_, err = c.Read(make([]byte, 1))
	return err
}

// TestStdNeighbours: the kernel finds a neighbour that the modules answer for.
func TestStdNeighbours(t *testing.T) {
	me := net.HardwareAddr{2, 0, 0, 0, 0, 1} // of both samples
	for _, h := range []hook.Hook{hook.XDP, hook.TCIngress} {
		for _, x := range []struct{ module, own, net, who string }{
			{"arp", "10.0.0.1/24", "198.51.100.0/24", "198.51.100.7"},
			{"ndp", "fd00::1/64", "2001:db8:1::/64", "2001:db8:1::7"},
		} {
			t.Run(h.String()+"/"+x.module, func(t *testing.T) {
				l := newLab(t)
				a, m := newHost(t, l, "a"), newHost(t, l, "m")
				a0, m0 := link(t, l, a, m, "eth0", "eth0", lab.LinkOptions{A: lab.End{Addrs: lab.MustPrefixes(x.own)}})
				onLink(t, a0, x.net)
				answering(t, sampleOf(t, x.module), h, []lab.Iface{m0}, []lab.Iface{a0})
				who := netip.MustParseAddr(x.who)
				go refusedBy(a, netip.AddrPortFrom(who, 9)) // makes the kernel look for it
				eventually(t, "the kernel knows its neighbour", func() bool {
					var list []netlink.Neigh
					must(0, a.Do(func() (err error) {
						list, err = netlink.NeighList(a0.Index, 0)
						return err
					}))(t)
					return slices.ContainsFunc(list, func(n netlink.Neigh) bool {
						return n.IP.Equal(who.AsSlice()) && n.State&netlink.NUD_REACHABLE != 0 && slices.Equal(n.HardwareAddr, me)
					})
				})
			})
		}
	}
}

// answering runs a chain that answers by TX, at the ends of links to others: veth wakes
// the receiver of XDP_TX only if that has an XDP program, too.
func answering(t *testing.T, source string, h hook.Hook, at, others []lab.Iface) *chain {
	t.Helper()
	var places []place
	for _, i := range at {
		places = append(places, place{at: i, hook: h})
	}
	for _, i := range others {
		if h == hook.XDP {
			places = append(places, place{at: i, hook: h, fn: "pass_all"})
		}
	}
	return run(t, source+"\ndef pass_all(pkt):\n    return PASS\n", places...)
}

// onLink says that a network is behind an interface.
func onLink(t *testing.T, i lab.Iface, prefix string) {
	t.Helper()
	_, dst, err := net.ParseCIDR(prefix)
	if err != nil {
		t.Fatal(err)
	}
	if err := i.Host.Do(func() error {
		return netlink.RouteAdd(&netlink.Route{LinkIndex: i.Index, Dst: dst, Scope: netlink.SCOPE_LINK})
	}); err != nil {
		t.Fatal(err)
	}
}

// TestStdSTAMP measures a way by test packets, as a sender of RFC 8762 does: what came and
// went in between, in the order of one clock.
func TestStdSTAMP(t *testing.T) {
	for _, h := range []hook.Hook{hook.XDP, hook.TCIngress} {
		for _, x := range []struct{ own, other string }{{"192.0.2.1/24", "192.0.2.2"}, {"2001:db8::1/64", "2001:db8::2"}} {
			t.Run(h.String()+"/"+x.other, func(t *testing.T) {
				l := newLab(t)
				a0, m0 := link(t, l, newHost(t, l, "a"), newHost(t, l, "m"), "eth0", "eth0", lab.LinkOptions{A: lab.End{Addrs: lab.MustPrefixes(x.own)}})
				finishing(t, a0)
				other := netip.MustParseAddr(x.other)
				neighbour(t, a0, other, m0)
				answering(t, sampleOf(t, "stamp"), h, []lab.Iface{m0}, []lab.Iface{a0})
				var c *net.UDPConn
				must(0, a0.Host.Do(func() (err error) {
					c, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(other, 862)))
					return err
				}))(t)
				defer c.Close()
				c.SetDeadline(time.Now().Add(10 * time.Second))
				for seq := range uint32(5) {
					measureSTAMP(t, c, seq)
				}
			})
		}
	}
}

// measureSTAMP sends a test packet, and checks the answer.
func measureSTAMP(t *testing.T, c *net.UDPConn, seq uint32) {
	t.Helper()
	q := make([]byte, 44)
	binary.BigEndian.PutUint32(q, seq)
	sent := tai(t)
	putPTP(q[4:], sent)
	binary.BigEndian.PutUint16(q[12:], 0x4001)
	must(c.Write(q))(t)
	b := make([]byte, 100)
	n := must(c.Read(b))(t)
	got := tai(t)
	if n != 44 || binary.BigEndian.Uint32(b) != seq || !slices.Equal(b[24:38], q[:14]) || b[40] != 64 {
		t.Fatalf("answer %x to %x", b[:n], q)
	}
	came, gone := ptp(b[16:]), ptp(b[4:])
	if came < sent || gone < came || got < gone {
		t.Errorf("sent at %d, came at %d, went at %d, was there at %d", sent, came, gone, got)
	}
}

// tai reads CLOCK_TAI, in ns.
func tai(t *testing.T) int64 {
	t.Helper()
	var ts unix.Timespec
	must(0, unix.ClockGettime(unix.CLOCK_TAI, &ts))(t)
	return ts.Nano()
}

func putPTP(b []byte, ns int64) {
	binary.BigEndian.PutUint32(b, uint32(ns/1e9))
	binary.BigEndian.PutUint32(b[4:], uint32(ns%1e9))
}

func ptp(b []byte) int64 {
	return int64(binary.BigEndian.Uint32(b))*1e9 + int64(binary.BigEndian.Uint32(b[4:]))
}
