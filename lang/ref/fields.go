package ref

import (
	"encoding/binary"
	"slices"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"go.starlark.net/starlark"
)

// attr is a field of a header. The bytes are decoded by gopacket, from a copy
// of the fixed part of the header in which lengths are those of a header
// alone: gopacket decodes packets that it believes, and refuses or cuts others.
func (v *view) attr(name string) value {
	var b []byte
	if name == "offset" {
		return unsigned(uint64(max(0, v.off)))
	}
	if v.ok {
		b = slices.Clone(v.p.frame[v.off:])
	} else {
		b = make([]byte, 60) // every field of what is absent reads zero
	}
	var out value
	switch v.kind {
	case "eth":
		out = ethField(b, name)
	case "vlan", "vlan2":
		out = vlanField(b, name)
	case "arp":
		out = arpField(b, name)
	case "srh":
		out = srhField(b, name)
	case "gre":
		out = greField(b, name)
	case "esp":
		out = espField(b, name)
	case "ip4":
		out = ip4Field(b, name)
	case "ip6":
		out = ip6Field(b, name)
	case "ip":
		out = v.ipField(b, name)
	case "tcp":
		if name == "mss" {
			return v.mssField()
		}
		out = tcpField(b, name)
	case "udp", "sctp", "l4":
		out = v.portField(b, name)
	case "icmp4", "icmp6":
		out = icmpField(b, name)
	}
	if out == nil {
		refuse("pkt.%s has no field %s", v.kind, name)
	}
	return out
}

func be16(b []byte) value { return unsigned(uint64(binary.BigEndian.Uint16(b))) }

func small[T ~uint8 | ~uint16 | ~uint32](n T) value { return unsigned(uint64(n)) }

// decode feeds a layer; the bytes were made to be decodable.
func decode(l gopacket.DecodingLayer, b []byte) {
	check(l.DecodeFromBytes(b, gopacket.NilDecodeFeedback))
}

func ethField(b []byte, name string) value {
	var l layers.Ethernet
	decode(&l, b[:14])
	switch name {
	case "src":
		return macVal(l.SrcMAC)
	case "dst":
		return macVal(l.DstMAC)
	case "type": // gopacket puts an 802.3 length elsewhere
		return be16(b[12:])
	}
	return nil
}

func vlanField(b []byte, name string) value {
	var l layers.Dot1Q
	decode(&l, b[:4])
	switch name {
	case "id":
		return small(l.VLANIdentifier)
	case "prio":
		return small(l.Priority)
	case "dei":
		return starlark.Bool(l.DropEligible)
	case "type":
		return be16(b[2:])
	}
	return nil
}

func ip4Field(raw []byte, name string) value {
	b := slices.Clone(raw[:20])
	b[0] = 0x45
	binary.BigEndian.PutUint16(b[2:], 20)
	var l layers.IPv4
	decode(&l, b)
	switch name {
	case "src":
		return ip4Val(l.SrcIP)
	case "dst":
		return ip4Val(l.DstIP)
	case "proto":
		return small(l.Protocol)
	case "ttl":
		return small(l.TTL)
	case "dscp":
		return small(l.TOS >> 2)
	case "ecn":
		return small(l.TOS & 3)
	case "len":
		return be16(raw[2:])
	case "id":
		return small(l.Id)
	case "frag_off":
		return small(l.FragOffset * 8)
	case "mf":
		return starlark.Bool(l.Flags&layers.IPv4MoreFragments != 0)
	case "df":
		return starlark.Bool(l.Flags&layers.IPv4DontFragment != 0)
	case "ihl":
		return small(raw[0] & 15)
	}
	return nil
}

func ip6Field(raw []byte, name string) value {
	b := slices.Clone(raw[:40])
	b[4], b[5] = 0, 1                          // gopacket refuses 0
	b[6] = byte(layers.IPProtocolNoNextHeader) // and would walk on
	var l layers.IPv6
	decode(&l, b)
	switch name {
	case "src":
		return ip6Val(l.SrcIP)
	case "dst":
		return ip6Val(l.DstIP)
	case "next":
		return small(raw[6])
	case "hop_limit":
		return small(l.HopLimit)
	case "dscp":
		return small(l.TrafficClass >> 2)
	case "ecn":
		return small(l.TrafficClass & 3)
	case "flow":
		return small(l.FlowLabel)
	}
	return nil
}

// ipField is a field of pkt.ip.
func (v *view) ipField(b []byte, name string) value {
	switch name {
	case "proto":
		if !v.ok {
			return unsigned(0)
		}
		return small(v.p.frame[v.proto])
	case "fragment":
		if v.ok && v.off == v.ip4 {
			return starlark.Bool(binary.BigEndian.Uint16(b[6:])&0x3fff != 0)
		}
		return starlark.Bool(v.fragment)
	case "src", "dst", "ttl", "dscp", "ecn", "len":
	default:
		return nil
	}
	switch {
	case !v.ok && (name == "src" || name == "dst"):
		return ipVal{}
	case v.off == v.ip4:
		out := ip4Field(b, name)
		if a, ok := out.(ip4Val); ok {
			return a.mapped()
		}
		return out
	case name == "ttl":
		return ip6Field(b, "hop_limit")
	case name == "len" && v.ok:
		return unsigned(40 + uint64(binary.BigEndian.Uint16(b[4:])))
	case name == "len":
		return unsigned(0)
	}
	out := ip6Field(b, name)
	if a, ok := out.(ip6Val); ok {
		return ipVal(a)
	}
	return out
}

func tcpField(raw []byte, name string) value {
	b := slices.Clone(raw[:20])
	b[12] = 5<<4 | b[12]&15
	var l layers.TCP
	decode(&l, b)
	flag := map[string]bool{"syn": l.SYN, "ack_flag": l.ACK, "fin": l.FIN, "rst": l.RST,
		"psh": l.PSH, "urg": l.URG, "ece": l.ECE, "cwr": l.CWR, "ae": l.NS} // RFC 3540 called it NS
	if on, ok := flag[name]; ok {
		return starlark.Bool(on)
	}
	switch name {
	case "sport":
		return small(l.SrcPort)
	case "dport":
		return small(l.DstPort)
	case "seq":
		return small(l.Seq)
	case "ack":
		return small(l.Ack)
	case "window":
		return small(l.Window)
	case "doff":
		return small(raw[12] >> 4)
	case "flags":
		return small(raw[13])
	}
	return nil
}

// portField is a field of udp or sctp, or of l4: all L4 headers with ports
// have them at the same place.
func (v *view) portField(b []byte, name string) value {
	var l layers.SCTP
	decode(&l, append(slices.Clone(b[:8]), 0, 0, 0, 0))
	switch {
	case name == "sport":
		return small(l.SrcPort)
	case name == "dport":
		return small(l.DstPort)
	case name == "tag" && v.kind == "sctp":
		return small(l.VerificationTag)
	case name == "len" && v.kind == "udp":
		return be16(b[4:])
	}
	return nil
}

// icmpField is a field of icmp4 or icmp6, which have the same first 8 bytes.
func icmpField(b []byte, name string) value {
	var l layers.ICMPv4
	decode(&l, b[:8])
	switch name {
	case "type":
		return small(l.TypeCode.Type())
	case "code":
		return small(l.TypeCode.Code())
	case "id":
		return small(l.Id)
	case "seq":
		return small(l.Seq)
	}
	return nil
}
