package datapath

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/google/go-cmp/cmp"

	"weir/attach"
	"weir/hook"
	"weir/internal/nstest"
	"weir/lang"
)

// objects reads the objects of the tests of package object.
func objects(name string) ([]byte, error) { return os.ReadFile("../object/testdata/" + name) }

func compileWith(t *testing.T, source string, h hook.Hook) *lang.Program {
	t.Helper()
	p, err := lang.Compile([]byte(source), lang.Options{File: "t.weir", Hook: h, Load: objects})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// tallied loads a chain, runs it once on frame, and returns its counters.
func tallied(t *testing.T, source string, h hook.Hook, set map[string]string) (map[string]uint64, *State) {
	t.Helper()
	p := compileWith(t, source, h)
	s, err := Load(p, LoadOptions{Set: set})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, err := s.Object(p).Run(&ebpf.RunOptions{Data: frame, DataOut: make([]byte, 256)}); err != nil {
		t.Fatal(err)
	}
	cs, err := s.Counts()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]uint64{}
	for _, c := range cs {
		got[c.Name] = c.N
	}
	return got, s
}

// A C function gets what C promises it, and gives what the chain expects: widths,
// signs and byte orders.
func TestObjectIntegers(t *testing.T) {
	const source = `
load("./sample.o", "low", "port", "net", "even")

def tell(name, x):
    count(name, x)

def main(pkt):
    n = pkt.len + 196 # 256
    tell("wraps", low(u8(n + 1), 0, 0, 0, 0))
    tell("negative", 0 - low(u8(n), -5, 0, 0, 0))
    tell("wide", low(0, 0, u16(n * 256 + 3), -1, n * n))
    tell("port", port(u16(n - 2)))
    if net(ip4(n * 65536 + 77)) == ip4("1.0.0.0"):
        tell("net", 1)
    tell("even", 1 if even(n) and not even(n + 1) else 0)
    return PASS
`
	want := map[string]uint64{"wraps": 1, "negative": 5, "wide": 2, "port": 255, "net": 1, "even": 1}
	for _, h := range []hook.Hook{hook.XDP, hook.TCIngress, hook.TCEgress} {
		t.Run(h.String(), func(t *testing.T) {
			got, _ := tallied(t, source, h, nil)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("counters (-want +got):\n%s", diff)
			}
		})
	}
}

// A struct pointer is a record, also one in a map; what C writes the chain reads.
func TestObjectStructs(t *testing.T) {
	const source = `
load("./sample.o", "note", "keep", "hit", "last")

MINE = record(addr = ip4, n = u32)
kept = table(u32, MINE, size = 4, init = {7: MINE(addr = ip4("192.0.2.7"), n = 40)})

def main(pkt):
    h = hit(src = ip4("192.0.2.1"), count = 5)
    count("result", note(h))
    count("field", h.count)
    keep(h)
    count("kept", last[ip4("192.0.2.1")].count)
    r = kept[7]
    if r:
        note(r)
    count("in a map", kept[7].n)
    count("none", 1 if note(kept[8]) == -1 else 0)
    return PASS
`
	got, s := tallied(t, source, hook.XDP, nil)
	want := map[string]uint64{"result": 7, "field": 7, "kept": 7, "in a map": 42, "none": 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"192.0.2.1": "{src: 192.0.2.1, count: 7}"}, dump(t, mapOf(t, s, "last"))); diff != "" {
		t.Errorf("last (-want +got):\n%s", diff)
	}
}

// Ports in network order are numbers in a chain, in records and as keys.
func TestObjectNetworkOrder(t *testing.T) {
	const source = `
load("./sample.o", "by_port", "next_port", "peer")

mine = table(u32, peer, size = 4, init = {1: peer(addr = ip4("192.0.2.1"), port = 80, weight = 2)})

def main(pkt):
    p = peer(addr = ip4("192.0.2.1"), port = 443, weight = 1)
    count("next", next_port(p))
    p.port += 5
    count("port", p.port)
    count("kept", by_port[444].port + by_port[444].weight)
    m = mine[1]
    if m:
        m.port += 1
        count("mine", next_port(m))
    return PASS
`
	got, s := tallied(t, source, hook.XDP, nil)
	if diff := cmp.Diff(map[string]uint64{"next": 444, "port": 449, "kept": 445, "mine": 82}, got); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
	want := map[string]string{"444": "{addr: 192.0.2.1, port: 444, weight: 1}", "82": "{addr: 192.0.2.1, port: 82, weight: 2}"}
	if diff := cmp.Diff(want, dump(t, mapOf(t, s, "by_port"))); diff != "" {
		t.Errorf("by_port (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"1": "{addr: 192.0.2.1, port: 82, weight: 2}"}, dump(t, mapOf(t, s, "mine"))); diff != "" {
		t.Errorf("mine (-want +got):\n%s", diff)
	}
}

// Maps of the object stand beside the chain's, variables are maps, and those that
// are const volatile are params.
func TestObjectState(t *testing.T) {
	const source = `
load("./sample.o", "weigh", "listed", "nets", most = "limit")

def main(pkt):
    count("heavy", weigh(101))
    count("light", weigh(2))
    count("listed", listed(ip4("192.0.2.9")))
    count("most", most)
    return PASS
`
	got, s := tallied(t, source, hook.TCIngress, nil)
	want := map[string]uint64{"heavy": 101*3 + 2, "light": 2*3 + 4, "listed": 0, "most": 100}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
	var names []string
	for _, m := range s.Maps() {
		names = append(names, m.Name+" "+m.Kind)
	}
	if diff := cmp.Diff([]string{"nets lpm", "sample.bss array", "sample.data array", "sample.hits table"}, names); diff != "" {
		t.Errorf("maps (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"0": "{calls: 2}"}, dump(t, mapOf(t, s, "sample.bss"))); diff != "" {
		t.Errorf("variables (-want +got):\n%s", diff)
	}
	strict, _ := tallied(t, source, hook.TCIngress, map[string]string{"sample.strict": "true", "most": "50"})
	want = map[string]uint64{"heavy": 0, "light": 10, "listed": 0, "most": 50}
	if diff := cmp.Diff(want, strict); diff != "" {
		t.Errorf("counters with params set (-want +got):\n%s", diff)
	}
}

// What a function has not changed is still known; after one that may have, the chain
// reads the packet anew.
func TestObjectContext(t *testing.T) {
	const source = `
load("./sample.o", "size", "stamp")

def main(pkt):
    eth = pkt.eth
    if not eth or eth.type != 0x0800:
        return PASS
    before = pkt.u8(15)
    count("size", size(pkt))
    count("same", 1 if eth.type == 0x0800 else 0)
    for i in range(3):
        stamp(pkt, before + 9 + i)
    count("after", pkt.u8(15))
    count("type", 1 if pkt.eth.type == 0x0800 else 0)
    return PASS
`
	got, _ := tallied(t, source, hook.XDP, nil)
	if diff := cmp.Diff(map[string]uint64{"size": 60, "same": 1, "after": 11, "type": 1}, got); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
	got, _ = tallied(t, "load(\"./part.o\", \"whole\")\n\ndef main(pkt):\n    count(\"more\", whole(pkt, 4))\n    return PASS\n", hook.XDP, nil)
	if got["more"] != 5 {
		t.Errorf("of a struct that is only declared: %v, want 5", got)
	}
	got, _ = tallied(t, "load(\"./sample.o\", \"skb_size\")\n\ndef main(pkt):\n    count(\"size\", skb_size(pkt))\n    return PASS\n", hook.TCEgress, nil)
	if got["size"] != 60 {
		t.Errorf("size of an skb: %v, want 60", got)
	}
}

// At every hook a function that takes what the kernel gives there is called with it.
func TestObjectHooks(t *testing.T) {
	for _, h := range hook.All() {
		fn := map[string]string{"xdp_md": "size", "__sk_buff": "skb", "bpf_nf_ctx": "filtered", "bpf_sock_addr": "asked", "bpf_sk_lookup": "looked_up"}[h.Context()]
		file, arg := "contexts.o", "pkt"
		if h == hook.XDP {
			file = "sample.o"
		}
		if h.Info().Conn {
			arg = "conn"
		}
		source := fmt.Sprintf("load(%q, f = %q)\n\ndef main(%s):\n    count(\"got\", f(%[3]s))\n    return PASS\n", "./"+file, fn, arg)
		s, err := Load(compileWith(t, source, h), LoadOptions{})
		if errors.Is(err, ebpf.ErrNotSupported) {
			t.Logf("%s: %v", h, err) // of a kernel that has not the hook
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", h, err)
			continue
		}
		s.Close()
	}
}

// Relocations of CO-RE are those of the running kernel.
func TestObjectCORE(t *testing.T) {
	spec, err := btf.LoadKernelSpec()
	if err != nil {
		t.Fatal(err)
	}
	var dev *btf.Struct
	if err := spec.TypeByName("net_device", &dev); err != nil {
		t.Fatal(err)
	}
	at, ok := member(dev.Members, "mtu")
	if !ok || at == 0 {
		t.Fatalf("net_device.mtu at %d, %t", at, ok)
	}
	got, _ := tallied(t, "load(\"./sample.o\", \"offset_of_mtu\")\n\ndef main(pkt):\n    count(\"at\", offset_of_mtu(1))\n    return PASS\n", hook.XDP, nil)
	if got["at"] != uint64(at)+1 {
		t.Errorf("offset %d, want that of the kernel, %d", got["at"]-1, at)
	}
}

// What the verifier refuses is told at the line of the C source.
func TestObjectRefused(t *testing.T) {
	_, err := Load(compileWith(t, "load(\"./refused.o\", \"peek\")\n\ndef main(pkt):\n    return DROP if peek(pkt) > 3 else PASS\n", hook.XDP), LoadOptions{})
	var v *VerifierError
	if !errors.As(err, &v) {
		t.Fatalf("got %v, want what the verifier says", err)
	}
	if !strings.HasSuffix(v.Pos.File, "refused.c") || v.Pos.Line != 8 || !strings.Contains(v.Text, "return p[13]") {
		t.Errorf("place %s, line %q; want line 8 of refused.c", v.Pos, v.Text)
	}
	if want := "the kernel's verifier refused peek() of refused.o: invalid access to packet"; !strings.HasPrefix(v.Message, want) {
		t.Errorf("message %q, want %q…", v.Message, want)
	}
}

// State of an object stays at a swap, as that of a chain does, also after the
// generation was found again by another process.
func TestObjectSwap(t *testing.T) {
	const source = "load(\"./sample.o\", \"weigh\")\n\ndef main(pkt):\n    return DROP if weigh(2) > %s else PASS\n"
	n := nstest.New(t)
	k := kernel(t)
	n.Veth("wa", "wb", 1500)
	attachOne := func(bound string) *Generation {
		t.Helper()
		p := compileWith(t, strings.Replace(source, "%s", bound, 1), hook.TCEgress)
		g, err := k.Attach(context.Background(), Options{Name: "t", Pin: true, Replace: true, Chains: []Chain{{
			Where: attach.Where{Netns: n.Path, Interface: "wb", Hook: hook.TCEgress}, Program: p}}})
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	attachOne("1000").Close()
	n.Send("wb", frame)
	attachOne("2000").Close()
	n.Send("wb", frame)
	g, err := k.Open("t")
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if diff := cmp.Diff(map[string]string{"0": "{calls: 2}"}, dump(t, mapOf(t, g.State, "sample.bss"))); diff != "" {
		t.Errorf("variables (-want +got):\n%s", diff)
	}
}

// A small function that stands in the place of its calls does what it does when it is
// called: with numbers of all widths, and records on the stack, in maps, and absent.
func TestObjectInlined(t *testing.T) {
	const source = `
load("./leaf.o", "bump", "bump_called", "chosen", "chosen_called", "clamp", "clamp_called", "early", "early_called", "in_range", "in_range_called",
    "mix", "mix_called", "next", "next_called", "pair", "reset", "reset_called", "total", "total_called")

kept = table(u32, pair, size = 4, init = {1: pair(a = 3, b = 4, c = 5, d = 6), 2: pair(a = 3, b = 4, c = 5, d = 6)})

def same(a, b):
    count("compared")
    if a != b:
        count("differ")

def main(pkt):
    m, n = kept[1], kept[2]
    for i in range(pkt.len - 8, max = 52):
        x, y = u32(pkt.u32(i) ^ i * 2654435761), u16(pkt.u16(i + 4) ^ i * 40503)
        same(clamp(x, y, 16777216), clamp_called(x, y, 16777216))
        same(mix(x * x, y, i8(x)), mix_called(x * x, y, i8(x)))
        same(next(y), next_called(y))
        same(early(i & 7), early_called(i & 7))
        same(in_range(x & 255), in_range_called(x & 255))
        p, q = pair(a = x, b = y, c = i, d = x * y), pair(a = x, b = y, c = i, d = x * y)
        same(total(p), total_called(q))
        same(chosen(p, m, x), chosen_called(q, n, x))
        same(bump(p, y), bump_called(q, y))
        same(p.a + p.c + p.d, q.a + q.c + q.d)
        bump(m, y)
        bump_called(n, y)
        same(kept[1].a + kept[1].c, kept[2].a + kept[2].c)
    same(total(kept[3]), total_called(kept[3]))
    reset(m)
    reset_called(n)
    reset(kept[3])
    same(kept[1].a, 0)
    same(kept[2].a, 0)
    return PASS
`
	for _, h := range []hook.Hook{hook.XDP, hook.TCIngress} {
		got, _ := tallied(t, source, h, nil)
		if want := map[string]uint64{"compared": 52*10 + 3, "differ": 0}; !cmp.Equal(want, got) {
			t.Errorf("%s: %v, want %v", h, got, want)
		}
	}
	insns, err := compileWith(t, source, hook.XDP).Foreign("")
	if err != nil {
		t.Fatal(err)
	}
	for i := range insns {
		if s := insns[i].Symbol(); s != "" && !strings.HasSuffix(s, "_called") {
			t.Errorf("%s is a function of the program", s)
		}
	}
}
