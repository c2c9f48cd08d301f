package datapath

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"weir/attach"
	"weir/hook"
	"weir/internal/nstest"
	"weir/lang"
)

// A compiled chain runs at two hooks at once on one state, and is read after
// it was found again.
func TestCompiled(t *testing.T) {
	const source = `
seen = table(mac, u64, size = 10)
R = record(last = u16, n = u32)
info = table(mac, R, size = 10)
limit = param(u32, 100)

def main(pkt):
    count("frames")
    if seen.incr(pkt.eth.src) > limit:
        return drop("limited")
    r = info[pkt.eth.src]
    if r:
        r.n += 1
    else:
        info[pkt.eth.src] = R(last = pkt.len, n = 1)
    return PASS
`
	n := nstest.New(t)
	k := kernel(t)
	n.Veth("wa", "wb", 1500)
	o := Options{Name: "edge", Pin: true}
	for iface, h := range map[string]hook.Hook{"wa": hook.XDP, "wb": hook.TCEgress} {
		p, err := lang.Compile([]byte(source), lang.Options{File: "edge.weir", Hook: h})
		if err != nil {
			t.Fatal(err)
		}
		o.Chains = append(o.Chains, Chain{Where: attach.Where{Netns: n.Path, Interface: iface, Hook: h}, Program: p})
	}
	g, err := k.Attach(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	g.Close()
	if g, err = k.Open("edge"); err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	n.Send("wb", frame)
	n.Send("wb", frame)
	checkCount(t, g.State, "frames", 4)
	src := "02:00:00:00:00:02"
	if diff := cmp.Diff(map[string]string{src: "4"}, dump(t, mapOf(t, g.State, "seen"))); diff != "" {
		t.Errorf("seen (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{src: "{last: 60, n: 4}"}, dump(t, mapOf(t, g.State, "info"))); diff != "" {
		t.Errorf("info (-want +got):\n%s", diff)
	}
	if err := g.SetParam("limit", "4"); err != nil {
		t.Fatal(err)
	}
	n.Send("wb", frame)
	for _, a := range g.Attachments {
		x, err := a.Exits()
		if err != nil {
			t.Fatal(err)
		}
		dropped := uint64(0)
		for _, e := range x {
			if e.Reason == "limited" && e.Line == 10 && e.File == "edge.weir" {
				dropped += e.Packets
			}
		}
		if want := map[string]uint64{"wa": 0, "wb": 1}[a.Where.Interface]; dropped != want {
			t.Errorf("%s: %d dropped, want %d", a.Where, dropped, want)
		}
	}
}

// TX at tc-egress lets a packet out of the interface, once, and counts as TX.
func TestTXAtEgress(t *testing.T) {
	n := nstest.New(t)
	k := kernel(t)
	n.Veth("wa", "wb", 1500)
	compile := func(iface string, h hook.Hook, source string) Chain {
		p, err := lang.Compile([]byte(source), lang.Options{File: "edge.weir", Hook: h})
		if err != nil {
			t.Fatal(err)
		}
		return Chain{Where: attach.Where{Netns: n.Path, Interface: iface, Hook: h}, Program: p}
	}
	g, err := k.Attach(context.Background(), Options{Name: "edge", Chains: []Chain{
		compile("wb", hook.TCEgress, "def main(pkt):\n    return TX if pkt.len == 60 else DROP\n"),
		compile("wa", hook.XDP, "def main(pkt):\n    if pkt.len == 60:\n        count(\"arrived\")\n    return PASS\n"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	n.Send("wb", frame)
	n.Send("wb", frame)
	checkCount(t, g.State, "arrived", 2)
	exits, err := g.Attachments[0].Exits()
	if err != nil {
		t.Fatal(err)
	}
	sent := uint64(0)
	for _, x := range exits {
		if x.Verdict == "TX" {
			sent += x.Packets
		}
	}
	if sent != 2 {
		t.Errorf("exits %+v, want two of TX", exits)
	}
}
