package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"

	"weir/config"
	"weir/datapath"
	"weir/internal/child"
	"weir/internal/nstest"
)

func TestMain(m *testing.M) {
	child.MaybeServe()
	os.Exit(m.Run())
}

// A world is a network namespace, a kernel of the test's own and a folder of files.
type world struct {
	t   *testing.T
	n   *nstest.Net
	k   datapath.Kernel
	dir string
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, n: nstest.New(t), dir: t.TempDir()}
	w.k = datapath.Kernel{Root: filepath.Join(nstest.BPFFS(t), "weir"), Lock: filepath.Join(w.dir, "lock")}
	t.Cleanup(func() {
		_, err := w.k.DetachAll(context.Background())
		w.check(err)
	})
	w.n.Veth("wa", "wb", 1500)
	w.n.Veth("wc", "wd", 1500)
	for name, text := range chains {
		w.check(os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600))
	}
	return w
}

var chains = map[string]string{
	"lists.weir": "blocked = table(u16, size = 4)\n",
	"shield.weir": `load("./lists.weir", "blocked")
def main(pkt):
    if pkt.eth and pkt.eth.type in blocked:
        return drop("blocked")
    return PASS
`,
	"edge.weir": `load("./lists.weir", "blocked")
limit = param(u32, 5)
hits  = table(u16, u64, size = 4)
def main(pkt):
    if pkt.eth:
        hits[pkt.eth.type] += 1
        if pkt.eth.type in blocked:
            return drop("edge")
    return PASS
def other(pkt):
    if pkt.eth:
        hits[pkt.eth.type] += 100
    return PASS
`,
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// resolve reads a config in which NET stands for the namespace.
func (w *world) resolve(text string) (*Desired, error) {
	w.t.Helper()
	file := filepath.Join(w.dir, "c.yaml")
	w.check(os.WriteFile(file, []byte(strings.ReplaceAll(text, "NET", w.n.Path)), 0o600))
	c, err := config.Load(file, config.Options{})
	w.check(err)
	return Resolve(w.t.Context(), c)
}

func (w *world) plan(text string) *Plan {
	w.t.Helper()
	d, err := w.resolve(text)
	w.check(err)
	p, err := d.Plan(w.k)
	w.check(err)
	return p
}

func (w *world) apply(text string) error {
	w.t.Helper()
	a, err := w.plan(text).Apply(w.t.Context(), w.k, Options{})
	if err == nil && a.Generation != nil {
		w.check(a.Generation.Close())
	}
	return err
}

// now is all that can be seen of what runs: places, params, maps.
func (w *world) now() map[string]string {
	w.t.Helper()
	out := map[string]string{}
	g, err := w.k.Open(Name)
	if errors.Is(err, datapath.ErrNotFound) {
		return out
	}
	w.check(err)
	defer g.Close()
	for _, a := range g.Places() {
		out[a.Where.Interface+":"+a.Where.Hook.String()] = fmt.Sprint(names(a.Program), a.Standing().There)
	}
	ps, err := g.Params()
	w.check(err)
	for _, p := range ps {
		out[p.Name] = p.Text()
	}
	for _, m := range g.Maps() {
		if !m.Listed() {
			continue
		}
		var lines []string
		w.check(m.Each(func(k, v []byte) error {
			lines = append(lines, strings.TrimSpace(m.Key.Format(k)+" "+m.Value.Format(v)))
			return nil
		}))
		slices.Sort(lines)
		out[m.Name] = strings.Join(lines, ", ")
	}
	return out
}

// Selectors find interfaces; a name comes before a pattern, and two patterns are a riddle.
func TestSelectors(t *testing.T) {
	w := newWorld(t)
	w.n.Do(func() error {
		l, err := netlink.LinkByName("wc")
		if err != nil {
			return err
		}
		addr, err := netlink.ParseAddr("192.0.2.1/24")
		if err != nil {
			return err
		}
		return errors.Join(netlink.AddrAdd(l, addr), netlink.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Gw: addr.IP.To4().Mask(addr.Mask), Flags: int(netlink.FLAG_ONLINK)}))
	})
	for _, c := range []struct{ places, want string }{
		{"w*: { tc-ingress: ./edge.weir }", "wa wb wc wd"},
		{"driver=veth: { tc-ingress: ./edge.weir }", "wa wb wc wd"},
		{"driver=none: { tc-ingress: ./edge.weir }", ""},
		{"address=192.0.2.0/30: { tc-ingress: ./edge.weir }", "wc"},
		{"route=default: { tc-ingress: ./edge.weir }", "wc"},
		{"'w[ab]': { tc-ingress: ./edge.weir }, wb: { tc-ingress: './edge.weir:other' }", "wa wb:other"},
		{"wb: { tc-ingress: './edge.weir:other' }, wx: { tc-ingress: ./edge.weir }", "wb:other (wx)"},
		{"w*: { tc-ingress: ./edge.weir }, driver=veth: { tc-ingress: ./shield.weir }", "is meant by driver=veth here and by w. at"},
	} {
		d, err := w.resolve("netns: { NET: { interfaces: { " + c.places + " } } }")
		if err != nil {
			if !regexp.MustCompile(c.want).MatchString(err.Error()) || c.want == "" {
				t.Errorf("%s: %v", c.places, err)
			}
			continue
		}
		var got []string
		for _, x := range d.Chains {
			got = append(got, x.Where.Interface+strings.TrimPrefix(names(x.Program)[0], "edge"))
		}
		for _, x := range d.Absent {
			got = append(got, "("+x.Place.Iface.String()+")")
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: %s, want %s", c.places, s, c.want)
		}
	}
}

const apart = `
netns: { NET: { interfaces: { wa: { tc-ingress: [./shield.weir, ./edge.weir] }, wc: { tc-ingress: ./edge.weir, xdp: './edge.weir:other' } } } }
params: { edge.limit: 9 }
maps: { lists.blocked: [0x9000] }
`

// Chains at several places, alone and among others, have one set of maps.
func TestOneSetOfMaps(t *testing.T) {
	w := newWorld(t)
	w.check(w.apply(apart))
	frame := func(t uint16) []byte {
		return append([]byte{0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 1, byte(t >> 8), byte(t)}, make([]byte, 50)...)
	}
	w.n.Send("wb", frame(0x9000), frame(0x9001)) // the shield drops the first
	w.n.Send("wd", frame(0x9001), frame(0x9000)) // both functions see them
	got := w.now()
	for k, want := range map[string]string{"lists.blocked": "36864", "edge.limit": "9", "wa:tc-ingress": "[shield edge] true"} {
		if got[k] != want {
			t.Errorf("%s: %q, want %q", k, got[k], want)
		}
	}
	// Hosts speak IPv6 on new interfaces: only what the test sent counts.
	for _, want := range []string{"36864 101", "36865 102"} {
		if !strings.Contains(got["edge.hits"], want) {
			t.Errorf("hits are %s, want %s", got["edge.hits"], want)
		}
	}
}

// What fails leaves all as it was: places, params, what maps hold.
func TestAllOrNothing(t *testing.T) {
	w := newWorld(t)
	w.check(w.apply(apart))
	before := w.now()
	delete(before, "edge.hits") // hosts speak IPv6
	held := func(what string) {
		t.Helper()
		after := w.now()
		delete(after, "edge.hits")
		if d := cmp.Diff(before, after); d != "" {
			t.Errorf("%s: %s", what, d)
		}
		if p := w.plan(apart); !p.Empty() {
			t.Errorf("%s: a plan of what runs: %+v", what, p)
		}
	}
	held("at the start")

	// A place that another generation has.
	other, err := w.resolve("netns: { NET: { interfaces: { wb: { xdp: ./shield.weir } } } }")
	w.check(err)
	g, err := w.k.Attach(t.Context(), datapath.Options{Name: "other", Pin: true, Chains: other.Chains})
	w.check(err)
	w.check(g.Close())
	err = w.apply(`
netns: { NET: { interfaces: { wa: { tc-ingress: ./edge.weir }, wd: { tc-egress: ./shield.weir }, wb: { xdp: ./edge.weir } } } }
params: { edge.limit: 70 }
maps: { lists.blocked: [1, 2, 3] }
`)
	if err == nil || !strings.Contains(err.Error(), "already in use by weir's own other") {
		t.Errorf("a place that is taken: %v", err)
	}
	held("a place that is taken")

	// A map that has no room in the middle of being filled.
	for _, k := range []string{"1", "2", "3"} {
		w.put("lists.blocked", k)
	}
	before = w.now()
	delete(before, "edge.hits")
	full := strings.ReplaceAll(strings.ReplaceAll(apart, "limit: 9", "limit: 70"), "[0x9000]", "{ entries: [0x9000, 5, 6], rest: keep }")
	if err := w.apply(full); !errors.Is(err, datapath.ErrFull) {
		t.Errorf("a full map: %v", err)
	}
	after := w.now()
	delete(after, "edge.hits")
	if d := cmp.Diff(before, after); d != "" {
		t.Errorf("a full map: %s", d)
	}

	// ^C before anything is done.
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := w.plan(strings.ReplaceAll(apart, "edge.weir:other", "shield.weir")).Apply(ctx, w.k, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("^C: %v", err)
	}
	after = w.now()
	delete(after, "edge.hits")
	if d := cmp.Diff(before, after); d != "" {
		t.Errorf("^C: %s", d)
	}
}

func (w *world) put(name, key string) {
	w.t.Helper()
	g, err := w.k.Open(Name)
	w.check(err)
	defer g.Close()
	m, err := g.Map(name)
	w.check(err)
	w.check(m.Put(key, ""))
}

// A plan finds what was changed behind the config's back, and nothing else.
func TestDrift(t *testing.T) {
	w := newWorld(t)
	w.check(w.apply(apart))
	g, err := w.k.Open(Name)
	w.check(err)
	w.check(g.SetParam("edge.limit", "3"))
	w.check(g.Close())
	w.put("lists.blocked", "7")
	w.n.Delete("wc")
	p := w.plan(apart)
	if len(p.Params) != 1 || len(p.Maps) != 1 || p.Maps[0].Remove != 1 || len(p.Absent) != 2 || p.Same != 1 {
		t.Errorf("%+v", p)
	}
	// The interface comes again, and so do its programs; so does what the maps held.
	w.n.Veth("wc", "wd", 1500)
	p = w.plan(apart)
	if len(p.Places) != 2 || p.Places[0].Op != Add {
		t.Errorf("%+v", p)
	}
	w.check(w.apply(apart))
	if p := w.plan(apart); !p.Empty() {
		t.Errorf("%+v", p)
	}
	if got := w.now(); got["lists.blocked"] != "36864" || got["edge.limit"] != "9" || got["wc:xdp"] != "[edge:other] true" {
		t.Errorf("%v", got)
	}
}
