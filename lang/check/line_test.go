package check_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"weir/lang/check"
)

// TestLine: a one-liner is the file that the rule makes of it.
func TestLine(t *testing.T) {
	for _, c := range []struct{ name, line, file string }{
		{"nothing", "", "def main(pkt):\n    pass\n"},
		{
			"a verdict is returned", `drop("dns") if pkt.udp and pkt.udp.dport == 53 else PASS`,
			"def main(pkt):\n    return drop(\"dns\") if pkt.udp and pkt.udp.dport == 53 else PASS\n",
		},
		{
			"also one in a branch, and a return may be written", "if pkt.udp.dport == 53: DROP\nreturn ACCEPT",
			"def main(pkt):\n    if pkt.udp.dport == 53:\n        return DROP\n    return ACCEPT\n",
		},
		{
			"packets without the header are not counted", `count("low", 64 - pkt.ip.ttl); count("all")`,
			"def main(pkt):\n    if pkt.ip:\n        count(\"low\", 64 - pkt.ip.ttl)\n    count(\"all\")\n",
		},
		{
			"tested once", `count("both", pkt.tcp.dport + pkt.tcp.sport + pkt.ip.ttl)`,
			"def main(pkt):\n    if pkt.tcp:\n        count(\"both\", pkt.tcp.dport + pkt.tcp.sport + pkt.ip.ttl)\n",
		},
		{
			"what was tested is not tested again", `if pkt.ip4: count("t", pkt.ip4.ttl)`,
			"def main(pkt):\n    if pkt.ip4:\n        count(\"t\", pkt.ip4.ttl)\n",
		},
		{
			"a verdict is for all packets", "PASS if pkt.tcp.dport == 22 else DROP",
			"def main(pkt):\n    return PASS if pkt.tcp.dport == 22 else DROP\n",
		},
		{
			"declarations stay at the top", "few = table(ip4, u64, size = 9); few[pkt.ip4.src] += 1; few.pop(pkt.ip4.dst)",
			"few = table(ip4, u64, size = 9)\ndef main(pkt):\n    few[pkt.ip4.src] += 1\n    if pkt.ip4:\n        few.pop(pkt.ip4.dst)\n",
		},
		{
			"and so do modules", "load(\"std/rate.weir\", \"token_bucket\")\nb = token_bucket(key = ip4)\nPASS if b.allow(pkt.ip4.src, rate = 9, burst = 9) else drop(\"much\")",
			"load(\"std/rate.weir\", \"token_bucket\")\nb = token_bucket(key = ip4)\ndef main(pkt):\n    return PASS if b.allow(pkt.ip4.src, rate = 9, burst = 9) else drop(\"much\")\n",
		},
		{
			"variables are the body's", "n = 1; ports = [53, 80]; n += pkt.len\nif pkt.udp.dport in ports: count(\"n\", n)",
			"def main(pkt):\n    n = 1\n    ports = [53, 80]\n    n += pkt.len\n    if pkt.udp.dport in ports:\n        count(\"n\", n)\n",
		},
		{
			"functions are the file's", "def low(p): return p.ip.ttl < 5\nif low(pkt): count(\"low\")",
			"def low(p): return p.ip.ttl < 5\ndef main(pkt):\n    if low(pkt): count(\"low\")\n",
		},
		{
			"a value is counted by it", "pkt.ip.proto", "def main(pkt):\n    if pkt.ip:\n        count(pkt.ip.proto)\n",
		},
		{
			"so is each that stands alone", "pkt.len // 100; pkt.l4.dport if pkt.l4 else 0\nif pkt.tcp: (pkt.ip.src, pkt.ip.ttl)",
			"def main(pkt):\n    count(pkt.len // 100)\n    count(pkt.l4.dport if pkt.l4 else 0)\n    if pkt.tcp:\n        count((pkt.ip.src, pkt.ip.ttl))\n",
		},
		{"a header by whether it is there", "pkt.tcp", "def main(pkt):\n    count(bool(pkt.tcp))\n"},
		{
			"what changes a map is done", "m = lru(ip4, u64, size = 9); m.incr(pkt.ip4.src); m[pkt.ip4.src]",
			"m = lru(ip4, u64, size = 9)\ndef main(pkt):\n    if pkt.ip4:\n        m.incr(pkt.ip4.src)\n    if pkt.ip4:\n        count(m[pkt.ip4.src])\n",
		},
		{
			"a histogram leaves out what is not there", "hist(pkt.tcp.window); hist(\"len\", pkt.len)",
			"def main(pkt):\n    if pkt.tcp:\n        hist(pkt.tcp.window)\n    hist(\"len\", pkt.len)\n",
		},
		{"a file as it is", "def main(pkt): return DROP", "def main(pkt): return DROP"},
		{"a docstring says nothing", `"Drops all."; DROP`, "def main(pkt):\n    return DROP\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, list := check.Check("-e", []byte(c.line), check.Options{Line: true})
			if len(list) > 0 {
				t.Fatalf("%s:\n%s", c.line, list)
			}
			want, list := check.Check("file.weir", []byte(c.file), check.Options{})
			if list.Err() != nil {
				t.Fatalf("%s:\n%s", c.file, list)
			}
			// A count has the name of its text.
			text := strings.ReplaceAll(want.String(), "bool(pkt.tcp)", "pkt.tcp")
			if d := cmp.Diff(text, got.String()); d != "" {
				t.Errorf("%s (-file +line):\n%s", c.line, d)
			}
		})
	}
}

// TestLineErrors: places are those of the text that was typed.
func TestLineErrors(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{`drp("x")`, "-e:1:1: error: nothing is named drp\n    drp(\"x\")\n    ^\n  did you mean drop?"},
		{"pkt.ip.porto", "-e:1:8: error: the ip header has no field porto\n    pkt.ip.porto\n           ^\n  did you mean proto?"},
		{"n = 1\nfoo + n", "-e:2:1: error: nothing is named foo\n    foo + n\n    ^\n  define it, or load it from the module that has it"},
		{`count("x"`, "-e:1:6: error: this ( is never closed\n    count(\"x\"\n         ^\n  close it with )"},
		{"x = 3; break", "-e:1:8: error: break stands outside of a loop\n    x = 3; break\n           ^\n  it belongs into the body of a for or while"},
		{"n = 1; t = table(ip4, u64)", "-e:1:17: error: a table needs a size\n    n = 1; t = table(ip4, u64)\n                    ^\n  size = how many entries it holds at most"},
	} {
		_, list := check.Check("-e", []byte(c.line), check.Options{Line: true})
		if d := cmp.Diff(c.want, list.Error()); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.line, d)
		}
	}
}
