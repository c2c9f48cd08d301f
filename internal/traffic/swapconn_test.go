package traffic

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"weir/attach"
	"weir/datapath"
	"weir/hook"
	"weir/internal/nstest"
	"weir/lab"
	"weir/lang"
)

// swapConnChain sends what is for one port to another. WIDE makes a map be converted.
const swapConnChain = `
grown = table(u16, WIDE, size = 64, init = {1: 1})

def main(conn):
    if conn.dport == 6100:
        conn.dport = PORT
        count("sent on", grown[1])
    return PASS
`

// TestSwapOfConnections replaces generations at connect while connections are made:
// each goes where one of them sends it, and is answered by whom it has asked for.
func TestSwapOfConnections(t *testing.T) {
	a, b := pair(t, lab.LinkOptions{})
	for _, real := range []netip.Addr{b4, b6} {
		for port, name := range map[uint16]string{5001: "old", 5002: "new"} {
			accept(t, listen(t, b.Host, real, port), name)
			answer(t, b.Host, netip.AddrPortFrom(real, port), name)
		}
	}
	w := attach.Where{Cgroup: nstest.NewCgroup(t).Path, Hook: hook.Connect}
	var chains [2][]datapath.Chain
	for i, wide := range []string{"u32", "u64"} {
		source := text(swapConnChain, "PORT", 5001+i, "WIDE", wide)
		p := must(lang.Compile([]byte(source), lang.Options{File: "swap.weir", Hook: w.Hook}))(t)
		chains[i] = []datapath.Chain{{Where: w, Program: p}}
	}
	k := swapKernel(t)
	replace := func(i int) error {
		g, err := k.Attach(t.Context(), datapath.Options{Name: "swap", Pin: true, Replace: true, Chains: chains[i%2]})
		if err != nil {
			return err
		}
		return g.Close()
	}
	if err := replace(0); err != nil {
		t.Fatal(err)
	}
	defer k.DetachAll(t.Context())
	asked, swaps := 0, long(50, 500)
	for i := range swaps {
		t.Run(fmt.Sprintf("swap %d", i+1), func(t *testing.T) { // at whose end sockets are closed
			done := make(chan error, 1)
			go func() { done <- replace(i + 1) }()
			for {
				for _, f := range flavours() {
					askAround(t, a.Host, f)
					asked += 3
				}
				select {
				case err := <-done:
					if err != nil {
						t.Fatal(err)
					}
					return
				default:
				}
			}
		})
	}
	g := must(k.Open("swap"))(t)
	defer g.Close()
	if n := counted(t, g.State, "sent on"); n != uint64(asked) {
		t.Errorf("%d were sent on, want %d", n, asked)
	}
	t.Logf("%d swaps while %d connections were made", swaps, asked)
}

// askAround makes a connection of each kind.
func askAround(t *testing.T, h *lab.Host, f flavour) {
	t.Helper()
	to := netip.AddrPortFrom(f.seen(f.real), 6100)
	check := func(what, text string, from netip.AddrPort) {
		t.Helper()
		if name, _, _ := strings.Cut(text, " "); name != "old" && name != "new" || from != to {
			t.Errorf("%s, %s: %q from %v, want old or new from %v", f.name, what, text, from, to)
		}
	}
	tcp := newSock(t, h, f.six, unix.SOCK_STREAM)
	if err := tcp.connect(to); err != nil {
		t.Fatalf("%s: connect: %v", f.name, err)
	}
	told, _, err := tcp.receive()
	if err != nil {
		t.Fatalf("%s: answer: %v", f.name, err)
	}
	check("TCP", told, tcp.peer())
	udp := newSock(t, h, f.six, unix.SOCK_DGRAM)
	text, from := udp.ask("x", to)
	check("UDP", text, from)
	if err := udp.connect(to); err != nil {
		t.Fatalf("%s: connect: %v", f.name, err)
	}
	text, from = udp.ask("x", netip.AddrPort{})
	check("connected UDP", text, from)
	check("peer of connected UDP", text, udp.peer())
}
