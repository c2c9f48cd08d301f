package frames

import (
	"encoding/binary"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

func TestNamesAndSizes(t *testing.T) {
	all := All()
	if len(all) < 90 {
		t.Errorf("%d frames, want at least 90", len(all))
	}
	form := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)+$`)
	seen := map[string]string{}
	names := map[string]bool{}
	for _, f := range all {
		if !form.MatchString(f.Name) || names[f.Name] {
			t.Errorf("name %q is twice, or not words joined with hyphens", f.Name)
		}
		names[f.Name] = true
		if other, ok := seen[string(f.Data)]; ok {
			t.Errorf("%s and %s are the same bytes", f.Name, other)
		}
		seen[string(f.Data)] = f.Name
		if len(f.Data) < 14 || len(f.Data) > 3200 {
			t.Errorf("%s: %d bytes, want 14 to 3200", f.Name, len(f.Data))
		}
	}
}

// TestDecode looks at frames with gopacket's own decoder.
func TestDecode(t *testing.T) {
	for _, tt := range []struct{ name, want string }{
		{"tcp4-syn", "Ethernet IPv4 TCP"},
		{"tcp4-http-get", "Ethernet IPv4 TCP Payload"},
		{"udp4-dns-query", "Ethernet IPv4 UDP DNS"},
		{"udp6-dns-answer", "Ethernet IPv6 UDP DNS"},
		{"icmp4-echo", "Ethernet IPv4 ICMPv4 Payload"},
		{"icmp6-neighbor-solicitation", "Ethernet IPv6 ICMPv6 ICMPv6NeighborSolicitation"},
		{"ip4-ihl-6", "Ethernet IPv4 TCP Payload"},
		{"ip4-ihl-15", "Ethernet IPv4 TCP Payload"},
		{"ip4-fragment-middle", "Ethernet IPv4 Fragment"},
		{"ip6-fragment-last", "Ethernet IPv6 IPv6Fragment Fragment"},
		{"ip6-hop-by-hop", "Ethernet IPv6 IPv6HopByHop UDP DecodeFailure"},
		{"ip6-destination", "Ethernet IPv6 IPv6Destination TCP Payload"},
		{"ip6-ah", "Ethernet IPv6 IPSecAH TCP Payload"},
		{"vlan-tcp4", "Ethernet Dot1Q IPv4 TCP Payload"},
		{"vlan2-ad-q-tcp4", "Ethernet Dot1Q Dot1Q IPv4 TCP Payload"},
		{"vlan-arp", "Ethernet Dot1Q ARP"},
		{"arp-request", "Ethernet ARP"},
		{"cut-eth-ip4", "Ethernet"},
		{"cut-half-tcp4", "Ethernet IPv4 TCP DecodeFailure"},
		{"ip4-ihl-4", "Ethernet IPv4 DecodeFailure"},
	} {
		p := gopacket.NewPacket(Named(tt.name).Data, layers.LayerTypeEthernet, gopacket.Default)
		var got []string
		for _, l := range p.Layers() {
			got = append(got, l.LayerType().String())
		}
		if got := strings.Join(got, " "); got != tt.want {
			t.Errorf("%s: decodes as %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestFlags(t *testing.T) {
	for name, want := range map[string]byte{
		"tcp4-null": 0, "tcp4-all-flags": 0xff, "tcp4-xmas": 0x29, "tcp4-syn-ack": 0x12, "tcp4-ecn-syn": 0xc2,
	} {
		if got := Named(name).Data[offUpper4+13]; got != want {
			t.Errorf("%s: flags %#02x, want %#02x", name, got, want)
		}
	}
}

// TestSumZeroWhenRewritten rewrites the port and sums the datagram anew.
func TestSumZeroWhenRewritten(t *testing.T) {
	for name, sum := range map[string]int{"udp4-sum-zero-when-rewritten": offUDPSum4, "udp6-sum-zero-when-rewritten": offUDPSum6} {
		data := Named(name).Data
		// RFC 1624 eqn. 3 from the old port and sum to the new.
		port := uint32(binary.BigEndian.Uint16(data[sum-4:]))
		old := uint32(binary.BigEndian.Uint16(data[sum:]))
		acc := (old ^ 0xffff) + (port ^ 0xffff) + RewritePort
		for acc > 0xffff {
			acc = acc&0xffff + acc>>16
		}
		if got := acc ^ 0xffff; got != 0 {
			t.Errorf("%s: rewriting port %d to %d gives checksum %#04x, want 0", name, port, RewritePort, got)
		}
	}
	if d := Named("udp4-sum-ffff").Data; binary.BigEndian.Uint16(d[offUDPSum4:]) != 0xffff {
		t.Errorf("udp4-sum-ffff: checksum % x", d[offUDPSum4:offUDPSum4+2])
	}
}

// TestChecksums sums every IPv4 header again, where the name does not say that
// it is wrong.
func TestChecksums(t *testing.T) {
	for _, f := range All() {
		bad := strings.Contains(f.Name, "ihl-0") || strings.Contains(f.Name, "ihl-4") ||
			strings.Contains(f.Name, "ihl-beyond") ||
			strings.Contains(f.Name, "version") || f.Name == "ip4-bad-sum"
		if bad || len(f.Data) < 34 || binary.BigEndian.Uint16(f.Data[12:]) != typeIPv4 {
			continue
		}
		before := binary.BigEndian.Uint16(f.Data[24:])
		if after := binary.BigEndian.Uint16(resum4(f.Data)[24:]); before != after {
			t.Errorf("%s: IPv4 checksum %#04x, want %#04x", f.Name, before, after)
		}
	}
}

func TestRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	kinds := map[string]int{}
	for range 5000 {
		data := Random(r)
		if len(data) < minRandom || len(data) > maxRandom {
			t.Fatalf("%d bytes, want %d to %d", len(data), minRandom, maxRandom)
		}
		for _, l := range gopacket.NewPacket(data, layers.LayerTypeEthernet, gopacket.Default).Layers() {
			kinds[l.LayerType().String()]++
		}
	}
	for _, want := range []string{"IPv4", "IPv6", "TCP", "UDP", "ICMPv4", "ICMPv6", "SCTP", "Dot1Q", "ARP", "Fragment",
		"IPv6HopByHop", "IPv6Routing", "IPv6Destination", "IPv6Fragment", "IPSecAH", "DecodeFailure"} {
		if kinds[want] < 10 {
			t.Errorf("%s: %d times in 5000 frames, want 10", want, kinds[want])
		}
	}
}

func TestRandomRepeats(t *testing.T) {
	a, b := rand.New(rand.NewPCG(7, 7)), rand.New(rand.NewPCG(7, 7))
	for range 100 {
		if string(Random(a)) != string(Random(b)) {
			t.Fatal("the same seed gives different frames")
		}
	}
}
