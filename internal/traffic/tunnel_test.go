package traffic

import (
	"net"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"weir/datapath"
	"weir/hook"
)

// tunnelChain is a gateway between a, which knows of no tunnel, and c, which has a
// device of the kernel's for it.
const tunnelChain = `
def enter(pkt):
    if pkt.ip.dst != ip("192.168.7.2") and pkt.ip.dst != ip("fd77::2"):
        return PASS
    if not pkt.encap(TUNNEL):
        count("no room")
        return drop("no room")
    pkt.eth.src, pkt.eth.dst = mac("MAC_M1"), mac("MAC_C")
    count("in")
    if pkt.segments > 1 or pkt.len > 3000:
        count("merged in")
    return redirect("eth1")

def leave(pkt):
    if not pkt.inner.ip:
        return PASS
    if not pkt.decap():
        count("not out")
        return drop("not out")
    pkt.eth.src, pkt.eth.dst = mac("MAC_M0"), mac("MAC_A")
    count("out")
    if pkt.len > 3000:
        count("merged out")
    return redirect("eth0")
`

// Addresses of the two ends inside the tunnel.
var (
	near4, far4 = netip.MustParseAddr("192.168.7.1"), netip.MustParseAddr("192.168.7.2")
	near6, far6 = netip.MustParseAddr("fd77::1"), netip.MustParseAddr("fd77::2")
	inside      = []family{{"v4", near4, far4, netip.Addr{}, netip.Addr{}}, {"v6", near6, far6, netip.Addr{}, netip.Addr{}}}
)

// A tunnelCase is a kind of tunnel: how the chain puts packets into it, and how the far
// end makes and takes them.
type tunnelCase struct {
	name, args string
	far        func(n line) error // in the namespace of c
}

var tunnelCases = []tunnelCase{
	{"vxlan", `"vxlan", src = ip4("10.0.1.1"), dst = ip4("10.0.1.2"), id = 42`, vxlanDevice("10.0.1.1", "10.0.1.2")},
	{"vxlan over v6", `"vxlan", src = ip6("fd01::1"), dst = ip6("fd01::2"), id = 42, sum = False`, vxlanDevice("fd01::1", "fd01::2")},
	{"srv6 of two segments", `"srv6", src = ip6("fd01::1"), segments = [ip6("fc00::e"), ip6("fc00::4") if pkt.ip4 else ip6("fc00::6")]`, segmentRoutes},
}

// vxlanDevice makes the kernel's device, and addresses on it.
func vxlanDevice(remote, local string) func(n line) error {
	return func(n line) error {
		out, err := netlink.LinkByName(n.c.Name)
		if err != nil {
			return err
		}
		d := &netlink.Vxlan{
			LinkAttrs: netlink.LinkAttrs{Name: "vx0", MTU: tunnelMTU, HardwareAddr: farMAC}, VxlanId: 42, VtepDevIndex: out.Attrs().Index,
			SrcAddr: net.ParseIP(local), Group: net.ParseIP(remote), Port: 4789, UDP6ZeroCSumRx: true, UDP6ZeroCSumTx: true,
		}
		if err := netlink.LinkAdd(d); err != nil {
			return err
		}
		return endOf(n, "vx0", true)
	}
}

// endOf gives an interface of c the far addresses, and tells it where the near ones are.
func endOf(n line, name string, neighbours bool) error {
	d, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	if err := netlink.LinkSetUp(d); err != nil {
		return err
	}
	for _, f := range inside {
		p := netlink.NewIPNet(f.b.AsSlice())
		a := &netlink.Addr{IPNet: p, Flags: 0x02} // IFA_F_NODAD
		if err := netlink.AddrAdd(d, a); err != nil {
			return err
		}
		if !neighbours {
			continue
		}
		dst := netlink.NewIPNet(f.a.AsSlice())
		if err := netlink.RouteAdd(&netlink.Route{LinkIndex: d.Attrs().Index, Dst: dst, Scope: netlink.SCOPE_LINK}); err != nil {
			return err
		}
		if err := netlink.NeighSet(&netlink.Neigh{
			LinkIndex: d.Attrs().Index, IP: f.a.AsSlice(), HardwareAddr: n.a.MAC, State: netlink.NUD_PERMANENT,
		}); err != nil {
			return err
		}
	}
	return nil
}

// segmentRoutes make c the end of segments, and send packets back through one.
func segmentRoutes(n line) error {
	if err := endOf(n, "lo", false); err != nil {
		return err
	}
	out, err := netlink.LinkByName(n.c.Name)
	if err != nil {
		return err
	}
	local := func(sid string, action int, at ...int) error {
		e := &netlink.SEG6LocalEncap{Action: action}
		e.Flags[nl.SEG6_LOCAL_ACTION] = true
		for _, f := range at {
			e.Flags[f] = true
		}
		// No next hop: where the address leads. Of End.DX6 that must be elsewhere.
		e.InAddr, e.Table = net.IPv4zero.To4(), unix.RT_TABLE_LOCAL
		return netlink.RouteAdd(&netlink.Route{LinkIndex: out.Attrs().Index, Dst: netlink.NewIPNet(net.ParseIP(sid)), Encap: e})
	}
	if err := local("fc00::e", nl.SEG6_LOCAL_ACTION_END); err != nil {
		return err
	}
	if err := local("fc00::4", nl.SEG6_LOCAL_ACTION_END_DX4, nl.SEG6_LOCAL_NH4); err != nil {
		return err
	}
	if err := local("fc00::6", nl.SEG6_LOCAL_ACTION_END_DT6, nl.SEG6_LOCAL_TABLE); err != nil {
		return err
	}
	for _, f := range inside {
		back := &netlink.SEG6Encap{Mode: nl.SEG6_IPTUN_MODE_ENCAP, Segments: []net.IP{net.ParseIP("fd01::1")}}
		r := &netlink.Route{LinkIndex: out.Attrs().Index, Dst: netlink.NewIPNet(f.a.AsSlice()), Encap: back, Src: f.b.AsSlice()}
		if err := netlink.RouteAdd(r); err != nil {
			return err
		}
	}
	return nil
}

// farMAC is that of the far end where it has an interface of its own.
var farMAC = net.HardwareAddr{0x02, 0, 0, 0, 0x77, 0x02}

// tunnelMTU leaves room for every tunnel.
const tunnelMTU = 1400

// tunnelled makes a line whose middle is the gateway and whose far end has the tunnel.
func tunnelled(t *testing.T, x tunnelCase, whole bool) line {
	t.Helper()
	n := routed(t)
	for _, key := range []string{"net.ipv6.conf.all.seg6_enabled", "net.ipv6.conf.eth0.seg6_enabled"} {
		if err := n.c.Host.Sysctl(key, "1"); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.c.Host.Do(func() error { return x.far(n) }); err != nil {
		t.Fatal(err)
	}
	if err := n.a.Host.Do(func() error { return nearEnd(n) }); err != nil {
		t.Fatal(err)
	}
	if whole {
		finishing(t, n.a)
		finishing(t, n.c)
	}
	return n
}

// nearEnd gives a addresses, and the gateway as where the far ones are.
func nearEnd(n line) error {
	d, err := netlink.LinkByName(n.a.Name)
	if err != nil {
		return err
	}
	if err := netlink.LinkSetMTU(d, tunnelMTU); err != nil {
		return err
	}
	for _, f := range inside {
		a := &netlink.Addr{IPNet: netlink.NewIPNet(f.a.AsSlice()), Flags: 0x02}
		if err := netlink.AddrAdd(d, a); err != nil {
			return err
		}
		dst := netlink.NewIPNet(f.b.AsSlice())
		if err := netlink.RouteAdd(&netlink.Route{LinkIndex: d.Attrs().Index, Dst: dst, Src: f.a.AsSlice(), Scope: netlink.SCOPE_LINK}); err != nil {
			return err
		}
		if err := netlink.NeighSet(&netlink.Neigh{
			LinkIndex: d.Attrs().Index, IP: f.b.AsSlice(), HardwareAddr: farMAC, State: netlink.NUD_PERMANENT,
		}); err != nil {
			return err
		}
	}
	return nil
}

// TestTunnels joins a host to one with the kernel's own tunnel, by a gateway that is two
// chains: pings, and streams both ways. At traffic control packets are as large as the
// stacks make them.
func TestTunnels(t *testing.T) {
	for _, x := range tunnelCases {
		for _, h := range []hook.Hook{hook.XDP, hook.TCIngress} {
			t.Run(x.name+"/"+h.String(), func(t *testing.T) {
				n := tunnelled(t, x, h == hook.XDP)
				c := run(t, text(tunnelChain, "TUNNEL", x.args, "MAC_M0", n.m0.MAC, "MAC_M1", n.m1.MAC, "MAC_A", n.a.MAC, "MAC_C", n.c.MAC),
					place{at: n.m0, hook: h, fn: "enter"}, place{at: n.m1, hook: h, fn: "leave"})
				sum := watch(t, n.a.Host, n.c.Host)
				for i, f := range inside {
					p := newPinger(t, n.a.Host, f.a)
					for seq := range 5 {
						p.ping(f.b, uint16(77+i), uint16(seq), pattern(100+200*seq))
					}
					if got := p.answers(uint16(77+i), 5); got != 5 {
						t.Errorf("%s: %d of 5 pings were answered", f.name, got)
					}
					sendStream(t, n.a, n.c, f, pattern(long(4<<20, 32<<20)))
					back := f
					back.b = f.a
					sendStream(t, n.c, n.a, back, pattern(long(4<<20, 32<<20)))
				}
				for _, lost := range []string{"no room", "not out"} {
					if k := c.count(lost); k != 0 {
						t.Errorf("counted %s: %d", lost, k)
					}
				}
				if in, out := c.count("in"), c.count("out"); in < 100 || out < 100 || sum() != 0 {
					t.Errorf("%d packets went in, %d came out, %d wrong checksums", in, out, sum())
				}
				if in, out := c.count("merged in"), c.count("merged out"); h == hook.TCIngress && (in == 0 || out == 0) {
					t.Errorf("%d merged packets went in, %d came out", in, out)
				}
				t.Logf("%d in, %d out; merged %d in, %d out", c.count("in"), c.count("out"), c.count("merged in"), c.count("merged out"))
			})
		}
	}
}

// TestStdEncap is TestTunnels by the sample of std/encap.weir, which finds its ways in the
// kernel's tables.
func TestStdEncap(t *testing.T) {
	for _, h := range []hook.Hook{hook.XDP, hook.TCIngress} {
		t.Run(h.String(), func(t *testing.T) {
			n := tunnelled(t, tunnelCases[0], h == hook.XDP)
			for _, f := range inside {
				m := n.m0.Host
				if err := m.RouteDev(netip.PrefixFrom(f.a, f.a.BitLen()), n.m0.Name); err != nil {
					t.Fatal(err)
				}
				neighbour(t, n.m0, f.a, n.a)
			}
			c := run(t, sampleOf(t, "encap"), place{at: n.m0, hook: h}, place{at: n.m1, hook: h})
			sum := watch(t, n.a.Host, n.c.Host)
			for _, f := range inside {
				sendStream(t, n.a, n.c, f, pattern(long(4<<20, 32<<20)))
				back := f
				back.b = f.a
				sendStream(t, n.c, n.a, back, pattern(long(4<<20, 32<<20)))
			}
			if k := sum(); k != 0 {
				t.Errorf("%d wrong checksums", k)
			}
			if k := c.ended(func(x datapath.ExitCount) bool { return x.Verdict == "REDIRECT" }); k < 100 {
				t.Errorf("%d packets went through the chain, want most of 16 MiB", k)
			}
			if k := c.ended(func(x datapath.ExitCount) bool { return x.Verdict == "DROP" }); k != 0 {
				t.Errorf("%d packets were dropped", k)
			}
		})
	}
}
