package main

import (
	"time"

	"weir/attach"
	"weir/datapath"
	"weir/internal/cost"
)

// uses are what programs used while it was measured.
type uses struct {
	by     map[cost.Program]cost.Use
	before map[placeKey]uint64 // packets that places had seen before; of shared programs
}

// A placeKey tells places apart, also when their generation is opened again.
type placeKey struct {
	name       string
	generation int
	where      attach.Where
}

func keyOf(g *datapath.Generation, at *datapath.Attachment) placeKey {
	return placeKey{g.Name, g.Number, at.Where}
}

// sharedPrograms are the programs of a generation that several places have.
func sharedPrograms(g *datapath.Generation) map[cost.Program]bool {
	places, out := map[cost.Program]int{}, map[cost.Program]bool{}
	for _, at := range g.Attachments {
		id := at.ProgramID()
		if places[id]++; places[id] > 1 {
			out[id] = true
		}
	}
	return out
}

// packetsAt counts packets at the places that share programs, of which the kernel has
// statistics only together. One that cannot be read is told of when it is listed.
func packetsAt(gs []*datapath.Generation) map[placeKey]uint64 {
	out := map[placeKey]uint64{}
	for _, g := range gs {
		shared := sharedPrograms(g)
		for _, at := range g.Places() {
			if !shared[at.ProgramID()] {
				continue
			}
			exits, err := at.Exits()
			if err != nil {
				continue
			}
			n := uint64(0)
			for _, x := range exits {
				n += x.Packets
			}
			out[keyOf(g, at)] = n
		}
	}
	return out
}

// of is the cost of all programs of a place.
func (u uses) of(g *datapath.Generation, at *datapath.Attachment) (sum cost.Use) {
	for _, x := range g.Parts(at) {
		u := u.by[x.ProgramID()]
		sum.Runs, sum.Time, sum.Span = sum.Runs+u.Runs, sum.Time+u.Time, max(sum.Span, u.Span)
	}
	return sum
}

// part is the part of one place in what a shared program used, by its packets.
func (u uses) part(all cost.Use, g *datapath.Generation, at *datapath.Attachment, now uint64) cost.Use {
	before, ok := u.before[keyOf(g, at)]
	if !ok || all.Runs == 0 || now < before {
		return cost.Use{Span: all.Span}
	}
	n := now - before
	return cost.Use{Runs: n, Time: time.Duration(all.NsPerRun() * float64(n)), Span: all.Span}
}
