package ref

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// program is a chain whose first packet byte chooses what it does.
func program(globals string, actions ...string) string {
	var b strings.Builder
	b.WriteString(globals + "\ndef main(pkt):\n    op = pkt.u8(0)\n    k = pkt.u8(1)\n    r = 0\n")
	for i, a := range actions {
		fmt.Fprintf(&b, "    if op == %d:\n        %s\n", i, strings.ReplaceAll(a, "\n", "\n        "))
	}
	b.WriteString("    count(\"r\", r)\n")
	return b.String()
}

// do runs one action of a program and gives r.
func do(t *testing.T, c *Chain, op, k byte) uint64 {
	t.Helper()
	return run(t, c, []byte{op, k}).Counts["r"]
}

func TestTable(t *testing.T) {
	c := (&world{}).open(t, program("m = table(u8, u16, size = 2)",
		"r = m[k]", "m[k] = 70000 + k", "m[k] += 5", "r = m.incr(k)", "r = m.incr(k, n = 65535)",
		"r = m.pop(k)", "r = 1 * (k in m)", "r = m.get(k, 9)", "m[k] -= 1", "m[k] |= 0x100"))
	for i, s := range []struct {
		op, k byte
		want  uint64
	}{
		{0, 1, 0}, {7, 1, 9}, {6, 1, 0}, // absent
		{1, 1, 0}, {0, 1, 4465}, {6, 1, 1}, // 70001 kept in 16 bits
		{2, 2, 0}, {0, 2, 5}, {3, 2, 6}, {4, 2, 5}, // incr wraps in 16 bits
		{1, 3, 0}, {0, 3, 0}, {6, 3, 0}, // full: refused
		{5, 1, 4465}, {0, 1, 0}, {5, 1, 0}, // pop
		{8, 9, 0}, {0, 9, 65535}, {9, 2, 0}, {0, 2, 0x105},
	} {
		if got := do(t, c, s.op, s.k); got != s.want {
			t.Errorf("step %d: op %d key %d: got %d, want %d", i, s.op, s.k, got, s.want)
		}
	}
	want := map[string]map[string]string{"m": {"9": "65535", "2": "261"}}
	if d := cmp.Diff(want, c.Maps()); d != "" {
		t.Error(d)
	}
	if got := c.Refused("m"); got != 1 {
		t.Errorf("refused %d, want 1", got)
	}
}

func TestLRU(t *testing.T) {
	c := (&world{}).open(t, program("m = lru(u8, u8, size = 2)", "m[k] = k", "r = m[k]", "r = 1 * (k in m)"))
	for _, s := range [][2]byte{{0, 1}, {0, 2}, {1, 1}, {0, 3}} {
		do(t, c, s[0], s[1])
	}
	// 2 was used longest ago.
	if d := cmp.Diff(map[string]map[string]string{"m": {"1": "1", "3": "3"}}, c.Maps()); d != "" {
		t.Error(d)
	}
	if c.Refused("m") != 1 {
		t.Errorf("forgotten %d, want 1", c.Refused("m"))
	}
}

func TestArray(t *testing.T) {
	c := (&world{}).open(t, program(`
R = record(a = u8, s = i16)
m = array(i8, size = 3, init = [1, -2])
n = array(R, size = 2)`,
		"m[k] = 200", "r = m[k] + 1000", "r = 1 * (k in m)", "r = m.get(k, 7) + 1000", "m[k - 256 - k + 257] = 5",
		"e = n[k]\nif e:\n    e.a += 1\n    e.s -= 1\n    r = 1", "r = n[k].a", "r = m.get(0x100000000, 3)"))
	for i, s := range []struct {
		op, k byte
		want  uint64
	}{
		{1, 0, 1001}, {1, 1, 998}, {1, 2, 1000}, {1, 3, 1000},
		{0, 2, 0}, {1, 2, 944}, // 200 in 8 bits is -56
		{0, 3, 0}, {2, 3, 0}, {2, 2, 1}, {3, 3, 1007}, {3, 2, 944},
		{5, 1, 1}, {5, 1, 1}, {6, 1, 2}, {5, 2, 0}, {6, 2, 0}, {7, 0, 3},
	} {
		if got := do(t, c, s.op, s.k); got != s.want {
			t.Errorf("step %d: op %d key %d: got %d, want %d", i, s.op, s.k, got, s.want)
		}
	}
	want := map[string]map[string]string{"m": {"0": "1", "1": "-2", "2": "-56"}, "n": {"0": "{a: 0, s: 0}", "1": "{a: 2, s: -2}"}}
	if d := cmp.Diff(want, c.Maps()); d != "" {
		t.Error(d)
	}
}

func TestRecords(t *testing.T) {
	c := (&world{}).open(t, program(`
IN = record(x = u8)
R = record(n = u8, a = ip4, inner = IN)
m = table((ip4, u16), R, size = 2)
K = record(a = u8, b = u16)
byrec = table(K, ip, size = 4)
KEY = (ip4("192.0.2.1"), 53)
def touch(rec):
    rec.n += 1
    return rec
`,
		"e = m[KEY]\nr = 1 if e else 0",
		"m[KEY] = R(n = 250 + k, a = ip4(\"10.0.0.1\"))",
		"e = m[KEY]\ne.n += 1\ne.inner.x = 7\nr = e.n",
		"m[KEY].n = 0x1ff\nr = m[KEY].n",
		"old = m[KEY]\nm[KEY] = R(n = 1)\nold.n = 77\nr = old.n * 1000 + m[KEY].n",
		"old = m.pop(KEY)\nr = old.n\nold.n = 4\nr = r * 10 + 1 * (KEY in m)",
		"a = R(n = 1)\nb = a\nb.n = 5\nm[KEY] = a\na.n = 9\nr = a.n * 10 + m[KEY].n",
		"a = R(n = 3)\nr = touch(touch(a)).n * 10 + a.n",
		"e = m[(ip4(k), 1)]\ne.n = 5\nr = e.n + e.inner.x + 1 * (e.a == ip4(\"0.0.0.0\"))",
		"byrec[K(a = k, b = 65536 + 80)] = ip4(\"192.0.2.9\")\nr = 1 * (byrec[K(a = k, b = 80)] == ip4(\"192.0.2.9\"))",
		"byrec[K(b = k)] = ip6(\"2001:db8::5\")",
	))
	for i, s := range []struct {
		op, k byte
		want  uint64
	}{
		{0, 0, 0}, {1, 4, 0}, {0, 0, 1}, {2, 0, 255}, {2, 0, 0}, {3, 0, 255}, {4, 0, 77001}, {5, 0, 10}, {0, 0, 0},
		{6, 0, 95}, {7, 0, 55}, {8, 0, 1}, {9, 3, 1}, {10, 4, 0}, {2, 0, 6},
	} {
		if got := do(t, c, s.op, s.k); got != s.want {
			t.Errorf("step %d: op %d key %d: got %d, want %d", i, s.op, s.k, got, s.want)
		}
	}
	want := map[string]map[string]string{
		"m":     {"(192.0.2.1, 53)": "{n: 6, a: 0.0.0.0, inner: {x: 7}}"},
		"byrec": {"{a: 3, b: 80}": "192.0.2.9", "{a: 0, b: 4}": "2001:db8::5"},
	}
	if d := cmp.Diff(want, c.Maps()); d != "" {
		t.Error(d)
	}
}

func TestSetsAndLPM(t *testing.T) {
	c := (&world{}).open(t, program(`
s = table(mac, size = 2, init = [mac("02:00:00:00:00:AA")])
n = lpm(prefix4, u8, size = 4, init = {prefix4("10.0.0.0/8"): 1, prefix4("10.1.0.0/16"): 2, prefix4("10.1.2.3/32"): 3})
p = lpm(prefix, size = 4, init = [prefix("2001:db8::/32"), prefix("192.0.2.0/24")])
pair = table(u8, (u8, i8), size = 4)
`,
		"s.add(mac(\"02:00:00:00:00:01\"))", "s.discard(mac(\"02:00:00:00:00:aa\"))",
		"r = 1 * (mac(\"02:00:00:00:00:aa\") in s)",
		"r = n[ip4(0x0a010203)] * 1000 + n.get(ip4(0x0a010204)) * 100 + n[ip4(0x0a020000)] * 10 + n.get(ip4(0x0b000000), 9)",
		"r = 1 * (ip(\"192.0.2.77\") in p) + 2 * (ip6(\"2001:db8:1::\") in p) + 4 * (ip(\"192.0.3.1\") in p)",
		"a, b = pair[k]\nr = a + b\npair[k] = (257, 255)\na, b = pair[k]\nr = r * 10 + a - b",
	))
	if got := do(t, c, 2, 0); got != 1 {
		t.Errorf("init of a set: got %d, want 1", got)
	}
	do(t, c, 0, 0)
	do(t, c, 1, 0)
	for op, want := range map[byte]uint64{2: 0, 3: 3219, 4: 3, 5: 2} {
		if got := do(t, c, op, 1); got != want {
			t.Errorf("op %d: got %d, want %d", op, got, want)
		}
	}
	want := map[string]map[string]string{
		"s":    {"02:00:00:00:00:01": ""},
		"n":    {"10.0.0.0/8": "1", "10.1.0.0/16": "2", "10.1.2.3/32": "3"},
		"p":    {"2001:db8::/32": "", "192.0.2.0/24": ""},
		"pair": {"1": "(1, -1)"},
	}
	if d := cmp.Diff(want, c.Maps()); d != "" {
		t.Error(d)
	}
}

func TestExpiry(t *testing.T) {
	w := &world{now: 1_000_000}
	c := w.open(t, program(`
R = record(n = u8)
m = table(u8, u8, size = 2, expiring = "10s", init = {9: 9})
f = table(u8, R, size = 2, expiring = "1ms")`,
		"m[k] = k", "r = m[k]", "r = m.incr(k)", "f[k] = R(n = k)", "e = f[k]\ne.n += 1\nr = e.n", "r = 1 if f[k] else 0",
		"r = pkt.now - now()"))
	const s = 1_000_000_000
	for i, step := range []struct {
		at    uint64
		op, k byte
		want  uint64
	}{
		{1_000_000, 1, 9, 9}, {1_000_000, 0, 1, 0}, {5 * s, 2, 2, 0}, // full: 9 and 1
		{10*s + 999_999, 1, 1, 1}, {10*s + 1_000_000, 1, 1, 0}, // gone after ten seconds
		{10*s + 1_000_000, 2, 2, 1}, {11 * s, 2, 2, 2}, {20*s + 500, 2, 2, 3}, // written again: stays
		{31 * s, 2, 2, 1},                                                         // gone, from zero
		{40 * s, 3, 1, 0}, {40*s + 900_000, 4, 1, 2}, {40*s + 1_500_000, 5, 1, 1}, // written by reference
		{40*s + 1_900_000, 5, 1, 0}, {40*s + 2_000_000, 6, 1, 0},
	} {
		w.now, w.reads = step.at, 0
		got := do(t, c, step.op, step.k)
		if i == 2 {
			step.want = 1 // the new value that was refused
		}
		if got != step.want {
			t.Errorf("step %d: op %d key %d at %d: got %d, want %d", i, step.op, step.k, step.at, got, step.want)
		}
		if w.reads > 1 {
			t.Errorf("step %d: the clock was read %d times", i, w.reads)
		}
	}
	if c.Refused("m") != 1 {
		t.Errorf("refused %d, want 1", c.Refused("m"))
	}
	if d := cmp.Diff(map[string]map[string]string{"m": {"2": "1"}, "f": {}}, c.Maps()); d != "" {
		t.Error(d)
	}
}

func TestParams(t *testing.T) {
	w := &world{params: map[string]uint64{"limit": 12}}
	c := w.open(t, program(`
limit = param(u8, 2, unit = "pps", help = "x")
signed = param(i8, -3)
on = param(bool, False)
def twice(v):
    return v * 2`,
		"r = twice(limit)", "r = signed + 10", "r = 1 if on else 2"))
	for op, want := range map[byte]uint64{0: 24, 1: 7, 2: 2} {
		if got := do(t, c, op, 0); got != want {
			t.Errorf("op %d: got %d, want %d", op, got, want)
		}
	}
	for name, v := range map[string]uint64{"limit": 257, "signed": 255, "on": 1} {
		if err := c.SetParam(name, v); err != nil {
			t.Fatal(err)
		}
	}
	for op, want := range map[byte]uint64{0: 2, 1: 9, 2: 1} {
		if got := do(t, c, op, 0); got != want {
			t.Errorf("after set, op %d: got %d, want %d", op, got, want)
		}
	}
	if err := c.SetParam("none", 1); err == nil {
		t.Error("a param that is not there was set")
	}
}
