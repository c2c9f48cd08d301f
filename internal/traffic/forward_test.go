package traffic

import (
	"net/netip"
	"testing"

	"weir/hook"
	"weir/lab"
)

// forwardChain forwards between the interfaces of a host that itself knows no
// way, and translates addresses as it does so.
const forwardChain = `
VIP, REAL = ip("VIP_"), ip("REAL_")

def main(pkt):
    if pkt.ip.dst == VIP and pkt.l4.dport == 80:
        pkt.ip.dst = REAL
        pkt.l4.dport = 8080
        pkt.ip.ttl = pkt.ip.ttl - 1
        return redirect("eth1")
    if pkt.ip.src == REAL and pkt.l4.sport == 8080:
        pkt.ip.src = VIP
        pkt.l4.sport = 80
        pkt.ip.ttl = pkt.ip.ttl - 1
        return redirect("eth0")
    return drop("other")
`

// TestForward downloads through a host in which nothing but a chain forwards.
func TestForward(t *testing.T) {
	for _, x := range []struct {
		name  string
		hook  hook.Hook
		whole bool // ends send whole checksums: at XDP nobody computes them later
		mtu   int
	}{
		{"xdp", hook.XDP, true, 0},
		{"xdp, large frames", hook.XDP, true, 9000},
		{"tc-ingress", hook.TCIngress, false, 0},
		{"tc-ingress, checksums checked", hook.TCIngress, true, 0},
	} {
		for _, f := range families {
			t.Run(x.name+"/"+f.name, func(t *testing.T) {
				l := newLab(t)
				a, m, c := newHost(t, l, "a"), newHost(t, l, "m"), newHost(t, l, "c")
				end := func(h *lab.Host, hn, mn string, ss ...string) (lab.Iface, lab.Iface) {
					return link(t, l, h, m, hn, mn, lab.LinkOptions{MTU: x.mtu, A: lab.End{Addrs: lab.MustPrefixes(ss...)}})
				}
				client, m0 := end(a, "eth0", "eth0", "10.0.0.1/24", "fd00::1/64")
				server, m1 := end(c, "eth0", "eth1", "10.0.0.2/24", "fd00::2/64")
				neighbour(t, client, f.vip, server)
				neighbour(t, server, f.a, client)
				if x.whole {
					finishing(t, client)
					finishing(t, server)
				}
				ch := run(t, text(forwardChain, "VIP_", f.vip, "REAL_", f.b),
					place{at: m0, hook: x.hook}, place{at: m1, hook: x.hook})
				sum := watch(t, a, c)
				must(c.ServeHTTP(t.Context(), netip.AddrPortFrom(f.b, 8080)))(t)
				size := long(int64(10<<20), 100<<20)
				if _, err := a.DownloadBlob(bounded(t), netip.AddrPortFrom(f.vip, 80), size, 2); err != nil {
					t.Fatal(err)
				}
				natUDP(t, client, server, f)
				if n := sum(); n != 0 {
					t.Errorf("%d wrong checksums", n)
				}
				t.Logf("%d MiB, %d other packets", size>>20, ch.dropped("other"))
			})
		}
	}
}

// TestTXAtEgress sends a packet out of the interface by which it leaves anyway:
// it leaves once.
func TestTXAtEgress(t *testing.T) {
	n := bridged(t, 0)
	c := run(t, `
def main(pkt):
    if pkt.udp.dport == 4242:
        count("seen")
        return TX
    return PASS
`, place{at: n.a, hook: hook.TCEgress})
	in := capture(t, n.c)
	p := probe(n.a, n.c, families[0], pattern(30))
	for range 3 {
		sendQueued(t, n.a, p.frame(t))
	}
	for range 3 {
		sameFrame(t, in, p.frame(t))
	}
	if got := c.count("seen"); got != 3 {
		t.Errorf("seen %d times, want 3", got)
	}
}
