package check

import (
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/value"
)

// cloneCall is clone("eth1") or clone(ifindex).
func (p *pass) cloneCall(e *syntax.CallExpr) operand {
	can := func(i hookInfo) bool { return i.Clone }
	if p.observes(at(e)) {
		p.args(e)
		return operand{}
	}
	if !can(p.c.b.opts.Hook.Info()) {
		p.errorf(e, "hook", "attach the chain at "+hooksWith(can), "clone() is not possible at %s", p.c.b.opts.Hook)
		p.args(e)
		return operand{}
	}
	args, ok := p.passArgs(e, "clone", []string{"interface"}, 1, 1)
	if !ok {
		return operand{}
	}
	o := args[0].o
	if name, ok := o.v.(starlark.String); ok {
		v, err := buildInterface(nil, "clone", starlark.Tuple{name}, nil)
		if err != nil {
			p.fail(args[0].e, err)
			return operand{}
		}
		o = known(v)
	}
	x := p.intValue(args[0].e, o, "the interface")
	if x == nil || !p.fits(args[0].e, x, value.U32, "the interface of clone()") {
		return operand{}
	}
	return run(&Clone{Base{value.BoolT, at(e)}, x})
}
