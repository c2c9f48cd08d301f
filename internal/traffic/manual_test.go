package traffic

import (
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"weir/datapath"
	"weir/hook"
	"weir/internal/nstest"
	"weir/lab"
)

// What docs/language.md and docs/hooks.md say of hooks, where no other test shows it.

// TestWhole: where a datagram that is larger than the MTU is one packet, and where it
// is fragments.
func TestWhole(t *testing.T) {
	whole := map[string][]hook.Hook{
		"v4": {hook.NetfilterOutput, hook.NetfilterPostrouting, hook.CgroupEgress, hook.NetfilterInput, hook.CgroupIngress},
		// IPv6 puts together behind netfilter-input.
		"v6": {hook.NetfilterOutput, hook.NetfilterPostrouting, hook.CgroupEgress, hook.CgroupIngress},
	}
	for _, h := range hook.All() {
		if h.Info().Conn {
			continue
		}
		t.Run(h.String(), func(t *testing.T) {
			p := place{hook: h}
			if h == hook.TCEgress {
				a, b := pair(t, lab.LinkOptions{})
				p.at = a
				inWhole(t, a, b, families, p, whole)
				return
			}
			a, b, fs := seenAt(t, &p)
			inWhole(t, a, b, fs, p, whole)
		})
	}
}

func inWhole(t *testing.T, a, b lab.Iface, fs []family, p place, whole map[string][]hook.Hook) {
	t.Helper()
	c := run(t, wholeChain, p)
	for _, f := range fs {
		pieces, one := c.count("fragments"), c.count("whole")
		sendLarge(t, a, b, f)
		want := false
		for _, h := range whole[f.name] {
			want = want || h == p.hook
		}
		if got := c.count("whole") > one; got != want || (c.count("fragments") > pieces) == want {
			t.Errorf("%s at %s: whole: %t, want %t", f.name, p.hook, got, want)
		}
	}
}

const wholeChain = `
def main(pkt):
    if pkt.ip.proto == 17:
        if pkt.ip.fragment:
            count("fragments")
        else:
            count("whole")
    return PASS
`

func sendLarge(t *testing.T, a, b lab.Iface, f family) {
	t.Helper()
	server, client := udp(t, b.Host, f.b, 5001), udp(t, a.Host, f.a, 4001)
	defer server.Close()
	defer client.Close()
	if _, err := client.WriteToUDPAddrPort(pattern(3000), netip.AddrPortFrom(f.b, 5001)); err != nil {
		t.Fatal(err)
	}
	if n, octets := received(t, server); n != 1 || octets != 3000 {
		t.Fatalf("%s: %d datagrams of %d octets arrived", f.name, n, octets)
	}
}

// TestDefrag: with Defrag a chain at netfilter sees no fragments.
func TestDefrag(t *testing.T) {
	for _, h := range []hook.Hook{hook.NetfilterPrerouting, hook.NetfilterInput} {
		t.Run(h.String(), func(t *testing.T) {
			a, b := pair(t, lab.LinkOptions{})
			p := place{at: b, hook: h}
			g, err := datapath.Kernel{}.Attach(t.Context(), datapath.Options{
				Name: "traffic-defrag", How: datapath.How{Defrag: true},
				Chains: []datapath.Chain{{Where: p.where(), Program: compile(t, wholeChain, p, false)}},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer g.Close()
			c := &chain{t, g}
			for _, f := range families {
				sendLarge(t, a, b, f)
			}
			if whole, pieces := c.count("whole"), c.count("fragments"); whole != 2 || pieces != 0 {
				t.Errorf("%d whole, %d fragments, want 2 and 0", whole, pieces)
			}
		})
	}
}

// TestSenderIsTold: who sends is told of a drop on the way out by EPERM, but not of
// one at tc-egress.
func TestSenderIsTold(t *testing.T) {
	const drop = `
def main(pkt):
    return DROP if pkt.udp and pkt.udp.dport == 5001 else PASS
`
	a, _ := pair(t, lab.LinkOptions{})
	cgroup := nstest.NewCgroup(t).Path
	for _, h := range hook.Path(hook.Out) {
		if h == hook.Socket {
			continue // it drops nothing
		}
		t.Run(h.String(), func(t *testing.T) {
			run(t, drop, place{at: a, hook: h, cgroup: cgroup})
			for _, f := range families {
				client := udp(t, a.Host, f.a, 4001)
				_, err := client.WriteToUDPAddrPort(pattern(100), netip.AddrPortFrom(f.b, 5001))
				if told := errors.Is(err, unix.EPERM); told != (h != hook.TCEgress) {
					t.Errorf("%s: %v", f.name, err)
				}
			}
		})
	}
}

// TestNoAnswersAtCgroup: a cgroup sees what sockets get. The kernel answers an echo
// request itself, and no socket gets it.
func TestNoAnswersAtCgroup(t *testing.T) {
	a, b := pair(t, lab.LinkOptions{})
	nstest.NewCgroup(t) // below the one that the chain is at
	c := run(t, `
def main(pkt):
    if pkt.icmp4 or pkt.icmp6:
        count("echo", 1 if pkt.icmp4.type == 8 or pkt.icmp6.type == 128 else 0)
    if pkt.udp:
        count("udp")
    return PASS
`, place{at: b, hook: hook.CgroupIngress, cgroup: "/"})
	for _, f := range families {
		ping := newPinger(t, a.Host, f.a)
		ping.ping(f.b, 7, 1, pattern(20))
		if n := ping.answers(7, 1); n != 1 {
			t.Errorf("%s: %d answers", f.name, n)
		}
		server, client := udp(t, b.Host, f.b, 5001), udp(t, a.Host, f.a, 4001)
		if _, err := client.WriteToUDPAddrPort(pattern(100), netip.AddrPortFrom(f.b, 5001)); err != nil {
			t.Fatal(err)
		}
		if n, _ := received(t, server); n != 1 {
			t.Errorf("%s: %d of 1 arrived", f.name, n)
		}
	}
	if echo, n := c.count("echo"), c.count("udp"); echo != 0 || n < 2 {
		t.Errorf("%d echo requests, %d datagrams", echo, n)
	}
}

// TestAsIfEthernet: offsets and pkt.len count as if 14 octets of zero stood before the
// IP header, and one attachment sees both families.
func TestAsIfEthernet(t *testing.T) {
	for _, h := range hook.All() {
		if h.Info().Ethernet || h.Info().Conn {
			continue
		}
		t.Run(h.String(), func(t *testing.T) {
			p := place{hook: h}
			a, b, fs := seenAt(t, &p)
			c := run(t, `
def main(pkt):
    if pkt.udp.dport == 5001:
        version, length = pkt.u8(14) >> 4, pkt.len
        if pkt.u64(0) == 0 and pkt.u32(8) == 0 and pkt.u16(12) == 0 and length == pkt.ip.len + 14:
            count("v", version)
    return PASS
`, p)
			for _, f := range fs {
				server, client := udp(t, b.Host, f.b, 5001), udp(t, a.Host, f.a, 4001)
				if _, err := client.WriteToUDPAddrPort(pattern(100), netip.AddrPortFrom(f.b, 5001)); err != nil {
					t.Fatal(err)
				}
				if n, _ := received(t, server); n != 1 {
					t.Errorf("%s: %d of 1 arrived", f.name, n)
				}
			}
			if n := c.count("v"); n != 4+6 {
				t.Errorf("the versions seen add up to %d, want 10", n)
			}
		})
	}
}
