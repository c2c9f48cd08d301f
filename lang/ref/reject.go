package ref

import (
	"encoding/binary"
	"net"
	"slices"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// answer is what reject() sends back for a frame; nil if there is to be none.
func answer(f []byte) []byte {
	l := walk(f, true)
	ip := max(l.ip4, l.ip6)
	if ip == absent || f[0]&1 != 0 || !l.reaches {
		return nil
	}
	src, dst, said, size := net.IP(f[ip+12:ip+16]), net.IP(f[ip+16:ip+20]), int(binary.BigEndian.Uint16(f[ip+2:])), 20
	if l.ip6 != absent {
		src, dst, said, size = f[ip+8:ip+24], f[ip+24:ip+40], 40+int(binary.BigEndian.Uint16(f[ip+4:])), 40
	}
	if !single(src) || dst.IsMulticast() || size == 20 && (src[0] == 0 || dst[0] >= 224) {
		return nil
	}
	packet := f[ip:min(len(f), ip+said)]
	if len(packet) < size {
		return nil
	}
	var made gopacket.SerializableLayer
	var quote []byte
	proto := layers.IPProtocol(f[l.proto])
	if proto == layers.IPProtocolTCP {
		if made = reset(f, l, ip+said); made == nil {
			return nil
		}
	} else if made, quote = unreachable(f, l, packet); made == nil {
		return nil
	}
	link := slices.Concat(f[6:12], f[:6], f[12:ip])
	return append(link, serialized(src, dst, made, quote)...)
}

// single reports whether an address can be that of one host.
func single(a net.IP) bool {
	return !a.IsMulticast() && !(len(a) == 16 && a.Equal(net.IPv6unspecified)) && !(len(a) == 4 && a[0] >= 224)
}

// reset answers TCP: RFC 9293, 3.10.7.1.
func reset(f []byte, l layout, end int) gopacket.SerializableLayer {
	if l.l4kind != "tcp" {
		return nil
	}
	var t layers.TCP
	b := slices.Clone(f[l.l4 : l.l4+20])
	b[12] = 5 << 4
	decode(&t, b)
	if t.RST {
		return nil
	}
	r := &layers.TCP{SrcPort: t.DstPort, DstPort: t.SrcPort, RST: true, Seq: t.Ack}
	if !t.ACK {
		r.Seq, r.ACK = 0, true
		r.Ack = t.Seq + uint32(end-l.payload)
		for _, flag := range []bool{t.SYN, t.FIN} {
			if flag {
				r.Ack++
			}
		}
	}
	return r
}

// unreachable answers all else, with what it quotes: RFC 1812, 4.3.2.3 and
// 5.2.7.1; RFC 4443, 3.1.
func unreachable(f []byte, l layout, packet []byte) (gopacket.SerializableLayer, []byte) {
	proto := layers.IPProtocol(f[l.proto])
	switch {
	case l.ip4 != absent && proto == layers.IPProtocolICMPv4:
		if l.l4kind != "icmp4" || slices.Contains([]byte{3, 4, 5, 11, 12}, f[l.l4]) {
			return nil, nil
		}
	case l.ip6 != absent && proto == layers.IPProtocolICMPv6:
		if l.l4kind != "icmp6" || f[l.l4] < 128 || f[l.l4] >= 133 && f[l.l4] <= 137 {
			return nil, nil
		}
	}
	if l.ip4 != absent {
		return &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(3, 13)}, packet[:min(len(packet), 576-28)]
	}
	quote := packet[:min(len(packet), 1280-48)]
	return &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(1, 1)}, append(make([]byte, 4), quote...)
}

// serialized is an IP packet from dst to src.
func serialized(src, dst net.IP, made gopacket.SerializableLayer, quote []byte) []byte {
	buf := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	var network gopacket.SerializableLayer
	next := map[gopacket.LayerType]layers.IPProtocol{
		layers.LayerTypeTCP: layers.IPProtocolTCP, layers.LayerTypeICMPv4: layers.IPProtocolICMPv4,
		layers.LayerTypeICMPv6: layers.IPProtocolICMPv6,
	}[made.LayerType()]
	var pseudo gopacket.NetworkLayer
	if len(src) == 4 {
		ip := &layers.IPv4{Version: 4, TTL: 64, Flags: layers.IPv4DontFragment, Protocol: next, SrcIP: dst, DstIP: src}
		if next == layers.IPProtocolICMPv4 {
			ip.TOS = 0xc0
		}
		network, pseudo = ip, ip
	} else {
		ip := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: next, SrcIP: dst, DstIP: src}
		network, pseudo = ip, ip
	}
	if l, ok := made.(interface {
		SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
	}); ok {
		check(l.SetNetworkLayerForChecksum(pseudo))
	}
	check(gopacket.SerializeLayers(buf, opts, network, made, gopacket.Payload(quote)))
	return slices.Clone(buf.Bytes())
}
