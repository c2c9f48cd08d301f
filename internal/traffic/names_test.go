package traffic

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"weir/examples"
	"weir/hook"
	"weir/lab"
)

// resolving answers each DNS query that comes to a socket with an address, and tells the
// names that it was asked for.
func resolving(c *net.UDPConn, asked chan<- string) {
	b := make([]byte, 2048)
	for {
		n, from, err := c.ReadFromUDPAddrPort(b)
		if err != nil {
			close(asked)
			return
		}
		if name, answer := resolved(b[:n], false); answer != nil {
			asked <- name
			c.WriteToUDPAddrPort(answer, from)
		}
	}
}

// resolved returns the name that a DNS query asks for, and the answer: an address for A,
// nothing for other types. Answers about names that begin with "big." do not fit into a
// datagram: who asks has to ask again over TCP, where all fits.
func resolved(query []byte, fits bool) (name string, answer []byte) {
	var d layers.DNS
	if d.DecodeFromBytes(query, gopacket.NilDecodeFeedback) != nil || len(d.Questions) != 1 {
		return "", nil
	}
	q := d.Questions[0]
	d.QR, d.Additionals = true, nil
	switch {
	case !fits && bytes.HasPrefix(q.Name, []byte("big.")):
		d.TC = true
	case q.Type == layers.DNSTypeA:
		d.Answers = []layers.DNSResourceRecord{{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1, IP: net.IP{192, 0, 2, 7}}}
	}
	out := gopacket.NewSerializeBuffer()
	if d.SerializeTo(out, gopacket.SerializeOptions{FixLengths: true}) != nil {
		return "", nil
	}
	return string(q.Name), out.Bytes()
}

// TestDNSFilter has Go's resolver ask a server behind the filter.
func TestDNSFilter(t *testing.T) {
	for _, h := range []hook.Hook{hook.XDP, hook.TCIngress} {
		for _, f := range families {
			t.Run(h.String()+"/"+f.name, func(t *testing.T) {
				a, b := pair(t, lab.LinkOptions{})
				c := run(t, string(examples.MustRead("dns_filter.weir")), place{at: b, hook: h})
				asked := make(chan string, 1000)
				server := udp(t, b.Host, f.b, 53)
				go resolving(server, asked)
				r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (conn net.Conn, err error) {
					err = a.Host.Do(func() (err error) {
						conn, err = (&net.Dialer{}).DialContext(ctx, "udp", netip.AddrPortFrom(f.b, 53).String())
						return err
					})
					return conn, err
				}}
				for _, name := range []string{"www.example.org.", "other.test.", "xexample.org."} {
					if got, err := r.LookupHost(bounded(t), name); err != nil || !slices.Equal(got, []string{"192.0.2.7"}) {
						t.Errorf("%s: %s %v", name, got, err)
					}
				}
				blocked := []string{"example.org", "ftp.Example.org"}
				for i, name := range blocked {
					ctx, cancel := context.WithCancel(bounded(t))
					done := make(chan error, 1)
					go func() {
						_, err := r.LookupHost(ctx, name+".")
						done <- err
					}()
					// For each name the resolver asks for A and for AAAA.
					eventually(t, "both questions are dropped", func() bool { return c.dropped("blocked") >= uint64(2*i+2) })
					cancel()
					if err := <-done; err == nil {
						t.Errorf("%s is resolved", name)
					}
				}
				server.Close()
				for name := range asked {
					if slices.Contains(blocked, name) {
						t.Errorf("the server was asked for %s", name)
					}
				}
			})
		}
	}
}

// TestSNIFilter has crypto/tls connect to a server behind the filter, by several names.
func TestSNIFilter(t *testing.T) {
	for _, h := range []hook.Hook{hook.XDP, hook.TCIngress} {
		for _, f := range families {
			t.Run(h.String()+"/"+f.name, func(t *testing.T) {
				a, b := pair(t, lab.LinkOptions{})
				finishing(t, a)
				c := answering(t, string(examples.MustRead("sni_filter.weir")), h, []lab.Iface{b}, []lab.Iface{a})
				c.set("polite", "True")
				webServer(t, b.Host, netip.AddrPortFrom(f.b, 443)).StartTLS()
				shake := func(name string) error {
					conn, err := dial(a.Host, 0, netip.AddrPortFrom(f.b, 443), 5*time.Second)
					if err != nil {
						t.Fatal(err)
					}
					defer conn.Close()
					return tls.Client(conn, &tls.Config{ServerName: name, InsecureSkipVerify: true}).HandshakeContext(bounded(t))
				}
				for _, name := range []string{"example.com", "org", "xexample.org", ""} {
					if err := shake(name); err != nil {
						t.Errorf("%q: %v", name, err)
					}
				}
				for i, name := range []string{"example.org", "www.EXAMPLE.org"} {
					if err := shake(name); !errors.Is(err, syscall.ECONNRESET) {
						t.Errorf("%q: %v, want a reset", name, err)
					}
					if n := c.count("blocked"); n != uint64(i+1) {
						t.Errorf("%q: %d blocked, want %d", name, n, i+1)
					}
				}
			})
		}
	}
}

// webServer makes a server of HTTP or HTTPS, which tells the host that it was asked for.
func webServer(t *testing.T, at *lab.Host, addr netip.AddrPort) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "host "+r.Host)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that are cut off are what tests are about
	s.Listener.Close()
	s.Listener = listen(t, at, addr.Addr(), addr.Port())
	t.Cleanup(s.Close)
	return s
}

// TestMSSOfThePath has a router clamp segments to the MTU of the link behind it.
func TestMSSOfThePath(t *testing.T) {
	const source = `
load("std/mss.weir", "mss_clamp_to_path")
def main(pkt):
    if mss_clamp_to_path(pkt):
        count("clamped")
    return PASS
`
	for _, h := range []hook.Hook{hook.XDP, hook.TCIngress} {
		for _, f := range families {
			t.Run(h.String()+"/"+f.name, func(t *testing.T) {
				n := routed(t)
				finishing(t, n.a)
				if _, err := n.m1.Host.Run(t.Context(), "ip", "link", "set", n.m1.Name, "mtu", "1300"); err != nil {
					t.Fatal(err)
				}
				c := run(t, source, place{at: n.m0, hook: h})
				wrong := watch(t, n.a.Host, n.c.Host)
				l := listen(t, n.c.Host, f.c, 5001)
				size := make(chan int, 1)
				go func() {
					defer close(size)
					if conn, err := l.Accept(); err == nil {
						size <- maxSegment(conn)
						conn.Close()
					}
				}()
				conn, err := dial(n.a.Host, 0, netip.AddrPortFrom(f.c, 5001), 5*time.Second)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				want := 1300 - 40 - 12 // time stamps take 12 octets
				if f.a.Is6() {
					want -= 20
				}
				if got := <-size; got != want || c.count("clamped") != 1 || wrong() != 0 {
					t.Errorf("the server sends segments of %d, want %d; %d clamped, %d wrong checksums", got, want, c.count("clamped"), wrong())
				}
			})
		}
	}
}
