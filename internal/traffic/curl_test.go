package traffic

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"weir/examples"
	"weir/hook"
	"weir/lab"
)

// Exit codes of curl, as its manual has them.
const (
	curlOK      = 0
	curlTimeout = 28
	curlTLS     = 35 // the handshake failed: that is how curl tells of a reset in it
	curlReset   = 56
)

// curl gets a page by a name, whose address is known beforehand, and compares the exit
// code; what it got is the name that the server was asked for.
func curl(t *testing.T, from *lab.Host, server netip.AddrPort, url, name string, want int, options ...string) {
	t.Helper()
	to := server.Addr().String()
	if server.Addr().Is6() {
		to = "[" + to + "]"
	}
	args := append([]string{"--silent", "--show-error", "--insecure", "--noproxy", "*", "--max-time", "10",
		"--connect-to", "::" + to + ":" + strconv.Itoa(int(server.Port()))}, options...)
	out, err := from.Run(bounded(t), "curl", append(args, url)...)
	switch {
	case want == curlOK && (err != nil || string(out) != "host "+name):
		t.Errorf("curl %s %s: %q %v, want the page of %s", options, url, out, err, name)
	case want != curlOK && (err == nil || !strings.Contains(err.Error(), "exit status "+strconv.Itoa(want)+":")):
		t.Errorf("curl %s %s: %q %v, want exit code %d", options, url, out, err, want)
	}
}

// TestCurlTLS has curl connect to a server behind the filter of names.
func TestCurlTLS(t *testing.T) {
	needs(t, "curl")
	for _, h := range []hook.Hook{hook.XDP, hook.TCIngress} {
		for _, f := range families {
			t.Run(h.String()+"/"+f.name, func(t *testing.T) {
				a, b := pair(t, lab.LinkOptions{})
				finishing(t, a)
				c := answering(t, string(examples.MustRead("sni_filter.weir")), h, []lab.Iface{b}, []lab.Iface{a})
				server := netip.AddrPortFrom(f.b, 443)
				webServer(t, b.Host, server).StartTLS()
				get := func(name string, want int, options ...string) {
					t.Helper()
					curl(t, a.Host, server, "https://"+name+"/", name, want, options...)
				}
				for _, version := range []string{"1.2", "1.3"} {
					get("example.com", curlOK, "--tls-max", version)
					get("xexample.org", curlOK, "--tls-max", version, "--http1.1")
				}
				get("example.org", curlTimeout, "--max-time", "1")
				c.set("polite", "True")
				get("example.org", curlTLS, "--tls-max", "1.2")
				get("a.b.example.org", curlTLS)
				get("WWW.Example.ORG", curlTLS, "--http1.1")
				byAddress := "[" + f.b.String() + "]"
				if f.b.Is4() {
					byAddress = f.b.String()
				}
				get(byAddress, curlOK) // asks for no name
				c.set("strict", "True")
				get(byAddress, curlTimeout, "--max-time", "1")
				if c.count("blocked") < 4 || c.dropped("no name") == 0 || c.count("cut") != 0 {
					t.Errorf("%d blocked, %d without a name, %d cut", c.count("blocked"), c.dropped("no name"), c.count("cut"))
				}
			})
		}
	}
}

// webFilter resets what asks for a host on a list, or for a path.
const webFilter = `
load("std/http.weir", "http_host", "http_is_request", "http_path_starts")
load("std/names.weir", "name_list")

blocked = name_list(size = 1000, init = ["example.org"])

def main(pkt):
    p = pkt.payload
    if not pkt.tcp or pkt.tcp.dport != 80 or not http_is_request(p):
        return PASS
    count("requests")
    at, n = http_host(p)
    if blocked.covers(p, at, n) or http_path_starts(p, b"/admin/"):
        return reject()
    return PASS
`

// TestCurlHTTP has curl ask a server for hosts and paths.
func TestCurlHTTP(t *testing.T) {
	needs(t, "curl")
	for _, h := range []hook.Hook{hook.XDP, hook.TCIngress} {
		for _, f := range families {
			t.Run(h.String()+"/"+f.name, func(t *testing.T) {
				a, b := pair(t, lab.LinkOptions{})
				finishing(t, a)
				c := answering(t, webFilter, h, []lab.Iface{b}, []lab.Iface{a})
				server := netip.AddrPortFrom(f.b, 80)
				webServer(t, b.Host, server).Start()
				get := func(host, path string, want int, options ...string) {
					t.Helper()
					curl(t, a.Host, server, "http://"+host+path, host, want, options...)
				}
				get("example.com", "/", curlOK)
				get("xexample.org:8080", "/admin", curlOK, "--header", "Cookie: Host: example.org")
				get("example.com", "/", curlOK, "--data", "Host: example.org", "--http1.0")
				get("example.org", "/", curlReset)
				get("WWW.Example.Org:80", "/a?b=c", curlReset, "--request", "DELETE")
				get("example.com", "/", curlReset, "--header", "host:  ftp.example.org")
				get("example.com", "/admin/", curlReset, "--data", "x=1")
				get("example.com", "/", curlReset, "--user-agent", strings.Repeat("x", 900), "--header", "Host: example.org")
				if got := c.count("requests"); got != 8 {
					t.Errorf("%d requests, want 8", got)
				}
			})
		}
	}
}
