package differ

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"weir/hook"
	"weir/internal/nstest"
	"weir/lang/ref"
)

const corpusOfFIB = "../../lang/testdata/fib"

// ways is what the namespace of TestFIB routes, the longest prefixes first, and what
// the kernel is to say of it. What is of no prefix is not forwarded.
var ways = []struct {
	prefix, via string
	kind        int
	why         uint8
}{
	{"10.0.0.3/32", "", unix.RTN_UNICAST, 7},
	{"10.1.0.0/16", "10.0.0.2", unix.RTN_UNICAST, 0}, {"10.2.0.0/16", "10.0.0.3", unix.RTN_UNICAST, 7},
	{"10.3.0.0/16", "", unix.RTN_BLACKHOLE, 1}, {"10.4.0.0/16", "", unix.RTN_UNREACHABLE, 2}, {"10.5.0.0/16", "", unix.RTN_PROHIBIT, 3},
	{"198.51.100.0/24", "10.0.0.2", unix.RTN_UNICAST, 0}, {"203.0.113.0/24", "10.0.0.3", unix.RTN_UNICAST, 7},
	{"2001:db8:0:80::/64", "fd00::2", unix.RTN_UNICAST, 0}, {"2001:db8:1::/48", "fd00::2", unix.RTN_UNICAST, 0},
	{"2001:db8:2::/48", "fd00::3", unix.RTN_UNICAST, 7}, {"2001:db8:ffff::/48", "", unix.RTN_PROHIBIT, 3},
	{"2001:db8:3::/48", "", unix.RTN_BLACKHOLE, 1}, {"2001:db8:4::/48", "", unix.RTN_UNREACHABLE, 2},
}

// wayMTU is that of every way, in octets: the interface's, the least for IPv6.
const wayMTU = 1280

// TestFIB asks the kernel's tables at the hooks that forward; the reference answers
// by what was put into them.
func TestFIB(t *testing.T) {
	ns := forwarding(t)
	var link *netlink.Veth
	ns.Do(func() (err error) {
		link, err = wayout()
		return err
	})
	for n, c := range casesOf(t, corpusOfFIB) {
		c.fib = func(q ref.FIBQuery) ref.FIBRoute { return answer(link, q) }
		for _, v := range variants {
			if v.hook != hook.XDP && v.hook != hook.TCIngress {
				continue
			}
			t.Run(strings.TrimSuffix(filepath.Base(c.File), ".weir")+"/"+c.Func+" at "+v.name, func(t *testing.T) {
				if err := inside(ns, func() error { return c.Run(v.hook, v.frags, some(stock(), n)) }); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// answer is what the kernel says to a question.
func answer(link *netlink.Veth, q ref.FIBQuery) ref.FIBRoute {
	for _, w := range ways {
		if !netip.MustParsePrefix(w.prefix).Contains(q.Dst) {
			continue
		}
		r := ref.FIBRoute{Why: w.why}
		if w.kind != unix.RTN_UNICAST {
			return r
		}
		if q.Len > wayMTU {
			return ref.FIBRoute{Why: 8, MTU: wayMTU}
		}
		r.IfIndex, r.Gateway = uint32(link.Index), q.Dst
		if w.via != "" {
			r.Gateway = netip.MustParseAddr(w.via)
		}
		if w.why == 0 {
			r.MTU = wayMTU
			copy(r.SMAC[:], link.HardwareAddr)
			copy(r.DMAC[:], neighbourMAC)
		}
		return r
	}
	return ref.FIBRoute{Why: 4}
}

var neighbourMAC = net.HardwareAddr{2, 0, 0, 0, 0, 0x99}

// inside runs f in a namespace.
func inside(ns *nstest.Net, f func() error) (err error) {
	ns.Do(func() error {
		err = f()
		return nil
	})
	return err
}

// forwarding makes a network namespace that would forward, and knows no way.
func forwarding(t *testing.T) *nstest.Net {
	ns := nstest.New(t)
	ns.Do(func() error {
		for _, s := range []string{
			"ipv6/conf/all/disable_ipv6=0", "ipv6/conf/default/disable_ipv6=0", "ipv6/conf/lo/disable_ipv6=0",
			"ipv4/conf/all/forwarding=1", "ipv6/conf/all/forwarding=1",
		} {
			name, x, _ := strings.Cut(s, "=")
			if err := os.WriteFile("/proc/sys/net/"+name, []byte(x), 0); err != nil {
				return err
			}
		}
		return nil
	})
	return ns
}

// wayout makes an interface with the ways.
func wayout() (*netlink.Veth, error) {
	link := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "out", MTU: wayMTU, HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 0x88}}, PeerName: "far"}
	if err := netlink.LinkAdd(link); err != nil {
		return nil, err
	}
	for _, name := range []string{"far", "out"} {
		l, err := netlink.LinkByName(name)
		if err != nil {
			return nil, err
		}
		if err := netlink.LinkSetUp(l); err != nil {
			return nil, err
		}
		link.Index = l.Attrs().Index
	}
	for _, a := range []string{"10.0.0.1/24", "fd00::1/64"} {
		addr, err := netlink.ParseAddr(a)
		if err != nil {
			return nil, err
		}
		addr.Flags = unix.IFA_F_NODAD
		if err := netlink.AddrAdd(link, addr); err != nil {
			return nil, err
		}
	}
	return link, fillWays(link)
}

func fillWays(link *netlink.Veth) error {
	for _, a := range []string{"10.0.0.2", "fd00::2"} {
		n := &netlink.Neigh{LinkIndex: link.Index, IP: net.ParseIP(a), HardwareAddr: neighbourMAC, State: netlink.NUD_PERMANENT}
		if err := netlink.NeighSet(n); err != nil {
			return err
		}
	}
	for _, w := range ways {
		_, dst, err := net.ParseCIDR(w.prefix)
		if err != nil {
			return err
		}
		r := &netlink.Route{Dst: dst, Type: w.kind}
		if w.kind == unix.RTN_UNICAST {
			r.LinkIndex, r.Gw = link.Index, net.ParseIP(w.via)
		}
		if err := netlink.RouteAdd(r); err != nil {
			return err
		}
	}
	return nil
}
