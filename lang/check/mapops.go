package check

import (
	"go.starlark.net/syntax"

	"weir/lang/value"
)

// key gives an operand as a key of m, or nil after an error.
func (p *pass) key(n syntax.Node, m *Map, o operand) Expr {
	if o.bad() {
		return nil
	}
	p.c.used[m] = true
	if m.Key.Kind == value.None {
		p.errorf(n, "type", keylessHint(m), "%s is a %s: it has no keys", m.Name, m.Kind)
		return nil
	}
	t := m.Key
	if m.Kind == LPM {
		if pv, ok := o.v.(prefixVal); ok {
			p.errorf(n, "type", "look an address up", "%s is searched with an address, not with the prefix %s", m.Name, pv)
			return nil
		}
		t = addressOf(m.Key)
	}
	place := "the key of " + m.Name
	if p.noText(n, o, t, "%s is %s, not a string", place, article(t)) {
		return nil
	}
	x := p.value(n, o)
	if x == nil {
		return nil
	}
	y := p.coerce(x, t)
	if !suits(y.Type(), t) {
		hint := storeHint(x.Type(), t)
		if m.Kind == LPM && isIP(x.Type().Kind) {
			hint = "declare lpm(prefix, …), which holds both families"
		} else if x.Type().Kind == value.Record || x.Type().Kind == value.Tuple || t.Kind == value.Tuple {
			hint = "the map was declared in line " + itoa(uint64(m.Pos.Line)) + " with keys of type " + t.String()
		}
		p.errorf(n, "type", hint, "%s is %s, not %s", place, article(t), what(x.Type()))
		return nil
	}
	if m.Kind == Array {
		if c, ok := y.(*Const); ok && constPast(c, m.Size) {
			p.warnf(n, "never", "the last index is "+itoa(uint64(m.Size-1)), "the index %s is past the end of %s: it reads as zero, and writes do nothing", constInt(c), m.Name)
		}
	}
	if m.Kind != Array && !p.fits(n, y, t, place) {
		return nil
	}
	return y
}

// keylessHint says what is done with a map that has no keys.
func keylessHint(m *Map) string {
	if m.Kind == Ring {
		return "write " + m.Name + ".emit(…); weir run and weir maps tail read it"
	}
	return "write " + m.Name + ".push(v) and " + m.Name + ".pop()"
}

func constPast(c *Const, size int) bool {
	n, ok := constInt(c).Int64()
	return !ok || n < 0 || n >= int64(size)
}

// addressOf is the type of what an lpm is searched with.
func addressOf(prefix value.Type) value.Type {
	switch prefix.Kind {
	case value.Prefix4:
		return value.IP4T
	case value.Prefix6:
		return value.IP6T
	}
	return value.IPT
}

// writable gives the key of an entry that is to be written, or nil.
func (p *pass) writable(n syntax.Node, m *Map, ke syntax.Node, k operand) Expr {
	switch {
	case m.Kind == LPM:
		p.errorf(n, "type", "an lpm is filled by init = and by weir maps", "%s cannot be written while a packet is handled", m.Name)
		return nil
	case m.Key.Kind == value.None:
		p.errorf(n, "type", keylessHint(m), "%s is a %s: it has no keys", m.Name, m.Kind)
		return nil
	case m.Value.Kind == value.None:
		p.errorf(n, "type", "write "+m.Name+".add(k)", "%s is a set: it has no values", m.Name)
		return nil
	}
	return p.key(ke, m, k)
}

// lookup is m[k], m.get(k) and m.get(k, d).
func (p *pass) lookup(n syntax.Node, m *Map, ke syntax.Node, k operand, def *passed) operand {
	if m.Value.Kind == value.None {
		p.errorf(n, "type", "test k in "+m.Name, "%s is a set: it has no values", m.Name)
		return operand{}
	}
	key := p.key(ke, m, k)
	if key == nil {
		return operand{}
	}
	l := &Lookup{Base: Base{m.Value, at(n)}, Map: m, Key: key}
	if def != nil {
		if m.Value.Kind == value.Record {
			p.errorf(def.e, "type", "test the reference: r = m.get(k), if not r:", "records have no default: get gives a reference, false if the key is not there")
			return operand{}
		}
		if l.Default = p.store(def.e, p.value(def.e, def.o), m.Value, m.Name); l.Default == nil {
			return operand{}
		}
	}
	return run(l)
}

// mapMethod is m.name(…) as a value.
func (p *pass) mapMethod(e *syntax.CallExpr, m *Map, name string) operand {
	mv := &mapVal{m}
	known := false
	for _, n := range mv.AttrNames() {
		known = known || n == name
	}
	if !known {
		pos := at(e)
		if d, ok := unparen(e.Fn).(*syntax.DotExpr); ok {
			pos = posOf(d.Name.NamePos)
		}
		p.noMethod(pos, mv, name)
		p.args(e)
		return operand{}
	}
	if m.Kind == Queue || m.Kind == Stack {
		return p.pushPop(e, m, name)
	}
	switch name {
	case "get":
		args, ok := p.passArgs(e, name, []string{"key", "default"}, 2, 1)
		if !ok {
			return operand{}
		}
		if args[1].e == nil {
			return p.lookup(e, m, args[0].e, args[0].o, nil)
		}
		return p.lookup(e, m, args[0].e, args[0].o, &args[1])
	case "incr":
		key, n := p.incrArgs(e, m)
		if key == nil {
			return operand{}
		}
		return run(&Incr{Base{m.Value, at(e)}, m, key, n})
	case "pop":
		args, ok := p.passArgs(e, name, []string{"key"}, 1, 1)
		if !ok {
			return operand{}
		}
		key := p.key(args[0].e, m, args[0].o)
		if key == nil {
			return operand{}
		}
		return run(&Lookup{Base: Base{m.Value, at(e)}, Map: m, Key: key, Remove: true})
	}
	p.errorf(e, "type", "write it on a line of its own", "%s.%s() gives no value", m.Name, name)
	p.args(e)
	return operand{}
}

func (p *pass) incrArgs(e *syntax.CallExpr, m *Map) (key, n Expr) {
	args, ok := p.passArgs(e, "incr", []string{"key", "n"}, 2, 1)
	if !ok {
		return nil, nil
	}
	key = p.key(args[0].e, m, args[0].o)
	if args[1].e == nil {
		return key, intConst(1, false, at(e))
	}
	if n = p.intValue(args[1].e, args[1].o, "what is added"); n == nil {
		return nil, nil
	}
	return key, n
}

// methodStmt is m.name(…) on a line of its own.
func (p *pass) methodStmt(e *syntax.CallExpr, m *Map, name string) {
	pos := at(e)
	switch {
	case m.Kind != LPM && m.Value.Kind == value.None && (name == "add" || name == "discard" && m.Kind != Bloom):
		args, ok := p.passArgs(e, name, []string{"key"}, 1, 1)
		if !ok {
			return
		}
		key := p.key(args[0].e, m, args[0].o)
		switch {
		case key == nil:
		case name == "add":
			p.emit(&SetMap{Pos: pos, Map: m, Key: key})
		default:
			p.emit(&Delete{Pos: pos, Map: m, Key: key})
		}
	case name == "emit" && m.Kind == Ring:
		p.emitCall(e, m)
	case name == "incr" && m.Kind != LPM && m.Value.Kind == value.Int && m.Key.Kind != value.None:
		if key, n := p.incrArgs(e, m); key != nil {
			p.emit(&SetMap{Pos: pos, Map: m, Key: key, Op: AddTo, X: n})
		}
	default:
		o := p.mapMethod(e, m, name)
		switch o.x.(type) {
		case *Enqueue, *Dequeue:
			p.emit(&Eval{Pos: pos, X: o.x})
		}
		if l, ok := o.x.(*Lookup); ok && l.Remove {
			p.emit(&Delete{Pos: pos, Map: m, Key: l.Key})
		}
	}
}
