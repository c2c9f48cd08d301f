package check

import (
	"strings"
	"testing"
)

// TestMatch: what a match may be, and what is said of the rest.
func TestMatch(t *testing.T) {
	const chain = "def main(pkt):\n    return PASS\n"
	for _, c := range []struct{ match, want string }{
		{`pkt.ip4.src == ip4("192.0.2.1")`, ""},
		{"pkt.tcp", ""},
		{"pkt.udp and pkt.udp.dport in [53, 853]", ""},
		{"pkt.len", ""},
		{"sample(10)", ""},
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
		if p != nil && len(p.Files) != 1 {
			t.Errorf("%q: the program has the files %q", c.match, p.Files)
		}
	}
}
