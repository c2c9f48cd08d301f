package datapath

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"

	"weir/attach"
	"weir/hook"
	"weir/internal/nstest"
	"weir/lang"
)

// at puts a program to a hook of interfaces.
func at(n *nstest.Net, p *lang.Program, ifaces ...string) (out []Chain) {
	for _, name := range ifaces {
		out = append(out, Chain{Where: attach.Where{Netns: n.Path, Interface: name, Hook: p.Hook}, Program: p})
	}
	return out
}

// on returns the attachment at an interface and a hook.
func on(t *testing.T, g *Generation, iface string, h hook.Hook) *Attachment {
	t.Helper()
	i := slices.IndexFunc(g.Attachments, func(a *Attachment) bool { return a.Where.Interface == iface && a.Where.Hook == h })
	if i < 0 {
		t.Fatalf("nothing at %s of %s", h, iface)
	}
	return g.Attachments[i]
}

// kept are the programs and links of a generation.
func kept(g *Generation) (programs []ebpf.ProgramID, links []link.ID) {
	for _, a := range g.Attachments {
		programs, links = append(programs, a.ProgramID()), append(links, a.LinkID())
	}
	return programs, links
}

// A generation that differs from the one before at one hook takes the programs of the
// others over: they count on at the places that both have, and at others from zero.
func TestAdopt(t *testing.T) {
	n, k := nstest.New(t), kernel(t)
	pairs(n, 3) // all of 1,500 octets
	same := func() *lang.Program { return compileShared(t, sharedSource, hook.XDP, false) }
	tc := compileShared(t, sharedSource, hook.TCIngress, false)
	other := compileShared(t, sharedSource+"\n# another text\n", hook.TCIngress, false)
	replace := func(chains ...Chain) *Generation {
		t.Helper()
		g, err := k.Attach(context.Background(), Options{Name: "edge", Pin: true, Replace: true, Chains: chains})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { g.Close() })
		return g
	}
	send := func() {
		n.Send("s0", frame)
		n.Send("s1", frame, frame)
		n.Send("s2", frame, frame, frame)
	}
	one := replace(append(at(n, same(), "r0", "r1"), at(n, tc, "r0", "r1")...)...)
	send()
	checkCount(t, one.State, "seen", 6)

	two := replace(append(at(n, same(), "r2", "r0"), at(n, other, "r0", "r1")...)...)
	if was, is := on(t, one, "r0", hook.XDP), on(t, two, "r0", hook.XDP); was.ProgramID() != is.ProgramID() || is.LinkID() == 0 {
		t.Errorf("program %d became %d, link %d", was.ProgramID(), is.ProgramID(), is.LinkID())
	}
	if was, is := on(t, one, "r0", hook.TCIngress), on(t, two, "r0", hook.TCIngress); was.ProgramID() == is.ProgramID() {
		t.Errorf("program %d stayed, of another text", is.ProgramID())
	}
	send()
	checkCount(t, two.State, "seen", 13)
	checkPlace(t, on(t, two, "r0", hook.XDP), 2, 0)
	checkPlace(t, on(t, two, "r2", hook.XDP), 3, 0)
	checkPlace(t, on(t, two, "r0", hook.TCIngress), 1, 0)

	// A row that was given up is given to another place, which begins at zero.
	three := replace(append(at(n, same(), "r1", "r0"), at(n, other, "r0", "r1")...)...)
	send()
	checkPlace(t, on(t, three, "r1", hook.XDP), 2, 0)
	checkPlace(t, on(t, three, "r0", hook.XDP), 3, 0)
	checkPlace(t, on(t, three, "r1", hook.TCIngress), 4, 0)
	checkCount(t, three.State, "seen", 19)

	if _, err := k.Rollback(context.Background(), "edge"); err != nil {
		t.Fatal(err)
	}
	back, err := k.Open("edge")
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	send()
	checkPlace(t, on(t, back, "r2", hook.XDP), 6, 0)
	checkCount(t, back.State, "seen", 26)
}

// What is the same everywhere stays, with its links.
func TestAdoptAll(t *testing.T) {
	n, k := nstest.New(t), kernel(t)
	senders, receivers := pairs(n, 4) // one of which takes fragments
	o := Options{Name: "edge", Pin: true, Replace: true, Chains: sharedChains(t, sharedSource, n, receivers...)}
	g, err := k.Attach(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	programs, links := kept(g)
	for range 2 {
		for _, s := range senders {
			n.Send(s, frame)
		}
		next, err := k.Attach(context.Background(), o)
		if err != nil {
			t.Fatal(err)
		}
		defer next.Close()
		if p, l := kept(next); !slices.Equal(p, programs) || !slices.Equal(l, links) {
			t.Errorf("programs %v became %v, links %v became %v", programs, p, links, l)
		}
		g = next
	}
	for _, a := range g.Attachments {
		if a.Where.Hook == hook.TCEgress {
			checkPlace(t, a, 0, 0)
		} else {
			checkPlace(t, a, 2, 0)
		}
	}
	checkCount(t, g.State, "seen", 16)
}

// What cannot go on as it is is loaded anew.
func TestAdoptNot(t *testing.T) {
	n, k := nstest.New(t), kernel(t)
	_, receivers := pairs(n, 3)
	p := compileShared(t, sharedSource, hook.XDP, false)
	for _, test := range []struct {
		name  string
		first []string
		then  Options
	}{
		{"another value of a param", receivers, Options{Chains: at(n, p, receivers...), Set: map[string]string{"arp": "True"}}},
		{"rows for one place", receivers[:1], Options{Chains: at(n, p, receivers...)}},
		{"another place", receivers[:1], Options{Chains: at(n, p, receivers[1])}},
	} {
		t.Run(test.name, func(t *testing.T) {
			one, err := k.Attach(context.Background(), Options{Name: "edge", Pin: true, Chains: at(n, p, test.first...)})
			if err != nil {
				t.Fatal(err)
			}
			defer one.Close()
			n.Send("s0", frame)
			test.then.Name, test.then.Pin, test.then.Replace = "edge", true, true
			two, err := k.Attach(context.Background(), test.then)
			if err != nil {
				t.Fatal(err)
			}
			defer two.Close()
			if was, is := one.Attachments[0].ProgramID(), two.Attachments[0].ProgramID(); was == is {
				t.Errorf("program %d was taken over", is)
			}
			checkPlace(t, two.Attachments[0], 0, 0)
			checkCount(t, two.State, "seen", 1)
			if _, err := k.Rollback(context.Background(), "edge"); err != nil {
				t.Fatal(err)
			}
			back, err := k.Open("edge")
			if err != nil {
				t.Fatal(err)
			}
			defer back.Close()
			if ps, err := back.Params(); err != nil || ps[0].Text() != "False" {
				t.Errorf("params %v, %v", ps, err)
			}
			if err := k.Detach(context.Background(), "edge"); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// Counters of programs that stay and of such that go are one sum, to the packet, whatever
// comes and goes.
func TestAdoptCounts(t *testing.T) {
	n, k := nstest.New(t), kernel(t)
	n.Veth("s0", "r0", 1500)
	const more = "\n    if pkt.ip4:\n        count(\"of IP\")\n    return PASS\n"
	xdp := compileShared(t, sharedSource, hook.XDP, false)
	tc := compileShared(t, sharedSource[:len(sharedSource)-len("    return PASS\n")]+more, hook.TCIngress, false)
	var want uint64
	sent := func(name string, each uint64) {
		t.Helper()
		g, err := k.Open("edge")
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		for _, more := range []uint64{0, 2 * each} {
			if want += more; more > 0 {
				n.Send("s0", frame, frame)
			}
			counts, err := g.Counts()
			if err != nil || counts[0].Name != "seen" || counts[0].N != want {
				t.Fatalf("%s: counts %v, %v; want seen %d", name, counts, err, want)
			}
		}
	}
	both := append(at(n, xdp, "r0"), at(n, tc, "r0")...)
	attach := func(chains []Chain) {
		t.Helper()
		g, err := k.Attach(context.Background(), Options{Name: "edge", Pin: true, Replace: true, Chains: chains})
		if err != nil {
			t.Fatal(err)
		}
		g.Close()
	}
	back := func() {
		t.Helper()
		if _, err := k.Rollback(context.Background(), "edge"); err != nil {
			t.Fatal(err)
		}
	}
	attach(both)
	sent("both", 2)
	attach(both[:1])
	sent("one alone", 1)
	back()
	sent("both again", 2)
	back()
	sent("one alone again", 1)
	attach(both[1:])
	sent("the other alone", 1)
	attach(both)
	sent("both, one of them new", 2)
	back()
	sent("the other alone again", 1)
}

// An interface that has gone gives its row up: one that comes with its name, and even with
// its number, begins at zero, and the others count on.
func TestAdoptAfterGone(t *testing.T) {
	n, k := nstest.New(t), kernel(t)
	_, receivers := pairs(n, 3)
	o := Options{Name: "edge", Pin: true, Replace: true, Chains: at(n, compileShared(t, sharedSource, hook.XDP, false), receivers...)}
	first, err := k.Attach(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	n.Send("s0", frame)
	n.Send("s1", frame)
	index := on(t, first, "r0", hook.XDP).Ifindex
	n.Delete("r0")
	n.Do(func() error {
		pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "r0", Index: index}, PeerName: "s0"}
		if err := netlink.LinkAdd(pair); err != nil {
			return err
		}
		return errors.Join(netlink.LinkSetUp(pair), netlink.LinkSetUp(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "s0"}}))
	})
	if there, err := on(t, first, "r0", hook.XDP).Attached(); there || err != nil {
		t.Errorf("attached to what is gone: %t, %v", there, err)
	}
	next, err := k.Attach(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	if was, is := on(t, first, "r1", hook.XDP), on(t, next, "r0", hook.XDP); was.ProgramID() != is.ProgramID() || is.Ifindex != index {
		t.Errorf("program %d became %d, interface %d became %d", was.ProgramID(), is.ProgramID(), index, is.Ifindex)
	}
	n.Send("s0", frame, frame)
	n.Send("s1", frame)
	n.Send("s2", frame)
	for name, want := range map[string]uint64{"r0": 2, "r1": 2, "r2": 1} {
		checkPlace(t, on(t, next, name, hook.XDP), want, 0)
	}
}
