package wtest

import (
	"fmt"

	"go.starlark.net/starlark"

	"weir/hook"
	"weir/lang/check"
	"weir/lang/value"
	"weir/packet"
)

// A chain is a function of a chain file. Called, it runs as at build time; run() gives
// packets to it.
type chain struct {
	*starlark.Function
	file string
	name string // of the global that it is; "" for one that another function has made
}

func (c *chain) String() string { return c.file + ":" + c.Name() }
func (c *chain) Type() string   { return "chain" }

// CallInternal calls it as at build time, where there are no packets.
func (c *chain) CallInternal(th *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	for _, a := range args {
		if _, ok := a.(frame); ok {
			return nil, fmt.Errorf("a call of %s is one of build time, where there are no packets: write run(%s, p)", c.Name(), c.Name())
		}
	}
	return c.Function.CallInternal(th, args, kwargs)
}

// takesPackets reports whether the function is a chain by its names, or may be one: it
// could as well be a function of build time.
func takesPackets(f *starlark.Function) (is, may bool) {
	if f.NumParams() != 1 || f.ParamDefault(0) != nil || f.HasVarargs() || f.HasKwargs() {
		return false, false
	}
	name, _ := f.Param(0)
	return name == "pkt" || f.Name() == "main", true
}

// run is run(chain, packet, hook = "").
func (s *suite) run(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var fn, p starlark.Value
	var at string
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "chain", &fn, "packet", &p, "hook?", &at); err != nil {
		return nil, err
	}
	c, h, err := s.chainAt(b.Name(), fn, at)
	if err != nil {
		return nil, err
	}
	f, err := octetsOf(p)
	if err != nil {
		return nil, fmt.Errorf("run: packet: %w", err)
	}
	return s.give(c, h, f)
}

// chainAt returns a chain and the hook at which it is to run.
func (s *suite) chainAt(what string, fn starlark.Value, at string) (*chain, hook.Hook, error) {
	c, ok := fn.(*chain)
	if !ok {
		return nil, 0, fmt.Errorf("%s: a chain is wanted, not %s: load a function of packets from a chain file", what, fn.Type())
	}
	if c.name == "" {
		return nil, 0, fmt.Errorf("%s: %s is no function of the top level of %s, so that it cannot be attached: test a chain that calls it", what, c.Name(), c.file)
	}
	if at == "" {
		at = s.hook
	}
	if at == "" {
		h, err := s.beds.of(c.file).first(c.name, s.now)
		return c, h, err
	}
	h, err := hook.Parse(at)
	if err != nil {
		return nil, 0, err
	}
	if h.Info().Conn {
		return nil, 0, fmt.Errorf("%s: hook %s sees connections, not packets", what, h)
	}
	return c, h, nil
}

// give gives a frame to a chain.
func (s *suite) give(c *chain, h hook.Hook, f []byte) (*result, error) {
	b := s.beds.of(c.file)
	p, err := b.program(key{c.name, h, len(f) > large}, s.now)
	if err != nil {
		return nil, err
	}
	b.dirty = true
	before, err := counts(b)
	if err != nil {
		return nil, err
	}
	res, out, err := b.runner.RunAs(p, f, s.now)
	if err != nil {
		return nil, err
	}
	if res.Error != "" {
		return nil, fmt.Errorf("run: %s", res.Error)
	}
	after, err := counts(b)
	if err != nil {
		return nil, err
	}
	return newResult(h, res, out, before, after)
}

func counts(b *bed) (map[string]uint64, error) {
	all, err := b.runner.Counts()
	out := map[string]uint64{}
	for _, c := range all {
		out[c.Name] = c.N
	}
	return out, err
}

// octetsOf returns the octets of a packet, which may be given as bytes.
func octetsOf(v starlark.Value) ([]byte, error) {
	switch v := v.(type) {
	case frame:
		return v.b, nil
	case starlark.Bytes:
		return []byte(v), nil
	}
	return nil, fmt.Errorf("a packet is wanted, made by packet(), not %s", v.Type())
}

// newPacket is packet(eth(), ip4(), …, b"payload").
func newPacket(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(kwargs) > 0 {
		return nil, fmt.Errorf("%s: fields are given to headers: packet(ip4(ttl = 1), udp())", b.Name())
	}
	var parts []part
	for _, a := range args {
		switch a := a.(type) {
		case *header:
			parts = append(parts, part{header: a})
		case starlark.Bytes:
			parts = append(parts, part{octets: []byte(a)})
		case frame:
			parts = append(parts, part{octets: a.b})
		case starlark.String:
			return nil, fmt.Errorf("%s: write b%s: a packet is made of bytes, not of text", b.Name(), a)
		default:
			return nil, fmt.Errorf("%s: headers and bytes are wanted, not %s", b.Name(), a.Type())
		}
	}
	f, err := assemble(parts)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.Name(), err)
	}
	return frame{f}, nil
}

var _ check.Typed = maker{}

// A maker is the name of a header in tests: with fields it builds one, and as the
// name of a type, ip4 and ip6, it makes an address of a text.
type maker struct{ h packet.Header }

func (m maker) Name() string          { return m.h.String() }
func (m maker) String() string        { return m.h.String() }
func (m maker) Type() string          { return "header" }
func (m maker) Freeze()               {}
func (m maker) Truth() starlark.Bool  { return true }
func (m maker) Hash() (uint32, error) { return hash([]byte(m.h.String())), nil }

// CallInternal builds a header, or makes an address.
func (m maker) CallInternal(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(args) == 0 {
		return newHeader(m.h, kwargs)
	}
	t, ok := types[m.h]
	if !ok || len(args) > 1 || len(kwargs) > 0 {
		return nil, fmt.Errorf("%s: fields are given by their names, like %s(%s = …)", m.h, m.h, fieldsOf(m.h)[0].Name)
	}
	return check.Make(t, args[0])
}

// ChainType is the type that has the name of the header.
func (m maker) ChainType() (value.Type, error) {
	if t, ok := types[m.h]; ok {
		return t, nil
	}
	return value.Type{}, fmt.Errorf("%s is a header here, and no type", m.h)
}

// types are the types that have the name of a header.
var types = map[packet.Header]value.Type{packet.IP4: value.IP4T, packet.IP6: value.IP6T}

// makers are the names of all headers.
func makers() starlark.StringDict {
	out := starlark.StringDict{}
	for _, h := range packet.Headers() {
		if h.Size() > 0 {
			out[h.String()] = maker{h}
		}
	}
	return out
}
