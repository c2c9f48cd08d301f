package examples_test

import (
	"bytes"
	"flag"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

var update = flag.Bool("update", false, "write the captures, or what the examples do with them, anew")

//go:generate go test -run ^TestCaptures$ -update .

// A sent is a packet of a capture.
type sent struct {
	after    time.Duration // since the packet before
	src, dst string
	mac      byte     // last octet of the sender's address; 0 is 1
	tags     []uint16 // VLANs, the outer one first
	ttl      uint8    // 0 is 64
	dscp     uint8
	cut      uint16 // fragment offset of IPv4, in units of 8 octets
	more     bool   // IPv4: more fragments follow
	l4       gopacket.SerializableLayer
	body     int    // octets
	whole    []byte // the frame itself
}

func tcp(sport, dport int, flags string) *layers.TCP {
	t := &layers.TCP{SrcPort: layers.TCPPort(sport), DstPort: layers.TCPPort(dport), Seq: 1000, Window: 64240}
	for _, f := range flags {
		switch f {
		case 'S':
			t.SYN = true
		case 'A':
			t.ACK, t.Ack = true, 2000
		case 'F':
			t.FIN = true
		case 'R':
			t.RST = true
		}
	}
	return t
}

func udp(sport, dport int) *layers.UDP {
	return &layers.UDP{SrcPort: layers.UDPPort(sport), DstPort: layers.UDPPort(dport)}
}

func icmp6(kind uint8) *layers.ICMPv6 {
	return &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(kind, 0)}
}

func icmp4(kind uint8) *layers.ICMPv4 {
	return &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(kind, 0)}
}

// frame returns the packet's octets, with its lengths and checksums.
func (s sent) frame(t *testing.T) []byte {
	t.Helper()
	if s.whole != nil {
		return s.whole
	}
	src, dst := netip.MustParseAddr(s.src), netip.MustParseAddr(s.dst)
	etherType, proto := layers.EthernetTypeIPv4, layers.IPProtocolTCP
	if src.Is6() {
		etherType = layers.EthernetTypeIPv6
	}
	ttl := max(s.ttl, 1)
	if s.ttl == 0 {
		ttl = 64
	}
	ls := s.link(etherType)
	switch s.l4.(type) {
	case *layers.UDP:
		proto = layers.IPProtocolUDP
	case *layers.ICMPv6:
		proto = layers.IPProtocolICMPv6
	case *layers.ICMPv4:
		proto = layers.IPProtocolICMPv4
	}
	var outer gopacket.NetworkLayer
	if src.Is6() {
		ip := &layers.IPv6{Version: 6, SrcIP: src.AsSlice(), DstIP: dst.AsSlice(), NextHeader: proto, HopLimit: ttl, TrafficClass: s.dscp << 2}
		ls, outer = append(ls, ip), ip
	} else {
		ip := &layers.IPv4{Version: 4, SrcIP: src.AsSlice(), DstIP: dst.AsSlice(), Protocol: proto, TTL: ttl, TOS: s.dscp << 2, Id: 7, FragOffset: s.cut}
		if s.more {
			ip.Flags = layers.IPv4MoreFragments
		}
		ls, outer = append(ls, ip), ip
	}
	if c, ok := s.l4.(interface {
		SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
	}); ok {
		if err := c.SetNetworkLayerForChecksum(outer); err != nil {
			t.Fatal(err)
		}
	}
	ls = append(ls, s.l4, gopacket.Payload(bytes.Repeat([]byte{0x5a}, s.body)))
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ls...); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// link returns the Ethernet header and the tags.
func (s sent) link(inner layers.EthernetType) []gopacket.SerializableLayer {
	eth := &layers.Ethernet{SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, max(s.mac, 1)}, DstMAC: net.HardwareAddr{2, 0, 0, 0, 0, 0xfe}, EthernetType: inner}
	ls := []gopacket.SerializableLayer{eth}
	for i, id := range s.tags {
		tag := &layers.Dot1Q{VLANIdentifier: id, Type: layers.EthernetTypeDot1Q, Priority: 7}
		if i == len(s.tags)-1 {
			tag.Type = inner
		}
		eth.EthernetType = layers.EthernetTypeDot1Q
		ls = append(ls, tag)
	}
	return ls
}

// capture returns packets as a file; the first is sent at a fixed time.
func capture(t *testing.T, packets []sent) []byte {
	t.Helper()
	var b bytes.Buffer
	w := pcapgo.NewWriterNanos(&b)
	if err := w.WriteFileHeader(65536, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1_800_000_000, 0)
	for _, p := range packets {
		at = at.Add(p.after)
		f := p.frame(t)
		if err := w.WritePacket(gopacket.CaptureInfo{Timestamp: at, CaptureLength: len(f), Length: len(f)}, f); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// TestCaptures compares the captures with what this file makes.
func TestCaptures(t *testing.T) {
	for name, packets := range captures {
		file := "testdata/" + name + ".pcap"
		got := capture(t, packets())
		if *update {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is stale: run go generate ./examples", file)
		}
	}
}
