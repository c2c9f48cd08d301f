package std_test

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"weir/trace"
)

// numbers is what a chain begins with that tells numbers of a packet, by numbers.emit.
const numbers = "numbers = ring(u64, size = 65536)\n"

// load loads a chain that tells numbers.
func load(t testing.TB, text string) *trace.Runner {
	t.Helper()
	return loaded(t, numbers+text)
}

// through sends a frame through a chain: what became of it, and the numbers told.
func through(t testing.TB, r *trace.Runner, frame []byte) (out []byte, told []uint64) {
	t.Helper()
	return runAt(t, r, frame, time.Unix(1, 0))
}

// A probe is what a test sends: the fields that it chooses, all else as hosts have it.
type probe struct {
	src, dst netip.AddrPort
	tos      uint8
	vlan     bool
	tcp      *layers.TCP // nil: UDP
	body     []byte
}

// bytes is the frame, with its lengths and checksums.
func (p probe) bytes(t testing.TB) []byte {
	t.Helper()
	eth := &layers.Ethernet{SrcMAC: []byte{2, 0, 0, 0, 0, 1}, DstMAC: []byte{2, 0, 0, 0, 0, 2}}
	proto := layers.IPProtocolUDP
	if p.tcp != nil {
		proto = layers.IPProtocolTCP
	}
	var ip gopacket.NetworkLayer
	kind := layers.EthernetTypeIPv4
	if p.src.Addr().Is6() {
		kind = layers.EthernetTypeIPv6
		ip = &layers.IPv6{Version: 6, TrafficClass: p.tos, NextHeader: proto, HopLimit: 64, SrcIP: p.src.Addr().AsSlice(), DstIP: p.dst.Addr().AsSlice()}
	} else {
		ip = &layers.IPv4{Version: 4, TOS: p.tos, TTL: 64, Protocol: proto, SrcIP: p.src.Addr().AsSlice(), DstIP: p.dst.Addr().AsSlice()}
	}
	all := []gopacket.SerializableLayer{eth}
	if eth.EthernetType = kind; p.vlan {
		eth.EthernetType = layers.EthernetTypeDot1Q
		all = append(all, &layers.Dot1Q{VLANIdentifier: 7, Type: kind})
	}
	all = append(all, ip.(gopacket.SerializableLayer))
	if p.tcp != nil {
		l := *p.tcp
		l.SrcPort, l.DstPort = layers.TCPPort(p.src.Port()), layers.TCPPort(p.dst.Port())
		l.SetNetworkLayerForChecksum(ip)
		all = append(all, &l)
	} else {
		l := &layers.UDP{SrcPort: layers.UDPPort(p.src.Port()), DstPort: layers.UDPPort(p.dst.Port())}
		l.SetNetworkLayerForChecksum(ip)
		all = append(all, l)
	}
	b := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(b, opts, append(all, gopacket.Payload(p.body))...); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// random is a probe with addresses, ports and a class that nobody chose.
func random(r *rand.Rand) probe {
	addr := func(six bool) netip.Addr {
		var b [16]byte
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		if six {
			b[0] = 0x20
			return netip.AddrFrom16(b)
		}
		return netip.AddrFrom4([4]byte(b[:4]))
	}
	six := r.IntN(2) == 0
	port := func() uint16 { return uint16(r.Uint32()) }
	return probe{
		src: netip.AddrPortFrom(addr(six), port()), dst: netip.AddrPortFrom(addr(six), port()),
		tos: uint8(r.Uint32()), vlan: r.IntN(4) == 0, body: make([]byte, r.IntN(40)),
	}
}

// swapped is the answer to p.
func (p probe) swapped() probe {
	p.src, p.dst = p.dst, p.src
	return p
}
