package wtest

import (
	"strings"
	"testing"
)

// TestChains: functions whose parameter has any name are chains, and those of build time
// are in no one's way.
func TestChains(t *testing.T) {
	files := map[string]string{
		"a.weir": `
load("./lim.weir", "over")
seen = table(ip4, u64, size = 8)
most = param(u32, 4)
def double(n):
    return 2 * n
def main(p):
    return DROP if over(p.ip4.ttl) else PASS
def guard(packet):
    seen[packet.ip4.src] += most
    return PASS
`,
		"lim.weir":    "limit = param(u8, 8)\ndef over(n):\n    return n > limit\n",
		"broken.weir": "most = param(u8, 1)\nhits = table(ip4, u64, size = 8)\ndef main(p):\n    hits[p.ip4.src] += most\n    return 7\n",
	}
	for _, tt := range []struct{ name, load, body, want string }{
		{"a map before a run", `load("./a.weir", "guard", "seen", "most", "double")`, `
    seen[ip4("192.0.2.1")] = double(3)
    most.set(5)
    run(guard, packet(ip4()))
    assert.eq(seen[ip4("192.0.2.1")], 11)
`, "passed test_it:2 \n"},
		{"a param of a module", `load("./a.weir", "main"); load("./lim.weir", "limit", "over")`, `
    assert.eq(limit.get(), 8)
    limit.set(64)
    assert.eq((run(main, packet(ip4())).verdict, run(main, packet(ip4(ttl = 65))).verdict), (PASS, DROP))
`, "passed test_it:2 \n"},
		{"a map of what does not compile", `load("./broken.weir", "main", "hits")`, `
    hits.clear()
`, "broken test_it:3 the chain does not compile\n    broken.weir:5:12: error: "},
		{"a param of what does not compile", `load("./broken.weir", "main", "most")`, `
    most.set(3)
`, "broken test_it:3 the chain does not compile\n    broken.weir:5:12: error: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files["a_test.weir"] = tt.load + "\ndef test_it():" + tt.body
			if got := runs(t, files, "a_test.weir", Options{}); !strings.HasPrefix(got, tt.want) || tt.want[0] == 'p' && got != tt.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, tt.want)
			}
		})
	}
}
