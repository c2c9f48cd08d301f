package attach

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"

	"weir/hook"
	"weir/internal/nstest"
)

// A clsact filter is another's while a process or a pin keeps its program, and
// a leftover after that.
func TestLeftover(t *testing.T) {
	n := nstest.New(t)
	n.Veth("wa", "wb", 1500)
	w := Where{Netns: n.Path, Interface: "wa", Hook: hook.TCIngress}
	at := func(p *ebpf.Program) (*Link, error) {
		return Attach(w, Options{Chain: "leftover", Mode: Clsact, Linear: loader(p)})
	}
	sweep := func(want int) {
		t.Helper()
		got, err := Sweep("leftover") // from elsewhere: the namespace has no name
		if got != want || err != nil {
			t.Errorf("Sweep = %d, %v, want %d", got, err, want)
		}
	}
	p := program(t, ebpf.SchedCLS, -1, 0)
	pin := filepath.Join("/sys/fs/bpf", "weir-leftover-test")
	first, err := at(p)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(by string) {
		t.Helper()
		_, err := at(program(t, ebpf.SchedCLS, 0, 0))
		if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), by) {
			t.Errorf("a second filter: %v, want ErrInUse and %q", err, by)
		}
		sweep(0)
		if ok, err := first.Attached(); !ok || err != nil {
			t.Errorf("the first filter: %t, %v", ok, err)
		}
	}
	refused("held by process")
	if err := p.Pin(pin); err == nil { // there may be no BPF file system
		defer os.Remove(pin)
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		refused("pinned at " + pin)
		if p, err = ebpf.LoadPinnedProgram(pin, nil); err != nil {
			t.Fatal(err)
		}
		if err := p.Unpin(); err != nil {
			t.Fatal(err)
		}
	}
	p.Close() // as if the process were killed
	q := program(t, ebpf.SchedCLS, 0, 0)
	second, err := at(q)
	if err != nil {
		t.Fatalf("over a leftover: %v", err)
	}
	if ok, _ := first.Attached(); ok {
		t.Error("the first takes the second's filter for its own")
	}
	if err := first.Detach(); err != nil {
		t.Error(err)
	}
	if ok, err := second.Attached(); !ok || err != nil {
		t.Errorf("the second filter after the first's Detach: %t, %v", ok, err)
	}
	q.Close()
	sweep(1)
	if ok, _ := second.Attached(); ok {
		t.Error("a leftover is there after Sweep")
	}
	if got := qdiscs(n, "wa"); got != 0 {
		t.Errorf("%d clsact after Sweep", got)
	}
}

func qdiscs(n *nstest.Net, iface string) (c int) {
	n.Do(func() error {
		l, err := netlink.LinkByName(iface)
		if err != nil {
			return err
		}
		qs, err := netlink.QdiscList(l)
		for _, q := range qs {
			if q.Type() == "clsact" {
				c++
			}
		}
		return err
	})
	return c
}
