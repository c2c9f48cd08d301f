package ref

import (
	"fmt"
	"strings"
	"time"

	"go.starlark.net/starlark"
)

// Verdicts without a reason or target.
var (
	pass   = verdict{kind: "PASS"}
	accept = verdict{kind: "ACCEPT"}
	drop   = verdict{kind: "DROP"}
	tx     = verdict{kind: "TX"}
	reject = verdict{kind: "REJECT"}
)

// packetOnly are the builtins that build time cannot call.
var packetOnly = []string{"count", "hist", "log", "sample", "rand", "now", "cpu", "hash_of", "redirect_cpu", "to_user", "clone", "syncookie", "syncookie_ok", "mask", "bit_length", "tai"}

// names are the predeclared names.
func (b *builder) names() starlark.StringDict {
	d := starlark.StringDict{"PASS": pass, "ACCEPT": accept, "DROP": drop, "TX": tx}
	for _, s := range scalars {
		d[s.name] = s
	}
	for _, kind := range []string{"table", "lru", "array", "lpm", "ring", "bloom", "queue", "stack"} {
		d[kind] = b.declare(kind)
	}
	for _, name := range packetOnly {
		d[name] = starlark.NewBuiltin(name, func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
			return nil, fmt.Errorf("%s: only at packet time", name)
		})
	}
	builtin := func(name string, f func(args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error)) {
		d[name] = starlark.NewBuiltin(name, func(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
			return f(args, kwargs)
		})
	}
	d["fib"] = fibBuiltin{}
	d["param"] = starlark.NewBuiltin("param", b.param)
	builtin("pcap_filter", newFilter)
	builtin("record", newRecordType)
	builtin("octets", newOctetsType)
	builtin("text", newTextType)
	builtin("header", newHeaderType)
	builtin("struct", newStruct)
	builtin("reject", func(starlark.Tuple, []starlark.Tuple) (starlark.Value, error) { return reject, nil })
	for _, name := range []string{"drop", "redirect", "redirect_peer", "interface", "to_socket", "ns"} {
		builtin(name, func(args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
			if len(args) != 1 || len(kwargs) != 0 {
				return nil, fmt.Errorf("%s: want one argument", name)
			}
			v, err := b.both(name, toPacket(args[0]))
			if n, ok := v.(num); ok {
				return starlark.MakeUint64(n.bits), err
			}
			return v, err
		})
	}
	return d
}

// both are the builtins of one argument that are there at both times.
func (b *builder) both(name string, arg value) (value, error) {
	text, isText := arg.(starlark.String)
	index, isNum := arg.(num)
	list, isList := arg.(starlark.Indexable)
	switch {
	case name == "redirect" && isList && !isText:
		return toGroup(list)
	case name == "drop" && isText:
		return verdict{kind: "DROP", reason: string(text)}, nil
	case name == "to_socket" && isText:
		return verdict{kind: "SOCKET", socket: string(text)}, nil
	case name == "redirect" && isNum:
		return verdict{kind: "REDIRECT", target: uint32(index.bits)}, nil
	case name == "redirect" && isText:
		return verdict{kind: "REDIRECT", target: b.ifindex(string(text))}, nil
	case name == "redirect_peer" && isNum:
		return verdict{kind: "REDIRECT", via: "peer", target: uint32(index.bits)}, nil
	case name == "redirect_peer" && isText:
		return verdict{kind: "REDIRECT", via: "peer", target: b.ifindex(string(text))}, nil
	case name == "redirect_cpu" && isNum:
		return verdict{kind: "REDIRECT", via: "cpu", target: uint32(index.bits)}, nil
	case name == "to_user" && isNum:
		return verdict{kind: "USER", target: uint32(index.bits)}, nil
	case name == "ns" && isText:
		d, err := time.ParseDuration(string(text))
		return unsigned(uint64(d)), err
	case name == "interface" && isText:
		return unsigned(uint64(b.ifindex(string(text)))), nil
	}
	return nil, fmt.Errorf("%s: not of %s", name, arg.Type())
}

// toGroup is redirect(["eth1", "eth2"]).
func toGroup(list starlark.Indexable) (value, error) {
	var names []string
	for i := range list.Len() {
		switch x := list.Index(i).(type) {
		case starlark.String:
			names = append(names, string(x))
		default:
			return nil, fmt.Errorf("redirect: not to %s", x.Type())
		}
	}
	return verdict{kind: "REDIRECT", via: "group", group: strings.Join(names, ",")}, nil
}

// clone sends a copy of the packet to an interface, of a name or a number.
func (e *evaluator) clone(to value) bool {
	index := uint32(0)
	if name, ok := to.(starlark.String); ok {
		index = e.builder.ifindex(string(name))
	} else {
		index = uint32(needNum(to, "clone").bits)
	}
	return e.opts.Clone != nil && e.opts.Clone(index)
}

func (b *builder) ifindex(name string) uint32 {
	if b.opts.Interface == nil {
		return 0
	}
	return b.opts.Interface(name)
}

func newStruct(args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(args) != 0 {
		return nil, fmt.Errorf("struct: want names, as in struct(allow = f)")
	}
	s := &structVal{vals: map[string]starlark.Value{}}
	for _, kw := range kwargs {
		name := string(kw[0].(starlark.String))
		s.names = append(s.names, name)
		s.vals[name] = kw[1]
	}
	return s, nil
}
