package lower

import "weir/lang/ir"

// tidy takes out what building left behind: phis whose arguments are all one
// value, and blocks that nothing reaches.
func tidy(f *ir.Func) {
	reach := map[*ir.Block]bool{}
	stack := []*ir.Block{f.Blocks[0]}
	for len(stack) > 0 {
		b := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if reach[b] {
			continue
		}
		reach[b] = true
		stack = append(stack, b.Succs...)
	}
	var blocks []*ir.Block
	for _, b := range f.Blocks {
		if reach[b] {
			blocks = append(blocks, b)
		}
	}
	f.Blocks = blocks
	simplifyPhis(f)
	spreadPointers(f)
}

// spreadPointers types what is computed from pointers that came out of loops:
// when it was built, the phi's arguments were not all known.
func spreadPointers(f *ir.Func) {
	for again := true; again; {
		again = false
		for _, b := range f.Blocks {
			for _, v := range b.Values {
				if v.Type != ir.Int || v.Op != ir.OpPhi && v.Op != ir.OpAdd {
					continue
				}
				for _, a := range v.Args {
					if a.Type == ir.Ptr {
						v.Type = ir.Ptr
						again = true
					}
				}
			}
		}
	}
}

// simplifyPhis replaces phi(x, x, itself) by x until there is none.
func simplifyPhis(f *ir.Func) {
	to := map[*ir.Value]*ir.Value{}
	find := func(v *ir.Value) *ir.Value {
		for to[v] != nil {
			v = to[v]
		}
		return v
	}
	for again := true; again; {
		again = false
		for _, b := range f.Blocks {
			keep := b.Values[:0]
			for _, v := range b.Values {
				if v.Op == ir.OpPhi {
					if x := only(v, find); x != nil {
						to[v] = x
						again = true
						continue
					}
				}
				keep = append(keep, v)
			}
			b.Values = keep
		}
	}
	for _, b := range f.Blocks {
		for _, v := range b.Values {
			for i, a := range v.Args {
				v.Args[i] = find(a)
			}
		}
		if b.X != nil {
			b.X = find(b.X)
		}
		if b.Y != nil {
			b.Y = find(b.Y)
		}
	}
}

// only returns the one value that a phi can have, or nil.
func only(phi *ir.Value, find func(*ir.Value) *ir.Value) *ir.Value {
	var x *ir.Value
	for _, a := range phi.Args {
		a = find(a)
		if a == phi || a == x {
			continue
		}
		if x != nil {
			return nil
		}
		x = a
	}
	return x
}
