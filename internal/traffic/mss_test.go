package traffic

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"weir/hook"
	"weir/lab"
)

// mssChain clamps what a SYN says, and looks at the options of data packets.
const mssChain = `
def main(pkt):
    t = pkt.tcp
    if not t or t.dport != 5001:
        return PASS
    if t.syn:
        count("before", t.mss)
        t.mss = min(t.mss, 500)
        count("after", t.mss)
        count("scaled", t.option(3).len)
        return PASS
    count("data")
    count("times", t.option(8).len)
    return PASS
`

// TestMSS clamps the segment size of a connection where its SYN leaves, with the
// checksum yet to be computed, and where it arrives: the server sends no larger
// ones, and no checksum is wrong.
func TestMSS(t *testing.T) {
	for _, h := range []hook.Hook{hook.TCEgress, hook.TCIngress} {
		for _, f := range families {
			t.Run(h.String()+"/"+f.name, func(t *testing.T) {
				a, b := pair(t, lab.LinkOptions{})
				finishing(t, a)
				at := b
				if h == hook.TCEgress {
					at = a
				}
				c := run(t, mssChain, place{at: at, hook: h})
				wrong := watch(t, a.Host, b.Host)
				l := listen(t, b.Host, f.b, 5001)
				size := make(chan int, 1)
				go func() {
					defer close(size)
					if conn, err := l.Accept(); err == nil {
						size <- maxSegment(conn)
						conn.Close()
					}
				}()
				conn, err := dial(a.Host, 0, netip.AddrPortFrom(f.b, 5001), 5*time.Second)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				// The option counts no other options: time stamps take 12 octets.
				if got := <-size; got != 500-12 {
					t.Errorf("the server sends segments of %d, want %d", got, 500-12)
				}
				before := uint64(1460)
				if f.a.Is6() {
					before = 1440
				}
				if c.count("before") != before || c.count("after") != 500 || c.count("scaled") != 1 {
					t.Errorf("MSS of %d, then %d, window scale of %d octets; want %d, 500, 1", c.count("before"), c.count("after"), c.count("scaled"), before)
				}
				if c.count("data") == 0 || c.count("times") != 8*c.count("data") {
					t.Errorf("%d data packets have time stamps of %d octets in all, want 8 each", c.count("data"), c.count("times"))
				}
				if n := wrong(); n != 0 {
					t.Errorf("%d wrong checksums", n)
				}
			})
		}
	}
}

// maxSegment returns the largest segment that a connection sends, or 0.
func maxSegment(conn net.Conn) int {
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return 0
	}
	n := 0
	cerr := raw.Control(func(fd uintptr) { n, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG) })
	if errors.Join(err, cerr) != nil {
		return 0
	}
	return n
}
