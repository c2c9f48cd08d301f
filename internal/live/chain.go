package live

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"weir/internal/term"
	"weir/lang"
)

// A ChainView is what became of the packets that came to a chain of several.
type ChainView struct {
	lang.Chain
	Packets, Bytes uint64            // that came to it
	On             uint64            // packets that it let PASS to the next chain
	Verdicts       map[string]uint64 // packets that ended in it
}

// chains tells what came to each of several chains. A PASS that goes on is not
// counted as packets flow: what came to a chain is what did not end before it.
func chains(now Sample, exits []ExitView) []ChainView {
	if len(now.Places) == 0 || len(now.Places[0].Chains) < 2 {
		return nil
	}
	var packets, bytes uint64
	for _, p := range now.Places {
		packets += p.Packets
		bytes += p.Bytes
	}
	var out []ChainView
	for i, c := range now.Places[0].Chains {
		v := ChainView{Chain: c, Packets: packets, Bytes: bytes, Verdicts: map[string]uint64{}}
		for _, e := range exits {
			if e.Chain == i {
				v.Verdicts[e.Verdict] += e.Packets
				packets -= e.Packets
				bytes -= e.Bytes
			}
		}
		v.On = packets
		out = append(out, v)
	}
	return out
}

// ChainTable is the order of chains, with what came to each and what became of it.
func ChainTable(t *term.Term, chains []ChainView) term.Table {
	tb := term.Table{Head: []string{"CHAIN", ">PACKETS", ">PASS ON", "ENDED HERE"}}
	for i, c := range chains {
		var ended []string
		for _, v := range slices.Sorted(maps.Keys(c.Verdicts)) {
			ended = append(ended, fmt.Sprintf("%s %s", Paint(t, v), term.Count(c.Verdicts[v])))
		}
		on := term.Count(c.On)
		if i == len(chains)-1 {
			on = ""
		}
		tb.Add(t.Paint(term.Blue, c.Name), term.Count(c.Packets), on, strings.Join(ended, "  "))
	}
	return tb
}
