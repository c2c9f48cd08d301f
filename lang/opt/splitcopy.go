package opt

import (
	"slices"

	"weir/lang/ir"
)

// copy makes the copy, and leads the edges to it.
func (x *branchOff) copy(f *ir.Func) {
	outside := outsideUses(f)
	c := &copier{f: f, x: x, blocks: map[*ir.Block]*ir.Block{}, values: map[*ir.Value]*ir.Value{}, from: map[*ir.Block][]int{}}
	for _, b := range x.order {
		n := f.NewBlock()
		n.Pos, n.Cold = b.Pos, b.Cold
		c.blocks[b] = n
	}
	for _, b := range x.order {
		for _, v := range b.Values {
			n := c.blocks[b].NewValue(v.Op, v.Type, v.Pos)
			id := n.ID
			*n = *v
			n.ID, n.Block, n.Args = id, c.blocks[b], nil
			c.values[v] = n
			c.blocks[b].Values = append(c.blocks[b].Values, n)
		}
	}
	for _, b := range x.order {
		c.end(b)
	}
	c.enter()
	for _, b := range x.order {
		c.args(b)
	}
	c.repair(outside)
}

type copier struct {
	f      *ir.Func
	x      *branchOff
	blocks map[*ir.Block]*ir.Block // copies
	values map[*ir.Value]*ir.Value
	from   map[*ir.Block][]int // of a copy, over which edges into what it is a copy of its edges lead
	behind []*ir.Block         // where copies lead that have none themselves
}

// of returns what v is in the copy.
func (c *copier) of(v *ir.Value) *ir.Value {
	if n := c.values[v]; n != nil {
		return n
	}
	return v
}

// end ends the copy of b: with a jump, where b's test is decided.
func (c *copier) end(b *ir.Block) {
	n := c.blocks[b]
	n.Kind, n.Cond = b.Kind, b.Cond
	if b.X != nil {
		n.X = c.of(b.X)
	}
	if b.Y != nil {
		n.Y = c.of(b.Y)
	}
	if c.x.tests[b] {
		n.Kind, n.X, n.Y = ir.KindJump, nil, nil
	}
	seen := map[*ir.Block]int{}
	for k, to := range b.Succs {
		at := slices.Index(to.Preds, b)
		for range seen[to] {
			at += 1 + slices.Index(to.Preds[at+1:], b)
		}
		seen[to]++
		if !c.x.taken[b][k] {
			continue
		}
		if s := c.blocks[to]; s != nil {
			n.Succs = append(n.Succs, s)
			s.Preds = append(s.Preds, n)
			c.from[s] = append(c.from[s], at)
			continue
		}
		n.Succs = append(n.Succs, to)
		to.Preds = append(to.Preds, n)
		for _, phi := range to.Phis() {
			phi.Args = append(phi.Args, c.of(phi.Args[at]))
		}
		c.behind = append(c.behind, to)
	}
}

// enter leads the edges to the copy of the join.
func (c *copier) enter() {
	j := c.x.join
	n := c.blocks[j]
	for _, i := range c.x.edges {
		p := j.Preds[i]
		n.Preds = append(n.Preds, p)
		for _, phi := range j.Phis() {
			c.values[phi].Args = append(c.values[phi].Args, phi.Args[i])
		}
	}
	for _, p := range n.Preds {
		p.Succs[slices.Index(p.Succs, j)] = n
		j.RemovePred(p)
	}
}

// args gives the copies of b's values their arguments.
func (c *copier) args(b *ir.Block) {
	n := c.blocks[b]
	for _, v := range b.Values {
		w := c.values[v]
		switch {
		case v.Op != ir.OpPhi:
			for _, a := range v.Args {
				w.Args = append(w.Args, c.of(a))
			}
		case b != c.x.join:
			for _, i := range c.from[n] {
				w.Args = append(w.Args, c.of(v.Args[i]))
			}
		}
	}
}

// repair gives uses behind the copy, of values that there are twice now, the definition
// that reaches them.
func (c *copier) repair(outside []bool) {
	reached := c.reached()
	if len(reached) == 0 {
		return
	}
	copies := map[*ir.Block]bool{}
	for _, n := range c.blocks {
		copies[n] = true
	}
	from := c.addresses()
	for _, u := range c.f.Blocks {
		if reached[u] && !copies[u] {
			readdress(u, from, outside)
		}
	}
	byValue := map[*ir.Value]*reaching{}
	var vars []*reaching
	for _, b := range c.x.order {
		for _, v := range b.Values {
			if v.ID >= len(outside) || !outside[v.ID] {
				continue
			}
			r := &reaching{v: v, at: map[*ir.Block]*ir.Value{b: v, c.blocks[b]: c.values[v]}, plain: v.IsPlain(), soft: v.Soft && !isBounded(v)}
			byValue[v], vars = r, append(vars, r)
		}
	}
	for _, u := range c.f.Blocks {
		if !copies[u] {
			rename(u, reached, byValue)
		}
	}
	for _, r := range vars {
		r.place()
	}
}

// addresses returns the values of blocks that are copied that are a known distance from
// another one, and those others.
func (c *copier) addresses() map[*ir.Value]*ir.Value {
	from := map[*ir.Value]*ir.Value{}
	for _, b := range c.x.order {
		for _, v := range b.Values {
			if v.Op == ir.OpAdd && v.Type == ir.Ptr && v.Args[1].Op == ir.OpConst {
				from[v] = v.Args[0]
			}
		}
	}
	return from
}

// readdress computes in u, and not in a block that is copied, the addresses that u uses:
// where a phi chooses among them the verifier does not see what a check is about.
func readdress(u *ir.Block, from map[*ir.Value]*ir.Value, outside []bool) {
	made := map[*ir.Value]*ir.Value{}
	var values []*ir.Value
	var of func(a *ir.Value) *ir.Value
	of = func(a *ir.Value) *ir.Value {
		if a == nil || a.Block == u || from[a] == nil {
			return a
		}
		if made[a] == nil {
			outside[from[a].ID], outside[a.Args[1].ID] = true, true
			made[a] = u.NewValue(ir.OpAdd, ir.Ptr, a.Pos, of(from[a]), a.Args[1])
			values = append(values, made[a])
		}
		return made[a]
	}
	for _, v := range u.Values {
		if v.Op != ir.OpPhi {
			for i, a := range v.Args {
				v.Args[i] = of(a)
			}
		}
		values = append(values, v)
	}
	u.X, u.Y = of(u.X), of(u.Y)
	u.Values = values
}

// rename gives the uses in u their definitions.
func rename(u *ir.Block, reached map[*ir.Block]bool, byValue map[*ir.Value]*reaching) {
	of := func(a *ir.Value, at *ir.Block) *ir.Value {
		if r := byValue[a]; r != nil && reached[at] && a.Block != at {
			return r.leaving(at)
		}
		return a
	}
	for _, v := range u.Values {
		for i, a := range v.Args {
			if v.Op == ir.OpPhi {
				v.Args[i] = of(a, u.Preds[i])
			} else {
				v.Args[i] = of(a, u)
			}
		}
	}
	if u.X != nil {
		u.X = of(u.X, u)
	}
	if u.Y != nil {
		u.Y = of(u.Y, u)
	}
}

// reached returns the blocks that the copy leads to.
func (c *copier) reached() map[*ir.Block]bool {
	all := map[*ir.Block]bool{}
	for todo := c.behind; len(todo) > 0; {
		b := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if !all[b] {
			all[b] = true
			todo = append(todo, b.Succs...)
		}
	}
	return all
}
