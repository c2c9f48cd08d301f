package traffic

import (
	"net/netip"
	"testing"

	"weir/hook"
	"weir/internal/nstest"
	"weir/lab"
)

// TestPaths: a packet meets the hooks of a way in the order of hook.Path. Each of them
// keeps the time at which the packet came.
func TestPaths(t *testing.T) {
	t.Run("out and in", func(t *testing.T) {
		a, b := pair(t, lab.LinkOptions{})
		c := nstest.NewCgroup(t).Path
		at := func(h hook.Hook, i lab.Iface) place { return place{at: i, hook: h, cgroup: c} }
		var out, in []place
		for _, h := range hook.Path(hook.Out) {
			out = append(out, at(h, a))
		}
		for _, h := range hook.Path(hook.In) {
			in = append(in, at(h, b))
		}
		inOrder(t, a, b, families, append(out, in...))
	})
	t.Run("through", func(t *testing.T) {
		n := routed(t)
		var places []place
		for i, h := range hook.Path(hook.Through) {
			at := n.m0
			if h == hook.TCEgress || h == hook.Socket && i > 2 {
				at = n.m1
			}
			places = append(places, place{at: at, hook: h})
		}
		var fs []family
		for _, f := range families {
			fs = append(fs, family{name: f.name, a: f.a, b: f.c})
		}
		inOrder(t, n.a, n.c, fs, places)
	})
}

// inOrder sends a packet from a to b and asks when it was where.
func inOrder(t *testing.T, a, b lab.Iface, fs []family, places []place) {
	t.Helper()
	var chains []*chain
	for _, p := range places {
		chains = append(chains, run(t, `
came = array(u64, size = 2)

def main(pkt):
    if pkt.udp and pkt.udp.dport == 5001:
        came[1 if pkt.ip6 else 0] = pkt.now
    return PASS
`, p))
	}
	for i, f := range fs {
		server, client := udp(t, b.Host, f.b, 5001), udp(t, a.Host, f.a, 4001)
		if _, err := client.WriteToUDPAddrPort(pattern(100), netip.AddrPortFrom(f.b, 5001)); err != nil {
			t.Fatal(err)
		}
		if n, _ := received(t, server); n != 1 {
			t.Fatalf("%s: %d of 1 arrived", f.name, n)
		}
		before := uint64(0)
		for k, c := range chains {
			at := c.array("came")[i]
			if at == 0 || at < before {
				t.Errorf("%s: at hook %d, %s: %d, and %d at the one before", f.name, k+1, places[k].hook, at, before)
			}
			before = at
		}
	}
}
