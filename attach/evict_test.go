package attach

import (
	"errors"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"weir/internal/nstest"
)

func TestXDPForeign(t *testing.T) {
	n := nstest.New(t)
	n.Veth("wa", "wb", 1500)
	w := Where{Netns: n.Path, Interface: "wa"}
	byNetlink := func(t *testing.T) func() {
		n.Do(func() error {
			l, err := netlink.LinkByName("wa")
			if err != nil {
				return err
			}
			return netlink.LinkSetXdpFdWithFlags(l, program(t, ebpf.XDP, 1, 0).FD(), unix.XDP_FLAGS_SKB_MODE)
		})
		return func() {
			n.Do(func() error {
				l, err := netlink.LinkByName("wa")
				if err != nil {
					return err
				}
				return netlink.LinkSetXdpFdWithFlags(l, -1, unix.XDP_FLAGS_SKB_MODE)
			})
		}
	}
	byLink := func(t *testing.T) func() {
		l, err := Attach(w, Options{Chain: "other", Linear: loader(program(t, ebpf.XDP, 1, 0))})
		if err != nil {
			t.Fatal(err)
		}
		return func() { l.Detach() }
	}
	for name, foreign := range map[string]func(*testing.T) func(){
		`XDP program "returns" \(id \d+, generic, `:                         byNetlink,
		`XDP program "returns" \(id \d+, native, link \d+, held by process`: byLink,
	} {
		t.Run(name, func(t *testing.T) {
			remove := foreign(t)
			defer remove()
			before := attachedXDP(n, "wa")
			_, err := Attach(w, xdpOptions(t))
			var e *Error
			if !errors.As(err, &e) || !errors.Is(err, ErrInUse) || e.Chain != "edge" || e.Op != "attach" {
				t.Fatalf("attach beside a foreign program: %v, want an *Error of ErrInUse", err)
			}
			matches(t, err.Error(), `^attach edge on .*/wa at xdp: already in use by `+name+`.*: detach it first, or take its place by force \(--force\)$`)
			if after := attachedXDP(n, "wa"); after != before {
				t.Fatalf("the foreign program %d became %d", before, after)
			}
			o := xdpOptions(t)
			o.Force = true
			l, err := Attach(w, o)
			if err != nil {
				t.Fatalf("replace: %v", err)
			}
			if after := attachedXDP(n, "wa"); after == before || after == 0 || l.Mode != Native {
				t.Errorf("after replace the program is %d (before %d), mode %s", after, before, l.Mode)
			}
			if err := l.Detach(); err != nil {
				t.Error(err)
			}
			want := before // is put back, unless a link had it
			if l.Ended != "" {
				want = 0
			}
			if after := attachedXDP(n, "wa"); after != want || (l.Ended == "") == strings.Contains(name, "link") {
				t.Errorf("after detach the program is %d, want %d; ended %q", after, want, l.Ended)
			}
		})
	}
}
