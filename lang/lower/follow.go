package lower

import (
	"slices"

	"weir/lang/ir"
)

// A follower finds the numbers of a function that the verifier follows on each way,
// and where it is best made to forget them.
//
// It keeps two states of a place apart if a number differs in them on which a
// comparison has been decided since. Numbers that differ come of merges: a phi, a
// comparison that is used as a number; and go on through what is reckoned of them.
//
//	s1 = phi 0, 5        merge
//	s2 = add s1, 7
//	s3 = phi s1, s2      merge
//	if s3 > 10           test: s3 is cut here; s1 need not be
type follower struct {
	g      *forgetter
	f      *ir.Func
	tree   *ir.Tree
	users  map[*ir.Value][]*ir.Value
	tests  map[*ir.Value][]*ir.Block // that end with a test of a value
	needed map[*ir.Value]bool        // the verifier may have to know how large they are
	known  map[*ir.Value]bool        // followed: of some merge
	cut    map[*ir.Value]bool        // to be forgotten
	merges int                       // that reach tests in other blocks

	decides map[*ir.Slot]bool // that are read back, or hold an index
}

func follow(g *forgetter) *follower {
	f := g.f
	fw := &follower{
		g: g, f: f, tree: f.Tree(), users: map[*ir.Value][]*ir.Value{}, tests: map[*ir.Value][]*ir.Block{},
		needed: needed(f, g.own), decides: decidingSlots(f, g.own), known: map[*ir.Value]bool{}, cut: map[*ir.Value]bool{},
	}
	for _, b := range f.Blocks {
		for _, v := range b.Values {
			for _, a := range v.Args {
				fw.users[a] = append(fw.users[a], v)
			}
		}
		if b.Kind == ir.KindIf {
			fw.tests[b.X], fw.tests[b.Y] = append(fw.tests[b.X], b), append(fw.tests[b.Y], b)
		}
	}
	fw.know()
	return fw
}

// may reports whether v may be forgotten: it is a number of the chain, and if it is
// reckoned, of nothing else. What the compiler itself notes about a packet the verifier
// must know: it knows from that which pointers are good.
func (fw *follower) may(v *ir.Value) bool {
	return v.Type == ir.Int && (v.Soft || v.IsPlain() && !fw.needed[v])
}

// know finds what is followed: merges of constants, and of what is followed; and
// what is reckoned of such and of what has a bound.
func (fw *follower) know() {
	widths := fw.f.Widths()
	certain := func(a *ir.Value) bool { return fw.known[a] || a.Op == ir.OpConst || a.Op == ir.OpCmp }
	for again := true; again; { // what a loop merges comes after it
		again = false
		for _, b := range fw.f.Blocks {
			for _, v := range b.Values {
				if fw.known[v] {
					continue
				}
				yes := false
				switch {
				case v.Op == ir.OpPhi:
					yes = fw.may(v) && slices.ContainsFunc(v.Args, certain)
				case v.Op == ir.OpCmp:
					yes = fw.may(v) && slices.ContainsFunc(fw.users[v], (*ir.Value).IsReckoned)
				case v.IsReckoned():
					yes = slices.ContainsFunc(v.Args, func(a *ir.Value) bool { return fw.known[a] }) &&
						!slices.ContainsFunc(v.Args, func(a *ir.Value) bool { return !certain(a) && widths[a] > 32 })
				}
				if yes {
					fw.known[v], again = true, true
				}
			}
		}
	}
}

// cuts finds what is to be forgotten, and counts the merges that make it worth while.
func (fw *follower) cuts() {
	for _, b := range fw.tree.Order {
		for _, v := range b.Values {
			if isMerge(v) && fw.known[v] && fw.farTested(v) {
				fw.merges++
			}
		}
	}
	for _, b := range fw.tree.Order {
		for _, v := range b.Values {
			if v.Op == ir.OpPhi || v.IsReckoned() {
				continue
			}
			for _, a := range v.Args {
				if a.Type == ir.Int && !fw.isPlainStore(v) {
					fw.cutFor(a)
				}
			}
		}
		if b.Kind == ir.KindIf {
			fw.cutFor(b.X)
			fw.cutFor(b.Y)
		}
	}
}

func isMerge(v *ir.Value) bool { return v.Op == ir.OpPhi || v.Op == ir.OpCmp }

// isPlainStore reports whether v only puts a number where nothing is decided on it: the
// stack is that, too, but where it is read back, or holds the index of an array (whose
// bound the verifier decides itself since Linux 6.15: get_constant_map_key).
func (fw *follower) isPlainStore(v *ir.Value) bool {
	switch v.Op {
	case ir.OpStore, ir.OpAtomicAdd, ir.OpAtomicOr, ir.OpAtomicAnd, ir.OpAtomicXor, ir.OpFetchAdd, ir.OpAtomicXchg:
		s, _ := v.Args[0].Base()
		return !fw.decides[s]
	}
	return false
}

// cutFor makes x, on which something is decided, or what it rests on unknown.
func (fw *follower) cutFor(x *ir.Value) {
	leaves := fw.leaves(x, map[*ir.Value]bool{}, nil)
	if len(leaves) == 0 {
		return
	}
	if len(leaves) > 1 && fw.may(x) {
		fw.cut[x] = true
		return
	}
	for _, m := range leaves {
		if !fw.here(m) {
			fw.cut[m] = true
		}
	}
}

// leaves adds to out the merges of which x is reckoned.
func (fw *follower) leaves(x *ir.Value, seen map[*ir.Value]bool, out []*ir.Value) []*ir.Value {
	switch {
	case x == nil || seen[x] || !fw.known[x] || fw.cut[x]:
		return out
	case isMerge(x):
		seen[x] = true
		return append(out, x)
	}
	seen[x] = true
	for _, a := range x.Args {
		out = fw.leaves(a, seen, out)
	}
	return out
}

// here reports whether the merge m adds a state for no longer than its own block: no
// test elsewhere rests on it, and it rests on no other merge.
func (fw *follower) here(m *ir.Value) bool {
	if m.Op != ir.OpPhi || fw.farTested(m) {
		return false
	}
	return !slices.ContainsFunc(m.Args, func(a *ir.Value) bool { return fw.known[a] })
}

// farTested reports whether something in another block is decided on what rests on m.
func (fw *follower) farTested(m *ir.Value) bool {
	seen := map[*ir.Value]bool{m: true}
	for todo := []*ir.Value{m}; len(todo) > 0; {
		v := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, b := range fw.tests[v] {
			if b != m.Block {
				return true
			}
		}
		for _, u := range fw.users[v] {
			switch {
			case u.Op == ir.OpPhi || u.IsReckoned():
				if !seen[u] {
					seen[u] = true
					todo = append(todo, u)
				}
			case !fw.isPlainStore(u) && u.Block != m.Block:
				return true
			}
		}
	}
	return false
}

// needed returns the numbers of f that the verifier may have to know the bounds of: what
// is added to pointers, passed to functions, returned, read back from the stack, or
// counts turns; and what these are made of.
func needed(f *ir.Func, own map[*ir.Slot]bool) map[*ir.Value]bool {
	need := map[*ir.Value]bool{}
	var todo []*ir.Value
	want := func(v *ir.Value) {
		if v != nil && v.Type == ir.Int && v.Op != ir.OpConst && !need[v] {
			need[v] = true
			todo = append(todo, v)
		}
	}
	tree, read := f.Tree(), loadedSlots(f)
	for _, b := range f.Blocks {
		loop := slices.ContainsFunc(b.Preds, func(p *ir.Block) bool { return tree.Dominates(b, p) })
		for _, v := range b.Values {
			switch {
			case v.Op == ir.OpPhi && loop:
				want(v)
			case v.IsCall(), v.Op == ir.OpAdd && v.Type == ir.Ptr, v.Op == ir.OpSub && slices.ContainsFunc(v.Args, func(a *ir.Value) bool { return a.Type == ir.Ptr }):
				for _, a := range v.Args {
					want(a)
				}
			case v.Op == ir.OpStore:
				if s, sure := v.Args[0].Base(); !sure || read[s] && !own[s] {
					want(v.Args[1])
				}
			}
		}
		if b.Kind == ir.KindReturn {
			want(b.X)
		}
	}
	for len(todo) > 0 {
		v := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if v.Op == ir.OpPhi || v.IsReckoned() {
			for _, a := range v.Args {
				want(a)
			}
		}
	}
	return need
}

// loadedSlots returns the slots of f that are read back, or may be: the address is
// more than that of a store, or of something passed to a function.
func loadedSlots(f *ir.Func) map[*ir.Slot]bool {
	read := map[*ir.Slot]bool{}
	for _, b := range f.Blocks {
		for _, v := range b.Values {
			if v.IsCall() {
				continue
			}
			for i, a := range v.Args {
				if a.Type != ir.Ptr || v.Op == ir.OpStore && i == 0 || v.Op == ir.OpAdd {
					continue
				}
				if s, _ := a.Base(); s != nil {
					read[s] = true
				}
			}
		}
	}
	return read
}

// decidingSlots returns the slots of f, but its own, on whose content the verifier may
// decide something.
func decidingSlots(f *ir.Func, own map[*ir.Slot]bool) map[*ir.Slot]bool {
	decides := loadedSlots(f)
	for _, b := range f.Blocks {
		for _, v := range b.Values {
			if !v.IsCall() || len(v.Args) < 2 || v.Args[0].Op != ir.OpMapPtr {
				continue
			}
			if k := v.Args[0].Map.Kind; k != ir.Array && k != ir.PerCPUArray {
				continue
			}
			if s, _ := v.Args[1].Base(); s != nil {
				decides[s] = true
			}
		}
	}
	for s := range own {
		delete(decides, s)
	}
	return decides
}
