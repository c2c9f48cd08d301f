package traffic

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"weir/datapath"
	"weir/hook"
	"weir/lab"
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
    return TO_FAR

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
    return TO_NEAR
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
	far        func(t *testing.T, n line)
	only       string // of the two families the one that it carries
	whole      bool   // no packet is merged
}

const over4, over6 = `src = ip4("10.0.1.1"), dst = ip4("10.0.1.2")`, `src = ip6("fd01::1"), dst = ip6("fd01::2")`

const ends4, ends6 = " remote 10.0.1.1 local 10.0.1.2", " remote fd01::1 local fd01::2"

// tunnelCases are those whose far end this machine has, tunnelDevices others.
var tunnelCases = []tunnelCase{
	{name: "vxlan", args: `"vxlan", id = 42, ` + over4, far: device("vxlan id 42 dstport 4789 dev eth0"+ends4, true)},
	{name: "vxlan over v6", args: `"vxlan", id = 42, sum = False, ` + over6,
		far: device("vxlan id 42 dstport 4789 dev eth0 udp6zerocsumrx udp6zerocsumtx"+ends6, true)},
	{name: "vxlan over v6 with checksums", args: `"vxlan", id = 42, ` + over6, whole: true,
		far: device("vxlan id 42 dstport 4789 dev eth0"+ends6, true)},
	{name: "srv6 of two segments", far: segmentRoutes,
		args: `"srv6", src = ip6("fd01::1"), segments = [ip6("fc00::e"), ip6("fc00::4") if pkt.ip4 else ip6("fc00::6")]`},
}

var tunnelDevices = []tunnelCase{
	{name: "ipip", args: `"ipip", ` + over4, far: device("ipip"+ends4, false), only: "v4"},
	{name: "sit", args: `"ipip", ` + over4, far: device("sit mode ip6ip"+ends4, false), only: "v6"},
	{name: "ip6tnl", args: `"ipip", ` + over6, far: device("ip6tnl mode any"+ends6, false)},
	{name: "gre", args: `"gre", ` + over4, far: device("gre"+ends4, false)},
	{name: "gre with a key", args: `"gre", key = 7, ` + over4, far: device("gre key 7"+ends4, false)},
	{name: "gre over v6", args: `"gre", key = 9, ` + over6, far: device("ip6gre key 9"+ends6, false)},
	{name: "gue", args: `"gue", ` + over4, only: "v4",
		far: device("ipip encap gue encap-sport 49152 encap-dport 6080"+ends4, false, "fou add port 6080 gue")},
	{name: "geneve", args: `"geneve", id = 42, ` + over4, far: device("geneve id 42 dstport 6081 remote 10.0.1.1", true)},
	{name: "geneve over v6 with checksums", args: `"geneve", id = 42, ` + over6, whole: true,
		far: device("geneve id 42 dstport 6081 remote fd01::1", true)},
}

// absent is what the kernel says of a kind of device, or of the other end of GUE, that it
// has not.
var absent = []string{"Unknown device type", "No such file or directory"}

// device makes a device of the kernel's, and addresses on it; commands of ip come before.
func device(spec string, frames bool, before ...string) func(*testing.T, line) {
	return func(t *testing.T, n line) {
		add := "link add vx0 "
		if frames {
			add += "address " + farMAC.String() + " "
		}
		for _, cmd := range append(before, add+"type "+spec) {
			err := configure(t, n.c.Host, cmd)
			if errors.Is(err, lab.ErrNotSupported) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := n.c.Host.Do(func() error { return endOf(n, "vx0", frames) }); err != nil {
			t.Fatal(err)
		}
	}
}

// configure runs a command of ip. Its error wraps lab.ErrNotSupported if the kernel has
// not what is asked for.
func configure(t *testing.T, h *lab.Host, cmd string) error {
	_, err := h.Run(t.Context(), "ip", strings.Fields(cmd)...)
	for _, says := range absent {
		if err != nil && strings.Contains(err.Error(), says) {
			return fmt.Errorf("ip %s: %w: %w", cmd, lab.ErrNotSupported, err)
		}
	}
	return err
}

// endOf gives an interface of c the far addresses, and tells it where the near ones are;
// one of frames needs a MAC address for that.
func endOf(n line, name string, frames bool) error {
	d, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	if name != "lo" {
		if err := netlink.LinkSetMTU(d, tunnelMTU); err != nil {
			return err
		}
	}
	if err := netlink.LinkSetUp(d); err != nil {
		return err
	}
	for _, f := range inside {
		a := &netlink.Addr{IPNet: netlink.NewIPNet(f.b.AsSlice()), Flags: unix.IFA_F_NODAD}
		if err := netlink.AddrAdd(d, a); err != nil {
			return err
		}
		if name == "lo" {
			continue
		}
		dst := netlink.NewIPNet(f.a.AsSlice())
		if err := netlink.RouteAdd(&netlink.Route{LinkIndex: d.Attrs().Index, Dst: dst, Scope: netlink.SCOPE_LINK}); err != nil {
			return err
		}
		if !frames {
			continue
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
func segmentRoutes(t *testing.T, n line) {
	for _, key := range []string{"net.ipv6.conf.all.seg6_enabled", "net.ipv6.conf.eth0.seg6_enabled"} {
		if err := n.c.Host.Sysctl(key, "1"); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.c.Host.Do(func() error { return segments(n) }); err != nil {
		t.Fatal(err)
	}
}

func segments(n line) error {
	if err := endOf(n, "lo", false); err != nil {
		return err
	}
	out, err := netlink.LinkByName(n.c.Name)
	if err != nil {
		return err
	}
	for _, s := range []struct {
		sid    string
		action int
		with   []int
	}{
		{"fc00::e", nl.SEG6_LOCAL_ACTION_END, nil},
		{"fc00::4", nl.SEG6_LOCAL_ACTION_END_DX4, []int{nl.SEG6_LOCAL_NH4}},
		{"fc00::6", nl.SEG6_LOCAL_ACTION_END_DT6, []int{nl.SEG6_LOCAL_TABLE}},
	} {
		// No next hop: where the address leads. Of End.DX6 that must be elsewhere.
		e := &netlink.SEG6LocalEncap{Action: s.action, InAddr: net.IPv4zero.To4(), Table: unix.RT_TABLE_LOCAL}
		e.Flags[nl.SEG6_LOCAL_ACTION] = true
		for _, f := range s.with {
			e.Flags[f] = true
		}
		r := &netlink.Route{LinkIndex: out.Attrs().Index, Dst: netlink.NewIPNet(net.ParseIP(s.sid)), Encap: e}
		if err := netlink.RouteAdd(r); err != nil {
			return err
		}
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

// tunnelled makes both ends of a tunnel. Where frames are whole nobody merges them or
// leaves checksums to be made.
func tunnelled(t *testing.T, n line, x tunnelCase, whole bool) {
	t.Helper()
	x.far(t, n)
	if err := n.a.Host.Do(func() error { return nearEnd(n) }); err != nil {
		t.Fatal(err)
	}
	if whole {
		finishing(t, n.a)
		finishing(t, n.c)
	}
}

// nearEnd gives a addresses, and the gateway as where the far ones are.
func nearEnd(n line) error {
	d, err := netlink.LinkByName(n.a.Name)
	if err != nil {
		return err
	}
	for _, f := range inside {
		a := &netlink.Addr{IPNet: netlink.NewIPNet(f.a.AsSlice()), Flags: unix.IFA_F_NODAD}
		if err := netlink.AddrAdd(d, a); err != nil {
			return err
		}
		dst := netlink.NewIPNet(f.b.AsSlice())
		if err := netlink.RouteAdd(&netlink.Route{LinkIndex: d.Attrs().Index, Dst: dst, Src: f.a.AsSlice(), Scope: netlink.SCOPE_LINK, MTU: tunnelMTU}); err != nil {
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
func TestTunnels(t *testing.T) { throughGateway(t, tunnelCases) }

// TestTunnelDevices does so with devices that not every kernel has.
func TestTunnelDevices(t *testing.T) { throughGateway(t, tunnelDevices) }

func throughGateway(t *testing.T, cases []tunnelCase) {
	for _, x := range cases {
		for _, h := range []hook.Hook{hook.XDP, hook.TCIngress} {
			if x.whole && h != hook.XDP {
				continue
			}
			t.Run(x.name+"/"+h.String(), func(t *testing.T) {
				n := routed(t)
				tunnelled(t, n, x, h == hook.XDP)
				source := text(tunnelChain, "TUNNEL", x.args, "TO_FAR", `redirect("eth1")`, "TO_NEAR", `redirect("eth0")`,
					"MAC_M0", n.m0.MAC, "MAC_M1", n.m1.MAC, "MAC_A", n.a.MAC, "MAC_C", n.c.MAC)
				c := run(t, source, place{at: n.m0, hook: h, fn: "enter"}, place{at: n.m1, hook: h, fn: "leave"})
				checkTunnel(t, n, x, c, h == hook.TCIngress)
			})
		}
	}
}

// TestTunnelOfHost has a host put what it sends into a tunnel itself, and take out what
// it receives: at traffic control, on the way out and in.
func TestTunnelOfHost(t *testing.T) {
	for _, x := range tunnelCases {
		if x.whole {
			continue
		}
		t.Run(x.name, func(t *testing.T) {
			l := newLab(t)
			var n line
			n.a, n.c = link(t, l, newHost(t, l, "a"), newHost(t, l, "c"), "eth0", "eth0", lab.LinkOptions{
				A: lab.End{Addrs: lab.MustPrefixes("10.0.1.1/24", "fd01::1/64")}, B: lab.End{Addrs: lab.MustPrefixes("10.0.1.2/24", "fd01::2/64")}, Neighbours: true})
			tunnelled(t, n, x, false)
			source := text(tunnelChain, "TUNNEL", x.args, "TO_FAR", "PASS", "TO_NEAR", "PASS",
				"MAC_M0", n.c.MAC, "MAC_M1", n.a.MAC, "MAC_A", n.a.MAC, "MAC_C", n.c.MAC)
			c := run(t, source, place{at: n.a, hook: hook.TCEgress, fn: "enter"}, place{at: n.a, hook: hook.TCIngress, fn: "leave"})
			checkTunnel(t, n, x, c, true)
		})
	}
}

// checkTunnel sends pings and streams from one end of a tunnel to the other and back.
func checkTunnel(t *testing.T, n line, x tunnelCase, c *chain, merged bool) {
	t.Helper()
	sum := watch(t, n.a.Host, n.c.Host)
	for i, f := range inside {
		if x.only != "" && f.name != x.only {
			continue
		}
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
	in, out := c.count("in"), c.count("out")
	if in < 50 || out < 50 || sum() != 0 {
		t.Errorf("%d packets went in, %d came out, %d wrong checksums", in, out, sum())
	}
	mergedIn, mergedOut := c.count("merged in"), c.count("merged out")
	if merged && (mergedIn == 0 || mergedOut == 0) {
		t.Errorf("%d merged packets went in, %d came out", mergedIn, mergedOut)
	}
	t.Logf("%d in, %d out; merged %d in, %d out", in, out, mergedIn, mergedOut)
}

// TestStdEncap is TestTunnels by the sample of std/encap.weir, which finds its ways in the
// kernel's tables.
func TestStdEncap(t *testing.T) {
	for _, h := range []hook.Hook{hook.XDP, hook.TCIngress} {
		t.Run(h.String(), func(t *testing.T) {
			n := routed(t)
			tunnelled(t, n, tunnelCases[0], h == hook.XDP)
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
