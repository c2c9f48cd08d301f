package datapath

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"

	"weir/hook"
	"weir/lang"
)

// stateOf loads a chain with one map m and a use of it, after a state if it is
// not nil.
func stateOf(t *testing.T, from *State, decl, use string) *State {
	t.Helper()
	source := fmt.Sprintf("R = record(a = u16, b = ip4)\nS = record(c = u8, b = ip4, a = i64)\nm = %s\n\ndef main(pkt):\n    %s\n    return PASS\n", decl, use)
	p, err := lang.Compile([]byte(source), lang.Options{File: "edge.weir", Hook: hook.XDP})
	if err != nil {
		t.Fatalf("%v\n%s", err, source)
	}
	s := newState()
	t.Cleanup(func() { s.Close() })
	if from != nil {
		s.heir = &heir{from: from}
	}
	if _, err := s.add(p, false, interfaceIndex); err != nil {
		t.Fatal(err)
	}
	return s
}

// listOf lists the entries of m, sorted, or for what cannot be listed how many can
// be popped.
func listOf(t *testing.T, s *State) string {
	t.Helper()
	m, err := s.Map("m")
	if err != nil {
		t.Fatal(err)
	}
	if m.Keyless() {
		n := 0
		for ; ; n++ {
			if _, ok, err := m.Pop(); !ok || err != nil {
				return fmt.Sprint(n)
			}
		}
	}
	var out []string
	if err := m.Each(func(k, v []byte) error {
		s := m.Key.Format(k)
		if !m.Set() {
			s += "=" + m.Value.Format(v)
		}
		out = append(out, s)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestCarryMaps(t *testing.T) {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		t.Fatal(err)
	}
	const touch = "count(\"x\", m[1])"
	for _, x := range []struct {
		name, old, next string
		use             string // of both
		fate            Fate
		put             [][2]string
		want            string
		left            int
	}{
		{name: "the same", old: "table(u16, u64, size = 4)", next: "table(u16, u64, size = 4)", fate: Kept, put: [][2]string{{"1", "5"}}, want: "1=5"},
		{name: "another time to live", old: "table(u16, u64, size = 4, expiring = \"60s\")", next: "table(u16, u64, size = 4, expiring = \"600s\")", fate: Kept, put: [][2]string{{"1", "5"}}, want: "1=5"},
		{name: "expires from now on", old: "table(u16, u32, size = 4)", next: "table(u16, u32, size = 4, expiring = \"600s\")", fate: Converted, put: [][2]string{{"1", "5"}}, want: "1=5"},
		{name: "expires no more", old: "table(u16, u32, size = 4, expiring = \"600s\")", next: "table(u16, u32, size = 4)", fate: Converted, put: [][2]string{{"1", "5"}}, want: "1=5"},
		{name: "smaller", old: "table(u16, u32, size = 4)", next: "table(u16, u32, size = 1)", fate: Converted, put: [][2]string{{"1", "5"}, {"1", "6"}}, want: "1=6"},
		{name: "too small", old: "array(u32, size = 3)", next: "array(u32, size = 2)", use: touch, fate: Converted, put: [][2]string{{"1", "5"}, {"2", "6"}}, want: "0=0 1=5", left: 1},
		{name: "a longer array", old: "array(u32, size = 2)", next: "array(u64, size = 3)", use: touch, fate: Converted, put: [][2]string{{"1", "5"}}, want: "0=0 1=5 2=0"},
		{name: "a sign is kept", old: "table(u16, i16, size = 4)", next: "table(u16, i64, size = 4)", fate: Converted, put: [][2]string{{"1", "-3"}}, want: "1=-3"},
		{name: "a sign is got", old: "table(u16, u16, size = 4)", next: "table(u16, i32, size = 4)", fate: Converted, put: [][2]string{{"1", "65535"}}, want: "1=65535"},
		{name: "a sign is lost", old: "table(u16, i32, size = 4)", next: "table(u16, u64, size = 4)", fate: Emptied, put: [][2]string{{"1", "-3"}}},
		{name: "narrower", old: "table(u16, u32, size = 4)", next: "table(u16, u16, size = 4)", fate: Emptied, put: [][2]string{{"1", "5"}}},
		{name: "other keys", old: "table(u16, u32, size = 4)", next: "table(u32, u32, size = 4, init = {7: 8})", fate: Emptied, put: [][2]string{{"1", "5"}}, want: "7=8"},
		{name: "fields", old: "table(u16, R, size = 4)", next: "table(u16, S, size = 4)", use: "count(\"x\", m[1].a)", fate: Converted,
			put: [][2]string{{"1", "{a: 7, b: 192.0.2.1}"}}, want: "1={c: 0, b: 192.0.2.1, a: 7}"},
		{name: "fields do not fit", old: "table(u16, S, size = 4)", next: "table(u16, R, size = 4)", use: "count(\"x\", m[1].a)", fate: Emptied,
			put: [][2]string{{"1", "{c: 1, b: 192.0.2.1, a: 7}"}}},
		{name: "a tuple", old: "table(u16, (u8, u16), size = 4)", next: "table(u16, (u32, u16), size = 4)", use: "count(\"x\", m[1][0])", fate: Converted,
			put: [][2]string{{"1", "(7, 8)"}}, want: "1=(7, 8)"},
		{name: "a set", old: "table(u16, size = 4)", next: "lru(u16, size = 9)", use: "count(\"x\", 1 in m)", fate: Converted, put: [][2]string{{"1", ""}}, want: "1"},
		{name: "prefixes", old: "lpm(prefix4, u16, size = 4)", next: "lpm(prefix4, u32, size = 9)", use: "count(\"x\", m[pkt.ip4.src] if pkt.ip4 else 0)", fate: Converted,
			put: [][2]string{{"192.0.2.0/24", "5"}}, want: "192.0.2.0/24=5"},
		{name: "a value for each CPU", old: "table(u16, u64, size = 4)", next: "table(u16, u64, size = 4, percpu = True)", fate: Converted, put: [][2]string{{"1", "5"}}, want: "1=5"},
		{name: "a value for all CPUs", old: "table(u16, u64, size = 4, percpu = True)", next: "table(u16, u64, size = 4)", fate: Converted,
			put: [][2]string{{"1", "5"}}, want: fmt.Sprintf("1=%d", 5*cpus)},
		{name: "wider on each CPU", old: "table(u16, u32, size = 4, percpu = True)", next: "lru(u16, u64, size = 9, percpu = True)", fate: Converted,
			put: [][2]string{{"1", "5"}}, want: fmt.Sprintf("1=%d", 5*cpus)},
		{name: "an array is no table", old: "array(u32, size = 4)", next: "table(u32, u32, size = 4)", use: touch, fate: Emptied, put: [][2]string{{"1", "5"}}},
		{name: "a queue", old: "queue(u32, size = 4)", next: "queue(u32, size = 4)", use: "m.push(1)", fate: Kept, put: [][2]string{{"", "5"}}, want: "1"},
		{name: "a longer queue", old: "queue(u32, size = 4)", next: "queue(u32, size = 8)", use: "m.push(1)", fate: Emptied, put: [][2]string{{"", "5"}}, want: "0"},
	} {
		t.Run(x.name, func(t *testing.T) {
			if x.use == "" {
				x.use = touch
			}
			old := stateOf(t, nil, x.old, x.use)
			m, err := old.Map("m")
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range x.put {
				if err := m.Put(e[0], e[1]); err != nil {
					t.Fatal(err)
				}
			}
			next := stateOf(t, old, x.next, x.use)
			c := next.heir.changes[0]
			if c.Fate != x.fate || c.Left != x.left || (c.Why == "") != (x.fate == Kept) {
				t.Errorf("change %+v, want %s", *c, x.fate)
			}
			if got := listOf(t, next); got != x.want {
				t.Errorf("holds %s, want %s", got, x.want)
			}
		})
	}
}
