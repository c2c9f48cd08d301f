package bench

import (
	"fmt"
	"html"
	"io"
	"math"
	"strings"
)

// Measures of the chart, in pixels.
const (
	chartWidth = 760
	labelWidth = 300
	barWidth   = 330 // of the longest bar
	barHeight  = 14
	rowHeight  = 34
	headHeight = 56
)

// SVG writes the rows as a chart of bars: ours, and below it the peer's where
// there is one. Bars of one unit have one scale; a unit whose figures lie more
// than a hundredfold apart has a logarithmic one. Of a bench that Compares it is a
// chart of ratios.
func SVG(w io.Writer, b Bench, rows []Row) error {
	if b.Compares {
		return ratios(w, b, rows)
	}
	var s strings.Builder
	height := headHeight + rowHeight*len(rows) + 16
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="ui-sans-serif, system-ui, sans-serif" font-size="13">`+"\n", chartWidth, height)
	fmt.Fprintf(&s, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", chartWidth, height)
	fmt.Fprintf(&s, `<text x="16" y="26" font-size="16" font-weight="600" fill="#1f2933">weir bench %s</text>`+"\n", html.EscapeString(b.Name))
	fmt.Fprintf(&s, `<text x="16" y="44" fill="#7b8794">%s; shorter is better</text>`+"\n", html.EscapeString(b.Summary))
	scales := map[string]scale{}
	for _, r := range rows {
		scales[r.Unit] = scales[r.Unit].with(r.Ours).with(r.Peer)
	}
	for i, r := range rows {
		drawRow(&s, r, scales[r.Unit], headHeight+rowHeight*i)
	}
	s.WriteString("</svg>\n")
	_, err := io.WriteString(w, s.String())
	return err
}

// drawRow draws a row whose upper edge is at y.
func drawRow(s *strings.Builder, r Row, sc scale, y int) {
	bar := func(y, height int, x float64, colour string) int {
		n := sc.length(x)
		fmt.Fprintf(s, `<rect x="%d" y="%d" width="%d" height="%d" rx="2" fill="%s"/>`+"\n", labelWidth, y, n, height, colour)
		return labelWidth + n + 8
	}
	label(s, labelWidth-12, y+15, "end", "#1f2933", r.Row)
	if !r.Valid {
		label(s, labelWidth, y+15, "start", "#ba2525", "INVALID")
		return
	}
	colour, said := colourHolds, number(r.Ours)+" "+r.Unit
	if r.Goal != "" {
		said += "  (goal " + r.Goal + ")"
	}
	if !r.Holds {
		colour = colourMissed
	}
	height := barHeight
	if r.PeerName != "" {
		height = barHeight / 2
		bar(y+4+height+2, height, r.Peer, "#b8c4ce")
		said += fmt.Sprintf("  %s: %s", r.PeerName, number(r.Peer))
	}
	label(s, bar(y+4, height, r.Ours, colour), y+15, "start", "#52606d", said)
}

// A scale turns figures of a unit into lengths.
type scale struct{ least, most float64 }

func (s scale) with(x float64) scale {
	if x <= 0 {
		return s
	}
	if s.least == 0 {
		s.least = x
	}
	return scale{min(s.least, x), max(s.most, x)}
}

func (s scale) length(x float64) int {
	switch {
	case x <= 0:
		return 0
	case s.most > 100*s.least:
		return max(2, int(barWidth*math.Log(2*x/s.least)/math.Log(2*s.most/s.least)))
	}
	return max(2, int(barWidth*x/s.most))
}
