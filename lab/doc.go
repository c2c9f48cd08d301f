// Package lab makes networks of Linux namespaces for a test, a demo or a
// measurement, and the traffic that runs over them. Everything in it is real:
// veth pairs, kernel TCP, native XDP frames; nothing is simulated.
//
// The model: a [Lab] owns hosts and a guardian. A [Host] is a network
// namespace, named /run/netns/weir-PID.START.RANDOM-HOST so that other
// processes reach it as they reach one of "ip netns". A link is a veth pair
// between two hosts. Traffic hangs on hosts: [Host.ServeHTTP], [Load] and
// [Host.Download] are TCP, [Flood] is an attack of XDP frames, [Host.Send] and
// [Capture] are raw frames, [Host.Counters] tells what the kernel counted.
//
// Who cleans up: [Lab.Close] removes everything. If the process dies without
// it (even by SIGKILL) its guardian, a child in a session of its own that
// waits for a pipe to close, does. If both die, [Sweep] (which [New] calls)
// removes what is owned by no living process. A program that makes labs calls
// [MaybeGuardian] first in main or TestMain.
//
// Threads: a namespace belongs to a thread, not to a goroutine. [Host.Do] runs
// a function on a thread inside the host's namespace; a goroutine started by
// that function is not in it, a socket opened by it is, for as long as the
// socket lives. A thread that cannot return to its namespace is killed, never
// reused.
//
// What it does not do: it needs root, it makes no namespaces of other kinds,
// and it does not know chains or programs of weir.
package lab
