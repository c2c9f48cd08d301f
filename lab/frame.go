package lab

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
)

// A Station is one side of a conversation: what a frame says about it.
type Station struct {
	MAC  net.HardwareAddr
	Addr netip.AddrPort
}

const (
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58
)

// UDPFrame builds an Ethernet frame with a UDP packet, all checksums right.
// Both stations must have addresses of one family.
func UDPFrame(from, to Station, payload []byte) ([]byte, error) {
	l4 := make([]byte, 8, 8+len(payload))
	binary.BigEndian.PutUint16(l4[4:], uint16(8+len(payload)))
	return l4Frame(from, to, protoUDP, append(l4, payload...), 6)
}

// SYNFrame builds an Ethernet frame with the TCP packet that opens a
// connection (no options), all checksums right.
func SYNFrame(from, to Station, seq uint32) ([]byte, error) {
	l4 := make([]byte, 20)
	binary.BigEndian.PutUint32(l4[4:], seq)
	l4[12], l4[13] = 5<<4, 0x02 // data offset, SYN
	binary.BigEndian.PutUint16(l4[14:], 0xffff)
	return l4Frame(from, to, protoTCP, l4, 16)
}

// l4Frame puts ports and checksum (at csum) into l4, and Ethernet and IP
// headers before it.
func l4Frame(from, to Station, proto byte, l4 []byte, csum int) ([]byte, error) {
	src, dst := from.Addr.Addr(), to.Addr.Addr()
	if len(from.MAC) != 6 || len(to.MAC) != 6 || !src.IsValid() || src.Is4() != dst.Is4() {
		return nil, fmt.Errorf("frame from %s %s to %s %s: want two Ethernet and two IP addresses of one family",
			from.MAC, from.Addr, to.MAC, to.Addr)
	}
	binary.BigEndian.PutUint16(l4, from.Addr.Port())
	binary.BigEndian.PutUint16(l4[2:], to.Addr.Port())

	f := append(append([]byte{}, to.MAC...), from.MAC...)
	if src.Is4() {
		f = append(f, 0x08, 0x00,
			0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, proto, 0, 0) // don't fragment, TTL 64
		binary.BigEndian.PutUint16(f[16:], uint16(20+len(l4)))
	} else {
		f = append(f, 0x86, 0xdd,
			0x60, 0, 0, 0, 0, 0, proto, 64)
		binary.BigEndian.PutUint16(f[18:], uint16(len(l4)))
	}
	f = append(append(f, src.AsSlice()...), dst.AsSlice()...)
	if src.Is4() {
		binary.BigEndian.PutUint16(f[24:], ^fold(onesSum(f[14:34])))
	}
	at := len(f)
	f = append(f, l4...)
	lay, err := parseLayout(f)
	if err != nil {
		return nil, err
	}
	sum := ^fold(lay.pseudoSum(f) + onesSum(f[at:]))
	if sum == 0 && proto == protoUDP {
		sum = 0xffff // 0 says that there is none (RFC 768)
	}
	binary.BigEndian.PutUint16(f[at+csum:], sum)
	return f, nil
}

// onesSum adds b as 16-bit words in network order, an odd last byte padded.
func onesSum(b []byte) uint32 {
	var sum uint32
	for ; len(b) > 1; b = b[2:] {
		sum += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	return sum
}

// fold makes a one's complement sum 16 bits wide (RFC 1071).
func fold(sum uint32) uint16 {
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}

// A layout says where in a frame the generators write. Offsets are from the
// frame's start; zero is "not there".
type layout struct {
	v6       bool
	ip       int // IP header
	src, dst int // addresses
	addrLen  int
	ipCsum   int // IPv4 header checksum
	proto    byte
	l4       int // TCP, UDP, ICMPv6 header
	l4Csum   int
	end      int // of the IP packet
}

// parseLayout finds the headers of a frame: Ethernet, up to two VLAN tags, IPv4
// or IPv6 without extension headers, TCP, UDP or ICMPv6.
func parseLayout(f []byte) (layout, error) {
	if len(f) < 14 {
		return layout{}, fmt.Errorf("frame of %d bytes: shorter than an Ethernet header", len(f))
	}
	at := 12
	etherType := binary.BigEndian.Uint16(f[at:])
	for range 2 {
		if (etherType == 0x8100 || etherType == 0x88a8) && len(f) >= at+6 {
			at += 4
			etherType = binary.BigEndian.Uint16(f[at:])
		}
	}
	l := layout{ip: at + 2}
	switch {
	case etherType == 0x0800 && len(f) >= l.ip+20 && f[l.ip]>>4 == 4 && f[l.ip]&15 >= 5:
		l.src, l.dst, l.addrLen, l.ipCsum = l.ip+12, l.ip+16, 4, l.ip+10
		l.proto = f[l.ip+9]
		l.l4 = l.ip + int(f[l.ip]&15)*4
		l.end = l.ip + int(binary.BigEndian.Uint16(f[l.ip+2:]))
		if binary.BigEndian.Uint16(f[l.ip+6:])&0x3fff != 0 { // a fragment
			l.proto = 0
		}
	case etherType == 0x86dd && len(f) >= l.ip+40:
		l.v6 = true
		l.src, l.dst, l.addrLen = l.ip+8, l.ip+24, 16
		l.proto = f[l.ip+6]
		l.l4 = l.ip + 40
		l.end = l.l4 + int(binary.BigEndian.Uint16(f[l.ip+4:]))
	default:
		return layout{}, fmt.Errorf("frame of %d bytes with EtherType %#04x: want IPv4 or IPv6", len(f), etherType)
	}
	if l.end > len(f) || l.end < l.l4 {
		return layout{}, fmt.Errorf("frame of %d bytes: IP packet ends at %d", len(f), l.end)
	}
	size := 0
	switch l.proto {
	case protoTCP:
		l.l4Csum, size = l.l4+16, 20
	case protoUDP:
		l.l4Csum, size = l.l4+6, 8
	case protoICMPv6:
		l.l4Csum, size = l.l4+2, 4
	default:
		l.l4 = 0
	}
	if l.end < l.l4+size {
		return layout{}, fmt.Errorf("frame of %d bytes: no room for the header of protocol %d", len(f), l.proto)
	}
	return l, nil
}

// hasPorts reports whether the L4 header starts with ports.
func (l layout) hasPorts() bool { return l.proto == protoTCP || l.proto == protoUDP }

// pseudoSum adds the pseudo header of f (RFC 768, RFC 9293, RFC 8200 8.1).
func (l layout) pseudoSum(f []byte) uint32 {
	return onesSum(f[l.src:l.dst+l.addrLen]) + uint32(l.proto) + uint32(l.end-l.l4)
}
