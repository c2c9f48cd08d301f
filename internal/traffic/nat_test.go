package traffic

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"weir/hook"
	"weir/lab"
)

// natChain sends what is for a virtual address to a server's real one, and lets
// its answers come from the virtual one.
const natChain = `
VIP, REAL = ip("VIP_"), ip("REAL_")

def to_server(pkt):
    if pkt.ip.dst == VIP and pkt.l4.dport == 80:
        pkt.ip.dst = REAL
        pkt.l4.dport = 8080
        count("to server")
        note(pkt)
    return PASS

def to_client(pkt):
    if pkt.ip.src == REAL and pkt.l4.sport == 8080:
        pkt.ip.src = VIP
        pkt.l4.sport = 80
        count("to client")
        note(pkt)
    return PASS

largest = array(u32, size = 1)

def note(pkt):
    if pkt.len > largest[0]:
        largest[0] = pkt.len
    return 0
`

// natCases are where addresses are translated.
var natCases = []struct {
	name   string
	places func(client, server lab.Iface) []place
	merged bool // packets are larger than the MTU there
	mtu    int
}{
	{"xdp", func(c, s lab.Iface) []place {
		return []place{{at: s, hook: hook.XDP, fn: "to_server"}, {at: c, hook: hook.XDP, fn: "to_client"}}
	}, false, 0},
	{"xdp, large frames", func(c, s lab.Iface) []place {
		return []place{{at: s, hook: hook.XDP, fn: "to_server"}, {at: c, hook: hook.XDP, fn: "to_client"}}
	}, false, 9000},
	{"xdp and tc-egress at the server", func(c, s lab.Iface) []place {
		return []place{{at: s, hook: hook.XDP, fn: "to_server"}, {at: s, hook: hook.TCEgress, fn: "to_client"}}
	}, true, 0},
	{"tc at the server", func(c, s lab.Iface) []place {
		return []place{{at: s, hook: hook.TCIngress, fn: "to_server"}, {at: s, hook: hook.TCEgress, fn: "to_client"}}
	}, true, 0},
	{"tc at the client", func(c, s lab.Iface) []place {
		return []place{{at: c, hook: hook.TCEgress, fn: "to_server"}, {at: c, hook: hook.TCIngress, fn: "to_client"}}
	}, true, 0},
}

// TestNAT downloads through translated addresses, with packets as the kernel's
// TCP makes them and again with checksums that the receiver checks.
func TestNAT(t *testing.T) {
	for _, x := range natCases {
		for _, f := range families {
			for _, check := range []bool{false, true} {
				name := fmt.Sprintf("%s/%s/%s", x.name, f.name, map[bool]string{false: "offloads", true: "checksums checked"}[check])
				t.Run(name, func(t *testing.T) {
					client, server := pair(t, lab.LinkOptions{MTU: x.mtu})
					if check {
						finishing(t, client)
						finishing(t, server)
					}
					c := run(t, text(natChain, "VIP_", f.vip, "REAL_", f.b), x.places(client, server)...)
					nat(t, client, server, f, c, x.merged)
				})
			}
		}
	}
}

func nat(t *testing.T, client, server lab.Iface, f family, c *chain, merged bool) {
	t.Helper()
	sum := watch(t, client.Host, server.Host)
	must(server.Host.ServeHTTP(t.Context(), netip.AddrPortFrom(f.b, 8080)))(t)
	before := must(client.Host.Counters())(t)
	size := long(int64(10<<20), 100<<20)
	if _, err := client.Host.DownloadBlob(bounded(t), netip.AddrPortFrom(f.vip, 80), size, 1); err != nil {
		t.Fatal(err)
	}
	natUDP(t, client, server, f)
	if n := sum(); n != 0 {
		t.Errorf("%d wrong checksums", n)
	}
	largest := c.array("largest")[0]
	if (largest > 10_000) != merged {
		t.Errorf("the largest packet had %d octets, want merged ones: %t", largest, merged)
	}
	if c.count("to server") < 100 || c.count("to client") < 200 {
		t.Errorf("%d packets to the server, %d to the client", c.count("to server"), c.count("to client"))
	}
	n := must(client.Host.Counters())(t).Since(before).MIB["TcpExtTCPLostRetransmit"]
	t.Logf("%d MiB, %d packets to the server, %d to the client, largest %d, lost %d",
		size>>20, c.count("to server"), c.count("to client"), largest, n)
}

// natUDP asks and answers by UDP, with checksums and without.
func natUDP(t *testing.T, client, server lab.Iface, f family) {
	t.Helper()
	for i, noSum := range []bool{false, true} {
		s, c := udp(t, server.Host, f.b, 8080), udp(t, client.Host, f.a, uint16(4000+i))
		if noSum {
			unsummed(t, s)
			unsummed(t, c)
		}
		b := make([]byte, 1<<16)
		for n := range 50 {
			want := pattern(1 + 29*n)
			if _, err := c.WriteToUDPAddrPort(want, netip.AddrPortFrom(f.vip, 80)); err != nil {
				t.Fatal(err)
			}
			for _, conn := range []interface{ SetReadDeadline(time.Time) error }{s, c} {
				if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
					t.Fatal(err)
				}
			}
			k, from, err := s.ReadFromUDPAddrPort(b)
			if err != nil {
				t.Fatalf("request %d, without checksum %t: %v", n, noSum, err)
			}
			if _, err := s.WriteToUDPAddrPort(b[:k], from); err != nil {
				t.Fatal(err)
			}
			k, from, err = c.ReadFromUDPAddrPort(b)
			if err != nil {
				t.Fatalf("answer %d, without checksum %t: %v", n, noSum, err)
			}
			if from.Addr().Unmap() != f.vip || from.Port() != 80 || string(b[:k]) != string(want) {
				t.Fatalf("answer %d of %d octets from %s", n, k, from)
			}
		}
		s.Close()
		c.Close()
	}
}
