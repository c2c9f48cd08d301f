package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"weir/lab"
	"weir/trace"
)

const profiledChain = `seen  = table(u16, u64, size = 16)
limit = param(u32, 7)

def first(pkt):
    if pkt.arp:
        return ACCEPT
    return PASS

def second(pkt):
    if not pkt.udp:
        return PASS
    seen[pkt.udp.dport] += 1
    if pkt.udp.dport == 4053:
        return drop("port")
    return PASS
`

// A profiledWorld is a host on which two chains, one behind the other, are profiled.
type profiledWorld struct {
	*world
	t *testing.T
}

// frame makes a packet to a port.
func (w profiledWorld) frame(port int) []byte {
	w.t.Helper()
	frame, err := lab.UDPFrame(
		lab.Station{MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, Addr: netip.MustParseAddrPort("10.9.0.1:4000")},
		lab.Station{MAC: net.HardwareAddr{2, 0, 0, 0, 0, 2}, Addr: netip.AddrPortFrom(netip.MustParseAddr("10.9.0.2"), uint16(port))},
		make([]byte, 18))
	check(w.t, err)
	return frame
}

// send sends n packets to a port, and waits until the chain has counted that many.
func (w profiledWorld) send(n, port, sum int) {
	w.t.Helper()
	check(w.t, w.peer.Send(w.t.Context(), "veth0", slices.Repeat([][]byte{w.frame(port)}, n)...))
	w.until(fmt.Sprintf("weir maps get p seen %d", port), fmt.Sprintf("%d\n", sum))
}

// until runs a command until it prints what is wanted.
func (w profiledWorld) until(command, want string) {
	w.t.Helper()
	out := ""
	for range 600 {
		if out, _ = w.run(command); strings.Contains(out, want) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	w.t.Fatalf("%s printed\n%s\nand never %q", command, out, want)
}

func (w profiledWorld) must(command string) {
	w.t.Helper()
	if out, err := w.run(command); err != nil {
		w.t.Fatalf("%s: %v\n%s", command, err, out)
	}
}

// start begins a profile, and returns when the chain that is timed runs.
func (w profiledWorld) start(args ...string) *terminal {
	w.t.Helper()
	return w.begin("p is profiled for", append([]string{"profile", "p"}, args...)...)
}

// begin begins a weir command, and returns when it has said something.
func (w profiledWorld) begin(says string, args ...string) *terminal {
	w.t.Helper()
	x := w.inTerminal(w.t, nil, "weir", args...)
	w.t.Cleanup(func() { x.cmd.Process.Kill() }) // of a test that failed
	x.waitFor(w.t, says)
	return x
}

// What is attached is profiled while packets come, each of which is counted, and then
// is as it was.
func TestProfileLive(t *testing.T) {
	w := profiledWorld{newWorld(t), t}
	check(t, os.WriteFile(filepath.Join(w.dir, "p.weir"), []byte(profiledChain), 0o600))
	w.must("weir attach p.weir:first p.weir:second --name p --on eth0")
	w.must("exec weir attach p.weir:first p.weir:second --name p --replace --on eth0 --on eth1:tc-ingress")
	defer w.must("weir detach p")
	w.send(5, 4053, 5)

	x := w.start("--for", "10m", "--sample", "1", "--json")
	w.must("weir set p limit=9")
	w.send(20, 4053, 25)
	w.send(11, 4080, 11)
	if out, err := w.run("exec weir confirm p"); err == nil || !strings.Contains(out, "goes by itself") {
		t.Errorf("weir confirm: %v\n%s", err, out)
	}
	if out, err := w.run("exec weir attach p.weir:first --name p --replace"); err == nil || !strings.Contains(out, "is there to be measured: wait until it goes") {
		t.Errorf("weir attach --replace: %v\n%s", err, out)
	}
	for _, command := range []string{"weir show p", "weir ls"} {
		if out, err := w.run(command); err != nil || !strings.Contains(out, " at most, then the plain chain runs again") {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
	}
	check(t, x.cmd.Process.Signal(os.Interrupt))
	if err := x.cmd.Wait(); err != nil {
		t.Errorf("weir profile: %v\n%s", err, x.text())
	}
	<-x.done
	var p trace.Profile
	text := x.text()
	check(t, json.Unmarshal([]byte(text[strings.Index(text, "{"):strings.LastIndex(text, "}")+1]), &p))
	want := map[int]uint64{5: 31, 6: 0, 7: 31, 10: 31, 11: 0, 12: 31, 13: 31, 14: 20, 15: 11}
	for _, l := range p.Lines {
		if n, ok := want[l.Line]; ok && (l.Packets == nil || *l.Packets != n) || !ok && l.Packets != nil {
			t.Errorf("line %d: %+v, want %d packets", l.Line, l, n)
		}
		if l.Packets != nil && *l.Packets == 0 && l.NS != 0 {
			t.Errorf("line %d takes %v ns without a packet", l.Line, l.NS)
		}
	}
	if p.Packets != 31 || p.Timed != 31 || p.Apart <= 0 || p.With <= 0 {
		t.Errorf("%d packets, %d timed, %v ns apart, %v profiled", p.Packets, p.Timed, p.Apart, p.With)
	}
	w.asItWas(26)

	// Killed, it leaves the rest to the next command, which does not wait for the time to
	// be over, and keeps what was set meanwhile.
	w.must("weir set p limit=8")
	x = w.start("--for", "10m")
	w.must("weir set p limit=9")
	check(t, x.cmd.Process.Kill())
	x.cmd.Wait()
	w.send(3, 4080, 14)
	w.asItWas(27)
	w.must("exec weir rollback p")
	w.until("weir show p", "generation 1,")
}

// asItWas waits until the plain chain runs again, with the maps, the params and the
// generation to go back to that it had.
func (w profiledWorld) asItWas(sum int) {
	w.t.Helper()
	w.until("weir show p", "generation 2,")
	w.until("weir show p", "before it 1")
	w.until("weir show p", "limit = 9")
	w.send(1, 4053, sum)
}
