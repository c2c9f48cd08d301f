package attach

import (
	"context"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// TestEachLink: all links are listed, also while others are made, which have numbers
// before they can be had.
func TestEachLink(t *testing.T) {
	dir := newCgroup(t)
	p := cgroupProgram(t, "listed")
	open := func() (link.Link, error) {
		return link.AttachCgroup(link.CgroupOptions{Path: dir, Attach: ebpf.AttachCGroupInetEgress, Program: p})
	}
	first, err := open()
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	info, err := first.Info()
	if err != nil {
		t.Fatal(err)
	}
	const makers = 8 // who wait for each other, with a number each
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, makers)
	for range makers {
		go func() {
			for ctx.Err() == nil {
				l, err := open()
				if err == nil {
					err = l.Close()
				}
				if err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range 300 {
		found := false
		if err := EachLink(func(_ link.Link, i *link.Info) bool { found = i.ID == info.ID; return !found }); err != nil || !found {
			t.Fatalf("found %t, %v", found, err)
		}
		seen := 0
		if err := EachLink(func(link.Link, *link.Info) bool { seen++; return true }); err != nil || seen == 0 {
			t.Fatalf("%d links, %v", seen, err)
		}
	}
	stop()
	for range makers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
