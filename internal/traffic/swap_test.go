package traffic

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	bpflink "github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/rlimit"

	"weir/attach"
	"weir/datapath"
	"weir/hook"
	"weir/internal/nstest"
	"weir/lab"
)

// swapChain drops the flood and lets the download pass. NUMBER tells two of them
// apart, WIDE makes a map be converted.
const swapChain = `
sizes = table(u32, u64, size = 64)
grown = table(u16, WIDE, size = 64, init = {1: 1})

def main(pkt):
    count("all")
    sizes[pkt.len & 63] += grown[1]
    if pkt.udp and pkt.udp.dport == 4242:
        return drop("NUMBER")
    return PASS
`

const observer = `
def main(pkt):
    return PASS
`

// A swapTest is two hosts and two links: a flood comes by one, a download by the
// other.
type swapTest struct {
	k              datapath.Kernel
	flood          lab.Flood
	from, at, down lab.Iface
	server         *lab.HTTPServer
	chains         [2][]datapath.Chain

	programs []ebpf.ProgramID
	maps     map[ebpf.MapID]bool
	links    map[bpflink.ID]bool

	dropped, passed uint64 // by all generations that are gone
}

func newSwapTest(t *testing.T) *swapTest {
	if err := rlimit.RemoveMemlock(); err != nil {
		t.Fatal(err)
	}
	l := newLab(t)
	a, b := newHost(t, l, "a"), newHost(t, l, "b")
	s := &swapTest{maps: map[ebpf.MapID]bool{}, links: map[bpflink.ID]bool{}}
	s.from, s.at = joined(t, l, a, b, "eth0", "", "")
	var up lab.Iface
	s.down, up = joined(t, l, a, b, "eth1", "10.0.0.1/24", "10.0.0.2/24")
	s.server = must(b.ServeHTTP(t.Context(), netip.AddrPortFrom(up.Addrs[0].Addr(), 80)))(t)
	s.flood = udpFlood(t, s.from, s.at)
	s.flood.Duration, s.flood.PPS = time.Hour, 600_000 // it is ended when all swaps are done
	s.k = swapKernel(t)
	for i, wide := range []string{"u32", "u64"} {
		for _, p := range []place{{at: s.at, hook: hook.XDP}, {at: s.down, hook: hook.TCIngress}} {
			source := text(swapChain, "NUMBER", i, "WIDE", wide)
			s.chains[i] = append(s.chains[i], datapath.Chain{Where: p.where(), Program: compile(t, source, p, false)})
		}
	}
	return s
}

// swapKernel is a Kernel of the test's own.
func swapKernel(t *testing.T) datapath.Kernel {
	t.Helper()
	return datapath.Kernel{Root: filepath.Join(nstest.BPFFS(t), "weir"), Lock: filepath.Join(t.TempDir(), "lock")}
}

// TestSwapUnderLoad replaces generations while a flood and a download run
// through them: each packet is seen by one of them and no other, and nothing is
// left of those that are gone.
func TestSwapUnderLoad(t *testing.T) {
	s := newSwapTest(t)
	before := descriptors(t)
	g := s.attach(t, "swap", s.chains[0]...)
	watcher := s.attach(t, "observer", datapath.Chain{
		Where: s.chains[0][1].Where, Program: compile(t, observer, place{at: s.down, hook: hook.TCIngress}, false),
	})
	defer s.k.DetachAll(context.Background())

	swaps := long(100, 1000)
	var took time.Duration
	st, octets := s.underLoad(t, func() {
		start := time.Now()
		for i := range swaps {
			next := s.attach(t, "swap", s.chains[(i+1)%2]...)
			s.ends(t, g)
			g = next
		}
		took = time.Since(start)
	})
	all := counted(t, g.State, "all")
	s.ends(t, g)
	seen := exitsOf(t, watcher.Attachments[0])
	if err := watcher.Close(); err != nil {
		t.Error(err)
	}

	s.addUp(t, st, seen, all)
	t.Logf("%d swaps in %v under %.0f packets/s (%d in all), and a download of %d MB in %d packets",
		swaps, took.Round(time.Millisecond), float64(st.Sent)/st.Elapsed.Seconds(), st.Sent, octets>>20, seen)
	if _, err := s.k.DetachAll(t.Context()); err != nil {
		t.Error(err)
	}
	s.checkGone(t)
	eventually(t, "descriptors are closed", func() bool { return descriptors(t) <= before })
}

// underLoad runs f while the flood and the download run, and returns what they sent.
func (s *swapTest) underLoad(t *testing.T, f func()) (st lab.FloodStats, octets int64) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	flooded, downloaded := make(chan lab.FloodStats, 1), make(chan int64, 1)
	go func() {
		st, err := s.from.Host.Flood(ctx, s.flood)
		if err != nil {
			t.Error(err)
		}
		flooded <- st
	}()
	go func() { downloaded <- s.download(ctx, t) }()
	f()
	stop()
	return <-flooded, <-downloaded
}

// addUp fails unless each packet was seen by one generation: of the flood what was sent
// and came (a ring that is full loses packets before any program), of the download what
// was seen behind them. All is what they have counted.
func (s *swapTest) addUp(t *testing.T, st lab.FloodStats, behind, all uint64) {
	t.Helper()
	if s.dropped != st.Sent-st.Lost || s.dropped == 0 {
		t.Errorf("flood: sent %d, lost %d, seen %d", st.Sent, st.Lost, s.dropped)
	}
	if s.passed != behind {
		t.Errorf("download: %d packets seen, and %d behind", s.passed, behind)
	}
	if all != s.dropped+s.passed {
		t.Errorf("counted %d, and %d + %d exits", all, s.dropped, s.passed)
	}
}

// attach attaches, or replaces, and remembers what there is then.
func (s *swapTest) attach(t *testing.T, name string, cs ...datapath.Chain) *datapath.Generation {
	t.Helper()
	return s.attachAs(t, datapath.Options{Name: name, Pin: true, Replace: true, Chains: cs})
}

func (s *swapTest) attachAs(t *testing.T, o datapath.Options) *datapath.Generation {
	t.Helper()
	g := must(s.k.Attach(t.Context(), o))(t)
	for _, a := range g.Attachments {
		if want := attach.Modes(a.Where.Hook)[0]; a.Mode != want {
			t.Fatalf("%s is attached %s (%s), want %s", a.Where, a.Mode, a.Why, want)
		}
		s.links[a.LinkID()] = true
		p := must(ebpf.NewProgramFromID(a.ProgramID()))(t)
		s.programs = append(s.programs, a.ProgramID())
		ids, _ := must(p.Info())(t).MapIDs()
		for _, id := range ids {
			s.maps[id] = true
		}
		p.Close()
	}
	return g
}

// ends adds up what a generation that was replaced has counted.
func (s *swapTest) ends(t *testing.T, g *datapath.Generation) {
	t.Helper()
	s.dropped += exitsOf(t, g.Attachments[0])
	s.passed += exitsOf(t, g.Attachments[1])
	if err := g.Close(); err != nil {
		t.Error(err)
	}
}

// exitsOf returns the packets that ended at a place.
func exitsOf(t *testing.T, a *datapath.Attachment) (n uint64) {
	t.Helper()
	for _, x := range must(a.Exits())(t) {
		n += x.Packets
	}
	return n
}

func counted(t *testing.T, s *datapath.State, name string) uint64 {
	t.Helper()
	return (&chain{t, &datapath.Generation{State: s}}).count(name)
}

// download gets one blob after another until ctx ends, and returns their octets.
func (s *swapTest) download(ctx context.Context, t *testing.T) (octets int64) {
	for {
		// Not ended by ctx: what has begun is to be right.
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		d, err := s.down.Host.DownloadBlob(within, s.server.Addr, 8<<20, 7)
		cancel()
		if err != nil {
			t.Errorf("after %d octets: %v", octets, err)
			return octets
		}
		octets += d.Bytes
		select {
		case <-ctx.Done():
			return octets
		case <-time.After(20 * time.Millisecond): // the CPU is wanted by others, too
		}
	}
}

// checkGone waits until the kernel has freed all there was.
func (s *swapTest) checkGone(t *testing.T) {
	t.Helper()
	if len(s.links) != 3 {
		t.Errorf("%d links, want 3 in all", len(s.links))
	}
	gone := func(err error) bool { return errors.Is(err, os.ErrNotExist) }
	for _, id := range s.programs {
		eventually(t, fmt.Sprintf("program %d is gone", id), func() bool {
			p, err := ebpf.NewProgramFromID(id)
			p.Close()
			return gone(err)
		})
	}
	for id := range s.maps {
		eventually(t, fmt.Sprintf("map %d is gone", id), func() bool {
			m, err := ebpf.NewMapFromID(id)
			m.Close()
			return gone(err)
		})
	}
	for id := range s.links {
		eventually(t, fmt.Sprintf("link %d is gone", id), func() bool {
			l, err := bpflink.NewFromID(id)
			if err == nil {
				l.Close()
			}
			return gone(err)
		})
	}
	t.Logf("%d programs, %d maps, %d links are gone", len(s.programs), len(s.maps), len(s.links))
}

func descriptors(t *testing.T) int {
	t.Helper()
	return len(must(os.ReadDir("/proc/self/fd"))(t))
}

// joined joins two hosts by interfaces of one name.
func joined(t *testing.T, l *lab.Lab, a, b *lab.Host, name, addrA, addrB string) (x, y lab.Iface) {
	t.Helper()
	o := lab.LinkOptions{Neighbours: true}
	if addrA != "" {
		o.A.Addrs, o.B.Addrs = lab.MustPrefixes(addrA), lab.MustPrefixes(addrB)
	}
	return link(t, l, a, b, name, name, o)
}
