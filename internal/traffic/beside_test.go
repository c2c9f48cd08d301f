package traffic

import (
	"errors"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"weir/hook"
	"weir/lab"
)

// segmentsChain compares what the kernel says it has merged with what the length
// of the payload says. SIZE is the payload of a full segment.
const segmentsChain = `
def main(pkt):
    n = pkt.payload.len
    if pkt.tcp.dport != 5001 or n == 0:
        return PASS
    count("packets")
    count("octets", n)
    count("segments", pkt.segments)
    if pkt.segments != (n + SIZE - 1) // SIZE:
        count("other")
    if pkt.segments > 8:
        count("large")
    return PASS
`

// TestSegments sends bulk TCP, which comes merged at traffic control.
func TestSegments(t *testing.T) {
	for _, x := range mergedCases {
		for _, f := range families {
			t.Run(x.name+"/"+f.name, func(t *testing.T) {
				a, b, at := x.pair(t)
				// An MTU of 1,500, less IP, TCP and time stamps.
				size := 1500 - 20 - 20 - 12
				if f.a.Is6() {
					size -= 20
				}
				c := run(t, text(segmentsChain, "SIZE", size), place{at: at, hook: x.hook})
				stream := pattern(long(2<<20, 32<<20))
				before := must(a.Host.Counters())(t)
				sendStream(t, a, b, f, stream)
				if again := must(a.Host.Counters())(t).Since(before).MIB["TcpRetransSegs"]; again > 0 {
					t.Logf("%d segments sent again", again)
				} else if n := c.count("octets"); n != uint64(len(stream)) {
					t.Errorf("payloads of %d octets, want %d", n, len(stream))
				}
				packets, segments := c.count("packets"), c.count("segments")
				if segments < c.count("octets")/uint64(size) || c.count("other") > 0 || c.count("large") == 0 {
					t.Errorf("%d packets, %d segments, %d otherwise than their length says, %d of more than 8",
						packets, segments, c.count("other"), c.count("large"))
				}
				t.Logf("%d packets stand for %d", packets, segments)
			})
		}
	}
}

// markChain marks by port where packets come in, and acts on it where they leave.
const markChain = `
def incoming(pkt):
    if pkt.mark:
        count("marked before")
    if pkt.udp.dport == 7001:
        pkt.mark = 0xdeadbeef
    if pkt.udp.dport == 7002:
        pkt.mark |= 0x10
    return PASS

def outgoing(pkt):
    if not pkt.udp:
        return PASS
    if pkt.mark == 0xdeadbeef:
        return drop("marked")
    if pkt.mark == 0x10:
        count("sixteen")
    if pkt.mark == 0:
        count("unmarked")
    return PASS
`

// TestMarkBetweenHooks forwards packets through a router: what a chain writes
// where they come in, another reads where they go out.
func TestMarkBetweenHooks(t *testing.T) {
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			n := routed(t)
			c := run(t, markChain, place{at: n.m0, hook: hook.TCIngress, fn: "incoming"}, place{at: n.m1, hook: hook.TCEgress, fn: "outgoing"})
			const each = 20
			from := udp(t, n.a.Host, f.a, 6000)
			for i, want := range []uint64{0, each, each} {
				port := uint16(7001 + i)
				to := udp(t, n.c.Host, f.c, port)
				for range each {
					must(from.WriteToUDPAddrPort([]byte("x"), netip.AddrPortFrom(f.c, port)))(t)
				}
				if got, _ := received(t, to); got != want {
					t.Errorf("port %d: %d of %d came through, want %d", port, got, each, want)
				}
			}
			if m, s, u, b := c.dropped("marked"), c.count("sixteen"), c.count("unmarked"), c.count("marked before"); m != each || s != each || u != each || b != 0 {
				t.Errorf("%d marked, %d marked 16, %d unmarked, want %d of each; %d marked before, want 0", m, s, u, each, b)
			}
		})
	}
}

// besideChain notes what the sender's kernel keeps beside packets.
const besideChain = `
marks      = table(u16, u32, size = 16)
priorities = table(u16, u32, size = 16)
hashes     = table(u16, u32, size = 16)

def main(pkt):
    u = pkt.udp
    if not u or u.dport != 7000:
        return PASS
    marks[u.sport] = pkt.mark
    priorities[u.sport] = pkt.priority
    if u.sport in hashes and hashes[u.sport] != pkt.hash:
        count("another hash")
    hashes[u.sport] = pkt.hash
    if pkt.hash == 0:
        count("no hash")
    return drop("marked") if pkt.mark == 77 else PASS
`

// TestSocketMark sends from sockets with a mark and a priority of their own: the
// chain where packets leave sees them, and one hash for each flow.
func TestSocketMark(t *testing.T) {
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			a, b := pair(t, lab.LinkOptions{})
			c := run(t, besideChain, place{at: a, hook: hook.TCEgress})
			to := udp(t, b.Host, f.b, 7000)
			for i, s := range []struct{ mark, priority int }{{0, 0}, {77, 3}, {0x7fffffff, 6}} {
				from := udp(t, a.Host, f.a, uint16(6000+i))
				option(t, from, unix.SO_MARK, s.mark)
				option(t, from, unix.SO_PRIORITY, s.priority)
				for range 10 {
					// ENOBUFS is how the kernel tells of a drop at tc-egress.
					if _, err := from.WriteToUDPAddrPort([]byte("x"), netip.AddrPortFrom(f.b, 7000)); err != nil && !errors.Is(err, unix.ENOBUFS) {
						t.Fatal(err)
					}
				}
			}
			if got, _ := received(t, to); got != 20 {
				t.Errorf("%d datagrams came through, want 20", got)
			}
			marks, priorities, hashes := c.table("marks"), c.table("priorities"), c.table("hashes")
			for port, want := range map[string][2]uint64{"6000": {0, 0}, "6001": {77, 3}, "6002": {0x7fffffff, 6}} {
				if marks[port] != want[0] || priorities[port] != want[1] {
					t.Errorf("from port %s: mark %d and priority %d, want %v", port, marks[port], priorities[port], want)
				}
			}
			if c.count("no hash") != 0 || c.count("another hash") != 0 || hashes["6000"] == hashes["6001"] && hashes["6001"] == hashes["6002"] {
				t.Errorf("hashes %v, %d packets of another than the first of their flow, %d of none", hashes, c.count("another hash"), c.count("no hash"))
			}
		})
	}
}

// option sets an integer option of a socket.
func option(t *testing.T, c *net.UDPConn, name, x int) {
	t.Helper()
	var err error
	if cerr := must(c.SyscallConn())(t).Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, name, x)
	}); errors.Join(err, cerr) != nil {
		t.Fatal(errors.Join(err, cerr))
	}
}
