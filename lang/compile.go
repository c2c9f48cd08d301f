// Package lang is the compiler: text of a chain in, or of several that follow one
// another at a hook, a [Program] out.
//
// The stages, each a package below this one and each printable:
//
//	source ── check ──► tree ── lower ──► ir ── opt ──► ir ── gen ──► Program
//	          names,            packets,        named            registers,
//	          types,            maps as         passes           eBPF, lines
//	          build time        helper calls
//
// Compile is pure: the same source gives the same program on every machine, and
// no kernel is asked. What only the loading machine knows (maps' descriptors,
// interfaces' indexes) is left open in the program. C objects that a chain calls are
// sources, too: package object reads what they have, and their code is linked when
// the program is loaded (link.go).
package lang

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"weir/hook"
	"weir/lang/check"
	"weir/lang/diag"
	"weir/lang/gen"
	"weir/lang/ir"
	"weir/lang/lower"
	"weir/lang/opt"
	"weir/lang/std"
)

// Options of a compile. The zero value compiles main for XDP.
type Options struct {
	File string    // name of the source, for messages and for the name of the program
	Func string    // the attached function; "" is main
	Line bool      // the source is a one-liner: the body of main (see docs/oneliners.md)
	Then []Part    // chains on the same hook: PASS of the first goes on to them, in order
	Hook hook.Hook // where it will run

	// Observe has the verdicts of the first chain counted, and lets everything pass; of
	// those that follow their Part says so.
	Observe bool

	// Among, if not nil, is the files of all chains that run under one name, at whatever
	// place, those of this program too: what they share is named alike in each program,
	// and maps, params and counts are called CHAIN.NAME, however many chains there are.
	Among []Part

	// Load reads the file that a load statement names, with its path already
	// joined to the folder of the file that loads it. Nil: only std/… can be
	// loaded.
	Load func(path string) ([]byte, error)

	Frags bool // at XDP: frames may have fragments (needed for large MTUs)
	Trace bool // write the result of each packet to the TraceMap
	Clock bool // read the time from the ClockMap
	Lines bool // count in the LineMap how often each statement is reached
	Steps bool // note in the StepMap what a packet meets on its way

	// Match, with Steps, is an expression over the packet: of those for which it holds
	// the notes are taken, and handed on by the StepRing. See [Told].
	Match string

	// Times takes the time of each statement to the TimeMap, of one packet in so many,
	// and counts as Lines does; 0: of none.
	Times int

	// Shared makes a program that may be attached to several interfaces, at hooks that
	// share programs (see [hook.Hook.Shares]): it finds by the SlotMap where exits are
	// counted. At others it does nothing.
	Shared bool

	Capture bool // hand packets that are dropped, at hook socket those that are not, to the CaptureMap

	// Dump, if set, is given the text of each stage: "check", "lower", "opt",
	// "gen", what is in "opt" by the places of the source ("lines", see
	// [ir.Program.Lines]), and after each pass of the optimiser "opt/NAME".
	Dump func(stage, text string)
}

// A Part is one more chain of a composition.
type Part = check.Part

// Compile compiles a chain, or several into one program. Its error is a
// [diag.List]; warnings of a valid program are in Program.Warnings.
func Compile(source []byte, opts Options) (p *Program, err error) {
	c := &compiler{opts: opts, stage: "check"}
	defer func() {
		if r := recover(); r != nil {
			p, err = nil, diag.List{{
				Pos:     diag.Pos{File: opts.File},
				Code:    "internal",
				Message: fmt.Sprintf("the compiler broke in stage %s: %v", c.stage, r),
				Hint:    "this is a bug of weir, not of the chain: please report it with the source",
			}}
		}
	}()
	return c.compile(source)
}

type compiler struct {
	opts   Options
	stage  string
	family int // of the part that is compiled, see points
}

func (c *compiler) compile(source []byte) (*Program, error) {
	tree, ds := check.Check(c.opts.File, source, check.Options{
		Func: c.opts.Func, Then: c.opts.Then, Among: c.opts.Among, Observe: c.opts.Observe, Line: c.opts.Line, Mark: c.opts.Lines || c.opts.Steps || c.opts.Times > 0, Match: c.opts.Match, Hook: c.opts.Hook, Load: c.load,
	})
	if err := ds.Err(); err != nil {
		return nil, err
	}
	if c.opts.Dump != nil {
		c.opts.Dump("check", tree.String())
	}
	p, err := c.build(tree, false)
	if err != nil && len(tree.Chains) > 1 && tooLarge(err) {
		p, err = c.build(tree, true)
	}
	if err != nil {
		return nil, err
	}
	p.Warnings = ds.Warnings()
	return p, nil
}

// build makes a program of a checked tree. Chains that do not fit together, since
// what they know of the packet takes too much of the stack, fit apart if each does
// alone.
func (c *compiler) build(tree *check.Program, apart bool) (*Program, error) {
	if c.opts.Hook == hook.Connect {
		return c.points(tree, apart)
	}
	low, f, err := c.lower(tree, apart)
	if err != nil {
		return nil, err
	}
	return c.generate(tree, low, f)
}

// tooLarge reports whether a program was refused for its size.
func tooLarge(err error) bool {
	var ds diag.List
	return errors.As(err, &ds) && slices.ContainsFunc(ds, func(d diag.Diagnostic) bool { return d.Code == "limit" })
}

// A form of a program: what is done for speed, and left where the program is long.
// The ways that a packet can take through the parser, multiplied by the length of
// what comes after, are what the verifier looks at, up to a million instructions.
type form struct {
	Tags    bool // frames with tags take the fast path, too
	careful bool // no passes that keep apart what meets
	Copy    bool // headers and reads are copied, wherever they are
	Apart   bool // each chain finds headers for itself

	unmarked bool // what takes the time is left out
}

// Operations of the attached function, as package lower makes it, from which on a
// form is left. An instruction comes of about two. Where several kinds of L4
// headers are parsed, the ways multiply: what counts then is the operations times
// the square of the kinds.
const (
	tagged  = 1700
	careful = 2600
	several = 3 // kinds

	varied   = 60_000 // operations times squared kinds
	mixed    = 40_000 // where a header may be a copy or not
	outlined = 20_000 // where loops are functions of their own: each is looked at for each way to it
)

// keepApart are the passes that leave the verifier fewer places where ways meet in
// equal states.
var keepApart = map[string]bool{"thread": true, "loads": true, "slots": true, "hoist": true}

// lower takes a checked program to the middle form, and chooses its form.
func (c *compiler) lower(tree *check.Program, apart bool) (*lower.Result, form, error) {
	c.stage = "lower"
	timed := c.opts.Times > 0 // in the form of the program that is asked about
	low, err := c.lowerAs(tree, form{Tags: true, Apart: apart, unmarked: timed})
	if err != nil {
		return nil, form{}, err
	}
	f := c.choose(low)
	f.Apart = apart
	if !f.Tags || timed {
		if low, err = c.lowerAs(tree, f); err != nil {
			return nil, form{}, err
		}
	}
	if c.opts.Dump != nil {
		c.opts.Dump("lower", low.IR.String())
	}
	for _, f := range low.IR.Funcs {
		if err := ir.Verify(f); err != nil {
			panic(err)
		}
	}
	return low, f, nil
}

// choose returns the form for a program that has been lowered with all there is.
func (c *compiler) choose(low *lower.Result) form {
	n := low.IR.Funcs[0].NumValues()
	most := varied
	switch {
	case slices.ContainsFunc(low.IR.Funcs, func(f *ir.Func) bool { return f.Linkage == ir.Callback }):
		most = outlined
	case c.opts.Hook != hook.XDP || c.opts.Frags:
		most = mixed
	}
	f := form{careful: n > careful, Copy: low.Kinds >= several && n*low.Kinds*low.Kinds > most}
	f.Tags = n <= tagged && !f.Copy
	return f
}

func (c *compiler) lowerAs(tree *check.Program, f form) (*lower.Result, error) {
	o := lower.Options{
		Hook: c.opts.Hook, Frags: c.opts.Frags, Trace: c.opts.Trace, Clock: c.opts.Clock, Capture: c.opts.Capture,
		Lines: c.opts.Lines, Steps: c.opts.Steps, Times: c.opts.Times, Shared: c.opts.Shared && c.opts.Hook.Shares(),
		Tags: f.Tags, Copy: f.Copy, Apart: f.Apart, Family: c.family,
	}
	if f.unmarked {
		o.Lines, o.Times = false, 0
	}
	low, ds := lower.Lower(tree, o)
	tree.Sources.Fill(ds)
	return low, ds.Err()
}

// generate takes a program through the stages below.
func (c *compiler) generate(tree *check.Program, low *lower.Result, f form) (*Program, error) {
	code, err := c.code(low.IR, f, tree)
	if err == nil {
		err = tooManyMaps(tree, low)
	}
	if err != nil {
		return nil, err
	}
	if c.opts.Dump != nil {
		c.opts.Dump("gen", code.String())
	}
	return c.program(tree, low, code), nil
}

// code takes the middle form to instructions.
func (c *compiler) code(p *ir.Program, f form, tree *check.Program) (*gen.Code, error) {
	c.stage = "opt"
	c.optimise(p, f)
	c.stage = "gen"
	code, ds := gen.Generate(p)
	tree.Sources.Fill(ds)
	if err := ds.Err(); err != nil {
		return nil, err
	}
	return code, nil
}

func (c *compiler) optimise(p *ir.Program, f form) {
	var o opt.Options
	if f.careful {
		o.Skip = keepApart
	}
	if c.opts.Dump != nil {
		o.Dump = func(pass string) { c.opts.Dump("opt/"+pass, p.String()) }
	}
	opt.Run(p, o)
	p.Prune()
	lower.Forget(p)
	if c.opts.Dump != nil {
		c.opts.Dump("opt", p.String())
		c.opts.Dump("lines", p.Lines())
	}
}

func (c *compiler) load(name string) ([]byte, error) {
	if strings.HasPrefix(name, "std/") {
		return std.Read(name)
	}
	if c.opts.Load == nil {
		return nil, fmt.Errorf("only modules of std/ can be loaded here")
	}
	return c.opts.Load(name)
}

// program gathers what the stages found out.
func (c *compiler) program(t *check.Program, low *lower.Result, code *gen.Code) *Program {
	p := &Program{
		Name:   Name(c.opts.File),
		Hook:   c.opts.Hook,
		Code:   *code,
		Counts: t.Counters,
		Hists:  t.Hists,

		Sockets: t.Sockets,
		Groups:  t.Groups,
	}
	for _, x := range t.Chains {
		p.Chains = append(p.Chains, Chain{Name: x.Name, File: x.File, Func: x.Func, Observe: x.Observe})
	}
	for _, x := range c.opts.Among {
		p.Among = append(p.Among, x.File)
	}
	if c.opts.Line {
		p.Name, p.Chains[0].Name = LineName, LineName
	}
	for _, k := range low.IR.Maps {
		m := mapOf(k, low.User[k])
		if m.System == ConstMap {
			m.Init = []Entry{{Key: make([]byte, 4), Value: low.Consts}}
		}
		if list := low.Lists[k]; list != nil {
			m.System, m.Init = ListMap, entriesOf(list)
		}
		if group := low.Groups[k]; group != nil {
			m.System, m.Group = GroupMap, group
		}
		p.Maps = append(p.Maps, m)
	}
	for _, x := range t.Params {
		p.Params = append(p.Params, Param{
			Name: x.Name, Type: x.Type, Default: x.Default, Unit: x.Unit, Help: x.Help, Line: x.Pos.Line,
		})
	}
	for _, x := range low.Logs {
		p.Logs = append(p.Logs, Log{Parts: x.Parts, Type: x.Type, File: x.Pos.File, Line: x.Pos.Line})
	}
	for _, x := range low.Exits {
		v := t.Verdicts[x.Verdict]
		p.Exits = append(p.Exits, Exit{
			Chain: x.Chain, Verdict: v.Action.String(), Reason: v.Reason, File: x.Pos.File, Line: x.Pos.Line,
			ToCPU: v.Action == check.RedirectCPU, ToPeer: v.Action == check.RedirectPeer, ToGroup: v.Action == check.ToGroup,
		})
	}
	p.takePlaces(low)
	for _, s := range low.Steps {
		p.Steps = append(p.Steps, Step{
			Kind: StepKind(s.Kind), At: Line{File: s.Pos.File, Line: s.Pos.Line, Col: s.Pos.Col}, Name: s.Name, Types: s.Type,
		})
	}
	for _, f := range t.Files {
		p.Sources = append(p.Sources, Source{Name: f, Text: strings.Join(t.Sources[f], "\n")})
	}
	c.link(p, t, low)
	return p
}

var systemMaps = map[string]System{
	lower.ParamMap: ParamMap, lower.CountMap: CountMap, lower.ExitMap: ExitMap, lower.SlotMap: SlotMap, lower.RefusedMap: RefusedMap,
	lower.TraceMap: TraceMap, lower.ClockMap: ClockMap, lower.ScratchMap: ScratchMap,
	lower.ConstMap: ConstMap, lower.HistMap: HistMap, lower.LogMap: LogMap, lower.RateMap: RateMap,
	lower.CaptureMap: CaptureMap, lower.LimitMap: LimitMap, lower.MissedMap: MissedMap, lower.CPUMap: CPUMap,
	lower.UserMap: UserMap, lower.SocketMap: SocketMap, lower.OriginMap: OriginMap, lower.LineMap: LineMap, lower.StepMap: StepMap, lower.StepRing: StepRing, lower.TimeMap: TimeMap,
}

func mapOf(k *ir.Map, m *check.Map) Map {
	if m == nil {
		return Map{Spec: *k, System: systemMaps[k.Name], Name: k.Name}
	}
	out := Map{
		Spec: *k, Name: m.Name, Kind: m.Kind.String(), Key: m.Key, Value: m.Value, Size: m.Size, TTL: m.TTL,
	}
	if m.Tally != "" {
		out.System, out.Text = TallyMap, m.Tally
	}
	if m.Const {
		out.System = ListMap
	}
	out.Init = entriesOf(m.Init)
	return out
}

func entriesOf(list []check.Entry) (out []Entry) {
	for _, e := range list {
		out = append(out, Entry{Key: e.Key, Value: e.Value})
	}
	return out
}

// LineName is the name that an attachment of a one-liner has.
const LineName = "line"

// Name returns the name that a chain of a file has, and its attachment: the base
// name without the ending.
func Name(file string) string { return check.Name(file) }

// Loads returns the files that a chain file or a module loads, as paths beside its own;
// those of the standard library are left out, as are all of a text that is no chain.
func Loads(file string, source []byte) []string { return check.Loads(file, source) }
