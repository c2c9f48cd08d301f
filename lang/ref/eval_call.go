package ref

import (
	mathbits "math/bits"
	"slices"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// callExpr is f(args).
func (fr *frame) callExpr(x *syntax.CallExpr) value {
	xs, names, namedXs := splitArgs(x)
	if dot, ok := x.Fn.(*syntax.DotExpr); ok {
		of := fr.expr(dot.X)
		args, named := fr.args(xs, names, namedXs)
		return fr.method(of, dot.Name.Name, args, named)
	}
	callee := fr.expr(x.Fn)
	args, named := fr.args(xs, names, namedXs)
	fr.e.at = syntax.Start(x)
	if b, ok := callee.(*starlark.Builtin); ok && (b.Name() == "count" || b.Name() == "hist") {
		fr.e.tally(b.Name(), x, args, named)
		return starlark.None
	}
	if b, ok := callee.(*starlark.Builtin); ok && b.Name() == "log" {
		fr.e.log(x, args)
		return starlark.None
	}
	return fr.callValue(callee, args, named)
}

func (fr *frame) args(xs []syntax.Expr, names []string, namedXs []syntax.Expr) ([]value, map[string]value) {
	args, named := fr.exprs(xs), map[string]value{}
	for i, name := range names {
		named[name] = fr.expr(namedXs[i])
	}
	return args, named
}

func (fr *frame) callValue(callee value, args []value, named map[string]value) value {
	switch c := callee.(type) {
	case *scalar:
		if len(args) != 1 || len(named) != 0 {
			refuse("%s: want one argument", c.name)
		}
		v, err := c.construct(args[0])
		check(err)
		return v
	case *octetsType:
		if len(named) != 0 {
			refuse("%s: want no names", c)
		}
		v, err := c.build(args)
		check(err)
		return v
	case *recordType:
		r, err := c.build(args, named)
		check(err)
		return r
	case fibBuiltin:
		return fr.e.fib(args, named)
	case *filter:
		return fr.e.matches(c, args)
	case *starlark.Builtin:
		return fr.builtin(c, args, named)
	}
	f := fr.e.functionOf(callee)
	if f == nil {
		refuse("%s cannot be called", callee.Type())
	}
	out, _ := fr.e.call(f, bind(f, args, named, f.fallback))
	return out
}

// method is of.name(args).
func (fr *frame) method(of value, name string, args []value, named map[string]value) value {
	switch of := of.(type) {
	case *mapVal:
		return of.method(name, args, named)
	case *packet:
		if v := of.move(name, args, named); v != nil {
			return v
		}
		return (&payload{p: of, bytes: of.frame, raw: true}).method(name, args, named)
	case *payload:
		return of.method(name, args, named)
	case *view:
		return of.method(name, args)
	case *connection, *connAddrs:
		refuse("%s has no %s()", of.Type(), name)
	case *structVal:
		return fr.callValue(attr(of, name), args, named)
	case *starlark.Dict:
		if name == "get" && len(args) == 2 {
			return dictGet(of, args[0], args[1])
		}
		if name == "get" && len(args) == 1 {
			return dictGet(of, args[0], nil)
		}
	}
	// What is known at build time: DICT.items(), TEXT.upper().
	has, ok := of.(starlark.HasAttrs)
	if !ok {
		refuse("%s has no %s", of.Type(), name)
	}
	m, err := has.Attr(name)
	check(err)
	if m == nil {
		refuse("%s has no %s", of.Type(), name)
	}
	return starlarkCall(m, args)
}

// starlarkCall calls a function of Starlark on what build time knows.
func starlarkCall(f starlark.Value, args []value) value {
	out, err := starlark.Call(&starlark.Thread{}, f, toBuild(starlark.Tuple(args)).(starlark.Tuple), nil)
	check(err)
	return toPacket(out)
}

// builtin calls a builtin of the language.
func (fr *frame) builtin(b *starlark.Builtin, args []value, named map[string]value) value {
	arg := func(i int, word string, d value) value {
		if i < len(args) {
			return args[i]
		}
		if v, ok := named[word]; ok {
			return v
		}
		if d == nil {
			refuse("%s: no value for %s", b.Name(), word)
		}
		return d
	}
	switch name := b.Name(); name {
	case "sample":
		n := needNum(arg(0, "n", nil), name).bits
		return starlark.Bool(n > 0 && fr.e.rand()>>32*min(n, 1<<32-1)>>32 == 0)
	case "rand":
		return unsigned(fr.e.rand())
	case "now":
		return unsigned(fr.e.now())
	case "cpu":
		return unsigned(0)
	case "hash_of":
		return hashOf(arg(0, "x", nil), needNum(arg(1, "seed", unsigned(0)), name))
	case "syncookie":
		cookie, mss := fr.e.synCookie(arg(0, "pkt", nil))
		return starlark.Tuple{unsigned(uint64(cookie)), unsigned(uint64(mss))}
	case "syncookie_ok":
		return starlark.Bool(fr.e.cookieOK(arg(0, "pkt", nil)))
	case "mask":
		n := needNum(arg(1, "bits", nil), name)
		return mask(arg(0, "addr", nil), n.bits, needNum(arg(2, "bits6", n), name).bits)
	case "bit_length":
		return unsigned(uint64(mathbits.Len64(needNum(arg(0, "x", nil), name).bits)))
	case "tai":
		return unsigned(fr.e.now())
	case "clone":
		return starlark.Bool(fr.e.clone(arg(0, "interface", nil)))
	case "reject":
		return reject
	case "pcap_filter":
		v, err := newFilter(toBuild(starlark.Tuple(args)).(starlark.Tuple), nil)
		check(err)
		return v
	case "drop", "redirect", "redirect_peer", "redirect_cpu", "to_user", "interface", "to_socket", "ns":
		v, err := fr.e.builder.both(name, arg(0, "x", nil))
		check(err)
		return v
	case "min", "max":
		return extreme(name, args)
	case "abs":
		n := needNum(arg(0, "x", nil), name)
		if n.signed && int64(n.bits) < 0 {
			n.bits = -n.bits
		}
		return n
	case "len":
		return length(arg(0, "x", nil))
	case "range":
		return rangeOf(args, named)
	case "enumerate":
		arg(0, "x", nil)
		return columns(name, args[:1], needNum(arg(1, "start", unsigned(0)), name))
	case "zip":
		return columns(name, args, num{})
	case "sorted", "reversed", "str", "type", "octets", "text":
		return starlarkCall(b, args)
	default:
		refuse("%s: not at packet time", name)
	}
	return nil
}

// extreme is min or max, signed if any argument is.
func extreme(name string, args []value) value {
	if len(args) == 1 {
		items, ok := iterate(args[0])
		if !ok {
			refuse("%s: want two values, or a list", name)
		}
		args = slices.Collect(items)
	}
	if len(args) == 0 {
		refuse("%s: of nothing", name)
	}
	var nums []num
	sign := false
	for _, a := range args {
		nums = append(nums, needNum(a, name))
		sign = sign || nums[len(nums)-1].signed
	}
	best := nums[0]
	best.signed = sign
	for _, n := range nums[1:] {
		n.signed = sign
		if name == "min" && less(n, best) || name == "max" && less(best, n) {
			best = n
		}
	}
	return best
}

func length(v value) value {
	switch v := v.(type) {
	case *payload:
		return unsigned(uint64(len(v.bytes)))
	case rangeVal:
		return unsigned(v.turns)
	}
	if o, ok := asOctets(v); ok {
		return unsigned(uint64(len(o.text)))
	}
	n := starlark.Len(v)
	if n < 0 {
		refuse("len: not of %s", v.Type())
	}
	return unsigned(uint64(n))
}

// rangeOf is range(n), range(a, b), range(a, b, step), with max = the most
// turns that there may be.
func rangeOf(args []value, named map[string]value) value {
	nums := make([]num, len(args))
	for i, a := range args {
		nums[i] = needNum(a, "range")
	}
	most := ^uint64(0)
	if m, ok := named["max"]; ok {
		most = needNum(m, "range").bits
	}
	switch len(nums) {
	case 1:
		return newRange(unsigned(0), nums[0], unsigned(1), most)
	case 2:
		return newRange(nums[0], nums[1], unsigned(1), most)
	case 3:
		return newRange(nums[0], nums[1], nums[2], most)
	}
	refuse("range: want one to three values")
	return nil
}

// columns is enumerate or zip: a tuple of tuples.
func columns(name string, args []value, start num) value {
	lists := make([][]value, 0, len(args))
	for _, a := range args {
		items, ok := iterate(a)
		if !ok {
			refuse("%s: %s has no elements", name, a.Type())
		}
		lists = append(lists, slices.Collect(items))
	}
	if len(lists) == 0 {
		return starlark.Tuple{}
	}
	var out starlark.Tuple
	for i := range lists[0] {
		row := starlark.Tuple{}
		if name == "enumerate" {
			row = append(row, num{bits: start.bits + uint64(i), signed: start.signed})
		}
		for _, l := range lists {
			if i >= len(l) {
				return out
			}
			row = append(row, l[i])
		}
		out = append(out, row)
	}
	return out
}
