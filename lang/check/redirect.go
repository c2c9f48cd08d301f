package check

import (
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/value"
)

// redirects are the builtins that send a packet elsewhere.
var redirects = map[string]Action{
	"redirect": Redirect, "redirect_peer": RedirectPeer, "redirect_cpu": RedirectCPU, "reject": Reject, "to_socket": ToSocket,
}

// canRedirect tells which hooks have an action.
func canRedirect(a Action) func(hookInfo) bool {
	switch a {
	case RedirectPeer:
		return func(i hookInfo) bool { return i.RedirectPeer }
	case RedirectCPU:
		return func(i hookInfo) bool { return i.RedirectCPU }
	case ToSocket:
		return chooses
	case Reject:
		return func(i hookInfo) bool { return i.Redirect || i.Conn }
	}
	return func(i hookInfo) bool { return i.Redirect }
}

// mayRedirect reports an action that the hook has not.
func (p *pass) mayRedirect(n syntax.Node, name string) bool {
	can := canRedirect(redirects[name])
	if can(p.c.b.opts.Hook.Info()) {
		return true
	}
	p.errorf(n, "hook", "attach the chain at "+p.hooksWith(can), "%s() is not possible at %s", name, p.c.b.opts.Hook)
	return false
}

// redirect is redirect("eth1"), redirect(ifindex), and the same of redirect_peer;
// redirect_cpu(n) takes a number.
func (p *pass) redirect(e *syntax.CallExpr, name string) operand {
	if !p.mayRedirect(e, name) {
		p.args(e)
		return operand{}
	}
	arg, of := "interface", "the interface"
	if name == "redirect_cpu" {
		arg, of = "n", "the CPU"
	}
	if list := written(e); list != nil && name == "redirect" {
		return p.groupOf(e, list)
	}
	args, ok := p.passArgs(e, name, []string{arg}, 1, 1)
	if !ok {
		return operand{}
	}
	o := args[0].o
	switch o.v.(type) {
	case starlark.String, ifaceVal, *starlark.List, starlark.Tuple:
		if name == "redirect_cpu" {
			break
		}
		v, err := buildRedirect(nil, name, starlark.Tuple{o.v}, nil)
		if err != nil {
			p.fail(e, err)
			return operand{}
		}
		return known(v)
	}
	x := p.intValue(args[0].e, o, of)
	if x == nil {
		return operand{}
	}
	if !p.fits(args[0].e, x, value.U32, of+" of "+name+"()") {
		return operand{}
	}
	a := redirects[name]
	p.c.verdict(Verdict{Action: a})
	if a == RedirectCPU {
		p.c.verdict(Verdict{Action: Pass, Reason: NoCPU})
	}
	return run(&RedirectTo{Base: Base{value.VerdT, at(e)}, Action: a, Index: x})
}
