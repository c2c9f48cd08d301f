package traffic

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"weir/lab"
)

// A tag is an 802.1Q or 802.1ad tag.
type tag struct{ tpid, tci uint16 }

const (
	protoTCP  = 6
	protoUDP  = 17
	protoICMP = 1 // for both families
)

// A packet says what is in a frame. Frames are built by gopacket, so that what
// a chain should have made of one is known from another source.
type packet struct {
	from, to lab.Station // ICMP: the source port is the id, the other the number
	tags     []tag       // outer first
	proto    byte
	ttl, tos byte
	ext      []byte // IPv6 extension headers, the first of them hop-by-hop
	noSum    bool   // a UDP checksum of zero
	payload  []byte
}

// probe returns a UDP packet from a to c.
func probe(a, c lab.Iface, f family, payload []byte) packet {
	return packet{
		from:  lab.Station{MAC: a.MAC, Addr: netip.AddrPortFrom(f.a, 4000)},
		to:    lab.Station{MAC: c.MAC, Addr: netip.AddrPortFrom(f.b, 4242)},
		proto: protoUDP, ttl: 64, payload: payload,
	}
}

func (p packet) six() bool { return p.from.Addr.Addr().Is6() }

// frame returns the packet as it is on the wire.
func (p packet) frame(t *testing.T) []byte {
	t.Helper()
	f := slices.Concat([]byte(p.to.MAC), []byte(p.from.MAC))
	for _, g := range p.tags {
		f = binary.BigEndian.AppendUint16(f, g.tpid)
		f = binary.BigEndian.AppendUint16(f, g.tci)
	}
	etherType := uint16(0x0800)
	if p.six() {
		etherType = 0x86dd
	}
	f = binary.BigEndian.AppendUint16(f, etherType)
	buf := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buf, opts, p.layers(t)...); err != nil {
		t.Fatal(err)
	}
	f = append(f, buf.Bytes()...)
	if p.noSum {
		at := len(f) - len(p.payload) - 2
		f[at], f[at+1] = 0, 0
	}
	return f
}

func (p packet) layers(t *testing.T) []gopacket.SerializableLayer {
	t.Helper()
	src, dst := p.from.Addr.Addr().AsSlice(), p.to.Addr.Addr().AsSlice()
	var net gopacket.NetworkLayer
	var ls []gopacket.SerializableLayer
	if p.six() {
		next := map[byte]layers.IPProtocol{protoTCP: 6, protoUDP: 17, protoICMP: 58}[p.proto]
		ip := &layers.IPv6{Version: 6, HopLimit: p.ttl, TrafficClass: p.tos, NextHeader: next, SrcIP: src, DstIP: dst}
		net, ls = ip, append(ls, ip)
		if p.ext != nil {
			ip.NextHeader = layers.IPProtocolIPv6HopByHop
			ls = append(ls, gopacket.Payload(p.ext))
		}
	} else {
		ip := &layers.IPv4{Version: 4, IHL: 5, TTL: p.ttl, TOS: p.tos, Id: 1, Protocol: layers.IPProtocol(p.proto), SrcIP: src, DstIP: dst}
		net, ls = ip, append(ls, ip)
	}
	l4 := p.transport(t, net)
	return append(append(ls, l4...), gopacket.Payload(p.payload))
}

func (p packet) transport(t *testing.T, net gopacket.NetworkLayer) []gopacket.SerializableLayer {
	t.Helper()
	sport, dport := p.from.Addr.Port(), p.to.Addr.Port()
	type summed interface {
		gopacket.SerializableLayer
		SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
	}
	var l summed
	switch {
	case p.proto == protoTCP:
		l = &layers.TCP{SrcPort: layers.TCPPort(sport), DstPort: layers.TCPPort(dport), Seq: 7, Ack: 9, ACK: true, PSH: true, Window: 512}
	case p.proto == protoUDP:
		l = &layers.UDP{SrcPort: layers.UDPPort(sport), DstPort: layers.UDPPort(dport)}
	case p.six():
		echo := &layers.ICMPv6Echo{Identifier: sport, SeqNumber: dport}
		icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(layers.ICMPv6TypeEchoRequest, 0)}
		if err := icmp.SetNetworkLayerForChecksum(net); err != nil {
			t.Fatal(err)
		}
		return []gopacket.SerializableLayer{icmp, echo}
	default:
		return []gopacket.SerializableLayer{&layers.ICMPv4{
			TypeCode: layers.CreateICMPv4TypeCode(layers.ICMPv4TypeEchoRequest, 0), Id: sport, Seq: dport}}
	}
	if err := l.SetNetworkLayerForChecksum(net); err != nil {
		t.Fatal(err)
	}
	return []gopacket.SerializableLayer{l}
}

// with returns the packet after a change.
func (p packet) with(change func(*packet)) packet {
	p.tags = slices.Clone(p.tags)
	change(&p)
	return p
}

func atPort(s lab.Station, port uint16) lab.Station {
	s.Addr = netip.AddrPortFrom(s.Addr.Addr(), port)
	return s
}

func atAddr(s lab.Station, addr netip.Addr) lab.Station {
	s.Addr = netip.AddrPortFrom(addr, s.Addr.Port())
	return s
}

// wire returns n octets at off of a frame as a chain reads them: big-endian,
// zero where they are not all there.
func wire(f []byte, off, n int) (x uint64) {
	if off < 0 || off+n > len(f) {
		return 0
	}
	for _, b := range f[off : off+n] {
		x = x<<8 | uint64(b)
	}
	return x
}

// rightSums reports whether all checksums of a frame without tags are right.
func rightSums(t *testing.T, f []byte) bool {
	t.Helper()
	p := gopacket.NewPacket(f, layers.LayerTypeEthernet, gopacket.Default)
	net := p.NetworkLayer()
	var ls []gopacket.SerializableLayer
	for _, l := range p.Layers()[1:] {
		if s, ok := l.(interface {
			SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
		}); ok {
			if err := s.SetNetworkLayerForChecksum(net); err != nil {
				t.Fatal(err)
			}
		}
		s, ok := l.(gopacket.SerializableLayer)
		if !ok {
			t.Fatalf("cannot build layer %s again", l.LayerType())
		}
		ls = append(ls, s)
	}
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{ComputeChecksums: true}, ls...); err != nil {
		t.Fatal(err)
	}
	return bytes.Equal(buf.Bytes(), f[14:])
}

// pattern returns n octets of which every short stretch can be told from others.
func pattern(n int) []byte {
	b := make([]byte, n)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}
