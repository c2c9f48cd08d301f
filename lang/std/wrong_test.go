package std_test

import (
	"strings"
	"testing"

	"weir/lang/check"
)

// TestWrongUses wants each module to say what is wrong, and what would be right.
func TestWrongUses(t *testing.T) {
	for _, tt := range []struct{ module, name, call, want string }{
		{"bridge", "bridge", `bridge({})`, `write bridge({"eth0": 10, "eth9": [10, 20]})`},
		{"bridge", "bridge", `bridge(["eth0", "eth1"])`, `write bridge({"eth0": 10, "eth9": [10, 20]})`},
		{"bridge", "bridge", `bridge({"eth0": "10"})`, `"10" is no VLAN of port eth0: want 1 to 4094`},
		{"bridge", "bridge", `bridge({"eth0": [10, 4095]})`, "4095 is no VLAN of port eth0: want 1 to 4094"},
		{"hash", "choose", "choose([])", "give one at least"},
		{"hash", "choose", "choose([1, 2], size = 0)", "want 1 to 65536"},
		{"hash", "choose", "choose([n for n in range(200)], size = 65536)", "want 1 to 5242"},
		{"hash", "toeplitz", "toeplitz(key = [1, 2, 3])", "want 40"},
		{"dscp", "dscp_map", "dscp_map({4: 64})", "these are 0 to 63"},
		{"dscp", "dscp_map", "dscp_map({-1: 4})", "these are 0 to 63"},
		{"xconnect", "xconnect", `xconnect("eth0", "eth0")`, "give two interfaces"},
		{"encap", "tunnel", `tunnel("l2tp", ip4("192.0.2.1"), ip4("192.0.2.2"))`, "there are ipip, gre"},
		{"sketch", "count_min", "count_min(width = 1000)", "want a power of two"},
		{"sketch", "count_min", "count_min(depth = 0)", "depth is 0: want 1 to 16"},
		{"sketch", "distinct", "distinct(ip, bits = 0)", "want a power of two"},
		{"rate", "token_bucket", "token_bucket(key = ip, size = 0)", "holds nothing"},
		{"names", "name_list", `name_list(init = ["x" * 64 + ".org"])`, "takes up to 63"},
	} {
		src := "load(\"std/" + tt.module + ".weir\", \"" + tt.name + "\")\nm = " + tt.call +
			"\ndef main(pkt):\n    return PASS\n"
		_, list := check.Check("t.weir", []byte(src), check.Options{})
		if err := list.Err(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.call, err, tt.want)
		}
	}
}
