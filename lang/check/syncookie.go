package check

import (
	"go.starlark.net/syntax"

	"weir/lang/value"
	"weir/packet"
)

// CookieT is the type of what syncookie() gives: a sequence number and an MSS.
var CookieT = value.Type{Kind: value.Tuple, Elems: []value.Type{value.U32, value.U16}}

// synCookie is syncookie(pkt), or syncookie_ok(pkt).
func (p *pass) synCookie(e *syntax.CallExpr, name string) operand {
	if !p.c.b.opts.Hook.Info().Redirect {
		p.errorf(e, "hook", "attach the chain at "+hooksWith(func(i hookInfo) bool { return i.Redirect }), "%s() is not possible at %s", name, p.c.b.opts.Hook)
		p.args(e)
		return operand{}
	}
	args, ok := p.passArgs(e, name, []string{"pkt"}, 1, 1)
	if !ok {
		return operand{}
	}
	if x := args[0].o.x; x == nil || x.Type().Kind != value.Packet || x.Type().Inner {
		p.errorf(args[0].e, "type", "write "+name+"(pkt)", "%s() takes the packet", name)
		return operand{}
	}
	header := func(h packet.Header) Expr { return &Header{Base{value.Type{Kind: value.View, Header: h}, at(e)}} }
	c := &SynCookie{Base{CookieT, at(e)}, header(packet.IP), header(packet.TCP), name == "syncookie_ok"}
	if c.Check {
		c.T = value.BoolT
	}
	return run(c)
}
