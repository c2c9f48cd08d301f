package datapath

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"weir/hook"
	"weir/internal/codetest"
)

func loaded(t *testing.T) *State {
	t.Helper()
	s, err := Load(codetest.Chain(hook.XDP, codetest.ChainOptions{}), LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func mapOf(t *testing.T, s *State, name string) *Map {
	t.Helper()
	m, err := s.Map(name)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// dump returns all entries as texts.
func dump(t *testing.T, m *Map) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := m.Each(func(k, v []byte) error {
		out[m.Key.Format(k)] = m.Value.Format(v)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return out
}

func TestMaps(t *testing.T) {
	s := loaded(t)
	tests := []struct {
		name  string
		init  map[string]string
		key   string // put, got, removed
		value string
		as    string // key that finds it, if another
	}{
		{name: "blocked", init: map[string]string{"203.0.113.0/24": ""}, key: "10.0.0.0/8", as: "10.1.2.3"},
		{name: "hits.state", init: map[string]string{"192.0.2.1": "{n: 7, src: 192.0.2.9}"}, key: "10.0.0.1", value: "{n: 3, src: 1.2.3.4}"},
		{name: "recent", init: map[string]string{"192.0.2.1": "5"}, key: "10.0.0.1", value: "65535"},
		{name: "seen", init: map[string]string{}, key: "10.0.0.1"},
		{name: "per_cpu", init: map[string]string{}, key: "10.0.0.1", value: "{n: 0, src: 1.2.3.4}"},
		{name: "arr[0]", init: map[string]string{"0": "0", "1": "0", "2": "0", "3": "0"}, key: "2", value: "9"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := mapOf(t, s, tt.name)
			if diff := cmp.Diff(tt.init, dump(t, m)); diff != "" {
				t.Errorf("first content (-want +got):\n%s", diff)
			}
			if err := m.Put(tt.key, tt.value); err != nil {
				t.Fatal(err)
			}
			as := tt.key
			if tt.as != "" {
				as = tt.as
			}
			if got, err := m.Get(as); err != nil || got != tt.value {
				t.Errorf("Get(%s) = %q, %v, want %q", as, got, err, tt.value)
			}
			want := maps.Clone(tt.init)
			want[tt.key] = tt.value
			if diff := cmp.Diff(want, dump(t, m)); diff != "" {
				t.Errorf("after Put (-want +got):\n%s", diff)
			}
			if tt.name == "arr[0]" {
				return
			}
			if err := m.Delete(tt.key); err != nil {
				t.Error(err)
			}
			if err := m.Delete(tt.key); !errors.Is(err, ErrNoSuchKey) {
				t.Errorf("second Delete: %v, want ErrNoSuchKey", err)
			}
			if _, err := m.Get(as); !errors.Is(err, ErrNoSuchKey) {
				t.Errorf("Get after Delete: %v, want ErrNoSuchKey", err)
			}
		})
	}
}

func TestMapErrors(t *testing.T) {
	s := loaded(t)
	hits, arr := mapOf(t, s, "hits.state"), mapOf(t, s, "arr[0]")
	for i := 2; i <= 4; i++ { // 192.0.2.1 is there
		if err := hits.Put(fmt.Sprintf("192.0.2.%d", i), "{}"); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		err  error
		want string
		is   error
	}{
		{hits.Put("192.0.2.5", "{}"), `^map hits.state: set 192.0.2.5: full: there is room for 4 entries$`, ErrFull},
		{hits.Put("192.0.2.1", ""), `^map hits.state: the value is missing \(want record\(n = u64, src = ip4\)\)$`, nil},
		{hits.Put("x", "{}"), `^map hits.state: key: "x" is not an ip4`, nil},
		{arr.Put("4", "1"), `^map arr\[0\]: set 4: past the end: no such key \(the last index is 3\)$`, ErrNoSuchKey},
		{arr.Delete("1"), `entries of an array cannot be removed$`, nil},
		{func() error { _, err := arr.Get("4"); return err }(), `no such key`, ErrNoSuchKey},
		{mapOf(t, s, "seen").Put("1.2.3.4", "1"), `^map seen: value: "1": a set has no values$`, nil},
		{func() error { _, err := s.Map("hits"); return err }(), `^map hits: not found \(there are arr\[0\], blocked, hits.state, per_cpu, recent, seen\)$`, ErrNotFound},
	} {
		if tt.err == nil {
			t.Errorf("no error, want %s", tt.want)
			continue
		}
		matches(t, tt.err.Error(), tt.want)
		if tt.is != nil && !errors.Is(tt.err, tt.is) {
			t.Errorf("%v is not %v", tt.err, tt.is)
		}
	}
}

func TestExpiry(t *testing.T) {
	s := loaded(t)
	for name, val := range map[string]string{"recent": "7", "seen": ""} {
		m := mapOf(t, s, name)
		if err := m.Put("10.0.0.1", val); err != nil {
			t.Fatal(err)
		}
		now := monotonic()
		m.now = func() uint64 { return now + uint64(m.TTL) - 1 - 50e6 }
		if _, err := m.Get("10.0.0.1"); err != nil {
			t.Errorf("%s: gone too early: %v", name, err)
		}
		m.now = func() uint64 { return now + uint64(m.TTL) }
		if _, err := m.Get("10.0.0.1"); !errors.Is(err, ErrNoSuchKey) {
			t.Errorf("%s: there after its time: %v", name, err)
		}
		if got := dump(t, m); len(got) != 0 {
			t.Errorf("%s: %v is shown after its time", name, got)
		}
	}
}

func TestPerCPUSum(t *testing.T) {
	m := mapOf(t, loaded(t), "per_cpu")
	a, _ := m.Value.Parse("{n: 2, src: 0.0.0.0}")
	b, _ := m.Value.Parse("{n: 5, src: 1.2.3.4}")
	if got := m.Value.Format(m.merge([][]byte{a, b})); got != "{n: 7, src: 1.2.3.4}" {
		t.Errorf("merged to %s", got)
	}
}

func TestLoadLines(t *testing.T) {
	const text = `
# feed of the day
10.0.0.0/8
192.0.2.0/24   # documentation
10.0.0.1/8
x
198.51.100.7
`
	m := mapOf(t, loaded(t), "blocked")
	n, err := m.Load(context.Background(), strings.NewReader(text), FillOptions{})
	var bad BadLines
	if n != 0 || !errors.As(err, &bad) || len(bad) != 2 || bad[0].Line != 5 || bad[1].Line != 6 {
		t.Fatalf("loaded %d, %v; want bad lines 5 and 6", n, err)
	}
	matches(t, err.Error(), `^map blocked: line 5: "10.0.0.1/8" is not a prefix4 \(want no bits behind the length: 10.0.0.0/8\)\nline 6: "x" is not a prefix4`)
	if got := len(dump(t, m)); got != 1 {
		t.Errorf("%d entries after a refused load, want 1", got)
	}
	n, err = m.Load(context.Background(), strings.NewReader(text), FillOptions{Skip: true})
	if n != 3 || !errors.As(err, &bad) {
		t.Errorf("loaded %d, %v; want 3 and the bad lines", n, err)
	}
	want := []string{"10.0.0.0/8", "192.0.2.0/24", "198.51.100.7/32", "203.0.113.0/24"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(dump(t, m)))); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

func TestLoadValues(t *testing.T) {
	s := loaded(t)
	m := mapOf(t, s, "per_cpu") // no batches there
	n, err := m.Load(context.Background(), strings.NewReader("1.2.3.4 {n: 0, src: 5.6.7.8}\n1.2.3.5\n"), FillOptions{Skip: true})
	if n != 1 || err == nil {
		t.Fatalf("loaded %d, %v", n, err)
	}
	matches(t, err.Error(), `line 2: the value is missing \(want record`)
	if got, err := m.Get("1.2.3.4"); got != "{n: 0, src: 5.6.7.8}" {
		t.Errorf("got %q, %v", got, err)
	}
	hits := mapOf(t, s, "hits.state")
	var lines bytes.Buffer
	for i := range 9 {
		fmt.Fprintf(&lines, "10.0.0.%d {n: %d}\n", i, i)
	}
	n, err = hits.Load(context.Background(), &lines, FillOptions{})
	if n != 3 || !errors.Is(err, ErrFull) {
		t.Errorf("loaded %d, %v; want 3 and ErrFull", n, err)
	}
	matches(t, err.Error(), `^map hits.state: after 3 of 9 entries: .*set 10.0.0.3: full: there is room for 4 entries$`)
}

func TestLoadTooMuchForLRU(t *testing.T) {
	var lines bytes.Buffer
	for i := range 101 {
		fmt.Fprintf(&lines, "10.0.0.%d\n", i)
	}
	n, err := mapOf(t, loaded(t), "seen").Load(context.Background(), &lines, FillOptions{})
	if n != 0 || !errors.Is(err, ErrFull) {
		t.Fatalf("loaded %d, %v; want ErrFull", n, err)
	}
	matches(t, err.Error(), `^map seen: full: 101 entries for a room of 100 would push each other out$`)
}

func TestLoadMillion(t *testing.T) {
	const million = 1_000_000
	m := mapOf(t, loaded(t), "blocked")
	var lines bytes.Buffer
	for i := range million {
		// /32 and /24 mixed, spread over the address space
		if x := uint32(i) * 2654435761; i%2 == 0 {
			fmt.Fprintf(&lines, "%d.%d.%d.%d\n", x>>24, x>>16&255, x>>8&255, x&255)
		} else {
			fmt.Fprintf(&lines, "%d.%d.%d.0/24\n", i>>17&127, i>>9&255, i>>1&255)
		}
	}
	calls, last, start := 0, 0, time.Now()
	n, err := m.Load(context.Background(), &lines, FillOptions{Progress: func(done, n int) {
		if calls++; done <= last || n != million {
			t.Errorf("progress %d of %d after %d", done, n, last)
		}
		last = done
	}})
	if err != nil || n != million || last != million || calls < 10 {
		t.Fatalf("loaded %d, %v, progress up to %d in %d calls", n, err, last, calls)
	}
	t.Logf("loaded a million prefixes in %s", time.Since(start))
	start = time.Now()
	count := 0
	if err := m.Each(func(k, v []byte) error { count++; return nil }); err != nil || count < million*9/10 {
		t.Errorf("%d entries, %v", count, err)
	}
	t.Logf("walked %d in %s", count, time.Since(start))
}

func TestLoadInterrupted(t *testing.T) {
	m := mapOf(t, loaded(t), "blocked")
	ctx, cancel := context.WithCancel(context.Background())
	var lines bytes.Buffer
	for i := range 3 * batchSize {
		fmt.Fprintf(&lines, "10.%d.%d.0/24\n", i>>8, i&255)
	}
	n, err := m.Load(ctx, &lines, FillOptions{Progress: func(done, n int) { cancel() }})
	if n != batchSize || !errors.Is(err, context.Canceled) {
		t.Errorf("loaded %d, %v; want one batch and Canceled", n, err)
	}
}
