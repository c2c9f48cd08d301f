package frames

import (
	"encoding/binary"
	"fmt"
	"net"
	"slices"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// EtherTypes and tag protocol identifiers (IEEE 802 numbers).
const (
	typeIPv4 = 0x0800
	typeARP  = 0x0806
	typeQ    = 0x8100 // 802.1Q
	typeIPv6 = 0x86dd
	typeAD   = 0x88a8 // 802.1ad
	typeLLDP = 0x88cc
)

// The hosts of the stock: a client, a server, and their outsides.
var (
	macClient = net.HardwareAddr{0x02, 0, 0, 0, 0, 0x01}
	macServer = net.HardwareAddr{0x02, 0, 0, 0, 0, 0x02}
	client4   = net.IP{192, 0, 2, 1}
	server4   = net.IP{198, 51, 100, 80}
	dns4      = net.IP{192, 0, 2, 53}
	outside4  = net.IP{203, 0, 113, 9}
	inside4   = net.IP{10, 1, 2, 3}
	client6   = net.ParseIP("2001:db8::1")
	server6   = net.ParseIP("2001:db8:0:80::80")
	dns6      = net.ParseIP("2001:db8::53")
	outside6  = net.ParseIP("2001:db8:ffff::9")
)

// request is the start of an HTTP/1.1 request.
var request = []byte("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n")

type layer = gopacket.SerializableLayer

// raw is a stretch of bytes in a frame: a payload, or a header spelt out.
func raw(b ...byte) layer { return gopacket.Payload(b) }

// fill returns n bytes of a pattern in which every offset can be told apart
// from its neighbours.
func fill(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8 + 1)
	}
	return b
}

// ether is the 14-byte Ethernet header from the client to the server.
func ether(etherType uint16) layer {
	b := slices.Concat([]byte(macServer), []byte(macClient))
	return gopacket.Payload(binary.BigEndian.AppendUint16(b, etherType))
}

// tag is what follows a TPID: the tag control information, then the next type.
//
//	 0 1 2 3 4 5 6 7 8 9 a b c d e f
//	+-----+-+-----------------------+
//	|prio |d|          id           |
//	+-----+-+-----------------------+
//	|             type              |
//	+-------------------------------+
func tag(prio, dei, id, next uint16) layer {
	b := binary.BigEndian.AppendUint16(nil, prio<<13|dei<<12|id)
	return gopacket.Payload(binary.BigEndian.AppendUint16(b, next))
}

func ip4(proto layers.IPProtocol, src, dst net.IP) *layers.IPv4 {
	return &layers.IPv4{Version: 4, TTL: 64, Id: 0x1234, Protocol: proto, SrcIP: src, DstIP: dst}
}

func ip6(next layers.IPProtocol, src, dst net.IP) *layers.IPv6 {
	return &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: next, SrcIP: src, DstIP: dst}
}

// tcp takes flags as letters: fin syn rst psh ack urg ece cwr ae are "FSRPAUECN".
func tcp(sport, dport layers.TCPPort, flags string) *layers.TCP {
	t := &layers.TCP{SrcPort: sport, DstPort: dport, Seq: 0x01020304, Window: 64240}
	for _, f := range flags {
		switch f {
		case 'F':
			t.FIN = true
		case 'S':
			t.SYN = true
		case 'R':
			t.RST = true
		case 'P':
			t.PSH = true
		case 'A':
			t.ACK, t.Ack = true, 0x0a0b0c0d
		case 'U':
			t.URG, t.Urgent = true, 5
		case 'E':
			t.ECE = true
		case 'C':
			t.CWR = true
		case 'N':
			t.NS = true // what is AE today (RFC 9768)
		default:
			panic(fmt.Sprintf("frames: flag %c", f))
		}
	}
	return t
}

func udp(sport, dport layers.UDPPort) *layers.UDP {
	return &layers.UDP{SrcPort: sport, DstPort: dport}
}

// frame serialises the layers, outermost first, with lengths and checksums. The
// last IP layer before a transport layer gives its pseudo header.
func frame(ls ...layer) []byte {
	var network gopacket.NetworkLayer
	for _, l := range ls {
		switch l := l.(type) {
		case gopacket.NetworkLayer:
			network = l
		case *layers.TCP:
			check(l.SetNetworkLayerForChecksum(network))
		case *layers.UDP:
			check(l.SetNetworkLayerForChecksum(network))
		case *layers.ICMPv6:
			check(l.SetNetworkLayerForChecksum(network))
		}
	}
	buf := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	check(gopacket.SerializeLayers(buf, opts, ls...))
	return slices.Clone(buf.Bytes())
}

// over4 and over6 put the layers behind an Ethernet header.
func over4(ls ...layer) []byte { return frame(append([]layer{ether(typeIPv4)}, ls...)...) }
func over6(ls ...layer) []byte { return frame(append([]layer{ether(typeIPv6)}, ls...)...) }

// patch returns a copy of data with bytes at off replaced.
func patch(data []byte, off int, with ...byte) []byte {
	data = slices.Clone(data)
	copy(data[off:], with)
	return data
}

// resum4 makes the checksum of an untagged frame's IPv4 header right again
// (RFC 791), after a patch.
func resum4(data []byte) []byte {
	header := data[14 : 14+4*int(data[14]&15)]
	header[10], header[11] = 0, 0
	sum := gopacket.FoldChecksum(gopacket.ComputeChecksum(header, 0))
	binary.BigEndian.PutUint16(header[10:], sum)
	return data
}

func check(err error) {
	if err != nil {
		panic(fmt.Sprintf("frames: serialise: %v", err))
	}
}
