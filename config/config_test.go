package config

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"weir/hook"
	"weir/lang/diag"
)

// A guard is a section for tests.
type guard struct {
	Allow []netip.Prefix `yaml:"allow" doc:"never dropped"`
	Limit uint16         `yaml:"limit" doc:"packets a second"`
	For   time.Duration  `yaml:"for"`
	Hard  bool           `yaml:"hard"`
	Kind  string         `yaml:"kind" enum:"soft,firm"`
}

// load reads a tree of files, of which the first is main.yaml.
func load(files map[string]string) (*Config, error) {
	tree := fstest.MapFS{}
	for name, text := range files {
		tree[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return Load("main.yaml", Options{
		Sections: map[string]func() any{"guard": func() any { return new(guard) }},
		Read:     tree.ReadFile,
		ReadDir:  func(n string) ([]fs.DirEntry, error) { return fs.ReadDir(tree, path.Clean(n)) },
	})
}

const whole = `
include: [more, one.yaml]
interfaces:
  eth0:
    xdp: [guard, ./edge.weir]
    tc-egress: ./edge.weir:outgoing
  veth*: { tc-ingress: { chains: [{ chain: chains/a.weir, mode: observe }], first: true } }
  address=192.0.2.0/24: { xdp: acl.o }
host: { netfilter-input: { chains: /etc/weir/in.weir, priority: -10, defrag: true } }
netns:
  blue: { interfaces: { eth1: { xdp: edge.weir } }, sk-lookup: sk.weir }
cgroups: { /system.slice/web.service: { connect: web.weir } }
params: { edge.limit: 2000, edge.on: true, edge.who: 192.0.2.1 }
maps:
  edge.blocked: [192.0.2.0/24, 2001:db8::/32]
  edge.hits: { entries: { 192.0.2.1: 5, 192.0.2.2: }, file: list.txt, dir: [lists], rest: keep }
guard: { allow: 10.0.0.0/8, limit: 0x10, for: 1m30s, hard: true, kind: firm }
`

// tree is a config of several files, with one of them as given.
func tree(one string) map[string]string {
	return map[string]string{
		"main.yaml": whole, "more/b.yaml": "params: { b.x: 1 }", "more/a.yml": "maps:\n  a.m: { file: m.txt }", "more/.c.yaml": "[", "one.yaml": one,
	}
}

// What is wrong in a file that is included is told at its place there.
func TestIncluded(t *testing.T) {
	for _, c := range []struct{ one, want string }{
		{
			"interfaces: &all\n  lo: { xdp: [x.weir] }\nhost:\n  interfaces: *all # means the same: said twice\n",
			"one.yaml:2:9: error: lo:xdp is there already, at one.yaml:2:9",
		},
		{"base: &b 1\n", `one.yaml:1:1: error: no key is called "base" here`},
		{"\n", "one.yaml: error: the file is empty"},
	} {
		if _, err := load(tree(c.one)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.one, err, c.want)
		}
	}
}

func TestLoad(t *testing.T) {
	c, err := load(tree("{}"))
	if err != nil {
		t.Fatal(err)
	}
	low := int32(-10)
	file := func(f string) []Chain { return []Chain{{File: f}} }
	sel := func(s string) (x Selector) {
		if err := x.UnmarshalText([]byte(s)); err != nil {
			t.Fatal(err)
		}
		return x
	}
	want := &Config{
		Files: []string{"main.yaml", "more", "more/a.yml", "more/b.yaml", "one.yaml"},
		Places: []Place{
			{Hook: hook.XDP, Iface: sel("eth0"), Run: Run{Chains: []Chain{{NF: "guard"}, {File: "edge.weir"}}}},
			{Hook: hook.TCEgress, Iface: sel("eth0"), Run: Run{Chains: []Chain{{File: "edge.weir", Func: "outgoing"}}}},
			{Hook: hook.TCIngress, Iface: sel("veth*"), Run: Run{Chains: []Chain{{File: "chains/a.weir", Observe: true}}, First: true}},
			{Hook: hook.XDP, Iface: sel("address=192.0.2.0/24"), Run: Run{Chains: file("acl.o")}},
			{Hook: hook.NetfilterInput, Run: Run{Chains: file("/etc/weir/in.weir"), Priority: &low, Defrag: true}},
			{Hook: hook.XDP, Netns: "blue", Iface: sel("eth1"), Run: Run{Chains: file("edge.weir")}},
			{Hook: hook.SkLookup, Netns: "blue", Run: Run{Chains: file("sk.weir")}},
			{Hook: hook.Connect, Cgroup: "/system.slice/web.service", Run: Run{Chains: file("web.weir")}},
		},
		Params: []Param{{Name: "b.x", Value: "1"}, {Name: "edge.limit", Value: "2000"}, {Name: "edge.on", Value: "true"}, {Name: "edge.who", Value: "192.0.2.1"}},
		Maps: []Content{
			{Name: "a.m", Files: []Path{{Path: "more/m.txt"}}},
			{Name: "edge.blocked", Entries: []Line{{Text: "192.0.2.0/24"}, {Text: "2001:db8::/32"}}},
			{
				Name: "edge.hits", Entries: []Line{{Text: "192.0.2.1 5"}, {Text: "192.0.2.2"}},
				Files: []Path{{Path: "list.txt"}}, Dirs: []Path{{Path: "lists"}}, Keep: true,
			},
		},
		Sections: map[string]any{"guard": &guard{
			Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Limit: 16, For: 90 * time.Second, Hard: true, Kind: "firm",
		}},
	}
	same := []cmp.Option{cmpopts.IgnoreTypes(diag.Pos{}), cmp.AllowUnexported(Selector{}), cmpopts.EquateComparable(netip.Prefix{})}
	if d := cmp.Diff(want, c, same...); d != "" {
		t.Error(d)
	}
	if p := c.Places[1]; p.Pos != (diag.Pos{File: "main.yaml", Line: 6, Col: 5}) {
		t.Errorf("the second place is at %v", p.Pos)
	}
}

// A file of testdata says on its lines, behind ###, what is wrong with them.
func TestMistakes(t *testing.T) {
	expect := regexp.MustCompile(`### "(.*)"$`)
	text, err := os.ReadFile("testdata/mistakes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split(string(text), "\n---\n") {
		name, _, _ := strings.Cut(part, "\n")
		t.Run(strings.TrimPrefix(name, "# "), func(t *testing.T) {
			_, err := load(map[string]string{"main.yaml": part})
			var got diag.List
			if !errors.As(err, &got) {
				t.Fatalf("%v", err)
			}
			for i, line := range strings.Split(part, "\n") {
				want := expect.FindStringSubmatch(line)
				at := slices.IndexFunc(got, func(d diag.Diagnostic) bool { return d.Pos.Line == i+1 })
				switch {
				case want == nil && at < 0:
					continue
				case want == nil:
					t.Errorf("line %d: %v", i+1, got[at])
					continue
				case at < 0:
					t.Errorf("line %d: nothing, want %s", i+1, want[1])
					continue
				}
				if ok, err := regexp.MatchString(want[1], got[at].String()); err != nil || !ok {
					t.Errorf("line %d: %v, want %s (%v)", i+1, got[at], want[1], err)
				}
				got = slices.Delete(got, at, at+1)
			}
			if len(got) > 0 {
				t.Errorf("and: %v", got)
			}
		})
	}
}

// What is too much is refused before it takes time or memory.
func TestLimits(t *testing.T) {
	nine := strings.Repeat("*x, ", 9)
	for name, c := range map[string]struct{ text, want string }{
		"octets":  {strings.Repeat("#\n", 1<<20), "more than 1048576 octets"},
		"line":    {"params: {a.b: " + strings.Repeat("x", 1<<16) + "}", "a line has more than 65536 octets"},
		"nesting": {strings.Repeat("[", 200), "more than 100 brackets"},
		"aliases": {"x: &x [1]\n" + strings.Repeat("y: &x ["+nine+"]\n", 20), "aliases make more than 1048576 values"},
		"parser":  {strings.Repeat("a: {\n", 90), "flow mapping end token"},
	} {
		if _, err := load(map[string]string{"main.yaml": c.text}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

func TestSelector(t *testing.T) {
	eth := Iface{Name: "eth0", Driver: "mlx5", Addrs: []netip.Addr{netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::1")}, Default: true}
	for s, want := range map[string]bool{
		"eth0": true, "eth": false, "eth*": true, "e[a-t]h?": true, "v*": false, "driver=mlx5": true, "driver=mlx": false,
		"address=192.0.2.0/24": true, "address=2001:db8::/32": true, "address=10.0.0.0/8": false, "route=default": true,
	} {
		var x Selector
		if err := x.UnmarshalText([]byte(s)); err != nil || x.Matches(eth) != want || x.String() != s {
			t.Errorf("%s: %v, %v, want %v", s, x.Matches(eth), err, want)
		}
	}
	var x Selector
	if err := x.UnmarshalText([]byte("route=default")); err != nil || x.Matches(Iface{Name: "lo"}) || x.Exact() {
		t.Errorf("lo has no default route (%v)", err)
	}
}

// The schema knows each key of a file that Load takes, and says what each is.
func TestSchema(t *testing.T) {
	text, err := Schema(map[string]func() any{"guard": func() any { return new(guard) }})
	if err != nil {
		t.Fatal(err)
	}
	var s struct {
		Properties map[string]struct {
			Description string
			Properties  map[string]any
		}
	}
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	keys, _ := fieldsOf(reflect.TypeFor[file]())
	for _, k := range keys {
		if s.Properties[k].Description == "" {
			t.Errorf("%s is not described", k)
		}
	}
	if g := s.Properties["guard"].Properties; len(g) != 5 || g["kind"] == nil {
		t.Errorf("the section has %v", g)
	}
	for _, h := range hook.All() {
		if in := strings.Contains(string(text), `"`+h.String()+`"`); in != (h != hook.Socket) {
			t.Errorf("%s is in the schema: %v", h, in)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(whole)
	f.Add("a: &a [*a]\nb: {<<: *a, ? [x] : y}")
	f.Add("interfaces: {eth0: {xdp: [&x {chain: a.weir}, *x]}}")
	text, err := os.ReadFile("testdata/mistakes.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	f.Fuzz(func(t *testing.T, text string) {
		c, err := load(map[string]string{"main.yaml": text, "one.yaml": "", "more/a.yaml": ""})
		var l diag.List
		if err != nil && (!errors.As(err, &l) || len(l) == 0) || (err == nil) != (c != nil) {
			t.Errorf("%v, %v", c, err)
		}
	})
}
