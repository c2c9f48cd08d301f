package check

import (
	"strconv"

	"go.starlark.net/starlark"

	"weir/lang/value"
)

// An Outcome is how a packet left a chain, as those see it who test the chain.
type Outcome struct {
	Verdict string // as a chain's exits have it
	Reason  string // of a drop
	To      string // of a redirect: the interface, or the number of the CPU; of to_user() that of the queue
	ToCPU   bool   // it was redirect_cpu()
	ToPeer  bool   // it was redirect_peer()
	ToGroup bool   // it was redirect([…]): To has commas between the interfaces
}

// VerdictOf returns an outcome as a value of the interpreter, which equals what a script
// has by the same builtin.
func VerdictOf(o Outcome) (starlark.Value, bool) {
	switch {
	case o.ToCPU:
		return verdictVal{Verdict{Action: RedirectCPU}, o.To}, true
	case o.ToPeer:
		return verdictVal{Verdict{Action: RedirectPeer}, o.To}, true
	case o.ToGroup:
		return verdictVal{Verdict{Action: ToGroup}, o.To}, true
	}
	for a := Pass; a <= ToUser; a++ {
		if a.String() == o.Verdict {
			return verdictVal{Verdict{Action: a, Reason: o.Reason}, o.To}, true
		}
	}
	return nil, false
}

// ReasonOf returns the reason of a drop; "" of what has none.
func ReasonOf(v starlark.Value) string {
	if v, ok := v.(verdictVal); ok {
		return v.v.Reason
	}
	return ""
}

// redirect is redirect("eth1") and redirect(index) of a script, and redirect_peer.
func (o *ScriptOptions) redirect(th *starlark.Thread, name string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	a, err := bindArgs(name, []string{"interface"}, 1, args, kwargs)
	if err != nil {
		return nil, err
	}
	n, ok := a["interface"].(starlark.Int)
	if !ok || o.Interface == nil {
		return buildRedirect(th, name, args, kwargs)
	}
	index, ok := n.Int64()
	if !ok || index < 1 || index > 1<<31-1 {
		return nil, fault("range", "they count from 1", "%s is no index of an interface", n)
	}
	return verdictVal{Verdict{Action: redirects[name]}, o.Interface(int(index))}, nil
}

// toNumber is redirect_cpu(n) and to_user(queue) of a script.
func toNumber(_ *starlark.Thread, name string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	a, err := bindArgs(name, []string{numbered[name].arg}, 1, args, kwargs)
	if err != nil {
		return nil, err
	}
	n, ok := a[numbered[name].arg].(starlark.Int)
	if !ok {
		return nil, fault("type", numbered[name].hint, "%s() takes the number of a %s, not %s", name, numbered[name].of, describe(a[numbered[name].arg]))
	}
	number, ok := n.Uint64()
	if !ok || number > 1<<32-1 {
		return nil, doesNotFit(n.String(), value.U32)
	}
	return verdictVal{Verdict{Action: redirects[name]}, strconv.FormatUint(number, 10)}, nil
}
