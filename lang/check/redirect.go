package check

import (
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/value"
)

// redirects are the builtins that send a packet elsewhere.
var redirects = map[string]Action{
	"redirect": Redirect, "redirect_peer": RedirectPeer, "redirect_cpu": RedirectCPU, "reject": Reject, "to_socket": ToSocket,
	"to_user": ToUser,
}

// canRedirect tells which hooks have an action.
func canRedirect(a Action) func(hookInfo) bool {
	switch a {
	case RedirectPeer:
		return func(i hookInfo) bool { return i.RedirectPeer }
	case RedirectCPU:
		return func(i hookInfo) bool { return i.RedirectCPU }
	case ToUser:
		return func(i hookInfo) bool { return i.ToUser }
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

// numbered are the builtins that send a packet to what has a number and no name: the
// argument, what it is the number of, and how it is written.
var numbered = map[string]struct{ arg, of, hint string }{
	"redirect_cpu": {"n", "CPU", "write redirect_cpu(1)"},
	"to_user":      {"queue", "queue", "write to_user(pkt.queue), or to_user(0)"},
}

// redirect is redirect("eth1"), redirect(ifindex), and the same of redirect_peer;
// redirect_cpu(n) and to_user(queue) take a number.
func (p *pass) redirect(e *syntax.CallExpr, name string) operand {
	if !p.mayRedirect(e, name) {
		p.args(e)
		return operand{}
	}
	arg, of := "interface", "the interface"
	num, isNumbered := numbered[name]
	if isNumbered {
		arg, of = num.arg, "the "+num.of
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
		if isNumbered {
			p.errorf(args[0].e, "type", num.hint, "%s() takes the number of a %s, not %s", name, num.of, describe(o.v))
			return operand{}
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
	switch a {
	case RedirectCPU:
		p.c.verdict(Verdict{Action: Pass, Reason: NoCPU})
	case ToUser:
		p.c.verdict(Verdict{Action: Pass, Reason: NoReceiver})
	}
	return run(&RedirectTo{Base: Base{value.VerdT, at(e)}, Action: a, Index: x})
}
