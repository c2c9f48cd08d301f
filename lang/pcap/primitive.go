package pcap

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// heads reports whether t is a qualifier that a name follows.
func (p *parser) heads(t token) bool {
	switch t.text {
	case "src", "dst", "host", "net", "port", "portrange", "proto", "protochain", "gateway":
		return t.kind == word
	}
	return false
}

// headed is heads of the token before.
func (p *parser) headed() bool { return p.heads(p.tokens[p.i-1]) }

// head reads the qualifiers behind the protocol, and the name or the number behind
// them.
func (p *parser) head(proto string) item {
	q := qualifiers{given: true, proto: proto}
	switch t := p.tok(); t.text {
	case "src", "dst":
		p.i++
		q.dir = t.text
		other := map[string]string{"src": "dst", "dst": "src"}[t.text]
		if join := p.tok(); (join.is("or") || join.is("and")) && p.tokens[p.i+1].is(other) {
			q.dir = map[string]string{"or": "", "and": "and"}[join.text]
			p.i += 2
		}
		switch t := p.tok(); t.text {
		case "host", "net", "port", "portrange":
			if t.kind == word {
				q.kind = t.text
				p.i++
			}
		}
	case "gateway", "protochain":
		p.failAt(t.pos, t.text+" is not among the tests of filters here", refused[t.text])
	default:
		q.kind = t.text
		p.i++
	}
	x := p.relation(q, true)
	return item{test: p.testOf(x), q: q}
}

// either makes a test of what comes from a side and of what goes there, as the
// direction asks.
func (q qualifiers) either(src, dst Test) Test {
	switch q.dir {
	case "src":
		return src
	case "dst":
		return dst
	case "and":
		return and(src, dst)
	}
	return or(src, dst)
}

// ofNumber is a number as a name.
func (p *parser) ofNumber(t token, q qualifiers) Test {
	if !q.given {
		p.failAt(t.pos, t.text+" has nothing before it that says what it is", "write port "+t.text+", or compare it: len > "+t.text)
	}
	switch q.kind {
	case "port", "portrange":
		return p.ports(t, q, t.value, t.value, "")
	case "proto":
		return p.proto(t, q, t.value)
	}
	addr, mask := t.value, uint32(0xffffffff)
	for q.kind == "net" && addr != 0 && addr>>24 == 0 {
		addr, mask = addr<<8, mask<<8
	}
	return p.host4(t, q, addr, mask)
}

// named is a name or an address.
func (p *parser) named(t token, q qualifiers) Test {
	if !q.given {
		p.i--
		p.unexpected("a test")
	}
	switch t.kind {
	case addr4:
		return p.dotted(t, q)
	case addr6:
		return p.address6(t, q)
	case addrMAC:
		return p.ethernet(t, q)
	}
	switch q.kind {
	case "proto":
		return p.namedProto(t, q)
	case "port":
		s, ok := services[t.text]
		if !ok {
			p.failAt(t.pos, fmt.Sprintf("no port is known by the name %q", t.text), "give its number")
		}
		return p.ports(t, q, s.port, s.port, s.of())
	case "portrange":
		return p.portRange(t, q)
	}
	p.failAt(t.pos, fmt.Sprintf("%q is the name of a host or network, and names are not looked up", t.text), "give its address")
	return nil
}

// dotted is an IPv4 address or the first parts of one, with or without a mask.
func (p *parser) dotted(t token, q qualifiers) Test {
	addr, bits := p.quads(t)
	addr <<= 32 - bits
	mask := ^uint32(0) << (32 - bits)
	switch {
	case p.take("/"):
		n := p.num()
		if n > 32 {
			p.fail("a prefix of IPv4 has at most 32 bits", "write /0 to /32")
		}
		mask = ^uint32(0) << (32 - n)
	case p.take("mask"):
		m := p.tok()
		if m.kind != addr4 {
			p.unexpected("a mask: 255.255.0.0")
		}
		p.i++
		n, bits := p.quads(m)
		mask = n << (32 - bits)
	default:
		return p.host4(t, q, addr, mask)
	}
	p.masks(t, q, addr&^mask != 0)
	return p.host4(t, q, addr, mask)
}

// quads are the parts of an address, and how many bits they are.
func (p *parser) quads(t token) (addr uint32, bits int) {
	for part := range strings.SplitSeq(t.text, ".") {
		n, err := numeral(part)
		if err != nil || n > 255 {
			p.failAt(t.pos, t.text+" is no address", "the parts of an address are 0 to 255")
		}
		addr, bits = addr<<8|n, bits+8
	}
	return addr, bits
}

// masks refuses a mask where it means nothing.
func (p *parser) masks(t token, q qualifiers, outside bool) {
	switch {
	case q.kind != "net":
		p.failAt(t.pos, "a mask stands behind a host", "write net "+t.text)
	case outside:
		p.failAt(t.pos, t.text+" has bits outside its mask", "set them to zero")
	}
}

// host4 tests addresses of IPv4, in ARP and RARP, too.
func (p *parser) host4(t token, q qualifiers, addr, mask uint32) Test {
	in := func(proto string, src, dst uint32) Test {
		return and(p.isType(etherTypes[proto]), q.either(masked(p.layers.at(src, 4), mask, addr), masked(p.layers.at(dst, 4), mask, addr)))
	}
	p.kinds(t, q)
	switch q.proto {
	case "":
		if p.layers.labels > 0 {
			return in("ip", 12, 16)
		}
		return or(in("ip", 12, 16), in("arp", 14, 24), in("rarp", 14, 24))
	case "ip":
		return in("ip", 12, 16)
	case "arp", "rarp":
		return in(q.proto, 14, 24)
	}
	p.failAt(t.pos, q.proto+" has no IPv4 addresses", "write "+q.proto+" and host "+t.text)
	return nil
}

// kinds refuses an address where something else is wanted.
func (p *parser) kinds(t token, q qualifiers) {
	if q.kind != "" && q.kind != "host" && q.kind != "net" {
		p.failAt(t.pos, fmt.Sprintf("%s is an address, not a %s", t.text, q.kind), "write host "+t.text)
	}
}

// address6 is an IPv6 address, with or without a prefix.
func (p *parser) address6(t token, q qualifiers) Test {
	a := netip.MustParseAddr(t.text)
	bits := uint32(128)
	if p.take("/") {
		if bits = p.num(); bits > 128 {
			p.fail("a prefix of IPv6 has at most 128 bits", "write /0 to /128")
		}
		prefix := netip.PrefixFrom(a, int(bits))
		if bits < 128 {
			p.masks(t, q, prefix.Masked() != prefix)
		}
	}
	p.kinds(t, q)
	if q.proto != "" && q.proto != "ip6" {
		p.failAt(t.pos, q.proto+" has no IPv6 addresses", "write "+q.proto+" and host "+t.text)
	}
	mask := net.CIDRMask(int(bits), 128)
	octets := a.As16()
	words := func(at uint32) Test {
		var ts []Test
		for i := 0; i < 16; i += 4 {
			if m := binary.BigEndian.Uint32(mask[i:]); m != 0 {
				ts = append(ts, masked(p.layers.at(at+uint32(i), 4), m, binary.BigEndian.Uint32(octets[i:])))
			}
		}
		return and(ts...)
	}
	if bits == 0 {
		return p.isType(typeIP6)
	}
	return and(p.isType(typeIP6), q.either(words(8), words(24)))
}

// ethernet is a MAC address.
func (p *parser) ethernet(t token, q qualifiers) Test {
	if q.proto != "ether" || q.kind != "" && q.kind != "host" {
		p.failAt(t.pos, t.text+" is a MAC address, and no ether stands before it", "write ether host "+t.text)
	}
	digits := ""
	for part := range strings.FieldsFuncSeq(t.text, func(r rune) bool { return r == ':' || r == '-' || r == '.' }) {
		digits += strings.Repeat("0", len(part)%2) + part
	}
	n, _ := strconv.ParseUint(digits, 16, 48)
	return p.stations(q, n)
}

// stations tests MAC addresses. The last octets, which differ most, come first.
func (p *parser) stations(q qualifiers, mac uint64) Test {
	if p.layers.ppp {
		p.fail("PPP has no MAC addresses", "write it before pppoes")
	}
	at := func(off uint32) Test {
		off += p.layers.link
		return and(equal(load(off+2, nil, 4), uint32(mac)), equal(load(off, nil, 2), uint32(mac>>32)))
	}
	p.macs = true
	return q.either(at(6), at(0))
}

// group is broadcast or multicast.
func (p *parser) group(proto, kind string) Test {
	switch {
	case (proto == "" || proto == "ether") && kind == "broadcast":
		return p.stations(qualifiers{dir: "dst"}, 0xffffffffffff)
	case proto == "" || proto == "ether":
		if p.layers.ppp {
			p.fail("PPP has no MAC addresses", "write it before pppoes")
		}
		p.macs = true
		return not(masked(load(p.layers.link, nil, 1), 1, 0))
	case proto == "ip" && kind == "multicast":
		return and(p.isType(typeIP4), compare(AtLeast, p.layers.at(16, 1), Number(224)))
	case proto == "ip6" && kind == "multicast":
		return and(p.isType(typeIP6), equal(p.layers.at(24, 1), 255))
	case proto == "ip" && kind == "broadcast":
		p.fail("which addresses are broadcasts only a netmask tells, and there is none here", "name the address: dst host 192.0.2.255")
	}
	p.fail(proto+" has no "+kind, "write ether "+kind+", ip multicast or ip6 multicast")
	return nil
}
