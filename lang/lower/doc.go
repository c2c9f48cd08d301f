// Package lower turns a checked program into the compiler's middle form: names
// become values, packets become loads, maps become calls of kernel helpers.
//
// # Values
//
// A value of the language is a row of 64-bit parts: an integer, a bool or an
// IPv4 address is one, an IPv6 address two, a tuple those of its elements, a
// record reference a pointer, a header view a pointer (null if the header is not
// there) and where the header lies. Locals are variables of parts; package
// lower builds static single assignment on the fly (Braun et al., Simple and
// Efficient Construction of SSA Form, 2013). Calls are inlined.
//
// # Packets
//
// A header is parsed where it is first mentioned. What is true of nearly every
// packet costs what hand-written code costs: at most two tags, no IP options, no
// extension headers, the header in the linear part of the buffer. The bytes are
// then read in place. Everything else takes the slow path: the function walk finds
// the headers. They are read in place if they are in the linear part. If one is
// not, all are copied to the stack, from where the same loads read them; a write
// goes to the copy and then to the packet.
//
//	            in place                            copied
//	view   ──► data+14            or              stack copy of the header
//	place  ──► 14                                 offset | slowBit
//
// Offsets count in the buffer that the kernel has. At traffic control the outer
// tag may stand beside it, so that offsets of the wire (pkt.u8, pkt.len) are
// translated, by read.go alone.
//
// At traffic control a write through a helper makes all pointers into the packet
// invalid. The builder keeps an epoch: a view that was taken in another epoch is
// derived anew from its place.
//
// What moves the packet (move.go, movehead.go) and what answers it (reject.go) are
// global functions. After them nothing is known of the packet: headers are found
// anew. That no view of before is used the checker has seen to.
//
// Functions of C objects (object.go) are foreign: their code is linked behind that of
// the chain when it is loaded. One that may write to the packet counts as a move.
//
// # Tunnels
//
// The facts about the headers of a packet are a layer; the packet inside a tunnel has
// one of its own (inside.go). A function finds its headers from what walk has found of
// the packet around it; the two layers are exchanged while it is looked at, and the
// same code serves both.
//
// pkt.encap and pkt.decap are moves (tunnel.go). The headers of a tunnel are laid out in
// a slot where the chain asks for them (encap.go), and their checksum rests on that of
// the packet inside (encapsum.go).
//
// # Connections
//
// At connect and sk-lookup there is no packet: what chains read lies in the context
// (conn.go). A chain at connect is lowered once for each family of sockets; if it
// writes where connections go, Reverse makes the programs that tell processes of
// their peers (origin.go).
//
// # The verifier
//
// Every program must load, and the verifier looks at a million instructions at
// most, counting each for every way on which it holds something else to be true.
// What multiplies the ways is kept small:
//
//   - loops.go, outline.go: a loop beyond a few hundred instructions becomes
//     bpf_loop, its body a function that is looked at once or twice;
//   - forget.go, follow.go, tested.go: numbers of the chain that come of many ways,
//     or are tested often, are made unknown where they are tested;
//   - read.go: each read of raw bytes takes the packet's bounds anew;
//   - Options.Copy: no fast path at all, for long programs that parse many kinds
//     of headers. Package lang decides.
//
// # What it does not do
//
// It does not optimise (package opt) and knows no registers (package gen).
package lower
