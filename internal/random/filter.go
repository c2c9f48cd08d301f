package random

import "fmt"

// filters are expressions of tcpdump for which some packets come and some do not.
var filters = []string{
	"ip", "ip6", "tcp", "udp", "icmp or icmp6", "arp", "vlan", "tcp port 80", "udp port 53", "port 80 or 443", "dst port 53",
	"host 192.0.2.1", "src net 10.0.0.0/8", "net 2001:db8::/48", "tcp[13] & 2 != 0", "ip[8] < 64", "ip[6:2] & 0x3fff != 0",
	"len > 80", "less 60", "vlan and tcp", "mpls", "ip[ip[0] & 0xf] > 64", "ether[len - 1] & 1 = 0", "portrange 1-1023", "proto 17",
}

// filter grows a condition of filters: none that holds for no packet, which is an
// error.
func (g *gen) filter() string {
	g.use("condition filter")
	g.pay(40)
	text := pick(g, filters...)
	for g.one(3) {
		g.pay(20)
		if g.one(2) {
			text = fmt.Sprintf("(%s) and len %% %d != %d", text, 2+g.r.IntN(7), g.r.IntN(2))
		} else {
			text = fmt.Sprintf("(%s) or %s(%s)", text, pick(g, "", "", "not "), pick(g, filters...))
		}
	}
	return fmt.Sprintf("pcap_filter(%q)(pkt)", text)
}
