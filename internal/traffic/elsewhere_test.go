package traffic

import (
	"fmt"
	"testing"

	"weir/datapath"
	"weir/hook"
	"weir/lab"
)

// elsewhere are ways to hand on what comes in at m0, from where nothing else
// forwards it but where it passes: with a bridge.
var elsewhere = []struct {
	name, result string
	hook         hook.Hook
	bridge       bool
	verdict      string // what is counted
	reason       string
}{
	{"redirect to interface()", `redirect(interface("eth1"))`, hook.TCIngress, false, "REDIRECT", ""},
	{"redirect to computed interface()", `redirect(interface("eth1") + pkt.ip.ttl - 64)`, hook.TCIngress, false, "REDIRECT", ""},
	{"redirect to interface() at xdp", `redirect(interface("eth1"))`, hook.XDP, false, "REDIRECT", ""},
	{"redirect_peer by name", `redirect_peer("eth1")`, hook.TCIngress, false, "REDIRECT", ""},
	{"redirect_peer by index", `redirect_peer(interface("eth1") + 0)`, hook.TCIngress, false, "REDIRECT", ""},
	{"redirect_cpu", `redirect_cpu(1)`, hook.XDP, true, "REDIRECT", ""},
	{"redirect_cpu by run time", `redirect_cpu(pkt.ip.ttl & 1)`, hook.XDP, true, "REDIRECT", ""},
	{"redirect_cpu that is not there", `redirect_cpu(5000)`, hook.XDP, true, "PASS", "no such CPU"},
}

// TestElsewhere sends packets by each of them: they arrive, and are counted.
func TestElsewhere(t *testing.T) {
	for _, x := range elsewhere {
		t.Run(x.name, func(t *testing.T) {
			l := newLab(t)
			a, m, b := newHost(t, l, "a"), newHost(t, l, "m"), newHost(t, l, "c")
			var n line
			n.a, n.m0 = link(t, l, a, m, "eth0", "eth0", lab.LinkOptions{})
			n.m1, n.c = link(t, l, m, b, "eth1", "eth0", lab.LinkOptions{})
			if x.bridge {
				if _, err := m.Bridge("br0", "eth0", "eth1"); err != nil {
					t.Fatal(err)
				}
			}
			in := capture(t, n.c)
			c := run(t, fmt.Sprintf("def main(pkt):\n    if pkt.udp and pkt.udp.dport == 4242:\n        return %s\n    return PASS\n", x.result), place{at: n.m0, hook: x.hook})
			for _, f := range families {
				p := probe(n.a, n.c, f, pattern(100))
				for range 3 {
					send(t, n.a, p.frame(t))
					sameFrame(t, in, p.frame(t))
				}
			}
			ended := c.ended(func(e datapath.ExitCount) bool {
				return e.Verdict == x.verdict && e.Reason == x.reason && e.Packets >= 6
			})
			if ended < 6 {
				t.Errorf("%d packets ended as %s %q, want 6", ended, x.verdict, x.reason)
			}
		})
	}
}
