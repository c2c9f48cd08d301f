package differ

import (
	"errors"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
)

// hookCases are chains that not every hook takes, by the variants that do.
var hookCases = []struct{ name, variants, body string }{
	{"cpu", "xdp xdp-frags", "return redirect_cpu(0)"},
	{"cpu at run time", "xdp xdp-frags", "return redirect_cpu(pkt.ip4.ttl & 1) if pkt.ip4 else PASS"},
	{"cpu that is not there", "xdp xdp-frags", "return redirect_cpu(pkt.len + 4096)"},
	{"cpu in a variable", "xdp xdp-frags", "v = redirect_cpu(pkt.len) if pkt.udp else drop(\"no udp\")\n    return v if v != redirect_cpu(0) else TX"},
	{"cpu and others", "xdp xdp-frags", "v = redirect_cpu(1)\n    if pkt.tcp:\n        v = redirect(1)\n    elif pkt.ip6:\n        v = reject()\n    return v if v != redirect(1) or pkt.len > 100 else ACCEPT"},
	{"group of a long frame", "xdp xdp-frags tc-ingress tc-egress", "return redirect([\"no1\", \"lo\"])"},
	{"groups of a long frame", "xdp xdp-frags tc-ingress tc-egress", "v = redirect([\"no1\", \"lo\"])\n    if pkt.ip4:\n        v = redirect([\"no2\"])\n    return v"},
	{"user", "xdp xdp-frags", "return to_user(pkt.queue)"},
	{"user of queue 0", "xdp xdp-frags", "return to_user(0)"},
	{"user of another queue", "xdp xdp-frags", "return to_user(pkt.queue + 1)"},
	{"user of no queue", "xdp xdp-frags", "return to_user(4294967295)"},
	{"user at run time", "xdp xdp-frags", "return to_user(pkt.ip4.ttl & 1) if pkt.ip4 else PASS"},
	{"user in a variable", "xdp xdp-frags", "v = to_user(pkt.len & 3) if pkt.udp else drop(\"no udp\")\n    return v if v != to_user(0) else TX"},
	{"user and others", "xdp xdp-frags", "v = to_user(0)\n    if pkt.tcp:\n        v = redirect_cpu(9999)\n    elif pkt.ip6:\n        v = redirect(1)\n    return ACCEPT if v == redirect(1) and pkt.len > 100 else v"},
	{"peer", "tc-ingress", "return redirect_peer(1)"},
	{"peer by name", "tc-ingress", "return redirect_peer(\"lo\") if pkt.ip else DROP"},
	{"peer in a variable", "tc-ingress", "v = redirect_peer(7) if pkt.udp else redirect(7)\n    return drop(\"wrong\") if v == redirect(7) and pkt.udp else v"},
}

// TestHooks is TestCorpus for what only some hooks can do.
func TestHooks(t *testing.T) {
	fs, ran := stock(), 0
	for _, x := range hookCases {
		c := Case{File: "hooks.weir", Source: []byte("def main(pkt):\n    " + x.body + "\n")}
		for _, v := range variants {
			_, err := c.Compile(v.hook, v.frags)
			if takes := strings.Contains(" "+x.variants+" ", " "+v.name+" "); takes != (err == nil) {
				t.Errorf("%s at %s: compile: %v", x.name, v.name, err)
				continue
			} else if !takes {
				continue
			}
			ran++
			t.Run(x.name+" at "+v.name, func(t *testing.T) {
				met := some(fs, 0)
				if v.frags {
					met = append(met, Frame{"linear", make([]byte, linear)}, Frame{"of two fragments", make([]byte, linear+1)}, Frame{"long", make([]byte, 9000)})
				}
				err := c.Run(v.hook, v.frags, met)
				if errors.Is(err, ebpf.ErrNotSupported) {
					t.Skip(err)
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
	if ran < len(hookCases) {
		t.Errorf("%d ran", ran)
	}
}
