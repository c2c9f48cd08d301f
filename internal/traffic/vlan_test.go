package traffic

import (
	"errors"
	"io"
	"net/netip"
	"testing"
	"time"

	"weir/attach"
	"weir/datapath"
	"weir/hook"
	"weir/lab"
)

// What hosts and chains of these tests know each other by.
const (
	vlanID   = 7
	vlanPort = 4242
)

// vlanFamilies are the addresses of the VLAN devices.
var vlanFamilies = []family{
	{name: "v4", a: netip.MustParseAddr("10.0.7.1"), b: netip.MustParseAddr("10.0.7.2")},
	{name: "v6", a: netip.MustParseAddr("fd07::1"), b: netip.MustParseAddr("fd07::2")},
}

// vlanSource counts what it sees of the tests' packets: with a tag, in full, or
// without. Both kinds read as the same packet.
const vlanSource = `
def main(pkt):
    if pkt.l4.dport != 4242 or not pkt.ip:
        return PASS
    count("packets")
    count("udp", 1 if pkt.udp else 0)
    inner = pkt.vlan.type if pkt.vlan else pkt.eth.type
    if inner != (0x800 if pkt.ip4 else 0x86dd):
        return drop("wrong type")
    size = (18 if pkt.vlan else 14) + (20 if pkt.ip4 else 40) + 8 + pkt.payload.len
    if pkt.udp and (size != pkt.len or pkt.payload.len != 64 or not pkt.payload.startswith(b"weir")):
        return drop("wrong size")
    if pkt.vlan:
        if pkt.vlan.id != 7 or pkt.eth.type != 0x8100 or pkt.u16(12) != 0x8100 or pkt.vlan2:
            return drop("wrong tag")
        count("tagged")
    elif pkt.u16(12) != pkt.eth.type:
        return drop("wrong frame")
    return PASS
`

// vlans makes two hosts whose interfaces have a VLAN device each.
func vlans(t *testing.T) (a, b, va, vb lab.Iface) {
	t.Helper()
	a, b = pair(t, lab.LinkOptions{})
	va = vlan(t, a, vlanID, "10.0.7.1/24", "fd07::1/64")
	vb = vlan(t, b, vlanID, "10.0.7.2/24", "fd07::2/64")
	for _, f := range vlanFamilies {
		neighbour(t, vb, f.a, va)
		neighbour(t, va, f.b, vb)
	}
	return a, b, va, vb
}

func vlan(t *testing.T, under lab.Iface, id uint16, addrs ...string) lab.Iface {
	t.Helper()
	v, err := under.Host.VLAN(under.Name, id, lab.MustPrefixes(addrs...)...)
	if errors.Is(err, lab.ErrNotSupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// A chain on the interface below sees the tag, beside the packet or in it; one on
// the VLAN device sees the packet without it.
func TestVLANDevice(t *testing.T) {
	a, b, va, vb := vlans(t)
	for _, tt := range []struct {
		name   string
		place  place
		tagged bool
		raw    bool // the tag is in the data, as a card gives it to XDP
	}{
		{"xdp below", place{at: b, hook: hook.XDP}, true, true},
		// XDP cannot look beside the packet, where a VLAN device puts the tag and a
		// veth pair leaves it.
		{"xdp below, tag beside", place{at: b, hook: hook.XDP}, false, false},
		{"tc-ingress below", place{at: b, hook: hook.TCIngress}, true, true},
		{"tc-ingress below, tag beside", place{at: b, hook: hook.TCIngress}, true, false},
		{"tc-egress below", place{at: a, hook: hook.TCEgress}, true, false},
		{"xdp on the device", place{at: vb, hook: hook.XDP, mode: attach.Generic}, false, true},
		{"xdp on the device, tag beside", place{at: vb, hook: hook.XDP, mode: attach.Generic}, false, false},
		{"tc-ingress on the device", place{at: vb, hook: hook.TCIngress}, false, true},
		{"tc-ingress on the device, tag beside", place{at: vb, hook: hook.TCIngress}, false, false},
		{"tc-egress on the device", place{at: va, hook: hook.TCEgress}, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := run(t, vlanSource, tt.place)
			for i, f := range vlanFamilies {
				const n = 20
				vlanDatagrams(t, a, va, vb, f, n, tt.raw)
				if got := c.count("udp"); got != uint64(n*(i+1)) {
					t.Errorf("%s: saw %d datagrams, want %d", f.name, got, n*(i+1))
				}
				if !tt.raw {
					vlanStream(t, va.Host, vb.Host, f.b)
				}
			}
			packets, tagged := c.count("packets"), c.count("tagged")
			want := uint64(0)
			if tt.tagged {
				want = packets
			}
			if tagged != want {
				t.Errorf("%d of %d packets had the tag, want %d", tagged, packets, want)
			}
			if n := c.ended(func(x datapath.ExitCount) bool { return x.Verdict == "DROP" }); n != 0 {
				t.Errorf("%d dropped: %v", n, must(c.Attachments[0].Exits())(t))
			}
		})
	}
}

// vlanDatagrams sends n datagrams from VLAN device to VLAN device, by a socket or
// as frames of the interface below, and sees that all arrive.
func vlanDatagrams(t *testing.T, a, va, vb lab.Iface, fam family, n int, raw bool) {
	t.Helper()
	in := udp(t, vb.Host, fam.b, vlanPort)
	defer in.Close()
	if raw {
		p := probe(va, vb, fam, append([]byte("weir"), pattern(60)...))
		p.tags = []tag{{0x8100, vlanID}}
		f := p.frame(t)
		for range n {
			send(t, a, f)
		}
	} else {
		out := udp(t, va.Host, fam.a, 0)
		defer out.Close()
		for range n {
			if _, err := out.WriteToUDPAddrPort(append([]byte("weir"), pattern(60)...), netip.AddrPortFrom(fam.b, vlanPort)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got, _ := received(t, in); got != uint64(n) {
		t.Errorf("%s: %d datagrams arrived, want %d", fam.name, got, n)
	}
}

// vlanStream sends a megabyte by TCP, which comes merged.
func vlanStream(t *testing.T, from, to *lab.Host, addr netip.Addr) {
	t.Helper()
	l := listen(t, to, addr, vlanPort)
	defer l.Close()
	got := make(chan int64, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			got <- -1
			return
		}
		defer c.Close()
		n, _ := io.Copy(io.Discard, c)
		got <- n
	}()
	c := must(dial(from, 0, netip.AddrPortFrom(addr, vlanPort), 10*time.Second))(t)
	if _, err := c.Write(pattern(1 << 20)); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if n := <-got; n != 1<<20 {
		t.Errorf("%s: %d octets arrived, want %d", addr, n, 1<<20)
	}
}
