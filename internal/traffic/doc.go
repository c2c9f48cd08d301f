// Package traffic proves on real packets what test runs only suggest: it holds
// tests and nothing else.
//
// The model: a test makes a lab (hosts joined by veth pairs, offloads as the
// kernel has them), compiles a chain from its text, attaches it through
// package datapath to real interfaces, and lets the kernel's own TCP, UDP and
// ICMP, raw frames or a flood run through it. What the chain saw is read from
// its maps and counters; what it did is read from the far side: sockets,
// captures, checksum counters of the kernel. Every attachment is native XDP or
// tcx (clsact where the kernel has no tcx), else the test fails.
//
//	pair    a ─── b                two hosts
//	line    a ─── m ─── c          m bridges (Ethernet) or routes (IP)
//
// What differs between a test run and this, and is therefore what the tests
// are about: the outer VLAN tag stands beside the packet, TCP arrives merged and
// outside the linear part of the buffer, large XDP frames come in fragments,
// local senders leave checksums to be computed, packets come on several CPUs.
//
// Every test is bounded in time and packets and asserts no times. With WEIR_SOAK
// set the same tests run longer.
//
// What it does not do: it does not compare with the reference evaluator (package
// differ does), and it measures nothing.
package traffic
