package pcap

import (
	"fmt"
	"strings"
)

// isProtocol tests whether the packet is of a protocol that stands alone.
func (p *parser) isProtocol(name string) Test {
	if n, ok := ipProtocols[name]; ok {
		switch {
		case name == "icmp6":
			return p.next6(n)
		case only4[name]:
			return p.next4(n)
		}
		return or(p.next4(n), p.next6(n))
	}
	n, ok := etherTypes[name]
	if !ok {
		p.unexpected("what ether is to have: host, proto or [")
	}
	return p.isType(n)
}

// next4 tests the protocol of IPv4.
func (p *parser) next4(n uint32) Test { return and(p.isType(typeIP4), equal(p.layers.at(9, 1), n)) }

// next6 tests the next header of IPv6. Of extension headers only that of fragments
// is looked behind.
func (p *parser) next6(n uint32) Test {
	return and(p.isType(typeIP6), or(equal(p.layers.at(6, 1), n),
		and(equal(p.layers.at(6, 1), protoFragment), equal(p.layers.at(40, 1), n))))
}

// notLater is false for fragments of IPv4 but the first.
func (p *parser) notLater() Test { return masked(p.layers.at(6, 2), 0x1fff, 0) }

// proto is proto NUMBER.
func (p *parser) proto(t token, q qualifiers, n uint32) Test {
	if q.dir != "" {
		p.failAt(t.pos, "a protocol has no direction", "leave out "+q.dir)
	}
	switch q.proto {
	case "":
		return or(p.next4(n), p.next6(n))
	case "ip":
		return p.next4(n)
	case "ip6":
		return p.next6(n)
	case "ether":
		return p.isType(n)
	}
	p.failAt(t.pos, q.proto+" carries no other protocols", "write ip proto, ip6 proto or ether proto")
	return nil
}

// namedProto is proto NAME.
func (p *parser) namedProto(t token, q qualifiers) Test {
	names, of := protocolNumbers, "IP"
	if q.proto == "ether" {
		names, of = etherNames, "Ethernet"
	}
	n, ok := names[t.text]
	if !ok {
		p.failAt(t.pos, fmt.Sprintf("no protocol of %s is known by the name %q", of, t.text), "give its number")
	}
	return p.proto(t, q, n)
}

// of is the protocol that alone has a name of a port, or "".
func (s service) of() string {
	switch {
	case s.tcp && s.udp:
		return ""
	case s.tcp:
		return "tcp"
	}
	return "udp"
}

// portRange is a name of portrange: FIRST-LAST.
func (p *parser) portRange(t token, q qualifiers) Test {
	var port [2]uint32
	ends := strings.SplitN(t.text, "-", 2)
	if len(ends) == 1 {
		ends = append(ends, ends[0])
	}
	var of [2]string
	for i, end := range ends {
		s, known := services[end]
		n, err := numeral(end)
		switch {
		case known:
			port[i], of[i] = s.port, s.of()
		case numberForm.MatchString(end) && err == nil:
			port[i] = n
		default:
			p.failAt(t.pos, fmt.Sprintf("%q is no range of ports", t.text), "write portrange 1024-2047")
		}
	}
	only := of[0]
	if of[0] != of[1] { // of which neither then has the say
		only = ""
	}
	return p.ports(t, q, min(port[0], port[1]), max(port[0], port[1]), only)
}

// ports tests for ports from first to last. A name may be that of a port of one
// protocol only.
func (p *parser) ports(t token, q qualifiers, first, last uint32, only string) Test {
	if last > 0xffff {
		p.failAt(t.pos, fmt.Sprintf("there is no port %d", last), "ports are 0 to 65535")
	}
	var protos []uint32
	switch {
	case q.proto != "" && q.proto != "tcp" && q.proto != "udp" && q.proto != "sctp":
		p.failAt(t.pos, q.proto+" has no ports", "write "+q.proto+" and port "+t.text)
	case q.proto != "" && only != "" && only != q.proto:
		p.failAt(t.pos, fmt.Sprintf("%s is a port of %s", t.text, only), "give its number")
	case q.proto != "":
		only = q.proto
	}
	if only != "" {
		protos = []uint32{ipProtocols[only]}
	} else {
		protos = []uint32{protoSCTP, protoTCP, protoUDP}
	}
	is := func(x Value) Test {
		if first == last {
			return equal(x, first)
		}
		return and(compare(AtLeast, x, Number(first)), not(compare(Greater, x, Number(last))))
	}
	of := func(field Value) Test {
		var ts []Test
		for _, n := range protos {
			ts = append(ts, equal(field, n))
		}
		return or(ts...)
	}
	l := &p.layers
	v6 := and(p.isType(typeIP6), of(l.at(6, 1)), q.either(is(l.at(40, 2)), is(l.at(42, 2))))
	v4 := and(p.isType(typeIP4), of(l.at(9, 1)), p.notLater(), q.either(is(l.behind4(0, 2)), is(l.behind4(2, 2))))
	return or(v6, v4)
}
