package traffic

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"weir/datapath"
	"weir/hook"
	"weir/lab"
)

// TestSwapAtNetfilter replaces a chain at netfilter, which steps aside and comes back,
// while a flood runs into it: none gets by, and each packet is dropped once.
func TestSwapAtNetfilter(t *testing.T) {
	a, b := pair(t, lab.LinkOptions{})
	dir := t.TempDir()
	if err := unix.Mount("bpf", dir, "bpf", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	k := datapath.Kernel{Root: filepath.Join(dir, "weir"), Lock: filepath.Join(t.TempDir(), "lock")}
	at := place{at: b, hook: hook.NetfilterPrerouting}
	attach := func(name, source string, priority int32) *datapath.Generation {
		return must(k.Attach(t.Context(), datapath.Options{
			Name: name, Pin: true, Replace: true, How: datapath.How{Priority: &priority},
			Chains: []datapath.Chain{{Where: at.where(), Program: compile(t, source, at, false)}},
		}))(t)
	}
	const flooded = `
def main(pkt):
    if pkt.udp and pkt.udp.dport == 4242:
        count("flooded")
        return DROP
    return PASS
`
	g, behind := attach("swap", flooded, -250), attach("behind", flooded, -220)
	defer k.DetachAll(context.Background())

	f := udpFlood(t, a, b)
	f.Duration, f.PPS = time.Hour, 100_000
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan lab.FloodStats, 1)
	go func() {
		st, err := a.Host.Flood(ctx, f)
		if err != nil {
			t.Error(err)
		}
		done <- st
	}()
	eventually(t, "the flood runs", func() bool { return counted(t, g.State, "flooded") > 0 })
	for range long(20, 200) {
		next := attach("swap", flooded, -250)
		if now := next.Attachments[0].RunsAt(); now != -250 {
			t.Errorf("generation %d runs at priority %d", next.Number, now)
		}
		g.Close()
		g = next
	}
	stop()
	st := <-done
	if n := counted(t, g.State, "flooded"); n != st.Sent-st.Lost || n == 0 {
		t.Errorf("flood: sent %d, lost %d, seen %d", st.Sent, st.Lost, n)
	}
	if n := counted(t, behind.State, "flooded"); n != 0 {
		t.Errorf("%d packets got by", n)
	}
	g.Close()
	behind.Close()
}
