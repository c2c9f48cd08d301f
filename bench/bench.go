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
	"fmt"
	"io"
	"sort"
	"text/tabwriter"
	"time"
)

// A Row is one line of a bench's table.
type Row struct {
	Bench    string  `json:"bench"`
	Row      string  `json:"row"`
	Unit     string  `json:"unit"`
	Ours     float64 `json:"ours"`
	Peer     float64 `json:"peer,omitempty"`
	PeerName string  `json:"peer_name,omitempty"`
	Ratio    float64 `json:"ratio,omitempty"`
	AA       float64 `json:"aa,omitempty"` // ours against ours, in the same run
	Goal     string  `json:"goal"`
	Holds    bool    `json:"holds"`
	Valid    bool    `json:"valid"`
	Sent     uint64  `json:"sent,omitempty"`    // packets
	Counted  uint64  `json:"counted,omitempty"` // packets at the hook
}

// A Bench is a set of measurements with a name.
type Bench struct {
	Name    string
	Summary string // one line for people
	Run     func(ctx context.Context, row func(Row)) error
}

// All lists the benches that there are.
func All() []Bench { return []Bench{{"compile", "time from text to an attached chain", Compile}} }

// Find returns the bench of that name.
func Find(name string) (Bench, error) {
	for _, b := range All() {
		if b.Name == name {
			return b, nil
		}
	}
	return Bench{}, fmt.Errorf("no bench is named %q", name)
}

// Table writes rows as people read them.
func Table(w io.Writer, rows []Row) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ROW\tOURS\tPEER\tRATIO\tA/A\tGOAL\t")
	for _, r := range rows {
		peer, ratio, aa := "–", "–", "–"
		if r.PeerName != "" {
			peer = fmt.Sprintf("%.4g %s (%s)", r.Peer, r.Unit, r.PeerName)
		}
		if r.Ratio > 0 {
			ratio = fmt.Sprintf("%.2f", r.Ratio)
		}
		if r.AA > 0 {
			aa = fmt.Sprintf("%.2f", r.AA)
		}
		fmt.Fprintf(t, "%s\t%.4g %s\t%s\t%s\t%s\t%s\t%s\n", r.Row, r.Ours, r.Unit, peer, ratio, aa, r.Goal, r.outcome())
	}
	return t.Flush()
}

func (r Row) outcome() string {
	switch {
	case !r.Valid:
		return "INVALID"
	case r.Holds:
		return "holds"
	}
	return "missed"
}

// median returns the middle of ds.
func median(ds []time.Duration) time.Duration {
	s := append([]time.Duration(nil), ds...)
	sort.Slice(s, func(i, j int) bool { return s[i] < s[j] })
	return s[len(s)/2]
}
