// Package live shows what a running generation counts, as it counts.
//
// A [Sample] is what all its counters said at one moment; two samples make a
// [View]: rates beside totals, exits of all places merged, each with the line
// of the source that it came from. A View is drawn as lines for people
// ([View.Lines]) or as one JSON object ([View.JSON]). Nothing here waits or
// writes: who shows it, and how often, is the caller's business.
package live

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"weir/datapath"
	"weir/lang"
	"weir/lang/diag"
	"weir/trace"
)

// A Sample is the state of all counters of a generation at a moment.
type Sample struct {
	Time    time.Time
	Places  []Place
	Counts  []datapath.Count
	Hists   []datapath.Hist
	Refused []datapath.Count
	Forgot  []datapath.Count
	Lost    []datapath.Count
}

// A Place is what one attachment has counted.
type Place struct {
	Where   string // NETNS/INTERFACE
	Hook    string
	Mode    string
	Why     string // why no better mode was taken; empty if there is none
	Gone    bool   // the program is no longer at its place
	Packets uint64
	Bytes   uint64
	Chains  []lang.Chain // that packets go through, in order
	Exits   []datapath.ExitCount

	Priority *int32 // at netfilter
}

// Take reads all counters of g.
func Take(g *datapath.Generation) (Sample, error) {
	s := Sample{Time: time.Now()}
	for _, a := range g.Places() {
		p, err := takePlace(a)
		if err != nil {
			return s, err
		}
		s.Places = append(s.Places, p)
	}
	var err error
	if s.Counts, err = g.Counts(); err != nil {
		return s, err
	}
	if s.Hists, err = g.Hists(); err != nil {
		return s, err
	}
	if s.Refused, err = g.Refused(); err != nil {
		return s, err
	}
	if s.Lost, err = g.Lost(); err != nil {
		return s, err
	}
	s.Forgot, err = g.Forgotten()
	return s, err
}

func takePlace(a *datapath.Attachment) (Place, error) {
	p := Place{Hook: a.Where.Hook.String(), Mode: string(a.Mode), Why: a.Why, Chains: a.Program.Chains}
	p.Where = a.Where.On()
	there, err := a.Attached()
	if err != nil {
		return p, err
	}
	p.Gone = !there
	if a.Where.Hook.Netfilter() {
		at := a.RunsAt()
		p.Priority = &at
	}
	if p.Exits, err = a.Exits(); err != nil {
		return p, fmt.Errorf("counters of %s: %w", p.Where, err)
	}
	for _, e := range p.Exits {
		p.Packets += e.Packets
		p.Bytes += e.Bytes
	}
	return p, nil
}

// A View is a sample and what happened since an earlier one.
type View struct {
	Name    string
	Seconds float64 // between the samples
	Age     time.Duration
	Places  []PlaceView
	Chains  []ChainView // in the order in which packets go through them; none where there is one
	Exits   []ExitView  // what was hit, of all places, in the order of chains and of their source
	Counts  []Rate
	Hists   []datapath.Hist
	Refused []Rate // maps that have refused new keys
	Forgot  []Rate // maps that have forgotten old ones
	Lost    []Rate // rings, and log(), that have lost what nobody read

	// Drops is what became of dropped packets, if they are kept in a file.
	Drops *trace.DropCount
}

// A PlaceView is a place with its rates.
type PlaceView struct {
	Place
	PPS float64 // packets a second
	BPS float64 // octets a second
}

// An ExitView is one way in which packets ended.
type ExitView struct {
	Chain           int // index in Place.Chains
	Verdict, Reason string
	File            string
	Line            int
	Text            string // of the line
	Packets, Bytes  uint64
	PPS             float64
	Share           float64 // of all packets since the earlier sample, 0 to 1
}

// A Rate is a counter with how fast it grows.
type Rate struct {
	Name string
	Of   string // as of a datapath.Count
	N    uint64
	PS   float64 // per second
}

// Make compares two samples of the generation called name, whose first sample
// was taken at start; text finds lines of its sources.
func Make(name string, start time.Time, before, now Sample, text diag.Source) View {
	v := View{Name: name, Seconds: now.Time.Sub(before.Time).Seconds(), Age: now.Time.Sub(start)}
	per := func(n, b uint64) float64 {
		if v.Seconds <= 0 || n < b {
			return 0
		}
		return float64(n-b) / v.Seconds
	}
	for i, p := range now.Places {
		var b Place
		if i < len(before.Places) {
			b = before.Places[i]
		}
		v.Places = append(v.Places, PlaceView{Place: p, PPS: per(p.Packets, b.Packets), BPS: per(p.Bytes, b.Bytes)})
	}
	v.Exits = exits(before, now, per, text)
	v.Chains = chains(now, v.Exits)
	v.Counts = rates(before.Counts, now.Counts, per)
	v.Hists = now.Hists
	some := func(before, now []datapath.Count) []Rate {
		return slices.DeleteFunc(rates(before, now, per), func(r Rate) bool { return r.N == 0 })
	}
	v.Refused = some(before.Refused, now.Refused)
	v.Forgot = some(before.Forgot, now.Forgot)
	v.Lost = some(before.Lost, now.Lost)
	return v
}

func rates(before, now []datapath.Count, per func(n, b uint64) float64) []Rate {
	was := make(map[string]uint64, len(before))
	for _, c := range before {
		was[c.Name] = c.N
	}
	var out []Rate
	for _, c := range now {
		out = append(out, Rate{Name: c.Name, Of: c.Of, N: c.N, PS: per(c.N, was[c.Name])})
	}
	return out
}

// an exitKey is what makes two exits the same to a person.
type exitKey struct {
	chain                 int
	verdict, reason, file string
	line                  int
}

// exits merges the exits of all places and sorts them, keeping those that were
// ever hit.
func exits(before, now Sample, per func(n, b uint64) float64, text diag.Source) []ExitView {
	was, is := merge(before), merge(now)
	var all float64
	var out []ExitView
	for k, e := range is {
		if e.Packets == 0 {
			continue
		}
		x := ExitView{
			Chain: k.chain, Verdict: k.verdict, Reason: k.reason, File: k.file, Line: k.line, Text: strings.TrimSpace(text.Line(k.file, k.line)),
			Packets: e.Packets, Bytes: e.Bytes, PPS: per(e.Packets, was[k].Packets),
		}
		all += x.PPS
		out = append(out, x)
	}
	for i := range out {
		if all > 0 {
			out[i].Share = out[i].PPS / all
		}
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := out[i], out[j]
		if a.Chain != b.Chain {
			return a.Chain < b.Chain
		}
		if a.File != b.File {
			return a.File < b.File
		}
		if a.Line != b.Line {
			return a.Line < b.Line
		}
		return a.Verdict+a.Reason < b.Verdict+b.Reason
	})
	return out
}

func merge(s Sample) map[exitKey]datapath.ExitCount {
	m := make(map[exitKey]datapath.ExitCount)
	for _, p := range s.Places {
		for _, e := range p.Exits {
			k := exitKey{e.Chain, e.Verdict, e.Reason, e.File, e.Line}
			c := m[k]
			c.Packets += e.Packets
			c.Bytes += e.Bytes
			m[k] = c
		}
	}
	return m
}

// Totals sums packets by verdict and by reason.
func (v View) Totals() (verdicts, reasons map[string]uint64) {
	verdicts, reasons = make(map[string]uint64), make(map[string]uint64)
	for _, e := range v.Exits {
		verdicts[e.Verdict] += e.Packets
		if e.Reason != "" {
			reasons[e.Reason] += e.Packets
		}
	}
	return verdicts, reasons
}

// Texts returns the sources of all programs of g, for Make.
func Texts(g *datapath.Generation) diag.Source {
	s := make(diag.Source)
	for _, a := range g.Attachments {
		for _, f := range a.Program.Sources {
			s.Add(f.Name, []byte(f.Text))
		}
	}
	return s
}
