package traffic

import (
	"net/netip"
	"testing"

	"weir/config"
	"weir/lab"
	"weir/state"
)

// TestExampleConfig applies the config of the examples to a host that serves the web
// under a flood: what it says is so, and a second time nothing is to be done.
func TestExampleConfig(t *testing.T) {
	l := newLab(t)
	a, b := newHost(t, l, "a"), newHost(t, l, "b")
	from, at := joined(t, l, a, b, "eth0", "10.0.0.1/24", "10.0.0.2/24")
	k := swapKernel(t)
	t.Cleanup(func() { k.DetachAll(t.Context()) })
	plan := func(file string) *state.Plan {
		t.Helper()
		c := must(config.Load(file, config.Options{}))(t)
		for i := range c.Places {
			c.Places[i].Netns = b.Netns()
		}
		return must(must(state.Resolve(t.Context(), c))(t).Plan(k))(t)
	}
	const file = "../../examples/web_server.yaml"
	done := must(plan(file).Apply(t.Context(), k, state.Options{}))(t)
	g := done.Generation
	defer g.Close()
	server := must(b.ServeHTTP(t.Context(), netip.AddrPortFrom(at.Addrs[0].Addr(), 80)))(t)
	f := udpFlood(t, from, at)
	f.Packets, f.PPS, f.Duration = long[uint64](50_000, 1_000_000), 100_000, 0
	sent := make(chan lab.FloodStats, 1)
	go func() {
		st, err := a.Flood(t.Context(), f)
		if err != nil {
			t.Error(err)
		}
		sent <- st
	}()
	d := must(a.DownloadBlob(bounded(t), server.Addr, 4<<20, 7))(t)
	st := <-sent
	if d.Bytes != 4<<20 {
		t.Errorf("%d octets came", d.Bytes)
	}
	for _, p := range g.Places() {
		for _, x := range must(p.Exits())(t) {
			if want := map[string]uint64{"no such service": st.Sent - st.Lost}[x.Reason]; x.Verdict == "DROP" && x.Packets != want {
				t.Errorf("%d packets are dropped for %q at %s, want %d", x.Packets, x.Reason, p.Where, want)
			}
		}
	}
	c := &chain{t, g}
	if would, marked := c.count("limit.observed DROP over its budget"), c.count("dscp_mark.marked"); would == 0 || marked == 0 {
		t.Errorf("%d packets would be dropped, %d are marked", would, marked)
	}
	if p := plan(file); !p.Empty() || p.Same != 2 {
		t.Errorf("a second time there is to be done: %+v", p)
	}
}
