package pcap

import "strconv"

// Layers are where the headers begin that the primitives look at. They move behind
// vlan, mpls and pppoes, for all that stands behind these words in the text: an
// "or" does not take them back.
//
//	0              12   14
//	┌──────────────┬────┬───────────
//	│ MAC addresses│type│ IP header …
//	└──────────────┴────┴───────────
//	                typ  net
type layers struct {
	typ, net uint32 // the type of what follows, the L3 header
	link     uint32 // the link layer: what "ether" is
	labels   int    // of MPLS
	ppp      bool   // the link layer is PPP, in PPPoE
}

var outermost = layers{typ: 12, net: 14}

// at loads size octets at off of the L3 header.
func (l *layers) at(off uint32, size int) Value { return load(l.net+off, nil, size) }

// size4 is the length of the IPv4 header.
func (l *layers) size4() Value {
	return arith(Mul, arith(BitAnd, l.at(0, 1), Number(0xf)), Number(4))
}

// behind4 loads size octets at off behind the IPv4 header.
func (l *layers) behind4(off uint32, size int) Value { return load(l.net+off, l.size4(), size) }

// typeField is the type of what follows.
func (l *layers) typeField() Value {
	if *l == outermost {
		return EtherType{}
	}
	return load(l.typ, nil, 2)
}

// isType tests whether a protocol follows: that of an EtherType, or below it of an
// LLC service access point.
func (p *parser) isType(proto uint32) Test {
	l := &p.layers
	switch {
	case l.labels > 0:
		return p.isLabelled(proto)
	case l.ppp:
		if n, ok := pppTypes[proto]; ok {
			proto = n
		}
		return equal(l.typeField(), proto)
	}
	short := func(t Test) Test { return and(not(compare(Greater, l.typeField(), Number(maxLength))), t) }
	switch proto {
	case lsapISO, lsapNetBEUI:
		return short(equal(l.at(0, 2), proto<<8|proto))
	case lsapIPX:
		return or(equal(l.typeField(), typeIPX),
			short(or(l.snap(0, typeIPX), equal(l.at(0, 1), lsapIPX), equal(l.at(0, 2), 0xffff))))
	case typeAtalk:
		return or(equal(l.typeField(), proto), short(l.snap(0x080007, proto)))
	case typeAARP:
		return or(equal(l.typeField(), proto), short(l.snap(0, proto)))
	}
	if proto <= maxLength {
		return short(equal(l.at(0, 1), proto))
	}
	return equal(l.typeField(), proto)
}

// snap tests the header of a protocol in LLC: IEEE 802.
func (l *layers) snap(organisation, proto uint32) Test {
	return and(equal(l.at(4, 4), organisation<<16|proto), equal(l.at(0, 4), 0xaaaa0300|organisation>>16))
}

// pppTypes are the protocol numbers of PPP for those that have another EtherType:
// RFC 1332, RFC 5072 and others.
var pppTypes = map[uint32]uint32{
	typeIP4: 0x21, typeIP6: 0x57, 0x6003: 0x27, typeAtalk: 0x29, 0x0600: 0x25, lsapISO: 0x23, lsapSTP: 0x31, lsapIPX: 0x2b,
}

// isLabelled tests for a protocol behind the last label of a stack. Nothing names
// it: it is told by the version of the IP header.
func (p *parser) isLabelled(proto uint32) Test {
	version, ok := map[uint32]uint32{typeIP4: 0x40, typeIP6: 0x60}[proto]
	if !ok {
		p.fail("only IPv4 and IPv6 can be told behind mpls", "write it before mpls, or ip and ip6 behind it")
		return Always(false)
	}
	last := masked(load(p.layers.net-2, nil, 1), 1, 1)
	return and(last, masked(p.layers.at(0, 1), 0xf0, version))
}

// vlan is vlan, or vlan ID.
func (p *parser) vlan() Test {
	l := &p.layers
	id := p.optional("a VLAN ID", 0xfff)
	if l.labels > 0 || l.ppp {
		p.fail("no tag stands behind MPLS labels, nor in PPP", "write vlan before mpls and pppoes")
	}
	t := or(p.isType(0x8100), p.isType(0x88a8), p.isType(0x9100))
	if id != nil {
		t = and(t, masked(l.at(0, 2), 0xfff, *id))
	}
	l.typ, l.net = l.typ+4, l.net+4
	return t
}

// mpls is mpls, or mpls LABEL.
func (p *parser) mpls() Test {
	l := &p.layers
	label := p.optional("an MPLS label", 0xfffff)
	var t Test
	if l.labels > 0 { // there is one more only if the last was not that of the stack
		t = masked(load(l.net-2, nil, 1), 1, 0)
	} else {
		t = p.isType(typeMPLS)
	}
	if label != nil {
		t = and(t, masked(l.at(0, 4), 0xfffff000, *label<<12))
	}
	l.net += 4
	l.labels++
	return t
}

// pppoe is pppoes, or pppoes SESSION.
func (p *parser) pppoe() Test {
	l := &p.layers
	session := p.optional("a PPPoE session", 0xffff)
	t := p.isType(typePPPoES)
	if session != nil {
		t = and(t, masked(l.at(0, 4), 0xffff, *session))
	}
	const header = 6 // RFC 2516, section 4
	*l = layers{link: l.net + header, typ: l.net + header, net: l.net + header + 2, ppp: true}
	return t
}

// optional reads a number that need not be there.
func (p *parser) optional(what string, limit uint32) *uint32 {
	depth, at := 0, p.i
	for p.tokens[p.i].is("(") {
		p.i++
		depth++
	}
	t := p.tok()
	if t.kind != number {
		p.i = at
		return nil
	}
	p.i++
	for range depth {
		p.want(")")
	}
	if t.value > limit {
		p.failAt(t.pos, t.text+" is greater than "+what+" can be", "the greatest is "+strconv.Itoa(int(limit)))
	}
	return &t.value
}
