package check

import (
	"time"

	"weir/lang/diag"
	"weir/lang/value"
	"weir/packet"
)

// A Program is what a packet goes through at a hook: a checked chain, or several
// one after another. It is a tree in which every expression has a type, every name
// is resolved and every build-time value is a constant. It holds nothing of
// Starlark.
type Program struct {
	Chains   []Chain // in the order in which packets go through them
	Funcs    []*Func // every specialised function, callees before callers, each chain's Main last of its own
	Maps     []*Map  // every map that packet-time code uses or that a global reaches, by name; then tallies
	Params   []*Param
	Objects  []*Object // C objects whose functions are called, by name
	Counters []string  // names of count(), in order of first mention
	Hists    []string  // names of hist(), in order of first mention
	Sockets  []string  // names of to_socket(), in order of first mention
	Groups   []string  // interfaces of redirect([…]), with commas between; in order of first mention
	Verdicts []Verdict
	Sources  diag.Source
	Match    *Func    // without effect, called before the chains: whether Options.Match holds; or nil
	Files    []string // the attached file, then the modules in order of loading; so for each chain
}

// A Chain is an attached function. Its PASS goes on to the next.
type Chain struct {
	Name string // the base name of File, with :FUNC where other functions of it are chains, too
	File string
	Func string
	Main *Func // its one parameter is the packet

	Observe bool // verdicts are counted, and everything passes
}

// A Verdict is one of the distinct verdict constants of a program; an
// expression names it by its index in Program.Verdicts. The first four are
// always PASS, ACCEPT, DROP and TX, and the fifth REDIRECT.
type Verdict struct {
	Action Action
	Reason string // of drop("reason")
}

// An Action is what becomes of a packet.
type Action uint8

// Actions. Their numbers are those that programs keep at run time.
const (
	Pass Action = iota
	Accept
	Drop
	TX
	Redirect
	RedirectPeer // to the other end of a pair, in its namespace
	RedirectCPU
	Reject
	ToSocket // to a listening socket, whatever it is bound to
	ToUser   // to the AF_XDP socket of a receive queue
	Sent     // to where a program of an object has said with a helper of the kernel
	ToGroup  // to several interfaces, but not to the one that it came in by
)

// NoCPU is the reason of a PASS that was to be a redirect to a CPU that is not
// there.
const NoCPU = "no such CPU"

// NoCopies is the reason of a DROP that was to be a redirect to several interfaces: at
// XDP the kernel makes no copies of a frame of several fragments.
const NoCopies = "too long to copy"

// NoReceiver is the reason of a PASS that was to go to a queue that no AF_XDP socket
// receives from, or that is not the packet's own.
const NoReceiver = "nobody receives"

// NoSocket is the reason of a PASS that was to go to a socket that is not there, or
// cannot take it.
const NoSocket = "no such socket"

// Chosen is the reason of a PASS that was to go to a socket where another program has
// chosen one already.
const Chosen = "another has chosen a socket"

var actionNames = [...]string{"PASS", "ACCEPT", "DROP", "TX", "REDIRECT", "REDIRECT", "REDIRECT", "REJECT", "SOCKET", "USER", "REDIRECT", "REDIRECT"}

// String returns the action as counters and reports name it.
func (a Action) String() string { return actionNames[a] }

// A MapKind is a kind of map of the language.
type MapKind uint8

// Kinds of maps.
const (
	Table MapKind = iota
	LRU
	Array
	LPM
	Ring
	Bloom
	Queue
	Stack
)

var mapKindNames = [...]string{"table", "lru", "array", "lpm", "ring", "bloom", "queue", "stack"}

// String returns the kind as chains declare it.
func (k MapKind) String() string { return mapKindNames[k] }

// A Map is a map of the language. A set and a bloom have a Value of kind None.
// The Key of an array is u32; that of an lpm is Prefix4, Prefix6 or Prefix; a
// ring, a queue and a stack have none.
type Map struct {
	Name   string // the path by which the file reaches it, unique; see names.go
	Kind   MapKind
	Key    value.Type
	Value  value.Type
	Size   int           // entries; of a ring: octets
	TTL    time.Duration // of expiring; 0 for none
	PerCPU bool
	Tally  string // the text of x, of a map that count(x) makes
	Const  bool   // constants of a C object, an array of one value
	Init   []Entry
	Pos    diag.Pos
}

// An Entry is the first content of a map, encoded by package value. The value
// of a set is empty.
type Entry struct{ Key, Value []byte }

// A Log is a log("fmt {}", x) of the chain. Text has one {} less than Parts has
// elements: what stands before, between and behind the values.
type Log struct {
	Pos   diag.Pos
	Parts []string
	Type  value.Type // a tuple of the values' types
}

// A Param is a value that can be set while the program runs.
type Param struct {
	Name    string     // path, as of a Map
	Type    value.Type // Int or Bool
	Default uint64
	Unit    string
	Help    string
	Pos     diag.Pos
}

// A Func is a function, specialised for the types of its arguments and for the
// values of those that are known at build time (these are no Params here).
type Func struct {
	Name   string
	Pos    diag.Pos // of its def
	Params []*Local
	Locals []*Local // all, Params first
	Body   []Stmt
	Result value.Type // kind None if it returns nothing
	Moves  bool       // it moves the packet, itself or by what it calls
}

// A Local is a variable of a Func. Closures' variables are constants by now.
type Local struct {
	Name string
	Type value.Type
	Pos  diag.Pos
}

// A Stmt is a statement.
type Stmt interface{ stmt() }

// Statements.
type (
	// Assign sets a local. Several at once (a, b = b, a) is a Block of Assigns
	// over temporaries.
	Assign struct {
		Pos   diag.Pos
		Local *Local
		X     Expr // of Local.Type but for Int, where only signedness may differ
	}
	// SetField writes field Index of the record that Rec refers to; nothing
	// happens if the reference is false. Op is Set or, for an atomic update
	// in place, Add, Sub, Or, And or Xor.
	SetField struct {
		Pos   diag.Pos
		Rec   Expr
		Index int
		Op    Update
		X     Expr
	}
	// SetHeader writes a field of a header, and the checksums that cover it.
	// View's type has the header; pseudo headers are possible.
	SetHeader struct {
		Pos   diag.Pos
		View  Expr
		Field packet.Field
		X     Expr
	}
	// SetPacket is pkt.mark = X or pkt.priority = X, of a u32.
	SetPacket struct {
		Pos  diag.Pos
		Name string
		X    Expr
	}
	// SetMap is m[Key] = X, and m[Key] OP= X for values that are no records.
	// A SetMap of a record copies it into the map. For sets (add) X is nil.
	SetMap struct {
		Pos diag.Pos
		Map *Map
		Key Expr
		Op  Update
		X   Expr
	}
	// Delete removes Key from Map (discard, and pop whose value is not used).
	Delete struct {
		Pos diag.Pos
		Map *Map
		Key Expr
	}
	// Count adds N to a counter.
	Count struct {
		Pos     diag.Pos
		Counter int // index in Program.Counters
		N       Expr
	}
	// Emit puts X, of the map's Value type, into a ring.
	Emit struct {
		Pos diag.Pos
		Map *Map
		X   Expr
	}
	// LogLine gives the values of a log line, a tuple, to whoever watches.
	LogLine struct {
		Pos diag.Pos
		Log *Log
		X   *TupleOf
	}
	// Hist counts X in a histogram.
	Hist struct {
		Pos  diag.Pos
		Hist int // index in Program.Hists
		X    Expr
	}
	// Eval computes X for its effects.
	Eval struct {
		Pos diag.Pos
		X   Expr
	}
	// If runs Then if Cond, of type bool, holds, else Else.
	If struct {
		Pos        diag.Pos
		Cond       Expr
		Then, Else []Stmt
	}
	// Block runs its statements: those of an unrolled turn, or the Assigns of
	// one parallel assignment.
	Block struct {
		Pos  diag.Pos
		Body []Stmt
	}
	// Range is `for Var in range(Start, Stop, Step)`. Stop may be known at run
	// time only; there are at most Max turns (then it ends silently).
	Range struct {
		Pos         diag.Pos
		Var         *Local
		Start, Stop Expr
		Step        int64 // not 0
		Max         int
		Body        []Stmt
	}
	// Unrolled is a loop over build-time values: Turns one after another.
	// Break leaves it, Continue goes on with the next turn.
	Unrolled struct {
		Pos   diag.Pos
		Turns [][]Stmt
	}
	// While runs Body while Cond holds, at most Max turns, which the checker
	// has proved to be enough.
	While struct {
		Pos  diag.Pos
		Cond Expr
		Max  int
		Body []Stmt
	}
	// Return leaves the function. X is nil for a bare return.
	Return struct {
		Pos diag.Pos
		X   Expr
	}
	// Break leaves the innermost loop.
	Break struct{ Pos diag.Pos }
	// Continue goes on with the next turn of the innermost loop.
	Continue struct{ Pos diag.Pos }
	// Mark stands before what a statement of the text became, under Options.Mark.
	Mark struct{ Pos diag.Pos }
)

func (*Assign) stmt()    {}
func (*SetField) stmt()  {}
func (*SetHeader) stmt() {}
func (*SetPacket) stmt() {}
func (*SetMap) stmt()    {}
func (*Delete) stmt()    {}
func (*Count) stmt()     {}
func (*Hist) stmt()      {}
func (*Emit) stmt()      {}
func (*LogLine) stmt()   {}
func (*Eval) stmt()      {}
func (*If) stmt()        {}
func (*Block) stmt()     {}
func (*Range) stmt()     {}
func (*Unrolled) stmt()  {}
func (*While) stmt()     {}
func (*Return) stmt()    {}
func (*Break) stmt()     {}
func (*Continue) stmt()  {}
func (*Mark) stmt()      {}

// An Update says how a stored value changes.
type Update uint8

// Updates. All but Set are atomic on 4 and 8 octets of what CPUs share; elsewhere
// they are a load and a store.
const (
	Set Update = iota
	AddTo
	SubFrom
	OrInto
	AndInto
	XorInto
)
