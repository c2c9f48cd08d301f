package check

import (
	"errors"
	"unicode/utf8"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/pcap"
	"weir/lang/value"
)

// A filterVal is what pcap_filter("…") gives: a function of the packet.
type filterVal struct{ f *pcap.Filter }

var _ starlark.Callable = (*filterVal)(nil)

func (f *filterVal) String() string        { return "pcap_filter(" + syntax.Quote(f.f.Text, false) + ")" }
func (f *filterVal) Type() string          { return "filter" }
func (f *filterVal) Freeze()               {}
func (f *filterVal) Truth() starlark.Bool  { return true }
func (f *filterVal) Hash() (uint32, error) { return hashOf([]byte(f.f.Text)), nil }
func (f *filterVal) Name() string          { return "filter" }

// CallInternal refuses: there is no packet at build time.
func (f *filterVal) CallInternal(*starlark.Thread, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
	return nil, fault("build", "call it inside a function that handles packets", "a filter has no meaning while the file is read")
}

// buildFilter is pcap_filter("tcp port 80").
func buildFilter(_ *starlark.Thread, name string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	names := []string{"expression"}
	a, err := bindArgs(name, names, 1, args, kwargs)
	if err != nil {
		return nil, err
	}
	text, ok := a["expression"].(starlark.String)
	if !ok {
		return nil, onArg(names[0], names, fault("type", `write pcap_filter("tcp port 80")`, "the expression of a filter is a string, not %s", describe(a["expression"])))
	}
	f, err := pcap.Parse(string(text))
	var bad *pcap.Error
	switch {
	case errors.As(err, &bad):
		h := &hintError{code: "filter", msg: bad.Message, hint: bad.Hint, within: 1 + utf8.RuneCountInString(string(text)[:bad.Pos])}
		return nil, onArg(names[0], names, h)
	case err != nil:
		return nil, err
	case f.Root == pcap.Fails:
		return nil, onArg(names[0], names, fault("filter", "no packet is all of what it asks for; or holds where one of two does", "the filter holds for no packet"))
	}
	return &filterVal{f}, nil
}

// filterCall is f(pkt), f of pcap_filter.
func (p *pass) filterCall(e *syntax.CallExpr, f *filterVal) operand {
	if p.conn() {
		p.errorf(e, "hook", "attach the chain at "+hooksWith(func(i hookInfo) bool { return !i.Conn }), "a filter is of packets, and there are none at %s", p.c.b.opts.Hook)
		p.args(e)
		return operand{}
	}
	ethernet := func(i hookInfo) bool { return i.Ethernet }
	if f.f.MACs && !ethernet(p.c.b.opts.Hook.Info()) {
		p.errorf(e, "hook", "attach the chain at "+hooksWith(ethernet), "the filter asks for MAC addresses, and packets have none at %s", p.c.b.opts.Hook)
		p.args(e)
		return operand{}
	}
	args, ok := p.passArgs(e, "filter", []string{"pkt"}, 1, 1)
	if !ok {
		return operand{}
	}
	x := args[0].o.x
	switch {
	case x == nil || x.Type().Kind != value.Packet:
		p.errorf(args[0].e, "type", "call it with the packet: is_web(pkt)", "a filter takes the packet, not %s", p.whatIs(args[0].o))
		return operand{}
	case x.Type().Inner:
		p.errorf(args[0].e, "type", "ask for the fields of the packet inside: pkt.inner.tcp.dport", "a filter takes the packet, not the one inside of it")
		return operand{}
	}
	return run(&Matches{Base{value.BoolT, at(e)}, f.f})
}

// whatIs describes an operand.
func (p *pass) whatIs(o operand) string {
	if o.v != nil {
		return describe(o.v)
	}
	return what(o.x.Type())
}
