package traffic

import (
	"net/netip"
	"os"
	"testing"

	"weir/hook"
	"weir/lab"
)

// TestSYNCookie downloads from a server that sees but one SYN: a chain of std/syncookie.weir
// answers the others.
func TestSYNCookie(t *testing.T) {
	for _, h := range []hook.Hook{hook.XDP, hook.TCIngress} {
		for _, f := range families {
			t.Run(h.String()+"/"+f.name, func(t *testing.T) {
				n := routed(t)
				finishing(t, n.a)
				finishing(t, n.c)
				if err := n.c.Host.Do(func() error {
					return os.WriteFile("/proc/sys/net/ipv4/tcp_syncookies", []byte("2"), 0)
				}); err != nil {
					t.Fatal(err)
				}
				c := answering(t, sampleOf(t, "syncookie"), h, []lab.Iface{n.c}, []lab.Iface{n.m1})
				sum := watch(t, n.a.Host, n.c.Host)
				must(n.c.Host.ServeHTTP(t.Context(), netip.AddrPortFrom(f.c, 8080)))(t)
				for i := range 3 {
					if _, err := n.a.Host.DownloadBlob(bounded(t), netip.AddrPortFrom(f.c, 8080), 1<<20, 2); err != nil {
						t.Fatalf("download %d: %v", i, err)
					}
				}
				if n := sum(); n != 0 {
					t.Errorf("%d wrong checksums", n)
				}
				if got := c.count("answered"); got < 2 {
					t.Errorf("%d SYNs were answered by the chain, want 2", got)
				}
			})
		}
	}
}
