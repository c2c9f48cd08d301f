package check

import (
	"weir/object"

	"weir/lang/diag"
	"weir/lang/value"
	"weir/packet"
)

// An Expr is an expression. Static (build-time) values are no expressions: the
// checker has put Consts, or the construct that uses them, in their place.
type Expr interface {
	Type() value.Type
	Pos() diag.Pos
}

// Base is the part that all expressions share.
type Base struct {
	T value.Type
	P diag.Pos
}

// Type returns the type of the expression.
func (b Base) Type() value.Type { return b.T }

// Pos returns where the expression begins.
func (b Base) Pos() diag.Pos { return b.P }

// Expressions. Where two operands meet they have one type: the checker has
// inserted Convert. Ints are the exception: any width, and an operation is
// signed if Base.T (for Compare: Signed) is.
type (
	// Const is a constant of a type that can be stored: Int, Bool (Bits), IP4
	// (Octets: 4), IP6 and IP (16), MAC (6), Octets; or a Verdict (Bits is the
	// index in Program.Verdicts).
	Const struct {
		Base
		Bits   uint64 // Int: 64 bits, sign-extended if signed
		Octets []byte // in the order of the wire
	}
	// LocalRef reads a local.
	LocalRef struct {
		Base
		Local *Local
	}
	// Unary is -X or ~X of an Int.
	Unary struct {
		Base
		Op Op // Neg, Com
		X  Expr
	}
	// Binary is an operation of Ints.
	Binary struct {
		Base
		Op   Op
		X, Y Expr
	}
	// MinMax is min or max of two Ints, signed if Base.T is.
	MinMax struct {
		Base
		Max  bool
		X, Y Expr
	}
	// Abs is abs of an Int.
	Abs struct {
		Base
		X Expr
	}
	// Compare compares Ints (any Op) or two values of one other type (Eq, Ne;
	// tuples element by element; verdicts by action and target; records field
	// by field). Its type is bool.
	Compare struct {
		Base
		Op     Op // Eq, Ne, Lt, Le, Gt, Ge
		Signed bool
		X, Y   Expr
	}
	// Logic is X and Y, or X or Y, of bools; Y is computed only if needed.
	Logic struct {
		Base
		And  bool
		X, Y Expr
	}
	// Not is not X of a bool.
	Not struct {
		Base
		X Expr
	}
	// Truth makes a bool of an Int (not 0), a View, a Span, an Octets or the packet
	// inside (there), or a Record (a reference to something).
	Truth struct {
		Base
		X Expr
	}
	// Choose is X if Cond else Y.
	Choose struct {
		Base
		Cond, X, Y Expr
	}
	// Convert changes representation, by the types of X and itself: Int to Int
	// (keep the low Width octets, extend by the sign of Base.T), Bool to Int,
	// Int to Bool (not 0), IP4 and MAC to Int (.int) and back (ip4(n), mac(n)),
	// IP4 or IP6 to IP and back (zero where it holds the other family), Octets of
	// its size to IP4, IP6 or MAC.
	// An Int's conversion of Width 8 only changes signedness.
	Convert struct {
		Base
		X Expr
	}
	// TupleOf makes a tuple.
	TupleOf struct {
		Base
		Elems []Expr
	}
	// Element is X[Index] of a tuple.
	Element struct {
		Base
		X     Expr
		Index int
	}
	// NewRecord makes a record: all fields, in order.
	NewRecord struct {
		Base
		Fields []Expr
	}
	// Field reads field Index of the record that Rec refers to, zero if the
	// reference is false.
	Field struct {
		Base
		Rec   Expr
		Index int
	}
	// PacketField is pkt.len, ifindex, queue, now (now() too), segments, mark,
	// priority or hash.
	PacketField struct {
		Base
		Name  string
		Inner bool // pkt.inner.len
	}
	// Inside is pkt.inner, the packet inside a tunnel. As a value it is no more than
	// whether it is there.
	Inside struct{ Base }
	// Header is pkt.NAME, or pkt.inner.NAME: a View of Base.T.Header.
	Header struct{ Base }
	// HeaderField reads a field, zero if the header is not there. The field
	// may be Virtual (of IP).
	HeaderField struct {
		Base
		View  Expr
		Field packet.Field
	}
	// Segment is SRH.segment(I), zero past the last entry.
	Segment struct {
		Base
		View Expr
		I    Expr
	}
	// Option is TCP.option(Kind), a Span: the data of the first option of that kind.
	Option struct {
		Base
		View Expr
		Kind Expr
	}
	// Laid is SPAN.view(H, Off): a Span of Base.T, whose octets are those of X at
	// Off, or of the frame if X is nil; not there if not all of them are.
	Laid struct {
		Base
		X   Expr
		Off Expr
	}
	// PayloadOf is pkt.payload, or pkt.inner.payload: a Span.
	PayloadOf struct{ Base }
	// SpanLen is SPAN.len.
	SpanLen struct {
		Base
		X Expr
	}
	// Read reads Width octets big-endian at Off, from the start of the frame if
	// Span is nil, else from the start of that. Zero if not wholly there.
	Read struct {
		Base
		Span  Expr
		Off   Expr
		Width int
	}
	// StartsWith is SPAN.startswith(Prefix).
	StartsWith struct {
		Base
		X      Expr
		Prefix []byte
	}
	// Move is pkt.push(N), pop(N), trim(N), vlan_push(ID, Prio), vlan_pop(), encap(…)
	// and decap(): a bool, whether it was done. No View or Payload that was taken before it is
	// used after it.
	Move struct {
		Base
		Op     MoveOp
		Args   []Expr
		Tunnel *Tunnel // of Encap, whose Args see TunnelSrc
	}
	// CallObject calls a function of a C object. If it may write to the packet, no View
	// or Payload that was taken before it is used after it.
	CallObject struct {
		Base
		Object *Object
		Func   *object.Func
		Args   []Expr // one for each parameter; of a context the packet

		// Of a program, which gives a verdict: what its numbers say at the hook, and
		// what any other number says. Indexes in Program.Verdicts.
		Codes []Code
		Other int
	}
	// BytesAt is SPAN.bytes(Off, n), an Octets; of the frame if Span is nil. It
	// is false, and all zero, if not wholly there.
	BytesAt struct {
		Base
		Span Expr
		Off  Expr
	}
	// Words is an Octets made of integers: each gives 8 bytes, big-endian, and the
	// last one its low bytes, where fewer are left.
	Words struct {
		Base
		Elems []Expr
	}
	// Octet is X[Index] of an Octets, zero past the end.
	Octet struct {
		Base
		X     Expr
		Index Expr // Int
	}
	// Find is SPAN.find(Pattern, within = Within): the offset of the first place
	// in the first Within octets of X where all of Pattern is, or -1.
	Find struct {
		Base
		X       Expr
		Pattern []byte // not empty
		Within  int
	}
	// Put is SPAN.put_u16(Off, X) and its like, of type None: it writes the Width
	// octets of X, an Int big-endian, and the checksum that covers them. Nothing
	// is written if they are not wholly there. If Span is nil, or laid over the
	// frame, it writes to the frame, and no checksum.
	Put struct {
		Base
		Span, Off, X Expr
		Width        int
	}
	// RedirectTo is redirect(ifindex) or redirect("eth1"): one of Index and
	// Name is set. By its Action it is redirect_peer, redirect_cpu(Index),
	// to_user(Index), to_socket(Name), or a redirect to the interfaces of a group by that
	// name.
	RedirectTo struct {
		Base
		Action Action
		Index  Expr
		Name   string
	}
	// ParamRef reads a param.
	ParamRef struct {
		Base
		Param *Param
	}
	// Lookup reads Map at Key (m[k], m.get(k), m.get(k, Default); for an lpm the
	// longest match). For records the result is a reference. Default may be nil:
	// zero. With Remove the entry is removed (m.pop(k)); a popped record is a
	// copy of its own.
	Lookup struct {
		Base
		Map     *Map
		Key     Expr
		Default Expr
		Remove  bool
	}
	// Contains is Key in Map, a bool. For an lpm Key is an address.
	Contains struct {
		Base
		Map *Map
		Key Expr
	}
	// Incr is m.incr(Key, N): adds and gives the new value.
	Incr struct {
		Base
		Map *Map
		Key Expr
		N   Expr
	}
	// Enqueue is m.push(X) of a queue or stack: false if there was no room.
	Enqueue struct {
		Base
		Map *Map
		X   Expr
	}
	// Dequeue is m.pop() of a queue or stack: zero, or a false reference, if there was
	// nothing.
	Dequeue struct {
		Base
		Map *Map
	}
	// OneOf is X in LIST: equal to one of Values (Consts of X's type; TupleOf
	// Consts if X is a tuple).
	OneOf struct {
		Base
		X      Expr
		Values []Expr
	}
	// InPrefix is ADDRESS in PREFIX or in a list of prefixes. X is of type IP4,
	// IP6 or IP; prefixes of the other family do not match.
	InPrefix struct {
		Base
		X        Expr
		Prefixes []PrefixValue
	}
	// Index is LIST[X] over build-time values: Values are Consts of one type;
	// zero past the end.
	Index struct {
		Base
		Values []Expr
		X      Expr
	}
	// Get is DICT.get(X, Default), or DICT[X] with a nil Default (zero).
	Get struct {
		Base
		Keys, Values []Expr
		X            Expr
		Default      Expr
	}
	// Sample is sample(N).
	Sample struct {
		Base
		N Expr
	}
	// Rand is rand(): 64 random bits.
	Rand struct{ Base }
	// CPU is cpu().
	CPU struct{ Base }
	// HashOf is hash_of(X, seed = Seed): 32 bits, the same at every hook.
	HashOf struct {
		Base
		X    Expr
		Seed Expr // Int
	}
	// Interface is interface("eth1"): the index, filled in at load time.
	Interface struct {
		Base
		Name string
	}
	// Call calls a function of Program.Funcs.
	Call struct {
		Base
		Func *Func
		Args []Expr
	}
)

// A PrefixValue is a prefix known at build time. Octets has 4 or 16 of them.
type PrefixValue struct {
	Octets []byte
	Bits   int
}

// An Op is an operator of the language.
type Op uint8

// Operators.
const (
	Add Op = iota
	Sub
	Mul
	FloorDiv
	Mod
	And
	Or
	Xor
	Shl
	Shr
	Neg
	Com
	Eq
	Ne
	Lt
	Le
	Gt
	Ge
)

var opNames = [...]string{"+", "-", "*", "//", "%", "&", "|", "^", "<<", ">>", "-", "~", "==", "!=", "<", "<=", ">", ">="}

// String returns the operator as chains write it.
func (o Op) String() string { return opNames[o] }
