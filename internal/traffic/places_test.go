package traffic

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"weir/hook"
	"weir/internal/nstest"
	"weir/lab"
	"weir/trace"
)

// TestFieldsOfIP is TestFields at the hooks of netfilter and of cgroups.
func TestFieldsOfIP(t *testing.T) {
	for _, h := range hook.All() {
		if h.Info().Ethernet || h.Info().Conn {
			continue
		}
		t.Run(h.String(), func(t *testing.T) {
			p := place{hook: h}
			a, b, fs := seenAt(t, &p)
			c := run(t, fieldsChain, p)
			for _, f := range fs {
				t.Run(f.name, func(t *testing.T) {
					sum := watch(t, a.Host, b.Host)
					udpFields(t, c, a, b, f)
					tcpFields(t, c, a, b, f)
					if h != hook.CgroupIngress { // no socket gets the echo requests
						icmpFields(t, c, a, f)
					}
					if n := sum(); n != 0 {
						t.Errorf("%d wrong checksums", n)
					}
				})
			}
		})
	}
}

// seenAt makes a network where what a sends to b is seen once at the hook of p, and
// completes the place.
func seenAt(t *testing.T, p *place) (a, b lab.Iface, fs []family) {
	t.Helper()
	if p.hook == hook.NetfilterForward {
		n := routed(t)
		p.at = n.m0
		for _, f := range families {
			fs = append(fs, family{name: f.name, a: f.a, b: f.c})
		}
		return n.a, n.c, fs
	}
	a, b = pair(t, lab.LinkOptions{})
	p.at = b
	switch p.hook {
	case hook.NetfilterOutput, hook.NetfilterPostrouting:
		p.at = a
	case hook.CgroupIngress, hook.CgroupEgress:
		p.cgroup = nstest.NewCgroup(t).Path
	}
	return a, b, families
}

// TestObserved: a packet socket sees what passes its interface, and changes nothing.
func TestObserved(t *testing.T) {
	const observing = `
seen = table((ip, ip, u8, u32), u64, size = 64)

def main(pkt):
    if pkt.ip.proto in [1, 6, 17, 58] and pkt.l4.dport == 5001 and pkt.eth.src != mac("00:00:00:00:00:00"):
        seen[(pkt.ip.src, pkt.ip.dst, pkt.ip.proto, pkt.len)] += 1
        return drop("seen")
    return PASS
`
	a, b := pair(t, lab.LinkOptions{})
	out := run(t, observing, place{at: a, hook: hook.Socket})
	in := run(t, observing, place{at: b, hook: hook.Socket})
	for _, f := range families {
		server, client := udp(t, b.Host, f.b, 5001), udp(t, a.Host, f.a, 4001)
		for range 30 {
			if _, err := client.WriteToUDPAddrPort(pattern(100), netip.AddrPortFrom(f.b, 5001)); err != nil {
				t.Fatal(err)
			}
		}
		if n, _ := received(t, server); n != 30 {
			t.Errorf("%s: %d of 30 arrived", f.name, n)
		}
		size := 14 + 20 + 8 + 100
		if f.b.Is6() {
			size += 20
		}
		k := fmt.Sprintf("(%s, %s, 17, %d)", f.a, f.b, size)
		if out, in := out.table("seen")[k], in.table("seen")[k]; out != 30 || in != 30 {
			t.Errorf("%s: seen %d times on the way out, %d in, want 30: %v", k, out, in, in)
		}
	}
	if n := in.dropped("seen"); n != 60 {
		t.Errorf("%d dropped, want 60", n)
	}
}

// TestBesideAtNetfilter: what tc has written beside a packet is read at netfilter, as
// is what the kernel keeps there.
func TestBesideAtNetfilter(t *testing.T) {
	a, b := pair(t, lab.LinkOptions{})
	run(t, `
def main(pkt):
    pkt.mark = 0x5eed
    pkt.priority = 6
    return PASS
`, place{at: b, hook: hook.TCIngress})
	index := 0
	if err := b.Host.Do(func() error {
		i, err := net.InterfaceByName(b.Name)
		index = i.Index
		return err
	}); err != nil {
		t.Fatal(err)
	}
	c := run(t, text(`
segments = table(u32, u64, size = 64)

def main(pkt):
    if pkt.l4.dport == 5001:
        if pkt.mark != 0x5eed or pkt.priority != 6:
            return drop("mark")
        if pkt.ifindex != INDEX or pkt.queue > 64:
            return drop("interface")
        segments[pkt.segments] += 1
        count("right")
    return PASS
`, "INDEX", index), place{at: b, hook: hook.NetfilterPrerouting})
	for _, f := range families {
		server, client := udp(t, b.Host, f.b, 5001), udp(t, a.Host, f.a, 4001)
		for range 10 {
			if _, err := client.WriteToUDPAddrPort(pattern(100), netip.AddrPortFrom(f.b, 5001)); err != nil {
				t.Fatal(err)
			}
		}
		if n, _ := received(t, server); n != 10 {
			t.Errorf("%s: %d of 10 arrived (%d, %d dropped)", f.name, n, c.dropped("mark"), c.dropped("interface"))
		}
		l := listen(t, b.Host, f.b, 5001)
		got := drained(l)
		conn, err := dial(a.Host, 0, netip.AddrPortFrom(f.b, 5001), 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(pattern(1 << 20)); err != nil {
			t.Fatal(err)
		}
		conn.Close()
		if n := <-got; n != 1<<20 {
			t.Errorf("%s: %d octets over TCP", f.name, n)
		}
	}
	var merged bool
	for n := range c.table("segments") {
		merged = merged || n != "1"
	}
	if !merged {
		t.Errorf("no packet of several segments: %v", c.table("segments"))
	}
}

// TestKeptOfIP: what a chain drops at a cgroup is in the file from the IP header on,
// and of a packet socket what it passes, as frames.
func TestKeptOfIP(t *testing.T) {
	for _, x := range []struct {
		hook   hook.Hook
		port   uint16
		header int // octets before the datagram
	}{{hook.CgroupEgress, 4242, 20 + 8}, {hook.Socket, 5001, 14 + 20 + 8}} {
		t.Run(x.hook.String(), func(t *testing.T) {
			p := place{hook: x.hook}
			a, b, _ := seenAt(t, &p)
			r := record(t, p, trace.DropOptions{Snap: 64})
			server, client := udp(t, b.Host, b4, x.port), udp(t, a.Host, a4, 4001)
			for range 5 {
				if _, err := client.WriteToUDPAddrPort(pattern(500), netip.AddrPortFrom(b4, x.port)); err != nil && !refused(err) {
					t.Fatal(err)
				}
			}
			n, _ := received(t, server)
			if dropped := x.hook != hook.Socket; dropped != (n == 0) {
				t.Errorf("%d datagrams arrived", n)
			}
			found := 0
			for _, k := range r.packets() {
				if k.len != x.header+500 {
					continue // another packet
				}
				found++
				if len(k.data) != 64 || !bytes.Equal(k.data[x.header:], pattern(500)[:64-x.header]) {
					t.Errorf("kept %d octets:\n%x", len(k.data), k.data)
				}
				if k.data[x.header-28] != 0x45 {
					t.Errorf("no IP header before the datagram:\n%x", k.data)
				}
			}
			if found != 5 {
				t.Errorf("%d packets were kept, want 5", found)
			}
		})
	}
}
