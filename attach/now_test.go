package attach

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"weir/hook"
	"weir/internal/nstest"
)

// An interface is renamed, moves to another namespace, and vanishes, with a program
// on it: what is told is where the program is, and detaching works everywhere.
func TestNow(t *testing.T) {
	for _, tt := range []struct {
		mode  Mode
		hook  hook.Hook
		stays bool // when the interface moves
	}{
		{Native, hook.XDP, true},
		{Generic, hook.XDP, true},
		{TCX, hook.TCEgress, true},
		{Clsact, hook.TCIngress, false}, // queueing disciplines end with the move: dev_shutdown
	} {
		t.Run(string(tt.mode), func(t *testing.T) {
			n, other := nstest.New(t), nstest.New(t)
			n.Veth("wa", "wb", 1500)
			w := Where{Netns: n.Path, Interface: "wa", Hook: tt.hook}
			typ := ebpf.SchedCLS
			if tt.hook == hook.XDP {
				typ = ebpf.XDP
			}
			at := func() *Link {
				l, err := Attach(w, Options{Chain: "edge", Mode: tt.mode, Linear: loader(program(t, typ, 2, 0))})
				if errors.Is(err, ebpf.ErrNotSupported) {
					t.Skip(err)
				}
				if err != nil {
					t.Fatal(err)
				}
				return l
			}
			check := func(l *Link, when string, want Where, there bool) {
				t.Helper()
				got, ok := l.Now()
				if ok != there || there && got != want {
					t.Errorf("%s: %v, %t, want %v, %t", when, got, ok, want, there)
				}
				if ok, err := l.Attached(); ok != there || err != nil {
					t.Errorf("%s: Attached() = %t, %v, want %t", when, ok, err, there)
				}
			}
			l := at()
			check(l, "attached", w, true)
			change(n, "wa", func(dev netlink.Link) error {
				// Before Linux 6.2 what is up keeps its name.
				return errors.Join(netlink.LinkSetDown(dev), netlink.LinkSetName(dev, "wnew"), netlink.LinkSetUp(dev))
			})
			w.Interface = "wnew"
			check(l, "renamed", w, true)
			moved := Where{Netns: other.Path, Interface: "wnew", Hook: tt.hook}
			change(n, "wnew", func(dev netlink.Link) error {
				fd, err := unix.Open(other.Path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
				if err != nil {
					return err
				}
				defer unix.Close(fd)
				return netlink.LinkSetNsFd(dev, fd)
			})
			check(l, "moved", moved, tt.stays)
			if err := l.Detach(); err != nil {
				t.Errorf("detach after a move: %v", err)
			}
			row, err := Row(moved)
			if err != nil || len(row) != 0 {
				t.Errorf("after detach there are %v, %v", row, err)
			}

			w = moved
			l = at()
			n.Delete("wb")
			check(l, "vanished", w, false)
			n.Veth("wnew", "wb", 1500) // its like is another
			check(l, "came back", w, false)
			if err := l.Detach(); err != nil {
				t.Errorf("detach from what is gone: %v", err)
			}
		})
	}
}

func change(n *nstest.Net, iface string, f func(netlink.Link) error) {
	n.Do(func() error {
		dev, err := netlink.LinkByName(iface)
		if err != nil {
			return err
		}
		return f(dev)
	})
}

// A namespace loses its name to another one: programs stay in the first.
func TestNowNetns(t *testing.T) {
	first, second := nstest.New(t), nstest.New(t)
	name := filepath.Join(t.TempDir(), "blue")
	if err := os.Symlink(first.Path, name); err != nil {
		t.Fatal(err)
	}
	w := Where{Netns: name, Hook: hook.NetfilterInput}
	l, err := Attach(w, Options{Chain: "edge", Linear: loader(programFor(t, w.Hook))})
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := l.Now(); !ok || got != w {
		t.Errorf("attached: %v, %t, want %v", got, ok, w)
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	for _, when := range []string{"without a name", "its name is another's"} {
		got, ok := l.Now()
		if there, err := l.Attached(); !ok || !there || err != nil || inode(got.Netns) != inode(first.Path) {
			t.Errorf("%s: %v, %t, want the namespace of %s", when, got, ok, first.Path)
		}
		if when == "without a name" {
			if err := os.Symlink(second.Path, name); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := l.Detach(); err != nil {
		t.Error(err)
	}
}
