package datapath

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"

	"weir/hook"
	"weir/lang"
)

// A program of an object stands in the order of a hook: what its numbers say is a
// verdict, PASS goes on to the next chain, and the kernel gets what it would have.
func TestObjectPrograms(t *testing.T) {
	xdp := map[int]string{2: "PASS", 1: "DROP", 3: "TX", 4: "REDIRECT", 0: "DROP aborted", 9: "DROP aborted"}
	tc := map[int]string{0xff: "PASS", 0: "ACCEPT", 2: "DROP", 3: "PASS", 4: "DROP", 7: "REDIRECT", 6: "PASS"}
	for h, want := range map[hook.Hook]map[int]string{hook.XDP: xdp, hook.TCEgress: tc} {
		file, err := objects("programs.o")
		if err != nil {
			t.Fatal(err)
		}
		fn := map[hook.Hook]string{hook.XDP: "xdp_says", hook.TCEgress: "tc_says"}[h]
		p, err := lang.Compile(file, lang.Options{File: "programs.o", Func: fn, Hook: h, Load: objects, Then: []lang.Part{{
			File: "next.weir", Source: []byte("def main(pkt):\n    count(\"next\")\n    return PASS\n")}}})
		if err != nil {
			t.Fatal(err)
		}
		s, err := Load(p, LoadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		passed := 0
		for n, says := range want {
			octets := bytes.Clone(frame)
			octets[0] = byte(n)
			before := exitsOf(t, s)
			ret, err := s.Object(p).Run(&ebpf.RunOptions{Data: octets, DataOut: make([]byte, 256)})
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for name, count := range exitsOf(t, s) {
				if count > before[name] {
					got += name
				}
			}
			if got != says {
				t.Errorf("%s: %d says %q, want %q", h, n, got, says)
			}
			verdict, _, _ := strings.Cut(says, " ")
			if code, _ := h.Code(verdict); ret != uint32(code) {
				t.Errorf("%s: of %d the kernel gets %d, want %d", h, n, ret, code)
			}
			if says == "PASS" {
				passed++
			}
		}
		if cs, err := s.Counts(); err != nil || len(cs) != 1 || cs[0].N != uint64(passed) {
			t.Errorf("%s: the next chain counted %v, %v; want %d", h, cs, err, passed)
		}
		again := p.Parts()
		if again[0].File != "programs.o" || again[0].Func != fn || !bytes.Equal(again[0].Source, file) {
			t.Errorf("%s: compiled again it would be %s:%s", h, again[0].File, again[0].Func)
		}
	}
}

// exitsOf returns how often a program ended in each way: "DROP aborted".
func exitsOf(t *testing.T, s *State) map[string]uint64 {
	t.Helper()
	xs, err := s.units[0].exits(0)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]uint64{}
	for _, x := range xs {
		got[strings.TrimSpace(x.Verdict+" "+x.Reason)] += x.Packets
	}
	return got
}

// A map of every kind: how it is declared, and what it holds.
func TestObjectMaps(t *testing.T) {
	_, s := tallied(t, "load(\"./maps.o\", \"fill\")\n\ndef main(pkt):\n    fill(pkt.len)\n    return PASS\n", hook.XDP, nil)
	got := map[string]string{}
	for _, m := range s.Maps() {
		content := ""
		if m.Listed() {
			content = fmt.Sprint(dump(t, m))
		}
		got[m.Name] = fmt.Sprintf("%s %s %s %s", m.Kind, m.Key, m.Value, content)
	}
	want := map[string]string{
		"maps.hash":         "table u32 record(a = u32, b = u32) map[60:{a: 60, b: 61}]",
		"maps.array":        "array u32 u64 map[0:60 1:0 2:0 3:0]",
		"maps.percpu_hash":  "table ip4 u64 map[60.0.0.0:60]",
		"maps.percpu_array": "array u32 u32 map[0:60 1:0]",
		"maps.lru":          "lru octets(8) octets(8) map[7765697200003c00:7765697200003c00]",
		"maps.percpu_lru":   "lru u16 u8 map[60:60]",
		"maps.queue":        "queue nothing u64 ",
		"maps.stack":        "stack nothing u16 ",
		"maps.events":       "ring nothing record(a = u32, b = u32) ",
		"maps.raw":          "ring nothing nothing ",
		"maps.bloom":        "bloom u32 nothing ",
		"maps.bss":          "array u32 octets(8) map[0:7765697200003c00]",
		"maps.data":         "array u32 octets(3) map[0:010303]",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("maps (-want +got):\n%s", diff)
	}
	w, err := s.Watch()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	var events []string
	if err := w.Drain(func(e Event) error { events = append(events, e.Ring+" "+e.Text); return nil }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(events)
	if diff := cmp.Diff([]string{"maps.events {a: 60, b: 61}", "maps.raw 3c3c3c"}, events); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}
