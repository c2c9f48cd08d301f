package pcap

import "fmt"

// A Filter is an expression that was read. It must not be changed.
type Filter struct {
	Text  string
	Root  *Node   // the first test, or an end
	Nodes []*Node // all but the ends, each before those that it leads to
	MACs  bool    // it asks for addresses of Ethernet
}

// newFilter makes the filter of a tree.
func newFilter(text string, t Test) *Filter {
	root := graphOf(t)
	return &Filter{Text: text, Root: root, Nodes: order(root)}
}

// A Test holds for a frame or does not. It is one of [*And], [*Or], [*Not],
// [*Compare] and [Always].
type Test interface{ test() }

type (
	// And holds if X and then Y hold.
	And struct{ X, Y Test }
	// Or holds if X holds, or then Y.
	Or struct{ X, Y Test }
	// Not holds if X does not.
	Not struct{ X Test }
	// Compare holds if X Op Y; both are unsigned numbers of 32 bits.
	Compare struct {
		Op   Op // Equal, Greater or AtLeast
		X, Y Value
	}
	// Always is a test whose outcome is known.
	Always bool
)

// A Value is an unsigned number of 32 bits. It is one of [Number], [Len],
// [EtherType], [*Load], [*Arith] and [*Negated].
type Value interface{ value() }

type (
	// Number is a number that is known.
	Number uint32
	// Len is the length of the frame in octets.
	Len struct{}
	// EtherType is the type in the Ethernet header: octets 12 and 13. Where packets
	// come without one 14 zeros count before the IP header, and the type is that of
	// its version.
	EtherType struct{}
	// Load is Size octets, big-endian: 1, 2 or 4. They begin at Off plus Index, a
	// sum that does not wrap. A nil Index is 0.
	Load struct {
		Off   uint32
		Index Value
		Size  int
	}
	// Arith is X Op Y; it wraps. What is shifted by more than 31 is 0.
	Arith struct {
		Op   Op
		X, Y Value
	}
	// Negated is -X; it wraps.
	Negated struct{ X Value }
)

// An Op is an operator.
type Op string

// The operators of [Compare], and those of [Arith].
const (
	Equal   Op = "=="
	Greater Op = ">"
	AtLeast Op = ">="

	Add       Op = "+"
	Sub       Op = "-"
	Mul       Op = "*"
	Div       Op = "/"
	Mod       Op = "%"
	BitAnd    Op = "&"
	BitOr     Op = "|"
	BitXor    Op = "^"
	ShiftUp   Op = "<<"
	ShiftDown Op = ">>"
)

func (*And) test()     {}
func (*Or) test()      {}
func (*Not) test()     {}
func (*Compare) test() {}
func (Always) test()   {}

func (Number) value()    {}
func (Len) value()       {}
func (EtherType) value() {}
func (*Load) value()     {}
func (*Arith) value()    {}
func (*Negated) value()  {}

// text tells tests and values apart.
func text(x any) string {
	switch x := x.(type) {
	case *Compare:
		return text(x.X) + string(x.Op) + text(x.Y)
	case Number:
		return fmt.Sprint(uint32(x))
	case *Load:
		if x.Index == nil {
			return fmt.Sprintf("[%d:%d]", x.Off, x.Size)
		}
		return fmt.Sprintf("[%s+%d:%d]", text(x.Index), x.Off, x.Size)
	case *Arith:
		return "(" + text(x.X) + string(x.Op) + text(x.Y) + ")"
	case *Negated:
		return "-" + text(x.X)
	}
	return fmt.Sprintf("%T", x) // of which there is one
}

// Calc computes x op y as a filter does; ok is false where it divides by zero.
func (op Op) Calc(x, y uint32) (z uint32, ok bool) {
	switch op {
	case Add:
		return x + y, true
	case Sub:
		return x - y, true
	case Mul:
		return x * y, true
	case BitAnd:
		return x & y, true
	case BitOr:
		return x | y, true
	case BitXor:
		return x ^ y, true
	case ShiftUp: // Go, too, shifts everything out
		return x << y, true
	case ShiftDown:
		return x >> y, true
	}
	switch {
	case y == 0:
		return 0, false
	case op == Div:
		return x / y, true
	}
	return x % y, true
}

// Holds compares x with y.
func (op Op) Holds(x, y uint32) bool {
	switch op {
	case Equal:
		return x == y
	case Greater:
		return x > y
	}
	return x >= y
}

// and, or and not make tests, nil standing for none.

func and(ts ...Test) Test { return chain(ts, func(x, y Test) Test { return &And{x, y} }) }

func or(ts ...Test) Test { return chain(ts, func(x, y Test) Test { return &Or{x, y} }) }

func chain(ts []Test, join func(x, y Test) Test) Test {
	var out Test
	for _, t := range ts {
		switch {
		case t == nil:
		case out == nil:
			out = t
		default:
			out = join(out, t)
		}
	}
	return out
}

func not(t Test) Test {
	if a, ok := t.(Always); ok {
		return !a
	}
	return &Not{t}
}

// compare makes a test; one of numbers is decided.
func compare(op Op, x, y Value) Test {
	a, aok := x.(Number)
	b, bok := y.(Number)
	if aok && bok {
		return Always(op.Holds(uint32(a), uint32(b)))
	}
	return &Compare{op, x, y}
}

func equal(x Value, n uint32) Test { return compare(Equal, x, Number(n)) }

// arith makes a value; one of numbers is computed. So does libpcap's optimizer,
// which also leaves out a load of which nothing is used.
func arith(op Op, x, y Value) Value {
	a, aok := x.(Number)
	b, bok := y.(Number)
	if aok && bok {
		if z, ok := op.Calc(uint32(a), uint32(b)); ok {
			return Number(z)
		}
	}
	if nothing := aok && a == 0 || bok && b == 0; nothing && (op == BitAnd || op == Mul) {
		return Number(0)
	}
	return &Arith{op, x, y}
}

func negated(x Value) Value {
	if n, ok := x.(Number); ok {
		return -n
	}
	return &Negated{x}
}

// load makes a load. An index that is known joins the offset, and wraps there.
func load(off uint32, index Value, size int) Value {
	if n, ok := index.(Number); ok {
		off, index = off+uint32(n), nil
	}
	return &Load{off, index, size}
}

// masked is x & mask == n.
func masked(x Value, mask, n uint32) Test {
	if mask != 0xffffffff {
		x = arith(BitAnd, x, Number(mask))
	}
	return equal(x, n)
}
