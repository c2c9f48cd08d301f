package trace

import (
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
	Sources    []lang.Source `json:"-"`
}

// A LineCost is what a line of the source costs. Its JSON form is fixed.
type LineCost struct {
	File    string  `json:"file"`
	Line    int     `json:"line"`
	Packets *uint64 `json:"packets,omitempty"` // how often it was reached; nil: of a def, which is what comes before the first statement, and the end
	NS      float64 `json:"ns"`                // of a packet, in the mean over all
	Share   float64 `json:"share"`             // of all lines
}

// fill makes the lines of statements.
func (p *Profile) fill(ns map[lang.Line]float64, reached map[lang.Line]uint64) {
	sum := 0.0
	lines := map[lang.Line]*LineCost{}
	at := func(l lang.Line) *LineCost {
		l.Col = 0
		if lines[l] == nil {
			lines[l] = &LineCost{File: l.File, Line: l.Line}
		}
		return lines[l]
	}
	for l, n := range ns {
		at(l).NS += n
		sum += n
	}
	for l, n := range reached {
		if c := at(l); c.Packets == nil || *c.Packets < n {
			c.Packets = &n
		}
	}
	for _, c := range lines {
		if sum > 0 {
			c.Share = c.NS / sum
		}
		p.Lines = append(p.Lines, *c)
	}
	slices.SortFunc(p.Lines, func(a, b LineCost) int {
		if a.File != b.File {
			return p.order(a.File) - p.order(b.File)
		}
		return a.Line - b.Line
	})
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
