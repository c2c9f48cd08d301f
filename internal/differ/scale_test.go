package differ

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"weir/datapath"
	"weir/hook"
	"weir/lang"
)

// shapes are ways in which chains grow long: a line that stands there n times with other
// numbers (see grown), and what stands before. The sum s decides at the end.
var shapes = []struct {
	name, before, first, line string
}{
	{name: "ifs that add", line: "if pkt.u8($at) > $x:\n        s += $n"},
	{name: "ifs that multiply", line: "if pkt.u8($at) > $x:\n        s = s * 3 + $n"},
	{name: "ifs that subtract", line: "s = s - $n if pkt.u8($at) > $x else s + $n"},
	{name: "conditional expressions", line: "s += $n if pkt.u8($at) > $x else 3 + $n % 5"},
	{name: "conditional expressions on views", line: "s += $n if pkt.$view else 3"},
	{name: "conditional expressions of values", line: "s += pkt.u8($at) if pkt.u8($near) > $x else pkt.u16($near)"},
	{name: "truths as numbers", line: "s += u8(pkt.u8($at) == $x)"},
	{name: "the greater of two", line: "s = max(s, $n if pkt.u8($at) > $x else 3)"},
	{name: "calls with constants", line: "s += f(pkt, $near)",
		before: "def f(pkt, i):\n    if pkt.u8(i) > 7:\n        return 3\n    return pkt.u8(i + 1) & 15\n"},
	{name: "calls with branches and a loop", line: "s += f(pkt, $near - 14)",
		before: "def f(pkt, i):\n    if i == 0:\n        return 3 if pkt.tcp else 4\n    x = 0\n    for k in range(4):\n        if pkt.u8(20 + k) == i:\n            x += k\n    return x\n"},
	{name: "two sums", first: "a, b = 0, 1", line: "if pkt.u8($at) > $x:\n        a, b = b, a + $n\n    else:\n        s = a + b"},
	{name: "tests of the sum", line: "if pkt.u8($at) == $x:\n        s += $n\n        if s > 50 * $n:\n            return drop(\"much\")"},
	{name: "equalities of three numbers", first: "x = (pkt.u8(20), pkt.u8(21), pkt.u16(22))",
		line: "if x[$near - 14] == 37 * $n % 250:\n        s += $n"},
	{name: "ranges of three numbers", first: "x = (pkt.u8(20), pkt.u8(21), pkt.u16(22))",
		line: "if x[$near - 14] > 37 * $n % 250:\n        s += $n"},
	{name: "rules", first: "src, sport, dport, p = pkt.ip4.src, pkt.tcp.sport, pkt.tcp.dport, pkt.ip4.proto",
		line: "if p == $near and sport >= 10 * $n and dport <= 65000 - 20 * $n and src != ip4(\"10.0.0.$x\"):\n        s += 1"},
	{name: "states of a machine", first: "st = 0", line: "b = pkt.u8($at)\n    if st == 0:\n        st = 1 if b == $x else 2\n    elif st == 1:\n        st = 3 if b > 7 else 0\n    elif b == 9:\n        s += st"},
	{name: "lookups", before: "t = table(u16, u32, size = 100)\n", line: "if t[pkt.u16($at)] == $n:\n        s += $n"},
	{name: "lookups with a default", before: "t = table(u16, u32, size = 100)\n", line: "s += t.get(pkt.u16($at), $n)"},
	{name: "records", before: "R = record(n = u32, m = u32)\nt = table(u16, R, size = 100)\n",
		line: "r = t[pkt.u16($at)]\n    if r:\n        r.n += 1\n        s += r.m"},
	{name: "headers", line: "if pkt.$field == $n:\n        s += $n"},
	{name: "headers with fallbacks", line: "s += (pkt.tcp.dport if pkt.tcp else pkt.udp.dport if pkt.udp else pkt.icmp4.type) & $n"},
	{name: "texts", line: "if pkt.payload.startswith(b\"GET /$i\"):\n        s += $n"},
	{name: "octets of the payload", line: "if pkt.payload.u8($at) == $x:\n        s += $n"},
	{name: "loops", line: "for k in range(4):\n        if pkt.u8(k + $at) == $x:\n            s += k\n            break"},
	{name: "nested ifs", line: "if pkt.u8($at) > $x:\n        s += $n\n        if pkt.u8($near) > 9:\n            s += 2\n            if pkt.ip4.ttl > $x:\n                s -= 1\n            else:\n                s += 7"},
	{name: "writes", line: "if pkt.u8($at) > $x:\n        pkt.ip4.ttl = $n\n        s += 1"},
	{name: "counters", line: "if pkt.u8($at) > $x:\n        count(\"c\", s)\n        s += 1"},
	{name: "returns", line: "if pkt.u8($at) == $x:\n        return drop(\"one\")"},
}

// grown returns the chain of a shape in which its line stands n times.
func grown(before, first, line string, n int) string {
	views := []string{"tcp", "udp", "ip4", "ip6", "icmp4"}
	fields := []string{"ip4.ttl", "ip4.dscp", "tcp.dport", "udp.sport", "tcp.window", "ip6.hop_limit", "ip4.id"}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\ndef main(pkt):\n    s = 0\n    %s\n", before, first)
	for i := range n {
		names := map[string]string{
			"i": strconv.Itoa(i), "n": strconv.Itoa(i + 1), "x": strconv.Itoa(i % 200), "at": strconv.Itoa(14 + i%40),
			"near": strconv.Itoa(14 + i%3), "view": views[i%len(views)], "field": fields[i%len(fields)],
		}
		text := os.Expand(line, func(name string) string { return names[name] })
		fmt.Fprintf(&b, "    %s\n", text)
	}
	b.WriteString("    count(\"s\", s)\n    return DROP if s > 900 else PASS\n")
	return b.String()
}

// maxLooked is how often the verifier may look at an instruction that a chain grows by.
// What a chain begins with, as to find TCP in a packet, it looks at more often.
const maxLooked = 40

// maxLeft is what the compiler leaves the verifier to follow at most, of tests of few
// numbers: it makes a program longer only if it must.
const maxLeft = 16_000

// What the verifier looks at grows with a chain as the chain does.
func TestScale(t *testing.T) {
	for _, s := range shapes {
		t.Run(strings.ReplaceAll(s.name, " ", "_"), func(t *testing.T) {
			insns, looked := verified(t, grown(s.before, s.first, s.line, 8))
			for _, n := range []int{32, 128} {
				i, l := verified(t, grown(s.before, s.first, s.line, n))
				t.Logf("%d times: %d instructions, %d looked at", n, i, l)
				if l-looked > maxLooked*(i-insns)+maxLeft {
					t.Errorf("%d times: %d instructions more than with 8, and %d more looked at, want at most %d", n, i-insns, l-looked, maxLooked*(i-insns)+maxLeft)
				}
			}
		})
	}
}

var processed = regexp.MustCompile(`processed (\d+) insns`)

// verified loads a chain, and returns its instructions and how many the verifier looked at.
func verified(t *testing.T, source string) (insns, looked int) {
	t.Helper()
	p, err := lang.Compile([]byte(source), lang.Options{File: "scale.weir", Hook: hook.XDP})
	if err != nil {
		t.Fatalf("%v\n%s", err, source)
	}
	st, err := datapath.Load(p, datapath.LoadOptions{Stats: true})
	if err != nil {
		t.Fatalf("%v\n%s", err, source)
	}
	defer st.Close()
	m := processed.FindStringSubmatch(st.Object(p).VerifierLog)
	if m == nil {
		t.Fatalf("the verifier does not say what it cost: %q", st.Object(p).VerifierLog)
	}
	looked, err = strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return len(p.Code.Insns), looked
}
