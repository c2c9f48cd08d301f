package lang

import (
	"path"
	"slices"
	"strings"
	"time"

	"weir/hook"
	"weir/lang/diag"
	"weir/lang/gen"
	"weir/lang/ir"
	"weir/lang/lower"
	"weir/lang/value"
	"weir/object"
)

// A Program is a compiled chain, or several in one: inert, the same on every
// machine, fit for encoding/gob and comparable by its encoding. Package datapath
// loads it.
type Program struct {
	Name     string   // of the attachment: the first file's base name
	Chains   []Chain  // in the order in which packets go through them
	Among    []string // files that its names were given among, see [Options].Among
	Hook     hook.Hook
	Code     gen.Code
	Points   []Point // at connect, in the place of Code
	Maps     []Map   // kernel maps, the program's own (see System) included
	Params   []Param // in order of their slot
	Counts   []string
	Hists    []string // histograms, in order of their slot
	Sockets  []string // names of to_socket(), in order of their slot
	Groups   []string // interfaces of redirect([…]), with commas between
	Logs     []Log
	Exits    []Exit        // what may end the program, in order of their slot
	Lines    []Line        // what the LineMap counts, in order of their slot: one for each way to call its function
	Times    []Line        // what the TimeMap has the time of, in order of their slot, like Lines
	Ways     Ways          // in which the functions of Lines and Times are called
	Steps    []Step        // what the StepMap can hold, in order of their number
	Objects  []object.Link // C objects that are linked to the code; their octets are Sources
	Sources  []Source
	Warnings diag.List
}

// A Chain is a function that is attached. What it returns ends the program, but for
// the PASS of a chain that another follows: that is no Exit and is not counted.
// Packets that got to a chain are those that did not end in the chains before it.
type Chain struct {
	Name string // the file's base name, or FILE:FUNC where other functions of it are chains, too
	File string
	Func string

	Observe bool `json:",omitempty"` // its verdicts are counted, and everything passes
}

// Parts returns the chains with their sources, to compile them again.
func (p *Program) Parts() []Part {
	var out []Part
	for _, c := range p.Chains {
		i := slices.IndexFunc(p.Sources, func(s Source) bool { return path.Clean(s.Name) == path.Clean(c.File) })
		out = append(out, Part{File: c.File, Func: c.Func, Observe: c.Observe, Source: []byte(p.Sources[i].Text)})
	}
	return out
}

// A Source is a text that went into a program, or a C object.
type Source struct {
	Name string // as loaded: the file's path, or std/NAME.weir
	Text string // of an object its octets
}

// Object reports whether the source is a C object, not a text.
func (s *Source) Object() bool { return strings.HasSuffix(s.Name, ".o") }

// System is the use that the program itself makes of a kernel map.
type System uint8

// Uses of kernel maps. All but User, TallyMap, ListMap, LogMap, CPUMap, GroupMap, UserMap and
// OriginMap are arrays with a u32 key.
const (
	// User maps are those that the chain declares.
	User System = iota
	// ParamMap is an array of one value: 8 octets for each of Program.Params.
	ParamMap
	// CountMap is a per-CPU array of u64, one for each of Program.Counts.
	CountMap
	// ExitMap is a per-CPU array of two u64, packets and octets, one entry for
	// each of Program.Exits. Each attachment has its own; of a program with a SlotMap
	// one entry is the first of a row of them.
	ExitMap
	// RefusedMap is a per-CPU array of u64, one for each of the user and tally maps
	// in order: what a full table, queue, stack or ring refused; of an lru, the keys that came in less
	// those that were removed. As many follow that only user space writes: the
	// same of what it put into an lru. Where there is a LogMap, the lines that were
	// lost come last.
	RefusedMap
	// TraceMap is an array of one value of four u64, written at the end of each
	// packet if Options.Trace was set: the index in Program.Exits, the index of
	// the interface that a redirect went to, or of its group, the length of the frame, and the outer
	// tag if the kernel keeps it beside the data, which then lacks it at offset
	// 12: its four octets as a big-endian number, else 0.
	TraceMap
	// ClockMap is an array of one value of two u64, if Options.Clock was set: what is
	// read instead of the clock, and what rand() and sample() draw from, which each
	// draw changes: beginning anew with a number brings the same draws again.
	ClockMap
	// ScratchMap is the compiler's own working space; nothing in it is state.
	ScratchMap
	// ConstMap is an array of one value: lists that the chain reads by index. Its
	// content is the one entry of Init.
	ConstMap
	// TallyMap is what a count of values that packets bring has counted: a map as
	// the chain's own, per CPU, from values to u64. There may be several.
	TallyMap
	// ListMap is a list of the chain that is searched, a hash, or the constants of a
	// C object, an array of one value: nobody writes to it after it was filled with
	// Init. There may be several.
	ListMap
	// HistMap is a per-CPU array of u64: HistBuckets for each of Program.Hists.
	HistMap
	// CaptureMap takes events, if Options.Capture was set: see package lower for
	// their form. LimitMap is an array of one value of three u64: how many more
	// packets are handed on (each takes one off), one of how many, and how many
	// octets of each at most. MissedMap is a per-CPU array of one value of four
	// u64: how many were dropped, and of those not handed on since they were not
	// one of so many, since there was nothing left to take off, and since nobody
	// has read fast enough.
	CaptureMap
	LimitMap
	MissedMap
	// LogMap is a ring of log lines: the index in Program.Logs in 8 octets, then
	// the values, a tuple of the log's type.
	LogMap
	// RateMap is an array of one value: when each log() may write again.
	RateMap
	// CPUMap is a map from CPUs to their queues, for each CPU of the machine: who
	// loads the program makes it as large as that. Each program has its own.
	CPUMap
	// GroupMap holds the interfaces of Map.Group: who loads the program puts their
	// indexes there. There may be several; each program has its own.
	GroupMap
	// UserMap holds the AF_XDP sockets that to_user() hands packets to, by the number
	// of the receive queue that they are bound to. Each program has its own.
	UserMap
	// SocketMap holds the listening socket of each of Program.Sockets.
	SocketMap
	// OriginMap is where connections were to go before a chain at connect changed
	// that: see package lower. The programs at recvmsg and getpeername read it.
	OriginMap
	// LineMap is an array of one value, if Options.Lines was set: a u64 for each of
	// Program.Lines, how often it was reached.
	LineMap
	// StepMap is an array of one value, if Options.Steps was set: see [DecodeSteps].
	// With Options.Match the first two words of it are how many packets may yet be
	// told of, and how many were not told of, since the packet that they interrupted
	// was, or since nobody has read the StepRing fast enough.
	StepMap
	// StepRing is a ring of what [Program.DecodeTold] reads, if Options.Match was set.
	StepRing
	// TimeMap is an array of one value, if Options.Times was set; see [DecodeTimes].
	TimeMap
	// SlotMap is an array of u32, if Options.Shared was set: of the number of an
	// interface the index in the ExitMap at which its row of exits begins; of numbers
	// behind its end that is 0. Who loads the program makes both as large as it needs.
	SlotMap
)

// A Map is a kernel map of a program and what the language knows of it.
type Map struct {
	Spec   ir.Map // as the kernel makes it
	System System
	// Of User maps. The octets of an entry in the kernel are those of Key and
	// Value by package value; with a TTL 8 octets follow the value (at the next
	// multiple of 8): when the entry was last written, in ns of CLOCK_MONOTONIC.
	// A set without a TTL has a value of one octet, 1, with a TTL the 8 octets
	// alone.
	Name  string
	Kind  string     // table, lru, array, lpm, ring, bloom, queue, stack
	Key   value.Type // kind None for a ring, queue or stack
	Value value.Type // kind None for a set; the kernel keeps the keys of a bloom as values
	Size  int        // entries; of a ring: octets
	TTL   time.Duration
	Init  []Entry  // encoded as the kernel keeps them, without the time
	Text  string   // of a TallyMap: what is counted, as the source has it
	Group []string // of a GroupMap: interfaces, in order of their slot
}

// HistBuckets is how many buckets a histogram has: the first counts negative
// values, the second zeros, and each that follows values of one bit more.
const HistBuckets = lower.HistBuckets

// An Entry is one key and value.
type Entry struct{ Key, Value []byte }

// A Param is a value that can be set while the program runs.
type Param struct {
	Name    string
	Type    value.Type // Int or Bool
	Default uint64
	Unit    string
	Help    string
	Line    int
}

// A Log is a log() of a chain.
type Log struct {
	Parts []string   // what stands before, between and behind the values
	Type  value.Type // a tuple of the values' types
	File  string
	Line  int
}

// A Line is where a statement begins that a program can reach.
type Line struct {
	File string
	Line int
	Col  int
}

// An Exit is a way in which the program can end: a verdict given at a return.
type Exit struct {
	Chain   int    // index in Program.Chains
	Verdict string // PASS ACCEPT DROP TX REDIRECT REJECT SOCKET USER
	Reason  string // "" where none was given
	File    string
	Line    int  // of the attached function's return, or of its def
	ToCPU   bool // a REDIRECT to a CPU, not to an interface
	ToPeer  bool // a REDIRECT to the other end of a pair: redirect_peer()
	ToGroup bool // a REDIRECT to the interfaces of one of Program.Groups
}
