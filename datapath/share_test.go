package datapath

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/cilium/ebpf"

	"weir/attach"
	"weir/hook"
	"weir/internal/nstest"
	"weir/lang"
)

const sharedSource = `
arp = param(bool, False)

def main(pkt):
    count("seen")
    if pkt.eth.type == 0x0806 and not arp:
        return drop("arp")
    return PASS
`

// sharedHooks are those whose places share programs.
var sharedHooks = []hook.Hook{hook.XDP, hook.TCIngress, hook.TCEgress}

// compileShared compiles a chain for places that share it.
func compileShared(t testing.TB, source string, h hook.Hook, frags bool) *lang.Program {
	t.Helper()
	p, err := lang.Compile([]byte(source), lang.Options{File: "edge.weir", Hook: h, Frags: frags, Shared: true})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// sharedChains are chains at all shared hooks of interfaces.
func sharedChains(t testing.TB, source string, n *nstest.Net, ifaces ...string) (out []Chain) {
	t.Helper()
	for _, h := range sharedHooks {
		c := Chain{Program: compileShared(t, source, h, false)}
		if h == hook.XDP {
			c.Frags = compileShared(t, source, h, true)
		}
		for _, name := range ifaces {
			c.Where = attach.Where{Netns: n.Path, Interface: name, Hook: h}
			out = append(out, c)
		}
	}
	return out
}

// pairs makes so many pairs of interfaces, s0 and r0 and so on, of which every fourth
// takes frames of several fragments.
func pairs(n *nstest.Net, count int) (senders, receivers []string) {
	for i := range count {
		s, r := fmt.Sprintf("s%d", i), fmt.Sprintf("r%d", i)
		mtu := 1500
		if i%4 == 3 {
			mtu = 9000
		}
		n.Veth(s, r, mtu)
		senders, receivers = append(senders, s), append(receivers, r)
	}
	return senders, receivers
}

// frameOf returns a frame of a type.
func frameOf(typ uint16) []byte {
	f := append([]byte(nil), frame...)
	f[12], f[13] = byte(typ>>8), byte(typ)
	return f
}

// checkPlace compares what has passed and been dropped at a place.
func checkPlace(t *testing.T, a *Attachment, passed, dropped uint64) {
	t.Helper()
	exits, err := a.Exits()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]uint64{}
	for _, x := range exits {
		got[x.Verdict] += x.Packets
		if x.Bytes != x.Packets*uint64(len(frame)) {
			t.Errorf("%s: %d octets of %d packets, want %d of each", a.Where, x.Bytes, x.Packets, len(frame))
		}
	}
	if got["PASS"] != passed || got["DROP"] != dropped {
		t.Errorf("%s (program %d): %v, want %d passed and %d dropped", a.Where, a.ProgramID(), got, passed, dropped)
	}
}

// programIDs are the programs of a generation, with how many places each has.
func programIDs(g *Generation) map[ebpf.ProgramID]int {
	out := map[ebpf.ProgramID]int{}
	for _, a := range g.Attachments {
		out[a.ProgramID()]++
	}
	return out
}

// Each packet is counted at the place that it came to, in programs that two hundred
// interfaces share, also when they were found again.
func TestShared(t *testing.T) {
	const count, atTC = 200, 10 // where the kernel takes its time to attach
	n, k := nstest.New(t), kernel(t)
	senders, receivers := pairs(n, count)
	var chains []Chain
	for i, c := range sharedChains(t, sharedSource, n, receivers...) {
		if c.Where.Hook == hook.XDP || i%count < atTC {
			chains = append(chains, c)
		}
	}
	g, err := k.Attach(context.Background(), Options{Name: "edge", Pin: true, Chains: chains})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { g.Close() }()
	if got := programIDs(g); len(got) > 4 || len(g.units) != len(got) {
		t.Errorf("%d programs of %d places (%d loaded), want 3 and one for fragments", len(got), len(g.Attachments), len(g.units))
	}
	seen := uint64(0)
	for i, name := range senders {
		n.Send(name, append(slices.Repeat([][]byte{frameOf(0x0800)}, i+1), frameOf(0x0806))...)
		n.Send(receivers[i], frameOf(0x0806)) // at tc-egress alone
		seen += uint64(i + 1 + 1)
		if i < atTC {
			seen += uint64(i + 1 + 1)
		}
	}
	for range 2 {
		for _, a := range g.Attachments {
			i, err := strconv.ParseUint(a.Where.Interface[1:], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			switch a.Where.Hook {
			case hook.XDP:
				checkPlace(t, a, i+1, 1)
			case hook.TCIngress:
				checkPlace(t, a, i+1, 0)
			default:
				checkPlace(t, a, 0, 1)
			}
		}
		checkCount(t, g.State, "seen", seen)
		g.Close()
		if g, err = k.Open("edge"); err != nil {
			t.Fatal(err)
		}
	}
}

// Interfaces of the same number, of two network namespaces, do not share.
func TestSharedNamespaces(t *testing.T) {
	k := kernel(t)
	var all []Chain
	var nets []*nstest.Net
	for range 2 {
		n := nstest.New(t)
		n.Veth("s0", "r0", 1500)
		n.Veth("s1", "r1", 1500)
		nets = append(nets, n)
	}
	p := compileShared(t, sharedSource, hook.XDP, false)
	for _, n := range nets {
		for _, name := range []string{"r0", "r1"} {
			all = append(all, Chain{Where: attach.Where{Netns: n.Path, Interface: name, Hook: hook.XDP}, Program: p})
		}
	}
	g, err := k.Attach(context.Background(), Options{Name: "edge", Chains: all})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if got := programIDs(g); len(got) != 2 {
		t.Errorf("programs and their places: %v, want two of two", got)
	}
	for i := range 4 {
		nets[i/2].Send(fmt.Sprintf("s%d", i%2), slices.Repeat([][]byte{frame}, i+1)...)
	}
	for i, a := range g.Attachments {
		checkPlace(t, a, uint64(i+1), 0)
	}
}

// A place alone has a program of its own; so has one whose chain does not know rows.
func TestSharedAlone(t *testing.T) {
	n, k := nstest.New(t), kernel(t)
	_, receivers := pairs(n, 2)
	alone := sharedChains(t, sharedSource, n, receivers[0])[1:2]
	own, err := lang.Compile([]byte(sharedSource), lang.Options{File: "edge.weir", Hook: hook.TCEgress})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range receivers {
		alone = append(alone, Chain{Where: attach.Where{Netns: n.Path, Interface: name, Hook: hook.TCEgress}, Program: own})
	}
	g, err := k.Attach(context.Background(), Options{Name: "edge", Chains: alone})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if got := programIDs(g); len(got) != 3 {
		t.Errorf("programs and their places: %v, want three of one", got)
	}
	n.Send("s0", frame)
	n.Send("r0", frame)
	n.Send("r1", frame, frame)
	for i, want := range []uint64{1, 1, 2} {
		checkPlace(t, g.Attachments[i], want, 0)
	}
}
