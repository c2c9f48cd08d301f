package traffic

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"weir/hook"
	"weir/lab"
)

// fieldsChain counts by 5-tuple, and drops what is for port 5999 or has id 5999.
const fieldsChain = `
packets = table((ip, ip, u8, u16, u16), u64, size = 1024)
octets  = table((ip, ip, u8, u16, u16), u64, size = 1024)
opened  = table((ip, ip, u8, u16, u16), u64, size = 1024)
closed  = table((ip, ip, u8, u16, u16), u64, size = 1024)
numbers = table((ip, ip, u8, u16, u16), u64, size = 1024)

def echo(pkt, h):
    k = (pkt.ip.src, pkt.ip.dst, pkt.ip.proto, h.type, h.id)
    packets[k] += 1
    octets[k] += pkt.payload.len
    numbers[k] += h.seq
    return drop("blocked") if h.id == 5999 else PASS

def main(pkt):
    if pkt.icmp4:
        return echo(pkt, pkt.icmp4)
    if pkt.icmp6:
        return echo(pkt, pkt.icmp6)
    if not pkt.l4:
        return PASS
    k = (pkt.ip.src, pkt.ip.dst, pkt.ip.proto, pkt.l4.sport, pkt.l4.dport)
    packets[k] += 1
    octets[k] += pkt.payload.len
    if pkt.tcp.syn and not pkt.tcp.ack_flag:
        opened[k] += 1
    if pkt.tcp.fin:
        closed[k] += 1
    if pkt.l4.dport == 5999:
        return drop("blocked")
    return PASS
`

// TestFields sends TCP, UDP and ICMP of both families through a chain: it sees
// what was sent, and what it drops does not arrive.
func TestFields(t *testing.T) {
	for _, h := range hook.Frames() {
		t.Run(h.String(), func(t *testing.T) {
			a, b := pair(t, lab.LinkOptions{})
			at := b
			if h == hook.TCEgress {
				at = a
			}
			c := run(t, fieldsChain, place{at: at, hook: h})
			for _, f := range families {
				t.Run(f.name, func(t *testing.T) {
					sum := watch(t, a.Host, b.Host)
					udpFields(t, c, a, b, f)
					tcpFields(t, c, a, b, f)
					icmpFields(t, c, a, f)
					if n := sum(); n != 0 {
						t.Errorf("%d wrong checksums", n)
					}
				})
			}
		})
	}
}

// refused reports whether a hook on the way out has dropped what was sent.
func refused(err error) bool { return errors.Is(err, unix.EPERM) }

func key(src, dst netip.Addr, proto int, sport, dport uint16) string {
	return fmt.Sprintf("(%s, %s, %d, %d, %d)", src, dst, proto, sport, dport)
}

func udpFields(t *testing.T, c *chain, a, b lab.Iface, f family) {
	for _, flow := range []struct {
		sport, dport uint16
		n, size      int
	}{
		{4001, 5001, 50, 0}, {4002, 5001, 100, 1}, {4001, 5002, 10, 1400}, {4003, 5999, 20, 33},
		{4004, 5003, 1, 40_000}, // in fragments: only the first has ports
	} {
		server, client := udp(t, b.Host, f.b, flow.dport), udp(t, a.Host, f.a, flow.sport)
		to := netip.AddrPortFrom(f.b, flow.dport)
		for range flow.n {
			if _, err := client.WriteToUDPAddrPort(pattern(flow.size), to); err != nil && !(refused(err) && flow.dport == 5999) {
				t.Fatal(err)
			}
		}
		n, octets := received(t, server)
		want := uint64(flow.n)
		if flow.dport == 5999 {
			want = 0
		}
		if n != want || octets != want*uint64(flow.size) {
			t.Errorf("port %d: %d datagrams of %d octets arrived, want %d", flow.dport, n, octets, want)
		}
		k := key(f.a, f.b, protoUDP, flow.sport, flow.dport)
		if got := c.table("packets")[k]; got != uint64(flow.n) {
			t.Errorf("%s: %d packets, want %d", k, got, flow.n)
		}
		if got := c.table("octets")[k]; got != uint64(flow.n*flow.size) && flow.size <= 1400 {
			t.Errorf("%s: %d octets, want %d", k, got, flow.n*flow.size)
		}
		server.Close()
		client.Close()
	}
}

func tcpFields(t *testing.T, c *chain, a, b lab.Iface, f family) {
	const size = 1 << 20
	sport := uint16(4001)
	if f.b.Is6() {
		sport = 4002 // the first is in TIME-WAIT
	}
	before := must(a.Host.Counters())(t)
	l := listen(t, b.Host, f.b, 5001)
	got := drained(l)
	conn, err := dial(a.Host, sport, netip.AddrPortFrom(f.b, 5001), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(pattern(size)); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if n := <-got; n != size {
		t.Errorf("the server got %d octets, want %d", n, size)
	}
	conn.Close()
	k := key(f.a, f.b, protoTCP, sport, 5001)
	type seen struct{ Opened, Closed, Octets uint64 }
	want := seen{1, 1, size}
	var s seen
	eventually(t, "the end of the connection", func() bool {
		s = seen{c.table("opened")[k], c.table("closed")[k], c.table("octets")[k]}
		return s.Closed > 0
	})
	// What TCP sends twice is seen twice.
	again := must(a.Host.Counters())(t).Since(before).MIB["TcpRetransSegs"]
	if d := cmp.Diff(want, s); d != "" && (again == 0 || s.Octets < size) {
		t.Errorf("%s (%d segments sent again; -want +got):\n%s", k, again, d)
	}
	tcpBlocked(t, c, a, b, f)
}

// drained accepts one connection, and tells how many octets came by it, or -1.
func drained(l net.Listener) <-chan int64 {
	got := make(chan int64, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			got <- -1
			return
		}
		defer conn.Close()
		n, _ := io.Copy(io.Discard, conn)
		got <- n
	}()
	return got
}

func tcpBlocked(t *testing.T, c *chain, a, b lab.Iface, f family) {
	defer listen(t, b.Host, f.b, 5999).Close() // a socket that could get it
	before := c.dropped("blocked")
	if conn, err := dial(a.Host, 4005, netip.AddrPortFrom(f.b, 5999), 100*time.Millisecond); err == nil {
		conn.Close()
		t.Error("connected to a blocked port")
	}
	k := key(f.a, f.b, protoTCP, 4005, 5999)
	n := c.table("opened")[k]
	if n == 0 || c.dropped("blocked")-before != n {
		t.Errorf("%s: %d opened, %d dropped", k, n, c.dropped("blocked")-before)
	}
}

func icmpFields(t *testing.T, c *chain, a lab.Iface, f family) {
	p := newPinger(t, a.Host, f.a)
	proto, echo := 1, uint16(8)
	if f.b.Is6() {
		proto, echo = 58, 128
	}
	before := c.dropped("blocked")
	for _, x := range []struct {
		id   uint16
		want int
	}{{1, 20}, {0xfffe, 20}, {5999, 0}} {
		for i := range 20 {
			p.ping(f.b, x.id, uint16(i+1), pattern(31))
		}
		if n := p.answers(x.id, 20); n != x.want {
			t.Errorf("id %d: %d answers, want %d", x.id, n, x.want)
		}
		k := key(f.a, f.b, proto, echo, x.id)
		type seen struct{ Packets, Octets, Numbers uint64 }
		got := seen{c.table("packets")[k], c.table("octets")[k], c.table("numbers")[k]}
		if d := cmp.Diff(seen{20, 20 * 31, 210}, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", k, d)
		}
	}
	if n := c.dropped("blocked") - before; n != 20 {
		t.Errorf("%d dropped, want 20", n)
	}
}
