package trace

import (
	"fmt"
	"io"
	"strings"

	"weir/internal/listing"
)

// hot is the share of the time from which on a line is marked.
const hot = 0.1

// Classes of lines.
const (
	Hot   = "hot"  // it takes much of the time
	Idle  = "idle" // no packet came to it
	Title = listing.Title
)

// WriteText writes the sources with what each line costs, then how that came about.
// Paint is given the class of each line (Hot, Idle, Title or none) and the line,
// and returns it as it is to be shown.
func (p *Profile) WriteText(w io.Writer, paint func(class, line string) string) error {
	if err := listing.WriteText(w, p.listings(), paint); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s\n", strings.Join(p.notes(), "\n"))
	return err
}

// listings returns the sources with what each line costs, of a library file only if a
// packet came to it.
func (p *Profile) listings() (out []listing.File) {
	for _, s := range p.Sources {
		costs := map[int]LineCost{}
		share, reached := 0.0, false
		for _, l := range p.Lines {
			if l.File == s.Name {
				costs[l.Line] = l
				share += l.Share
				reached = reached || l.Packets != nil && *l.Packets > 0
			}
		}
		if !reached && share == 0 && len(out) > 0 {
			continue
		}
		out = append(out, listing.File{
			Title: fmt.Sprintf("%s: %.1f%% of the time", s.Name, 100*share),
			Head:  []string{"PACKETS", "NS", "SHARE"},
			Rows: listing.Lines(s.Text, func(r *listing.Row) {
				c, ok := costs[r.Number]
				r.Cells = []string{"", "", ""}
				r.Class = Idle
				if ok {
					c.row(r)
				}
			}),
		})
	}
	return out
}

func (c LineCost) row(r *listing.Row) {
	if c.Packets != nil {
		r.Cells[0] = fmt.Sprint(*c.Packets)
		if *c.Packets == 0 {
			return
		}
	}
	r.Class = ""
	r.Cells[1], r.Cells[2] = fmt.Sprintf("%.1f", c.NS), fmt.Sprintf("%.1f%%", 100*c.Share)
	if r.Shade = c.Share; c.Share >= hot {
		r.Class, r.Mark = Hot, "*"
	}
}

// WriteHTML writes the profile as a page that stands alone.
func (p *Profile) WriteHTML(w io.Writer) error {
	return listing.Page{
		Title: "Profile", Notes: p.notes(), Files: p.listings(), Style: ".hot td.t { font-weight: bold; } .idle td.t { color: #888; }",
	}.WriteHTML(w)
}

// notes say in a few sentences how the profile came about.
func (p *Profile) notes() []string {
	out := []string{fmt.Sprintf("%d packets, %.1f ns a packet; while it was profiled %.1f ns.", p.Packets, p.Whole, p.With)}
	if live := p.TimedShare == 0; live && p.Timed > 0 {
		return append(out, fmt.Sprintf("The time is of %d packets, %.1f statements each: of each statement %.1f ns were taken off, which two readings of the clock take.",
			p.Timed, p.Laps, p.Clock), fmt.Sprintf("Apart the statements take %.1f ns. What a packet takes is by the kernel's run statistics, without their own share.", p.Apart))
	}
	if p.Errors > 0 {
		out = append(out, fmt.Sprintf("%d packets could not be run.", p.Errors))
	}
	if p.Timed > 0 {
		out = append(out, fmt.Sprintf("The time is of %d packets, %.1f statements each: of each statement %.1f ns were taken off, which two readings of the clock take.",
			p.Timed, p.Laps, p.Clock))
	}
	if p.Apart > 0 && p.Whole > 0 {
		out = append(out, fmt.Sprintf("Apart the statements take %.1f ns, %.0f%% of the whole: their ns are fitted to it.", p.Apart, 100*p.Apart/p.Whole))
	}
	if p.TimedShare > 0 && p.TimedShare < 0.999 {
		out = append(out, fmt.Sprintf("Packets that took rare ways, %.1f%% of all, are counted and not timed.", 100*(1-p.TimedShare)))
	}
	return out
}
