package traffic

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"weir/datapath"
	"weir/hook"
	"weir/lab"
	"weir/lang"
)

// Three chains on each hook: the first refuses, the second is natChain, the third
// sees what these have left.
const (
	guardChain = `
def main(pkt):
    if pkt.tcp.dport == 23:
        return reject()
    if pkt.udp.dport == 9:
        count("discarded")
        return drop("discard")
    if pkt.icmp4 or pkt.icmp6:
        return ACCEPT
    return PASS
`
	flowChain = `
VIP = ip("VIP_")
bytes = table((ip, u16), u64, size = 64)

def main(pkt):
    if pkt.icmp4 or pkt.icmp6 or pkt.tcp.dport == 23:
        return drop("wrong")
    if pkt.ip.dst == VIP:
        return drop("wrong")
    if pkt.l4 and pkt.payload.len > 0:
        bytes[(pkt.ip.dst, pkt.l4.dport)] += pkt.payload.len
        count("data")
    return PASS
`
)

// TestCompose runs real traffic through three chains on one hook, on its way in and
// out: downloads through translated addresses, requests by UDP, pings, and what is
// refused.
func TestCompose(t *testing.T) {
	for _, in := range []hook.Hook{hook.XDP, hook.TCIngress} {
		for _, f := range families {
			t.Run(in.String()+"/"+f.name, func(t *testing.T) {
				client, server := pair(t, lab.LinkOptions{})
				finishing(t, client)
				finishing(t, server)
				chains := func(fn string) []lang.Part {
					return []lang.Part{
						{File: "nat.weir", Func: fn, Source: []byte(text(natChain, "VIP_", f.vip, "REAL_", f.b))},
						{File: "flow.weir", Source: []byte(text(flowChain, "VIP_", f.vip))},
					}
				}
				places := []place{
					{at: server, hook: in, then: chains("to_server")}, {at: server, hook: hook.TCEgress, then: chains("to_client")},
				}
				if in == hook.XDP { // veth wakes the receiver of XDP_TX only then
					run(t, "def main(pkt):\n    return PASS\n", place{at: client, hook: hook.XDP})
				}
				composed(t, client, server, f, run(t, guardChain, places...))
			})
		}
	}
}

func composed(t *testing.T, client, server lab.Iface, f family, c *chain) {
	sum := watch(t, client.Host, server.Host)
	must(server.Host.ServeHTTP(t.Context(), netip.AddrPortFrom(f.b, 8080)))(t)
	size := long(int64(5<<20), 100<<20)
	if _, err := client.Host.DownloadBlob(bounded(t), netip.AddrPortFrom(f.vip, 80), size, 1); err != nil {
		t.Fatal(err)
	}
	natUDP(t, client, server, f)
	p := newPinger(t, client.Host, f.a)
	for i := range 20 {
		p.ping(f.b, 7, uint16(i), pattern(31))
	}
	if n := p.answers(7, 20); n != 20 {
		t.Errorf("%d answers to pings, want 20", n)
	}
	if _, err := dial(client.Host, 0, netip.AddrPortFrom(f.b, 23), 5*time.Second); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("connect: %v, want connection refused", err)
	}
	sender := udp(t, client.Host, f.a, 4002)
	for range 10 {
		if _, err := sender.WriteToUDPAddrPort(pattern(8), netip.AddrPortFrom(f.b, 9)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "ten datagrams are dropped", func() bool { return c.dropped("discard") == 10 })
	if n := sum(); n != 0 {
		t.Errorf("%d wrong checksums", n)
	}
	ended := map[string]uint64{}
	for i, name := range []string{"traffic", "nat", "flow"} {
		ended[name] = c.ended(func(x datapath.ExitCount) bool { return x.Chain == i })
	}
	rejected := c.ended(func(x datapath.ExitCount) bool { return x.Verdict == "REJECT" && x.Chain == 0 })
	// What the first has dropped, answered or taken: pings and their answers among it.
	if n := c.count("traffic.discarded"); n != 10 || rejected != 1 || ended["traffic"] < 10+1+40 || ended["nat"] != 0 {
		t.Errorf("%d discarded, %d rejected, ended by chain: %v", n, rejected, ended)
	}
	through := c.count("nat.to server") + c.count("nat.to client")
	if through < 300 || c.count("flow.data") < 200 || ended["flow"] < through || c.dropped("wrong") != 0 {
		t.Errorf("%d packets translated, %d with data, %d wrong, ended by chain: %v", through, c.count("flow.data"), c.dropped("wrong"), ended)
	}
	down := uint64(0)
	for key, n := range c.table("flow.bytes") {
		if key != "("+f.b.String()+", 8080)" {
			down = max(down, n)
		}
	}
	if down < uint64(size) {
		t.Errorf("%d bytes of payload to the client, want %d at least", down, size)
	}
	t.Logf("%d translated, ended by chain: %v", through, ended)
}
