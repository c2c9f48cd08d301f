package traffic

import (
	"regexp"
	"strings"
	"testing"

	"weir/hook"
	"weir/lab"
)

// absentHost answers for an address of each family that nobody has.
const absentHost = `
load("std/arp.weir", "reply")
load("std/icmp.weir", "echo_reply")
load("std/ndp.weir", "target", reply6 = "reply")

FOUR, SIX, HERE = ip4("VIP4"), ip6("VIP6"), mac("02:00:00:00:00:80")

def main(pkt):
    if pkt.arp and pkt.arp.tpa == FOUR and reply(pkt, HERE):
        count("arp")
        return TX
    if target(pkt) == SIX and reply6(pkt, HERE):
        count("ndp")
        return TX
    if pkt.ip and (pkt.ip.dst == FOUR or pkt.ip.dst == SIX) and echo_reply(pkt):
        count("echo")
        return TX
    return PASS
`

// TestPingOfOthers has ping, arping and ndisc6 ask a host that is a chain and nothing else.
func TestPingOfOthers(t *testing.T) {
	for _, h := range []hook.Hook{hook.XDP, hook.TCIngress} {
		t.Run(h.String(), func(t *testing.T) {
			l := newLab(t)
			addrs := lab.End{Addrs: lab.MustPrefixes("10.0.0.1/24", "fd00::1/64")}
			a, m := link(t, l, newHost(t, l, "a"), newHost(t, l, "m"), "eth0", "eth0", lab.LinkOptions{A: addrs})
			c := answering(t, text(absentHost, "VIP4", vip4, "VIP6", vip6), h, []lab.Iface{m}, []lab.Iface{a})
			for _, tt := range []struct {
				name, command string
				want          string // of what it says
				counter       string
				n             uint64 // how many more of it
			}{
				{"arping", "arping -c 1 -w 5 -I eth0 10.0.0.80", `Unicast reply from 10.0.0.80 \[02:00:00:00:00:80\]`, "arp", 1},
				{"arping for a free address", "arping -c 1 -w 1 -I eth0 10.0.0.81", "", "arp", 0},
				{"ndisc6", "ndisc6 -1 -r 1 -w 5000 fd00::80 eth0", `Target link-layer address: 02:00:00:00:00:80`, "ndp", 1},
				{"ndisc6 for a free address", "ndisc6 -1 -r 1 -w 500 fd00::81 eth0", "", "ndp", 0},
				{"ping", "ping -q -c 20 -i 0.002 -W 5 10.0.0.80", ` 20 received, 0% packet loss`, "echo", 20},
				{"ping without data", "ping -q -c 5 -i 0.002 -s 0 -W 5 10.0.0.80", ` 5 received, 0% packet loss`, "echo", 5},
				{"ping of odd size, marked", "ping -q -c 5 -i 0.002 -s 1471 -p a55a3c -Q 0xb8 -W 5 10.0.0.80", ` 5 received, 0% packet loss`, "echo", 5},
				{"flood of pings", "ping -q -f -c 500 -W 5 10.0.0.80", ` 500 received, 0% packet loss`, "echo", 500},
				{"ping with an option of IPv4", "ping -q -c 2 -i 0.002 -T tsonly -W 5 10.0.0.80", ` 2 received, 0% packet loss`, "echo", 2},
				{"ping6", "ping -6 -q -c 20 -i 0.002 -W 5 fd00::80", ` 20 received, 0% packet loss`, "echo", 20},
				{"ping6 of odd size, with a label", "ping -6 -q -c 5 -i 0.002 -s 1001 -p a55a3c -F 12345 -W 5 fd00::80", ` 5 received, 0% packet loss`, "echo", 5},
				{"flood of ping6", "ping -6 -q -f -c 500 -W 5 fd00::80", ` 500 received, 0% packet loss`, "echo", 500},
			} {
				t.Run(tt.name, func(t *testing.T) {
					args := strings.Fields(tt.command)
					needs(t, args[0])
					wrong, before := watch(t, a.Host), c.count(tt.counter)
					out, err := a.Host.Run(bounded(t), args[0], args[1:]...)
					if (err == nil) != (tt.want != "") || !regexp.MustCompile(tt.want).Match(out) {
						t.Errorf("%s: %v\n%s\nwant %q", tt.command, err, out, tt.want)
					}
					// ping says of octets that have changed on the way.
					if strings.Contains(string(out), "wrong data") || strings.Contains(string(out), "DUP") || wrong() != 0 {
						t.Errorf("%s: %d wrong checksums\n%s", tt.command, wrong(), out)
					}
					if got := c.count(tt.counter) - before; got != tt.n {
						t.Errorf("%d answers, want %d", got, tt.n)
					}
				})
			}
		})
	}
}
