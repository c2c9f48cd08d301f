package pcap

import (
	"encoding/binary"
	"slices"
)

// A Node is a test and where it leads. [Holds] and [Fails] are the ends.
type Node struct {
	Test    *Compare // nil at an end
	Yes, No *Node
}

// The ends of every graph.
var (
	Holds = &Node{}
	Fails = &Node{}
)

// maxWork bounds the making of a graph, to some tenths of a second. Filters that
// people write take a hundredth of it; one that takes more has its tests made as often as it says.
const maxWork = 20_000

// graphOf lays a tree out. What the way to a test has shown already is not asked
// again, and a test that does not matter on a way is not made: in
//
//	tcp port 80 or ip
//
// the ports of IPv4 are not looked at. libpcap's optimizer does so, too, which can
// be seen: for a frame that ends before its ports the filter holds.
func graphOf(t Test) *Node {
	g := &graph{
		ids: map[string]int{}, infos: map[*Compare]info{}, nodes: map[mold]*Node{}, numbers: map[*Node]int{},
		under: map[*Node]bits{}, done: map[string]*Node{},
	}
	root := g.lay(t, Holds, Fails)
	if n := g.reduce(root, nil); g.work < maxWork {
		return n
	}
	return root
}

// order gives the nodes of a graph, each before those that it leads to.
func order(root *Node) []*Node {
	var out []*Node
	seen := map[*Node]bool{}
	var visit func(n *Node)
	visit = func(n *Node) {
		if n.Test == nil || seen[n] {
			return
		}
		seen[n] = true
		visit(n.No)
		visit(n.Yes)
		out = append(out, n)
	}
	visit(root)
	slices.Reverse(out)
	return out
}

type graph struct {
	ids     map[string]int // numbers of tests and of values, by their text
	infos   map[*Compare]info
	nodes   map[mold]*Node // each test with the same ends is one
	numbers map[*Node]int
	under   map[*Node]bits
	done    map[string]*Node
	work    int
}

// An info is what there is to know of a test.
type info struct {
	test, value int
	op          Op // value op number; "" if it is no such test
	number      uint32
}

// A mold is what a node is made of.
type mold struct {
	test    int
	yes, no *Node
}

func (g *graph) id(text string) int {
	n, ok := g.ids[text]
	if !ok {
		n = len(g.ids)
		g.ids[text] = n
	}
	return n
}

func (g *graph) info(c *Compare) info {
	i, ok := g.infos[c]
	if ok {
		return i
	}
	i = info{test: g.id(text(c)), value: g.id(text(c.X))}
	if n, ok := c.Y.(Number); ok {
		i.op, i.number = c.Op, uint32(n)
	}
	g.infos[c] = i
	return i
}

func (g *graph) node(c *Compare, yes, no *Node) *Node {
	if yes == no {
		return yes
	}
	m := mold{g.info(c).test, yes, no}
	if g.nodes[m] == nil {
		n := &Node{c, yes, no}
		g.nodes[m], g.numbers[n] = n, len(g.nodes)
	}
	return g.nodes[m]
}

// lay makes the nodes of a tree that goes on to yes or no.
func (g *graph) lay(t Test, yes, no *Node) *Node {
	switch t := t.(type) {
	case *And:
		return g.lay(t.X, g.lay(t.Y, yes, no), no)
	case *Or:
		return g.lay(t.X, yes, g.lay(t.Y, yes, no))
	case *Not:
		return g.lay(t.X, no, yes)
	case Always:
		if t {
			return yes
		}
		return no
	}
	return g.node(t.(*Compare), yes, no)
}

// A fact is what a test has shown.
type fact struct {
	info
	is bool // the test held
}

// key tells a fact from others.
func (f fact) key() uint64 {
	k := uint64(f.test) << 1
	if f.is {
		k++
	}
	return k
}

// outcome is how a test comes out where these are the facts, if they tell.
func outcome(t info, facts []fact) (is, known bool) {
	for _, f := range facts {
		switch {
		case f.test == t.test:
			return f.is, true
		case f.is && f.op == Equal && t.op != "" && f.value == t.value:
			return t.op.Holds(f.number, t.number), true
		}
	}
	return false, false
}

// reduce makes a node anew where these are the facts.
func (g *graph) reduce(n *Node, facts []fact) *Node {
	for n.Test != nil {
		is, known := outcome(g.info(n.Test), facts)
		if !known {
			break
		}
		if is {
			n = n.Yes
		} else {
			n = n.No
		}
	}
	if g.work++; n.Test == nil || g.work >= maxWork {
		return n
	}
	facts = g.bearing(n, facts)
	key := binary.AppendUvarint(nil, uint64(g.numbers[n]))
	for _, f := range facts {
		key = binary.AppendUvarint(key, f.key())
	}
	if out, ok := g.done[string(key)]; ok {
		return out
	}
	with := func(is bool) []fact { return append(slices.Clip(facts), fact{g.info(n.Test), is}) }
	out := g.node(n.Test, g.reduce(n.Yes, with(true)), g.reduce(n.No, with(false)))
	g.done[string(key)] = out
	return out
}

// bearing are the facts that tests from n on may ask for, in an order.
func (g *graph) bearing(n *Node, facts []fact) []fact {
	below := g.below(n)
	var out []fact
	for _, f := range facts {
		if below.has(f.test) || f.is && f.op == Equal && below.has(f.value) {
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b fact) int { return a.test - b.test })
	return out
}

// below are the tests from n on, and what they compare.
func (g *graph) below(n *Node) bits {
	if s, ok := g.under[n]; ok || n.Test == nil {
		return s
	}
	i := g.info(n.Test)
	s := bits(nil).with(g.below(n.Yes)).with(g.below(n.No)).and(i.test).and(i.value)
	g.under[n] = s
	return s
}

// bits is a set of numbers.
type bits []uint64

func (b bits) has(n int) bool { return n/64 < len(b) && b[n/64]>>(n%64)&1 != 0 }

// and adds a number; b is the caller's own.
func (b bits) and(n int) bits {
	for n/64 >= len(b) {
		b = append(b, 0)
	}
	b[n/64] |= 1 << (n % 64)
	return b
}

// with adds a set; b is the caller's own.
func (b bits) with(c bits) bits {
	for len(b) < len(c) {
		b = append(b, 0)
	}
	for i, w := range c {
		b[i] |= w
	}
	return b
}
