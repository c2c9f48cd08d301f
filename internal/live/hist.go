package live

import (
	"fmt"

	"weir/datapath"
	"weir/internal/term"
)

// topValues is how many values of one count(x) are shown to people.
const topValues = 20

// Top returns the counters that people are shown: all that have a name, and of
// each count(x) the values with the greatest counts; and a line for each count(x)
// of which there are more.
func Top(all []Rate) (shown []Rate, more []string) {
	seen := map[string]int{}
	for _, c := range all {
		if c.Of != "" {
			if seen[c.Of]++; seen[c.Of] > topValues {
				continue
			}
		}
		shown = append(shown, c)
	}
	for _, c := range shown {
		if n := seen[c.Of] - topValues; c.Of != "" && n > 0 {
			more = append(more, fmt.Sprintf("and %s more of %s", term.Plural(uint64(n), "value"), c.Of))
			seen[c.Of] = 0
		}
	}
	return shown, more
}

// histColumns is how wide the bars of histograms are.
const histColumns = 40

// HistLines draws histograms, each after an empty line; those with nothing in
// them are left out.
func HistLines(t *term.Term, hists []datapath.Hist) []string {
	var out []string
	for _, h := range hists {
		buckets := h.Buckets()
		var most uint64
		for _, b := range buckets {
			most = max(most, b.N)
		}
		if most == 0 {
			continue
		}
		tb := term.Table{Head: []string{">" + h.Name, ">COUNT", ""}}
		for _, b := range buckets {
			tb.Add(bounds(b), term.Count(b.N), t.Paint(term.Cyan, term.Bar(float64(b.N)/float64(most), histColumns)))
		}
		out = append(append(out, ""), tb.Lines(t)...)
	}
	return out
}

func bounds(b datapath.Bucket) string {
	switch {
	case b.From.Negative:
		return "below 0"
	case b.From == b.To:
		return b.From.String()
	}
	return b.From.String() + " – " + b.To.String()
}
