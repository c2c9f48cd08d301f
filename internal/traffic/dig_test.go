package traffic

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"weir/examples"
	"weir/hook"
	"weir/lab"
)

// needs skips a test that is made with a program which is not here: scripts/setup.sh
// installs it where Debian has it.
func needs(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); errors.Is(err, exec.ErrNotFound) {
		t.Skipf("%s is not installed: run scripts/setup.sh", program)
	}
}

// digs are questions as dig asks them, with what it has to say: an address, or that
// nobody answers.
var digs = []struct{ args, want string }{
	{"example.com A", "192.0.2.7"},
	{"EXAMPLE.com A +dnssec +bufsize=4096 +nsid +subnet=203.0.113.0/24", "192.0.2.7"},
	{"www.example.org A +padding=128", "192.0.2.7"},
	{"xexample.org A +noedns +norecurse", "192.0.2.7"},
	{"example.com A +tcp +dnssec", "192.0.2.7"},
	{"big.example.com A", "192.0.2.7"}, // cut off over UDP, whole over TCP
	{"example.com AAAA", ""},
	{"example.org A", "timed out"},
	{"ftp.eXample.ORG A +noedns", "timed out"},
	{"a.b.example.org AAAA +dnssec +bufsize=1232 +cookie +subnet=2001:db8::/56", "timed out"},
	{"mail.example.org MX +ednsopt=65001:0102 +padding=64", "timed out"},
	{"example.org A +tcp", "timed out"},
	{"example.com ANY +notcp", "timed out"},
}

// TestDig has dig ask a server behind the filter, over UDP and TCP.
func TestDig(t *testing.T) {
	needs(t, "dig")
	for _, h := range []hook.Hook{hook.XDP, hook.TCIngress} {
		for _, f := range families {
			t.Run(h.String()+"/"+f.name, func(t *testing.T) {
				a, b := pair(t, lab.LinkOptions{})
				c := run(t, string(examples.MustRead("dns_filter.weir")), place{at: b, hook: h})
				asked := make(chan string, 1000)
				server := udp(t, b.Host, f.b, 53)
				go resolving(server, asked)
				overTCP(t, b.Host, f.b)
				var all sync.WaitGroup
				for _, d := range digs {
					all.Go(func() { dig(t, a.Host, f.b, d.args, d.want) })
				}
				all.Wait()
				server.Close()
				for name := range asked {
					if lower := strings.ToLower(name); strings.HasSuffix("."+lower, ".example.org") && lower != "www.example.org" {
						t.Errorf("the server was asked for %s", name)
					}
				}
				if n, m := c.dropped("blocked"), c.dropped("any"); n < 5 || m != 1 {
					t.Errorf("%d blocked, %d of any, want 5 or more (TCP sends again) and 1", n, m)
				}
			})
		}
	}
}

// dig asks, and compares what is said.
func dig(t *testing.T, from *lab.Host, server netip.Addr, args, want string) {
	t.Helper()
	out, err := from.Run(bounded(t), "dig", append(strings.Fields(args), "@"+server.String(), "+short", "+tries=1", "+timeout=1")...)
	// Exit code 9 is that no server answers.
	if want == "timed out" {
		if err == nil || !strings.Contains(err.Error(), "exit status 9") {
			t.Errorf("dig %s: %q %v, want no answer", args, out, err)
		}
		return
	}
	if got := strings.TrimSpace(string(out)); err != nil || got != want {
		t.Errorf("dig %s: %q %v, want %q", args, got, err, want)
	}
}

// overTCP answers DNS queries that come over TCP, one a connection.
func overTCP(t *testing.T, at *lab.Host, addr netip.Addr) {
	t.Helper()
	l := listen(t, at, addr, 53)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func(c net.Conn) {
				defer c.Close()
				size := make([]byte, 2)
				if _, err := io.ReadFull(c, size); err != nil {
					return
				}
				query := make([]byte, binary.BigEndian.Uint16(size))
				if _, err := io.ReadFull(c, query); err != nil {
					return
				}
				_, answer := resolved(query, true)
				c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
			}(c)
		}
	}()
}
