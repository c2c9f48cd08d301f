package lower

import (
	"slices"

	"fmt"

	"weir/hook"
	"weir/lang/check"
	"weir/lang/diag"
	"weir/lang/ir"
	"weir/lang/value"
	"weir/object"
	"weir/packet"
)

// Options say where the program will run and what it shall tell.
type Options struct {
	Hook  hook.Hook
	Frags bool // XDP frames may have fragments
	Trace bool // write each packet's result to the trace map
	Clock bool // read the time from the clock map
	Lines bool // count in the line map how often each statement is reached
	Steps bool // note in the step map what a packet meets on its way
	Tags  bool // frames with tags take the fast path, too: a program has more ways then

	Family int // at connect, of the sockets that the program is for: 4 or 6

	// Capture hands what is dropped to user space, at hook socket what is not.
	Capture bool

	// Copy takes the slow path for every header and read: the program is slower
	// by some tens of ns, and has far fewer ways for the verifier to follow.
	Copy bool

	// Times takes the time of each statement, of one packet in so many; 0: of none.
	Times int

	// Shared counts exits by the interface that the packet is at, at hooks that share
	// programs: see the slot map.
	Shared bool

	// Apart forgets between two chains what is known of the packet: the program
	// needs no more of the stack than its largest chain.
	Apart bool
}

// Names of the maps that a program uses for itself.
const (
	ParamMap   = ".params"
	CountMap   = ".counts"
	HistMap    = ".hists"
	LogMap     = ".log"
	RateMap    = ".rates"
	ExitMap    = ".exits"
	SlotMap    = ".slots"
	RefusedMap = ".refused"
	TraceMap   = ".trace"
	ClockMap   = ".clock"
	ScratchMap = ".scratch"
	ConstMap   = ".consts"
	CPUMap     = ".cpus"
	UserMap    = ".users"
	SocketMap  = ".sockets"
	OriginMap  = ".origins"
	CaptureMap = ".capture"
	LimitMap   = ".limit"
	MissedMap  = ".missed"
	LineMap    = ".lines"
	TimeMap    = ".times"
)

// UserQueues is how many receive queues of an interface to_user() knows. No driver of
// Linux has more; a slot is a pointer.
const UserQueues = 1024

// An Exit is a way out of the program: a verdict at a return.
type Exit struct {
	Chain   int // index in check.Program.Chains
	Verdict int // index in check.Program.Verdicts
	Pos     diag.Pos
}

// Result is a lowered program.
type Result struct {
	IR     *ir.Program
	User   map[*ir.Map]*check.Map // kernel maps that the chain asked for
	Exits  []Exit
	Lists  map[*ir.Map][]check.Entry // content of read-only maps
	Groups map[*ir.Map][]string      // interfaces by slot
	Consts []byte                    // content of the constant map
	Logs   []*check.Log              // by the number that their lines begin with
	Kinds  int                       // of L4 headers that the program parses, those of the packet inside too
	Lines  []Place                   // of the statements that the line map counts
	Steps  []Step                    // that the step map can hold
	Times  []Place                   // of what the time map has the time of
	Calls  []Call                    // that these are in
}

// Limits of what one program may become. Inlined calls multiply, so that a short
// text can ask for more than any kernel takes; the first is far above what the
// kernel accepts and only keeps the compiler's memory bounded.
const maxValues = 300_000

// A lowerer makes one program.
type lowerer struct {
	*builder
	p    *check.Program
	opts Options
	info hook.Info
	res  *Result
	diag diag.List

	maps     map[string]*ir.Map
	userMaps map[*check.Map]*ir.Map
	refused  map[*check.Map]int // index in the refused map
	scratch  map[*check.Map]int // octet in the scratch map: time of the next sweep
	params   map[*check.Param]int
	walkFn   *ir.Func
	walkOnFn,
	walkFarFn *ir.Func
	wireFn *ir.Func
	insideFn,
	insideFarFn *ir.Func
	flowFn   *ir.Func
	moves    map[string]*ir.Func // that move the packet, or are made as those are
	optionFn *ir.Func
	wordFn   *ir.Func
	foreign  map[*object.Func]*ir.Func
	finds    map[string]*ir.Func // searches, by what is looked for
	sweeps   map[*check.Map]*ir.Func
	exitIDs  map[Exit]int
	constAt  map[string]int     // where in the constant map a bit map is
	listAt   map[string]*ir.Map // read-only maps, by content
	rates    map[diag.Pos]int   // octet in the rate map, of each log() of the source
	lines    map[Place]int      // index in Result.Lines
	calls    map[Call]int       // index in Result.Calls
	bits     *int               // where in the constant map bit numbers are; nil: not yet

	filters filterFuncs

	needs  needs
	facts  facts
	exit   exitBlock
	watch  stopwatch
	match  matching
	origin origin
	chain  int                 // the index of the one that is being lowered
	copies map[string]*ir.Slot // of headers, see copySlot
	timed  bool                // some way may have read the clock
	viewed map[string]bool     // which of them views of the chain may point to
	frames []*frame            // of inlined calls, innermost last
	loops  []loop
	turns  int  // of the plain loops around here, multiplied
	inner  bool // the facts are those of the packet inside

	pointers map[variable]bool // of variables that hold one
	lives    map[*check.Func]map[check.Stmt]loopLife
}

// needs is what the program mentions anywhere: only that is parsed.
type needs struct {
	mention
	deep     mention // of the packet inside a tunnel
	tunnel   bool    // that is asked for
	conn     bool    // there is no packet
	rewrites bool    // of where a connection goes
	all      bool    // whatever walk finds: an answer is made of any packet
	writes   bool    // of headers
	moves    bool    // writes that may change which headers follow
	refTTL   bool    // records in expiring maps
	now      bool    // the clock
	logs     bool    // log()
	loops    bool
}

// A mention is what is mentioned of the headers of a packet.
type mention struct {
	header   map[packet.Header]bool // must be found
	read     map[packet.Header]bool // are mentioned themselves
	payload  bool
	fragment bool
}

// A frame is one inlined call.
type frame struct {
	fn       *check.Func
	attached bool // it returns a verdict
	vars     map[*check.Local][]variable
	ret      *ir.Block // where a return leads; nil in the attached function
	next     *stairs   // where a PASS of the attached function leads; nil in the last chain
	result   []variable
	around   []loop // those of the caller that the call is in
	call     int    // index in Result.Calls
}

// Lower lowers p. On errors the result is nil.
func Lower(p *check.Program, opts Options) (*Result, diag.List) {
	main := p.Chains[0].Main
	fn := ir.NewFunc(main.Name, ir.Entry, 1)
	fn.Pos = main.Pos
	fn.Context = opts.Hook.Context()
	l := &lowerer{
		p: p, opts: opts, info: opts.Hook.Info(),
		builder:  newBuilder(fn),
		res:      &Result{IR: &ir.Program{Funcs: []*ir.Func{fn}}, User: map[*ir.Map]*check.Map{}, Lists: map[*ir.Map][]check.Entry{}, Groups: map[*ir.Map][]string{}},
		maps:     map[string]*ir.Map{},
		userMaps: map[*check.Map]*ir.Map{},
		refused:  map[*check.Map]int{},
		scratch:  map[*check.Map]int{},
		params:   map[*check.Param]int{},
		foreign:  map[*object.Func]*ir.Func{},
		finds:    map[string]*ir.Func{},
		sweeps:   map[*check.Map]*ir.Func{},
		moves:    map[string]*ir.Func{},
		exitIDs:  map[Exit]int{},
		rates:    map[diag.Pos]int{},
		lines:    map[Place]int{},
		calls:    map[Call]int{},
		constAt:  map[string]int{},
		listAt:   map[string]*ir.Map{},
		pointers: map[variable]bool{},
		lives:    map[*check.Func]map[check.Stmt]loopLife{},
		copies:   map[string]*ir.Slot{},
		turns:    1,
	}
	l.needs = scan(p, l.conn())
	l.filters = newFilterFuncs(p)
	for _, v := range p.Verdicts {
		l.needs.all = l.needs.all || v.Action == check.Reject && !l.conn()
	}
	l.declare()
	l.begin(l.add(ir.OpParam, ir.Ptr), wayOf(opts.Hook))
	l.startWatch()
	l.exit.findRow(l)
	l.needOrigin()
	l.facts.init(l)
	l.exit.init(l)
	l.startMatch()
	l.chains()
	if len(l.diag) > 0 {
		return nil, l.diag
	}
	l.exit.finish(l)
	l.sizeTimes()
	for _, f := range l.res.IR.Funcs {
		tidy(f)
	}
	for _, k := range l4Kinds {
		if l.needs.header[k.h] {
			l.res.Kinds++
		}
		if l.needs.deep.header[k.h] {
			l.res.Kinds++
		}
	}
	return l.res, nil
}

func (l *lowerer) xdp() bool { return l.opts.Hook == hook.XDP }

// linear reports whether the whole frame lies between data and data_end.
func (l *lowerer) linear() bool { return l.xdp() && !l.opts.Frags }

// inPlace reports whether octets are read where they lie, as far as they are in
// the linear part of the buffer.
func (l *lowerer) inPlace() bool { return l.way.direct() && !l.opts.Copy }

func (l *lowerer) verdictIndex(a check.Action) int { return int(a) }

// verdictOf returns the index of a verdict that the program has.
func (l *lowerer) verdictOf(v check.Verdict) int { return slices.Index(l.p.Verdicts, v) }

func (l *lowerer) fail(pos diag.Pos, code, message, hint string) {
	l.diag = append(l.diag, diag.Diagnostic{Pos: pos, Code: code, Message: message, Hint: hint})
}

// tooBig reports, once, that the program outgrows the compiler.
func (l *lowerer) tooBig() bool {
	if l.fn.NumValues() < maxValues {
		return len(l.diag) > 0
	}
	if len(l.diag) == 0 {
		l.fail(l.pos, "limit", "the program has more than 300000 operations once its calls and loops are laid out",
			"call large functions from fewer places, or make loops over build-time values shorter")
	}
	return true
}

// declare makes the kernel maps of the program, in a fixed order.
func (l *lowerer) declare() {
	l.declareMaps()
	for i, p := range l.p.Params {
		l.params[p] = 8 * i
	}
	l.system(ParamMap, ir.Array, 8*len(l.p.Params), 1)
	l.system(CountMap, ir.PerCPUArray, 8, len(l.p.Counters))
	l.system(HistMap, ir.PerCPUArray, 8, HistBuckets*len(l.p.Hists))
	refused := 2 * len(l.p.Maps)
	if l.needs.logs {
		refused++
		l.addMap(&ir.Map{Name: LogMap, Kind: ir.RingBuf, MaxEntries: logSize})
	}
	l.system(RefusedMap, ir.PerCPUArray, 8, refused)
	if l.needs.loops || l.opts.Copy || len(l.scratch) > 0 || l.opts.Times > 0 {
		l.system(ScratchMap, ir.Array, 8+8*len(l.scratch), 1)
	}
	if l.verdictOf(check.Verdict{Action: check.RedirectCPU}) >= 0 {
		l.addMap(&ir.Map{Name: CPUMap, Kind: ir.CPUMap, KeySize: 4, ValueSize: 4})
	}
	if l.verdictOf(check.Verdict{Action: check.ToUser}) >= 0 {
		l.addMap(&ir.Map{Name: UserMap, Kind: ir.XSKMap, KeySize: 4, ValueSize: 4, MaxEntries: UserQueues})
	}
	if len(l.p.Sockets) > 0 {
		l.addMap(&ir.Map{Name: SocketMap, Kind: ir.SockMap, KeySize: 4, ValueSize: 8, MaxEntries: uint32(len(l.p.Sockets))})
	}
	l.declareGroups()
	if l.opts.Shared {
		l.system(SlotMap, ir.Array, 4, 1)
	}
	if l.opts.Trace {
		l.system(TraceMap, ir.Array, 32, 1) // lang.OutcomeSize
	}
	if l.opts.Clock {
		l.system(ClockMap, ir.Array, 16, 1)
	}
	if l.opts.Capture && !l.conn() {
		l.declareCapture()
	}
}

// declareMaps makes the maps that the chain declares.
func (l *lowerer) declareMaps() {
	for i, m := range l.p.Maps {
		k := &ir.Map{Name: m.Name, KeySize: m.Key.Size(), ValueSize: valueSize(m), MaxEntries: uint32(m.Size)}
		switch m.Kind {
		case check.Ring:
			k.ValueSize = 0
		case check.Bloom:
			k.KeySize, k.ValueSize = 0, m.Key.Size()
		}
		k.Kind = mapKind(m)
		k.NoPrealloc = k.Kind == ir.LPMTrie
		if m.Tally != "" { // whose name may be as long as it likes
			k.Name = fmt.Sprintf(".tally%d", i)
		}
		l.userMaps[m] = l.addMap(k)
		l.res.User[k] = m
		l.refused[m] = i
		if m.TTL > 0 && m.Kind == check.Table {
			l.scratch[m] = 8 + 8*len(l.scratch) // after a word that stays zero
		}
	}
}

// mapKind returns the kernel's kind of a map.
func mapKind(m *check.Map) ir.MapKind {
	shared := [...]ir.MapKind{check.Table: ir.Hash, check.LRU: ir.LRUHash, check.Array: ir.Array, check.LPM: ir.LPMTrie,
		check.Ring: ir.RingBuf, check.Bloom: ir.BloomFilter, check.Queue: ir.Queue, check.Stack: ir.Stack}
	perCPU := [...]ir.MapKind{check.Table: ir.PerCPUHash, check.LRU: ir.LRUPerCPUHash, check.Array: ir.PerCPUArray}
	if m.PerCPU {
		return perCPU[m.Kind]
	}
	return shared[m.Kind]
}

func (l *lowerer) system(name string, k ir.MapKind, size, n int) {
	if size == 0 || n == 0 {
		return
	}
	l.addMap(&ir.Map{Name: name, Kind: k, KeySize: 4, ValueSize: size, MaxEntries: uint32(n)})
}

func (l *lowerer) addMap(m *ir.Map) *ir.Map {
	l.maps[m.Name] = m
	l.res.IR.Maps = append(l.res.IR.Maps, m)
	return m
}

// valueSize returns the octets of a map's value in the kernel: see the layout
// at lang.Map.
func valueSize(m *check.Map) int {
	n := m.Value.Size()
	if m.TTL > 0 {
		return timeOffset(m) + 8
	}
	if m.Value.Kind == value.None {
		return 1
	}
	return n
}

// timeOffset returns where in a value the time of the last write lies.
func timeOffset(m *check.Map) int { return (m.Value.Size() + 7) &^ 7 }

func (l *lowerer) mapPtr(m *ir.Map) *ir.Value {
	v := l.add(ir.OpMapPtr, ir.Ptr)
	v.Map = m
	return v
}

func (l *lowerer) mapValue(m *ir.Map, off int) *ir.Value {
	v := l.add(ir.OpMapValue, ir.Ptr)
	v.Map, v.Imm = m, int64(off)
	return v
}
