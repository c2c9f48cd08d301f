package ref

import (
	"fmt"
	"path"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Options say where a chain runs and what it sees of the world. Functions
// that are nil give zero.
type Options struct {
	Func string // function of the file; "" means main
	Then []Part // the chains that PASS goes on to

	Observe bool // of the first: see Part
	// Load reads a module. It gets the name as it is written in load(), but
	// for a "./" name in a module: that is relative to the module, and comes
	// as the attached file would write it.
	Load func(name string) ([]byte, error)
	// Hook is a name of a hook, as "xdp". A chain of packets means the same at each of
	// them: frames of those of netfilter and cgroups have 14 zeros for an Ethernet
	// header. At "connect" and "sk-lookup" chains take connections: [Chain.RunConn].
	Hook           string
	IfIndex, Queue uint32
	Interface      func(name string) uint32 // for redirect("eth1")
	CPUs           int                      // of the machine
	Copied         int                      // octets of the longest frame that the kernel copies to several interfaces; 0: all
	// What the kernel keeps beside a packet, but at XDP: Segments below 1 are 1.
	Mark, Priority, Hash, Segments uint32
	Now                            func() uint64 // ns; read at most once a packet
	Rand                           func() uint64
	Params                         map[string]uint64         // values of params, by name
	Clone                          func(ifindex uint32) bool // nil: nothing is sent
	// SynCookie is what the kernel makes for an IP header of 20 or 40 bytes and a TCP
	// header; CookieOK whether it takes one back.
	SynCookie func(ip, tcp []byte) (cookie uint32, mss uint16)
	CookieOK  func(ip, tcp []byte) bool
	FIB       func(FIBQuery) FIBRoute // nil: nothing is forwarded

	Reached func(file string, line, col int) // told of every statement that a packet reaches
}

// A Part is a chain that stands behind others.
type Part struct {
	File   string
	Func   string // "" means main
	Source []byte

	Observe bool // verdicts are counted, and everything passes
}

// A Chain is a chain with its maps, which are kept from packet to packet, or
// several one behind the other. It is for one goroutine.
type Chain struct {
	e      *evaluator
	attach []attached
	maps   map[string]*mapVal
	params map[string]*paramVal
}

// attached is a function that packets go through. What it counts has the prefix
// before its name.
type attached struct {
	name, prefix string
	f            *function
	observe      bool
}

// A Result is what a chain did with a packet.
type Result struct {
	Chain          string // that gave the verdict: its file's base name, with :FUNC if two are of one file
	Verdict        string // PASS ACCEPT DROP TX REDIRECT REJECT SOCKET USER
	Reason         string
	Target         uint32            // interface of a redirect, queue of to_user
	Group          string            // interfaces of a redirect to several, with commas between
	Socket         string            // that to_socket names
	Line           int               // of the attached function's return; of its def where it ended without
	Frame          []byte            // as the chain left it
	Mark, Priority uint32            // likewise; 0 at XDP
	Counts         map[string]uint64 // what this packet added to each counter, of count(x) named TEXT=VALUE; without zeros
	Logs           []string
	Rings          map[string][]string // what this packet put into each ring
	Hists          map[string][]Number // what this packet put into each histogram
}

// evaluator is packet time. at is the place that is looked at.
type evaluator struct {
	opts        Options
	predeclared starlark.StringDict
	defs        map[place]*resolve.Function
	functions   map[*starlark.Function]*function
	builder     *builder
	inferring   int

	at    syntax.Position
	steps int
	depth int
	running,
	timed bool // in a packet; the clock was read in it
	prefix string // of the chain that runs
	time   uint64
	counts map[string]uint64
	hists  map[string][]Number
	logged []string
	lines  map[place]uint64 // when each log() of the source may write again, ns
}

// Open runs the build time of a chain file. Its error is that of the parser,
// resolver or interpreter of Starlark, or an [Error].
func Open(filename string, src []byte, opts Options) (c *Chain, err error) {
	e := &evaluator{opts: opts, functions: map[*starlark.Function]*function{}, lines: map[place]uint64{}}
	defer e.recovered(&err)
	b := newBuilder(opts, e.now)
	e.builder, e.predeclared, e.defs = b, b.predeclared, b.defs
	parts := append([]Part{{filename, opts.Func, src, opts.Observe}}, opts.Then...)
	ms, err := b.roots(parts)
	if err != nil {
		return nil, err
	}
	c = &Chain{e: e, maps: map[string]*mapVal{}, params: map[string]*paramVal{}}
	names := b.name(ms)
	for p, name := range names.params {
		c.params[name] = p
	}
	for name, v := range opts.Params {
		if err := c.SetParam(name, v); err != nil {
			return nil, err
		}
	}
	for m, name := range names.maps {
		c.maps[name] = m
		if err := m.reset(); err != nil {
			return nil, fmt.Errorf("map %s: %w", name, err)
		}
	}
	for i := range parts {
		if err := c.add(parts, i, ms[i]); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// add attaches part i, whose build time gave m.
func (c *Chain) add(parts []Part, i int, m *module) error {
	p := parts[i]
	if p.Func == "" {
		p.Func = "main"
	}
	a := attached{name: base(p.File), observe: p.Observe, f: c.e.functionOf(m.values[p.Func])}
	if a.f == nil {
		return fmt.Errorf("%s: no function %s", p.File, p.Func)
	}
	if len(a.f.params) == 0 {
		return fmt.Errorf("%s: %s takes no packet", p.File, p.Func)
	}
	for j, q := range parts {
		if j != i && q.File == p.File {
			a.name = base(p.File) + ":" + p.Func
		}
	}
	if len(parts) > 1 {
		a.prefix = a.name + "."
	}
	c.attach = append(c.attach, a)
	return nil
}

// base is what a file's chain is called.
func base(file string) string { return strings.TrimSuffix(path.Base(file), ".weir") }

// ethernet reports whether packets have an Ethernet header at the hook.
func (e *evaluator) ethernet() bool {
	return !strings.HasPrefix(e.opts.Hook, "netfilter-") && !strings.HasPrefix(e.opts.Hook, "cgroup-")
}

// recovered makes an error of a refusal.
func (e *evaluator) recovered(err *error) {
	switch r := recover().(type) {
	case nil:
	case refusal:
		*err = &Error{Pos: e.at, Msg: string(r)}
	default:
		panic(r)
	}
}

// Run runs the chain on a frame, which is not changed; of several each after the
// one before it has given PASS. Its error is always an
// [Error]; maps keep what was written before it.
func (c *Chain) Run(frame []byte) (Result, error) {
	p := &packet{frame: append([]byte(nil), frame...), e: c.e}
	if opts := c.e.opts; opts.Hook != "xdp" {
		p.mark, p.priority = opts.Mark, opts.Priority
	}
	res, err := c.run(p)
	res.Frame, res.Mark, res.Priority = p.frame, p.mark, p.priority
	return res, err
}

// run runs the chain on a packet or a connection.
func (c *Chain) run(subject value) (res Result, err error) {
	e := c.e
	e.steps, e.depth, e.timed, e.running = 0, 0, false, true
	e.logged = nil
	for _, m := range c.maps {
		if m.kind == "ring" {
			m.line = nil
		}
	}
	e.counts, e.hists = map[string]uint64{}, map[string][]Number{}
	defer func() { e.running = false }()
	defer e.recovered(&err)
	v, line, chain := pass, 0, ""
	for _, a := range c.attach {
		v, line = e.attached(a, subject)
		if a.observe && v.kind != pass.kind {
			e.counts[strings.TrimSpace(a.name+".observed "+v.kind+" "+v.reason)]++
			v = pass
		}
		if chain = a.name; v != pass {
			break
		}
	}
	v = e.carryOut(v, subject)
	for name, n := range e.counts {
		if n == 0 {
			delete(e.counts, name)
		}
	}
	return Result{Chain: chain, Verdict: v.kind, Reason: v.reason, Target: v.target, Group: v.group, Line: line, Counts: e.counts, Hists: e.hists,
		Socket: v.socket, Logs: e.logged, Rings: c.rings()}, nil
}

// attached runs one of the functions that packets go through.
func (e *evaluator) attached(a attached, subject value) (v verdict, line int) {
	e.prefix = a.prefix
	out, line := e.call(a.f, bind(a.f, []value{subject}, nil, a.f.fallback))
	switch out := out.(type) {
	case starlark.NoneType:
		return pass, line
	case verdict:
		return out, line
	}
	refuse("%s returns %s, not a verdict", a.f.name, out.Type())
	return pass, line
}

// carryOut does what a verdict asks for, and gives the verdict that counts: what
// gets no answer is dropped, and what is handed to a CPU that is not there, or to the
// receivers of another queue, stays where it is.
func (e *evaluator) carryOut(v verdict, subject value) verdict {
	p, isPacket := subject.(*packet)
	conn, _ := subject.(*connection)
	switch {
	case v.kind == "REJECT" && isPacket:
		f := answer(p.frame)
		if f == nil {
			return drop
		}
		p.frame = f
	case v.kind == "SOCKET" && conn.NoSocket:
		return verdict{kind: "PASS", reason: "no such socket"}
	case v.kind == "USER" && v.target != e.opts.Queue:
		return verdict{kind: "PASS", reason: "nobody receives"}
	case v.via == "cpu" && v.target >= uint32(e.opts.CPUs):
		return verdict{kind: "PASS", reason: "no such CPU"}
	case v.via == "group" && e.opts.Copied > 0 && len(p.frame) > e.opts.Copied:
		return verdict{kind: "DROP", reason: "too long to copy"}
	}
	return v
}

// Maps is what each map holds: text of the key to text of the value, which is
// empty in a set. Expired entries are left out.
func (c *Chain) Maps() map[string]map[string]string {
	out := map[string]map[string]string{}
	for name, m := range c.maps {
		out[name] = m.dump()
	}
	return out
}

// rings is what this packet put into each ring.
func (c *Chain) rings() map[string][]string {
	out := map[string][]string{}
	for name, m := range c.maps {
		for _, v := range m.line {
			if m.kind == "ring" {
				out[name] = append(out[name], v.String())
			}
		}
	}
	return out
}

// Refused is how many new keys a full table refused or a full lru forgot.
func (c *Chain) Refused(name string) uint64 {
	if m := c.maps[name]; m != nil {
		return m.lost
	}
	return 0
}

// SetParam gives a param a value: the low bits of v.
func (c *Chain) SetParam(name string, v uint64) error {
	p := c.params[name]
	if p == nil {
		return fmt.Errorf("set %s: no such param", name)
	}
	if err := p.set(v); err != nil {
		return fmt.Errorf("set %s: %w", name, err)
	}
	return nil
}

// now reads the clock, once a packet.
func (e *evaluator) now() uint64 {
	if e.opts.Now == nil {
		return 0
	}
	if !e.running {
		return e.opts.Now()
	}
	if !e.timed {
		e.time, e.timed = e.opts.Now(), true
	}
	return e.time
}

func (e *evaluator) rand() uint64 {
	if e.opts.Rand == nil {
		return 0
	}
	return e.opts.Rand()
}

// step counts what is evaluated, and stops what does not end.
func (e *evaluator) step(at syntax.Position) {
	e.at = at
	if e.steps++; e.steps > packetSteps {
		refuse("more than %d steps for one packet", packetSteps)
	}
}

// reached tells of a statement; a docstring and a def are none.
func (e *evaluator) reached(s syntax.Stmt) {
	if e.opts.Reached == nil {
		return
	}
	if _, ok := s.(*syntax.DefStmt); ok {
		return
	}
	if x, ok := s.(*syntax.ExprStmt); ok {
		if l, ok := x.X.(*syntax.Literal); ok && l.Token == syntax.STRING {
			return
		}
	}
	at := syntax.Start(s)
	e.opts.Reached(at.Filename(), int(at.Line), int(at.Col))
}
