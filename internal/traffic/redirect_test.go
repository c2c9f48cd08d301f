package traffic

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"weir/hook"
	"weir/lab"
)

const echoChain = `
def main(pkt):
    u = pkt.udp
    if not u or u.dport != 7:
        return PASS
    pkt.eth.src, pkt.eth.dst = pkt.eth.dst, pkt.eth.src
    pkt.ip.src, pkt.ip.dst = pkt.ip.dst, pkt.ip.src
    pkt.udp.sport, pkt.udp.dport = pkt.udp.dport, pkt.udp.sport
    pkt.ip.ttl = 33
    count("echoed")
    return TX

def pass_all(pkt):
    return PASS
`

// TestEcho answers UDP packets in the chain: the client receives them.
func TestEcho(t *testing.T) {
	for _, x := range []struct {
		name  string
		hook  hook.Hook
		whole bool // the client computes checksums: at XDP nobody does so behind the chain
	}{
		{"xdp", hook.XDP, true},
		{"tc-ingress, checksums to be computed", hook.TCIngress, false},
		{"tc-ingress, whole checksums", hook.TCIngress, true},
	} {
		t.Run(x.name, func(t *testing.T) {
			client, server := pair(t, lab.LinkOptions{})
			if x.whole {
				finishing(t, client)
			}
			places := []place{{at: server, hook: x.hook}}
			if x.hook == hook.XDP {
				// veth wakes the receiver of what XDP_TX sends only if that has an
				// XDP program, too (veth_xdp_flush in drivers/net/veth.c).
				places = append(places, place{at: client, hook: hook.XDP, fn: "pass_all"})
			}
			c := run(t, echoChain, places...)
			sum := watch(t, client.Host, server.Host)
			in := capture(t, client)
			for _, f := range families {
				s := udp(t, client.Host, f.a, 4000)
				for n := range 20 {
					want := pattern(1 + 70*n)
					if _, err := s.WriteToUDPAddrPort(want, netip.AddrPortFrom(f.b, 7)); err != nil {
						t.Fatal(err)
					}
					if err := s.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
						t.Fatal(err)
					}
					b := make([]byte, 2000)
					k, from, err := s.ReadFromUDPAddrPort(b)
					if err != nil || !bytes.Equal(b[:k], want) || from.Addr().Unmap() != f.b || from.Port() != 7 {
						t.Fatalf("%s: answer %d from %s: %d octets, %v", f.name, n, from, k, err)
					}
				}
			}
			if n := c.count("echoed"); n != 40 || sum() != 0 {
				t.Errorf("%d echoed, %d wrong checksums", n, sum())
			}
			for i, f := range frames(t, in, 40) {
				ttl := f.Data[22]
				if i >= 20 {
					ttl = f.Data[21]
				}
				if ttl != 33 || !f.ChecksumPartial && !rightSums(t, f.Data) {
					t.Errorf("answer %d has a TTL of %d or a wrong checksum:\n%x", i, ttl, f.Data)
				}
			}
		})
	}
}

// TestRedirect sends packets out of another interface, by its name and by its
// index, in the namespace of the attachment.
func TestRedirect(t *testing.T) {
	const source = `
out = param(u32, 0)

def main(pkt):
    if pkt.l4.dport == 4242:
        return redirect("eth1")
    if pkt.l4.dport == 4243:
        return redirect(out)
    if pkt.l4.dport == 4244:
        pkt.ip.ttl = 3
        pkt.l4.dport = 4242
        return redirect(interface("eth1"))
    return PASS
`
	for _, h := range hook.Frames() {
		t.Run(h.String(), func(t *testing.T) {
			l := newLab(t)
			a, m, c := newHost(t, l, "a"), newHost(t, l, "m"), newHost(t, l, "c")
			src, m0 := link(t, l, a, m, "eth0", "eth0", lab.LinkOptions{})
			m1, dst := link(t, l, m, c, "eth1", "eth0", lab.LinkOptions{})
			at := m0
			if h == hook.TCEgress {
				src = m0 // what leaves m by eth0 is sent out of eth1
			}
			ch := run(t, source, place{at: at, hook: h})
			ch.set("out", m1.Index)
			in := capture(t, dst)
			out := func(f []byte) {
				if h == hook.TCEgress {
					sendQueued(t, src, f)
				} else {
					send(t, src, f)
				}
			}
			for _, f := range families {
				for _, proto := range []byte{protoUDP, protoTCP} {
					for _, tags := range [][]tag{nil, {{0x8100, 0x2005}}, {{0x88a8, 7}, {0x8100, 8}}} {
						p := probe(src, dst, f, pattern(200))
						p.proto, p.tags = proto, tags
						out(p.frame(t))
						sameFrame(t, in, p.frame(t))
						p.to = atPort(p.to, 4243)
						out(p.frame(t))
						sameFrame(t, in, p.frame(t))
						p.to = atPort(p.to, 4244)
						out(p.frame(t))
						p.to, p.ttl = atPort(p.to, 4242), 3
						sameFrame(t, in, p.frame(t))
					}
				}
			}
			if h != hook.TCEgress {
				floodThrough(t, src, dst, ch)
			}
		})
	}
}

// floodThrough sends a flood through a redirect and counts at the far side.
func floodThrough(t *testing.T, src, dst lab.Iface, c *chain) {
	t.Helper()
	end := run(t, countChain, place{at: dst, hook: hook.XDP})
	f := udpFlood(t, src, dst)
	f.Packets, f.PPS = long[uint64](20_000, 1_000_000), 200_000
	st := flood(t, src.Host, f)
	if n := end.count("seen"); n != st.Sent {
		t.Errorf("%d of %d packets of a flood came through", n, st.Sent)
	}
}
