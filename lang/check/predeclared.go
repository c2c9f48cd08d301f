package check

import (
	"fmt"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"

	"weir/lang/value"
)

// A builtinFunc is a builtin of build time.
type builtinFunc func(th *starlark.Thread, name string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error)

func builtin(name string, f builtinFunc) *starlark.Builtin {
	return starlark.NewBuiltin(name, func(th *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		return f(th, name, args, kwargs)
	})
}

// A verdictVal is a verdict at build time. A redirect has a target.
type verdictVal struct {
	v  Verdict
	to string
}

func (v verdictVal) String() string {
	switch {
	case v.v.Action == Redirect:
		return fmt.Sprintf("redirect(%q)", v.to)
	case v.v.Action == ToGroup:
		return "redirect(" + groupText(v.to) + ")"
	case v.v.Action == RedirectPeer:
		return fmt.Sprintf("redirect_peer(%q)", v.to)
	case v.v.Action == RedirectCPU: // of scripts
		return fmt.Sprintf("redirect_cpu(%s)", v.to)
	case v.v.Action == ToUser: // likewise
		return fmt.Sprintf("to_user(%s)", v.to)
	case v.v.Action == ToSocket:
		return fmt.Sprintf("to_socket(%q)", v.to)
	case v.v.Action == Reject:
		return "reject()"
	case v.v.Reason != "":
		return fmt.Sprintf("drop(%q)", v.v.Reason)
	}
	return v.v.Action.String()
}
func (v verdictVal) Type() string          { return "verdict" }
func (v verdictVal) Freeze()               {}
func (v verdictVal) Truth() starlark.Bool  { return true }
func (v verdictVal) Hash() (uint32, error) { return uint32(v.v.Action), nil }

func (v verdictVal) CompareSameType(op syntax.Token, y starlark.Value, _ int) (bool, error) {
	w := y.(verdictVal)
	return equalOnly(op, "verdicts", v.v.Action == w.v.Action && v.to == w.to)
}

// An ifaceVal is interface("eth1") at build time: its index is known when the
// program is loaded.
type ifaceVal struct{ name string }

func (i ifaceVal) String() string        { return fmt.Sprintf("interface(%q)", i.name) }
func (i ifaceVal) Type() string          { return "interface" }
func (i ifaceVal) Freeze()               {}
func (i ifaceVal) Truth() starlark.Bool  { return true }
func (i ifaceVal) Hash() (uint32, error) { return hashOf([]byte(i.name)), nil }

// A packetBuiltin is a builtin that means something at packet time only.
type packetBuiltin struct{ name string }

var _ starlark.Callable = (*packetBuiltin)(nil)

func (p *packetBuiltin) String() string        { return p.name }
func (p *packetBuiltin) Type() string          { return "builtin" }
func (p *packetBuiltin) Freeze()               {}
func (p *packetBuiltin) Truth() starlark.Bool  { return true }
func (p *packetBuiltin) Hash() (uint32, error) { return hashOf([]byte(p.name)), nil }
func (p *packetBuiltin) Name() string          { return p.name }

// CallInternal refuses.
func (p *packetBuiltin) CallInternal(*starlark.Thread, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
	return nil, fault("build", "call it inside a function that handles packets", "%s() has no meaning while the file is read", p.name)
}

// packetOnly are the builtins that mean something at packet time only.
var packetOnly = []string{"count", "hist", "log", "sample", "rand", "now", "cpu", "hash_of", "redirect_cpu", "to_user", "fib", "clone", "syncookie", "syncookie_ok", "mask", "bit_length", "tai"}

// predeclared are the names that every file sees beside Starlark's own.
func (b *builder) predeclared() starlark.StringDict {
	d := starlark.StringDict{
		"PASS": verdictVal{v: Verdict{Action: Pass}}, "ACCEPT": verdictVal{v: Verdict{Action: Accept}},
		"DROP": verdictVal{v: Verdict{Action: Drop}}, "TX": verdictVal{v: Verdict{Action: TX}},
		"struct": starlark.NewBuiltin("struct", starlarkstruct.Make),
		"table":  builtin("table", b.declareMap(Table)),
		"lru":    builtin("lru", b.declareMap(LRU)),
		"array":  builtin("array", b.declareMap(Array)),
		"lpm":    builtin("lpm", b.declareMap(LPM)),
		"ring":   builtin("ring", b.declareMap(Ring)),
		"bloom":  builtin("bloom", b.declareMap(Bloom)),
		"queue":  builtin("queue", b.declareMap(Queue)),
		"stack":  builtin("stack", b.declareMap(Stack)),
		"param":  builtin("param", b.declareParam),
		"record": builtin("record", declareRecord),
		"header": builtin("header", declareHeader),
		"octets": builtin("octets", declareOctets),
		"text":   builtin("text", declareOctets),
		"drop":   builtin("drop", buildDrop), "redirect": builtin("redirect", buildRedirect),
		"redirect_peer": builtin("redirect_peer", buildRedirect), "reject": builtin("reject", buildReject),
		"to_socket": builtin("to_socket", buildToSocket),
		"interface": builtin("interface", buildInterface), "ns": builtin("ns", buildNS), "pcap_filter": builtin("pcap_filter", buildFilter),
	}
	for _, t := range []value.Type{
		value.U8, value.U16, value.U32, value.U64, value.BoolT, value.IP4T, value.IP6T, value.IPT, value.MACT,
		{Kind: value.Int, Width: 1, Signed: true}, {Kind: value.Int, Width: 2, Signed: true},
		{Kind: value.Int, Width: 4, Signed: true}, value.I64,
		{Kind: value.Prefix4}, {Kind: value.Prefix6}, {Kind: value.Prefix},
	} {
		d[t.String()] = &typeVal{t}
	}
	for _, n := range packetOnly {
		d[n] = &packetBuiltin{n}
	}
	return d
}

func declareRecord(_ *starlark.Thread, _ string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(args) > 0 {
		return nil, fault("call", "write record(hits = u64, last = ip4)", "the fields of a record are given by name")
	}
	if len(kwargs) == 0 {
		return nil, fault("call", "write record(hits = u64, last = ip4)", "a record needs a field")
	}
	t := value.Type{Kind: value.Record}
	for _, kw := range kwargs {
		ft, err := typeOf(kw[1])
		if err != nil {
			return nil, within("field "+string(kw[0].(starlark.String)), err)
		}
		t.Names = append(t.Names, string(kw[0].(starlark.String)))
		t.Elems = append(t.Elems, ft)
	}
	return &typeVal{t}, storable("record", t)
}

func buildDrop(_ *starlark.Thread, name string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	a, err := bindArgs(name, []string{"reason"}, 0, args, kwargs)
	if err != nil {
		return nil, err
	}
	if a["reason"] == nil {
		return nil, fault("call", "write drop(\"reason\"), or DROP without one", "drop() needs a reason")
	}
	s, ok := starlark.AsString(a["reason"])
	if !ok || s == "" {
		return nil, fault("type", "write drop(\"reason\")", "the reason of a drop is a string that is not empty")
	}
	return verdictVal{v: Verdict{Action: Drop, Reason: s}}, nil
}

func buildRedirect(_ *starlark.Thread, name string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	a, err := bindArgs(name, []string{"interface"}, 1, args, kwargs)
	if err != nil {
		return nil, err
	}
	switch x := a["interface"].(type) {
	case starlark.String:
		if err := interfaceName(string(x)); err != nil {
			return nil, err
		}
		return verdictVal{Verdict{Action: redirects[name]}, string(x)}, nil
	case ifaceVal:
		return verdictVal{Verdict{Action: redirects[name]}, x.name}, nil
	case *starlark.List:
		return buildGroup(name, x)
	case starlark.Tuple:
		return buildGroup(name, x)
	}
	return nil, fault("type", "write "+name+"(\"eth1\")", "while the file is read, %s() takes the name of an interface", name)
}

func buildReject(_ *starlark.Thread, name string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(args)+len(kwargs) > 0 {
		return nil, fault("call", "write reject()", "reject() takes no arguments")
	}
	return verdictVal{v: Verdict{Action: Reject}}, nil
}

func buildInterface(_ *starlark.Thread, name string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	a, err := bindArgs(name, []string{"name"}, 1, args, kwargs)
	if err != nil {
		return nil, err
	}
	s, ok := starlark.AsString(a["name"])
	if !ok {
		return nil, fault("type", "write interface(\"eth1\")", "interface() takes a name")
	}
	if err := interfaceName(s); err != nil {
		return nil, err
	}
	return ifaceVal{s}, nil
}

// buildNS is ns("10s"): a time as the number that clocks and params count in.
func buildNS(_ *starlark.Thread, name string, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	a, err := bindArgs(name, []string{"time"}, 1, args, kwargs)
	if err != nil {
		return nil, err
	}
	s, ok := starlark.AsString(a["time"])
	d, err := time.ParseDuration(s)
	if !ok || err != nil || d < 0 {
		return nil, fault("value", `write ns("500ms"), ns("10s"), ns("5m") or ns("2h")`, "%s is no time", describe(a["time"]))
	}
	return starlark.MakeInt64(d.Nanoseconds()), nil
}

// interfaceName checks the name of an interface: IFNAMSIZ is 16 with the final
// zero (linux/if.h).
func interfaceName(s string) error {
	bad := len(s) == 0 || len(s) > 15
	for _, r := range s {
		bad = bad || r <= ' ' || r == '/' || r == 0x7f
	}
	if bad {
		return fault("value", "names have 1 to 15 characters without spaces and slashes", "%q cannot be the name of an interface", s)
	}
	return nil
}
