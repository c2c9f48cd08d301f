// Package ref is the reference evaluator of the weir language: what a chain
// means, written as plainly as possible, for differential tests against the
// compiler. It shares the parser and resolver of go.starlark.net with the
// compiler and nothing else; packets are decoded with gopacket. Nothing here
// is fast, and nothing here is used to filter real packets.
//
// # Model
//
// [Open] runs the build time of a chain file: the Starlark interpreter with
// the predeclared names of builtins.go. Its results (functions, maps, params,
// lists) stay as they are, as starlark.Value. [Chain.Run] is packet time: a
// walk over the syntax trees of the functions' definitions. A value of packet
// time is a starlark.Value too, of a type of this package where Starlark has
// none: num, addresses, recordObj, view, verdict.
//
//	build.go builtins.go     build time: modules, predeclared names
//	value.go types.go        values with their text forms, and types
//	record.go function.go    records; functions, parameters and calls' shapes
//	shape.go infer.go        which integers are signed, found before a call
//	eval_*.go ops.go         packet time
//	maps.go store.go         maps and their declarations
//	packet.go fields.go      where headers are, and their fields
//	option.go                options of TCP
//	span.go laid.go          runs of bytes, and headers of a chain's own over them
//	tunnel.go                ARP, GRE, ESP and segment routing headers
//	inside.go encap.go       the packet inside a tunnel, and ways in and out
//	write.go                 field writes and checksums
//	names.go                 names of maps and params
//
// # Signedness
//
// Whether an integer is signed is a property of the expression, never of the
// run: a local is signed if any assignment to it is, a conditional expression
// if either side is, a function's result if any of its returns is. A num
// carries a flag, and the flag equals the static property at every moment,
// because it is set where values of several places meet: before a call,
// infer walks the function's body with shapes (a shape is what is
// known of a value before it exists: signed or not, for tuples per element,
// for records the type) until the shapes of the locals no longer change, and
// assignments, results and conditional expressions then raise the flag of
// what they pass on. Raising a flag never changes the 64 bits.
//
// # Refusals
//
// What the language refuses stops the evaluation with an [Error] that has a
// position. Inside, a refusal travels as a panic of type refusal and is
// recovered once, in [Chain.Run] and [Open]: a tree walk whose every step
// returns an error would hide what it does. The evaluator is no checker: it
// refuses what it cannot give a meaning to, and accepts some programs that
// the compiler refuses.
package ref
