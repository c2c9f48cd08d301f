package traffic

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"weir/attach"
	"weir/hook"
	"weir/internal/nstest"
	"weir/lab"
)

// portChain sends what is for one port to another.
const portChain = `
def main(conn):
    if conn.dport == FROM:
        conn.dport = TO
        count("sent on")
    return PASS
`

// TestWayBack: where two chains send a connection on, one after the other, the
// process sees the address answer that it has asked for, whichever was attached
// first.
func TestWayBack(t *testing.T) {
	a, b := pair(t, lab.LinkOptions{})
	for _, real := range []netip.Addr{b4, b6} {
		accept(t, listen(t, b.Host, real, 5000), "last")
		answer(t, b.Host, netip.AddrPortFrom(real, 5000), "last")
	}
	order := attach.Order{Side: attach.First} // which the kernel has, or has not
	_, err := tryOrdered(t, text(portChain, "FROM", 1, "TO", 1), attach.Where{Cgroup: nstest.NewCgroup(t).Path, Hook: hook.Connect}, order)
	if errors.Is(err, ebpf.ErrNotSupported) {
		t.Skip(err)
	}
	first, second := text(portChain, "FROM", 6100, "TO", 6200), text(portChain, "FROM", 6200, "TO", 5000)
	type step struct {
		source string
		above  bool // at the cgroup above, whose programs run later
		order  attach.Order
	}
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"one cgroup", []step{{source: first}, {source: second}}},
		{"one cgroup, the second was there", []step{{source: second}, {source: first, order: order}}},
		{"one cgroup, put before", []step{{source: second}, {source: first, order: attach.Order{Side: attach.Before, Anchor: attach.Anchor{Program: "weir_traffic"}}}}},
		{"one cgroup, put behind", []step{{source: first}, {source: second, order: attach.Order{Side: attach.After, Anchor: attach.Anchor{Program: "weir_traffic"}}}}},
		{"child and parent", []step{{source: first}, {source: second, above: true}}},
		{"parent and child", []step{{source: second, above: true}, {source: first}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			above := nstest.NewCgroup(t)
			below := above.Below("child")
			var cs []*chain
			for _, s := range tt.steps {
				w := attach.Where{Cgroup: below.Path, Hook: hook.Connect}
				if s.above {
					w.Cgroup = above.Path
				}
				cs = append(cs, must(tryOrdered(t, s.source, w, s.order))(t))
			}
			for _, f := range flavours() {
				asked := netip.AddrPortFrom(f.seen(f.real), 6100)
				tcp := newSock(t, a.Host, f.six, unix.SOCK_STREAM)
				if err := tcp.connect(asked); err != nil || tcp.peer() != asked {
					t.Errorf("%s: connect: %v, peer %v, want %v", f.name, err, tcp.peer(), asked)
				}
				udp := newSock(t, a.Host, f.six, unix.SOCK_DGRAM)
				if text, from := udp.ask("x", asked); text != "last x" || from != asked {
					t.Errorf("%s: %q from %v, want %v", f.name, text, from, asked)
				}
				if err := udp.connect(asked); err != nil {
					t.Fatal(err)
				}
				if text, from := udp.ask("x", netip.AddrPort{}); text != "last x" || from != asked || udp.peer() != asked {
					t.Errorf("%s, connected: %q from %v, peer %v, want %v", f.name, text, from, udp.peer(), asked)
				}
			}
			for _, c := range cs {
				if got, want := c.count("sent on"), uint64(3*len(flavours())); got != want {
					t.Errorf("%d were sent on, want %d", got, want)
				}
			}
		})
	}
}
