package check

import (
	"strings"
	"testing"
)

// TestMatch: what a match may be, and what is said of the rest.
func TestMatch(t *testing.T) {
	const chain = `
load("std/rate.weir", "token_bucket")
blocked = table(ip4, u32, size = 8)
jobs = queue(u32, size = 8)
limit = param(u16, 100)
ports = [53, 853]
nets = [prefix("192.0.2.0/24")]
web = pcap_filter("tcp port 80")
bucket = token_bucket(ip4)
def known(pkt): return pkt.udp and pkt.udp.dport in ports
def main(pkt):
    return PASS
`
	for _, c := range []struct{ match, want string }{
		{`pkt.ip4.src == ip4("192.0.2.1")`, ""},
		{"pkt.tcp", ""},
		{"pkt.udp and pkt.udp.dport in [53, 853]", ""},
		{"pkt.len", ""},
		{"sample(10)", ""},
		{"True", ""},
		{"1 if pkt.tcp else 0", ""},
		{"pkt.ip4.src in blocked", ""},
		{"pkt.ip4 and blocked[pkt.ip4.src] > 7", ""},
		{"pkt.len > limit", ""},
		{"pkt.udp.dport in ports", ""},
		{"web(pkt)", ""},
		{"", ""},
		{"x = 1", "the match is not one expression"},
		{"pkt.tcp\npkt.udp", "the match is not one expression"},
		{"return True", "the match is not one expression"},
		{"pkt.ip4.src ==", "--match:1:15: "},
		{"pkt.ip4.nosuch", "--match:1:9: "},
		{"pkt.ip4.src", "--match:1:1: error: an ip4 is no condition"},
		{"pkt.push(4)", "a match looks at the packet and changes nothing, but push() moved it"},
		{`count("x")`, "--match:1:"},
		{"nosuch", "--match:1:1: "},
		{"nosuch", "a match can name the packet, what the language has, and what the file of the chain has but for functions"},
		{"main(pkt)", "--match:1:1: error: nothing is named main"},
		{"known(pkt)", "--match:1:1: error: nothing is named known"},
		{"lambda p: p.tcp", "--match:1:1: error: the function lambda is no condition"},
		{"(lambda p: p.tcp)(pkt)", "a match looks at the packet and changes nothing, but this one calls a function"},
		{"pkt.tcp and ports", "--match:1:13: error: a list is no condition"},
		{"not nets", "--match:1:5: error: a list is no condition"},
		{"None", "None is no condition"},
		{`"x"`, `the string "x" is no condition`},
		{"blocked", "a table is no condition"},
		{"web", "a filter is no condition"},
		{"len", "the function len is no condition"},
		{"jobs.pop() > 1", "but this one writes into a map"},
		{"bucket.allow(pkt.ip4.src, 1, 1)", "but this one calls a function"},
		{"blocked.pop(pkt.ip4.src) > 1", "but this one writes into a map"},
	} {
		p, list := Check("a.weir", []byte(chain), Options{Match: c.match})
		text := ""
		for _, d := range list.Errors() {
			text += d.String() + "\n"
		}
		if c.want == "" && text != "" || !strings.Contains(text, c.want) {
			t.Errorf("%q: got %q, want %q", c.match, text, c.want)
		}
		if p != nil && (p.Match != nil) != (c.match != "") {
			t.Errorf("%q: the match is %v", c.match, p.Match)
		}
		if p != nil && len(p.Files) != 2 {
			t.Errorf("%q: the program has the files %q", c.match, p.Files)
		}
	}
}
