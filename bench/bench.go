// Package bench measures weir, side by side with its peers where there are any.
//
// A [Bench] makes [Row]s. Every figure is a median of interleaved runs; a row
// says beside it what was aimed at and whether that holds. Traffic is counted
// at the hook, and a row whose counts do not match is not valid: it measured
// another path. The machine's speed drifts, so that goals are ratios wherever
// something can be measured beside.
package bench

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"
)

// A Row is one line of a bench's table.
type Row struct {
	Bench    string  `json:"bench"` // set by Run
	Row      string  `json:"row"`
	Unit     string  `json:"unit"`
	Ours     float64 `json:"ours"`
	Peer     float64 `json:"peer,omitempty"`
	PeerName string  `json:"peer_name,omitempty"`
	Ratio    float64 `json:"ratio,omitempty"`
	AA       float64 `json:"aa,omitempty"` // ours against ours, in the same run
	Goal     string  `json:"goal"`         // "" for none
	Holds    bool    `json:"holds"`        // true without a goal
	Valid    bool    `json:"valid"`
	Sent     uint64  `json:"sent,omitempty"`    // packets
	Counted  uint64  `json:"counted,omitempty"` // packets at the hook
	Why      string  `json:"why,omitempty"`     // it is not valid, if not by these numbers

	// Of rows of programs: the time of an empty one, which is taken off, in ns a
	// packet, and instructions as the kernel has them.
	Floor     float64 `json:"floor,omitempty"`
	Insns     int     `json:"insns,omitempty"`
	PeerInsns int     `json:"peer_insns,omitempty"`
}

// A Bench is a set of measurements with a name.
type Bench struct {
	Name     string
	Summary  string // one line for people
	Compares bool   // its rows are programs beside a peer's
	Chosen   bool   // its rows can be chosen: see Options
	measure  func(ctx context.Context, o Options, row func(Row)) error
}

// All lists the benches that there are.
func All() []Bench {
	return []Bench{
		{Name: "apply", Summary: "a thousand interfaces with three chains each: attached, changed, detached", measure: apply},
		{Name: "compile", Summary: "time from text to a chain at work", measure: compile},
		{Name: "compose", Summary: "chains on one hook, beside one file and beside programs; what a module costs", measure: compose},
		{Name: "hooks", Summary: "a small filter at every hook, beside C and what else filters there", Compares: true, Chosen: true, measure: hooks},
		{Name: "lang", Summary: "chains beside the same in C", Compares: true, Chosen: true, measure: language},
		{Name: "std", Summary: "what the sample of each module of the standard library takes", Chosen: true, measure: library},
	}
}

// Options choose among the rows of a bench of which they can be chosen. The zero value is all.
type Options struct {
	Rows *regexp.Regexp // of those that have it in their name
	Hook string         // of those that are about this one; "" for every hook
}

// Run measures. It calls row for each row as soon as it is there, and returns
// the rows. The error wraps [ErrNoRow] if the options leave none.
func (b Bench) Run(ctx context.Context, o Options, row func(Row)) ([]Row, error) {
	var rows []Row
	err := b.measure(ctx, o, func(r Row) {
		r.Bench = b.Name
		rows = append(rows, r)
		row(r)
	})
	if err != nil {
		return rows, fmt.Errorf("bench %s: %w", b.Name, err)
	}
	return rows, nil
}

// Errors that callers branch on.
var (
	ErrUnknown = errors.New("no bench is named")
	ErrNoRow   = errors.New("no row matches") // what Options choose
)

// Find returns the bench of that name. The error wraps [ErrUnknown].
func Find(name string) (Bench, error) {
	for _, b := range All() {
		if b.Name == name {
			return b, nil
		}
	}
	return Bench{}, fmt.Errorf("%w %q", ErrUnknown, name)
}

// Outcome says in a word what became of the goal: INVALID, holds, missed, or
// nothing where there is no goal.
func (r Row) Outcome() string {
	switch {
	case !r.Valid:
		return "INVALID"
	case r.Goal == "":
		return ""
	case r.Holds:
		return "holds"
	}
	return "missed"
}

// Invalid says in a few words why the row is not valid.
func (r Row) Invalid() string {
	if r.Why != "" {
		return r.Why
	}
	return fmt.Sprintf("%d sent, %d counted", r.Sent, r.Counted)
}

// cells returns the row as people read it: see Table.
func (r Row) cells() []string {
	c := []string{r.Row, number(r.Ours) + " " + r.Unit, "", "", "", "", r.Goal, r.Outcome()}
	if !r.Valid {
		c[1] = r.Invalid()
	}
	if r.PeerName != "" {
		c[2] = fmt.Sprintf("%s %s (%s)", number(r.Peer), r.Unit, r.PeerName)
	}
	if r.Ratio > 0 {
		c[3] = fmt.Sprintf("%.2f", r.Ratio)
	}
	if r.AA > 0 {
		c[4] = fmt.Sprintf("%.2f", r.AA)
	}
	switch {
	case r.PeerInsns > 0:
		c[5] = fmt.Sprintf("%d / %d", r.Insns, r.PeerInsns)
	case r.Insns > 0:
		c[5] = fmt.Sprint(r.Insns)
	}
	return c
}

// Table returns rows as people read them, under a head in which ">" marks
// numbers. A column in which nothing stands is left out.
func Table(rows []Row) (head []string, cells [][]string) {
	all := []string{"ROW", ">OURS", ">PEER", ">RATIO", ">A/A", ">INSNS", "GOAL", ""}
	lines := make([][]string, len(rows))
	used := make([]bool, len(all))
	for i, r := range rows {
		lines[i] = r.cells()
		for k, c := range lines[i] {
			used[k] = used[k] || c != ""
		}
	}
	keep := func(cells []string) []string {
		var out []string
		for i, c := range cells {
			if used[i] {
				out = append(out, c)
			}
		}
		return out
	}
	for i := range lines {
		lines[i] = keep(lines[i])
	}
	return keep(all), lines
}

// number has three digits that count.
func number(x float64) string {
	switch {
	case x == 0 || x >= 100:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	case x >= 1:
		return fmt.Sprintf("%.2f", x)
	}
	return fmt.Sprintf("%.3g", x)
}

// median returns the middle of ds.
func median(ds []time.Duration) time.Duration {
	s := slices.Sorted(slices.Values(ds))
	return s[len(s)/2]
}

// spread returns by how much the medians of every other of ds differ, as a
// ratio of at least 1: ours against ours, which tells what the run is worth.
func spread(ds []time.Duration) float64 {
	var halves [2][]time.Duration
	for i, d := range ds {
		halves[i%2] = append(halves[i%2], d)
	}
	a, b := float64(median(halves[0])), float64(median(halves[1]))
	return max(a, b) / min(a, b)
}
