package lang

import (
	"bytes"
	"slices"

	"weir/lang/check"
	"weir/lang/gen"
	"weir/lang/lower"
)

// A Point is one of the kernel's programs that a chain at connect is. All share the
// maps and exits of their [Program].
type Point struct {
	// At are the points that it is attached to, as the kernel calls them in lower
	// case: connect4, connect6, sendmsg4, sendmsg6, recvmsg4, recvmsg6,
	// getpeername4, getpeername6.
	At   []string
	Code gen.Code
}

// CodeAt returns the code of the part that is attached to a point; of a program
// that is one, Code.
func (p *Program) CodeAt(point string) *gen.Code {
	for i := range p.Points {
		if slices.Contains(p.Points[i].At, point) {
			return &p.Points[i].Code
		}
	}
	return &p.Code
}

// families of sockets: the kernel lets a program touch the fields of one.
var families = [...]struct {
	number        int
	asked, answer []string // points
}{
	{4, []string{"connect4", "sendmsg4"}, []string{"recvmsg4", "getpeername4"}},
	{6, []string{"connect6", "sendmsg6"}, []string{"recvmsg6", "getpeername6"}},
}

// points compiles a chain for connect.
func (c *compiler) points(tree *check.Program, apart bool) (*Program, error) {
	var p *Program
	var first *lower.Result
	for _, f := range families {
		c.family = f.number
		low, chosen, err := c.lower(tree, apart)
		if err != nil {
			return nil, err
		}
		q, err := c.generate(tree, low, chosen)
		if err != nil {
			return nil, err
		}
		if p == nil {
			p, first = q, low
		} else if !slices.Equal(first.Exits, low.Exits) || !bytes.Equal(first.Consts, low.Consts) {
			panic("the programs of the two families end in different ways")
		}
		p.Maps = union(p.Maps, q.Maps)
		p.Points = append(p.Points, Point{f.asked, q.Code})
		if low.IR.Map(lower.OriginMap) == nil {
			continue
		}
		code, err := c.code(lower.Reverse(low, f.number), form{}, tree)
		if err != nil {
			return nil, err
		}
		p.Points = append(p.Points, Point{f.answer, *code})
	}
	p.Code = gen.Code{}
	return p, nil
}

// union adds the maps that only one of the programs has: the compiler's own.
func union(a, b []Map) []Map {
	for _, m := range b {
		if !slices.ContainsFunc(a, func(n Map) bool { return n.Spec.Name == m.Spec.Name }) {
			a = append(a, m)
		}
	}
	return a
}
