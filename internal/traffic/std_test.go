package traffic

import (
	"net/netip"
	"testing"

	"weir/datapath"
	"weir/hook"
	"weir/lab"
	"weir/lang/std"
)

// sampleOf returns the sample of a module of the standard library.
func sampleOf(t *testing.T, name string) string {
	t.Helper()
	return string(must(std.Sample("std/" + name + ".weir"))(t))
}

// download gets a blob of n octets from one host by another, and wants no wrong checksum.
func download(t *testing.T, from, to lab.Iface, addr netip.Addr, n int64) {
	t.Helper()
	sum := watch(t, from.Host, to.Host)
	must(from.Host.ServeHTTP(t.Context(), netip.AddrPortFrom(addr, 8080)))(t)
	if _, err := to.Host.DownloadBlob(bounded(t), netip.AddrPortFrom(addr, 8080), n, 2); err != nil {
		t.Fatal(err)
	}
	if n := sum(); n != 0 {
		t.Errorf("%d wrong checksums", n)
	}
}

// TestStdRoute downloads through the module's router: most packets go past the stack.
func TestStdRoute(t *testing.T) {
	for _, h := range []hook.Hook{hook.XDP, hook.TCIngress} {
		for _, f := range families {
			t.Run(h.String()+"/"+f.name, func(t *testing.T) {
				n := routed(t)
				finishing(t, n.a)
				finishing(t, n.c)
				c := run(t, sampleOf(t, "route"), place{at: n.m0, hook: h}, place{at: n.m1, hook: h})
				download(t, n.c, n.a, f.c, 4<<20)
				if got := c.ended(func(x datapath.ExitCount) bool { return x.Verdict == "REDIRECT" }); got < 100 {
					t.Errorf("%d packets were forwarded by the chain, want most of 4 MiB", got)
				}
			})
		}
	}
}

// TestStdRouteLeaves sends what is the kernel's, which drops it here: frames of a VLAN
// that the host is not in, and frames to groups with a packet for one host.
func TestStdRouteLeaves(t *testing.T) {
	for _, h := range []hook.Hook{hook.XDP, hook.TCIngress} {
		for _, f := range families {
			t.Run(h.String()+"/"+f.name, func(t *testing.T) {
				n := routed(t)
				run(t, sampleOf(t, "route"), place{at: n.m0, hook: h})
				aside := captureOf(t, n.c, n.c.MAC)
				plain := probe(n.a, n.m0, f, pattern(30)).with(func(p *packet) { p.to = atAddr(p.to, f.c) })
				tagged := plain.with(func(p *packet) { p.tags = []tag{{0x8100, 7}} })
				group := plain.with(func(p *packet) { p.to.MAC = []byte{1, 0, 0x5e, 0, 0, 1} })
				send(t, n.a, tagged.frame(t), group.frame(t), plain.frame(t))
				sameFrame(t, aside, plain.with(func(p *packet) {
					p.from.MAC, p.to.MAC, p.ttl = n.m1.MAC, n.c.MAC, 63
				}).frame(t))
			})
		}
	}
}

// TestStdXconnect downloads over a wire between two interfaces of a host that knows
// nothing of it.
func TestStdXconnect(t *testing.T) {
	for _, h := range []hook.Hook{hook.XDP, hook.TCIngress} {
		for _, f := range families {
			t.Run(h.String()+"/"+f.name, func(t *testing.T) {
				n := apart(t)
				finishing(t, n.a)
				finishing(t, n.c)
				run(t, sampleOf(t, "xconnect"), place{at: n.m0, hook: h}, place{at: n.m1, hook: h})
				download(t, n.c, n.a, f.b, 4<<20)
			})
		}
	}
}

// apart makes a line whose middle forwards nothing, with hosts of one network at its
// ends.
func apart(t *testing.T) line {
	t.Helper()
	l := newLab(t)
	a, m, c := newHost(t, l, "a"), newHost(t, l, "m"), newHost(t, l, "c")
	end := func(h *lab.Host, to string, ss ...string) (lab.Iface, lab.Iface) {
		return link(t, l, h, m, "eth0", to, lab.LinkOptions{A: lab.End{Addrs: lab.MustPrefixes(ss...)}})
	}
	var n line
	n.a, n.m0 = end(a, "eth0", "10.0.0.1/24", "fd00::1/64")
	n.c, n.m1 = end(c, "eth1", "10.0.0.2/24", "fd00::2/64")
	return n
}

// TestStdMirror sees a copy of each query, and of nothing else.
func TestStdMirror(t *testing.T) {
	l := newLab(t)
	a, m, z := newHost(t, l, "a"), newHost(t, l, "m"), newHost(t, l, "z")
	a0, m0 := link(t, l, a, m, "eth0", "eth0", lab.LinkOptions{})
	_, z0 := link(t, l, m, z, "eth9", "eth0", lab.LinkOptions{})
	c := run(t, sampleOf(t, "mirror"), place{at: m0, hook: hook.TCIngress})
	aside := captureOf(t, z0, m0.MAC)
	other := probe(a0, m0, families[0], pattern(30))
	query := other.with(func(p *packet) { p.to.Addr = netip.AddrPortFrom(p.to.Addr.Addr(), 53) })
	for range 5 {
		send(t, a0, other.frame(t))
		send(t, a0, query.frame(t))
	}
	for range 5 {
		sameFrame(t, aside, query.frame(t))
	}
	if got := c.count("mirrored"); got != 5 {
		t.Errorf("%d mirrored, want 5", got)
	}
}
