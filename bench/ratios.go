package bench

import (
	"fmt"
	"html"
	"io"
	"strings"
)

// Measures of the chart of ratios, in pixels.
const (
	ratioWidth = 980
	ratioLeft  = 290 // where bars begin
	ratioUnit  = 150 // of a ratio of 1
	ratioMost  = 2.6 // what is above is cut off, and its number says how much
	ratioLine  = 15  // of a bar
	ratioGap   = 9   // between rows
)

// Colours of bars: within the goal, beyond it.
const (
	colourHolds  = "#2f7fd1"
	colourMissed = "#d9822b"
)

// ratios writes rows as a chart of ours over the peer's: a bar for each peer of a
// row, a mark at its goal, and a line where both are equal. Rows without a ratio are left out.
func ratios(w io.Writer, b Bench, rows []Row) error {
	var body strings.Builder
	y := headHeight + 22
	last := ""
	for _, r := range rows {
		if r.PeerName == "" {
			continue
		}
		if r.Row != last {
			y += ratioGap
			label(&body, ratioLeft-12, y+11, "end", "#1f2933", r.Row)
			last = r.Row
		}
		ratioBar(&body, r, y)
		y += ratioLine
	}
	var s strings.Builder
	height := y + 24
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="ui-sans-serif, system-ui, sans-serif" font-size="12">`+"\n", ratioWidth, height)
	fmt.Fprintf(&s, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", ratioWidth, height)
	fmt.Fprintf(&s, `<text x="16" y="26" font-size="16" font-weight="600" fill="#1f2933">weir bench %s</text>`+"\n", html.EscapeString(b.Name))
	label(&s, 16, 44, "start", "#7b8794", b.Summary+": ours over the peer's; at 1.0 both are equal, a mark is the goal")
	for _, x := range []float64{0, 0.5, 1, 1.5, 2, 2.5} {
		at, colour := ratioLeft+int(x*ratioUnit), "#e4e7eb"
		if x == 1 {
			colour = "#323f4b"
		}
		fmt.Fprintf(&s, `<line x1="%d" x2="%d" y1="%d" y2="%d" stroke="%s"/>`+"\n", at, at, headHeight+18, height-16, colour)
		label(&s, at, headHeight+12, "middle", "#7b8794", fmt.Sprintf("%.1f", x))
	}
	s.WriteString(body.String())
	s.WriteString("</svg>\n")
	_, err := io.WriteString(w, s.String())
	return err
}

// ratioBar draws one comparison, and the figures behind it.
func ratioBar(s *strings.Builder, r Row, y int) {
	if !r.Valid {
		label(s, ratioLeft+4, y+11, "start", "#ba2525", "INVALID ("+r.PeerName+")")
		return
	}
	colour := colourHolds
	if !r.Holds {
		colour = colourMissed
	}
	width := int(min(r.Ratio, ratioMost) * ratioUnit)
	fmt.Fprintf(s, `<rect x="%d" y="%d" width="%d" height="%d" rx="2" fill="%s"/>`+"\n", ratioLeft, y, width, ratioLine-3, colour)
	if r.Ratio > ratioMost { // a bar that is cut off ends in a gap
		fmt.Fprintf(s, `<rect x="%d" y="%d" width="3" height="%d" fill="#ffffff"/>`+"\n", ratioLeft+width-12, y, ratioLine-3)
	}
	var goal float64
	if _, err := fmt.Sscanf(r.Goal, "<=%g", &goal); err == nil {
		at := ratioLeft + int(goal*ratioUnit)
		fmt.Fprintf(s, `<line x1="%d" x2="%d" y1="%d" y2="%d" stroke="#1f2933" stroke-width="2"/>`+"\n", at, at, y-1, y+ratioLine-2)
	}
	unit, _, _ := strings.Cut(r.Unit, "/")
	detail := fmt.Sprintf("%s / %s %s, %s", number(r.Ours), number(r.Peer), unit, r.PeerName)
	// The white around the number parts it from lines.
	fmt.Fprintf(s, `<text x="%d" y="%d" fill="#1f2933" stroke="#ffffff" stroke-width="3" paint-order="stroke">%.2f</text>`+"\n",
		max(ratioLeft+width, ratioLeft+int(goal*ratioUnit))+6, y+10, r.Ratio)
	label(s, ratioWidth-12, y+10, "end", "#7b8794", detail)
}

// label writes a text at a place.
func label(s *strings.Builder, x, y int, anchor, colour, what string) {
	fmt.Fprintf(s, `<text x="%d" y="%d" text-anchor="%s" fill="%s">%s</text>`+"\n", x, y, anchor, colour, html.EscapeString(what))
}
