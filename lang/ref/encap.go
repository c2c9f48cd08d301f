package ref

import (
	"encoding/binary"
	"net"
	"slices"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"go.starlark.net/starlark"
)

// encap is pkt.encap(kind, …). What is written around the packet is built outermost
// last, by layers of gopacket.
func (p *packet) encap(args []value, named map[string]value) value {
	kind, _ := args[0].(starlark.String)
	c := &capsule{p: p, l: walk(p.frame, true), kind: string(kind), named: named}
	for i, name := range []string{"src", "dst"} {
		if i+1 < len(args) {
			named[name] = args[i+1]
		}
	}
	if len(p.frame) < 14 || !c.begin() { // a frame has an Ethernet header
		return starlark.False
	}
	c.size = len(c.data)
	c.hash()
	c.header()
	if len(c.data) > 0xffff {
		return starlark.False
	}
	head := slices.Clone(p.frame[:c.at])
	if c.frames() {
		head = slices.Clone(p.frame[:14])
	}
	binary.BigEndian.PutUint16(head[len(head)-2:], uint16(c.etherType))
	p.frame = slices.Concat(head, c.data, c.tail)
	return starlark.True
}

// capsule is a packet on its way into a tunnel.
type capsule struct {
	p     *packet
	l     layout
	kind  string
	named map[string]value

	at         int    // where the IP header is
	size       int    // of what is inside
	data, tail []byte // what is inside, and the padding behind it
	class      byte
	flow       uint64 // the hash
	inner      layers.EthernetType
	proto      layers.IPProtocol
	etherType  layers.EthernetType
}

func (c *capsule) frames() bool { return c.kind == "vxlan" || c.kind == "geneve" }

// begin takes what goes inside, and reports whether the tunnel takes it.
func (c *capsule) begin() bool {
	f := c.p.frame
	switch c.at = max(c.l.ip4, c.l.ip6); {
	case c.l.ip4 != absent:
		c.class, c.inner, c.proto = f[c.at+1], layers.EthernetTypeIPv4, layers.IPProtocolIPv4
	case c.l.ip6 != absent:
		c.class = byte(binary.BigEndian.Uint16(f[c.at:]) >> 4)
		c.inner, c.proto = layers.EthernetTypeIPv6, layers.IPProtocolIPv6
	}
	if c.frames() {
		c.at, c.data = max(c.at, 14), f
		return true
	}
	if c.at == absent {
		return false
	}
	end := min(len(f), c.l.ipEnd) // be it less than a header
	c.data, c.tail = f[c.at:end], f[end:]
	return true
}

// hash is that of the flow: addresses, protocol and ports, each mixed in.
func (c *capsule) hash() {
	mix := func(x uint64) {
		c.flow = (c.flow ^ x) * 0x9e3779b97f4a7c15
		c.flow ^= c.flow >> 32
	}
	f, l := c.p.frame, c.l
	switch {
	case l.ip4 != absent:
		mix(uint64(binary.LittleEndian.Uint32(f[l.ip4+12:])))
		mix(uint64(binary.LittleEndian.Uint32(f[l.ip4+16:])))
	case l.ip6 != absent:
		for i := range 4 {
			mix(binary.LittleEndian.Uint64(f[l.ip6+8+8*i:]))
		}
	default:
		return
	}
	proto := layers.IPProtocol(f[l.proto])
	mix(uint64(proto))
	ports := []layers.IPProtocol{layers.IPProtocolTCP, layers.IPProtocolUDP, layers.IPProtocolSCTP}
	if l.reaches && !l.fragment && slices.Contains(ports, proto) && l.upper+4 <= len(f) {
		mix(uint64(binary.LittleEndian.Uint32(f[l.upper:])))
	}
}

// number is an argument that is an integer.
func (c *capsule) number(name string, missing uint64) uint64 {
	if v, ok := c.named[name]; ok {
		return needNum(v, name).bits
	}
	return missing
}

// put writes a header before what there is.
func (c *capsule) put(sum bool, ls ...gopacket.SerializableLayer) {
	buf := gopacket.NewSerializeBuffer()
	check(gopacket.SerializeLayers(buf, gopacket.SerializeOptions{ComputeChecksums: sum}, append(ls, gopacket.Payload(c.data))...))
	c.data = slices.Clone(buf.Bytes())
}

// header writes the headers of the tunnel.
func (c *capsule) header() {
	udp := uint64(0)
	proto := layers.IPProtocolUDP
	switch c.kind {
	case "ipip":
		proto = c.proto
	case "gre":
		proto = layers.IPProtocolGRE
		_, keyed := c.named["key"]
		c.put(false, &layers.GRE{Protocol: c.inner, KeyPresent: keyed, Key: uint32(c.number("key", 0))})
	case "gue":
		udp = portGUE
		if c.number("variant", 0) == 0 {
			c.data = append([]byte{0, byte(c.proto), 0, 0}, c.data...)
		}
	case "vxlan":
		udp = 4789
		c.put(false, &layers.VXLAN{ValidIDFlag: true, VNI: uint32(c.number("id", 0) & 0xffffff)})
	case "geneve":
		udp = 6081
		head := []byte{0, 0, 0x65, 0x58}
		c.data = append(binary.BigEndian.AppendUint32(head, uint32(c.number("id", 0)<<8)), c.data...)
	case "srv6":
		proto = layers.IPProtocolIPv6Routing
		c.segments()
	default:
		refuse("encap: no tunnel %s", c.kind)
	}
	if udp != 0 {
		inside := c.insideSum()
		c.put(false, &layers.UDP{
			SrcPort: layers.UDPPort(c.number("sport", c.flow>>16&0x3fff|0xc000)), DstPort: layers.UDPPort(c.number("dport", udp)),
			Length: uint16(8 + len(c.data)),
		})
		c.sumUDP(inside)
	}
	c.ip(proto)
}

// ip writes the outer IP header, of the family of src.
func (c *capsule) ip(proto layers.IPProtocol) {
	class := byte(c.number("dscp", uint64(c.class>>2))&0x3f)<<2 | c.class&3
	ttl := byte(c.number("ttl", 64))
	src, dst := toPacket(c.named["src"]), c.named["dst"]
	if a, ok := src.(ip4Val); ok {
		b := toPacket(dst).(ip4Val)
		c.etherType = layers.EthernetTypeIPv4
		c.put(true, &layers.IPv4{
			Version: 4, IHL: 5, TOS: class, Length: uint16(20 + len(c.data)), Flags: layers.IPv4DontFragment,
			TTL: ttl, Protocol: proto, SrcIP: net.IP(a[:]), DstIP: net.IP(b[:]),
		})
		return
	}
	a := src.(ip6Val)
	if c.kind == "srv6" {
		dst = c.path()[0]
	}
	b := toPacket(dst).(ip6Val)
	c.etherType = layers.EthernetTypeIPv6
	c.put(false, &layers.IPv6{
		Version: 6, TrafficClass: class, FlowLabel: uint32(c.flow>>12) & 0xfffff, Length: uint16(len(c.data)),
		NextHeader: proto, HopLimit: ttl, SrcIP: net.IP(a[:]), DstIP: net.IP(b[:]),
	})
}

// path is the segments, in the order of the way.
func (c *capsule) path() []value {
	list, ok := iterate(c.named["segments"])
	if !ok {
		refuse("encap: no list of segments")
	}
	return slices.Collect(list)
}

// segments writes a segment routing header (RFC 8754), whose list is in reverse order.
func (c *capsule) segments() {
	path := c.path()
	last := byte(len(path) - 1)
	b := []byte{byte(c.proto), byte(2 * len(path)), 4, last, last, 0, 0, 0}
	for _, s := range slices.Backward(path) {
		a := toPacket(s).(ip6Val)
		b = append(b, a[:]...)
	}
	c.data = append(b, c.data...)
}

// decap is pkt.decap().
func (p *packet) decap() value {
	outer := walk(p.frame, true)
	l, at := p.inner()
	if at == absent || outer.fragment {
		return starlark.False
	}
	if l.eth != absent {
		p.frame = slices.Clone(p.frame[l.eth:])
		return starlark.True
	}
	head := slices.Clone(p.frame[:max(outer.ip4, outer.ip6)])
	etherType := layers.EthernetTypeIPv4
	if l.ip6 != absent {
		etherType = layers.EthernetTypeIPv6
	}
	binary.BigEndian.PutUint16(head[len(head)-2:], uint16(etherType))
	p.frame = slices.Concat(head, p.frame[max(l.ip4, l.ip6):])
	return starlark.True
}
