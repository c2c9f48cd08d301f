package live

import (
	"fmt"
	"slices"
	"strings"

	"weir/datapath"
	"weir/internal/term"
)

// topValues is how many values of one count(x) are shown to people.
const topValues = 20

// CountLines draws counters, with their rates if these are asked for: a table of
// those that have a name, and one for each count(x), which has the greatest
// counts. Each comes after an empty line.
func CountLines(t *term.Term, all []Rate, rates bool) []string {
	var out []string
	for len(all) > 0 {
		n := slices.IndexFunc(all, func(c Rate) bool { return c.Of != all[0].Of })
		if n < 0 {
			n = len(all)
		}
		out = append(append(out, ""), countTable(t, all[:n], rates)...)
		all = all[n:]
	}
	return out
}

func countTable(t *term.Term, same []Rate, rates bool) []string {
	of, more := same[0].Of, 0
	tb := term.Table{Head: []string{"COUNT", ">TOTAL"}}
	if of != "" {
		tb.Head[0] = term.Clean(of)
		more = max(len(same)-topValues, 0)
	}
	if rates {
		tb.Head = append(tb.Head, ">PER SECOND")
	}
	for _, c := range same[:len(same)-more] {
		name := c.Name
		if of != "" {
			name = strings.TrimPrefix(name, of+"=")
		}
		row := []string{name, term.Count(c.N)}
		if rates {
			row = append(row, term.Number(c.PS))
		}
		tb.Add(row...)
	}
	out := tb.Lines(t)
	if more > 0 {
		out = append(out, t.Paint(term.Faint, fmt.Sprintf("and %s more", term.Plural(uint64(more), "value"))))
	}
	return out
}

// Top returns the counters that are shown in one line: all that have a name, and
// of each count(x) the values with the greatest counts.
func Top(all []Rate) (shown []Rate) {
	seen := map[string]int{}
	for _, c := range all {
		if seen[c.Of]++; c.Of == "" || seen[c.Of] <= topValues {
			shown = append(shown, c)
		}
	}
	return shown
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
