package main

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"weir/datapath"
	"weir/lab"
)

// killChain drops what goes to a port of its own.
const killChain = `
limit     = param(u32, 5)
NAME_kept = table(u16, u64, size = 100)
NAME_grew = table(u16, WIDE, size = 100, init = {1: 2})

def main(pkt):
    count("packets")
    NAME_kept[pkt.len] += NAME_grew[1]
    if pkt.udp and pkt.udp.dport == PORT and limit > 0:
        return drop("PORT")
    return PASS
`

// newVictim makes a victim with chains for packets. The two generations are in part
// at other places. Traffic is sent to the first two.
func newVictim(t *testing.T) *victim {
	v := makeVictim(t, killChain)
	v.sites, v.look, v.kernel = []string{"eth0", "eth1"}, v.lookAtInterface, v.atInterfaces
	v.on = map[string][]string{
		"old": {"eth0", "eth1:tc-ingress", "eth0:tc-egress", "@netfilter-forward"},
		"new": {"eth0", "eth1:tc-ingress", "eth1:tc-egress", "@netfilter-forward"},
	}
	v.listed = map[string][]string{
		"old": {"@netfilter-forward netfilter-forward", "eth0 tc-egress", "eth0 xdp", "eth1 tc-ingress"},
		"new": {"@netfilter-forward netfilter-forward", "eth0 xdp", "eth1 tc-egress", "eth1 tc-ingress"},
	}
	for i, iface := range v.sites {
		v.receive(t, iface, net.IPv4(10, 9, byte(i), 2))
	}
	return v
}

func (v *victim) lookAtInterface(t *testing.T, iface string) string {
	t.Helper()
	var frames [][]byte
	host, err := v.host.Link(iface)
	check(t, err)
	remote := "veth" + iface[3:]
	peer, err := v.peer.Link(remote)
	check(t, err)
	for _, port := range []int{oldPort, newPort, anyPort} {
		f, err := lab.UDPFrame(
			lab.Station{MAC: peer.MAC, Addr: addrPort(peer, 4000)}, lab.Station{MAC: host.MAC, Addr: addrPort(host, port)}, make([]byte, 18))
		check(t, err)
		frames = append(frames, f)
		for v.arrived(t, iface, port, time.Millisecond) { // what was late the last time
		}
	}
	check(t, v.peer.Send(t.Context(), remote, frames...))
	v.sent += len(frames)
	if !v.arrived(t, iface, anyPort, 5*time.Second) {
		return "something that drops all"
	}
	switch o, n := v.arrived(t, iface, oldPort, late), v.arrived(t, iface, newPort, late); {
	case o && n:
		return "none"
	case n:
		return "old"
	case o:
		return "new"
	}
	return "both"
}

// checkPlain fails unless the first generation runs and no other is there, which has
// counted each packet since it was attached, also those that another saw.
func (v *victim) checkPlain(t *testing.T) {
	t.Helper()
	if out := v.weir(t, "show", v.name); !strings.Contains(out, "generation 1,") {
		t.Errorf("weir show says\n%s", out)
	}
	if numbers, _ := filepath.Glob(filepath.Join(v.dir, "bpf", "weir", v.name, "[0-9]*")); len(numbers) != 1 {
		t.Errorf("pinned are %v", numbers)
	}
	const frame = 14 + 20 + 8 + 18
	want := fmt.Sprint(2*v.sent, "\n") // of each two, as the other map says
	if got := v.weir(t, "maps", "get", v.name, v.name+"_kept", fmt.Sprint(frame)); got != want {
		t.Errorf("%d packets were sent, and counted twice are %s", v.sent, got)
	}
}

// atInterfaces returns what the kernel says is attached to packets' places.
func (v *victim) atInterfaces(t *testing.T) []string {
	t.Helper()
	var out []string
	check(t, v.host.Do(func() error {
		for _, iface := range []string{"eth0", "eth1"} {
			dev, err := netlink.LinkByName(iface)
			if err != nil {
				return err
			}
			if x := dev.Attrs().Xdp; x != nil && x.Attached {
				out = append(out, iface+" xdp")
			}
			for at, name := range map[ebpf.AttachType]string{ebpf.AttachTCXIngress: "tc-ingress", ebpf.AttachTCXEgress: "tc-egress"} {
				r, err := link.QueryPrograms(link.QueryOptions{Target: dev.Attrs().Index, Attach: at})
				if err != nil {
					return err
				}
				for range r.Programs {
					out = append(out, iface+" "+name)
				}
			}
		}
		return nil
	}))
	out = append(out, v.atNetfilter(t)...)
	slices.Sort(out)
	return out
}

// atNetfilter returns the place at which the victim's netfilter links are: there
// are two, of one program.
func (v *victim) atNetfilter(t *testing.T) []string {
	t.Helper()
	var programs []ebpf.ProgramID
	it := new(link.Iterator)
	defer it.Close()
	for it.Next() {
		info, err := it.Link.Info()
		if err != nil || info.Type != link.NetfilterType {
			continue
		}
		if p, err := ebpf.NewProgramFromID(info.Program); err == nil {
			if i, err := p.Info(); err == nil && i.Name == datapath.ProgramName(v.name) {
				programs = append(programs, info.Program)
			}
			p.Close()
		}
	}
	switch {
	case len(programs) == 0:
		return nil
	case len(programs) == 2 && programs[0] == programs[1]:
		return []string{"@netfilter-forward netfilter-forward"}
	}
	return []string{fmt.Sprint("netfilter programs ", programs)}
}

func addrPort(i lab.Iface, port int) netip.AddrPort {
	return netip.AddrPortFrom(i.Addrs[0].Addr(), uint16(port))
}
