package traffic

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"weir/datapath"
	"weir/hook"
	"weir/lab"
)

const rejectChain = `
closed = param(bool, False)

def main(pkt):
    if pkt.tcp and (pkt.tcp.dport == 23 or closed and pkt.tcp.dport == 5001):
        return reject()
    if pkt.udp.dport == 9:
        return reject()
    return PASS

def pass_all(pkt):
    return PASS
`

// TestReject rejects what a client sends: it is told at once.
func TestReject(t *testing.T) {
	for _, x := range []struct {
		name  string
		hook  hook.Hook
		whole bool // the client computes checksums
	}{
		{"xdp", hook.XDP, true},
		{"tc-ingress, checksums to be computed", hook.TCIngress, false},
		{"tc-ingress, whole checksums", hook.TCIngress, true},
		{"tc-egress", hook.TCEgress, false},
	} {
		for _, f := range families {
			t.Run(x.name+"/"+f.name, func(t *testing.T) {
				client, server := pair(t, lab.LinkOptions{})
				if x.whole {
					finishing(t, client)
				}
				places := []place{{at: server, hook: x.hook}}
				switch x.hook {
				case hook.TCEgress:
					places[0].at = client
				case hook.XDP: // veth wakes the receiver of XDP_TX only then
					places = append(places, place{at: client, hook: hook.XDP, fn: "pass_all"})
				}
				c := run(t, rejectChain, places...)
				sum := watch(t, client.Host, server.Host)
				if _, err := dial(client.Host, 0, netip.AddrPortFrom(f.b, 23), 5*time.Second); !errors.Is(err, unix.ECONNREFUSED) {
					t.Errorf("connect: %v, want connection refused", err)
				}
				rejectUDP(t, client.Host, f)
				rejectStream(t, c, client, server, f)
				if n := sum(); n > 0 {
					t.Errorf("%d packets with a wrong checksum", n)
				}
				if n := c.ended(func(x datapath.ExitCount) bool { return x.Verdict == "REJECT" }); n < 3 {
					t.Errorf("%d packets were rejected, want at least 3", n)
				}
			})
		}
	}
}

// rejectUDP expects the error that the kernel makes of "administratively
// prohibited" on a connected socket.
func rejectUDP(t *testing.T, h *lab.Host, f family) {
	t.Helper()
	want := unix.EHOSTUNREACH
	if f.b.Is6() {
		want = unix.EACCES
	}
	var c *net.UDPConn
	if err := h.Do(func() (err error) {
		c, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(f.b, 9)))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.Write(pattern(900)); err != nil && !errors.Is(err, want) && !errors.Is(err, unix.ENOBUFS) {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 10)); !errors.Is(err, want) {
		t.Errorf("udp: %v, want %v", err, want)
	}
}

// rejectStream ends a connection that is open.
func rejectStream(t *testing.T, c *chain, client, server lab.Iface, f family) {
	t.Helper()
	c.set("closed", false)
	l := listen(t, server.Host, f.b, 5001)
	go func() {
		if conn, err := l.Accept(); err == nil {
			io.Copy(io.Discard, conn)
			conn.Close()
		}
	}()
	conn, err := dial(client.Host, 0, netip.AddrPortFrom(f.b, 5001), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c.set("closed", true)
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := conn.Write(pattern(20_000)); err != nil && !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("write: %v", err)
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("read: %v, want connection reset", err)
	}
}
