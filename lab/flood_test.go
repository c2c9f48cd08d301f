package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/rlimit"
)

// countAndDrop attaches an XDP program that drops and counts; it returns the
// counter.
func countAndDrop(t *testing.T, i Iface) func() uint64 {
	t.Helper()
	if err := rlimit.RemoveMemlock(); err != nil {
		t.Fatal(err)
	}
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "Dual BSD/GPL", Instructions: asm.Instructions{
		asm.StoreImm(asm.RFP, -4, 0, asm.Word),
		asm.LoadMapPtr(asm.R1, m.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -4),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "out"),
		asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord), asm.Add.Imm(asm.R1, 1),
		asm.StoreMem(asm.R0, 0, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R0, xdpDrop).WithSymbol("out"),
		asm.Return(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var l link.Link
	if err := i.Host.Do(func() (err error) {
		l, err = link.AttachXDP(link.XDPOptions{Program: p, Interface: i.Index, Flags: link.XDPDriverMode})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return func() (n uint64) {
		var v []uint64
		if err := m.Lookup(uint32(0), &v); err != nil {
			t.Error(err)
		}
		for _, x := range v {
			n += x
		}
		return n
	}
}

func udpTemplate(t *testing.T, a, b Iface, v6 bool, payload int) []byte {
	t.Helper()
	from, to := "10.0.0.1", "10.0.0.2"
	if v6 {
		from, to = "fd00::1", "fd00::2"
	}
	f, err := UDPFrame(
		Station{a.MAC, netip.AddrPortFrom(netip.MustParseAddr(from), 4000)},
		Station{b.MAC, netip.AddrPortFrom(netip.MustParseAddr(to), 53)}, make([]byte, payload))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFloodCounted(t *testing.T) {
	// Only IPv4: an IPv6 end would add packets of its own.
	a, b := testPair(t, LinkOptions{
		A: End{Addrs: MustPrefixes("10.0.0.1/24")}, B: End{Addrs: MustPrefixes("10.0.0.2/24")},
		Neighbours: true,
	})
	seen := countAndDrop(t, b)
	f := Flood{
		Iface: "eth0", Template: udpTemplate(t, a, b, false, 18),
		Sources: netip.MustParsePrefix("198.18.0.0/15"), RandomPort: true, Packets: 200_000, Duration: 10 * time.Second,
	}
	st, err := a.Host.Flood(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	if st.Sent != f.Packets || st.Lost != 0 || seen() != f.Packets {
		t.Errorf("sent %d, lost %d, seen %d, want %d, 0 and %d", st.Sent, st.Lost, seen(), f.Packets, f.Packets)
	}
	t.Logf("%.1f Mpps", float64(st.Sent)/st.Elapsed.Seconds()/1e6)

	before := seen()
	f.Packets, f.Duration = 0, 500*time.Millisecond
	st, err = a.Host.Flood(t.Context(), f)
	if err != nil || seen()-before != st.Sent-st.Lost || st.Sent == 0 {
		t.Errorf("half a second: %+v, %v, seen %d", st, err, seen()-before)
	}
	t.Logf("%.1f Mpps", float64(st.Sent)/st.Elapsed.Seconds()/1e6)

	f.PPS, f.Pin = 100_000, true
	st, err = a.Host.Flood(t.Context(), f)
	if err != nil || st.Sent < 5_000 || st.Sent > 51_000 {
		t.Errorf("half a second at 100 kpps: %+v, %v", st, err)
	}
	t.Logf("%d packets at 100 kpps in %v", st.Sent, st.Elapsed)
}

// TestFloodStops ends a flood by its context.
func TestFloodStops(t *testing.T) {
	a, b := testPair(t, LinkOptions{})
	countAndDrop(t, b)
	ctx, cancel := context.WithCancel(t.Context())
	var asked time.Time
	time.AfterFunc(150*time.Millisecond, func() { asked = time.Now(); cancel() })
	st, err := a.Host.Flood(ctx, Flood{Iface: "eth0", Template: udpTemplate(t, a, b, false, 18), Duration: 20 * time.Second})
	late := time.Since(asked)
	if err != nil || st.Sent == 0 || late > 2*time.Second {
		t.Errorf("flood %+v, %v, ended %v after its context", st, err, late)
	}
	t.Logf("stopped after %v", late)
	if err := threadsAtHome(); err != nil {
		t.Error(err)
	}
}

func TestFloodRefusals(t *testing.T) {
	a, b := testPair(t, LinkOptions{})
	f := Flood{Iface: "eth0", Template: udpTemplate(t, a, b, false, 18)}
	if _, err := a.Host.Flood(t.Context(), f); !errors.Is(err, ErrUnbounded) {
		t.Errorf("no bound: %v, want ErrUnbounded", err)
	}
	f.Packets = 1000
	if _, err := a.Host.Flood(t.Context(), f); !errors.Is(err, ErrNotReceived) {
		t.Errorf("to a veth without GRO: %v, want ErrNotReceived", err)
	}
	if err := b.Host.EnableXDPReceive("eth0"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Host.Flood(t.Context(), f); err != nil {
		t.Error(err)
	}
	f.Sources = netip.MustParsePrefix("fd00::/64")
	if _, err := a.Host.Flood(t.Context(), f); err == nil {
		t.Error("IPv6 sources for an IPv4 template: no error")
	}
}

// TestFloodPackets looks at the packets and lets the receiver's stack judge
// their checksums.
func TestFloodPackets(t *testing.T) {
	set := []netip.Addr{netip.MustParseAddr("10.0.0.77"), netip.MustParseAddr("10.0.0.99")}
	set6 := []netip.Addr{netip.MustParseAddr("fd00::7:1"), netip.MustParseAddr("fd00::9:2")}
	for _, tc := range []struct {
		name    string
		v6, syn bool
		net     string
		set     []netip.Addr
		ports   bool
		payload int
	}{
		{name: "udp4 net", net: "10.0.0.128/25", ports: true, payload: 18},
		{name: "udp4 wide net odd payload", net: "0.0.0.0/0", payload: 301},
		{name: "udp4 set", set: set, ports: true, payload: 18},
		{name: "udp4 fixed", payload: 18},
		{name: "udp6 net", v6: true, net: "fd00:0:0:0:1::/80", ports: true, payload: 5},
		{name: "udp6 set", v6: true, set: set6, ports: true},
		{name: "syn4 net", syn: true, net: "10.0.0.0/24", ports: true},
		{name: "syn6 set", syn: true, v6: true, set: set6},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, b := testPair(t, LinkOptions{})
			if err := b.Host.EnableXDPReceive("eth0"); err != nil {
				t.Fatal(err)
			}
			tpl := udpTemplate(t, a, b, tc.v6, tc.payload)
			lay, err := parseLayout(tpl)
			if err != nil {
				t.Fatal(err)
			}
			if tc.syn {
				src, _ := netip.AddrFromSlice(tpl[lay.src:lay.dst])
				dst, _ := netip.AddrFromSlice(tpl[lay.dst : lay.dst+lay.addrLen])
				tpl, err = SYNFrame(Station{a.MAC, netip.AddrPortFrom(src, 4000)}, Station{b.MAC, netip.AddrPortFrom(dst, 80)}, 1)
				if err == nil {
					lay, err = parseLayout(tpl)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			f := Flood{Iface: "eth0", Template: tpl, SourceSet: tc.set, RandomPort: tc.ports, Packets: 500}
			if tc.net != "" {
				f.Sources = netip.MustParsePrefix(tc.net)
			}
			floodAndJudge(t, a, b, f, lay)
		})
	}
}

func floodAndJudge(t *testing.T, a, b Iface, f Flood, lay layout) {
	t.Helper()
	isOurs := func(d []byte) bool {
		return len(d) >= lay.end && slices.Equal(d[:14], f.Template[:14]) && slices.Equal(d[lay.dst:lay.l4], f.Template[lay.dst:lay.l4])
	}
	c, err := b.Host.Capture("eth0", CaptureOptions{Filter: isOurs})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	before, err := b.Host.Counters()
	if err != nil {
		t.Fatal(err)
	}
	if st, err := a.Host.Flood(t.Context(), f); err != nil || st.Sent != 500 || st.Lost != 0 {
		t.Fatalf("flood: %+v, %v, want 500 sent, 0 lost", st, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	frames, err := c.Frames(ctx, 500)
	if err != nil {
		t.Fatal(err)
	}
	judge(t, frames, f, lay)
	after, err := b.Host.Counters()
	if err != nil {
		t.Fatal(err)
	}
	d := after.Since(before)
	if n := d.ChecksumErrors() + d.MIB["IpInHdrErrors"] + d.MIB["Ip6InHdrErrors"]; n != 0 {
		t.Errorf("the receiver's stack refused %d packets", n)
	}
	if n := d.Links["eth0"].RxPackets; n < 500 {
		t.Errorf("the receiver's interface counted %d packets, want 500", n)
	}
}

func FuzzParseLayout(f *testing.F) {
	f.Add(make([]byte, 14))
	s := Station{[]byte{2, 0, 0, 0, 0, 1}, netip.MustParseAddrPort("10.0.0.1:1")}
	frame, err := UDPFrame(s, s, []byte("x"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(frame)
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := parseLayout(b)
		if err == nil && (l.end > len(b) || l.dst+l.addrLen > len(b)) {
			t.Errorf("%+v of %d bytes", l, len(b))
		}
		planFlood(Flood{Template: b, Sources: netip.MustParsePrefix("10.0.0.0/8"), RandomPort: true})
	})
}

// judge checks sources, ports and checksums of what a flood sent.
func judge(t *testing.T, frames []Frame, f Flood, lay layout) {
	t.Helper()
	srcs, ports := map[netip.Addr]bool{}, map[uint16]bool{}
	for _, fr := range frames {
		d := fr.Data
		src, _ := netip.AddrFromSlice(d[lay.src : lay.src+lay.addrLen])
		srcs[src] = true
		ports[binary.BigEndian.Uint16(d[lay.l4:])] = true
		if f.Sources.IsValid() && !f.Sources.Contains(src) || f.SourceSet != nil && !slices.Contains(f.SourceSet, src) {
			t.Fatalf("source %s is not among those asked for", src)
		}
		if !lay.v6 && fold(onesSum(d[lay.ip:lay.ip+20])) != 0xffff {
			t.Fatalf("IPv4 checksum of % x is wrong", d)
		}
		if fold(lay.pseudoSum(d)+onesSum(d[lay.l4:lay.end])) != 0xffff {
			t.Fatalf("L4 checksum of % x is wrong", d)
		}
		if p := binary.BigEndian.Uint16(d[lay.l4:]); f.RandomPort && p < 1024 {
			t.Fatalf("source port %d below 1024", p)
		}
	}
	many := 20
	if f.SourceSet != nil {
		many = len(f.SourceSet)
	}
	if (f.Sources.IsValid() || f.SourceSet != nil) && len(srcs) < many {
		t.Errorf("%d sources, want at least %d", len(srcs), many)
	}
	if f.RandomPort && len(ports) < 100 {
		t.Errorf("%d source ports, want at least 100", len(ports))
	}
}
