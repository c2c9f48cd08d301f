package lower

import (
	"weir/lang/check"
	"weir/lang/value"
	"weir/packet"
)

func newNeeds() needs { return needs{mention: newMention(), deep: newMention()} }

func newMention() mention {
	return mention{header: map[packet.Header]bool{}, read: map[packet.Header]bool{}}
}

// of is where what is mentioned of a packet is noted.
func (n *needs) of(inner bool) *mention {
	if !inner {
		return &n.mention
	}
	n.inside()
	return &n.deep
}

// inside notes that the packet inside is asked for: it lies behind an IP header.
func (n *needs) inside() {
	n.tunnel = true
	n.note(packet.IP)
	n.read[packet.IP4], n.read[packet.IP6] = true, true
}

// scan finds what the program mentions.
func scan(p *check.Program, conn bool) needs {
	n := newNeeds()
	n.conn = conn
	for _, f := range p.Funcs {
		visit(f.Body, func(s check.Stmt) {
			if w, ok := s.(*check.SetHeader); ok && !conn {
				n.writes = true
				n.moves = n.moves || moves(w.View.Type().Header, w.Field)
				n.noteWrite(w)
			}
			switch s.(type) {
			case *check.SetHeader, *check.SetPacket:
				n.rewrites = conn
			case *check.Range, *check.While:
				n.loops = true
			case *check.LogLine:
				n.logs, n.now = true, true
			}
		}, n.noteExpr)
	}
	for _, m := range p.Maps {
		n.now = n.now || m.TTL > 0
		n.refTTL = n.refTTL || m.TTL > 0 && m.Value.Kind == value.Record
	}
	// Copies of headers inside must be made anew after any write.
	n.moves = n.moves || n.tunnel && n.writes
	return n
}

// hoist finds the headers that a loop mentions before the loop, so that not every
// turn does.
func (l *lowerer) hoist(body []check.Stmt) {
	n := l.bodyNeeds(body)
	if mayWrite(body).moves {
		return
	}
	switch {
	case n.payload:
		l.payload()
	case n.l4():
		l.needL4()
	case n.l3():
		l.needL3()
	}
	if n.header[packet.SRH] {
		l.needSRH()
	}
	if n.tunnel {
		l.ask()
	}
}

// l3 reports whether an IP header or that of ARP is mentioned.
func (n *mention) l3() bool {
	return n.header[packet.IP4] || n.header[packet.IP6] || n.header[packet.ARP]
}

// l4 reports whether an L4 header is mentioned, or what is found with it.
func (n *mention) l4() bool {
	if n.fragment || n.payload {
		return true
	}
	for _, k := range l4Kinds {
		if n.header[k.h] {
			return true
		}
	}
	return false
}

// bodyNeeds is scan for a part of the program and the functions that it calls.
func (l *lowerer) bodyNeeds(body []check.Stmt) needs {
	n := newNeeds()
	n.conn = l.conn()
	seen := map[*check.Func]bool{}
	var look func([]check.Stmt)
	look = func(body []check.Stmt) {
		visit(body, func(s check.Stmt) {
			if w, ok := s.(*check.SetHeader); ok && !n.conn {
				n.noteWrite(w)
			}
		}, func(e check.Expr) {
			n.noteExpr(e)
			if c, ok := e.(*check.Call); ok && !seen[c.Func] {
				seen[c.Func] = true
				look(c.Func.Body)
			}
		})
	}
	look(body)
	return n
}

// known returns the facts that hold here and that a part of the program with
// these needs reads.
func (l *lowerer) known(n needs) []variable {
	f := &l.facts
	var vs []variable
	if l.st.l3 {
		for _, k := range l3Kinds {
			if n.read[k.h] {
				vs = append(vs, f.l3Var(k.h))
			}
		}
		if len(vs) > 0 {
			vs = append(vs, f.l3)
		}
	}
	if l.st.l4 {
		some := len(vs)
		for _, k := range l4Kinds {
			if n.read[k.h] {
				vs = append(vs, f.l4[k.h])
			}
		}
		if len(vs) > some {
			vs = append(vs, f.l4Place)
		}
		if n.fragment {
			vs = append(vs, f.proto, f.frag)
		}
	}
	if l.st.asked && n.tunnel {
		vs = append(vs, f.walk, f.other.walk)
	}
	if l.st.srh && n.read[packet.SRH] {
		vs = append(vs, f.srh, f.srhPlace)
	}
	if l.st.payload && n.payload {
		vs = append(vs, f.start, f.stop)
	}
	return vs
}

func (n *needs) noteExpr(e check.Expr) {
	switch e := e.(type) {
	case *check.PacketField:
		n.now = n.now || e.Name == "now"
		if e.Inner {
			n.inside()
		}
	case *check.Inside:
		n.inside()
	case *check.Header:
		if n.conn {
			return
		}
		m := n.of(e.T.Inner)
		m.note(e.T.Header)
		for _, h := range members(e.T.Header) {
			m.read[h] = true
		}
	case *check.Move:
		n.writes, n.moves = true, true
		switch e.Op {
		case check.Encap:
			n.note(packet.IP)
		case check.Decap:
			n.inside()
		}
	case *check.Clone:
		n.writes = true
	case *check.CallObject:
		if e.Func.Changes && !n.conn {
			n.writes, n.moves = true, true
		}
	case *check.PayloadOf:
		m := n.of(e.T.Inner)
		m.payload = true
		for _, k := range l4Kinds {
			if hasPayload(k.h) {
				m.note(k.h)
			}
		}
	case *check.Put:
		n.writes = true
		if e.Span == nil || e.Span.Type().Frame {
			n.moves = true
			return
		}
		for _, k := range l4Kinds {
			if sumOffset(k.h) > 0 || k.h == packet.SCTP {
				n.note(k.h)
				n.read[k.h] = true
			}
		}
	case *check.HeaderField:
		if e.Field.Name == "fragment" || e.Field.Name == "proto" && e.View.Type().Header == packet.IP {
			n.of(e.View.Type().Inner).fragment = true
		}
	}
}

func (n *mention) note(h packet.Header) {
	n.header[h] = true
	switch h {
	case packet.IP, packet.TCP, packet.UDP, packet.SCTP, packet.GRE, packet.ESP:
		n.header[packet.IP4], n.header[packet.IP6] = true, true
	case packet.ICMP4:
		n.header[packet.IP4] = true
	case packet.ICMP6, packet.SRH:
		n.header[packet.IP6] = true
	case packet.L4:
		n.note(packet.TCP)
		n.note(packet.UDP)
		n.note(packet.SCTP)
	}
}

// noteWrite adds the headers whose checksums cover an address.
func (n *needs) noteWrite(w *check.SetHeader) {
	if coversL4(w.View.Type().Header, w.Field) {
		for _, h := range []packet.Header{packet.TCP, packet.UDP, packet.ICMP6} {
			n.note(h)
			n.read[h] = true
		}
	}
}

// members returns the headers that a pseudo header stands for.
func members(h packet.Header) []packet.Header {
	switch h {
	case packet.IP:
		return []packet.Header{packet.IP4, packet.IP6}
	case packet.L4:
		return []packet.Header{packet.TCP, packet.UDP, packet.SCTP}
	}
	return []packet.Header{h}
}

// coversL4 reports whether the pseudo header of an L4 checksum has the field.
func coversL4(h packet.Header, f packet.Field) bool {
	return isAddress(f) && (h == packet.IP4 || h == packet.IP6 || h == packet.IP)
}

func isAddress(f packet.Field) bool {
	return f.Kind == packet.Addr4 || f.Kind == packet.Addr6 || f.Kind == packet.Addr
}

// A writing is what the statements of a loop may do to headers.
type writing struct {
	any    bool // write a field
	moves  bool // write one that may change which headers follow
	packet bool // move the packet
}

// mayWrite finds what body, and the functions that it calls, may write.
func mayWrite(body []check.Stmt) writing {
	var found writing
	seen := map[*check.Func]bool{}
	var look func([]check.Stmt)
	look = func(body []check.Stmt) {
		visit(body, func(s check.Stmt) {
			if w, ok := s.(*check.SetHeader); ok {
				h := w.View.Type().Header
				found.any = found.any || h != packet.Eth
				found.moves = found.moves || moves(h, w.Field)
			}
		}, func(e check.Expr) {
			switch e := e.(type) {
			case *check.Put:
				found.any = true
				found.moves = found.moves || e.Span == nil || e.Span.Type().Frame
			case *check.Clone:
				found.any = true
			case *check.Move:
				found = writing{true, true, true}
			case *check.CallObject:
				if e.Func.Changes {
					found = writing{true, true, true}
				}
			case *check.Call:
				if !seen[e.Func] {
					seen[e.Func] = true
					look(e.Func.Body)
				}
			}
		})
	}
	look(body)
	return found
}
