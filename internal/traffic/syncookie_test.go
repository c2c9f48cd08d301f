package traffic

import (
	"bytes"
	"io"
	"net/netip"
	"os"
	"testing"
	"time"

	"weir/hook"
	"weir/lab"
)

// TestSYNCookie downloads from a server that sees only the first SYNs: a chain of std/syncookie.weir
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
				for i := 0; i < 3 || i < 100 && c.count("answered") < 2; i++ { // at first SYNs come through
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

// askOnce opens a connection to an HTTP server, waits for an answer, and closes first: so
// the server keeps nothing of it, and takes the port again at once (see the module).
func askOnce(h *lab.Host, to netip.AddrPort) error {
	const patience = 20 * time.Second
	c, err := dial(h, 0, to, patience)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, "GET /blob?size=16&seed=2 HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
		return err
	}
	_, err = c.Read(make([]byte, 1))
	return err
}

// TestSYNFlood: while SYNs come from hosts that are not there, nearly all of which are answered, a
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
		if err := askOnce(client.Host, to); err != nil {
			t.Fatalf("connection %d: %v", n, err)
		}
	}
	if answered, let, came := c.count("answered"), c.count("let through"), st.Sent-st.Lost+uint64(n); answered+let < came || let > came/10 {
		t.Errorf("%d SYNs were answered, %d let through, %d came", answered, let, came)
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
