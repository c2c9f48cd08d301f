package traffic

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf/rlimit"

	"weir/attach"
	"weir/datapath"
	"weir/hook"
	"weir/lab"
	"weir/lang"
	"weir/trace"
)

// A place is where a function of a chain runs.
type place struct {
	at   lab.Iface
	hook hook.Hook
	mode attach.Mode        // that it is attached in; empty: the best
	fn   string             // empty: main
	then []lang.Part        // chains that follow
	keep *trace.DropBuffers // for what is dropped; nil: not kept

	cgroup string // of hooks of cgroups
}

// A chain is a compiled chain that is attached.
type chain struct {
	t *testing.T
	*datapath.Generation
}

// compile compiles a function of a source.
func compile(t *testing.T, source string, at place, frags bool) *lang.Program {
	t.Helper()
	o := lang.Options{File: "traffic.weir", Func: at.fn, Hook: at.hook, Frags: frags, Then: at.then, Capture: at.keep != nil}
	p, err := lang.Compile([]byte(source), o)
	if err != nil {
		t.Fatalf("compile for %s: %v\n%s", at.hook, err, source)
	}
	return p
}

// where returns the place as package attach names it.
func (p place) where() attach.Where {
	switch p.hook.Info().Place {
	case hook.Netns:
		return attach.Where{Netns: p.at.Host.Netns(), Hook: p.hook}
	case hook.Cgroup:
		return attach.Where{Cgroup: p.cgroup, Hook: p.hook}
	}
	return attach.Where{Netns: p.at.Host.Netns(), Interface: p.at.Name, Hook: p.hook}
}

// run compiles a chain for some places and attaches it, until the test ends.
func run(t *testing.T, source string, places ...place) *chain {
	t.Helper()
	if err := rlimit.RemoveMemlock(); err != nil {
		t.Fatal(err)
	}
	o := datapath.Options{Name: "traffic"}
	for _, p := range places {
		c := datapath.Chain{Where: p.where(), Program: compile(t, source, p, false)}
		if p.hook == hook.XDP && p.at.MTU > 1500 {
			c.Frags = compile(t, source, p, true)
		}
		o.Mode = cmp.Or(o.Mode, p.mode)
		if p.keep != nil {
			o.Loaded = p.keep.Loaded
		}
		o.Chains = append(o.Chains, c)
	}
	k := datapath.Kernel{Root: "/sys/fs/bpf/weir-traffic", Lock: filepath.Join(t.TempDir(), "lock")}
	g, err := k.Attach(t.Context(), o)
	if err != nil {
		t.Fatalf("attach: %v", err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	for i, a := range g.Attachments {
		want := cmp.Or(places[i].mode, attach.Modes(a.Where.Hook)[0])
		if want == attach.TCX && strings.HasPrefix(a.Why, "tcx: not supported") {
			want = attach.Clsact
		}
		if a.Mode != want {
			t.Fatalf("%s is attached %s (%s), want %s", a.Where, a.Mode, a.Why, want)
		}
	}
	return &chain{t, g}
}

// count returns the counter of a name.
func (c *chain) count(name string) uint64 {
	c.t.Helper()
	for _, n := range must(c.Counts())(c.t) {
		if n.Name == name {
			return n.N
		}
	}
	c.t.Fatalf("no counter %q", name)
	return 0
}

// dropped returns the packets that were dropped for a reason, at all places.
func (c *chain) dropped(reason string) (n uint64) {
	return c.ended(func(x datapath.ExitCount) bool { return x.Verdict == "DROP" && x.Reason == reason })
}

// ended returns the packets that ended in a way, at all places.
func (c *chain) ended(how func(datapath.ExitCount) bool) (n uint64) {
	c.t.Helper()
	for _, a := range c.Places() {
		for _, x := range must(a.Exits())(c.t) {
			if how(x) {
				n += x.Packets
			}
		}
	}
	return n
}

// refused returns how many new keys a map refused.
func (c *chain) refused(name string) uint64 {
	c.t.Helper()
	for _, n := range must(c.Refused())(c.t) {
		if n.Name == name {
			return n.N
		}
	}
	c.t.Fatalf("no map %q", name)
	return 0
}

// table returns the content of a map of integers.
func (c *chain) table(name string) map[string]uint64 {
	c.t.Helper()
	m := must(c.Map(name))(c.t)
	out := map[string]uint64{}
	if err := m.Each(func(key, val []byte) error {
		out[m.Key.Format(key)] = m.Value.Word(val)
		return nil
	}); err != nil {
		c.t.Fatal(err)
	}
	return out
}

// array returns the content of an array of integers.
func (c *chain) array(name string) []uint64 {
	c.t.Helper()
	in := c.table(name)
	out := make([]uint64, len(in))
	for k, v := range in {
		out[must(strconv.Atoi(k))(c.t)] = v
	}
	return out
}

// set sets a parameter.
func (c *chain) set(name string, x any) {
	c.t.Helper()
	if err := c.SetParam(name, fmt.Sprint(x)); err != nil {
		c.t.Fatal(err)
	}
}

// text fills the placeholders NAME of a source with values.
func text(source string, values ...any) string {
	for i := 0; i < len(values); i += 2 {
		source = strings.ReplaceAll(source, values[i].(string), fmt.Sprint(values[i+1]))
	}
	return source
}
