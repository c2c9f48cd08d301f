package traffic

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"weir/attach"
	"weir/datapath"
	"weir/examples"
	"weir/hook"
	"weir/lab"
)

// steerChain gives a network's ports from 8000 on to one socket, and closes two.
const steerChain = `
SITE = [prefix("192.0.2.0/24"), prefix("fd00:2::/64"), prefix("10.0.0.0/24"), prefix("fd00::/64")]

def main(conn):
    if conn.ip.dst not in SITE or conn.ifindex == 0:
        return PASS
    if conn.dport == 8001:
        return drop("closed")
    if conn.dport in range(8000, 8100):
        return to_socket("tcp:*:9999") if conn.tcp else to_socket("dns")
    if conn.dport == 22:
        return reject()
    return PASS
`

// site makes two hosts, where b takes all addresses of two networks for its own.
func site(t *testing.T) (a, b lab.Iface) {
	t.Helper()
	a, b = pair(t, lab.LinkOptions{})
	for dst, via := range map[string]string{"192.0.2.0/24": "10.0.0.2", "fd00:2::/64": "fd00::2"} {
		if err := a.Host.Route(netip.MustParsePrefix(dst), netip.MustParseAddr(via)); err != nil {
			t.Fatal(err)
		}
		if err := b.Host.Do(func() error {
			lo := must(netlink.LinkByName("lo"))(t)
			return netlink.RouteAdd(&netlink.Route{
				LinkIndex: lo.Attrs().Index, Dst: must(netlink.ParseIPNet(dst))(t), Type: unix.RTN_LOCAL, Table: unix.RT_TABLE_LOCAL, Scope: netlink.SCOPE_HOST,
			})
		}); err != nil {
			t.Fatal(err)
		}
	}
	return a, b
}

// reads connects from a host and returns what it is told.
func reads(h *lab.Host, to string) (string, error) {
	c, err := dial(h, 0, netip.MustParseAddrPort(to), 2*time.Second)
	if err != nil {
		return "", err
	}
	defer c.Close()
	b, err := io.ReadAll(c)
	return string(b), err
}

// TestSteer: one socket takes the ports of a network, others are closed.
func TestSteer(t *testing.T) {
	a, b := site(t)
	web := listen(t, b.Host, netip.IPv6Unspecified(), 9999)
	accept(t, web, "steered")
	accept(t, listen(t, b.Host, netip.IPv6Unspecified(), 8001), "not reached")
	accept(t, listen(t, b.Host, netip.IPv6Unspecified(), 22), "not reached")
	accept(t, listen(t, b.Host, netip.IPv6Unspecified(), 7), "as ever")
	accept(t, listen(t, a.Host, netip.IPv6Unspecified(), 8001), "of another namespace")
	c := runAt(t, steerChain, attach.Where{Netns: b.Host.Netns(), Hook: hook.SkLookup})
	for _, tt := range []struct{ to, want string }{
		{"192.0.2.7:8000", "steered 192.0.2.7:8000"},
		{"192.0.2.200:8099", "steered 192.0.2.200:8099"},
		{"10.0.0.2:8042", "steered 10.0.0.2:8042"},
		{"[fd00:2::77]:8050", "steered [fd00:2::77]:8050"},
		{"[fd00::2]:8000", "steered [fd00::2]:8000"},
		{"10.0.0.2:7", "as ever 10.0.0.2:7"},
		{"[fd00::2]:7", "as ever [fd00::2]:7"},
		{"10.0.0.2:8100", ""},
		{"192.0.2.7:8001", ""}, {"[fd00:2::1]:8001", ""}, {"10.0.0.2:22", ""}, {"[fd00::2]:22", ""},
	} {
		got, err := reads(a.Host, tt.to)
		if got != tt.want || errors.Is(err, unix.ECONNREFUSED) != (tt.want == "") {
			t.Errorf("%s: %q (%v), want %q", tt.to, got, err, tt.want)
		}
	}
	if got, err := reads(a.Host, "10.0.0.1:8001"); got != "of another namespace 10.0.0.1:8001" {
		t.Errorf("in another namespace: %q (%v)", got, err)
	}
	got := map[string]uint64{}
	c.ended(func(x datapath.ExitCount) bool { got[x.Verdict] += x.Packets; return false })
	if want := map[string]uint64{"SOCKET": 5, "DROP": 2, "REJECT": 2}; got["SOCKET"] != want["SOCKET"] || got["DROP"] != want["DROP"] || got["REJECT"] != want["REJECT"] {
		t.Errorf("counted %v, want %v", got, want)
	}
	again(t, a, b, c, web)
}

// again closes the server: its name has no socket until another is put there.
func again(t *testing.T, a, b lab.Iface, c *chain, web net.Listener) {
	t.Helper()
	web.Close()
	if got, err := reads(a.Host, "192.0.2.7:8000"); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("without a server: %q (%v), want a refusal", got, err)
	}
	none := c.ended(func(x datapath.ExitCount) bool { return x.Verdict == "PASS" && x.Reason == "no such socket" })
	if none != 1 {
		t.Errorf("%d had no socket, want 1", none)
	}
	if err := c.PutSocket("tcp:*:9999", ""); !errors.Is(err, attach.ErrNoSocket) {
		t.Errorf("put a socket that is not there: %v", err)
	}
	accept(t, listen(t, b.Host, b4, 9999), "back")
	if err := c.PutSocket("tcp:*:9999", ""); err != nil {
		t.Fatal(err)
	}
	if got, err := reads(a.Host, "192.0.2.7:8000"); got != "back 192.0.2.7:8000" {
		t.Errorf("after the server is back: %q (%v)", got, err)
	}
	// It is an IPv4 socket now: what comes over IPv6 goes on.
	if got, err := reads(a.Host, "[fd00:2::77]:8050"); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("over IPv6: %q (%v), want a refusal", got, err)
	}
}

// TestSteerDatagrams: a socket that is named by a word takes datagrams.
func TestSteerDatagrams(t *testing.T) {
	a, b := site(t)
	accept(t, listen(t, b.Host, netip.IPv6Unspecified(), 9999), "steered")
	server := udp(t, b.Host, netip.IPv6Unspecified(), 5353)
	c := runAt(t, steerChain, attach.Where{Netns: b.Host.Netns(), Hook: hook.SkLookup})
	for _, tt := range []struct{ name, to string }{{"v4", "192.0.2.9:8053"}, {"v6", "[fd00:2::9]:8053"}} {
		s := newSock(t, a.Host, strings.HasPrefix(tt.to, "["), unix.SOCK_DGRAM)
		if err := s.connect(netip.MustParseAddrPort(tt.to)); err != nil {
			t.Fatal(err)
		}
		if err := c.RemoveSocket("dns"); err != nil {
			t.Fatal(err)
		}
		must(unix.Write(s.fd, []byte("nobody")))(t)
		if _, err := unix.Read(s.fd, make([]byte, 10)); !errors.Is(err, unix.ECONNREFUSED) {
			t.Errorf("%s: without a socket: %v, want a refusal", tt.name, err)
		}
		if err := c.PutSocket("dns", "udp:[::]:5353"); err != nil {
			t.Fatal(err)
		}
		must(unix.Write(s.fd, []byte("hello")))(t)
		if err := server.SetReadDeadline(time.Now().Add(2 * time.Second)); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 10)
		n, _, err := server.ReadFromUDPAddrPort(buf)
		if string(buf[:n]) != "hello" {
			t.Errorf("%s: %q (%v)", tt.name, buf[:n], err)
		}
	}
	socks := must(c.Sockets())(t)
	want := []datapath.Socket{{Name: "tcp:*:9999", At: "tcp:[::]:9999"}, {Name: "dns", At: "udp:[::]:5353"}}
	if len(socks) != 2 || socks[0] != want[0] || socks[1] != want[1] {
		t.Errorf("sockets %v, want %v", socks, want)
	}
}

// TestSteerRefusals: what cannot be attached, or put, says why.
func TestSteerRefusals(t *testing.T) {
	_, b := site(t)
	w := attach.Where{Netns: b.Host.Netns(), Hook: hook.SkLookup}
	if _, err := tryAt(t, steerChain, w); !errors.Is(err, attach.ErrNoSocket) {
		t.Errorf("attach without a server: %v", err)
	}
	var multi net.Listener
	if err := b.Host.Do(func() (err error) {
		var lc net.ListenConfig
		lc.SetMultipathTCP(true)
		multi, err = lc.Listen(t.Context(), "tcp", "10.0.0.2:9999")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer multi.Close()
	if _, err := tryAt(t, steerChain, w); err == nil || !strings.Contains(err.Error(), "multipathtcp=0") {
		t.Errorf("attach to an MPTCP server: %v", err)
	}
	multi.Close()
	accept(t, listen(t, b.Host, netip.IPv6Unspecified(), 9999), "steered")
	c := runAt(t, steerChain, w)
	for text, want := range map[string]string{
		"pid:1/fd:100000":    "descriptor 100000 of process 1",
		"pid:999999999/fd:1": "process 999999999",
		"tcp:127.0.0.1":      "is no socket",
		"udp:10.0.0.2:53":    "no such socket",
		"sctp:10.0.0.2:53":   "is no socket",
		"pid:self/fd:1":      "is no socket",
		"pid:1/fd:0junk":     "is no socket",
		" pid:1/fd:0":        "is no socket",
	} {
		if err := c.PutSocket("dns", text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("put %s: %v, want %q", text, err, want)
		}
	}
	if err := c.PutSocket("dn", "udp:[::]:53"); !errors.Is(err, datapath.ErrNotFound) || !strings.Contains(err.Error(), "dns") {
		t.Errorf("put under a name that is not there: %v", err)
	}
}

// TestExampleSteer: the example takes a network's ports, and closes two.
func TestExampleSteer(t *testing.T) {
	a, b := site(t)
	accept(t, listen(t, b.Host, b4, 8080), "web")
	c := runAt(t, string(examples.MustRead("steer.weir")), attach.Where{Netns: b.Host.Netns(), Hook: hook.SkLookup})
	if got, err := reads(a.Host, "192.0.2.7:8123"); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("before the socket is put: %q (%v)", got, err)
	}
	if err := c.PutSocket("web", "tcp:*:8080"); err != nil {
		t.Fatal(err)
	}
	for to, want := range map[string]string{
		"192.0.2.7:8123": "web 192.0.2.7:8123", "192.0.2.9:8888": "", "192.0.2.9:9000": "", "10.0.0.2:8080": "web 10.0.0.2:8080",
	} {
		if got, err := reads(a.Host, to); got != want || errors.Is(err, unix.ECONNREFUSED) != (want == "") {
			t.Errorf("%s: %q (%v), want %q", to, got, err, want)
		}
	}
	if n := c.count("steered"); n != 2 {
		t.Errorf("%d were steered, want 2", n)
	}
}

// TestSteerTogether: where several chains are asked, the first socket that was chosen
// is taken, and a choice counts more than a refusal.
func TestSteerTogether(t *testing.T) {
	const one, two, late = `to_socket("tcp:*:9001")`, `to_socket("tcp:*:9002")`, "PASS another has chosen a socket"
	for _, tt := range []struct {
		verdicts [2]string // in the order in which they are attached
		counts   [2]string
		want     string // empty: refused
	}{
		{[2]string{"DROP", one}, [2]string{"DROP ", "SOCKET "}, "one"},
		{[2]string{one, "DROP"}, [2]string{"SOCKET ", "DROP "}, "one"},
		{[2]string{one, "ACCEPT"}, [2]string{"SOCKET ", "ACCEPT "}, "one"},
		{[2]string{"ACCEPT", one}, [2]string{"ACCEPT ", "SOCKET "}, "one"},
		{[2]string{one, two}, [2]string{"SOCKET ", late}, "one"},
		{[2]string{two, one}, [2]string{"SOCKET ", late}, "two"},
		{[2]string{"DROP", "ACCEPT"}, [2]string{"DROP ", "ACCEPT "}, ""},
		{[2]string{"PASS", "reject()"}, [2]string{"PASS ", "REJECT "}, ""},
	} {
		t.Run(strings.Join(tt.verdicts[:], " then "), func(t *testing.T) {
			a, b := site(t)
			accept(t, listen(t, b.Host, b4, 7100), "kernel's")
			accept(t, listen(t, b.Host, b4, 9001), "one")
			accept(t, listen(t, b.Host, b4, 9002), "two")
			var cs []*chain
			for _, v := range tt.verdicts {
				source := text("def main(conn):\n    return VERDICT if conn.dport == 7100 else ACCEPT\n", "VERDICT", v)
				cs = append(cs, runAt(t, source, attach.Where{Netns: b.Host.Netns(), Hook: hook.SkLookup}))
			}
			got, err := reads(a.Host, "10.0.0.2:7100")
			if who, _, _ := strings.Cut(got, " "); who != tt.want || errors.Is(err, unix.ECONNREFUSED) != (tt.want == "") {
				t.Errorf("%q (%v), want %q", got, err, tt.want)
			}
			for i, c := range cs { // each was asked
				if n := c.ended(func(x datapath.ExitCount) bool { return x.Verdict+" "+x.Reason == tt.counts[i] }); n == 0 {
					t.Errorf("%s has not ended in %s", tt.verdicts[i], tt.counts[i])
				}
			}
		})
	}
}
