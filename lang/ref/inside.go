package ref

import (
	"encoding/binary"

	"github.com/gopacket/gopacket/layers"
	"go.starlark.net/starlark"
)

// inside is pkt.inner: the packet inside a tunnel, there (ok) or not.
type inside struct {
	opaque
	p *packet
}

func (in *inside) String() string { return "pkt.inner" }
func (in *inside) Type() string   { return "packet inside" }

// maxInside is where a packet inside begins at the latest.
const maxInside = 0x2000

// Protocol numbers and ports of tunnels that gopacket has no name for.
const (
	protoEthernet = 143 // RFC 8986
	portGUE       = 6080
)

// An inPlace is where a packet inside begins, and with what.
type inPlace struct {
	at       int
	ethernet bool
	proto    layers.EthernetType // without an Ethernet header
}

// tunnel is where the packet inside the one of l begins.
func (l *layout) tunnel(f []byte) (inPlace, bool) {
	if l.proto == absent || !l.reaches || l.upper > len(f) || l.upper >= maxInside {
		return inPlace{}, false
	}
	if l.srh != absent && f[l.srh+3] != 0 {
		return inPlace{}, false // it is on its way to the next segment
	}
	at := l.upper
	switch layers.IPProtocol(f[l.proto]) {
	case layers.IPProtocolIPv4:
		return inPlace{at, false, layers.EthernetTypeIPv4}, true
	case layers.IPProtocolIPv6:
		return inPlace{at, false, layers.EthernetTypeIPv6}, true
	case protoEthernet:
		return inPlace{at, true, 0}, true
	case layers.IPProtocolGRE:
		if n := greLength(f[at:]); n > 0 && at+4 <= len(f) {
			return typed(at+n, binary.BigEndian.Uint16(f[at+2:]))
		}
	case layers.IPProtocolUDP:
		if at+10 <= len(f) {
			return overUDP(f, at+8, binary.BigEndian.Uint16(f[at+2:]))
		}
	}
	return inPlace{}, false
}

// typed is what an EtherType says that a tunnel carries.
func typed(at int, proto uint16) (inPlace, bool) {
	switch t := layers.EthernetType(proto); t {
	case layers.EthernetTypeIPv4, layers.EthernetTypeIPv6:
		return inPlace{at, false, t}, true
	case layers.EthernetTypeTransparentEthernetBridging:
		return inPlace{at, true, 0}, true
	}
	return inPlace{}, false
}

// overUDP is what a tunnel of a port carries, whose header begins at at.
func overUDP(f []byte, at int, port uint16) (inPlace, bool) {
	b := append(f[at:len(f):len(f)], make([]byte, 8)...)
	switch port {
	case 4789:
		var l layers.VXLAN
		decode(&l, b[:8])
		return inPlace{at + 8, true, 0}, l.ValidIDFlag
	case 6081:
		if len(f) < at+4 || b[0]>>6 != 0 {
			return inPlace{}, false
		}
		return typed(at+8+4*int(b[0]&0x3f), binary.BigEndian.Uint16(b[2:]))
	case portGUE:
		switch {
		case len(f) < at+2:
		case b[0]>>4 == 4:
			return inPlace{at, false, layers.EthernetTypeIPv4}, true
		case b[0]>>4 == 6:
			return inPlace{at, false, layers.EthernetTypeIPv6}, true
		case b[0]>>5 == 0:
			data := at + 4 + 4*int(b[0]&0x1f)
			switch layers.IPProtocol(b[1]) {
			case layers.IPProtocolIPv4:
				return inPlace{data, false, layers.EthernetTypeIPv4}, true
			case layers.IPProtocolIPv6:
				return inPlace{data, false, layers.EthernetTypeIPv6}, true
			case protoEthernet:
				return inPlace{data, true, 0}, true
			}
		}
	}
	return inPlace{}, false
}

// inner is the layout of the packet inside, and where it begins; absent if there is
// none.
func (p *packet) inner() (layout, int) {
	outer := walk(p.frame, p.e.ethernet())
	l := newLayout()
	where, ok := outer.tunnel(p.frame)
	switch {
	case !ok || where.at > len(p.frame):
		return l, absent
	case where.ethernet:
		l.walkFrame(p.frame, where.at)
		return l, l.eth
	case where.proto == layers.EthernetTypeIPv4:
		l.walkIPv4(p.frame, where.at)
	default:
		l.walkIPv6(p.frame, where.at)
	}
	if l.ip4 == absent && l.ip6 == absent {
		return l, absent
	}
	return l, where.at - 14 // as if an Ethernet header stood before it
}

// there reports whether there is a packet inside.
func (in *inside) there() bool {
	_, at := in.p.inner()
	return at != absent
}

// attr is pkt.inner.name.
func (in *inside) attr(name string) value {
	l, at := in.p.inner()
	if name == "len" {
		if at == absent {
			return unsigned(0)
		}
		outer := walk(in.p.frame, in.p.e.ethernet())
		return unsigned(uint64(max(at, min(len(in.p.frame), outer.ipEnd)) - at))
	}
	if v := in.p.header(l, name); v != nil {
		return v
	}
	if name == "inner" {
		refuse("pkt.inner.inner is not there")
	}
	return in.p.attr(name)
}

var _ starlark.Value = (*inside)(nil)
