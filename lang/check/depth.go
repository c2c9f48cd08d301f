package check

import (
	"go.starlark.net/syntax"

	"weir/lang/diag"
)

// tooDeep looks for what is nested deeper than maxNesting. The parser bounds
// its own recursion, but not the left-deep trees that it builds in loops, such
// as those of 1 + 1 + … and of elif; later stages recurse over them.
func tooDeep(f *syntax.File) (diag.Pos, bool) {
	d := depthMeter{}
	d.stmts(f.Stmts, 0)
	return d.pos, d.found
}

type depthMeter struct {
	pos   diag.Pos
	found bool
}

// enter reports whether to go on below n.
func (d *depthMeter) enter(pos syntax.Position, depth int) bool {
	if depth > maxNesting && !d.found {
		d.found, d.pos = true, posOf(pos)
	}
	return !d.found
}

func (d *depthMeter) stmts(stmts []syntax.Stmt, depth int) {
	for _, s := range stmts {
		if d.found {
			return
		}
		d.stmt(s, depth+1)
	}
}

func (d *depthMeter) stmt(s syntax.Stmt, depth int) {
	switch s := s.(type) {
	case *syntax.AssignStmt:
		d.expr(s.LHS, depth)
		d.expr(s.RHS, depth)
	case *syntax.DefStmt:
		if d.enter(s.Def, depth) {
			d.exprs(s.Params, depth)
			d.stmts(s.Body, depth)
		}
	case *syntax.ExprStmt:
		d.expr(s.X, depth)
	case *syntax.IfStmt:
		if d.enter(s.If, depth) {
			d.expr(s.Cond, depth)
			d.stmts(s.True, depth)
			d.stmts(s.False, depth)
		}
	case *syntax.ForStmt:
		if d.enter(s.For, depth) {
			d.expr(s.Vars, depth)
			d.expr(s.X, depth)
			d.stmts(s.Body, depth)
		}
	case *syntax.WhileStmt:
		if d.enter(s.While, depth) {
			d.expr(s.Cond, depth)
			d.stmts(s.Body, depth)
		}
	case *syntax.ReturnStmt:
		if s.Result != nil {
			d.expr(s.Result, depth)
		}
	}
}

func (d *depthMeter) exprs(l []syntax.Expr, depth int) {
	for _, e := range l {
		if d.found {
			return
		}
		d.expr(e, depth)
	}
}

// expr follows the left spine in a loop, so that it cannot overflow itself.
func (d *depthMeter) expr(e syntax.Expr, depth int) {
	for e != nil {
		depth++
		if depth > maxNesting {
			d.enter(leftmost(e), depth)
			return
		}
		switch x := e.(type) {
		case *syntax.BinaryExpr:
			d.expr(x.Y, depth)
			e = x.X
		case *syntax.CallExpr:
			d.exprs(x.Args, depth)
			e = x.Fn
		case *syntax.DotExpr:
			e = x.X
		case *syntax.IndexExpr:
			d.expr(x.Y, depth)
			e = x.X
		case *syntax.SliceExpr:
			for _, y := range []syntax.Expr{x.Lo, x.Hi, x.Step} {
				if y != nil {
					d.expr(y, depth)
				}
			}
			e = x.X
		case *syntax.ParenExpr:
			e = x.X
		case *syntax.UnaryExpr:
			e = x.X
		case *syntax.CondExpr:
			d.expr(x.True, depth)
			d.expr(x.Cond, depth)
			e = x.False
		case *syntax.LambdaExpr:
			d.exprs(x.Params, depth)
			e = x.Body
		case *syntax.Comprehension:
			d.comprehension(x, depth)
			return
		case *syntax.DictExpr:
			d.exprs(x.List, depth)
			return
		case *syntax.DictEntry:
			d.expr(x.Key, depth)
			e = x.Value
		case *syntax.ListExpr:
			d.exprs(x.List, depth)
			return
		case *syntax.TupleExpr:
			d.exprs(x.List, depth)
			return
		default:
			return
		}
	}
}

func (d *depthMeter) comprehension(x *syntax.Comprehension, depth int) {
	d.expr(x.Body, depth)
	for _, c := range x.Clauses {
		switch c := c.(type) {
		case *syntax.ForClause:
			d.expr(c.Vars, depth)
			d.expr(c.X, depth)
		case *syntax.IfClause:
			d.expr(c.Cond, depth)
		}
	}
}

// leftmost is where e begins, found without recursion.
func leftmost(e syntax.Expr) syntax.Position {
	for {
		switch x := e.(type) {
		case *syntax.BinaryExpr:
			e = x.X
		case *syntax.CallExpr:
			e = x.Fn
		case *syntax.DotExpr:
			e = x.X
		case *syntax.IndexExpr:
			e = x.X
		case *syntax.SliceExpr:
			e = x.X
		case *syntax.CondExpr:
			e = x.True
		case *syntax.TupleExpr:
			if x.Lparen.IsValid() || len(x.List) == 0 {
				return x.Lparen
			}
			e = x.List[0]
		default:
			start, _ := e.Span()
			return start
		}
	}
}
