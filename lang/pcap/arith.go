package pcap

// binds says how closely the operators bind. Those of loose are not in the
// precedences of libpcap's grammar: they take what stands directly before them and
// all that follows, so that 7 % 4 * 2 is 7.
var (
	binds = map[string]int{"|": 1, "&": 2, "<<": 3, ">>": 3, "+": 4, "-": 4, "*": 5, "/": 5}
	loose = set("% ^")
)

// arithmetic reads operations that bind at least as closely as least.
func (p *parser) arithmetic(least int, q qualifiers, ids bool) item {
	if p.nesting++; p.nesting > maxNesting {
		p.fail("the filter is nested too deep", "leave out brackets that say nothing")
	}
	defer func() { p.nesting-- }()
	x := p.factor(q, ids)
	for !ids && x.value != nil {
		op := p.tok()
		if op.kind != word {
			break
		}
		n := binds[op.text]
		switch {
		case loose[op.text]:
			n = -1 // of what follows
		case n == 0 || n < least:
			return x
		}
		p.i++
		y := p.arithmetic(n+1, qualifiers{}, false)
		if y.value == nil {
			p.fail("there is no number behind the operator "+op.text, "compute with numbers: len - 14")
		}
		x = item{value: p.operation(op, x.value, y.value), check: x.check}
	}
	return x
}

// operation computes. As in libpcap only the first operand is looked after: where
// the second one reads a header, that the packet has it is not tested.
func (p *parser) operation(op token, x, y Value) Value {
	o := Op(op.text)
	if n, ok := y.(Number); ok {
		switch {
		case (o == Div || o == Mod) && n == 0:
			p.failAt(op.pos, "the filter divides by zero", "divide by another number")
		case (o == ShiftUp || o == ShiftDown) && n > 31:
			p.failAt(op.pos, "the filter shifts a number of 32 bits by more than 31", "shift by 0 to 31")
		}
	}
	return arith(o, x, y)
}

// protocol reads what begins with the name of one.
func (p *parser) protocol(proto string) item {
	switch t := p.tok(); {
	case t.is("["):
		return p.access(proto)
	case t.is("broadcast"), t.is("multicast"):
		p.i++
		return item{test: p.group(proto, t.text)}
	case p.heads(t):
		return p.head(proto)
	}
	return item{test: p.isProtocol(proto)}
}

// access is PROTO[INDEX] or PROTO[INDEX:SIZE].
func (p *parser) access(proto string) item {
	start := p.i - 1
	p.i++
	x := p.arithmetic(0, qualifiers{}, false)
	if x.value == nil {
		p.unexpected("an offset")
	}
	size := 1
	if p.take(":") {
		if size = int(p.num()); size != 1 && size != 2 && size != 4 {
			p.fail("1, 2 or 4 octets are read at once", "write tcp[2:2]")
		}
	}
	p.want("]")
	l := &p.layers
	if proto == "ether" {
		return item{value: load(l.link, x.value, size), check: x.check}
	}
	if n, l3 := etherTypes[proto]; l3 && n > maxLength && proto != "aarp" {
		return item{value: load(l.net, x.value, size), check: and(x.check, p.isProtocol(proto))}
	}
	switch proto {
	case "icmp6":
		is := and(p.isType(typeIP6), x.check, equal(l.at(6, 1), protoICMP6))
		return item{value: load(l.net+40, x.value, size), check: is}
	case "ah", "esp", "aarp", "iso", "stp", "ipx", "netbeui":
		p.failAt(p.tokens[start].pos, "the octets of "+proto+" cannot be read", "read them from what carries it: ip[20:4], ether[14:2]")
	}
	is := and(p.isType(typeIP4), x.check, p.isProtocol(proto), p.notLater())
	if n, ok := x.value.(Number); ok { // which joins the offset, as in load
		return item{value: load(l.net+uint32(n), l.size4(), size), check: is}
	}
	return item{value: load(l.net, arith(Add, x.value, l.size4()), size), check: is}
}
