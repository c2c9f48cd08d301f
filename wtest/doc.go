// Package wtest runs the tests of chains: files NAME_test.weir, whose functions
// test_… run in the interpreter, build packets, and give them to chains in the kernel.
//
// The way of the data:
//
//	file ──► suite ── run(main, p) ──► bed ──► trace.Runner ──► kernel (test run)
//	         test_…                    programs and maps
//	         assert ◄── result: verdict, packet, counts ◄──┘
//
// A suite is a test file in the interpreter (check.RunScript): what it loads from a
// chain file comes as a chain, a map or a param that can be worked with. A bed is a
// chain file in the kernel: each function is compiled and loaded once for each hook
// at which a test runs it, and all share the file's maps. Every test starts with the
// maps' first content, parameters at their defaults and counters at zero.
//
// Time stands still: programs read it from a map ([lang.Options].Clock), which starts
// every test at [epoch] and goes on with advance() alone. The tests of a file run one
// after another on one CPU, so that what is kept per CPU is the same in every run.
//
// A test fails by an assertion; anything else that goes wrong in it is broken: the
// test is wrong, or the machine. Connections (hooks connect and sk-lookup) cannot be
// tested: there is no packet to give them.
package wtest
