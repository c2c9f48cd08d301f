package ref

import (
	"fmt"
	"strings"
	"testing"
)

// neg is the 64 bits of a negative number.
func neg(n int64) uint64 { return uint64(n) }

func TestArithmetic(t *testing.T) {
	const max = 1<<64 - 1
	for _, tc := range []struct {
		expr string
		want uint64
	}{
		{"u8(250) + 10", 260},
		{"u8(u8(250) + 10)", 4},
		{"u16(0x12345)", 0x2345},
		{"i8(200)", neg(-56)},
		{"i16(0x8000)", neg(-32768)},
		{"u64(-1)", max},
		{"u8(True)", 1},
		{"3 - 5", neg(-2)},
		{"(3 - 5) > 0", 1}, // unsigned: wraps to a large number
		{"(i32(3) - 5) > 0", 0},
		{"-1 < 1", 1},
		{"u64(-1) < 1", 0},
		{"u64(-1) == -1", 1},
		{"7 // 2", 3},
		{"-7 // 2", neg(-4)},
		{"7 // -2", neg(-4)},
		{"-7 // -2", 3},
		{"-7 % 3", 2},
		{"7 % -3", neg(-2)},
		{"-6 % 3", 0},
		{"5 // 0", 0},
		{"5 % 0", 5},
		{"-5 % 0", neg(-5)},
		{"i64(1 << 63) // -1", 1 << 63},
		{"i64(1 << 63) % -1", 0},
		{"u64(-7) // 2", (max - 6) / 2},
		{"1 << 64", 1},
		{"1 << 65", 2},
		{"256 >> 72", 1},
		{"-16 >> 2", neg(-4)},
		{"u64(-16) >> 60", 15},
		{"i8(0xf0) >> 1", neg(-8)},
		{"~5", neg(-6)},
		{"~5 > 0", 1},
		{"~i8(5) > 0", 0},
		{"-u8(5) < 0", 1},
		{"6 & 3 == 2", 1},
		{"6 | 1 ^ 3", 6},
		{"min(3, -1)", neg(-1)},
		{"max(u64(-1), 1)", max},
		{"max(u64(-1), i8(1))", 1},
		{"abs(-9)", 9},
		{"abs(u64(-9))", neg(-9)},
		{"True + 1", 2},
		{"True == 1", 1},
		{"not 3", 0},
		{"(5 and 7)", 1},
		{"(0 or 7)", 1},
		{"(0 and rand() // 0)", 0},
		{"0xffffffffffffffff + 2", 1},
		{"ip4(\"192.0.2.1\").int", 0xc0000201},
		{"ip4(0x1c0000201) == ip4(\"192.0.2.1\")", 1},
		{"ip(ip4(\"10.0.0.1\")) == ip4(\"10.0.0.1\")", 1},
		{"ip(\"2001:db8::1\") == ip6(\"2001:db8:0::1\")", 1},
		{"ip4(\"10.1.2.3\") in prefix4(\"10.0.0.0/8\")", 1},
		{"ip4(\"11.1.2.3\") in prefix4(\"10.0.0.0/8\")", 0},
		{"ip4(\"10.1.2.3\") in prefix(\"10.0.0.0/8\")", 1},
		{"ip(\"10.1.2.3\") in prefix4(\"10.0.0.0/8\")", 1},
		{"ip6(\"2001:db8::1\") in prefix6(\"2001:db8::/32\")", 1},
		{"ip6(\"2001:db9::1\") in [prefix6(\"2001:db8::/32\"), prefix6(\"2001:db9::/32\")]", 1},
		{"ip4(\"9.9.9.9\") not in [prefix4(\"10.0.0.0/8\")]", 1},
		{"mac(\"02:00:00:00:00:01\") == mac(\"02:00:00:00:00:01\")", 1},
		{"ip4(\"10.0.0.1\") in prefix6(\"::/0\")", 0},
		{"ip(\"10.0.0.1\") in prefix6(\"::/0\")", 0},
		{"ip(\"10.0.0.1\") in prefix(\"::/0\")", 0},
		{"ip(\"10.0.0.1\") in prefix(\"0.0.0.0/0\")", 1},
		{"ip(\"2001:db8::1\") in prefix(\"::/0\")", 1},
		{"ip6(\"2001:db8::1\") in prefix4(\"0.0.0.0/0\")", 0},
		{"5 in (1, 5)", 1},
		{"drop(\"x\") == DROP", 1},
		{"redirect(3) == redirect(4)", 0},
		{"redirect(\"eth1\") == redirect(11)", 1},
		{"TX != PASS", 1},
		{"(1, ip4(\"1.2.3.4\")) == (1, ip4(\"1.2.3.4\"))", 1},
		{"(7, -1)[1]", neg(-1)},
		{"len((1, 2, 3))", 3},
		{"1500 in range(1024, 2048)", 1},
		{"2048 in range(1024, 2048)", 0},
		{"6 in range(10, 0, -2)", 1},
		{"5 in range(10, 0, -2)", 0},
	} {
		t.Run(tc.expr, func(t *testing.T) {
			if got := eval(t, "", "", "1 * ("+tc.expr+")", udp4(t)); got != tc.want {
				t.Errorf("%s = %d, want %d", tc.expr, int64(got), int64(tc.want))
			}
		})
	}
}

// The signedness of a name is that of everything that is assigned to it. Each
// case is a body that leaves in r whether a comparison was a signed one: x is
// 2^64-1 or -1, so that x > 0 holds only for the unsigned.
func TestSignedness(t *testing.T) {
	const globals = `
LISTU = [1, 2, 0xffffffffffffffff]
LISTS = [1, -2, 0xffffffffffffffff]
DICTU = {1: 2}
DICTS = {1: -1, 2: 0xffffffffffffffff}
PAIRS = [("a", 1), ("b", -1)]
def pick(a, b, c):
    if a:
        return b
    return c
def bump(v = 0):
    v += 1
    return v - 2
m = table(u8, i8, size = 4)
u = table(u8, u8, size = 4)
R = record(s = i8, u = u8)
box = table(u8, R, size = 4)
by = {"s": m, "u": u}
def read(name):
    return by[name][1]
`
	for _, tc := range []struct {
		name, body string
		signed     bool
	}{
		{"constant", "x = 0xffffffffffffffff", false},
		{"later assignment", "x = 0xffffffffffffffff\nr = 1 * (x > 0)\nx = -1", true},
		{"other branch", "x = 0xffffffffffffffff\nif pkt.len == 0:\n    x = -1", true},
		{"through another local", "y = 0\nx = 0xffffffffffffffff + y\nif pkt.len == 0:\n    y = i8(1)", true},
		{"around a loop", "x = 0\ny = 0\nfor i in range(2):\n    x = y - 1\n    y = i8(0)", true},
		{"cond false side", "x = 0xffffffffffffffff if pkt.len else -1", true},
		{"cond true side", "x = i64(5) if not pkt.len else 0xffffffffffffffff", true},
		{"cond unsigned", "x = 0xffffffffffffffff if pkt.len else 1", false},
		{"result", "x = pick(True, 0xffffffffffffffff, -1)", true},
		{"result unsigned", "x = pick(True, 0xffffffffffffffff, 1)", false},
		{"argument", "x = bump(i8(0))", true},
		{"argument unsigned", "x = bump(0)", false},
		{"default", "x = bump()", false},
		{"range", "x = 0\nfor x in range(-1, 0):\n    pass", true},
		{"range unsigned", "x = 0\nfor x in range(0xfffffffffffffffe, 0xffffffffffffffff):\n    pass\nx += 1", false},
		{"list read at run time", "x = LISTU[pkt.len - pkt.len + 2]", false},
		{"list of signed", "x = LISTS[pkt.len - pkt.len + 2]", true},
		{"list by constant", "x = LISTS[2]", false},
		{"dict", "x = DICTS.get(pkt.len - pkt.len + 2, 0)", true},
		{"dict default", "x = DICTU.get(3, -1)", true},
		{"loop over list", "x = 0\nfor x in LISTS:\n    pass", true},
		{"loop over list unsigned", "x = 0\nfor x in LISTU:\n    pass", false},
		{"unpack", "x = 0\nfor n, x in PAIRS:\n    pass\nx = x", true},
		{"tuple", "(y, x) = (1, 0xffffffffffffffff)\nif not pkt.len:\n    x, y = -1, 2", true},
		{"swap keeps apart", "x, y = 0xffffffffffffffff, i8(3)", false},
		{"map value", "m[1] = 255\nx = m[1]", true},
		{"map get default", "x = u.get(1, -1)", true},
		{"map unsigned", "u[1] = 255\nx = u[1]", false},
		{"map incr", "x = m.incr(2, 255)", true},
		{"record field", "a = R(s = 255)\nx = a.s", true},
		{"entry field", "box[1] = R(s = 255, u = 255)\nx = box[1].s", true},
		{"entry field unsigned", "box[1] = R(s = 255, u = 255)\nx = box[1].u", false},
		{"min", "x = max(0xffffffffffffffff, i8(-1))", true},
		{"augmented", "x = 0xffffffffffffffff\nx += i8(0)", true},
		{"shift count", "x = 0xffffffffffffffff >> i8(0)", true},
		{"maps by name", "x = 0xffffffffffffffff + read(\"s\")", true},
		{"maps by name unsigned", "x = 0xffffffffffffffff + read(\"u\")", false},
		{"loop over maps", "x = 0\nfor name, t in [(\"a\", u), (\"b\", m)]:\n    x = 0xffffffffffffffff + t[1]", true},
		{"loop over unsigned maps", "x = 0\nfor name, t in [(\"a\", u), (\"b\", u)]:\n    x = 0xffffffffffffffff + t[1]", false},
		{"nested def", "y = -1\ndef g(z):\n    return z + y - y\nx = g(0xffffffffffffffff)", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			body := tc.body
			if !strings.Contains(body, "r = ") {
				body += "\nr = 1 * (x > 0)"
			}
			setup := "    " + strings.ReplaceAll(body, "\n", "\n    ")
			got := eval(t, globals, setup, "r + 2", udp4(t))
			if want := map[bool]uint64{true: 2, false: 3}[tc.signed]; got != want {
				t.Errorf("signed = %v, want %v, in\n%s", got == 2, tc.signed, body)
			}
		})
	}
}

func TestControlFlow(t *testing.T) {
	const globals = `
PORTS = [53, 80, 443]
NAMES = {"dns": 53, "web": 80}
BY = {53: 1, 80: 2}
HOSTS = [ip4("10.0.0.1")]
PAIRS = [(mac("02:00:00:00:00:01"), 5)]
ADDR = {ip4("192.0.2.1"): 7}
def f(a, b = 10, *, c = 100):
    return a + b + c
def outer(n):
    k = n * 2
    def inner(x):
        return x + k
    return inner
add6 = outer(3)
double = lambda x: x * 2
`
	for _, tc := range []struct {
		name, body string
		want       uint64
	}{
		{"sum of range", "r = 0\nfor i in range(5):\n    r += i", 10},
		{"last value stays", "r = 0\nfor i in range(5):\n    pass\nr = i", 4},
		{"break", "r = 0\nfor i in range(100):\n    if i == 7:\n        break\n    r += 1", 7},
		{"continue", "r = 0\nfor i in range(10):\n    if i % 2:\n        continue\n    r += i", 20},
		{"while", "r = 1\ni = 0\nwhile i < 5:\n    i += 1\n    if i == 4:\n        continue\n    r *= 2", 16},
		{"range max", "r = 0\nfor i in range(pkt.len, max = 4):\n    r += 1", 4},
		{"range step", "r = 0\nfor i in range(10, 0, -3):\n    r = r * 100 + i", 10070401},
		{"range of signed n", "r = 0\nn = -3\nfor i in range(n):\n    r += 1", 0},
		{"list", "r = 0\nfor p in PORTS:\n    r += p", 576},
		{"dict items", "r = 0\nfor name, p in NAMES.items():\n    count(name, p)\n    r += p", 133},
		{"enumerate", "r = 0\nfor i, p in enumerate(PORTS):\n    r += i * p", 966},
		{"enumerate start", "r = 0\nfor i, p in enumerate(PORTS, 1):\n    r += i * p", 1542},
		{"zip", "r = 0\nfor a, b in zip(PORTS, [1, 2]):\n    r += a * b", 213},
		{"index", "r = PORTS[pkt.queue - 1]", 443},
		{"index past the end", "r = PORTS[pkt.queue]", 0},
		{"index negative at run time", "i = 0\nif pkt.len:\n    i = -1\nr = PORTS[i]", 0},
		{"index constant negative", "r = PORTS[-1]", 443},
		{"dict get", "r = BY.get(pkt.udp.sport, 9)", 1},
		{"dict get default", "r = BY.get(pkt.udp.dport, 9)", 9},
		{"dict index", "r = BY[pkt.udp.sport] + BY[pkt.udp.dport]", 1},
		{"dict of addresses", "r = ADDR.get(pkt.ip4.src, 0)", 7},
		{"in dict", "r = 1 * (pkt.udp.sport in BY)", 1},
		{"defaults", "r = f(1)", 111},
		{"keywords", "r = f(b = 2, a = 1, c = 3)", 6},
		{"closure of build time", "r = add6(1)", 7},
		{"closure of packet time", "k = 5\ndef g(x, y = 2):\n    return x * k + y\nk = 7\nr = g(3)", 23},
		{"lambda", "r = double(21)", 42},
		{"swap", "a, b = 1, 2\na, b = b, a\nr = a * 10 + b", 21},
		{"conditional", "r = 1 if pkt.tcp else 2 if pkt.udp else 3", 2},
		{"elif", "r = 0\nif pkt.tcp:\n    r = 1\nelif pkt.udp:\n    r = 2\nelse:\n    r = 3", 2},
		{"min of list", "r = min(PORTS)", 53},
		{"addresses past the end", "r = 1 * (HOSTS[pkt.queue] == ip4(\"0.0.0.0\")) + 2 * (HOSTS[pkt.queue - 3] == ip4(\"10.0.0.1\"))", 3},
		{"tuples past the end", "a, b = PAIRS[pkt.queue]\nr = 1 * (a == mac(\"00:00:00:00:00:00\")) + b", 1},
		{"texts", "for name in [\"a\", \"b\"]:\n    count(\"n-\" + name)\nr = 1 if \"x%d\" % 3 == \"x3\" else 0", 1},
		{"len", "r = len(PORTS) * 100 + len(pkt.payload)", 310},
		{"hash", "r = 1 * (hash_of(pkt.ip4.src) == hash_of(ip4(\"192.0.2.1\")) and hash_of(1) != hash_of(1, seed = 2) and hash_of(1) >> 32 == 0)", 1},
		{"clock and chance", "r = rand() + cpu() + now() + interface(\"eth1\")", 11},
		{"sample", "r = sample(0) + sample(1) * 2 + sample(5) * 4", 6},
	} {
		t.Run(tc.name, func(t *testing.T) {
			setup := "    " + strings.ReplaceAll(tc.body, "\n", "\n    ")
			if got := eval(t, globals, setup, "r", udp4(t)); got != tc.want {
				t.Errorf("r = %d, want %d, after\n%s", got, tc.want, tc.body)
			}
		})
	}
}

func TestVerdicts(t *testing.T) {
	const src = `
LATE = drop("late")
def helper(pkt):
    return drop("helper")
def main(pkt):
    x = pkt.u8(0)
    if x == 1:
        return PASS
    if x == 2:
        return
    if x == 3:
        return drop("three")
    if x == 4:
        return redirect("eth1")
    if x == 5:
        return redirect(pkt.ifindex)
    if x == 6:
        return helper(pkt)
    if x == 7:
        return TX if pkt.queue == 3 else ACCEPT
    if x == 8:
        return LATE
    count("end")
    count("end", 2)
`
	c := (&world{}).open(t, src)
	for _, tc := range []struct {
		first byte
		want  string
	}{
		{1, "PASS  0 8"}, {2, "PASS  0 10"}, {3, "DROP three 0 12"}, {4, "REDIRECT  11 14"}, {5, "REDIRECT  7 16"},
		{6, "DROP helper 0 18"}, {7, "TX  0 20"}, {8, "DROP late 0 22"}, {9, "PASS  0 5"},
	} {
		r := run(t, c, []byte{tc.first})
		if got := fmt.Sprintf("%s %s %d %d", r.Verdict, r.Reason, r.Target, r.Line); got != tc.want {
			t.Errorf("first byte %d: got %q, want %q", tc.first, got, tc.want)
		}
		if tc.first == 9 && r.Counts["end"] != 3 {
			t.Errorf("counts %v, want end 3", r.Counts)
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, tc := range []struct{ name, body, want string }{
		{"endless", "while True:\n        pass", "steps"},
		{"address as condition", "if pkt.ip4.src:\n        pass", "not a condition"},
		{"no value", "if not pkt.len:\n        x = 1\n    return x", "before it has a value"},
		{"division", "return 4 / 2", "not an operator"},
		{"unknown field", "return pkt.ip4.nothing", "no field nothing"},
		{"read-only field", "pkt.tcp.doff = 5", "cannot be written"},
		{"families", "return ip4(\"1.2.3.4\") == ip6(\"::1\")", "cannot be compared"},
		{"result", "return 5", "not a verdict"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := (&world{}).open(t, "def main(pkt):\n    "+tc.body+"\n")
			_, err := c.Run(udp4(t))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
		})
	}
}
