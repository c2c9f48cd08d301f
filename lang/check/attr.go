package check

import (
	"strconv"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/diag"
	"weir/lang/value"
	"weir/packet"
)

// attrOf reads e.Name of what e.X gave.
func (p *pass) attrOf(e *syntax.DotExpr, base operand) operand {
	if base.bad() {
		return operand{}
	}
	if base.v != nil {
		return p.staticAttr(e, base.v)
	}
	name, pos := e.Name.Name, posOf(e.Name.NamePos)
	switch t := base.x.Type(); t.Kind {
	case value.Packet:
		return p.pktAttr(e, base.x)
	case value.View:
		if name == "offset" && !p.conn() {
			p.testedFor(e, t, name, false)
			return p.offsetOf(e, base.x)
		}
		if f, ok := p.headerField(e, base.x, false); ok {
			return run(&HeaderField{Base{storedAs(f), at(e)}, base.x, f})
		}
		return operand{}
	case value.Record:
		if i := p.recordField(e, t); i >= 0 {
			return run(&Field{Base{t.Elems[i], at(e)}, base.x, i})
		}
		return operand{}
	case value.Span:
		if t.Laid() {
			return p.laidField(e, base.x)
		}
		return p.spanAttr(e, base.x)
	case value.IP4, value.MAC:
		if name == "int" {
			return run(&Convert{Base{intOf(t), at(e)}, base.x})
		}
		p.errorAt(pos, "name", article(t)+" has .int", "%s has no %s", what(t), name)
	case value.IP, value.IP6:
		p.errorAt(pos, "name", "compare it, look it up in a map, or test it: addr in prefix", "%s has no %s", what(t), name)
	case value.None:
		p.errorAt(pos, "name", "let the function return something", "a call that gives no value has no %s", name)
	default:
		p.errorAt(pos, "name", fieldHint(t, name), "%s has no %s", what(t), name)
	}
	return operand{}
}

// intOf is the type of the integer that an address is.
func intOf(t value.Type) value.Type {
	if t.Kind == value.MAC {
		return value.U64
	}
	return value.U32
}

// pktAttr is pkt.NAME.
func (p *pass) pktAttr(e *syntax.DotExpr, pkt Expr) operand {
	if p.conn() {
		return p.connAttr(e)
	}
	name, pos, in := e.Name.Name, posOf(e.Name.NamePos), pkt.Type().Inner
	if _, ok := packetFields[name]; ok {
		return p.packetField(e, in)
	}
	if name == "inner" {
		return p.inner(e, in)
	}
	if h := packet.Lookup(name); h != packet.None {
		if !in && !p.c.b.opts.Hook.Info().Ethernet && (h == packet.Eth || h == packet.VLAN || h == packet.VLAN2) {
			p.errorAt(pos, "hook", "attach the chain at "+hooksWith(func(i hookInfo) bool { return i.Ethernet }), "pkt.%s is not there at %s", name, p.c.b.opts.Hook)
			return operand{}
		}
		return run(&Header{Base{value.Type{Kind: value.View, Header: h, Inner: in}, at(e)}})
	}
	if name == "payload" {
		return run(&PayloadOf{Base{value.Type{Kind: value.Span, Inner: in}, at(e)}})
	}
	if m, ok := spanMethods[name]; ok && m.frame {
		p.errorAt(pos, "call", "write pkt."+name+m.form, "pkt.%s is a function", name)
		return operand{}
	}
	if isMove(name) {
		p.errorAt(pos, "call", "write pkt."+name+"(…)", "pkt.%s is a function", name)
		return operand{}
	}
	if h := fieldNames[name]; h != "" {
		p.errorAt(pos, "name", "write "+h, "the packet itself has no %s", name)
		return operand{}
	}
	p.errorAt(pos, "name", didYouMean(name, subject(in)+".", packetAttrs()), "the packet has no %s", name)
	return operand{}
}

// fieldNames are fields that people look for on the packet itself.
var fieldNames = map[string]string{
	"haslayer": "the header as a condition: if pkt.tcp:", "getlayer": "the header: pkt.tcp",
	"src": "pkt.ip.src, or pkt.eth.src", "dst": "pkt.ip.dst, or pkt.eth.dst", "sport": "pkt.l4.sport", "dport": "pkt.l4.dport",
	"proto": "pkt.ip.proto", "ttl": "pkt.ip.ttl", "saddr": "pkt.ip.src", "daddr": "pkt.ip.dst", "port": "pkt.l4.dport",
	"flags": "pkt.tcp.flags", "syn": "pkt.tcp.syn", "ethertype": "pkt.eth.type", "icmp": "pkt.icmp4, or pkt.icmp6",
	"src_ip": "pkt.ip.src", "dst_ip": "pkt.ip.dst", "src_port": "pkt.l4.sport", "dst_port": "pkt.l4.dport",
}

func packetAttrs() []string {
	names := []string{"inner", "payload"}
	for n := range packetFields {
		names = append(names, n)
	}
	for n, m := range spanMethods {
		if m.frame {
			names = append(names, n)
		}
	}
	names = append(names, moveNames[:]...)
	for _, h := range packet.Headers() {
		names = append(names, h.String())
	}
	sortBy(names, func(s string) string { return s })
	return names
}

// headerField looks a field up and notes whether its header was tested.
func (p *pass) headerField(e *syntax.DotExpr, view Expr, write bool) (packet.Field, bool) {
	h, name := view.Type().Header, e.Name.Name
	f, ok := h.FieldOf(name)
	if !p.connView(e, h) {
		return f, false
	}
	if !ok {
		if arg, ok := headerMethods[h][name]; ok {
			p.errorAt(posOf(e.Name.NamePos), "call", "write pkt."+h.String()+"."+name+"("+arg+")", "%s is a function", name)
			return f, false
		}
		var names []string
		for _, f := range h.Fields() {
			names = append(names, f.Name)
		}
		for m, arg := range headerMethods[h] {
			names = append(names, m+"("+arg+")")
		}
		if h == packet.TCP && name == "ack" || len(names) == 0 {
			names = append(names, "ack_flag")
		}
		p.errorAt(posOf(e.Name.NamePos), "name", didYouMean(name, "", names), "the %s header has no field %s", h, name)
		return f, false
	}
	p.testedFor(e, view.Type(), f.Name, write)
	return f, true
}

// testedFor notes a field whose header was not tested.
func (p *pass) testedFor(e *syntax.DotExpr, t value.Type, field string, write bool) {
	if p.fl.has&bitOf(t) == 0 && !p.fl.dead {
		p.unguarded = append(p.unguarded, reading{at(e), t.Header, t.Inner, field, write})
	}
}

// storedAs is the type of a field's value.
func storedAs(f packet.Field) value.Type {
	switch f.Kind {
	case packet.Flag:
		return value.BoolT
	case packet.MAC:
		return value.MACT
	case packet.Addr4:
		return value.IP4T
	case packet.Addr6:
		return value.IP6T
	case packet.Addr:
		return value.IPT
	}
	switch m := f.Max(); {
	case m < 1<<8:
		return value.U8
	case m < 1<<16:
		return value.U16
	case m < 1<<32:
		return value.U32
	}
	return value.U64
}

func (p *pass) recordField(e *syntax.DotExpr, t value.Type) int {
	i := t.Field(e.Name.Name)
	if i < 0 {
		p.errorAt(posOf(e.Name.NamePos), "name", didYouMean(e.Name.Name, "", t.Names), "the record has no field %s", e.Name.Name)
	}
	return i
}

// staticAttr reads an attribute of a build-time value.
func (p *pass) staticAttr(e *syntax.DotExpr, v starlark.Value) operand {
	name, pos := e.Name.Name, posOf(e.Name.NamePos)
	if prm, ok := v.(*paramVal); ok {
		p.errorAt(pos, "name", "read it by its name alone", "%s has no %s", article(prm.p.Type), name)
		return operand{}
	}
	if m, ok := v.(*mapVal); ok {
		p.noMethod(pos, m, name)
		for _, n := range m.AttrNames() {
			if n == name {
				return known(&mapMethod{m, name})
			}
		}
		return operand{}
	}
	h, ok := v.(starlark.HasAttrs)
	if !ok {
		p.errorAt(pos, "name", "structs and modules have attributes", "%s has no %s", describe(v), name)
		return operand{}
	}
	x, err := h.Attr(name)
	if x == nil || err != nil {
		p.errorAt(pos, "name", didYouMean(name, "", h.AttrNames()), "%s has no %s", describe(v), name)
		return operand{}
	}
	return known(x)
}

// noMethod reports a method that a map has not.
func (p *pass) noMethod(pos diag.Pos, m *mapVal, name string) {
	names := m.AttrNames()
	for _, n := range names {
		if n == name {
			return
		}
	}
	p.errorAt(pos, "name", methodHint(m, name, names), "%s %s has no method %s", m.m.Kind, m.m.Name, name)
}

func methodHint(m *mapVal, name string, names []string) string {
	set := m.m.Value.Kind == value.None
	switch {
	case m.m.Key.Kind == value.None:
		return didYouMean(name, m.m.Name+".", names)
	case m.m.Kind == Bloom && (name == "discard" || name == "remove" || name == "pop"):
		return "a bloom forgets nothing; an lru does"
	case set && (name == "get" || name == "incr"):
		return "it is a set: test k in " + m.m.Name
	case set && (name == "pop" || name == "remove"):
		return "write " + m.m.Name + ".discard(k)"
	case !set && name == "add":
		return "write " + m.m.Name + "[k] = v"
	case !set && (name == "discard" || name == "remove" || name == "delete") && m.m.Kind != Array && m.m.Kind != LPM:
		return "write " + m.m.Name + ".pop(k)"
	case name == "items" || name == "keys" || name == "values":
		return "a map cannot be walked while a packet is handled; weir maps shows it"
	case m.m.Kind == LPM && name != "get":
		return "an lpm is filled by init = and by weir maps"
	case m.m.Kind == Array && name == "pop":
		return "every entry of an array exists; write " + m.m.Name + "[i] = 0"
	case name == "incr":
		return "only integers are counted up"
	}
	return didYouMean(name, m.m.Name+".", names)
}

func itoa(n uint64) string { return strconv.FormatUint(n, 10) }
