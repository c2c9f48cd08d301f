package check

import (
	"go.starlark.net/syntax"

	"weir/lang/value"
)

// The packet inside a tunnel, pkt.inner, is of the type of the packet with Inner set,
// and so are views and spans that are taken from it: a function of a packet can be
// called with either, and is specialised for each. It can only be read.

// inner is pkt.inner.
func (p *pass) inner(e *syntax.DotExpr, inside bool) operand {
	if inside {
		p.errorAt(posOf(e.Name.NamePos), "name", "take the outer tunnel off first: pkt.decap()", "the packet inside is looked at one tunnel deep")
		return operand{}
	}
	t := value.PacketT
	t.Inner = true
	return run(&Inside{Base{t, at(e)}})
}

// isInside reports an attempt to change the packet inside.
func (p *pass) isInside(n syntax.Node, t value.Type) bool {
	if t.Inner {
		p.errorf(n, "type", "take it out of its tunnel first: pkt.decap()", "the packet inside can only be read")
	}
	return t.Inner
}
