package ref

import (
	"fmt"
	"net"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// world is what the chains of the tests see of it.
type world struct {
	now     uint64
	reads   int
	random  uint64
	modules map[string]string
	params  map[string]uint64
	fn      string
}

func (w *world) open(t *testing.T, src string) *Chain {
	t.Helper()
	c, err := w.tryOpen(src)
	if err != nil {
		t.Fatalf("open: %v\n%s", err, src)
	}
	return c
}

func (w *world) tryOpen(src string) (*Chain, error) {
	return Open("test.weir", []byte(src), Options{
		Func: w.fn, Hook: "xdp", IfIndex: 7, Queue: 3, Params: w.params,
		Now:       func() uint64 { w.reads++; return w.now },
		Rand:      func() uint64 { return w.random },
		Interface: func(name string) uint32 { return map[string]uint32{"eth1": 11}[name] },
		Load: func(name string) ([]byte, error) {
			if src, ok := w.modules[name]; ok {
				return []byte(src), nil
			}
			return nil, fmt.Errorf("no module %s", name)
		},
	})
}

func run(t *testing.T, c *Chain, frame []byte) Result {
	t.Helper()
	r, err := c.Run(frame)
	if err != nil {
		t.Fatalf("run: %v", err)
	}
	return r
}

// eval gives what an expression counts, in a function with some setup.
func eval(t *testing.T, global, setup, expr string, frame []byte) uint64 {
	t.Helper()
	src := global + "\ndef main(pkt):\n"
	if setup != "" {
		src += setup + "\n"
	}
	src += "    count(\"r\", " + expr + ")\n"
	return run(t, (&world{}).open(t, src), frame).Counts["r"]
}

var (
	mac1 = net.HardwareAddr{2, 0, 0, 0, 0, 1}
	mac2 = net.HardwareAddr{2, 0, 0, 0, 0, 2}
	a4   = net.IP{192, 0, 2, 1}
	b4   = net.IP{198, 51, 100, 7}
	a6   = net.ParseIP("2001:db8::1")
	b6   = net.ParseIP("2001:db8::2")
)

func eth(t layers.EthernetType) *layers.Ethernet {
	return &layers.Ethernet{SrcMAC: mac1, DstMAC: mac2, EthernetType: t}
}

func ipv4(p layers.IPProtocol) *layers.IPv4 {
	return &layers.IPv4{Version: 4, TTL: 64, TOS: 0xb9, Id: 0x1234, Protocol: p, SrcIP: a4, DstIP: b4}
}

func ipv6(p layers.IPProtocol) *layers.IPv6 {
	return &layers.IPv6{Version: 6, HopLimit: 63, TrafficClass: 0xb9, FlowLabel: 0xabcde, NextHeader: p, SrcIP: a6, DstIP: b6}
}

// build serializes layers with lengths and checksums.
func build(t *testing.T, ls ...gopacket.SerializableLayer) []byte {
	t.Helper()
	for _, l := range ls {
		for _, n := range ls {
			net, isNet := n.(gopacket.NetworkLayer)
			if !isNet {
				continue
			}
			switch l := l.(type) {
			case *layers.TCP:
				_ = l.SetNetworkLayerForChecksum(net)
			case *layers.UDP:
				_ = l.SetNetworkLayerForChecksum(net)
			case *layers.ICMPv6:
				_ = l.SetNetworkLayerForChecksum(net)
			}
		}
	}
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ls...); err != nil {
		t.Fatal(err)
	}
	f := append([]byte(nil), buf.Bytes()...)
	// gopacket pads to 60 bytes.
	if f[14]>>4 == 4 {
		return f[:14+(int(f[16])<<8|int(f[17]))]
	}
	return f[:54+(int(f[18])<<8|int(f[19]))]
}

func udp4(t *testing.T) []byte {
	return build(t, eth(layers.EthernetTypeIPv4), ipv4(layers.IPProtocolUDP), &layers.UDP{SrcPort: 53, DstPort: 4000}, gopacket.Payload("GET /index"))
}

func tcp4(t *testing.T) []byte {
	return build(t, eth(layers.EthernetTypeIPv4), ipv4(layers.IPProtocolTCP),
		&layers.TCP{SrcPort: 1234, DstPort: 443, Seq: 0xdeadbeef, Ack: 0x01020304, SYN: true, ACK: true, Window: 512,
			Options: []layers.TCPOption{{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: []byte{5, 180}}}},
		gopacket.Payload("hello"))
}

func udp6(t *testing.T) []byte {
	return build(t, eth(layers.EthernetTypeIPv6), ipv6(layers.IPProtocolUDP), &layers.UDP{SrcPort: 53, DstPort: 4000}, gopacket.Payload("abc"))
}

func tcp6(t *testing.T) []byte {
	return build(t, eth(layers.EthernetTypeIPv6), ipv6(layers.IPProtocolTCP), &layers.TCP{SrcPort: 1, DstPort: 2, FIN: true}, gopacket.Payload("xyz"))
}

func icmp4(t *testing.T) []byte {
	return build(t, eth(layers.EthernetTypeIPv4), ipv4(layers.IPProtocolICMPv4),
		&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(8, 0), Id: 77, Seq: 5}, gopacket.Payload("ping"))
}

func icmp6(t *testing.T) []byte {
	return build(t, eth(layers.EthernetTypeIPv6), ipv6(layers.IPProtocolICMPv6),
		&layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(128, 0)}, &layers.ICMPv6Echo{Identifier: 9, SeqNumber: 4}, gopacket.Payload("ping"))
}
