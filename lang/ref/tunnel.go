package ref

import (
	"encoding/binary"
	"slices"

	"github.com/gopacket/gopacket/layers"
)

// isARP reports whether b begins with a whole ARP packet of IPv4 over Ethernet
// (RFC 826).
func isARP(b []byte) bool {
	return len(b) >= 28 && string(b[:6]) == "\x00\x01\x08\x00\x06\x04"
}

func arpField(raw []byte, name string) value {
	b := slices.Clone(raw[:28])
	b[4], b[5] = 6, 4
	var l layers.ARP
	decode(&l, b)
	switch name {
	case "op":
		return small(l.Operation)
	case "sha":
		return macVal(l.SourceHwAddress)
	case "spa":
		return ip4Val(l.SourceProtAddress)
	case "tha":
		return macVal(l.DstHwAddress)
	case "tpa":
		return ip4Val(l.DstProtAddress)
	}
	return nil
}

// Flags in the first byte of GRE (RFC 2784, RFC 2890), and routing (RFC 1701).
const greChecksum, greRouting, greKey, greSeq = 0x80, 0x40, 0x20, 0x10

// greLength is how long the GRE header at b is, by its flags; 0 if it is none of
// version 0, or has routing. Of a header that is cut it is more than there is.
func greLength(b []byte) int {
	if len(b) < 4 {
		return 4
	}
	if b[0]&greRouting != 0 || b[1]&7 != 0 {
		return 0
	}
	n := 4
	for _, flag := range []byte{greChecksum, greKey, greSeq} {
		if b[0]&flag != 0 {
			n += 4
		}
	}
	return n
}

// greOffset is where key or seq is in a GRE header; 0 where it has none.
func greOffset(b []byte, name string) int {
	at := 4
	if b[0]&greChecksum != 0 {
		at += 4
	}
	switch {
	case name == "key" && b[0]&greKey != 0:
		return at
	case name == "seq" && b[0]&greSeq != 0 && b[0]&greKey != 0:
		return at + 4
	case name == "seq" && b[0]&greSeq != 0:
		return at
	}
	return 0
}

func greField(b []byte, name string) value {
	var l layers.GRE
	decode(&l, b[:greLength(b)])
	switch name {
	case "proto":
		return small(l.Protocol)
	case "key":
		return small(l.Key)
	case "seq":
		return small(l.Seq)
	}
	return nil
}

func espField(b []byte, name string) value {
	switch name {
	case "spi":
		return small(binary.BigEndian.Uint32(b))
	case "seq":
		return small(binary.BigEndian.Uint32(b[4:]))
	}
	return nil
}

// isSRH reports whether an extension header of kind next, which is whole, is a
// segment routing header (RFC 8754: routing type 4).
func isSRH(next byte, b []byte) bool {
	return layers.IPProtocol(next) == layers.IPProtocolIPv6Routing && b[2] == 4
}

func srhField(b []byte, name string) value {
	switch name {
	case "next":
		return small(b[0])
	case "segments_left":
		return small(b[3])
	case "last_entry":
		return small(b[4])
	case "flags":
		return small(b[5])
	case "tag":
		return be16(b[6:])
	}
	return nil
}

// method is pkt.srh.segment(i) or pkt.tcp.option(kind).
func (v *view) method(name string, args []value) value {
	if len(args) != 1 {
		refuse("%s: want one argument", name)
	}
	n := needNum(args[0], name).bits
	switch v.kind + "." + name {
	case "srh.segment":
		return v.segment(n)
	case "tcp.option":
		at, data, ok := option(v.tcpHeader(), n)
		return &payload{p: v.p, at: v.off + at, bytes: data, ok: ok}
	}
	refuse("pkt.%s has no %s", v.kind, name)
	return nil
}

func (v *view) segment(i uint64) value {
	if !v.ok {
		return ip6Val{}
	}
	b := v.p.frame[v.off:]
	b = b[:8+8*int(b[1])]
	if i > uint64(b[4]) || 8+16*int(i)+16 > len(b) {
		return ip6Val{}
	}
	return ip6Val(b[8+16*i:][:16])
}
