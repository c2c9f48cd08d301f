package pcap_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"weir/lang/pcap"
	"weir/lang/ref"
)

// What is wrong is said in one sentence, at its place, with what to do.
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		text    string
		pos     int
		message string
	}{
		{"tcp prt 80", 4, `"prt" is no word of filters, and stands behind none that takes a name`},
		{"tcp port", 8, "the filter ends where a name, an address or a number is wanted"},
		{"tcp and", 7, "the filter ends where a test is wanted"},
		{"(tcp", 4, "the filter ends where ) is wanted"},
		{"tcp)", 3, `")" stands where and, or, or the end is wanted`},
		{"tcp port 65536", 9, "there is no port 65536"},
		{"port nonesuch", 5, `no port is known by the name "nonesuch"`},
		{"udp port http", 9, "http is a port of tcp"},
		{"portrange 80-", 12, ""},
		{"host example.org", 5, `"example.org" is the name of a host or network, and names are not looked up`},
		{"host 192.0.2.0/24", 5, "a mask stands behind a host"},
		{"net 192.0.2.1/24", 4, "192.0.2.1 has bits outside its mask"},
		{"net 192.0.2.0/33", 14, "a prefix of IPv4 has at most 32 bits"},
		{"net 2001:db8::/129", 15, "a prefix of IPv6 has at most 128 bits"},
		{"host 192.0.2.256", 5, "192.0.2.256 is no address"},
		{"tcp host 192.0.2.1", 9, "tcp has no IPv4 addresses"},
		{"port 192.0.2.1", 5, "192.0.2.1 is an address, not a port"},
		{"host 02:00:00:00:00:01", 5, "02:00:00:00:00:01 is a MAC address, and no ether stands before it"},
		{"192.0.2.1", 0, ""},
		{"80", 0, "80 has nothing before it that says what it is"},
		{"tcp and 80", 8, "80 has nothing before it that says what it is"},
		{"tcp[0:3] = 1", 6, "1, 2 or 4 octets are read at once"},
		{"tcp[0]", 6, ""},
		{"tcp[0] =", 8, ""},
		{"tcp[0] / 0 = 1", 7, "the filter divides by zero"},
		{"len << 32 = 1", 4, "the filter shifts a number of 32 bits by more than 31"},
		{"len = 4294967296", 6, "4294967296 is no number of 32 bits"},
		{"port 08", 5, "08 is no number of 32 bits"},
		{"vlan 4096", 5, "4096 is greater than a VLAN ID can be"},
		{"mpls and arp", 9, "only IPv4 and IPv6 can be told behind mpls"},
		{"mpls and vlan", 9, "no tag stands behind MPLS labels, nor in PPP"},
		{"pppoes and ether host 02:00:00:00:00:01", 22, "PPP has no MAC addresses"},
		{"inbound", 0, "inbound is not among the tests of filters here"},
		{"ip6 protochain 6", 4, "protochain is not among the tests of filters here"},
		{"geneve", 0, "geneve is not among the tests of filters here"},
		{"ip broadcast", 3, "which addresses are broadcasts only a netmask tells, and there is none here"},
		{"byte 3 & 5", 7, "byte takes =, < and >"},
		{"ether", 5, ""},
		{"tcp port 80 \x00", 12, `'\x00' is no part of a filter`},
		{"tcp \xff", 4, ""},
		{strings.Repeat("(", 200) + "tcp", 49, "the filter is nested more than 100 deep"},
		{"tcp" + strings.Repeat(" and tcp", 5000), 16384, "the filter has more than 4096 words"},
		{strings.Repeat(" ", 1<<17), 0, "the filter has 131072 characters"},
	} {
		_, err := pcap.Parse(c.text)
		var e *pcap.Error
		if !errors.As(err, &e) {
			t.Errorf("%.40q: %v", c.text, err)
			continue
		}
		if c.message != "" && e.Message != c.message || e.Pos != c.pos || e.Hint == "" {
			t.Errorf("%.40q: at %d: %s; %s\nwant at %d: %s", c.text, e.Pos, e.Message, e.Hint, c.pos, c.message)
		}
	}
}

// A filter of many terms stays small: what is known is not asked again.
func TestSize(t *testing.T) {
	var hosts, ports []string
	for i := range 50 {
		hosts = append(hosts, fmt.Sprintf("host 192.0.2.%d", i))
		ports = append(ports, fmt.Sprintf("tcp port %d", 1000+i))
	}
	for _, c := range []struct {
		text string
		most int
	}{
		{"tcp port 80", 9},
		{"port 80 or 443", 19},
		{"ip and not ip", 0},
		{"tcp or tcp port 80", 6},
		{strings.Join(hosts, " or "), 303},
		{strings.Join(ports, " or "), 206},
		{"not (" + strings.Join(hosts, " or ") + ") and (" + strings.Join(ports, " or ") + ")", 520},
	} {
		f, err := pcap.Parse(c.text)
		if err != nil {
			t.Fatalf("%s: %v", c.text, err)
		}
		if len(f.Nodes) > c.most {
			t.Errorf("%.60s: %d tests, want at most %d", c.text, len(f.Nodes), c.most)
		}
	}
}

// What there is no room to think through is made as it says.
func TestLargeGraph(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	var terms []string
	for range 100 {
		terms = append(terms, fmt.Sprintf("(ether[%d] > 1 and ether[%d] > 2 or ether[%d] > 3)", r.IntN(40), r.IntN(40), r.IntN(40)))
	}
	f, err := pcap.Parse(strings.Join(terms, " and "))
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Nodes) != 300 {
		t.Errorf("%d tests", len(f.Nodes))
	}
}

// Whatever the text, it is read or refused, and what was read runs.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"tcp port 80", "host 2001:db8::1 and not vlan 5", "tcp[tcp[12]>>2:4] = 0x47455420", "ether host 1:2:3:4:5:6 || 1.2.3.4", "(((", "portrange a-b", "net 10 mask 255.0"} {
		f.Add(s, []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45})
	}
	f.Fuzz(func(t *testing.T, text string, frame []byte) {
		filter, err := pcap.Parse(text)
		var e *pcap.Error
		if errors.As(err, &e) && (e.Pos < 0 || e.Pos > len(text) || e.Message == "" || e.Hint == "") {
			t.Errorf("%q: %+v", text, e)
		}
		if err == nil {
			ref.FilterHolds(filter, frame, true)
			ref.FilterHolds(filter, frame, false)
		}
	})
}
