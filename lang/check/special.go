package check

import (
	"slices"

	"fmt"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"weir/hook"
	"weir/lang/diag"
	"weir/lang/value"
	"weir/packet"
)

// A checker types the packet time of one chain. Functions are specialised anew for
// each chain: what they count is the chain's.
type checker struct {
	b        *builder
	prog     *Program // to which it adds
	root     root
	diags    diag.List
	specials map[string]*special
	stack    []*special // those that are being typed, outermost first
	used     map[*Map]bool
	params   map[*Param]bool
	objects  map[*Object]map[string]bool // the functions of C objects that are called
	// wants names the parameters whose values a function needs to know, since
	// they bound a loop in it.
	wants map[*resolve.Function]map[int]bool
	infos map[*resolve.Function]*bodyInfo

	globals map[*starlark.Module]starlark.StringDict
	lost    bool // a tree has holes
	funcs   []*Func
	tallies []*Map
}

// A callee is a function that packet-time code calls.
type callee struct {
	name  string
	def   *resolve.Function
	fn    *starlark.Function // nil for a localFunc
	local *localFunc
}

// id tells callees apart: closures of one def differ.
func (f callee) id() string {
	if f.fn != nil {
		return fmt.Sprintf("%p", f.fn)
	}
	return fmt.Sprintf("%p", f.local)
}

func (f callee) pos() diag.Pos { return posOf(f.def.Pos) }

// An argument is what a function is specialised for: a type, or a value known at
// build time.
type argument struct {
	typ    value.Type
	static starlark.Value
	bounds *interval // of an integer that bounds a loop
	bad    bool      // an error was told about it
}

func (a argument) key() string {
	if a.bad {
		return "?"
	}
	if a.bounds != nil {
		return fmt.Sprintf("%s %d…%d", a.typ, a.bounds.lo, a.bounds.hi)
	}
	if a.static == nil {
		return a.typ.String()
	}
	return staticKey(a.static)
}

// staticKey is the same for values that a function need not tell apart.
func staticKey(v starlark.Value) string {
	switch v := v.(type) {
	case starlark.Tuple:
		var s []string
		for _, e := range v {
			s = append(s, staticKey(e))
		}
		return "(" + strings.Join(s, ",") + ")"
	case starlark.NoneType, starlark.Bool, starlark.Int, starlark.String, starlark.Bytes, addrVal, prefixVal,
		*typeVal, verdictVal, ifaceVal, *packetBuiltin:
		return v.Type() + "=" + v.String()
	case *mapVal:
		return fmt.Sprintf("map=%p", v.m)
	case *mapMethod:
		return fmt.Sprintf("method=%p.%s", v.m.m, v.name)
	case *paramVal:
		return fmt.Sprintf("param=%p", v.p)
	}
	return fmt.Sprintf("%s=%p", v.Type(), v)
}

// A special is a function specialised for its arguments.
type special struct {
	callee
	key       string
	attached  bool
	args      []argument
	out       *Func
	vars      []*variable // by index of their binding
	result    value.Type
	hasResult bool     // some return gives a value
	resultAt  diag.Pos // the first that does
	hidden    *Local   // the packet, if it comes from the function around
	failed    bool     // an error was told about a return's value
	// What the last pass found.
	diags     diag.List
	unguarded []reading
	calls     []*special
	tallies   []*Map
	wanted    bool // its wants grew
	// What moves the packet: the first move, the loops that do, and which views have
	// ended at the end of a turn of theirs.
	moves     moving
	loopMoves map[syntax.Stmt]bool
	loopEnds  map[syntax.Stmt]map[*Local]moving
	lost      bool
}

// A reading is a field read of a header that was not tested.
type reading struct {
	pos    diag.Pos
	header packet.Header
	inner  bool // of the packet inside
	field  string
	write  bool
}

// view is the type of the header.
func (r reading) view() value.Type {
	return value.Type{Kind: value.View, Header: r.header, Inner: r.inner}
}

func newChecker(b *builder, p *Program, r root) *checker {
	return &checker{
		b: b, prog: p, root: r, specials: map[string]*special{},
		used: map[*Map]bool{}, params: map[*Param]bool{}, objects: map[*Object]map[string]bool{},
		wants: map[*resolve.Function]map[int]bool{}, infos: map[*resolve.Function]*bodyInfo{},
		globals: map[*starlark.Module]starlark.StringDict{},
	}
}

func (c *checker) errorf(pos diag.Pos, code, hint, format string, args ...any) {
	c.diags = append(c.diags, diag.Diagnostic{Pos: pos, Code: code, Message: fmt.Sprintf(format, args...), Hint: hint})
}

// verdict returns the index of a verdict constant.
func (c *checker) verdict(v Verdict) int { return indexIn(&c.prog.Verdicts, v) }

// counter returns the index of a counter of the chain.
func (c *checker) counter(name string) int { return indexIn(&c.prog.Counters, c.root.prefix+name) }

// histogram returns the index of a histogram of the chain.
func (c *checker) histogram(name string) int { return indexIn(&c.prog.Hists, c.root.prefix+name) }

// indexIn returns the index of x in list, to which it is added if it is new.
func indexIn[T string | Verdict](list *[]T, x T) int {
	i := slices.Index(*list, x)
	if i < 0 {
		i = len(*list)
		*list = append(*list, x)
	}
	return i
}

// group notes the interfaces of a redirect([…]).
func (c *checker) group(names string) {
	indexIn(&c.prog.Groups, names)
	if c.b.opts.Hook == hook.XDP {
		c.verdict(Verdict{Action: Drop, Reason: NoCopies})
	}
}

// socket notes a name of to_socket().
func (c *checker) socket(name string) { indexIn(&c.prog.Sockets, name) }

// run types the attached function and all that it calls.
func (c *checker) run() {
	fn := c.attached(c.root.module)
	if fn == nil {
		return
	}
	def := c.b.defs[posOf(fn.Position())]
	f := callee{name: c.root.fn, def: def, fn: fn}
	if len(def.Params) != 1 || fn.HasVarargs() || fn.HasKwargs() {
		c.errorf(f.pos(), "call", "write def "+f.name+"("+c.subject()+"):", "an attached function has one parameter, %s, but %s has %d", the[c.subject()], f.name, len(def.Params))
		return
	}
	if !c.takes(f) {
		return
	}
	s := c.special(f, []argument{{typ: value.PacketT}}, true)
	c.collect(s, map[*special]bool{})
	for _, r := range s.unguarded {
		if c.b.opts.Line {
			break // who types one line knows
		}
		if isStd(r.pos.File) {
			continue // who calls the library cannot mend it
		}
		w := r
		w.write = true
		if !r.write && slices.Contains(s.unguarded, w) {
			continue // x -= 1 is said once
		}
		c.warnUnguarded(r)
	}
	if c.lost && c.diags.Err() == nil && c.b.unknown == 0 {
		panic("an expression has no type, and no error was told")
	}
	c.mergeTallies()
	c.prog.Funcs = append(c.prog.Funcs, c.funcs...)
	chain := Chain{Name: c.root.name, File: c.root.module.name, Func: c.root.fn, Main: s.out, Observe: c.root.observe}
	if p := c.root.program; p != nil {
		chain.File, chain.Func = p.File, p.Func
	}
	c.prog.Chains = append(c.prog.Chains, chain)
}

// attached finds the function to attach.
func (c *checker) attached(m *module) *starlark.Function {
	name := c.root.fn
	v := m.globals[name]
	if v == nil {
		v = m.loaded[name]
	}
	if fn, ok := v.(*starlark.Function); ok {
		return fn
	}
	pos := diag.Pos{File: m.name}
	if v != nil {
		c.errorf(pos, "name", "attach a function: def "+name+"(pkt):", "%s is %s, not a function", name, describe(v))
		return nil
	}
	var names []string
	for _, id := range m.order {
		if _, ok := m.globals[id.Name].(*starlark.Function); ok {
			names = append(names, id.Name)
		}
	}
	switch {
	case len(names) == 0:
		c.errorf(pos, "name", "write def "+name+"(pkt):", "the file defines no function %s", name)
	case nearest(name, names) != "" || name != "main":
		c.errorf(pos, "name", didYouMean(name, "", names), "the file defines no function %s", name)
	default:
		c.errorf(pos, "name", fmt.Sprintf("write def main(pkt):, or name the function on the command line: %s:%s", m.name, names[0]), "the file defines no function main")
	}
	return nil
}

// special returns the specialisation of f for args, typing it if it is new.
func (c *checker) special(f callee, args []argument, attached bool) *special {
	key := f.id()
	for _, a := range args {
		key += "|" + a.key()
	}
	if s := c.specials[key]; s != nil {
		return s
	}
	s := &special{callee: f, key: key, args: args, attached: attached}
	c.specials[key] = s
	s.out = &Func{Name: f.name, Pos: f.pos()}
	if len(c.specials) > maxSpecial {
		s.diags = append(s.diags, diag.Diagnostic{
			Pos: f.pos(), Code: "limit",
			Message: fmt.Sprintf("more functions are specialised than the limit of %d", maxSpecial),
			Hint:    "pass what differs as numbers instead of strings, lists or functions",
		})
		return s
	}
	c.stack = append(c.stack, s)
	defer func() { c.stack = c.stack[:len(c.stack)-1] }()
	s.declare()
	for {
		p := newPass(c, s)
		p.run()
		if !p.changed {
			p.finish()
			return s
		}
	}
}

// calling reports the path from f to itself, if f is being typed.
func (c *checker) calling(f callee) []string {
	for i, s := range c.stack {
		if s.id() == f.id() {
			var path []string
			for _, t := range c.stack[i:] {
				path = append(path, t.name)
			}
			return append(path, f.name)
		}
	}
	return nil
}

// collect gathers what is reached from s: functions, callees first, and their
// diagnostics. Those of the standard library were told at the call.
func (c *checker) collect(s *special, seen map[*special]bool) {
	if seen[s] {
		return
	}
	seen[s] = true
	c.lost = c.lost || s.lost
	for _, t := range s.calls {
		c.collect(t, seen)
	}
	c.funcs = append(c.funcs, s.out)
	c.tallies = append(c.tallies, s.tallies...)
	if !isStd(s.pos().File) || s.attached {
		c.diags = append(c.diags, s.diags...)
	}
}

func isStd(file string) bool { return strings.HasPrefix(file, "std/") }
