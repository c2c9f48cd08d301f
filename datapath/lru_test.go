package datapath

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/cilium/ebpf"

	"weir/lang"
)

const lruSource = `
R = record(n = u32, len = u16)
seen  = lru(ip4, u64, size = 256, init = {ip4("192.0.2.1"): 7, ip4("192.0.2.2"): 8})
known = lru(ip4, size = 256)
last  = lru(ip4, R, size = 256, expiring = "1ns")

def main(pkt):
    src = pkt.ip4.src
    if pkt.ip4.id == 1:
        seen.pop(src)
        known.discard(src)
        return DROP
    seen[src] += 1
    known.add(src)
    known.add(src)
    last[src] = R(n = 1, len = pkt.len)
    last[src] = R(n = 2, len = pkt.len)
    return PASS
`

// What came into an lru is there, was removed, or is counted as forgotten.
func TestForgotten(t *testing.T) {
	p, err := lang.Compile([]byte(lruSource), lang.Options{File: "lru.weir"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Load(p, LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	run := func(src, id int) {
		t.Helper()
		f := make([]byte, 64)
		f[12], f[14] = 8, 0x45
		binary.BigEndian.PutUint16(f[16:], 50)
		binary.BigEndian.PutUint16(f[18:], uint16(id))
		binary.BigEndian.PutUint32(f[26:], 0x0a000000+uint32(src))
		if _, err := s.Object(p).Run(&ebpf.RunOptions{Data: f}); err != nil {
			t.Fatal(err)
		}
	}
	came := map[string]uint64{"seen": 2}
	check := func(when string, some bool) {
		t.Helper()
		forgotten, err := s.Forgotten()
		if err != nil || len(forgotten) != 3 {
			t.Fatalf("%s: Forgotten() = %v, %v", when, forgotten, err)
		}
		for _, c := range forgotten {
			there := uint64(0)
			mapOf(t, s, c.Name).walk(func(_, _ []byte) error { there++; return nil })
			if c.N+there != came[c.Name] || some != (c.N > 0) {
				t.Errorf("%s: %s: %d came, %d are there, %d were forgotten", when, c.Name, came[c.Name], there, c.N)
			}
			live := there
			if c.Name == "last" {
				live = 0 // all have expired
			}
			f, err := s.Fill(t.Context(), mapOf(t, s, c.Name))
			if err != nil || f != (Fill{live, c.N}) {
				t.Errorf("%s: %s: Fill() = %+v, %v, want %d entries and %d forgotten", when, c.Name, f, err, live, c.N)
			}
		}
	}
	check("at first", false)
	for i := range 20 {
		run(i, 0)
		run(i, 0)
	}
	for i := range 5 {
		run(i, 1)
		run(i, 1)
	}
	came["seen"] += 15
	came["known"] += 15
	came["last"] += 20
	check("with room", false)

	for i := range 3000 {
		run(1000+i, 0)
	}
	for _, name := range []string{"seen", "known", "last"} {
		came[name] += 3000
	}
	check("full", true)

	m := mapOf(t, s, "seen")
	for range 2 {
		if err := m.Put("198.51.100.1", "1"); err != nil {
			t.Fatal(err)
		}
	}
	came["seen"]++
	check("after put", true)
	if err := m.Delete("198.51.100.1"); err != nil {
		t.Fatal(err)
	}
	came["seen"]--
	if err := m.Delete("198.51.100.1"); !errors.Is(err, ErrNoSuchKey) {
		t.Errorf("second delete: %v", err)
	}
	check("after delete", true)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if f, err := s.Fill(ctx, m); !errors.Is(err, context.Canceled) {
		t.Errorf("Fill() = %+v, %v, want that it stops", f, err)
	}
	if r, err := s.Refused(); err != nil || len(r) != 0 {
		t.Errorf("Refused() = %v, %v", r, err)
	}
}
