package check

import (
	"maps"

	"weir/lang/value"
	"weir/packet"
)

// A flow is what is known at one point of a body.
type flow struct {
	dead   bool     // the point is not reached
	set    []uint64 // bits of the variables that hold something
	has    headers  // there for certain
	bounds map[*Local]interval
	tests  map[*Local]facts  // bools that hold the outcome of a test
	ended  map[*Local]moving // views that were taken before a move
}

// maxTracked is for how many locals at once bounds and tests are kept: flows are
// copied at every branch, and this keeps that linear.
const maxTracked = 128

// headers is a set of headers, from bit innerBits on of headers of the packet inside,
// and from bit laidBits on of locals by their index that hold a header of the chain's
// own.
type headers uint64

const (
	innerBits = int(packet.L4) + 1 // behind the last header
	laidBits  = 2 * innerBits
)

func (f *flow) clone() *flow {
	return &flow{
		dead: f.dead, set: append([]uint64(nil), f.set...), has: f.has,
		bounds: maps.Clone(f.bounds), tests: maps.Clone(f.tests), ended: maps.Clone(f.ended),
	}
}

func (f *flow) isSet(v *variable) bool { return f.dead || f.set[v.index/64]>>(v.index%64)&1 == 1 }

func (f *flow) mark(v *variable) { f.set[v.index/64] |= 1 << (v.index % 64) }

// forget drops what is known about the value of v.
func (f *flow) forget(v *variable) {
	delete(f.bounds, v.local)
	delete(f.tests, v.local)
	f.has &^= laidBit(v)
}

// meet is what is known where two ways come together.
func meet(a, b *flow) *flow {
	switch {
	case a == nil || a.dead && b != nil:
		return b
	case b == nil || b.dead:
		return a
	}
	m := &flow{has: a.has & b.has, set: make([]uint64, len(a.set)), bounds: map[*Local]interval{}, tests: map[*Local]facts{}}
	m.ended = bothEnded(a.ended, b.ended)
	for i := range m.set {
		m.set[i] = a.set[i] & b.set[i]
	}
	for v, x := range a.bounds {
		if y, ok := b.bounds[v]; ok {
			m.bounds[v] = x.union(y)
		}
	}
	for v, x := range a.tests {
		if y, ok := b.tests[v]; ok && x == y {
			m.tests[v] = x
		}
	}
	return m
}

// facts are the headers that are there if a condition holds, and if it does not.
type facts struct {
	yes, no headers
}

func (f facts) not() facts { return facts{f.no, f.yes} }

func bit(h packet.Header) headers { return 1 << h }

// bitOf is the bit of the header that a view is of.
func bitOf(view value.Type) headers {
	if view.Inner {
		return bit(view.Header) << innerBits
	}
	return bit(view.Header)
}

// impliedBy is what is there if the header that a view is of is there. The packet
// inside has an Ethernet header in some tunnels only.
func impliedBy(view value.Type) headers {
	all := implied[view.Header]
	if !view.Inner {
		return all
	}
	switch view.Header {
	case packet.Eth, packet.VLAN, packet.VLAN2, packet.ARP:
	default:
		all &^= bit(packet.Eth)
	}
	return all << innerBits
}

// laidBit is 0 for locals that are not followed.
func laidBit(v *variable) headers { return 1 << (laidBits + v.index) }

// implied is what is there with a header.
var implied = func() map[packet.Header]headers {
	m := map[packet.Header]headers{}
	for _, h := range packet.Headers() {
		m[h] = bit(h) | bit(packet.Eth)
	}
	add := func(h packet.Header, with ...packet.Header) {
		for _, w := range with {
			m[h] |= m[w]
		}
	}
	add(packet.VLAN2, packet.VLAN)
	add(packet.IP4, packet.IP)
	add(packet.IP6, packet.IP)
	add(packet.L4, packet.IP)
	for _, h := range []packet.Header{packet.TCP, packet.UDP, packet.SCTP} {
		add(h, packet.L4)
	}
	add(packet.ICMP4, packet.IP4)
	add(packet.ICMP6, packet.IP6)
	add(packet.SRH, packet.IP6)
	add(packet.GRE, packet.IP)
	add(packet.ESP, packet.IP)
	return m
}()
