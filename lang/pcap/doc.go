// Package pcap reads filter expressions of tcpdump and libpcap, the language of
// pcap-filter(7), and gives each as a graph of tests on the octets of a frame.
//
// The model:
//
//   - a scanner gives words, numbers and addresses (scan.go, names.go);
//   - a parser of the grammar of libpcap gives, from left to right, a test for each
//     primitive (parse.go, arith.go, primitive.go);
//   - what a primitive means is in its own file: hosts, ports, protocols, tags. Which
//     octets it looks at depends on what stands before it: behind vlan, mpls and
//     pppoes all offsets are those inside (layers.go);
//   - the tree of tests becomes a graph of those that matter (graph.go).
//
// The tree is what libpcap's compiler would make of the expression, and the graph
// what its optimizer would leave, before there are instructions. So a filter holds
// for the frames for which it holds in tcpdump:
//
//	tcp dst port 80 ──► And{ Or{ v6…, And{ EtherType == 0x800,
//	                                       Load{23, 1} == 6,
//	                                       Load{20, 2} & 0x1fff == 0,
//	                                       Load{4*(Load{14, 1} & 15) + 16, 2} == 80 } } }
//
// Two rules of its machine hold for them, too: tests are made from left to right, and
// as many of them as are needed; and a [Load] that is not wholly in the frame, or a
// division by zero, makes the whole filter false, below a [Not] as well.
//
// The package asks nobody: it knows no names of hosts, and of ports and protocols
// those of names.go. It neither compiles nor runs what it reads.
package pcap
