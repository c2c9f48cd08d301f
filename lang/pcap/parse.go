package pcap

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"weir/internal/spell"
)

// Limits of one expression. The nesting bounds our own stack.
const (
	maxText    = 64 << 10
	maxTokens  = 4096
	maxNesting = 100
)

// Qualifiers are what stands before a name or number and says what it is of.
type qualifiers struct {
	given bool   // false: there are none, and none to take over
	proto string // "" is any
	dir   string // "src", "dst", "and": both, "": either
	kind  string // "host", "net", "port", "portrange", "proto"; "" is host
}

// An item is what the parser has read: a test, or a value of arithmetic. A number
// alone can be part of either.
type item struct {
	test  Test
	value Value
	check Test       // of a value: the packet has the header that it reads
	q     qualifiers // what a name behind it takes over
	alone *token     // a number alone
}

type parser struct {
	tokens  []token
	i       int
	layers  layers
	nesting int
	macs    bool
}

// Parse reads an expression. The empty one holds for all packets. The error is an
// [*Error].
func Parse(text string) (f *Filter, err error) {
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(*Error)
			if !ok {
				panic(r)
			}
			f, err = nil, e
		}
	}()
	if len(text) > maxText {
		return nil, &Error{0, fmt.Sprintf("the filter has %d characters", len(text)), fmt.Sprintf("write at most %d", maxText)}
	}
	tokens, bad := scan(text)
	if bad != nil {
		return nil, bad
	}
	p := &parser{tokens: tokens, layers: outermost}
	if p.tok().kind == atEnd {
		return newFilter(text, Always(true)), nil
	}
	t := p.testOf(p.expr(qualifiers{}, false))
	if p.tok().kind != atEnd {
		p.unexpected("and, or, or the end")
	}
	f = newFilter(text, t)
	f.MACs = p.macs
	return f, nil
}

func (p *parser) tok() token { return p.tokens[p.i] }

// take goes on if the word is next.
func (p *parser) take(text string) bool {
	if p.tok().is(text) {
		p.i++
		return true
	}
	return false
}

func (p *parser) want(text string) {
	if !p.take(text) {
		p.unexpected(text)
	}
}

// fail ends parsing with an error at the token before.
func (p *parser) fail(message, hint string) { p.failAt(p.tokens[max(p.i-1, 0)].pos, message, hint) }

func (p *parser) failAt(pos int, message, hint string) { panic(&Error{pos, message, hint}) }

func (p *parser) unexpected(want string) {
	t := p.tok()
	if t.kind == atEnd {
		p.failAt(t.pos, "the filter ends where "+want+" is wanted", "see pcap-filter(7)")
	}
	if t.kind == name {
		hint := "a host is: host 192.0.2.1; a port is: port 80; see pcap-filter(7)"
		if n := spell.Nearest(t.text, slices.Sorted(maps.Keys(words))); n != "" {
			hint = "did you mean " + n + "?"
		}
		p.failAt(t.pos, fmt.Sprintf("%q is no word of filters, and stands behind none that takes a name", t.text), hint)
	}
	p.failAt(t.pos, fmt.Sprintf("%q stands where %s is wanted", t.text, want), "see pcap-filter(7)")
}

// expr reads tests joined by and and or, which bind alike, from the left. q is what
// a bare name takes over; with ids there are but names.
func (p *parser) expr(q qualifiers, ids bool) item {
	if p.nesting++; p.nesting > maxNesting {
		p.fail(fmt.Sprintf("the filter is nested more than %d deep", maxNesting), "leave out brackets that say nothing")
	}
	defer func() { p.nesting-- }()
	x := p.relation(q, ids)
	for p.tok().is("and") || p.tok().is("or") {
		left := p.testOf(x)
		join := p.tok().text
		p.i++
		y := p.relation(x.q, ids)
		right := p.testOf(y)
		if join == "and" {
			x = item{test: and(left, right), q: y.q}
		} else {
			x = item{test: or(left, right), q: y.q}
		}
	}
	if x.test == nil && x.alone == nil { // a value: for brackets
		return x
	}
	if p.tok().is(")") && x.alone != nil && x.test == nil && !x.q.given {
		return x // (5) of arithmetic
	}
	x.test = p.testOf(x)
	x.value, x.alone = nil, nil
	return x
}

// testOf makes a test of an item. A number alone is a name that takes over what
// stands before it.
func (p *parser) testOf(x item) Test {
	switch {
	case x.test != nil:
		return x.test
	case x.alone != nil:
		return p.ofNumber(*x.alone, x.q)
	}
	p.unexpected("a comparison: =, !=, <, <=, > or >=")
	return nil
}

// relation reads a test, or a value that nothing is compared with.
func (p *parser) relation(q qualifiers, ids bool) item {
	if p.take("not") {
		if p.nesting++; p.nesting > maxNesting {
			p.fail(fmt.Sprintf("the filter is nested more than %d deep", maxNesting), "leave out what negates itself")
		}
		x := p.relation(q, ids)
		p.nesting--
		return item{test: not(p.testOf(x)), q: x.q}
	}
	x := p.arithmetic(0, q, ids)
	if x.value == nil || ids {
		return x
	}
	for _, r := range relops {
		if !p.take(r.text) {
			continue
		}
		y := p.arithmetic(0, qualifiers{}, false)
		if y.value == nil {
			p.fail("a comparison has no value on its right side", "compare with a number: tcp[13] & tcp-syn != 0")
		}
		t := compare(r.op, x.value, y.value)
		if r.not {
			t = not(t)
		}
		return item{test: and(x.check, y.check, t)}
	}
	return x
}

var relops = []struct {
	text string
	op   Op
	not  bool
}{
	{">=", AtLeast, false}, {">", Greater, false}, {"=", Equal, false},
	{"<=", Greater, true}, {"<", AtLeast, true}, {"!=", Equal, true},
}

// factor reads what no operator stands in.
func (p *parser) factor(q qualifiers, ids bool) item {
	t := p.tok()
	p.i++
	switch t.kind {
	case number:
		return item{value: Number(t.value), alone: &t, q: q}
	case name, addr4, addr6, addrMAC:
		return item{test: p.named(t, q), q: q}
	}
	switch {
	case t.is("("):
		x := p.expr(q, ids)
		p.want(")")
		if x.test != nil {
			x.q = q
		}
		return x
	case ids, t.kind == atEnd:
	case t.is("-"):
		x := p.factor(qualifiers{}, false)
		if x.value == nil {
			p.fail("there is no number behind the minus", "negate a value: -1")
		}
		return item{value: negated(x.value), check: x.check}
	case t.is("len"):
		return item{value: Len{}}
	case protocols[t.text]:
		return p.protocol(t.text)
	case p.headed():
		p.i--
		return p.head("")
	default:
		if test := p.other(t); test != nil {
			return item{test: test}
		}
	}
	p.i--
	want := "a test"
	if ids {
		want = "a name, an address or a number"
	}
	p.unexpected(want)
	return item{}
}

// refused are the primitives of libpcap that are not here, and what to do instead.
var refused = map[string]string{
	"inbound": "attach the chain at a hook of that direction", "outbound": "attach the chain at a hook of that direction",
	"ifindex": "compare pkt.ifindex", "protochain": "pkt.ip.proto is the protocol behind all extension headers",
	"gateway": "name its MAC address: ether host", "geneve": "pkt.inner is the packet in a tunnel",
}

// other reads a primitive that takes no qualifiers, or gives nil.
func (p *parser) other(t token) Test {
	switch t.text {
	case "vlan":
		return p.vlan()
	case "mpls":
		return p.mpls()
	case "pppoed":
		return p.isType(typePPPoED)
	case "pppoes":
		return p.pppoe()
	case "broadcast", "multicast":
		return p.group("", t.text)
	case "less":
		return not(compare(Greater, Len{}, Number(p.num())))
	case "greater":
		return compare(AtLeast, Len{}, Number(p.num()))
	case "byte":
		return p.byteOp()
	}
	if hint, ok := refused[t.text]; ok {
		p.failAt(t.pos, t.text+" is not among the tests of filters here", hint)
	}
	if t.kind == word && strings.Trim(t.text, "abcdefghijklmnopqrstuvwxyz0123456789") == "" && !grammatical[t.text] {
		p.failAt(t.pos, t.text+" is not of Ethernet, or not among the tests of filters here", "look at the octets: ether[14:2] = 0xfefe")
	}
	return nil
}

// grammatical are the words that are no primitives.
var grammatical = set("src dst host net mask port portrange proto and or not len")

// num reads a number.
func (p *parser) num() uint32 {
	t := p.tok()
	if t.kind != number {
		p.unexpected("a number")
	}
	p.i++
	return t.value
}

// byteOp is byte OFFSET OP NUMBER, an old form of ether[OFFSET] OP NUMBER.
func (p *parser) byteOp() Test {
	x := load(p.layers.link+p.num(), nil, 1)
	op := p.tok()
	p.i++
	switch op.text {
	case "=":
		return equal(x, p.num())
	case "<":
		return not(compare(AtLeast, x, Number(p.num())))
	case ">":
		return compare(Greater, x, Number(p.num()))
	}
	p.i--
	p.failAt(op.pos, "byte takes =, < and >", "write ether[3] & 5 != 0")
	return nil
}
