package trace

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"weir/lang"
)

// A Profile is where the packets and the time of a chain go. Its JSON form is fixed.
// Times are means over packets, in ns.
type Profile struct {
	Packets    uint64        `json:"packets"`
	Errors     int           `json:"errors,omitempty"`       // packets that could not be run
	Timed      uint64        `json:"timed"`                  // packets whose time was taken
	TimedShare float64       `json:"timed_for,omitempty"`    // the share of all that these stand for
	Whole      float64       `json:"ns_per_packet"`          // of the chain as it is
	With       float64       `json:"ns_per_packet_profiled"` // while it was profiled
	Laps       float64       `json:"laps_per_packet"`        // statements of which the time was taken
	Clock      float64       `json:"ns_clock"`               // what two readings of the clock take, one behind the other
	Apart      float64       `json:"ns_per_packet_apart"`    // the sum of all laps, each less what the clock takes
	Lines      []LineCost    `json:"lines"`
	Stacks     []StackCost   `json:"-"`
	Sources    []lang.Source `json:"-"`

	ways map[string][]lang.Frame // see spot
}

// A LineCost is what a line of the source costs. Its JSON form is fixed.
type LineCost struct {
	File    string  `json:"file"`
	Line    int     `json:"line"`
	Packets *uint64 `json:"packets,omitempty"` // how often it was reached; nil: of a def, which is what comes before the first statement, and the end
	NS      float64 `json:"ns"`                // of a packet, in the mean over all
	Share   float64 `json:"share"`             // of all lines
}

// A StackCost is what a line costs where its function is called on one way.
type StackCost struct {
	Frames  []lang.Frame // the line's own first, then its callers; no columns
	Packets *uint64      // as of LineCost
	NS      float64      // as of LineCost
}

// A spot is a statement in one of the calls that lead to it.
type spot struct {
	at  lang.Line
	way string // what [Profile.spot] calls it
}

// spot returns the spot of a statement that a program has in one of its calls.
func (p *Profile) spot(prog *lang.Program, at lang.Line, call int) spot {
	frames := prog.Ways.Stack(at, call)
	for i := range frames {
		frames[i].At.Col = 0
	}
	s := spot{at, fmt.Sprint(frames)}
	if p.ways == nil {
		p.ways = map[string][]lang.Frame{}
	}
	p.ways[s.way] = frames
	return s
}

// fill makes the lines and stacks of statements.
func (p *Profile) fill(ns map[spot]float64, reached map[spot]uint64) {
	sum := 0.0
	lines, stacks := map[lang.Line]*LineCost{}, map[string]*StackCost{}
	add := func(s spot, f func(line *LineCost, stack *StackCost)) {
		l := lang.Line{File: s.at.File, Line: s.at.Line}
		if lines[l] == nil {
			lines[l] = &LineCost{File: l.File, Line: l.Line}
		}
		if stacks[s.way] == nil {
			stacks[s.way] = &StackCost{Frames: p.ways[s.way]}
		}
		f(lines[l], stacks[s.way])
	}
	for s, n := range ns {
		add(s, func(l *LineCost, st *StackCost) { l.NS, st.NS = l.NS+n, st.NS+n })
		sum += n
	}
	all := map[lang.Line]uint64{}
	for s, n := range reached {
		add(s, func(_ *LineCost, st *StackCost) { atLeast(&st.Packets, n) })
		all[s.at] += n
	}
	for at, n := range all { // of several statements on a line that which most came to
		atLeast(&lines[lang.Line{File: at.File, Line: at.Line}].Packets, n)
	}
	for _, c := range lines {
		if sum > 0 {
			c.Share = c.NS / sum
		}
		p.Lines = append(p.Lines, *c)
	}
	slices.SortFunc(p.Lines, func(a, b LineCost) int {
		return cmp.Or(p.order(a.File)-p.order(b.File), a.Line-b.Line)
	})
	for _, way := range slices.Sorted(maps.Keys(stacks)) {
		p.Stacks = append(p.Stacks, *stacks[way])
	}
}

func atLeast(x **uint64, n uint64) {
	if *x == nil || **x < n {
		*x = &n
	}
}

// order is the place of a file among the sources.
func (p *Profile) order(file string) int {
	return slices.IndexFunc(p.Sources, func(s lang.Source) bool { return s.Name == file })
}

// spent returns what each statement took, of ns from reading to reading in so many laps
// that are too long by clock each, and the sum.
func spent(ns, laps []float64, clock float64) (each []float64, sum float64) {
	for i := range ns {
		x := max(0, ns[i]-laps[i]*clock)
		each = append(each, x)
		sum += x
	}
	return each, sum
}
