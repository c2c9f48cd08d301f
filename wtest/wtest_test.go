package wtest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// runs runs the tests of a file and tells of them as text, without times.
func runs(t *testing.T, files map[string]string, file string, o Options) string {
	t.Helper()
	var out strings.Builder
	o.Load = func(path string) ([]byte, error) {
		if text, ok := files[path]; ok {
			return []byte(text), nil
		}
		return os.ReadFile(filepath.FromSlash(path))
	}
	o.Each = func(r Result) error {
		fmt.Fprintf(&out, "%s %s:%d %s\n", r.Status, r.Name, r.Line, r.Message)
		for _, l := range append(r.Details, r.Output...) {
			fmt.Fprintf(&out, "    %s\n", l)
		}
		if r.Hint != "" {
			fmt.Fprintf(&out, "    hint: %s\n", r.Hint)
		}
		return nil
	}
	if _, err := Run(t.Context(), file, o); err != nil {
		fmt.Fprintf(&out, "error %v\n", err)
	}
	return out.String()
}

// guard is the chain on trial.
const guard = `load("std/rate.weir", "token_bucket")
blocked = lpm(prefix4, size = 100, init = [prefix4("198.51.100.0/24")])
limit   = param(u32, 3)
bucket  = token_bucket(key = ip4, size = 128)
hits    = table(ip4, u64, size = 16)
seen    = table(ip4, size = 16, expiring = "10s")
ages    = record(n = u32, last = u64)
flows   = lru((ip4, u16), ages, size = 16)
known   = bloom(ip4, size = 16)
todo    = queue(u32, size = 4)
slots   = array(u32, size = 4)
events  = ring(record(who = ip4, n = u8), size = 4096)

def main(pkt):
    ip = pkt.ip4
    if not ip:
        return PASS
    hits[ip.src] += 1
    flows[(ip.src, pkt.len)] = ages(n = 1, last = now())
    if ip.src in blocked:
        count("hit")
        log("blocked {}", ip.src)
        events.emit(who = ip.src, n = ip.ttl)
        return drop("blocked")
    if ip.src in seen or ip.src in known:
        return drop("seen")
    if not bucket.allow(ip.src, rate = limit, burst = limit):
        return drop("limited")
    slots[1] += 1
    todo.push(7)
    ip.ttl = 17
    return PASS

def make():
    def inner(pkt):
        return PASS
    return inner
made = make()

def out(pkt):
    if pkt.ip4:
        hits[pkt.ip4.dst] += 10
    pkt.mark = 1
    return redirect("nowhere0")
`

// head loads the chain.
const head = `load("./guard.weir", "main", "out", "blocked", "limit", "hits", "seen", "flows", "known", "todo", "slots", "made")
p = packet(ip4(src = "203.0.113.9"), udp(sport = 53, dport = 4000), b"x" * 60)
`

func TestRun(t *testing.T) {
	for _, tt := range []struct{ name, body, want string }{
		{"verdict, reason, counts", `
    blocked.add(prefix4("203.0.113.0/24"))
    r = run(main, p)
    assert.eq(r.verdict, DROP)
    assert.eq(r.verdict, drop("blocked"))
    assert.fails(lambda: assert.eq(r.verdict, drop("other")), "not equal")
    assert.eq(r.reason, "blocked")
    assert.eq(r.counts, {"hit": 1})
    assert.eq(r.log, ["blocked 203.0.113.9"])
    assert.eq([(e.ring, e.who, e.value.n) for e in r.events], [("events", ip4("203.0.113.9"), 64)])
    assert.eq(r.events[0].value, record(who = ip4, n = u8)(who = ip4("203.0.113.9"), n = 64))
    assert.fails(lambda: r.events[0].whom, "an event has no whom: did you mean who?")
    assert.eq((r.hook, r.line, r.to), ("xdp", 24, None))
`, ""},
		{"options of a packet", `
    assert.eq(packet(ip4(), tcp(syn = True, mss = 1460)).tcp.mss, 1460)
    assert.eq(packet(ip4(options = b"\1\1\1\1"), tcp()).ip4.options, b"\1\1\1\1")
    for options, mss in [
        (b"\1\1\2\4\5\xb4\1\0", 1460),
        (b"", 0), (b"\0\2\4\1\1\0\0\0", 0), (b"\2\3\5\0", 0), (b"\2\1\5\0", 0), (b"\1\1\1\2", 0), (b"\2\5\5\0", 0),
    ]:
        assert.eq(packet(ip4(), tcp(options = options)).tcp.mss, mss)
        assert.eq(packet(ip4(), tcp(options = options)).tcp.options, options)
    assert.fails(lambda: packet(ip4(), udp()).udp.mss, "has no mss")
    assert.true(packet(ip4(), tcp(ae = True)).tcp.ae)
    assert.fails(lambda: assert.eq(packet(ip4(), tcp(ae = True)), packet(ip4(), tcp())), "not equal")
`, ""},
		{"first content", `
    assert.eq(len(blocked), 1)
    assert.true(ip4("198.51.100.7") in blocked)
    assert.true(ip4("203.0.113.9") not in blocked)
    assert.eq(len(hits), 0)
    assert.eq(limit.get(), 3)
    assert.eq(hits[ip4("192.0.2.1")], 0)
    assert.eq(flows[(ip4("192.0.2.1"), 1)], None)
`, ""},
		{"maps as the chain leaves them", `
    run(main, p)
    assert.eq(hits[ip4("203.0.113.9")], 1)
    assert.eq(hits.items(), [(ip4("203.0.113.9"), 1)])
    f = flows[(ip4("203.0.113.9"), p.len)]
    assert.eq((f.n, f.last), (1, now()))
    assert.eq(todo.pop(), 7)
    assert.eq(todo.pop(), None)
    assert.eq(slots[1], 1)
    assert.eq(hits.pop(ip4("203.0.113.9")), 1)
    assert.eq(hits.get(ip4("203.0.113.9"), 5), 5)
`, ""},
		{"maps as the test fills them", `
    known.add(ip4("203.0.113.9"))
    hits[ip4("203.0.113.9")] = 41
    assert.eq(run(main, p).reason, "seen")
    assert.eq(hits[ip4("203.0.113.9")], 42)
    seen.add(ip4("192.0.2.1"))
    seen.discard(ip4("192.0.2.1"))
    assert.eq(len(seen), 0)
    hits.clear()
    assert.eq(list(hits), [])
`, ""},
		{"time stands still", `
    limit.set(2)
    assert.eq([run(main, p).reason for _ in range(4)], [None, None, "limited", "limited"])
    advance("1s")
    assert.eq(run(main, p).reason, None)
`, ""},
		{"expiry", `
    seen.add(ip4("203.0.113.9"))
    assert.eq(run(main, p).reason, "seen")
    advance("9s")
    assert.eq(run(main, p).reason, "seen")
    advance("1s")
    assert.eq(run(main, p).reason, None)
    assert.eq(len(seen), 0)
`, ""},
		{"packet", `
    r = run(main, p)
    assert.eq(r.packet, packet(ip4(src = "203.0.113.9", ttl = 17), udp(sport = 53, dport = 4000), b"x" * 60))
    assert.eq((r.packet.ip4.ttl, r.packet.udp.dport, r.packet.tcp, r.packet.ip.src), (17, 4000, None, ip4("203.0.113.9")))
`, ""},
		{"two chains share maps", `
    run(main, packet(ip4(src = "192.0.2.7")))
    r = run(out, packet(ip4(dst = "192.0.2.7")))
    assert.eq((hits[ip4("192.0.2.7")], r.hook, r.verdict, r.to), (11, "tc-ingress", redirect("nowhere0"), "nowhere0"))
    assert.eq(run(out, p, hook = "tc-egress").hook, "tc-egress")
`, ""},
		{"hooks", `
    assert.eq(hooks(main), ["xdp", "tc-ingress", "tc-egress"])
    assert.eq([run(main, p, hook = h).packet.ip4.ttl for h in hooks(main)], [17, 17, 17])
`, ""},
		{"print", `
    print("seen", p)
`, "    seen packet of 102 octets\n"},
		{"not equal", `
    assert.eq(run(main, p).packet, p)
`, `    |       eth     dst 02:00:00:00:00:02  src 02:00:00:00:00:01  type 0x0800
    | got   ip4     version 4  ihl 5  dscp 0  ecn 0  len 88  id 0  df False  mf False  frag_off 0  ttl 17  proto 17  checksum 0xab89  src 203.0.113.9  dst 192.0.2.2
    | want  ip4     version 4  ihl 5  dscp 0  ecn 0  len 88  id 0  df False  mf False  frag_off 0  ttl 64  proto 17  checksum 0x7c89  src 203.0.113.9  dst 192.0.2.2
    |                                                                                              ^^^^^^            ^^^^^^^^^^^^^^^
    |       udp     sport 53  dport 4000  len 68  checksum 0xd366
    |       payload 60 octets: 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 …
`},
		{"lists and dicts", `
    assert.fails(lambda: assert.eq(1, 1), "no")
`, "    | want  an error with \"no\" in it\n"},
		{"lists", `
    assert.eq([1, 2], [1, 3], "numbers")
`, "    |       at index 1:\n    | got   2\n    | want  3\n"},
		{"longer", `
    assert.eq([1, 2, 3], [1])
`, "    | got   3 elements\n    | want  1 elements\n    |       at index 1:\n    | got   2\n"},
		{"dicts", `
    assert.eq({"a": 1, "b": 2}, {"a": 2, "c": 2})
`, "    | got   \"a\": 1\n    | want  \"a\": 2\n    | got   \"b\": 2\n    | want  \"c\": 2\n"},
		{"no error", `
    assert.fails(lambda: 1)
`, "    | want  an error\n"},
		{"types", `
    assert.eq("1", 1)
`, "    | got   \"1\" (string)\n    | want  1 (int)\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files := map[string]string{"guard.weir": guard, "guard_test.weir": head + "def test_it():" + tt.body}
			_, got, _ := strings.Cut(runs(t, files, "guard_test.weir", Options{}), "\n")
			if want := strings.ReplaceAll(tt.want, "    | ", "    "); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// TestOrder: tests run in the order of the text, each from the first state, also after
// one that failed.
func TestOrder(t *testing.T) {
	src := head + `
def test_b():
    limit.set(1)
    hits[ip4("192.0.2.1")] = 5
    blocked.discard(prefix4("198.51.100.0/24"))
    run(main, p)
    advance("1h")
    assert.true(False, "on purpose")

def test_a():
    assert.eq((limit.get(), len(hits), len(blocked), len(flows), todo.pop(), slots[1], now()), (3, 0, 1, 0, None, 0, 3600 * 1000000000))

def test_cases(port = cases([53, 80])):
    assert.ne(port, 80)

def test_named(x = cases({"one": 1, "two": 2})):
    assert.contains([1], x)

def helper():
    fail("no test")
`
	want := `failed test_b:10 on purpose: not true
    got   False
passed test_a:12 
passed test_cases/53:15 
failed test_cases/80:16 equal, but must not be
    got   80
passed test_named/one:18 
failed test_named/two:19 not there
    got   [1]
    want  2 in it
`
	// Maps that can be emptied are; with one that cannot be all are made anew.
	emptied := strings.Replace(guard, "bloom(ip4", "table(ip4", 1)
	for _, chain := range []string{guard, emptied} {
		if got := runs(t, map[string]string{"guard.weir": chain, "guard_test.weir": src}, "guard_test.weir", Options{}); got != want {
			t.Errorf("got:\n%s\nwant:\n%s", got, want)
		}
	}
	only := runs(t, map[string]string{"guard.weir": guard, "guard_test.weir": src}, "guard_test.weir", Options{Only: regexp.MustCompile("a$|/80")})
	if strings.Count(only, "\n") != 3 {
		t.Errorf("only some:\n%s", only)
	}
}

// TestBroken: what is wrong with a test is told with its place, and is no failure.
func TestBroken(t *testing.T) {
	for _, tt := range []struct{ body, want string }{
		{"run(main, packet(ip4(srcc = 1)))", "ip4: srcc: there is no such field: did you mean src?"},
		{"run(main, packet(ip4(ttl = 256)))", "ip4: ttl: 256 does not fit: 0 to 255 do"},
		{"run(main, packet(ip4(frag_off = 9)))", "ip4: frag_off: 9 is no multiple of 8"},
		{`run(main, packet(ip4(src = "2001:db8::1")))`, `ip4: src: "2001:db8::1" is an IPv6 address`},
		{`packet("text")`, "packet: write b\"text\": a packet is made of bytes, not of text"},
		{"packet(ip4(), b\"x\" * 70000)", "packet: the packet has 70034 octets, more than the limit of 65535"},
		{"run(main, 7)", "run: packet: a packet is wanted, made by packet(), not int"},
		{"run(main, b\"\")", "run: frame of 0 octets: shorter than an Ethernet header"},
		{"run(len, p)", "run: a chain is wanted, not builtin_function_or_method: load a function of packets from a chain file"},
		{"run(main, p, hook = \"tc-ingres\")", `no hook is named "tc-ingres": did you mean tc-ingress?`},
		{"run(main, p, hook = \"connect\")", "run: hook connect sees connections, not packets"},
		{"run(main, p, hook = \"socket\")", "the chain does not compile"},
		{"hits[7] = 1", "map hits: key: the integer 7 is not an ip4"},
		{"slots[9] = 1", "past the end"},
		{"blocked[prefix4(\"10.0.0.0/8\")]", "a set has no values"},
		{"hits.add(ip4(\"192.0.2.1\"))", "it has values: write m[k] = v"},
		{"limit.set(-1)", "does not fit"},
		{"advance(\"soon\")", `advance: "soon" is no duration of up to 292 years: write "10s" or "1m30s"`},
		{"advance(\"-1s\")", "time does not go back"},
		{"advance(\"2000000h\"); advance(\"2000000h\")", "2000000h from now on is more than the clock of chains counts"},
		{"advance(\"9999999999h\")", "is no duration of up to 292 years"},
		{"assert.fails(made)", "it calls the function without arguments: write assert.fails(lambda: inner(…))"},
		{"replay(main, \"nosuch.pcap\")", "no such file"},
		{"1 // 0", "division by zero"},
		{"run(made, p)", "run: inner is no function of the top level of guard.weir"},
		{"packet(ip4(options = b\"x\" * 41))", "ip4: 41 octets behind the fixed part: there is room for 40"},
		{"hits.size", "a map has no size: there are add, clear, discard, get, items, pop, push"},
		{"hits.itms()", "a map has no itms: did you mean items?"},
		{"limit.value", "a param has no value: there are get, set"},
		{"p.ip4.tttl", "the ip4 header has no tttl: did you mean ttl?"},
		{"p.ip5", "a packet has no ip5: did you mean ip4?"},
		{"run(main, p).verdikt", "a result has no verdikt: did you mean verdict?"},
		{"todo[p] = 1", "map todo: a queue has no keys: write todo.push(v) and todo.pop()"},
		{"p in todo", "map todo: a queue has no keys"},
		{"known[ip4(1)] = 1", "map known: a bloom has no values: write known.add(k)"},
		{"seen.pop(ip4(1))", "map seen: a set has no values: write seen.discard(k)"},
		{"main(p)", "a call of main is one of build time, where there are no packets: write run(main, p)"},
		{"cases([])", "cases: there is none, so that the test would never run"},
		{"[x for x in range(100000000)]", "it took more than 50000000 steps"},
	} {
		t.Run(tt.body, func(t *testing.T) {
			files := map[string]string{"guard.weir": guard, "guard_test.weir": head + "\ndef test_it():\n    " + tt.body + "\n"}
			got := runs(t, files, "guard_test.weir", Options{})
			if !strings.HasPrefix(got, "broken test_it:5 ") || !strings.Contains(got, tt.want) {
				t.Errorf("got:\n%s\nwant %q", got, tt.want)
			}
		})
	}
}

// TestAfterTooLong: a test that takes too many steps is broken, and the next one runs.
func TestAfterTooLong(t *testing.T) {
	src := "def test_long():\n    [x for x in range(100000000)]\n\ndef test_next():\n    assert.eq(1, 1)\n"
	got := runs(t, map[string]string{"a_test.weir": src}, "a_test.weir", Options{})
	if want := "broken test_long:2 it took more than 50000000 steps\npassed test_next:4 \n"; got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// TestNames: a test is called by the name that leads to it.
func TestNames(t *testing.T) {
	src := `
def twice(n = cases([1, 2])):
    pass
def works():
    pass
test_some = twice
test_one, test_two = works, lambda: assert.true(False)
def test_same(n = cases(["a", "b", "a"])):
    pass
`
	got := runs(t, map[string]string{"a_test.weir": src}, "a_test.weir", Options{})
	want := "passed test_some/1:6 \npassed test_some/2:6 \npassed test_one:7 \nfailed test_two:7 not true\n    got   False\n" +
		"passed test_same/a:8 \npassed test_same/b:8 \npassed test_same/a#2:8 \n"
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// TestNotListed: what cannot be listed has no length.
func TestNotListed(t *testing.T) {
	files := map[string]string{"guard.weir": guard, "a_test.weir": head + "\ndef test_it():\n    assert.eq(len(todo), 0)\n"}
	if got := runs(t, files, "a_test.weir", Options{}); got != "broken test_it:4 map todo: what is in a queue cannot be listed\n" {
		t.Error(got)
	}
}

// TestShared: a map of a module that two chain files load is two maps.
func TestShared(t *testing.T) {
	files := map[string]string{
		"m.weir":        "shared = table(ip4, u64, size = 8)\ndef seen(pkt):\n    shared[pkt.ip4.src] += 1\n",
		"a.weir":        "load(\"./m.weir\", \"seen\")\ndef main(pkt):\n    seen(pkt)\n    return PASS\n",
		"b.weir":        "load(\"./m.weir\", \"seen\")\ndef main(pkt):\n    seen(pkt)\n    return PASS\n",
		"one_test.weir": "load(\"./m.weir\", \"shared\")\nload(\"./a.weir\", \"main\")\ndef test_one():\n    run(main, packet(ip4()))\n    assert.eq(shared[ip4(\"192.0.2.1\")], 1)\n",
		"two_test.weir": "load(\"./m.weir\", \"shared\")\nload(\"./a.weir\", \"main\")\nload(\"./b.weir\", other = \"main\")\ndef test_two():\n    run(other, packet(ip4()))\n    shared[ip4(\"192.0.2.1\")]\n",
	}
	if got := runs(t, files, "one_test.weir", Options{}); got != "passed test_one:3 \n" {
		t.Errorf("one: %s", got)
	}
	if got := runs(t, files, "two_test.weir", Options{}); !strings.Contains(got, "each of a.weir, b.weir has a map shared of its own") {
		t.Errorf("two: %s", got)
	}
}

// TestNoFile: a file that cannot be run is an error, with its place.
func TestNoFile(t *testing.T) {
	for _, tt := range []struct{ src, want string }{
		{"x = nothing\n", "a_test.weir:1:5: error: nothing is named nothing"},
		{"load(\"./nosuch.weir\", \"main\")\n", "load ./nosuch.weir"},
		{"test_x = 7\n", "a_test.weir:1:1: error: test_x is no function, but int"},
		{"load(\"./a.weir\", \"main\")\ntest_x = main\n", "a_test.weir:2:1: error: test_x is a chain"},
		{"def test_x():\n    pass\ndef test_x():\n    pass\n", "test_x is defined twice, first in line 1"},
		{"def test_x(port):\n    pass\n", "test_x has a parameter port without cases"},
		{"def f(:\n", "a_test.weir:1:7: error"},
	} {
		got := runs(t, map[string]string{"a_test.weir": tt.src, "a.weir": guard}, "a_test.weir", Options{})
		if !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %s, want %s", tt.src, got, tt.want)
		}
	}
}
