package opt

import "weir/lang/ir"

// A fact is a comparison whose result is known. A constant operand counts by its
// number.
type fact struct {
	c    ir.Cond
	x, y *ir.Value
	imm  int64
}

func factOf(c ir.Cond, x, y *ir.Value) fact {
	if y.Op == ir.OpConst {
		return fact{c: c, x: x, imm: y.Imm}
	}
	return fact{c: c, x: x, y: y}
}

// A knowledge is the facts that hold in the block at work.
type knowledge struct {
	facts  map[fact]bool
	equals map[*ir.Value]int64
	log    []entry // to forget
}

// An entry is what was learnt: a fact or, if x is set, what x equals.
type entry struct {
	fact fact
	x    *ir.Value
}

func (k *knowledge) learn(f fact, result bool) {
	if _, ok := k.facts[f]; !ok {
		k.facts[f] = result
		k.log = append(k.log, entry{fact: f})
	}
}

// condition records that x c y has the given result, with what follows from it
// by turning the comparison round.
func (k *knowledge) condition(c ir.Cond, x, y *ir.Value, result bool) {
	k.learn(factOf(c, x, y), result)
	k.learn(factOf(c.Flip(), y, x), result)
	if n, ok := c.Negate(); ok {
		k.learn(factOf(n, x, y), !result)
		k.learn(factOf(n.Flip(), y, x), !result)
	}
	if y.Op == ir.OpConst && (c == ir.Eq && result || c == ir.Ne && !result) {
		if _, ok := k.equals[x]; !ok {
			k.equals[x] = y.Imm
			k.log = append(k.log, entry{x: x})
		}
	}
	// A condition that was computed as a value before.
	if x.Op == ir.OpCmp && y.IsConst(0) && (c == ir.Eq || c == ir.Ne) {
		k.condition(x.Cond, x.Args[0], x.Args[1], (c == ir.Ne) == result)
	}
}

// forget takes back all but the first m entries.
func (k *knowledge) forget(m int) {
	for _, e := range k.log[m:] {
		if e.x != nil {
			delete(k.equals, e.x)
		} else {
			delete(k.facts, e.fact)
		}
	}
	k.log = k.log[:m]
}

// ask returns the result of x c y, if it is known.
func (k *knowledge) ask(c ir.Cond, x, y *ir.Value) (result, ok bool) {
	if result, ok = k.facts[factOf(c, x, y)]; ok {
		return result, true
	}
	if n, ok := k.equals[x]; ok && y.Op == ir.OpConst {
		return holds(c, n, y.Imm), true
	}
	return false, false
}

// decided settles comparisons that one above in the dominator tree has settled:
// those that end blocks, and those that are values.
func decided(f *ir.Func) bool {
	k := &knowledge{facts: map[fact]bool{}, equals: map[*ir.Value]int64{}}
	var marks []int
	changed := false
	f.Tree().Walk(func(b *ir.Block) {
		marks = append(marks, len(k.log))
		if len(b.Preds) == 1 {
			if p := b.Preds[0]; p.Kind == ir.KindIf && p.Succs[0] != p.Succs[1] {
				k.condition(p.Cond, p.X, p.Y, p.Succs[0] == b)
			}
		}
		for _, v := range b.Values {
			if v.Op != ir.OpCmp {
				continue
			}
			if r, ok := k.ask(v.Cond, v.Args[0], v.Args[1]); ok {
				*v = ir.Value{ID: v.ID, Op: ir.OpConst, Type: ir.Int, Imm: bit(r), Block: v.Block, Pos: v.Pos}
				changed = true
			}
		}
		if b.Kind == ir.KindIf && !(b.X.Op == ir.OpConst && b.Y.Op == ir.OpConst) {
			if r, ok := k.ask(b.Cond, b.X, b.Y); ok {
				decide(b, 1-int(bit(r)))
				changed = true
			}
		}
	}, func(*ir.Block) {
		m := marks[len(marks)-1]
		marks = marks[:len(marks)-1]
		k.forget(m)
	})
	return changed
}
