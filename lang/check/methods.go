package check

import (
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/value"
	"weir/packet"
)

// mapCall is the map and the method's name if e is m.method(…) and m a plain
// path to a map.
func (p *pass) mapCall(e *syntax.CallExpr) (*mapVal, string) {
	dot, ok := unparen(e.Fn).(*syntax.DotExpr)
	if !ok {
		return nil, ""
	}
	switch unparen(dot.X).(type) {
	case *syntax.Ident, *syntax.DotExpr, *syntax.IndexExpr:
	default:
		return nil, ""
	}
	if !p.isMapPath(dot.X) {
		return nil, ""
	}
	m, _ := p.expr(dot.X).v.(*mapVal)
	if m == nil {
		return nil, ""
	}
	return m, dot.Name.Name
}

// isMapPath tries whether e leads to a map, reporting nothing.
func (p *pass) isMapPath(e syntax.Expr) bool {
	_, ok := p.try(e).v.(*mapVal)
	return ok
}

// methodCall is x.name(…) where that is no function kept in a struct.
func (p *pass) methodCall(e *syntax.CallExpr, dot *syntax.DotExpr, base operand) (operand, bool) {
	name := dot.Name.Name
	if base.v != nil {
		switch v := base.v.(type) {
		case *mapVal:
			return p.mapMethod(e, v.m, name), true
		case *starlark.Dict:
			if name == "get" {
				return p.dictGet(e, v), true
			}
		}
		switch base.v.(type) {
		case *starlark.Dict, *starlark.List, starlark.String, *starlark.Set, starlark.Bytes:
			return p.staticMethod(e, dot, base.v), true
		}
		return operand{}, false
	}
	switch base.x.Type().Kind {
	case value.Packet:
		if p.conn() {
			if _, field := connFields[name]; !field {
				p.connAttr(dot)
				p.args(e)
				return operand{}, true
			}
			return operand{}, false
		}
		if isMove(name) && p.isInside(dot, base.x.Type()) {
			p.args(e)
			return operand{}, true
		}
		if o, done := p.moveCall(e, name); done {
			return o, true
		}
	case value.View:
		return p.headerMethod(e, dot, base.x)
	}
	return p.spanMethod(e, base.x, name)
}

// headerMethods are what is called on headers, with the name of its argument.
var headerMethods = map[packet.Header]map[string]string{
	packet.SRH: {"segment": "i"},
	packet.TCP: {"option": "kind"},
}

// headerMethod is pkt.srh.segment(i) or pkt.tcp.option(kind).
func (p *pass) headerMethod(e *syntax.CallExpr, dot *syntax.DotExpr, view Expr) (operand, bool) {
	h, name := view.Type().Header, dot.Name.Name
	arg, ok := headerMethods[h][name]
	if !ok {
		return operand{}, false
	}
	if h != packet.TCP { // an option is tested itself
		p.testedFor(dot, view.Type(), name, false)
	}
	args, ok := p.passArgs(e, name, []string{arg}, 1, 1)
	if !ok {
		return operand{}, true
	}
	x := p.intValue(args[0].e, args[0].o, map[string]string{"segment": "the number of a segment", "option": "the kind of an option"}[name])
	if x == nil {
		return operand{}, true
	}
	if h == packet.TCP {
		p.optionKind(args[0].e, x)
		return run(&Option{Base{value.Type{Kind: value.Span, Inner: view.Type().Inner}, at(e)}, view, x}), true
	}
	return run(&Segment{Base{value.IP6T, at(e)}, view, x}), true
}

// optionKind warns of kinds that no option has.
func (p *pass) optionKind(n syntax.Node, x Expr) {
	c, ok := x.(*Const)
	switch {
	case !ok:
	case c.Bits > 255:
		p.warnf(n, "never", "kinds are 0 to 255", "no option has kind %s", constInt(c))
	case c.Bits < 2:
		p.warnf(n, "never", "kinds 0 and 1 are padding and have no data", "no option of kind %s is found", constInt(c))
	}
}

// staticMethod calls a method of a build-time value with build-time arguments,
// as the interpreter does.
func (p *pass) staticMethod(e *syntax.CallExpr, dot *syntax.DotExpr, v starlark.Value) operand {
	m, err := v.(starlark.HasAttrs).Attr(dot.Name.Name)
	if m == nil || err != nil {
		p.errorAt(posOf(dot.Name.NamePos), "name", didYouMean(dot.Name.Name, "", v.(starlark.HasAttrs).AttrNames()), "%s has no %s", describe(v), dot.Name.Name)
		p.args(e)
		return operand{}
	}
	if mutators[dot.Name.Name] {
		p.errorf(e, "state", "keep what changes from packet to packet in a map", "%s belongs to the file: packet-time code cannot change it", source(dot.X, v))
		p.args(e)
		return operand{}
	}
	return p.callStatic(e, m, dot.Name.Name)
}

// mutators are the methods of lists, dicts and sets that change them.
var mutators = map[string]bool{
	"append": true, "clear": true, "extend": true, "insert": true, "remove": true, "pop": true,
	"popitem": true, "setdefault": true, "update": true, "add": true, "discard": true,
}

// callStatic calls a function of the interpreter with build-time arguments.
func (p *pass) callStatic(e *syntax.CallExpr, f starlark.Value, name string) operand {
	var args starlark.Tuple
	var kwargs []starlark.Tuple
	for _, a := range e.Args {
		var key string
		if b, ok := a.(*syntax.BinaryExpr); ok && b.Op == syntax.EQ {
			key, a = b.X.(*syntax.Ident).Name, b.Y
		}
		if u, ok := a.(*syntax.UnaryExpr); ok && (u.Op == syntax.STAR || u.Op == syntax.STARSTAR) {
			p.errorf(a, "python", "name the arguments", "%s passes arguments at build time only", u.Op)
			return operand{}
		}
		o := p.expr(a)
		if o.bad() {
			return operand{}
		}
		if c, ok := o.x.(*Const); ok && staticOf(c) != nil {
			o = known(staticOf(c))
		}
		if o.v == nil {
			p.errorf(a, "type", buildOnly(name), "%s() is for values that are known at build time", name)
			return operand{}
		}
		if key != "" {
			kwargs = append(kwargs, starlark.Tuple{starlark.String(key), o.v})
		} else {
			args = append(args, o.v)
		}
	}
	th := &starlark.Thread{Name: "packet time"}
	th.SetMaxExecutionSteps(1_000_000)
	v, err := starlark.Call(th, f, args, kwargs)
	if err != nil {
		p.staticError(e, err)
		return operand{}
	}
	return known(v)
}

// dictGet is DICT.get(k, d).
func (p *pass) dictGet(e *syntax.CallExpr, d *starlark.Dict) operand {
	args, ok := p.passArgs(e, "get", []string{"key", "default"}, 2, 1)
	if !ok {
		return operand{}
	}
	return p.getDict(e, d, args[0].e, args[0].o, args[1].o, false)
}
