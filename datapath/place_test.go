package datapath

import (
	"errors"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"

	"weir/attach"
	"weir/internal/nstest"
	"weir/lang"
)

// Of a filter of clsact the program is replaced, too.
func TestReplaceClsact(t *testing.T) {
	n := nstest.New(t)
	k := kernel(t)
	n.Veth("wa", "wb", 1500)
	o := Options{How: How{Mode: attach.Clsact}, Chains: compiled(t, n, first, "wa:tc-ingress", "wa:tc-egress")}
	attachedAs(t, k, o)
	o.Replace, o.Chains = true, compiled(t, n, second, "wa:tc-ingress", "wb:tc-ingress")
	attachedAs(t, k, o)
	n.Send("wb", frame)
	n.Send("wa", frame)
	for _, want := range [][]uint64{{1, 1}, {0, 0}, {1, 1}} {
		g := opened(t, k)
		for _, a := range g.Attachments {
			if ok, err := a.Attached(); !ok || err != nil || a.Mode != attach.Clsact {
				t.Errorf("%s: mode %s, Attached() = %t, %v", a.Where, a.Mode, ok, err)
			}
		}
		if got := counts(t, g); !slices.Equal(got, want) {
			t.Errorf("generation %d counted %d, want %d", g.Number, got, want)
		}
		if _, err := k.Rollback(t.Context(), "edge"); err != nil {
			t.Fatal(err)
		}
	}
}

// An interface that went away and came again is a new place.
func TestReplaceReturned(t *testing.T) {
	n := nstest.New(t)
	k := kernel(t)
	n.Veth("wa", "wb", 1500)
	attachedAs(t, k, Options{Chains: compiled(t, n, first, "wa", "wa:tc-ingress")})
	n.Delete("wa")
	n.Veth("wa", "wb", 1500)
	attachedAs(t, k, Options{Replace: true, Chains: compiled(t, n, second, "wa", "wa:tc-ingress")})
	n.Send("wb", frame)
	if got := counts(t, opened(t, k)); !slices.Equal(got, []uint64{1, 1}) {
		t.Errorf("counted %d", got)
	}
	n.Delete("wa")
	if now, err := k.Rollback(t.Context(), "edge"); now != 1 || err != nil {
		t.Errorf("roll back at no interface: %d, %v", now, err)
	}
}

// Where frames come in fragments the program for them is swapped.
func TestReplaceFrags(t *testing.T) {
	n := nstest.New(t)
	k := kernel(t)
	n.Veth("wa", "wb", 9000)
	for i, source := range []string{first, second} {
		cs := compiled(t, n, source, "wa")
		p, err := lang.Compile([]byte(source), lang.Options{File: "edge.weir", Frags: true})
		if err != nil {
			t.Fatal(err)
		}
		cs[0].Frags = p
		attachedAs(t, k, Options{Replace: i > 0, Chains: cs})
	}
	for _, number := range []int{2, 1, 2} {
		n.Send("wb", frame)
		g := opened(t, k)
		if a := g.Attachments[0]; g.Number != number || !a.Frags || a.Mode != attach.Native || counts(t, g)[0] == 0 {
			t.Errorf("generation %d, want %d: frags %t, mode %s, counted %d", g.Number, number, a.Frags, a.Mode, counts(t, g))
		}
		if _, err := k.Rollback(t.Context(), "edge"); err != nil {
			t.Fatal(err)
		}
	}
}

// An interface that has another name now has the place that it had.
func TestReplaceRenamed(t *testing.T) {
	n := nstest.New(t)
	k := kernel(t)
	n.Veth("wa", "wb", 1500)
	attachedAs(t, k, Options{Chains: compiled(t, n, first, "wa", "wa:tc-ingress")})
	was := opened(t, k)
	n.Do(func() error {
		dev, err := netlink.LinkByName("wa")
		if err != nil {
			return err
		}
		return errors.Join(netlink.LinkSetDown(dev), netlink.LinkSetName(dev, "wc"), netlink.LinkSetUp(dev))
	})
	attachedAs(t, k, Options{Replace: true, Chains: compiled(t, n, second, "wc", "wc:tc-ingress")})
	n.Send("wb", frame)
	g := opened(t, k)
	for i, a := range g.Attachments {
		if b := was.Attachments[i]; a.LinkID() != b.LinkID() || a.Where.Interface != "wc" {
			t.Errorf("%s, link %d, was %s, link %d", a.Where, a.LinkID(), b.Where, b.LinkID())
		}
	}
	if got := counts(t, g); !slices.Equal(got, []uint64{1, 1}) {
		t.Errorf("counted %d", got)
	}
}
