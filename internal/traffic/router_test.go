package traffic

import (
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"weir/datapath"
	"weir/examples"
	"weir/hook"
	"weir/lab"
)

// vlanOfOwn is what VLAN devices do, which not every kernel has: what leaves has the tag,
// what comes has lost it.
const vlanOfOwn = `
def push(pkt):
    return PASS if pkt.vlan_push(VLAN_) else drop("push")

def pop(pkt):
    if pkt.vlan and pkt.vlan.id != VLAN_:
        return drop("of another VLAN")
    return PASS if pkt.vlan_pop() else drop("no tag")

def main(pkt):
    return PASS
`

// tagsInData makes an interface send tags in the data, where XDP sees them, and packets
// as finishing does.
func tagsInData(t *testing.T, i lab.Iface) {
	t.Helper()
	finishing(t, i)
	if err := i.Host.SetOffload(i.Name, false, lab.TXVLAN); err != nil {
		t.Fatal(err)
	}
}

// inVLAN makes a host one of a VLAN.
func inVLAN(t *testing.T, i lab.Iface, vlan int) {
	t.Helper()
	tagsInData(t, i)
	run(t, text(vlanOfOwn, "VLAN_", vlan),
		place{at: i, hook: hook.TCEgress, fn: "push"}, place{at: i, hook: hook.TCIngress, fn: "pop"})
}

// A member is a host of a VLAN, with its addresses.
type member struct {
	lab.Iface
	four, six netip.Addr
}

// routedVLANs makes hosts of VLANs 10, 20 and 30, whose gateway is the example: one host
// of each of the first two behind a bridge that carries the trunk, one behind eth1.
func routedVLANs(t *testing.T, h hook.Hook) (members []member, router *chain) {
	t.Helper()
	l := newLab(t)
	r, bridge := newHost(t, l, "r"), newHost(t, l, "s")
	up, trunk := link(t, l, bridge, r, "eth0", "eth0", lab.LinkOptions{})
	tagsInData(t, up) // the bridge has taken them out
	ports := []string{"eth0"}
	at, others := []lab.Iface{trunk}, []lab.Iface{up}
	for n, vlan := range []int{10, 20, 30} {
		name := fmt.Sprintf("h%d", vlan)
		four, six := fmt.Sprintf("10.0.%d.2", vlan), fmt.Sprintf("fd00:%d::2", vlan)
		to, port := bridge, fmt.Sprintf("eth%d", n+1)
		if vlan == 30 {
			to, port = r, "eth1"
		}
		o := lab.LinkOptions{A: lab.End{Addrs: lab.MustPrefixes(four+"/24", six+"/64")}}
		end, other := link(t, l, newHost(t, l, name), to, "eth0", port, o)
		if vlan == 30 {
			finishing(t, end)
			at, others = append(at, other), append(others, end)
		} else {
			ports = append(ports, port)
			inVLAN(t, end, vlan)
		}
		for dst, via := range map[string]string{"10.0.0.0/8": fmt.Sprintf("10.0.%d.1", vlan), "fd00::/16": fmt.Sprintf("fd00:%d::1", vlan)} {
			if err := end.Host.Route(netip.MustParsePrefix(dst), netip.MustParseAddr(via)); err != nil {
				t.Fatal(err)
			}
		}
		members = append(members, member{end, netip.MustParseAddr(four), netip.MustParseAddr(six)})
	}
	if _, err := bridge.Bridge("br0", ports...); err != nil {
		t.Fatal(err)
	}
	return members, answering(t, string(examples.MustRead("vlan_router.weir")), h, at, others)
}

// TestVLANRouter pings and downloads between VLANs: from tag to tag, from a tag to none,
// and back. Nobody but the example answers ARP and NDP for the gateways.
func TestVLANRouter(t *testing.T) {
	for _, h := range []hook.Hook{hook.XDP, hook.TCIngress} {
		t.Run(h.String(), func(t *testing.T) {
			members, router := routedVLANs(t, h)
			for i, from := range members {
				to := members[(i+1)%len(members)]
				for _, x := range []struct{ mine, theirs netip.Addr }{{from.four, to.four}, {from.six, to.six}} {
					p := newPinger(t, from.Host, x.mine)
					eventually(t, fmt.Sprintf("%s answers %s", x.theirs, x.mine), func() bool {
						p.ping(x.theirs, 7, 1, pattern(20))
						return p.answers(7, 1) > 0
					})
					download(t, to.Iface, from.Iface, x.theirs, 2<<20)
				}
			}
			tooLong(t, router, members[0], members[2])
			expired(t, members[1])
			if n := router.ended(func(x datapath.ExitCount) bool { return x.Verdict == "REDIRECT" }); n < 1000 {
				t.Errorf("%d packets were forwarded, want most of 12 MiB", n)
			}
		})
	}
}

// tooLong has the way to a host take packets of 1400 octets only: who sends is told so.
func tooLong(t *testing.T, router *chain, to, from member) {
	t.Helper()
	routes := must(router.Map("routes"))(t)
	for _, net := range []string{"10.0.10.0/24", "fd00:10::/64"} {
		if err := routes.Put(net, "{vlan: 10, mtu: 1400, via: ::}"); err != nil {
			t.Fatal(err)
		}
	}
	for _, x := range []struct{ mine, dst netip.Addr }{{from.four, to.four}, {from.six, to.six}} {
		out := udp(t, from.Host, x.mine, 4000)
		defer out.Close()
		eventually(t, "the kernel knows that the way takes 1400 octets", func() bool {
			// TCP comes merged at tc, and goes on as it came: a datagram does not.
			if _, err := out.WriteToUDPAddrPort(pattern(1450), netip.AddrPortFrom(x.dst, 9)); err != nil && !errors.Is(err, unix.EMSGSIZE) && !errors.Is(err, unix.ECONNREFUSED) {
				t.Fatal(err)
			}
			route := must(from.Host.Run(bounded(t), "ip", "route", "get", x.dst.String()))(t)
			return strings.Contains(string(route), "mtu 1400")
		})
		// From here goes what is too long: who asks for pages sends little.
		if _, err := to.Host.DownloadBlob(bounded(t), netip.AddrPortFrom(x.mine, 8080), 1<<20, 3); err != nil {
			t.Error(err)
		}
	}
}

// expired has ping send what goes no further than the gateway.
func expired(t *testing.T, from member) {
	t.Helper()
	if _, err := exec.LookPath("ping"); err != nil {
		return // TestPingOfOthers tells of it
	}
	for gateway, dst := range map[string]string{"10.0.20.1": "10.0.30.2", "fd00:20::1": "fd00:30::2"} {
		out, err := from.Host.Run(bounded(t), "ping", "-n", "-c", "1", "-W", "5", "-t", "1", dst)
		if err == nil || !strings.Contains(string(out), "From "+gateway+" icmp_seq=1 Time") {
			t.Errorf("ping that goes one hop: %v %s, want an answer of %s", err, out, gateway)
		}
	}
}
