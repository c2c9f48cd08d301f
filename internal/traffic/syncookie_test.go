package traffic

import (
	"bytes"
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

// TestSYNFlood: while SYNs come from hosts that are not there, all of which are answered, a
// client connects every time, and the server keeps nothing for the others.
func TestSYNFlood(t *testing.T) {
	client, server := pair(t, lab.LinkOptions{})
	finishing(t, client)
	finishing(t, server)
	if err := server.Host.Sysctl("net.ipv4.tcp_syncookies", "2"); err != nil {
		t.Fatal(err)
	}
	c := answering(t, sampleOf(t, "syncookie"), hook.XDP, []lab.Iface{server}, []lab.Iface{client})
	to := netip.AddrPortFrom(b4, 8080)
	must(server.Host.ServeHTTP(t.Context(), to))(t)
	f := lab.Flood{
		Iface: client.Name, Sources: netip.MustParsePrefix("198.18.0.0/15"), RandomPort: true,
		Packets: long[uint64](100_000, 1_000_000), PPS: 50_000,
		Template: must(lab.SYNFrame(
			lab.Station{MAC: client.MAC, Addr: netip.AddrPortFrom(a4, 4000)},
			lab.Station{MAC: server.MAC, Addr: to}, 1))(t),
	}
	var st lab.FloodStats
	done := make(chan error, 1)
	go func() {
		var err error
		st, err = client.Host.Flood(bounded(t), f)
		done <- err
	}()
	n := 0
	for running := true; running || n < 3; n++ {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			running = false
		default:
		}
		if _, err := client.Host.DownloadBlob(bounded(t), to, 4096, 2); err != nil {
			t.Fatalf("connection %d: %v", n, err)
		}
	}
	if got, want := c.count("answered"), st.Sent-st.Lost; got < want-1 {
		t.Errorf("%d SYNs were answered, %d came", got, want)
	}
	var table []byte
	must(0, server.Host.Do(func() (err error) {
		table, err = os.ReadFile("/proc/thread-self/net/tcp")
		return err
	}))(t)
	if lines := bytes.Count(table, []byte("\n")); lines > n+10 {
		t.Errorf("the server has %d sockets after %d connections", lines, n)
	}
	t.Logf("%d SYNs, %d connections", st.Sent, n)
}
