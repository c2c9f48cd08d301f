package opt

import (
	"slices"

	"weir/lang/ir"
)

// Limits of split: how many operations may be copied for each test that a copy saves,
// how many tests that are, and how many operations a function may have to grow further.
const (
	perTest  = 16
	minTests = 3
	maxOps   = 1200
)

// split gives ways into a join a copy of what follows, where they decide tests that
// stand further behind than thread looks: a packet that has been found to be IPv4
// is not asked again at each use of its header.
//
//	four ──► join ──► four or six? ──► …        four ──► copy for IPv4 ──► …
//	six  ──►                            =>      six  ──► join, IPv6 ──► …
//
// The copy ends where the last of these tests is decided, at cold blocks, and at loops,
// which would have a second entry. One
// join is split at a time, the one that saves most; the other passes make of the copy
// what it can be.
func split(f *ir.Func) bool {
	if operations(f.Blocks) > maxOps {
		return false
	}
	s := &splitter{f: f, tree: f.Tree(), threader: threader{f: f}}
	var best *branchOff
	for _, b := range s.tree.Order {
		if b.Cold || len(b.Preds) < 2 || s.tree.Depth[b.ID] > 0 || b == f.Blocks[0] {
			continue
		}
		for _, edges := range s.groups(b) {
			if x := s.follow(b, edges); x != nil && (best == nil || x.worth() > best.worth()) {
				best = x
			}
		}
	}
	if best == nil {
		return false
	}
	best.copy(f)
	return true
}

// operations counts what blocks compute.
func operations(blocks []*ir.Block) (n int) {
	for _, b := range blocks {
		for _, v := range b.Values {
			if v.Op != ir.OpPhi && v.Op != ir.OpConst {
				n++
			}
		}
	}
	return n
}

type splitter struct {
	threader
	f    *ir.Func
	tree *ir.Tree
}

// A shown is what is known of a value: its number, or that it is not 0.
type shown struct {
	kind   shownKind
	number int64
}

type shownKind uint8

const (
	nothing shownKind = iota
	isNumber
	isNotNull
)

// both is what is known where x or y holds.
func (x shown) both(y shown) shown {
	switch {
	case x == y:
		return x
	case x.notNull() && y.notNull():
		return shown{kind: isNotNull}
	}
	return shown{}
}

func (x shown) notNull() bool { return x.kind == isNotNull || x.kind == isNumber && x.number != 0 }

// groups returns sets of edges into b on which an address among the phis of b is known
// alike: a header is there, or is not. Ways that differ in numbers are many, and the
// verifier, which walks them all, is to find them joined.
func (s *splitter) groups(b *ir.Block) (all [][]int) {
	for _, phi := range b.Phis() {
		if phi.Type != ir.Ptr {
			continue
		}
		by := map[shown][]int{}
		for i, p := range b.Preds {
			if x := s.on(phi, b, i, maxMerged); x.kind != nothing && count(b.Preds, p) == 1 {
				if x.notNull() {
					x = shown{kind: isNotNull}
				}
				by[x] = append(by[x], i)
			}
		}
		for _, x := range []shown{{kind: isNumber}, {kind: isNotNull}} {
			g := by[x]
			if len(g) == 0 || len(g) == len(b.Preds) || slices.ContainsFunc(all, func(o []int) bool { return slices.Equal(o, g) }) {
				continue
			}
			all = append(all, g)
		}
	}
	return all
}

// maxMerged is through how many phis on looks for a fact.
const maxMerged = 3

var zero = &ir.Value{Op: ir.OpConst, Type: ir.Int}

// on returns what is known of v on edge i into b.
func (s *splitter) on(v *ir.Value, b *ir.Block, i, depth int) shown {
	v = along(b, v, i)
	if x := plainly(v); x.kind != nothing {
		return x
	}
	if r, ok := s.decided(b.Preds[i], b, ir.Ne, v, zero); ok {
		if r {
			return shown{kind: isNotNull}
		}
		return shown{kind: isNumber}
	}
	if v.Op != ir.OpPhi || depth == 0 || s.tree.Depth[v.Block.ID] > 0 {
		return shown{}
	}
	return s.over(v, v.Block, nil, depth-1)
}

// over returns what is known of v on some of the edges into b; nil: on all.
func (s *splitter) over(v *ir.Value, b *ir.Block, edges []int, depth int) (all shown) {
	first := true
	for i := range b.Preds {
		if edges != nil && !slices.Contains(edges, i) {
			continue
		}
		x := s.on(v, b, i, depth)
		if !first {
			x = x.both(all)
		}
		if all, first = x, false; all.kind == nothing {
			break
		}
	}
	return all
}

// plainly returns what v shows of itself.
func plainly(v *ir.Value) shown {
	switch {
	case v.Op == ir.OpConst:
		return shown{isNumber, v.Imm}
	case notNull(v):
		return shown{kind: isNotNull}
	}
	return shown{}
}

// A branchOff is what follows a join for some of the edges into it.
type branchOff struct {
	join  *ir.Block
	edges []int
	known map[*ir.Value]shown
	taken map[*ir.Block][2]bool // of blocks that are entered: which of their ways
	tests map[*ir.Block]bool    // that are decided
	order []*ir.Block           // of the blocks that are copied
	ops   int
}

func (x *branchOff) worth() int { return perTest*len(x.tests) - x.ops }

// follow finds out what follows b for some edges; nil: it is not worth a copy.
func (s *splitter) follow(b *ir.Block, edges []int) *branchOff {
	x := &branchOff{
		join: b, edges: edges,
		known: map[*ir.Value]shown{}, taken: map[*ir.Block][2]bool{}, tests: map[*ir.Block]bool{},
	}
	entered := map[*ir.Block]bool{b: true}
	for _, c := range s.tree.Order[s.tree.Number[b.ID]:] {
		if !entered[c] {
			continue
		}
		s.merge(x, c)
		ways := s.decide(x, c)
		x.taken[c] = ways
		for k, to := range c.Succs {
			if ways[k] && !to.Cold && s.tree.Depth[to.ID] == 0 {
				entered[to] = true
			}
		}
		x.order = append(x.order, c)
	}
	if len(x.tests) < minTests {
		return nil
	}
	x.cut()
	if x.ops = operations(x.order); x.worth() < 0 {
		return nil
	}
	return x
}

// merge finds what is known of the phis of a block.
func (s *splitter) merge(x *branchOff, c *ir.Block) {
	for _, phi := range c.Phis() {
		switch {
		case c == x.join:
			x.known[phi] = s.over(phi, c, x.edges, maxMerged)
		default:
			first := true
			for i, p := range c.Preds {
				if !x.leads(p, c) {
					continue
				}
				f := s.of(x, phi.Args[i])
				if !first {
					f = f.both(x.known[phi])
				}
				x.known[phi], first = f, false
			}
		}
	}
}

// leads reports whether the way from p to c is taken.
func (x *branchOff) leads(p, c *ir.Block) bool {
	for k, to := range p.Succs {
		if to == c && x.taken[p][k] {
			return true
		}
	}
	return false
}

// of returns what is known of v in the copy.
func (s *splitter) of(x *branchOff, v *ir.Value) shown {
	if f, ok := x.known[v]; ok {
		return f
	}
	f := plainly(v)
	if f.kind == nothing && s.tree.Dominates(v.Block, x.join) && v.Block != x.join {
		f = s.over(v, x.join, x.edges, maxMerged)
	}
	x.known[v] = f
	return f
}

// decide returns which ways of c are taken.
func (s *splitter) decide(x *branchOff, c *ir.Block) [2]bool {
	if c.Kind != ir.KindIf || c.Succs[0] == c.Succs[1] || c.Y.Op != ir.OpConst {
		return [2]bool{true, true}
	}
	f := s.of(x, c.X)
	var holdsNow bool
	switch {
	case f.kind == isNumber:
		holdsNow = holds(c.Cond, f.number, c.Y.Imm)
	case f.kind == isNotNull && c.Y.Imm == 0 && (c.Cond == ir.Eq || c.Cond == ir.Ne):
		holdsNow = c.Cond == ir.Ne
	default:
		return [2]bool{true, true}
	}
	x.tests[c] = true
	return [2]bool{holdsNow, !holdsNow}
}

// cut leaves of the blocks those from which a test that is decided can be reached.
func (x *branchOff) cut() {
	leads := map[*ir.Block]bool{}
	for again := true; again; {
		again = false
		for _, b := range slices.Backward(x.order) {
			if leads[b] {
				continue
			}
			on := x.tests[b]
			for k, to := range b.Succs {
				on = on || x.taken[b][k] && leads[to]
			}
			leads[b], again = on, again || on
		}
	}
	x.order = slices.DeleteFunc(x.order, func(b *ir.Block) bool { return !leads[b] })
}
