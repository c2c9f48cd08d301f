package lower

import (
	"math"
	"math/bits"

	"weir/lang/ir"
)

// maxTested is up to how many states that tests can make, times the values of the
// function, the verifier is left to follow them.
const maxTested = 1 << 20

// A test of a number leaves it known to be on one side. Behind the place where its two
// ways meet, the verifier has two states if the number is tested again: k tests of a
// number make k+1, and of three numbers (k+1)^3.
//
//	if x == 1: s += 3        x is 1, or is not
//	if y > 5: s += 2         (2 of x) times (2 of y)
//	if x == 2: s += 1
type tester struct {
	f       *ir.Func
	tree    *ir.Tree
	reach   [][]uint64 // by block: the blocks that its ways come to, itself included
	values  []*ir.Value
	at      map[*ir.Value][]*ir.Block // the blocks that end with its tests
	ways    [][]uint16                // by value and block: tests whose two ways meet there, of one that is tested later
	summed  []float64                 // by block: binary logarithm of the states
	dropped map[int]bool
}

// testedOften returns the numbers whose tests make too many states.
func testedOften(f *ir.Func) []*ir.Value {
	t := &tester{f: f, tree: f.Tree(), dropped: map[int]bool{}}
	limit := math.Log2(maxTested / float64(max(1, f.NumValues())))
	if !t.find(limit) {
		return nil
	}
	t.reached()
	t.count()
	var out []*ir.Value
	for {
		b, most := -1, limit
		for i, s := range t.summed {
			if s > most {
				b, most = i, s
			}
		}
		if b < 0 {
			return out
		}
		out = append(out, t.drop(b))
	}
}

// find finds the numbers that are tested in several blocks, and reports whether these
// could make more states than the limit.
func (t *tester) find(limit float64) bool {
	need := needed(t.f, nil)
	t.at = map[*ir.Value][]*ir.Block{}
	for _, b := range t.tree.Order {
		if x := b.X; b.Kind == ir.KindIf && x.Type == ir.Int && x.Op != ir.OpConst && !need[x] && x.IsPlain() {
			if t.at[x] = append(t.at[x], b); len(t.at[x]) == 2 {
				t.values = append(t.values, x)
			}
		}
	}
	sum := 0.0
	for _, v := range t.values {
		sum += math.Log2(float64(len(t.at[v]) + 1))
	}
	return sum > limit
}

// reached fills in reach, from the last blocks on; loops take more than one round.
func (t *tester) reached() {
	t.reach = make([][]uint64, t.f.NumBlocks())
	words := (t.f.NumBlocks() + 63) / 64
	for _, b := range t.tree.Order {
		t.reach[b.ID] = make([]uint64, words)
		t.reach[b.ID][b.ID/64] |= 1 << (b.ID % 64)
	}
	for again := true; again; {
		again = false
		for i := len(t.tree.Order) - 1; i >= 0; i-- {
			b := t.tree.Order[i]
			to := t.reach[b.ID]
			for _, s := range b.Succs {
				for w, set := range t.reach[s.ID] {
					if set&^to[w] != 0 {
						to[w] |= set
						again = again || t.tree.Number[s.ID] <= t.tree.Number[b.ID]
					}
				}
			}
		}
	}
}

// count fills in ways and summed.
func (t *tester) count() {
	t.summed = make([]float64, t.f.NumBlocks())
	for _, v := range t.values {
		ways := make([]uint16, t.f.NumBlocks())
		for _, s := range t.at[v] {
			yes, no := t.reach[s.Succs[0].ID], t.reach[s.Succs[1].ID]
			for w := range yes {
				for meet := yes[w] & no[w]; meet != 0; meet &= meet - 1 {
					ways[w*64+bits.TrailingZeros64(meet)]++
				}
			}
		}
		for b, n := range ways {
			if n > 0 && !t.later(v, b) {
				ways[b] = 0
			}
			t.summed[b] += math.Log2(float64(ways[b]) + 1)
		}
		t.ways = append(t.ways, ways)
	}
}

// later reports whether v is tested behind block b.
func (t *tester) later(v *ir.Value, b int) bool {
	for _, s := range t.at[v] {
		if t.reach[b][s.ID/64]&(1<<(s.ID%64)) != 0 {
			return true
		}
	}
	return false
}

// drop takes away the number that makes the most states at block b.
func (t *tester) drop(b int) *ir.Value {
	most := -1
	for i, ways := range t.ways {
		if !t.dropped[i] && (most < 0 || ways[b] > t.ways[most][b]) {
			most = i
		}
	}
	t.dropped[most] = true
	for b, n := range t.ways[most] {
		t.summed[b] -= math.Log2(float64(n) + 1)
	}
	return t.values[most]
}
