package lower

import "weir/lang/check"

// visit calls st for every statement of body and ex for every expression, outer
// ones first.
func visit(body []check.Stmt, st func(check.Stmt), ex func(check.Expr)) {
	v := visitor{st, ex}
	v.stmts(body)
}

type visitor struct {
	st func(check.Stmt)
	ex func(check.Expr)
}

func (v visitor) stmts(body []check.Stmt) {
	for _, s := range body {
		v.stmt(s)
	}
}

func (v visitor) stmt(s check.Stmt) {
	v.st(s)
	switch s := s.(type) {
	case *check.Assign:
		v.exprs(s.X)
	case *check.SetField:
		v.exprs(s.Rec, s.X)
	case *check.SetHeader:
		v.exprs(s.View, s.X)
	case *check.SetPacket:
		v.exprs(s.X)
	case *check.SetMap:
		v.exprs(s.Key, s.X)
	case *check.Delete:
		v.exprs(s.Key)
	case *check.Count:
		v.exprs(s.N)
	case *check.Hist:
		v.exprs(s.X)
	case *check.Emit:
		v.exprs(s.X)
	case *check.LogLine:
		v.exprs(s.X)
	case *check.Eval:
		v.exprs(s.X)
	case *check.If:
		v.exprs(s.Cond)
		v.stmts(s.Then)
		v.stmts(s.Else)
	case *check.Block:
		v.stmts(s.Body)
	case *check.Range:
		v.exprs(s.Start, s.Stop)
		v.stmts(s.Body)
	case *check.Unrolled:
		for _, t := range s.Turns {
			v.stmts(t)
		}
	case *check.While:
		v.exprs(s.Cond)
		v.stmts(s.Body)
	case *check.Return:
		v.exprs(s.X)
	}
}

func (v visitor) exprs(es ...check.Expr) {
	for _, e := range es {
		if e != nil {
			v.ex(e)
			v.exprs(children(e)...)
		}
	}
}

// children returns the expressions that e is made of.
func children(e check.Expr) []check.Expr {
	switch e := e.(type) {
	case *check.Unary:
		return []check.Expr{e.X}
	case *check.Binary:
		return []check.Expr{e.X, e.Y}
	case *check.MinMax:
		return []check.Expr{e.X, e.Y}
	case *check.Abs:
		return []check.Expr{e.X}
	case *check.Compare:
		return []check.Expr{e.X, e.Y}
	case *check.Logic:
		return []check.Expr{e.X, e.Y}
	case *check.Not:
		return []check.Expr{e.X}
	case *check.Truth:
		return []check.Expr{e.X}
	case *check.Choose:
		return []check.Expr{e.Cond, e.X, e.Y}
	case *check.Convert:
		return []check.Expr{e.X}
	case *check.TupleOf:
		return e.Elems
	case *check.Words:
		return e.Elems
	case *check.Element:
		return []check.Expr{e.X}
	case *check.NewRecord:
		return e.Fields
	case *check.Field:
		return []check.Expr{e.Rec}
	case *check.HeaderField:
		return []check.Expr{e.View}
	case *check.Segment:
		return []check.Expr{e.View, e.I}
	case *check.Option:
		return []check.Expr{e.View, e.Kind}
	case *check.Laid:
		return []check.Expr{e.X, e.Off}
	case *check.SpanLen:
		return []check.Expr{e.X}
	case *check.Read:
		return []check.Expr{e.Span, e.Off}
	case *check.StartsWith:
		return []check.Expr{e.X}
	case *check.Move:
		return e.Args
	case *check.CallObject:
		return e.Args
	case *check.BytesAt:
		return []check.Expr{e.Span, e.Off}
	case *check.Octet:
		return []check.Expr{e.X, e.Index}
	case *check.Find:
		return []check.Expr{e.X}
	case *check.Put:
		return []check.Expr{e.Span, e.Off, e.X}
	case *check.RedirectTo:
		return []check.Expr{e.Index}
	case *check.Lookup:
		return []check.Expr{e.Key, e.Default}
	case *check.Contains:
		return []check.Expr{e.Key}
	case *check.Incr:
		return []check.Expr{e.Key, e.N}
	case *check.Enqueue:
		return []check.Expr{e.X}
	case *check.OneOf:
		return []check.Expr{e.X}
	case *check.InPrefix:
		return []check.Expr{e.X}
	case *check.Index:
		return []check.Expr{e.X}
	case *check.Get:
		return []check.Expr{e.X, e.Default}
	case *check.Sample:
		return []check.Expr{e.N}
	case *check.HashOf:
		return []check.Expr{e.X, e.Seed}
	case *check.Mask:
		return []check.Expr{e.X, e.Bits, e.Bits6}
	case *check.BitLength:
		return []check.Expr{e.X}
	case *check.SynCookie:
		return []check.Expr{e.IP, e.TCP}
	case *check.OffsetOf:
		return []check.Expr{e.X}
	case *check.Sum:
		return []check.Expr{e.Span, e.Off, e.N, e.Start}
	case *check.Clone:
		return []check.Expr{e.To}
	case *check.Fib:
		return []check.Expr{e.There, e.Dst, e.Src, e.Proto, e.Sport, e.Dport, e.Class, e.Len}
	case *check.Call:
		return e.Args
	}
	return nil
}
