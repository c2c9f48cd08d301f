package traffic

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"weir/hook"
	"weir/lab"
)

// rewrites are chains that change one thing of a packet and what it is then.
var rewrites = []struct {
	name, source string
	protos       []byte // which the change is for
	change       func(*packet)
}{
	{"dst", `pkt.ip.dst = ip("DST")`, all, func(p *packet) { p.to = atAddr(p.to, otherOf(p)) }},
	{"src", `pkt.ip.src = ip("DST")`, all, func(p *packet) { p.from = atAddr(p.from, otherOf(p)) }},
	{"swap", "a, b = pkt.ip.src, pkt.ip.dst\n    pkt.ip.src = b\n    pkt.ip.dst = a", all, func(p *packet) {
		x, y := p.from.Addr.Addr(), p.to.Addr.Addr()
		p.from, p.to = atAddr(p.from, y), atAddr(p.to, x)
	}},
	{"ports", "pkt.l4.sport = 1\n    pkt.l4.dport = 65535", ported, func(p *packet) {
		p.from, p.to = atPort(p.from, 1), atPort(p.to, 65535)
	}},
	{"dnat", "pkt.ip.dst = ip(\"DST\")\n    pkt.l4.dport = 8080", ported, func(p *packet) {
		p.to = atPort(atAddr(p.to, otherOf(p)), 8080)
	}},
	{"ttl, dscp and ecn", "pkt.ip.ttl = pkt.ip.ttl - 1\n    pkt.ip.dscp = 46\n    pkt.ip.ecn = 2", all, func(p *packet) {
		p.ttl, p.tos = p.ttl-1, 46<<2|2
	}},
	{"echo id and seq", `pkt.icmpN.id = 0x1234
    pkt.icmpN.seq = pkt.icmpN.seq + 1`, []byte{protoICMP}, func(p *packet) {
		p.from, p.to = atPort(p.from, 0x1234), atPort(p.to, p.to.Addr.Port()+1)
	}},
	{"macs", "pkt.eth.src = mac(\"02:00:00:00:00:99\")", all, func(p *packet) {
		p.from.MAC = []byte{2, 0, 0, 0, 0, 0x99}
	}},
}

var (
	all    = []byte{protoTCP, protoUDP, protoICMP}
	ported = []byte{protoTCP, protoUDP}
)

// other is an address that no host has.
func otherOf(p *packet) netip.Addr {
	if p.six() {
		return netip.MustParseAddr("2001:db8:1:2:3:4:5:6")
	}
	return netip.MustParseAddr("198.51.100.77")
}

// TestRewrite changes whole frames on their way over a bridge: what arrives is
// what gopacket makes of the new values, checksums included.
func TestRewrite(t *testing.T) {
	for i, h := range hook.Frames() {
		t.Run(h.String(), func(t *testing.T) {
			n := bridged(t, 0)
			in := capture(t, n.c)
			for _, w := range rewrites {
				for _, f := range families {
					t.Run(w.name+"/"+f.name, func(t *testing.T) {
						p := probe(n.a, n.c, f, pattern(101))
						source := text("def main(pkt):\n    if not pkt.ip:\n        return PASS\n    "+w.source+"\n    return PASS\n",
							"DST", otherOf(&p), "icmpN", map[bool]string{false: "icmp4", true: "icmp6"}[p.six()])
						run(t, source, bridgePlaces(n)[i])
						for _, proto := range w.protos {
							p.proto = proto
							send(t, n.a, p.frame(t))
							sameFrame(t, in, p.with(w.change).frame(t))
						}
						p.proto, p.noSum = protoUDP, true
						send(t, n.a, p.frame(t))
						want := p.with(w.change)
						if w.protos[0] == protoICMP {
							want = p
						}
						sameFrame(t, in, want.frame(t))
					})
				}
			}
		})
	}
}

// TestZeroSum rewrites a UDP packet whose checksum then computes to zero, which
// is sent as 0xffff (RFC 768).
func TestZeroSum(t *testing.T) {
	for i, h := range hook.Frames() {
		t.Run(h.String(), func(t *testing.T) {
			n := bridged(t, 0)
			in := capture(t, n.c)
			run(t, "def main(pkt):\n    pkt.udp.dport = 5353\n    return PASS\n", bridgePlaces(n)[i])
			for _, f := range families {
				p := probe(n.a, n.c, f, make([]byte, 2))
				change := func(p *packet) { p.to = atPort(p.to, 5353) }
				// The payload is what is missing to the sum's 0xffff.
				w := p.with(change).frame(t)
				copy(p.payload, w[len(w)-4:])
				w = p.with(change).frame(t)
				if wire(w, len(w)-4, 2) != 0xffff {
					t.Fatalf("checksum %#x, want 0xffff", wire(w, len(w)-4, 2))
				}
				send(t, n.a, p.frame(t))
				sameFrame(t, in, w)
			}
		})
	}
}

// TestEchoID gives the requests of a host another id on their way out and takes
// it back from the answers.
func TestEchoID(t *testing.T) {
	const source = `
OUT, BACK = 0x1111, 0xfedc
def change(h, kind, old, new):
    if h and h.type == kind and h.id == old:
        h.id = new
        count("changed")
    return 0

def outgoing(pkt):
    change(pkt.icmp4, 8, OUT, BACK)
    change(pkt.icmp6, 128, OUT, BACK)
    return PASS

def incoming(pkt):
    if pkt.icmp4.id == OUT or pkt.icmp6.id == OUT:
        return drop("not changed")
    change(pkt.icmp4, 0, BACK, OUT)
    change(pkt.icmp6, 129, BACK, OUT)
    return PASS
`
	for _, back := range []hook.Hook{hook.XDP, hook.TCIngress} {
		t.Run("back at "+back.String(), func(t *testing.T) {
			a, b := pair(t, lab.LinkOptions{})
			c := run(t, source, place{at: a, hook: hook.TCEgress, fn: "outgoing"}, place{at: a, hook: back, fn: "incoming"})
			sum := watch(t, a.Host, b.Host)
			for _, f := range families {
				p := newPinger(t, a.Host, f.a)
				for i := range 10 {
					p.ping(f.b, 0x1111, uint16(i), pattern(100+i))
				}
				if n := p.answers(0x1111, 10); n != 10 {
					t.Errorf("%s: %d answers, want 10", f.name, n)
				}
			}
			if n := c.count("changed"); n != 40 || sum() != 0 {
				t.Errorf("%d changed, %d wrong checksums, want 40 and 0", n, sum())
			}
		})
	}
}

// TestForwardedPartial rewrites, at tc-egress of a router, packets of which the
// sender has left the checksum to be computed. The kernel computes it behind
// the hook, and the receiver checks it.
func TestForwardedPartial(t *testing.T) {
	const source = `
def main(pkt):
    if pkt.l4.dport == 4242:
        pkt.ip.dst = ip("DST")
        pkt.ip.src = ip("SRC")
        pkt.l4.dport = 5353
        pkt.l4.sport = 99
        pkt.ip.ttl = 7
        count("changed")
    return PASS
`
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			n := routed(t)
			finishing(t, n.m1)
			from := f.vip     // so that the pseudo header has another sum
			dst := f.c.Next() // not yet the receiver's address
			at := capture(t, n.m0)
			c := run(t, text(source, "DST", f.c, "SRC", from), place{at: n.m1, hook: hook.TCEgress})
			in := capture(t, n.c)
			sum := watch(t, n.c.Host)
			server, client := udp(t, n.c.Host, f.c, 5353), udp(t, n.a.Host, f.a, 4000)
			neighbour(t, n.m1, dst, n.c)
			for i := range 20 {
				if _, err := client.WriteToUDPAddrPort(pattern(100+i), netip.AddrPortFrom(dst, 4242)); err != nil {
					t.Fatal(err)
				}
			}
			// One SYN, too: nobody answers it.
			if conn, err := dial(n.a.Host, 0, netip.AddrPortFrom(dst, 4242), 50*time.Millisecond); err == nil {
				conn.Close()
			}
			if k, _ := received(t, server); k != 20 || sum() != 0 {
				t.Errorf("%d of 20 datagrams, %d wrong checksums", k, sum())
			}
			before := frames(t, at, 21)
			after := frames(t, in, 21)
			for i := range after {
				if !before[i].ChecksumPartial {
					t.Errorf("packet %d came to the router with its checksum computed: this tests nothing", i)
				}
				if after[i].ChecksumPartial || !rightSums(t, after[i].Data) {
					t.Errorf("packet %d arrived with a wrong checksum:\n%x", i, after[i].Data)
				}
			}
			if k := c.count("changed"); k < 21 {
				t.Errorf("%d packets changed, want 21", k)
			}
		})
	}
}

func frames(t *testing.T, c *lab.Capture, n int) []lab.Frame {
	t.Helper()
	fs, err := c.Frames(bounded(t), n)
	if err != nil {
		t.Fatal(fmt.Errorf("%w (%d there)", err, len(fs)))
	}
	return fs
}
