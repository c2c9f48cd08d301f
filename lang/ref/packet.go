package ref

import (
	"encoding/binary"
	"slices"

	"github.com/gopacket/gopacket/layers"
)

// layout says where the headers of a frame are: offsets from its start, -1
// for what is not there whole. Each pkt.X looks anew, since a field that says
// what follows may have been written; a view keeps the layout that it was
// found by.
type layout struct {
	eth, vlan, vlan2, arp, ip4, ip6 int
	srh                             int // the first segment routing header
	l4                              int // tcp, udp, sctp, icmp4, icmp6, gre or esp
	l4kind                          string
	proto                           int // where the byte with the L4 protocol is
	fragment                        bool
	reaches                         bool // what proto names follows, whole or not
	upper, ipEnd                    int  // where that begins, and where the IP packet ends by its header
	payload, end                    int  // what follows the L4 header
}

// absent is the offset of what is not there.
const absent = -1

// maxExtensions is how many IPv6 extension headers are walked.
const maxExtensions = 8

// walk looks for headers. Where there is no Ethernet header 14 zeros stand for it,
// and the IP header says itself which one it is.
func walk(f []byte, ethernet bool) layout {
	l := newLayout()
	switch {
	case ethernet:
		l.walkFrame(f, 0)
	case len(f) >= 14:
		l.walkIPv4(f, 14)
		l.walkIPv6(f, 14)
	}
	return l
}

func newLayout() layout {
	return layout{eth: absent, vlan: absent, vlan2: absent, arp: absent, ip4: absent, ip6: absent, srh: absent,
		l4: absent, proto: absent}
}

// walkFrame looks for headers from the Ethernet header at at on.
func (l *layout) walkFrame(f []byte, at int) {
	if at+14 > len(f) {
		return
	}
	l.eth = at
	etherType, next := layers.EthernetType(binary.BigEndian.Uint16(f[at+12:])), at+14
	for _, tag := range []*int{&l.vlan, &l.vlan2} {
		if etherType != layers.EthernetTypeDot1Q && etherType != layers.EthernetTypeQinQ {
			break
		}
		if next+4 > len(f) {
			return
		}
		*tag = next
		etherType = layers.EthernetType(binary.BigEndian.Uint16(f[next+2:]))
		next += 4
	}
	switch etherType {
	case layers.EthernetTypeARP:
		if isARP(f[next:]) {
			l.arp = next
		}
	case layers.EthernetTypeIPv4:
		l.walkIPv4(f, next)
	case layers.EthernetTypeIPv6:
		l.walkIPv6(f, next)
	}
}

func (l *layout) walkIPv4(f []byte, at int) {
	if at+20 > len(f) || f[at]>>4 != 4 {
		return
	}
	header := int(f[at]&15) * 4
	if header < 20 || at+header > len(f) {
		return
	}
	l.ip4, l.proto = at, at+9
	l.ipEnd = at + int(binary.BigEndian.Uint16(f[at+2:]))
	flagsAndOffset := binary.BigEndian.Uint16(f[at+6:])
	l.fragment = flagsAndOffset&0x3fff != 0 // MF or an offset
	if flagsAndOffset&0x1fff == 0 {
		l.reaches = true
		l.walkL4(f, at+header)
	}
}

func (l *layout) walkIPv6(f []byte, at int) {
	if at+40 > len(f) || f[at]>>4 != 6 {
		return
	}
	l.ip6, l.proto = at, at+6
	l.ipEnd = at + 40 + int(binary.BigEndian.Uint16(f[at+4:]))
	next := at + 40
	for range maxExtensions {
		length := extension(f, l.proto, next)
		if length == 0 {
			break
		}
		if next+2 > len(f) || next+length > len(f) {
			return
		}
		if l.srh == absent && isSRH(f[l.proto], f[next:]) {
			l.srh = next
		}
		isFragment := layers.IPProtocol(f[l.proto]) == layers.IPProtocolIPv6Fragment
		l.proto = next
		if isFragment {
			l.fragment = true
			if binary.BigEndian.Uint16(f[next+2:])>>3 != 0 {
				return
			}
		}
		next += length
	}
	l.reaches = extension(f, l.proto, next) == 0
	l.walkL4(f, next)
}

// extension is the length of the extension header at next, which the byte at
// proto names; 0 if it is none. A header whose length is not in the frame is
// longer than any frame.
func extension(f []byte, proto, next int) int {
	unit, extra := 8, 1
	switch layers.IPProtocol(f[proto]) {
	case layers.IPProtocolIPv6Fragment:
		return 8
	case layers.IPProtocolAH: // RFC 4302 section 2.2: 32-bit words, less 2
		unit, extra = 4, 2
	case layers.IPProtocolIPv6HopByHop, layers.IPProtocolIPv6Routing, layers.IPProtocolIPv6Destination:
	default:
		return 0
	}
	if next+2 > len(f) {
		return len(f) + 1
	}
	return (int(f[next+1]) + extra) * unit
}

// walkL4 takes the L4 header at at. An extension header as the protocol is no L4
// header.
func (l *layout) walkL4(f []byte, at int) {
	l.upper = at
	var kind string
	var length int
	switch proto := layers.IPProtocol(f[l.proto]); {
	case proto == layers.IPProtocolTCP:
		kind, length = "tcp", 20
		if at+20 <= len(f) {
			length = int(f[at+12]>>4) * 4
		}
		if length < 20 {
			return
		}
	case proto == layers.IPProtocolUDP:
		kind, length = "udp", 8
	case proto == layers.IPProtocolSCTP:
		kind, length = "sctp", 12
	case proto == layers.IPProtocolICMPv4 && l.ip4 != absent:
		kind, length = "icmp4", 8
	case proto == layers.IPProtocolICMPv6 && l.ip6 != absent:
		kind, length = "icmp6", 8
	case proto == layers.IPProtocolESP:
		kind, length = "esp", 8
	case proto == layers.IPProtocolGRE:
		if kind, length = "gre", greLength(f[min(at, len(f)):]); length == 0 {
			return
		}
	default:
		return
	}
	if at+length > len(f) {
		return
	}
	l.l4, l.l4kind = at, kind
	if kind == "gre" || kind == "esp" {
		return // what they carry is no payload
	}
	l.payload = at + length
	l.end = max(l.payload, min(len(f), l.ipEnd))
}

// packet is a packet while a chain looks at it.
type packet struct {
	opaque
	frame          []byte
	e              *evaluator
	mark, priority uint32
}

func (p *packet) String() string { return "pkt" }
func (p *packet) Type() string   { return "packet" }

// view is a header of the packet, there (ok) or not.
type view struct {
	opaque
	p      *packet
	layout        // as it was when the view was taken
	kind   string // "tcp"; "ip" and "l4" are whichever is there
	off    int
	ok     bool
}

func (v *view) String() string { return v.kind }
func (v *view) Type() string   { return "header" }

// attr is pkt.name.
func (p *packet) attr(name string) value {
	switch name {
	case "inner":
		return &inside{p: p}
	case "len":
		return unsigned(uint64(len(p.frame)))
	case "ifindex":
		return unsigned(uint64(p.e.opts.IfIndex))
	case "queue":
		return unsigned(uint64(p.e.opts.Queue))
	case "mark", "priority", "hash":
		p.beside(name)
		return unsigned(uint64(map[string]uint32{"mark": p.mark, "priority": p.priority, "hash": p.e.opts.Hash}[name]))
	case "segments":
		if p.e.opts.Hook == "xdp" {
			return unsigned(1)
		}
		return unsigned(uint64(max(1, p.e.opts.Segments)))
	case "now":
		return unsigned(p.e.now())
	}
	if v := p.header(walk(p.frame, p.e.ethernet()), name); v != nil {
		return v
	}
	refuse("pkt.%s is not there (in the reference)", name)
	return nil
}

// header is the header of that name in a packet of the layout l, or its payload; nil
// if there are no such.
func (p *packet) header(l layout, name string) value {
	at := func(off int) value { return &view{p: p, layout: l, kind: name, off: off, ok: off != absent} }
	switch name {
	case "eth":
		return at(l.eth)
	case "vlan":
		return at(l.vlan)
	case "vlan2":
		return at(l.vlan2)
	case "arp":
		return at(l.arp)
	case "srh":
		return at(l.srh)
	case "ip4":
		return at(l.ip4)
	case "ip6":
		return at(l.ip6)
	case "ip":
		return at(max(l.ip4, l.ip6))
	case "tcp", "udp", "sctp", "icmp4", "icmp6", "gre", "esp":
		if l.l4kind != name {
			return at(absent)
		}
		return at(l.l4)
	case "l4":
		if slices.Contains([]string{"tcp", "udp", "sctp"}, l.l4kind) {
			return at(l.l4)
		}
		return at(absent)
	case "payload":
		return &payload{p: p, at: l.payload, bytes: p.frame[l.payload:l.end], ok: l.payload != 0}
	}
	return nil
}

// beside refuses what the kernel does not have at the hook.
func (p *packet) beside(name string) {
	if p.e.opts.Hook == "xdp" {
		refuse("pkt.%s is not there at xdp", name)
	}
}

// set writes what the kernel keeps beside the packet.
func (p *packet) set(name string, v value) {
	at := map[string]*uint32{"mark": &p.mark, "priority": &p.priority}[name]
	if at == nil {
		refuse("pkt.%s cannot be written", name)
	}
	p.beside(name)
	*at = uint32(needNum(v, name).bits)
}
