package check

import (
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/value"
)

// index is x[y].
func (p *pass) index(e *syntax.IndexExpr) operand {
	base := p.expr(e.X)
	if base.bad() {
		p.expr(e.Y)
		return operand{}
	}
	if m, ok := base.v.(*mapVal); ok {
		return p.lookup(e, m.m, e.Y, p.expr(e.Y), nil)
	}
	y := p.expr(e.Y)
	if y.bad() {
		return operand{}
	}
	switch v := base.v.(type) {
	case nil:
		return p.elementOf(e, base.x, y)
	case starlark.Bytes:
		if i, ok := p.constIndex(y); ok {
			return p.octetAt(e, len(v), i, func(i int) operand { return known(starlark.MakeInt(int(v[i]))) })
		}
		return p.octet(e, p.value(e.X, base), y)
	case *starlark.List, starlark.Tuple, starlark.String:
		return p.indexList(e, v.(starlark.Indexable), y)
	case *starlark.Dict:
		return p.getDict(e, v, e.Y, y, operand{}, true)
	}
	p.errorf(e, "type", "lists, dicts, tuples and maps have elements", "%s has no elements", describe(base.v))
	return operand{}
}

// elementOf is TUPLE[i] of run time.
func (p *pass) elementOf(e *syntax.IndexExpr, x Expr, y operand) operand {
	t := x.Type()
	if t.Kind == value.Octets {
		return p.octet(e, x, y)
	}
	if t.Kind != value.Tuple {
		hint := "lists, dicts, tuples and maps have elements"
		if t.Kind == value.Span || t.Kind == value.Packet {
			hint = "read bytes with .u8(off), .u16(off), .u32(off) or .u64(off)"
		}
		if t.Kind == value.IP4 {
			hint = "test: addr in prefix4(\"10.0.0.0/8\"), or compute with addr.int"
		}
		p.errorf(e, "type", hint, "%s has no elements", what(t))
		return operand{}
	}
	i, ok := p.constIndex(y)
	if !ok {
		p.errorf(e.Y, "type", "write a number: t[0]", "which element of a tuple is read is known before packets come")
		return operand{}
	}
	if i < 0 {
		i += int64(len(t.Elems))
	}
	if i < 0 || i >= int64(len(t.Elems)) {
		p.errorf(e.Y, "range", "indices count from 0", "the tuple has %d elements", len(t.Elems))
		return operand{}
	}
	return run(p.element(x, int(i)))
}

// constIndex gives an integer that is known.
func (p *pass) constIndex(o operand) (int64, bool) {
	if n, ok := o.v.(starlark.Int); ok {
		return n.Int64()
	}
	if c, ok := o.x.(*Const); ok && c.T.Kind == value.Int {
		return constInt(c).Int64()
	}
	return 0, false
}

// indexList is LIST[i] over a build-time list.
func (p *pass) indexList(e *syntax.IndexExpr, l starlark.Indexable, y operand) operand {
	if i, ok := p.constIndex(y); ok {
		n := int64(l.Len())
		asked := i
		if i < 0 {
			i += n
		}
		if i < 0 || i >= n {
			p.errorf(e.Y, "range", indexHint(n), "the index %d is outside: the %s has %d elements", asked, l.Type(), n)
			return operand{}
		}
		return known(l.Index(int(i)))
	}
	if _, ok := l.(starlark.String); ok {
		p.errorf(e, "type", "strings are arguments that are known at build time", "a string cannot be taken apart while a packet is handled")
		return operand{}
	}
	x := p.intValue(e.Y, y, "an index")
	if x == nil {
		return operand{}
	}
	return run(p.tableOf(e, elems(l), func(values []Expr, t value.Type) Expr {
		return &Index{Base{t, at(e)}, values, x}
	}, x)).orBad()
}

// orBad is no operand where there is no expression.
func (o operand) orBad() operand {
	if o.x == nil {
		return operand{}
	}
	return o
}

func elems(l starlark.Indexable) []starlark.Value {
	out := make([]starlark.Value, l.Len())
	for i := range out {
		out[i] = l.Index(i)
	}
	return out
}

// tableOf makes a read-only table of build-time values, one for each element if
// they are tuples; read makes the expression that reads it by x.
func (p *pass) tableOf(n syntax.Node, vs []starlark.Value, read func([]Expr, value.Type) Expr, x Expr) Expr {
	if len(vs) == 0 {
		p.errorf(n, "type", "put something into it", "the table is empty")
		return nil
	}
	if len(vs) > maxListEntries {
		p.errorf(n, "limit", "use an array or a table with init =", "the table has %d entries, more than the limit of %d", len(vs), maxListEntries)
		return nil
	}
	for _, v := range vs {
		if !plain(v) {
			p.errorf(n, "type", "loop over the list, or compare: if i == 0: … elif i == 1: …", "which of these values is meant is known only when a packet comes, and they are no numbers or addresses: %s", describe(v))
			return nil
		}
	}
	values, t := p.constants(n, vs)
	if values == nil {
		return nil
	}
	if t.Kind != value.Tuple {
		return read(values, t)
	}
	if effects(x) {
		p.errorf(n, "type", "keep the index in a local first", "an index that does something cannot read tuples")
		return nil
	}
	return p.columns(values, t, read, n)
}

func (p *pass) columns(values []Expr, t value.Type, read func([]Expr, value.Type) Expr, n syntax.Node) Expr {
	tup := &TupleOf{Base: Base{t, at(n)}}
	for i, et := range t.Elems {
		column := make([]Expr, len(values))
		for j, v := range values {
			column[j] = v.(*TupleOf).Elems[i]
		}
		if et.Kind == value.Tuple {
			tup.Elems = append(tup.Elems, p.columns(column, et, read, n))
		} else {
			tup.Elems = append(tup.Elems, read(column, et))
		}
	}
	return tup
}

// constants turns build-time values into constants of one type, or nil.
func (p *pass) constants(n syntax.Node, vs []starlark.Value) ([]Expr, value.Type) {
	out := make([]Expr, len(vs))
	var t value.Type
	for i, v := range vs {
		if prm, ok := v.(*paramVal); ok {
			p.errorf(n, "type", "write if and elif for what can change", "the param %s changes while packets come, so it cannot be in a table", prm.p.Name)
			return nil, t
		}
		x, err := p.constant(v, at(n))
		if err == nil && !constantOnly(x) {
			err = fault("type", "lists of integers, addresses and tuples of them can", "%s cannot be read from a table at packet time", describe(v))
		}
		if err != nil {
			p.fail(n, err)
			return nil, t
		}
		out[i] = x
		if i == 0 {
			t = norm(x.Type())
			continue
		}
		j, ok := join(t, norm(x.Type()))
		if !ok {
			p.errorf(n, "type", "make a list for each type", "the elements have different types: %s and %s", what(t), what(x.Type()))
			return nil, t
		}
		t = j
	}
	for i := range out {
		out[i] = retype(p.coerce(out[i], t), t)
	}
	return out, t
}

func constantOnly(x Expr) bool {
	switch x := x.(type) {
	case *Const:
		return true
	case *TupleOf:
		for _, e := range x.Elems {
			if !constantOnly(e) {
				return false
			}
		}
		return true
	}
	return false
}

// retype gives a constant exactly the type t, which it has but for signedness.
func retype(x Expr, t value.Type) Expr {
	switch x := x.(type) {
	case *Const:
		c := *x
		c.T = t
		return &c
	case *TupleOf:
		n := &TupleOf{Base: Base{t, x.P}}
		for i, e := range x.Elems {
			n.Elems = append(n.Elems, retype(e, t.Elems[i]))
		}
		return n
	}
	return x
}

// getDict is DICT[k], or DICT.get(k, d).
func (p *pass) getDict(n syntax.Node, d *starlark.Dict, ke syntax.Node, k operand, def operand, indexed bool) operand {
	if k.v != nil && !isParam(k.v) {
		v, found, err := d.Get(k.v)
		switch {
		case err != nil:
			p.errorf(ke, "type", "keys are numbers, strings, addresses or tuples of them", "%s", err)
			return operand{}
		case found:
			return known(v)
		case indexed:
			p.errorf(ke, "range", "use .get(key, default)", "the dict has no key %s", clip(k.v.String()))
			return operand{}
		case !def.bad():
			return def
		}
	}
	x := p.value(ke, k)
	if x == nil {
		return operand{}
	}
	if d.Len() == 0 && !def.bad() {
		return def
	}
	var keys, values []starlark.Value
	for _, kv := range d.Items() {
		keys, values = append(keys, kv[0]), append(values, kv[1])
	}
	keyExprs := p.caseList(n, keys, x)
	if keyExprs == nil {
		return operand{}
	}
	x = p.coerce(x, keyExprs[0].Type())
	var dx Expr
	if !def.bad() {
		if dx = p.value(n, def); dx == nil {
			return operand{}
		}
	}
	_, tuples := values[0].(starlark.Tuple)
	table := p.tableOf(n, values, func(vs []Expr, t value.Type) Expr {
		g := &Get{Base: Base{t, at(n)}, Keys: keyExprs, Values: vs, X: x}
		if tuples {
			return g
		}
		return p.getOr(g, n, dx)
	}, x)
	if table == nil || !tuples || dx == nil {
		return run(table).orBad()
	}
	j, ok := join(table.Type(), norm(dx.Type()))
	if !ok {
		p.errorf(n, "type", "values and default have one type", "the values are %s, the default is %s", what(table.Type()), what(dx.Type()))
		return operand{}
	}
	in := &OneOf{Base{value.BoolT, at(n)}, x, keyExprs}
	return run(&Choose{Base{j, at(n)}, in, p.coerce(table, j), p.coerce(dx, j)})
}

// getOr gives a Get its default, in the type of its values.
func (p *pass) getOr(g *Get, n syntax.Node, def Expr) Expr {
	if def == nil {
		return g
	}
	j, ok := join(g.T, norm(def.Type()))
	if !ok {
		p.errorf(n, "type", "values and default have one type", "the values are %s, the default is %s", what(g.T), what(def.Type()))
		return g
	}
	g.T, g.Default = j, p.coerce(def, j)
	for i := range g.Values {
		g.Values[i] = retype(p.coerce(g.Values[i], j), j)
	}
	return g
}

func isParam(v starlark.Value) bool {
	_, ok := v.(*paramVal)
	return ok
}

// setIndex is m[k] = x.
func (p *pass) setIndex(l *syntax.IndexExpr, rhs syntax.Expr, o operand) {
	base := p.expr(l.X)
	k := p.expr(l.Y)
	if base.bad() || o.bad() || k.bad() {
		return
	}
	m, ok := base.v.(*mapVal)
	if !ok {
		p.notAMap(l, base)
		return
	}
	if key := p.writable(l, m.m, l.Y, k); key != nil {
		if x := p.store(rhs, p.value(rhs, o), m.m.Value, m.m.Name); x != nil {
			p.emit(&SetMap{Pos: at(l), Map: m.m, Key: key, X: x})
		}
	}
}

func (p *pass) notAMap(l *syntax.IndexExpr, base operand) {
	if base.v != nil {
		p.errorf(l, "state", "keep what changes in a table or an array", "%s belongs to the file: packet-time code cannot change it", source(l.X, base.v))
		return
	}
	p.errorf(l, "type", "only entries of maps can be assigned to", "%s has no entries to assign to", what(base.x.Type()))
}

// augmentIndex is m[k] OP= x.
func (p *pass) augmentIndex(s *syntax.AssignStmt, l *syntax.IndexExpr, op syntax.Token, rhs operand) {
	base := p.expr(l.X)
	k := p.expr(l.Y)
	if base.bad() || k.bad() || rhs.bad() {
		return
	}
	mv, ok := base.v.(*mapVal)
	if !ok {
		p.notAMap(l, base)
		return
	}
	m := mv.m
	key := p.writable(l, m, l.Y, k)
	if key == nil {
		return
	}
	u, atomic := updates[op]
	if atomic && m.Value.Kind == value.Int {
		if x := p.intValue(s.RHS, rhs, "what is added"); x != nil {
			p.emit(&SetMap{Pos: at(l), Map: m, Key: key, Op: u, X: x})
		}
		return
	}
	if m.Value.Kind == value.Record {
		p.errorf(l, "type", "change a field of it: "+m.Name+"[k]."+m.Value.Names[0]+" += 1", "%s holds records, which are not counted with", m.Name)
		return
	}
	key = p.keep(key)
	old := run(&Lookup{Base: Base{m.Value, at(l)}, Map: m, Key: key})
	x := p.value(s.RHS, p.binary(s, s.OpPos, op, l, old, s.RHS, rhs))
	if x = p.store(s.RHS, x, m.Value, m.Name); x != nil {
		p.emit(&SetMap{Pos: at(l), Map: m, Key: key, X: x})
	}
}
