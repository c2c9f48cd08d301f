package check

import (
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/lang/diag"
	"weir/lang/value"
)

// An operand is what an expression gives: a value known at build time, or one
// of run time, or neither after an error.
type operand struct {
	x Expr
	v starlark.Value
}

func (o operand) bad() bool { return o.x == nil && o.v == nil }

func known(v starlark.Value) operand { return operand{v: v} }

func run(x Expr) operand { return operand{x: x} }

// value gives the run-time value of an operand, or nil after an error. Lists,
// strings, maps, functions and types have none.
func (p *pass) value(n syntax.Node, o operand) Expr {
	if o.x != nil || o.v == nil {
		p.lost = p.lost || o.bad()
		if o.x != nil && o.x.Type().Kind == value.None {
			p.errorf(n, "type", "let it return one", "this call gives no value")
			return nil
		}
		return o.x
	}
	x, err := p.constant(o.v, at(n))
	if err != nil {
		p.fail(n, err)
		return nil
	}
	return x
}

// constant turns a build-time value into an expression.
func (p *pass) constant(v starlark.Value, pos diag.Pos) (Expr, error) {
	switch v := v.(type) {
	case starlark.Bool:
		return boolConst(bool(v), pos), nil
	case starlark.Int:
		if u, ok := v.Uint64(); ok {
			return intConst(u, false, pos), nil
		}
		if i, ok := v.Int64(); ok {
			return intConst(uint64(i), true, pos), nil
		}
		return nil, fault("range", "integers have 64 bits at packet time", "%s does not fit in 64 bits", clip(v.String()))
	case addrVal:
		return &Const{Base: Base{value.Type{Kind: v.kind}, pos}, Octets: v.octets()}, nil
	case verdictVal:
		if can := canRedirect(v.v.Action); v.v.Action >= TX && !can(p.c.b.opts.Hook.Info()) {
			return nil, fault("hook", "attach the chain at "+p.hooksWith(can), "%s is not possible at %s", v, p.c.b.opts.Hook)
		}
		switch v.v.Action {
		case ToSocket:
			p.c.socket(v.to)
			p.c.verdict(Verdict{Action: Pass, Reason: NoSocket})
			p.c.verdict(Verdict{Action: Pass, Reason: Chosen})
			fallthrough
		case Redirect, RedirectPeer, ToGroup:
			if v.v.Action == ToGroup {
				p.c.group(v.to)
			}
			p.c.verdict(v.v)
			return &RedirectTo{Base: Base{value.VerdT, pos}, Action: v.v.Action, Name: v.to}, nil
		}
		return &Const{Base: Base{value.VerdT, pos}, Bits: uint64(p.c.verdict(v.v))}, nil
	case ifaceVal:
		return &Interface{Base: Base{value.U32, pos}, Name: v.name}, nil
	case *paramVal:
		p.c.params[v.p] = true
		return &ParamRef{Base: Base{v.p.Type, pos}, Param: v.p}, nil
	case *recordVal:
		return p.recordConst(v, pos)
	case starlark.Tuple:
		t := &TupleOf{Base: Base{value.Type{Kind: value.Tuple}, pos}}
		for _, e := range v {
			x, err := p.constant(e, pos)
			if err != nil {
				return nil, err
			}
			t.Elems = append(t.Elems, x)
			t.T.Elems = append(t.T.Elems, norm(x.Type()))
		}
		if len(v) > 0 {
			return t, nil
		}
	case prefixVal:
		return nil, fault("type", "test an address with: addr in prefix", "a prefix is known at build time only")
	case starlark.String:
		return nil, fault("type", "strings are arguments that are known at build time", "a string has no value at packet time")
	case starlark.Float:
		return nil, fault("type", "compute with integers, and divide with //", "a fraction has no value at packet time")
	case starlark.Bytes:
		if err := octetsSize(len(v)); err != nil {
			return nil, err
		}
		return &Const{Base: Base{octetsOf(len(v)), pos}, Octets: []byte(v)}, nil
	case starlark.NoneType:
		return nil, fault("type", "use 0, False or a value of its own", "None has no value at packet time")
	case *typeVal:
		return nil, fault("type", "call it: "+example(v.T), "the type %s is no value", v)
	case *mapVal:
		return nil, fault("type", "read an entry: m[key]", "%s is no value", describe(v))
	case *starlark.Function, *starlark.Builtin, *packetBuiltin, *localFunc, *mapMethod, *cFunc, *filterVal:
		if b, ok := v.(starlark.Callable); ok && b.Name() == "drop" {
			return nil, fault("type", `write DROP, or drop("reason")`, "%s is no value", describe(v))
		}
		return nil, fault("type", "call it", "%s is no value", describe(v))
	}
	return nil, fault("type", "it is known at build time only", "%s has no value at packet time", describe(v))
}

func (p *pass) recordConst(v *recordVal, pos diag.Pos) (Expr, error) {
	r := &NewRecord{Base: Base{v.t.T, pos}}
	for i, f := range v.fields {
		x, err := p.constant(f, pos)
		if err != nil {
			return nil, err
		}
		r.Fields = append(r.Fields, p.coerce(x, v.t.T.Elems[i]))
	}
	return r, nil
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:37] + "…"
	}
	return s
}

func boolConst(b bool, pos diag.Pos) *Const {
	c := &Const{Base: Base{value.BoolT, pos}}
	if b {
		c.Bits = 1
	}
	return c
}

func intConst(bits uint64, signed bool, pos diag.Pos) *Const {
	return &Const{Base: Base{value.Type{Kind: value.Int, Width: 8, Signed: signed}, pos}, Bits: bits}
}

// zero is the constant that a place of type t holds at first.
func (p *pass) zero(t value.Type, pos diag.Pos) Expr {
	switch t.Kind {
	case value.Tuple:
		x := &TupleOf{Base: Base{t, pos}}
		for _, e := range t.Elems {
			x.Elems = append(x.Elems, p.zero(e, pos))
		}
		return x
	case value.Record:
		x := &NewRecord{Base: Base{t, pos}}
		for _, e := range t.Elems {
			x.Fields = append(x.Fields, p.zero(e, pos))
		}
		return x
	}
	c := &Const{Base: Base{t, pos}}
	if t.Kind != value.Int && t.Kind != value.Bool {
		c.Octets = make([]byte, t.Size())
	}
	return c
}

// coerce converts x to t where that changes nothing but the representation; it
// gives x back where there is no such conversion. Integers are left alone.
func (p *pass) coerce(x Expr, t value.Type) Expr {
	f := x.Type()
	switch {
	case f.Kind == value.Bool && t.Kind == value.Int:
		if c, ok := x.(*Const); ok {
			return intConst(c.Bits, false, c.P)
		}
		return &Convert{Base{value.U64, x.Pos()}, x}
	case (f.Kind == value.IP4 || f.Kind == value.IP6) && t.Kind == value.IP:
		if c, ok := x.(*Const); ok {
			return &Const{Base: Base{value.IPT, c.P}, Octets: mapped(c.Octets)}
		}
		return &Convert{Base{value.IPT, x.Pos()}, x}
	case t.Kind == value.Bool && f.Kind == value.Int:
		if c, ok := x.(*Const); ok && c.Bits <= 1 {
			return boolConst(c.Bits == 1, c.P)
		}
	case t.Kind == value.Tuple && f.Kind == value.Tuple && len(t.Elems) == len(f.Elems):
		if tup, ok := x.(*TupleOf); ok {
			n := &TupleOf{Base: Base{value.Type{Kind: value.Tuple}, tup.P}}
			for i, e := range tup.Elems {
				e = p.coerce(e, t.Elems[i])
				n.Elems = append(n.Elems, e)
				n.T.Elems = append(n.T.Elems, norm(e.Type()))
			}
			return n
		}
	}
	return x
}

// mapped is an address as ip has it.
func mapped(octets []byte) []byte {
	if len(octets) != 4 {
		return octets
	}
	return append([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, octets...)
}

// suits reports whether a value of type f can be kept where a t is, after coerce.
func suits(f, t value.Type) bool {
	if f.Kind == value.Int && t.Kind == value.Int {
		return true
	}
	if f.Kind == value.Tuple && t.Kind == value.Tuple && len(f.Elems) == len(t.Elems) {
		for i := range f.Elems {
			if !suits(f.Elems[i], t.Elems[i]) {
				return false
			}
		}
		return true
	}
	return f.Equal(t)
}

// store gives x as a place of type t keeps it, or nil after an error.
func (p *pass) store(n syntax.Node, x Expr, t value.Type, place string) Expr {
	if x == nil {
		return nil
	}
	y := p.coerce(x, t)
	if !suits(y.Type(), t) {
		p.errorf(n, "type", storeHint(x.Type(), t), "%s holds %s, not %s", place, article(t), what(x.Type()))
		return nil
	}
	if !p.fits(n, y, t, place) {
		return nil
	}
	return y
}

func storeHint(f, t value.Type) string {
	switch {
	case f.Kind == value.IP4 && t.Kind == value.Int:
		return "store its .int"
	case f.Kind == value.Int && t.Kind == value.IP4:
		return "make an address of it: ip4(n)"
	case f.Kind == value.Int && t.Kind == value.Bool:
		return "compare it: n != 0"
	case f.Kind == value.IP && (t.Kind == value.IP4 || t.Kind == value.IP6):
		return "take it from pkt." + t.Kind.String() + ", or declare ip, which holds both families"
	case f.Kind == value.Record && t.Kind == value.Record:
		return "make one with the type that the map was declared with"
	case f.Kind == value.Octets && t.Kind == value.Octets:
		return "both need the same length: take as many bytes as are kept, or declare octets(" + itoa(uint64(f.Width)) + ")"
	case isIP(f.Kind) && (t.Kind == value.Prefix4 || t.Kind == value.Prefix6):
		return "declare lpm(prefix, …), which holds both families"
	}
	return "give it " + article(t)
}

// fits reports an integer constant that does not fit a place of type t.
func (p *pass) fits(n syntax.Node, x Expr, t value.Type, place string) bool {
	switch x := x.(type) {
	case *Const:
		if t.Kind != value.Int || x.T.Kind != value.Int {
			return true
		}
		v := constInt(x)
		if intFits(t, v) {
			return true
		}
		lo, hi := rangeOf(t)
		p.errorf(n, "range", "it holds "+lo+" to "+hi+"; "+t.String()+"("+v.String()+") keeps the low bits",
			"%s does not fit %s, which is %s", v, place, article(t))
		return false
	case *TupleOf:
		for i, e := range x.Elems {
			if t.Kind == value.Tuple && !p.fits(n, e, t.Elems[i], place) {
				return false
			}
		}
	}
	return true
}

// constInt is the integer that a constant stands for.
func constInt(c *Const) starlark.Int {
	if c.T.Signed {
		return starlark.MakeInt64(int64(c.Bits))
	}
	return starlark.MakeUint64(c.Bits)
}

// effects reports whether computing x can change anything. It also guards what
// is computed twice.
func effects(x Expr) bool {
	found := false
	walk(x, func(e Expr) {
		switch e := e.(type) {
		case *Put, *Call, *Incr, *Rand, *Sample, *Move, *Enqueue, *Dequeue, *CallObject, *Clone, *TAI:
			found = true
		case *Lookup:
			found = found || e.Remove
		}
	})
	return found
}
