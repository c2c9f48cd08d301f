// Package ir is the compiler's middle form: functions of basic blocks in static
// single assignment, close to what an eBPF machine can do but without registers.
//
// A [Func] owns its blocks, values and stack slots. A [Value] is computed once,
// by one operation, in one [Block]; its Args are other values. A block ends in a
// jump, a conditional jump on a comparison, or a return. All integers have 64
// bits; loads extend with zeros. Memory is host order, which is little-endian on
// the machines that weir compiles for; OpSwap turns wire order into host order.
//
// The form knows nothing of packets, headers or types of the language: package
// lower has turned those into loads and calls of kernel helpers. [Verify] holds
// the invariants; [Func.String] prints the form that tests compare.
package ir

import "weir/lang/diag"

// A Type says what the register of a value would hold.
type Type uint8

// Types of values.
const (
	Void Type = iota // nothing: stores
	Int              // 64 bits
	Ptr              // to packet, stack, map value, context or map: the verifier knows which. May be null
)

// A Cond is a comparison of two values.
type Cond uint8

// Conditions. Test is (x & y) != 0.
const (
	Eq Cond = iota
	Ne
	ULt
	ULe
	UGt
	UGe
	SLt
	SLe
	SGt
	SGe
	Test
)

// Negate returns the condition that holds when c does not; Test has none.
func (c Cond) Negate() (Cond, bool) {
	n := [...]Cond{Eq: Ne, Ne: Eq, ULt: UGe, ULe: UGt, UGt: ULe, UGe: ULt, SLt: SGe, SLe: SGt, SGt: SLe, SGe: SLt}
	if c == Test {
		return c, false
	}
	return n[c], true
}

// Flip returns the condition with its operands exchanged.
func (c Cond) Flip() Cond {
	f := [...]Cond{Eq: Eq, Ne: Ne, ULt: UGt, ULe: UGe, UGt: ULt, UGe: ULe, SLt: SGt, SLe: SGe, SGt: SLt, SGe: SLe, Test: Test}
	return f[c]
}

// An Op is what a value is computed by.
type Op uint8

// The operations. Width is in octets. "p+Off" is the address in Args[0] plus Off.
const (
	OpInvalid Op = iota
	OpConst      // Imm
	OpParam      // parameter Imm of the function (0..4)
	OpPhi        // one argument per predecessor of the block, in order

	OpAdd // x + y; also pointer + int
	OpSub // x - y; also pointer - pointer
	OpMul
	OpDiv // unsigned; by zero gives 0
	OpMod // unsigned; by zero gives x
	OpAnd
	OpOr
	OpXor
	OpShl // counts are taken modulo 64
	OpShr // logical
	OpSar // arithmetic
	OpNeg
	OpSwap // exchanges the octets of the low Width (2, 4, 8) octets, rest zero
	OpZExt // keeps the low Width (1, 2, 4) octets, rest zero
	OpSExt // extends the sign of the low Width (1, 2, 4) octets
	OpCmp  // 1 if Cond holds of x, y, else 0

	OpLoad  // Width octets at p+Off; with a Sym, at the field Sym of what p points to, found at load time
	OpStore // low Width octets of Args[1] to p+Off

	OpAtomicAdd  // adds Args[1] to Width (4, 8) octets at p+Off; likewise the next three
	OpAtomicOr   //
	OpAtomicAnd  //
	OpAtomicXor  //
	OpFetchAdd   // OpAtomicAdd that gives the old content
	OpAtomicXchg // stores Args[1], gives the old content

	OpSlot     // address of stack slot Slot
	OpMapPtr   // Map as helpers take it
	OpMapValue // address of octet Imm of the only value of the array Map
	OpFuncAddr // Func as helpers take a callback
	OpIfIndex  // index of the interface named Sym, filled in at load time
	OpFieldOff // where the field Sym (STRUCT.FIELD) of the kernel's types lies, filled in at load time
	OpPktData  // start of the packet's linear part: context field at Off, Args[0] the context
	OpPktEnd   // its end

	OpCall     // kernel helper Imm (named Sym) of Args (at most 5); Imm Kfunc: the kernel's function Sym
	OpCallFunc // Func of Args (at most 5)
	numOps
)

// Kfunc is the number of a call whose function has none before it is loaded.
const Kfunc = -1

// A Value is the result of an operation.
type Value struct {
	ID    int
	Op    Op
	Type  Type
	Args  []*Value
	Imm   int64
	Off   int
	Width int
	Cond  Cond
	Sym   string
	Slot  *Slot
	Map   *Map
	Func  *Func
	Block *Block
	Pos   diag.Pos
	Fresh bool // the verifier must not know that it equals another: no pass shares it or makes it one
	Plain bool // OpPhi: a number of the chain, as opposed to what the compiler notes about a packet
	Soft  bool // OpPhi: plain, and no check that the verifier must follow rests on which value it is
}

// A Kind says how a block ends.
type Kind uint8

// Kinds of blocks.
const (
	KindNone   Kind = iota // not finished
	KindJump               // to Succs[0]
	KindIf                 // to Succs[0] if Cond holds of X, Y, else to Succs[1]
	KindReturn             // X, or nothing if X is nil
)

// A Block is a run of values that are computed one after another. Phis stand
// first.
type Block struct {
	ID     int
	Values []*Value
	Kind   Kind
	Cond   Cond
	X, Y   *Value
	Succs  []*Block
	Preds  []*Block
	Cold   bool // rarely reached: laid out last, and calls in it do not cost the others registers
	Pos    diag.Pos
	Func   *Func
}

// A Slot is a piece of the stack frame. Its content is undefined at first.
type Slot struct {
	ID    int
	Name  string
	Size  int // octets
	Align int // octets: 1, 2, 4 or 8
	Pos   diag.Pos
}

// Linkage says who may call a function, and how the verifier looks at it.
type Linkage uint8

// Linkages.
const (
	Entry    Linkage = iota // attached to a hook; parameter 0 is the context
	Global                  // verified once, for all arguments; parameters are the context first, then integers
	Static                  // verified at every call
	Callback                // static, called by a helper
	Foreign                 // of a C object: it has no blocks here, and Name is its symbol
)

// A Func is a function.
type Func struct {
	Name    string
	Linkage Linkage
	NParams int
	Context string // C name of the context's struct: xdp_md or __sk_buff
	Stack   int    // of a Foreign function: octets of its frames and of those that it calls
	Depth   int    // of a Foreign function: how many frames those are
	Inline  []Raw  // of a Foreign function: what stands in the place of a call; nil: nothing does
	Blocks  []*Block
	Slots   []*Slot
	Pos     diag.Pos

	nextValue, nextBlock int

	tree  *Tree   // of the last call of Tree
	edges []int32 // working space of Tree
}

// A Raw is an instruction of the machine, as the kernel has it. It takes arguments from
// r1 to r5, gives a result in r0, and leaves other registers and the stack alone.
type Raw struct {
	Op       uint8
	Dst, Src uint8
	Off      int16
	Imm      int64
}

// A MapKind is a kind of kernel map.
type MapKind uint8

// Kinds of kernel maps.
const (
	Array MapKind = iota
	PerCPUArray
	Hash
	LRUHash
	LPMTrie
	PerCPUHash
	LRUPerCPUHash
	PerfEventArray
	RingBuf     // no keys; MaxEntries is in octets
	Queue       // no keys
	Stack       // no keys
	BloomFilter // no keys; values are what is in it
	CPUMap
	XSKMap
	SockMap
	DevMap
)

// A Map is a kernel map that a program uses.
type Map struct {
	Name       string // unique in the program
	Kind       MapKind
	KeySize    int // octets
	ValueSize  int // octets
	MaxEntries uint32
	NoPrealloc bool
}

// A Program is the functions and maps of one compile. Funcs[0] is the entry.
type Program struct {
	Funcs []*Func
	Maps  []*Map
}

// Map returns the map of that name, or nil.
func (p *Program) Map(name string) *Map {
	for _, m := range p.Maps {
		if m.Name == name {
			return m
		}
	}
	return nil
}

// NewFunc returns an empty function.
func NewFunc(name string, l Linkage, nparams int) *Func {
	return &Func{Name: name, Linkage: l, NParams: nparams}
}

// NewBlock adds an unfinished block to f.
func (f *Func) NewBlock() *Block {
	b := &Block{ID: f.nextBlock, Func: f}
	f.nextBlock++
	f.Blocks = append(f.Blocks, b)
	return b
}

// NewSlot adds a stack slot to f.
func (f *Func) NewSlot(name string, size, align int, pos diag.Pos) *Slot {
	s := &Slot{ID: len(f.Slots), Name: name, Size: size, Align: align, Pos: pos}
	f.Slots = append(f.Slots, s)
	return s
}

// NewValue makes a value of b without placing it in b.Values.
func (b *Block) NewValue(op Op, t Type, pos diag.Pos, args ...*Value) *Value {
	v := &Value{ID: b.Func.nextValue, Op: op, Type: t, Args: args, Block: b, Pos: pos}
	b.Func.nextValue++
	return v
}

// Add appends a new value to b.
func (b *Block) Add(op Op, t Type, pos diag.Pos, args ...*Value) *Value {
	v := b.NewValue(op, t, pos, args...)
	b.Values = append(b.Values, v)
	return v
}

// Jump ends b with a jump to s.
func (b *Block) Jump(s *Block) {
	b.Kind = KindJump
	b.edge(s)
}

// If ends b with a conditional jump.
func (b *Block) If(c Cond, x, y *Value, then, els *Block) {
	b.Kind, b.Cond, b.X, b.Y = KindIf, c, x, y
	b.edge(then)
	b.edge(els)
}

// Return ends b with a return of v, which may be nil.
func (b *Block) Return(v *Value) { b.Kind, b.X = KindReturn, v }

func (b *Block) edge(s *Block) {
	b.Succs = append(b.Succs, s)
	s.Preds = append(s.Preds, b)
}

// NumValues returns a number greater than the ID of every value of f.
func (f *Func) NumValues() int { return f.nextValue }

// NumBlocks returns a number greater than the ID of every block of f.
func (f *Func) NumBlocks() int { return f.nextBlock }

// HasEffect reports whether v must be kept although nothing uses it.
func (v *Value) HasEffect() bool {
	switch v.Op {
	case OpStore, OpAtomicAdd, OpAtomicOr, OpAtomicAnd, OpAtomicXor, OpFetchAdd, OpAtomicXchg, OpCall, OpCallFunc:
		return true
	}
	return false
}

// IsCall reports whether v clobbers the caller-saved registers r0 to r5.
func (v *Value) IsCall() bool { return v.Op == OpCall || v.Op == OpCallFunc }

// InvalidatesPacket reports whether pointers into the packet are dead after v:
// what the verifier's bpf_helper_changes_pkt_data says of the helpers that
// package lower uses (skb_store_bytes 9, l3_csum_replace 10, l4_csum_replace 11,
// clone_redirect 13, skb_vlan_push 18, skb_vlan_pop 19, skb_pull_data 39).
func (v *Value) InvalidatesPacket() bool {
	if v.Op != OpCall {
		return false
	}
	switch v.Imm {
	case 9, 10, 11, 13, 18, 19, 39:
		return true
	}
	return false
}
