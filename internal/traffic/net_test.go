package traffic

import (
	"net/netip"
	"testing"

	"weir/lab"
)

// Addresses of the hosts: a and b (or m and c behind it), and one that nobody
// has, for chains to translate.
var (
	a4, b4, vip4 = netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.80")
	a6, b6, vip6 = netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2"), netip.MustParseAddr("fd00::80")
	c4, c6       = netip.MustParseAddr("10.0.1.2"), netip.MustParseAddr("fd01::2")
)

// A family is what tests of both IP versions differ in.
type family struct {
	name         string
	a, b, vip, c netip.Addr
}

var families = []family{{"v4", a4, b4, vip4, c4}, {"v6", a6, b6, vip6, c6}}

func newLab(t *testing.T) *lab.Lab {
	t.Helper()
	l := must(lab.New(t.Context(), lab.Options{}))(t)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func newHost(t *testing.T, l *lab.Lab, name string) *lab.Host {
	t.Helper()
	return must(l.Host(name))(t)
}

// pair makes two hosts with both families of addresses. Both ends take XDP
// frames, and so have GRO.
func pair(t *testing.T, o lab.LinkOptions) (a, b lab.Iface) {
	t.Helper()
	l := newLab(t)
	o.A.Addrs, o.B.Addrs = lab.MustPrefixes("10.0.0.1/24", "fd00::1/64"), lab.MustPrefixes("10.0.0.2/24", "fd00::2/64")
	o.Neighbours = true
	a, b = link(t, l, newHost(t, l, "a"), newHost(t, l, "b"), "eth0", "eth0", o)
	for _, f := range families {
		neighbour(t, a, f.vip, b)
	}
	return a, b
}

func link(t *testing.T, l *lab.Lab, x, y *lab.Host, xn, yn string, o lab.LinkOptions) (a, b lab.Iface) {
	t.Helper()
	a, b, err := l.Link(x, xn, y, yn, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []lab.Iface{a, b} {
		if err := i.Host.EnableXDPReceive(i.Name); err != nil {
			t.Fatal(err)
		}
	}
	return a, b
}

func neighbour(t *testing.T, at lab.Iface, addr netip.Addr, to lab.Iface) {
	t.Helper()
	if err := at.Host.Neighbour(at.Name, addr, to.MAC); err != nil {
		t.Fatal(err)
	}
}

// A line is three hosts; m0 and m1 are the interfaces of the one in the middle.
type line struct{ a, m0, m1, c lab.Iface }

// bridged makes a line whose middle forwards Ethernet frames. Nobody has
// addresses, so that there are no packets but the test's.
func bridged(t *testing.T, mtu int) line {
	t.Helper()
	l := newLab(t)
	a, m, c := newHost(t, l, "a"), newHost(t, l, "m"), newHost(t, l, "c")
	var n line
	n.a, n.m0 = link(t, l, a, m, "eth0", "eth0", lab.LinkOptions{MTU: mtu})
	n.m1, n.c = link(t, l, m, c, "eth1", "eth0", lab.LinkOptions{MTU: mtu})
	if _, err := m.Bridge("br0", "eth0", "eth1"); err != nil {
		t.Fatal(err)
	}
	return n
}

// routed makes a line whose middle forwards IP packets.
func routed(t *testing.T) line {
	t.Helper()
	l := newLab(t)
	a, m, c := newHost(t, l, "a"), newHost(t, l, "m"), newHost(t, l, "c")
	addrs := func(ss ...string) lab.End { return lab.End{Addrs: lab.MustPrefixes(ss...)} }
	var n line
	n.a, n.m0 = link(t, l, a, m, "eth0", "eth0", lab.LinkOptions{
		A: addrs("10.0.0.1/24", "fd00::1/64"), B: addrs("10.0.0.2/24", "fd00::2/64"), Neighbours: true})
	n.m1, n.c = link(t, l, m, c, "eth1", "eth0", lab.LinkOptions{
		A: addrs("10.0.1.1/24", "fd01::1/64"), B: addrs("10.0.1.2/24", "fd01::2/64"), Neighbours: true})
	if err := m.Forward(); err != nil {
		t.Fatal(err)
	}
	for _, r := range []struct {
		h        *lab.Host
		dst, via string
	}{
		{a, "10.0.1.0/24", "10.0.0.2"}, {a, "fd01::/64", "fd00::2"},
		{c, "10.0.0.0/24", "10.0.1.1"}, {c, "fd00::/64", "fd01::1"},
	} {
		if err := r.h.Route(netip.MustParsePrefix(r.dst), netip.MustParseAddr(r.via)); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// finishing makes an interface finish what the stack left to it: packets leave
// it no larger than the MTU and with whole checksums, which the receiver checks.
// The hooks on its way out still see them as the stack made them.
func finishing(t *testing.T, i lab.Iface) {
	t.Helper()
	if err := i.Host.SetOffload(i.Name, false, lab.TSO, lab.TXChecksum); err != nil {
		t.Fatal(err)
	}
}

// watch returns a function that reports the packets that hosts have refused for
// a wrong checksum since.
func watch(t *testing.T, hosts ...*lab.Host) func() uint64 {
	t.Helper()
	read := func() (n uint64) {
		for _, h := range hosts {
			n += must(h.Counters())(t).ChecksumErrors()
		}
		return n
	}
	before := read()
	return func() uint64 { return read() - before }
}
