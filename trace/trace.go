// Package trace runs chains on packets that are at hand, in the kernel but at
// no hook: test runs (BPF_PROG_TEST_RUN) of a program that was compiled to tell
// where each packet ended.
//
// The model: a [Runner] is a loaded program with a state of its own, and takes
// one frame after another; [Replay] feeds a capture file to one, and makes a
// [Result] of each packet and a [Summary] of all. The forms of both in JSON are
// fixed: tools stand on them.
//
// Maps start with their first content and are kept from packet to packet. Runs
// stay on one CPU, so that per-CPU state is the same in every run. A program
// that was compiled with a clock map reads the time of the capture.
//
// What only a test run has shown is not shown: there are no merged packets,
// tags beside the data, or checksums to be computed later; and at tc a test run
// takes no more than what fits a page.
package trace

import (
	"weir/datapath"
	"weir/lang"
)

// A Result is what became of a packet. Its JSON form is fixed.
type Result struct {
	N       int              `json:"n"`       // from 1
	Verdict string           `json:"verdict"` // PASS ACCEPT DROP TX REDIRECT …; empty if Error is set
	Reason  string           `json:"reason"`
	Chain   string           `json:"chain,omitempty"` // that gave the verdict, if there are several
	Line    int              `json:"line"`            // of the return, or of the def
	InLen   int              `json:"in_len"`          // octets of the frame
	OutLen  int              `json:"out_len"`         // octets of what the chain left
	To      string           `json:"to,omitempty"`
	Events  []datapath.Event `json:"events,omitempty"` // what it put into rings and the log
	Error   string           `json:"error,omitempty"`  // why the packet could not be run
	Exit    lang.Exit        `json:"-"`                // how the program ended; the zero value if Error is set
}

// A Summary is what became of all packets. Its JSON form is fixed. Maps hold
// what was hit.
type Summary struct {
	Packets     int                          `json:"packets"`
	Verdicts    map[string]int               `json:"verdicts"`
	Counts      map[string]uint64            `json:"counts"`
	Reasons     map[string]int               `json:"reasons"`
	Hists       map[string][]datapath.Bucket `json:"hists,omitempty"`
	Histograms  []datapath.Hist              `json:"-"`                       // the same with empty buckets between, to be drawn
	Lost        map[string]uint64            `json:"lost,omitempty"`          // by rings and log()
	NsPerPacket *float64                     `json:"ns_per_packet,omitempty"` // under Options.Repeat
	Errors      int                          `json:"errors,omitempty"`        // packets that could not be run
	Truncated   int                          `json:"truncated,omitempty"`     // packets that the capture holds in part
}
