package datapath

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"

	"weir/attach"
	"weir/internal/nstest"
	"weir/lang"
)

const first = `
limit  = param(u32, 5)
port   = param(u16, 53)
gone   = param(u16, 1)
kept   = table(ip4, u64, size = 10, init = {ip4("192.0.2.1"): 7})
grown  = table(u16, u32, size = 4, init = {1: 10, 2: 20, 3: 30})
R      = record(a = u16, b = ip4)
fields = table(u16, R, size = 4, init = {9: R(a = 1, b = ip4("192.0.2.9"))})
other  = table(u16, u64, size = 4, init = {1: 1})
old    = table(u16, u64, size = 4)
news   = lru(u16, u64, size = 4, init = {5: 6})

def main(pkt):
    count("seen")
    count("first")
    hist("len", pkt.len)
    kept[ip4("192.0.2.2")] += 1
    old[1] += 1
    return drop("first") if limit == 0 or port == 0 or gone == 0 else PASS
`

const second = `
limit  = param(u32, 6)
port   = param(u32, 54)
kept   = table(ip4, u64, size = 10, init = {ip4("192.0.2.3"): 8})
grown  = lru(u16, u64, size = 2)
R      = record(c = u8, b = ip4, a = u64)
fields = table(u16, R, size = 8)
other  = table(ip4, u64, size = 4, init = {ip4("192.0.2.5"): 5})
extra  = table(u16, u64, size = 4, init = {1: 2})
news   = lru(u16, u64, size = 4)

def main(pkt):
    count("second")
    count("seen")
    hist("len", pkt.len)
    kept[ip4("192.0.2.2")] += 1
    extra[9] += 1
    return drop("second") if limit == 0 or port == 0 else PASS
`

// compiled compiles a chain for some places.
func compiled(t *testing.T, n *nstest.Net, source string, places ...string) []Chain {
	t.Helper()
	var out []Chain
	for _, p := range places {
		w, err := attach.ParseWhere(p)
		if err != nil {
			t.Fatal(err)
		}
		w.Netns = n.Path
		prog, err := lang.Compile([]byte(source), lang.Options{File: "edge.weir", Hook: w.Hook})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, Chain{Where: w, Program: prog})
	}
	return out
}

// attachedAs attaches or replaces edge, and closes it. It is detached before the
// test's namespace ends, without which a clsact filter is not to be reached.
func attachedAs(t *testing.T, k Kernel, o Options) *Generation {
	t.Helper()
	t.Cleanup(func() {
		if err := k.Detach(context.Background(), "edge"); err != nil && !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
	})
	o.Name, o.Pin = "edge", true
	g, err := k.Attach(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
	return g
}

func opened(t *testing.T, k Kernel) *Generation {
	t.Helper()
	g, err := k.Open("edge")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	return g
}

// content lists a map, sorted.
func content(t *testing.T, g *Generation, name string) string {
	t.Helper()
	m, err := g.Map(name)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	if err := m.Each(func(k, v []byte) error {
		out = append(out, m.Key.Format(k)+"="+m.Value.Format(v))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func counted(t *testing.T, g *Generation) string {
	t.Helper()
	cs, err := g.Counts()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, c := range cs {
		out = append(out, fmt.Sprintf("%s=%d", c.Name, c.N))
	}
	hs, err := g.Hists()
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range hs {
		for _, b := range h.Buckets() {
			out = append(out, fmt.Sprintf("%s[%s]=%d", h.Name, b.From, b.N))
		}
	}
	return strings.Join(out, " ")
}

func linkIDs(g *Generation) (ids []string) {
	for _, a := range g.Attachments {
		ids = append(ids, fmt.Sprintf("%s %d", a.Where.Interface+":"+a.Where.Hook.String(), a.LinkID()))
	}
	return ids
}

func TestReplace(t *testing.T) {
	n := nstest.New(t)
	k := kernel(t)
	n.Veth("wa", "wb", 1500)
	before := descriptors(t)
	attachedAs(t, k, Options{Chains: compiled(t, n, first, "wa", "wa:tc-ingress", "wb:tc-egress"), Set: map[string]string{"limit": "50", "port": "80", "gone": "9"}})
	for range 3 {
		n.Send("wb", frame)
	}
	g := opened(t, k)
	links := linkIDs(g)
	g.Close()

	g = attachedAs(t, k, Options{Replace: true, Chains: compiled(t, n, second, "wa", "wb:tc-egress", "wb")})
	if g.Number != 2 || g.Previous != 1 {
		t.Errorf("generation %d after %d", g.Number, g.Previous)
	}
	want := []Change{
		{Name: "extra", Fate: New},
		{Name: "fields", Fate: Converted, Copied: 1, Why: "its size is 8 and was 4; its values are record(c = u8, b = ip4, a = u64) and were record(a = u16, b = ip4)"},
		{Name: "grown", Fate: Converted, Copied: 2, Left: 1, Why: "it is a lru and was a table; its size is 2 and was 4; its values are u64 and were u32"},
		{Name: "kept", Fate: Kept},
		{Name: "news", Fate: Kept},
		{Name: "old", Fate: Dropped},
		{Name: "other", Fate: Emptied, Why: "its keys are ip4 and were u16"},
	}
	if d := cmp.Diff(want, g.MapChanges); d != "" {
		t.Errorf("maps (-want +got):\n%s", d)
	}
	want = []Change{
		{Name: "gone", Fate: Dropped},
		{Name: "limit", Fate: Kept, Value: "50", Why: "the file says 6"},
		{Name: "port", Fate: Reset, Value: "54", Why: "its type is u32 and was u16"},
	}
	if d := cmp.Diff(want, g.ParamChanges); d != "" {
		t.Errorf("params (-want +got):\n%s", d)
	}

	n.Send("wb", frame)
	g = opened(t, k)
	if now := linkIDs(g); now[0] != links[0] || now[1] != links[2] || len(now) != 3 {
		t.Errorf("links %v, before %v", now, links)
	}
	for name, want := range map[string]string{
		"kept": "192.0.2.1=7 192.0.2.2=11", "fields": "9={c: 0, b: 192.0.2.9, a: 1}", "other": "192.0.2.5=5", "extra": "1=2 9=2", "news": "5=6",
	} {
		if got := content(t, g, name); got != want {
			t.Errorf("%s holds %s, want %s", name, got, want)
		}
	}
	// 9 packets were seen before, 2 since: at wa and at the egress of wb.
	if got := counted(t, g); got != "second=2 seen=11 len[32]=11" {
		t.Errorf("counts %s", got)
	}
	if f, err := g.Forgotten(); err != nil || len(f) != 2 || f[0].N != 0 || f[1].N != 0 {
		t.Errorf("forgotten: %v, %v", f, err)
	}
	if got := counts(t, g); !slices.Equal(got, []uint64{1, 1, 0}) {
		t.Errorf("exits %d", got)
	}
	g.Close()
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
	testRollback(t, k, n)
}

// testRollback goes back to the first generation, and forth.
func testRollback(t *testing.T, k Kernel, n *nstest.Net) {
	t.Helper()
	if now, err := k.Rollback(t.Context(), "edge"); now != 1 || err != nil {
		t.Fatalf("Rollback() = %d, %v", now, err)
	}
	n.Send("wb", frame)
	g := opened(t, k)
	if g.Number != 1 || g.Previous != 2 || len(g.Attachments) != 3 {
		t.Errorf("generation %d after %d at %v", g.Number, g.Previous, linkIDs(g))
	}
	for _, a := range g.Attachments {
		if ok, err := a.Attached(); !ok || err != nil {
			t.Errorf("%s: Attached() = %t, %v", a.Where, ok, err)
		}
	}
	if got := counts(t, g); !slices.Equal(got, []uint64{4, 4, 4}) {
		t.Errorf("exits %d", got)
	}
	for name, want := range map[string]string{"kept": "192.0.2.1=7 192.0.2.2=14", "grown": "1=10 2=20 3=30", "other": "1=1", "old": "1=12"} {
		if got := content(t, g, name); got != want {
			t.Errorf("%s holds %s, want %s", name, got, want)
		}
	}
	if got := counted(t, g); got != "seen=14 first=12 len[32]=14" {
		t.Errorf("counts %s", got)
	}
	g.Close()
	if now, err := k.Rollback(t.Context(), "edge"); now != 2 || err != nil {
		t.Fatalf("Rollback() = %d, %v", now, err)
	}
	n.Send("wb", frame)
	if got := counted(t, opened(t, k)); got != "second=4 seen=16 len[32]=16" {
		t.Errorf("counts %s", got)
	}
	// The number is new, and what is older than the previous one is gone.
	if g := attachedAs(t, k, Options{Replace: true, Chains: compiled(t, n, first, "wa")}); g.Number != 3 || g.Previous != 2 {
		t.Errorf("generation %d after %d", g.Number, g.Previous)
	}
	if dirs, err := generations(k.dir("edge")); err != nil || !slices.Equal(dirs, []int{2, 3}) {
		t.Errorf("generations %v, %v", dirs, err)
	}
	if links, _ := filepath.Glob(filepath.Join(k.dir("edge"), "link", "*")); len(links) != 1 {
		t.Errorf("links %v", links)
	}
}

// A swap that fails leaves the old generation whole: its links, its programs,
// its record.
func TestReplaceFails(t *testing.T) {
	n := nstest.New(t)
	k := kernel(t)
	n.Veth("wa", "wb", 1500)
	foreign := compiled(t, n, first, "wb")
	g, err := k.Attach(t.Context(), Options{Name: "foreign", Chains: foreign})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	attachedAs(t, k, Options{Chains: compiled(t, n, first, "wa", "wa:tc-ingress")})
	before := pins(t, k)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	broken := compiled(t, n, second, "wa", "wa:tc-ingress")
	broken[0].Program.Exits[1].Verdict = "TX"
	for _, x := range []struct {
		name string
		ctx  context.Context
		o    Options
		want string
	}{
		{"one place is taken", t.Context(), Options{Chains: compiled(t, n, second, "wa", "wa:tc-ingress", "wb")}, `already in use by XDP program`},
		{"no interface", t.Context(), Options{Chains: compiled(t, n, second, "wa", "wa:tc-ingress", "nosuch")}, `no such interface`},
		{"no parameter", t.Context(), Options{Chains: compiled(t, n, second, "wa"), Set: map[string]string{"x": "1"}}, `param not found`},
		{"another mode", t.Context(), Options{Chains: compiled(t, n, second, "wa"), How: How{Mode: attach.Generic}}, `runs in mode native, which cannot become generic`},
		{"the self-test fails", t.Context(), Options{Chains: broken}, `self-test on a frame of TCP: it returned 2 for TX, not 3$`},
		{"interrupted", ctx, Options{Chains: compiled(t, n, second, "wa")}, `context canceled`},
	} {
		t.Run(x.name, func(t *testing.T) {
			x.o.Name, x.o.Pin, x.o.Replace = "edge", true, true
			_, err := k.Attach(x.ctx, x.o)
			if err == nil {
				t.Fatal("no error")
			}
			matches(t, err.Error(), x.want)
			if d := cmp.Diff(before, pins(t, k)); d != "" {
				t.Errorf("pins (-before +after):\n%s", d)
			}
			if r, err := readRecord(k.dir("edge")); err != nil || r != (record{Generation: 1}) {
				t.Errorf("record %v, %v", r, err)
			}
			g := opened(t, k)
			was := counts(t, g)
			n.Send("wb", frame)
			for i, a := range g.Attachments {
				if ok, err := a.Attached(); !ok || err != nil {
					t.Errorf("%s: Attached() = %t, %v", a.Where, ok, err)
				}
				if now := counts(t, g); now[i] != was[i]+1 {
					t.Errorf("%s counted %d, then %d", a.Where, was[i], now[i])
				}
			}
		})
	}
}

// counts returns the packets at each place.
func counts(t *testing.T, g *Generation) []uint64 {
	t.Helper()
	out := make([]uint64, len(g.Attachments))
	for i, a := range g.Attachments {
		xs, err := a.Exits()
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range xs {
			out[i] += x.Packets
		}
	}
	return out
}

// What a replaced generation alone had leaves the kernel.
func TestReplaceLeaksNothing(t *testing.T) {
	n := nstest.New(t)
	k := kernel(t)
	n.Veth("wa", "wb", 1500)
	var ids []ebpf.ProgramID
	for i, source := range []string{first, second, first, second} {
		attachedAs(t, k, Options{Replace: i > 0, Chains: compiled(t, n, source, "wa", "wb:tc-egress")})
		g := opened(t, k)
		for _, a := range g.Attachments {
			ids = append(ids, a.ProgramID())
		}
		g.Close()
	}
	for i, id := range ids {
		gone := i < 4 // of the first two generations
		for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
			p, err := ebpf.NewProgramFromID(id)
			if err == nil {
				p.Close()
			}
			if errors.Is(err, os.ErrNotExist) == gone {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("program %d of generation %d is there: %t", id, i/2+1, err == nil)
			}
		}
	}
}
