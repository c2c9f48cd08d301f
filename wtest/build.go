package wtest

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"net/netip"
	"slices"

	"weir/packet"
)

// What a packet has where a test does not say: addresses for documentation (RFC 5737,
// RFC 3849) and locally administered ones.
var (
	fromMAC, toMAC   = []byte{2, 0, 0, 0, 0, 1}, []byte{2, 0, 0, 0, 0, 2}
	fromIP4, toIP4   = netip.MustParseAddr("192.0.2.1").AsSlice(), netip.MustParseAddr("192.0.2.2").AsSlice()
	fromIP6, toIP6   = netip.MustParseAddr("2001:db8::1").AsSlice(), netip.MustParseAddr("2001:db8::2").AsSlice()
	defaultAddresses = map[packet.Header]map[string][]byte{
		packet.Eth: {"src": fromMAC, "dst": toMAC},
		packet.IP4: {"src": fromIP4, "dst": toIP4},
		packet.IP6: {"src": fromIP6, "dst": toIP6},
		packet.ARP: {"sha": fromMAC, "spa": fromIP4, "tpa": toIP4},
	}
)

// maxPacket is the greatest frame that a test may build, in octets.
const maxPacket = 65535

// mostTail is how many octets may follow the fixed part of a header, as its length
// field counts: options in words of 4, segments in words of 8.
var mostTail = map[packet.Header]int{packet.IP4: 40, packet.TCP: 40, packet.SRH: 16 * 127}

// A part of a packet is a header, or octets.
type part struct {
	*header // nil: octets
	octets  []byte
}

// assemble makes the octets of a packet: what a test has left open follows from what
// is around it. Where the first part is neither octets nor an Ethernet header, one is
// put before it.
func assemble(parts []part) ([]byte, error) {
	if len(parts) > 0 && parts[0].header != nil && parts[0].h != packet.Eth {
		parts = slices.Insert(slices.Clone(parts), 0, part{header: &header{h: packet.Eth}})
	}
	var out []byte
	for _, p := range parts {
		if p.header != nil && len(p.tail) > mostTail[p.h] {
			return nil, fmt.Errorf("%s: %d octets behind the fixed part: there is room for %d", p.h, len(p.tail), mostTail[p.h])
		}
	}
	for i := len(parts) - 1; i >= 0; i-- {
		if p := parts[i]; p.header == nil {
			out = slices.Concat(p.octets, out)
		} else {
			out = append(p.layOut(parts, i, out), out...)
		}
	}
	if len(out) > maxPacket {
		return nil, fmt.Errorf("the packet has %d octets, more than the limit of %d", len(out), maxPacket)
	}
	return out, nil
}

// layOut makes the octets of header i, which body follows.
func (h *header) layOut(parts []part, i int, body []byte) []byte {
	b := make([]byte, h.h.Size(), h.h.Size()+len(h.tail)+16)
	b = append(b, h.tail...)
	if h.h == packet.IP4 || h.h == packet.TCP {
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
	}
	if h.h == packet.GRE {
		b = h.greOptions(b)
	}
	for name, a := range defaultAddresses[h.h] {
		f, _ := fieldOf(h.h, name)
		copy(b[f.Off:], a)
	}
	next := packet.None
	if i+1 < len(parts) && parts[i+1].header != nil {
		next = parts[i+1].h
	}
	for name, n := range h.defaults(b, next, len(body)) {
		f, _ := fieldOf(h.h, name)
		f.Put(b, n)
	}
	h.store(b)
	h.check(b, parts[:i], body)
	return b
}

// store writes the fields that the test has set.
func (h *header) store(b []byte) {
	for _, name := range sorted(h.set) {
		if s := h.set[name]; s.octets != nil {
			copy(b[s.field.Off:], s.octets)
		} else {
			s.field.Put(b, s.number)
		}
	}
}

func (h *header) greOptions(b []byte) []byte {
	if h.extra.hasKey {
		b[0] |= 0x20
		b = binary.BigEndian.AppendUint32(b, h.extra.key)
	}
	if h.extra.hasSeq {
		b[0] |= 0x10
		b = binary.BigEndian.AppendUint32(b, h.extra.seq)
	}
	return b
}

// etherTypes and protocols are what announces a header.
var (
	etherTypes = map[packet.Header]uint64{
		packet.VLAN: 0x8100, packet.VLAN2: 0x8100, packet.ARP: 0x0806, packet.IP4: 0x0800, packet.IP6: 0x86dd,
	}
	protocols = map[packet.Header]uint64{
		packet.ICMP4: 1, packet.IP4: 4, packet.TCP: 6, packet.UDP: 17, packet.IP6: 41, packet.SRH: 43,
		packet.GRE: 47, packet.ESP: 50, packet.ICMP6: 58, packet.SCTP: 132,
	}
)

const (
	noNext           = 59     // IPv6: nothing follows (RFC 8200, 4.7)
	transparentEther = 0x6558 // an Ethernet frame in GRE (RFC 1701)
)

// defaults are the numbers of a header that a test need not set.
func (h *header) defaults(b []byte, next packet.Header, body int) map[string]uint64 {
	switch h.h {
	case packet.Eth, packet.VLAN, packet.VLAN2:
		return map[string]uint64{"type": etherTypes[next]}
	case packet.ARP:
		return map[string]uint64{"htype": 1, "ptype": 0x0800, "hlen": 6, "plen": 4, "op": 1}
	case packet.IP4:
		return map[string]uint64{
			"version": 4, "ihl": uint64(len(b) / 4), "len": uint64(len(b) + body), "ttl": 64, "proto": protocols[next],
		}
	case packet.IP6:
		return map[string]uint64{"version": 6, "len": uint64(body), "hop_limit": 64, "next": nextHeader(next)}
	case packet.SRH:
		n := uint64(len(h.tail) / 16)
		last := max(n, 1) - 1
		return map[string]uint64{"next": nextHeader(next), "type": 4, "hdrlen": 2 * n, "segments_left": last, "last_entry": last}
	case packet.TCP:
		d := map[string]uint64{"doff": uint64(len(b) / 4), "window": 65535}
		if !h.setsFlag() {
			d["flags"] = 0x10 // ACK: as nearly all segments have it
		}
		return d
	case packet.UDP:
		return map[string]uint64{"len": uint64(len(b) + body)}
	case packet.ICMP4:
		return map[string]uint64{"type": 8} // echo request
	case packet.ICMP6:
		return map[string]uint64{"type": 128}
	case packet.GRE:
		if next == packet.Eth {
			return map[string]uint64{"proto": transparentEther}
		}
		return map[string]uint64{"proto": etherTypes[next]}
	}
	return nil
}

func nextHeader(next packet.Header) uint64 {
	if p, ok := protocols[next]; ok {
		return p
	}
	return noNext
}

func (h *header) setsFlag() bool {
	for _, s := range h.set {
		if s.field.Kind == packet.Flag || s.field.Name == "flags" {
			return true
		}
	}
	return false
}

// check computes the checksum, unless the test has set one.
func (h *header) check(b []byte, before []part, body []byte) {
	f, ok := fieldOf(h.h, "checksum")
	if _, set := h.set["checksum"]; !ok || set {
		return
	}
	switch h.h {
	case packet.IP4:
		f.Put(b, uint64(^fold(sum(0, b))))
	case packet.SCTP: // RFC 9260, appendix A: little-endian
		c := crc32.Update(crc32.Checksum(b, castagnoli), castagnoli, body)
		binary.LittleEndian.PutUint32(b[f.Off:], c)
	case packet.ICMP4:
		f.Put(b, uint64(^fold(sum(sum(0, b), body))))
	default:
		c := ^fold(sum(sum(h.pseudo(before, len(b)+len(body)), b), body))
		if c == 0 && h.h == packet.UDP {
			c = 0xffff // 0 says that there is none (RFC 768)
		}
		f.Put(b, uint64(c))
	}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// pseudo is the sum of the pseudo header of n octets behind the innermost IP header.
func (h *header) pseudo(before []part, n int) uint32 {
	for i := len(before) - 1; i >= 0; i-- {
		ip := before[i].header
		if ip == nil || ip.h != packet.IP4 && ip.h != packet.IP6 {
			continue
		}
		b := make([]byte, ip.h.Size())
		for name, a := range defaultAddresses[ip.h] {
			f, _ := fieldOf(ip.h, name)
			copy(b[f.Off:], a)
		}
		ip.store(b)
		s := uint32(protocols[h.h]) + uint32(n)
		if ip.h == packet.IP4 {
			return sum(s, b[12:20])
		}
		if next := before[i+1:]; len(next) > 0 && next[0].header != nil && next[0].h == packet.SRH && len(next[0].tail) >= 16 {
			return sum(sum(s, b[8:24]), next[0].tail[:16]) // the last destination: RFC 8200, 8.1
		}
		return sum(s, b[8:40])
	}
	return 0
}

// sum adds the 16-bit words of b (RFC 1071). The frames of tests are too short for
// the sum to overflow.
func sum(s uint32, b []byte) uint32 {
	for i := 0; i+1 < len(b); i += 2 {
		s += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	if len(b)%2 == 1 {
		s += uint32(b[len(b)-1]) << 8
	}
	return s
}

func fold(s uint32) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}
