package ref

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const rateModule = `
"""token_bucket: GCRA."""
def token_bucket(key, size):
    state = lru(key, u64, size = size)
    slack = param(u64, 0)
    def cost(rate):
        return (1000000000 + rate - 1) // rate if rate else 0
    def allow(k, rate, burst = 1):
        """Whether the packet conforms."""
        if not rate:
            return False
        t = now()
        tat = max(state[k], t)
        step = cost(rate)
        if tat - t > step * (burst - 1) + slack:
            return False
        state[k] = tat + step
        return True
    return struct(allow = allow)
`

func TestTokenBucket(t *testing.T) {
	w := &world{now: 5_000_000_000, modules: map[string]string{"std/rate.weir": rateModule}}
	c := w.open(t, `
load("std/rate.weir", "token_bucket")
limit = param(u32, 10)
bucket = token_bucket(key = ip4, size = 16)
def main(pkt):
    if not bucket.allow(pkt.ip4.src, rate = limit, burst = 2 * limit):
        return drop("limited")
`)
	f := udp4(t)
	passed := func(n int) (out int) {
		for range n {
			if run(t, c, f).Verdict == "PASS" {
				out++
			}
		}
		return out
	}
	if got := passed(50); got != 20 {
		t.Errorf("a full bucket let %d through, want 20", got)
	}
	w.now += 500_000_000
	if got := passed(50); got != 5 {
		t.Errorf("after half a second %d, want 5", got)
	}
	if err := c.SetParam("bucket.slack", 100_000_000); err != nil {
		t.Error(err)
	}
	if got := passed(5); got != 1 {
		t.Errorf("with slack %d, want 1", got)
	}
	want := map[string]map[string]string{"bucket.state": {"192.0.2.1": "7600000000"}}
	if d := cmp.Diff(want, c.Maps()); d != "" {
		t.Error(d)
	}
	r := run(t, c, f)
	if r.Reason != "limited" || r.Line != 7 {
		t.Errorf("reason %q line %d, want limited 7", r.Reason, r.Line)
	}
}

func TestNames(t *testing.T) {
	w := &world{modules: map[string]string{
		"./lib/a.weir": `
load("./b.weir", "shared", helper = "make")
inner = table(u8, size = 1)
limit = param(u8, 1)
ours = table(u8, size = 1)
def use(k):
    return k in inner and k in shared
private = helper()
`,
		"./lib/b.weir": `
shared = table(u8, size = 1)
def make():
    deep = table(u8, size = 1)
    def has(k):
        return k in deep
    return struct(has = has)
`,
	}}
	c := w.open(t, `
load("./lib/a.weir", "use", mine = "ours")
load("./lib/b.weir", "make")
def maker():
    m = table(u8, size = 1)
    n = table(u8, size = 1)
    def help(k):
        return k in m
    def f(k):
        return help(k) and k in n
    return f
blocked = table(u8, size = 1)
again = blocked
tables = [table(u8, size = 1), blocked, (table(u8, size = 1),)]
by = {"x": table(u8, size = 1), 3: table(u8, size = 1)}
box = struct(t = table(u8, size = 1), f = maker(), s = make())
bare = maker()
def main(pkt):
    return PASS
`)
	var got []string
	for name := range c.Maps() {
		got = append(got, name)
	}
	slices.Sort(got)
	want := []string{"a.inner", "a.private.deep", "b.shared", "bare.m", "bare.n", "blocked", "box.m", "box.n", "box.s.deep",
		"box.t", "by[\"x\"]", "by[3]", "mine", "tables[0]", "tables[2][0]"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if err := c.SetParam("a.limit", 2); err != nil {
		t.Error(err)
	}
}

func TestOpenErrors(t *testing.T) {
	w := &world{modules: map[string]string{"./loop.weir": "load(\"./loop.weir\", \"x\")"}}
	for _, tc := range []struct{ name, src, want string }{
		{"syntax", "def main(pkt)\n    pass", "got newline"},
		{"undefined", "def main(pkt):\n    return NOPE", "undefined: NOPE"},
		{"no main", "x = 1", "no function main"},
		{"build time", "x = 1 // 0\ndef main(pkt):\n    pass", "division by zero"},
		{"endless build", "while True:\n    pass", "too many steps"},
		{"packet builtin", "x = now()", "only at packet time"},
		{"param at build time", "p = param(u8, 1)\nx = p + 1", "unknown binary op"},
		{"cycle", "load(\"./loop.weir\", \"x\")", "loads itself"},
		{"no module", "load(\"./none.weir\", \"x\")", "no module"},
		{"private", "load(\"./loop.weir\", \"_x\")", "not exported"},
		{"init too large", "m = table(u8, size = 1, init = [1, 2])\ndef main(pkt):\n    pass", "2 entries for a size of 1"},
		{"bits behind a prefix", "x = prefix4(\"10.0.0.1/8\")", "bits are set"},
		{"bad address", "x = ip4(\"1.2.3\")", "not one"},
	} {
		_, err := w.tryOpen(tc.src)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want one with %q", tc.name, err, tc.want)
		}
	}
}

func TestFuncOption(t *testing.T) {
	w := &world{fn: "other"}
	if r := run(t, w.open(t, "def main(pkt):\n    return PASS\ndef other(pkt):\n    return DROP\n"), udp4(t)); r.Verdict != "DROP" || r.Line != 4 {
		t.Errorf("got %+v", r)
	}
}

// The chain that the language's contract begins with.
func TestContractExample(t *testing.T) {
	w := &world{modules: map[string]string{"std/rate.weir": rateModule}}
	c := w.open(t, `
"""Drops DNS amplification, limits everyone else."""
load("std/rate.weir", "token_bucket")

RESOLVERS = [ip4("192.0.2.53"), ip4("192.0.2.54")]
blocked   = lpm(prefix4, size = 1000000)
limit     = param(u32, 2000, unit = "pps", help = "per source")
bucket    = token_bucket(key = ip4, size = 262144)

def main(pkt):
    ip = pkt.ip4
    if not ip:
        return PASS
    if ip.src in blocked:
        return drop("blocked")
    if pkt.udp and pkt.udp.sport == 53 and ip.src not in RESOLVERS and pkt.len > 512:
        count("amplification")
        return DROP
    if not bucket.allow(ip.src, rate = limit, burst = 2 * limit):
        return drop("limited")
    return PASS
`)
	big := append(udp4(t), make([]byte, 500)...)
	if r := run(t, c, big); r.Verdict != "DROP" || r.Counts["amplification"] != 1 || r.Line != 18 {
		t.Errorf("amplification: %+v", r)
	}
	if r := run(t, c, udp4(t)); r.Verdict != "PASS" || r.Line != 21 {
		t.Errorf("small: verdict %s line %d", r.Verdict, r.Line)
	}
	if r := run(t, c, udp6(t)); r.Verdict != "PASS" || r.Line != 13 {
		t.Errorf("ip6: verdict %s line %d", r.Verdict, r.Line)
	}
}
