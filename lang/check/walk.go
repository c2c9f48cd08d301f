package check

// walk calls f for x and every expression in it.
func walk(x Expr, f func(Expr)) {
	if x == nil {
		return
	}
	f(x)
	for _, e := range operands(x) {
		walk(e, f)
	}
}

// eachStmt calls f for every statement of a body, and those in them.
func eachStmt(body []Stmt, f func(Stmt)) {
	for _, s := range body {
		f(s)
		switch s := s.(type) {
		case *If:
			eachStmt(s.Then, f)
			eachStmt(s.Else, f)
		case *Block:
			eachStmt(s.Body, f)
		case *Range:
			eachStmt(s.Body, f)
		case *While:
			eachStmt(s.Body, f)
		case *Unrolled:
			for _, t := range s.Turns {
				eachStmt(t, f)
			}
		}
	}
}

// operands returns the expressions that x is made of, in order of evaluation.
func operands(x Expr) []Expr {
	some := func(l ...Expr) []Expr {
		var out []Expr
		for _, e := range l {
			if e != nil {
				out = append(out, e)
			}
		}
		return out
	}
	switch x := x.(type) {
	case *Unary:
		return some(x.X)
	case *Binary:
		return some(x.X, x.Y)
	case *MinMax:
		return some(x.X, x.Y)
	case *Abs:
		return some(x.X)
	case *Compare:
		return some(x.X, x.Y)
	case *Logic:
		return some(x.X, x.Y)
	case *Not:
		return some(x.X)
	case *Truth:
		return some(x.X)
	case *Choose:
		return some(x.Cond, x.X, x.Y)
	case *Convert:
		return some(x.X)
	case *TupleOf:
		return x.Elems
	case *Words:
		return x.Elems
	case *Element:
		return some(x.X)
	case *NewRecord:
		return x.Fields
	case *Field:
		return some(x.Rec)
	case *HeaderField:
		return some(x.View)
	case *Segment:
		return some(x.View, x.I)
	case *Option:
		return some(x.View, x.Kind)
	case *Laid:
		return some(x.X, x.Off)
	case *SpanLen:
		return some(x.X)
	case *Read:
		return some(x.Span, x.Off)
	case *StartsWith:
		return some(x.X)
	case *Move:
		return x.Args
	case *CallObject:
		return x.Args
	case *BytesAt:
		return some(x.Span, x.Off)
	case *Octet:
		return some(x.X, x.Index)
	case *Find:
		return some(x.X)
	case *Put:
		return some(x.Span, x.Off, x.X)
	case *RedirectTo:
		return some(x.Index)
	case *Lookup:
		return some(x.Key, x.Default)
	case *Contains:
		return some(x.Key)
	case *Incr:
		return some(x.Key, x.N)
	case *Enqueue:
		return some(x.X)
	case *OneOf:
		return some(x.X)
	case *InPrefix:
		return some(x.X)
	case *Index:
		return some(x.X)
	case *Get:
		return some(x.X, x.Default)
	case *Sample:
		return some(x.N)
	case *HashOf:
		return some(x.X, x.Seed)
	case *Mask:
		return some(x.X, x.Bits, x.Bits6)
	case *BitLength:
		return some(x.X)
	case *SynCookie:
		return some(x.IP, x.TCP)
	case *OffsetOf:
		return some(x.X)
	case *Sum:
		return some(x.Span, x.Off, x.N, x.Start)
	case *Clone:
		return some(x.To)
	case *Fib:
		return some(x.There, x.Dst, x.Src, x.Proto, x.Sport, x.Dport, x.Class, x.Len)
	case *Call:
		return x.Args
	}
	return nil
}
