package traffic

import (
	"net/netip"
	"testing"

	"weir/hook"
)

// routerChain forwards by the kernel's tables. What it does not forward it lets
// pass only where the kernel has yet to find the neighbour.
const routerChain = `
def main(pkt):
    there = pkt.ip
    if not there or pkt.icmp6 or there.dst in (ip("10.0.0.2"), ip("fd00::2")):
        return PASS
    r = fib(pkt)
    if not r:
        count(r.why)
        return PASS if r.why == fib.NO_NEIGH else drop("no way")
    if there.ttl < 2:
        return drop("ttl")
    there.ttl -= 1
    pkt.eth.src, pkt.eth.dst = r.smac, r.dmac
    count("routed")
    return redirect(r.ifindex)
`

// TestRoute downloads through a host whose chain routes by the tables that the
// kernel keeps.
func TestRoute(t *testing.T) {
	for _, h := range []hook.Hook{hook.XDP, hook.TCIngress} {
		for _, f := range families {
			t.Run(h.String()+"/"+f.name, func(t *testing.T) {
				n := routed(t)
				finishing(t, n.a)
				finishing(t, n.c)
				c := run(t, routerChain,
					place{at: n.m0, hook: h}, place{at: n.m1, hook: h})
				sum := watch(t, n.a.Host, n.c.Host)
				must(n.c.Host.ServeHTTP(t.Context(), netip.AddrPortFrom(f.c, 8080)))(t)
				if _, err := n.a.Host.DownloadBlob(bounded(t), netip.AddrPortFrom(f.c, 8080), 4<<20, 2); err != nil {
					t.Fatal(err)
				}
				if n := sum(); n != 0 {
					t.Errorf("%d wrong checksums", n)
				}
				if got := c.count("routed"); got < 100 {
					t.Errorf("%d packets were routed by the chain, want most of 4 MiB", got)
				}
			})
		}
	}
}
