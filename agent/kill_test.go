package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"weir/datapath"
	"weir/lab"
	"weir/state"
)

// agentEnv makes the test binary an agent: its options, as JSON.
const agentEnv = "WEIR_TEST_AGENT"

// maybeAgent is an agent, if it was started as one, until it is ended.
func maybeAgent() {
	text := os.Getenv(agentEnv)
	if text == "" {
		return
	}
	var o Options
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		panic(err)
	}
	o.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM)
	defer stop()
	if err := New(o).Run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// counting passes all packets, and is told apart by its number.
const counting = `number = %d
hits = array(u64, size = 1, percpu = True)
def main(pkt):
    hits[0] += number - number + 1
    return PASS
def second(pkt):
    return PASS
`

// TestKill kills agents while they apply, with a flood running: no packet is lost, and
// all places run the same chain, the old or the new. The last agent settles it.
func TestKill(t *testing.T) {
	times := 20
	if os.Getenv("WEIR_SOAK") != "" {
		times = 200
	}
	l, err := lab.New(t.Context(), lab.Options{})
	check(t, err)
	defer l.Close()
	from, to, err := hosts(l)
	check(t, err)
	v := &killed{t: t, k: newKernel(t), dir: t.TempDir(), text: counting}
	check(t, os.WriteFile(filepath.Join(v.dir, "c.yaml"), fmt.Appendf(nil,
		"netns: { %s: { interfaces: { eth0: { xdp: ./count.weir, tc-ingress: './count.weir:second' } } } }", to.Host.Netns()), 0o600))
	v.write(0)
	end := v.start()
	v.until(0)
	end(unix.SIGTERM)

	v.flooded(from, to, func() {
		for i := range times {
			v.write(i + 1)
			end := v.start()
			time.Sleep(rand.N(100 * time.Millisecond)) // any time is right
			end(unix.SIGKILL)
			if n := v.number(); n != i && n != i+1 && n != v.was {
				t.Errorf("after %d: %d runs, %d did", i+1, n, v.was)
			} else {
				v.was = n
			}
		}
		end = v.start()
		v.until(times)
	})
	t.Logf("%d kills, %d of them before it was told that all is applied", times, v.early)
	end(unix.SIGTERM)
}

// A killed is what agents run on that are killed.
type killed struct {
	t     *testing.T
	k     datapath.Kernel
	dir   string
	text  string // of the chain, with a place for the number
	was   int    // the number that ran
	early int
}

func hosts(l *lab.Lab) (from, to lab.Iface, err error) {
	a, err := l.Host("a")
	if err != nil {
		return from, to, err
	}
	b, err := l.Host("b")
	if err != nil {
		return from, to, err
	}
	from, to, err = l.Link(a, "eth0", b, "eth0", lab.LinkOptions{
		A: lab.End{Addrs: lab.MustPrefixes("10.0.0.1/24")}, B: lab.End{Addrs: lab.MustPrefixes("10.0.0.2/24")}, Neighbours: true,
	})
	return from, to, err
}

// flooded does something under a flood. All packets that were sent arrive.
func (v *killed) flooded(from, to lab.Iface, do func()) {
	v.t.Helper()
	before, err := to.Host.Counters()
	check(v.t, err)
	ctx, stop := context.WithCancel(v.t.Context())
	sent := make(chan lab.FloodStats, 1)
	go func() { sent <- v.flood(ctx, from, to) }()
	do()
	stop()
	st := <-sent
	after, err := to.Host.Counters()
	check(v.t, err)
	if got := after.Since(before).MIB["UdpNoPorts"]; got != st.Sent-st.Lost || got == 0 {
		v.t.Errorf("%d packets arrived, %d were sent, %d of them not taken", got, st.Sent, st.Lost)
	}
	v.t.Logf("%d packets", st.Sent)
}

func (v *killed) flood(ctx context.Context, from, to lab.Iface) lab.FloodStats {
	frame, err := lab.UDPFrame(
		lab.Station{MAC: from.MAC, Addr: netip.MustParseAddrPort("10.0.0.1:4000")},
		lab.Station{MAC: to.MAC, Addr: netip.MustParseAddrPort("10.0.0.2:4242")}, make([]byte, 18))
	if err != nil {
		v.t.Error(err)
	}
	st, err := from.Host.Flood(ctx, lab.Flood{
		Iface: from.Name, Template: frame, Sources: netip.MustParsePrefix("10.0.0.1/32"), PPS: 20_000, Duration: 5 * time.Minute,
	})
	if err != nil && ctx.Err() == nil {
		v.t.Error(err)
	}
	return st
}

// write makes the chain another one.
func (v *killed) write(n int) {
	path := filepath.Join(v.dir, "count.weir")
	check(v.t, os.WriteFile(path+".new", fmt.Appendf(nil, v.text, n), 0o600))
	check(v.t, os.Rename(path+".new", path))
}

// start starts an agent in a process of its own. end ends it by a signal.
func (v *killed) start() (end func(os.Signal)) {
	text, err := json.Marshal(map[string]any{
		"File": filepath.Join(v.dir, "c.yaml"), "Interval": time.Hour, "Kernel": v.k, "State": filepath.Join(v.dir, "state"),
	})
	check(v.t, err)
	exe, err := os.Executable()
	check(v.t, err)
	var log strings.Builder
	cmd := exec.Command(exe)
	cmd.Env, cmd.Stderr = append(os.Environ(), agentEnv+"="+string(text)), &log
	check(v.t, cmd.Start())
	return func(s os.Signal) {
		check(v.t, cmd.Process.Signal(s))
		err := cmd.Wait()
		// One that has said nothing yet had not begun: the signal was not for the agent.
		if s == unix.SIGTERM && err != nil && log.Len() > 0 || strings.Contains(log.String(), "ERROR") {
			v.t.Errorf("%v\n%s", err, log.String())
		}
		if !strings.Contains(log.String(), "applied") {
			v.early++
		}
	}
}

// number returns the number of the chain that runs, at all places of eth0.
func (v *killed) number() (n int) {
	v.t.Helper()
	g, err := v.k.Open(state.Name)
	check(v.t, err)
	defer g.Close()
	all := eth0(g)
	for i, a := range all {
		if s := a.Standing(); !s.There {
			v.t.Errorf("%s is gone", a.Where)
		}
		was := n
		if n = numberOf(a); i > 0 && n != was {
			v.t.Errorf("%s runs %d, another place %d", a.Where, n, was)
		}
	}
	if len(all) != 2 {
		v.t.Errorf("%d places", len(all))
	}
	return n
}

func eth0(g *datapath.Generation) []*datapath.Attachment {
	return slices.DeleteFunc(g.Places(), func(a *datapath.Attachment) bool { return a.Where.Interface != "eth0" })
}

// numberOf returns the number of the chain at a place, -1 if it has none.
func numberOf(a *datapath.Attachment) int {
	n := -1
	fmt.Sscanf(a.Program.Sources[0].Text, "number = %d", &n)
	return n
}

// running reports whether a chain is said to run at eth0. Meanwhile its places may be
// exchanged.
func (v *killed) running(n int) bool {
	g, err := v.k.Open(state.Name)
	if err != nil {
		return false
	}
	defer g.Close()
	all := eth0(g)
	return len(all) > 0 && numberOf(all[0]) == n
}

// until waits until a chain runs.
func (v *killed) until(n int) {
	v.t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if v.running(n) {
			return
		}
		if time.Now().After(end) {
			v.t.Fatalf("%d does not run", n)
		}
	}
}
