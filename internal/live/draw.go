package live

import (
	"fmt"
	"path"
	"strings"
	"time"

	"weir/internal/term"
	"weir/trace"
)

// colors of verdicts.
var colors = map[string]term.Color{
	"DROP": term.Red, "PASS": term.Green, "ACCEPT": term.Green, "TX": term.Blue, "REDIRECT": term.Blue,
}

// Paint returns a verdict in its colour.
func Paint(t *term.Term, verdict string) string { return t.Paint(colors[verdict], verdict) }

// shareColumns is how wide the bars are.
const shareColumns = 12

// Lines draws the view for people.
func (v View) Lines(t *term.Term) []string {
	out := []string{fmt.Sprintf("%s  %s", t.Paint(term.Bold, v.Name), t.Paint(term.Faint, v.Age.Round(time.Second).String()))}
	out = append(out, v.placeLines(t)...)
	if len(v.Chains) > 0 {
		tb := ChainTable(t, v.Chains)
		out = append(append(out, ""), tb.Lines(t)...)
	}
	if lines := v.exitLines(t); len(lines) > 1 {
		out = append(append(out, ""), lines...)
	} else {
		out = append(out, "", t.Paint(term.Faint, "no packets yet"))
	}
	out = append(out, CountLines(t, v.Counts, true)...)
	out = append(out, HistLines(t, v.Hists)...)
	for _, r := range v.Refused {
		out = append(out, "", t.Paint(term.Yellow, fmt.Sprintf("map %s is full: it has refused %s (%s/s)",
			r.Name, term.Plural(r.N, "new key"), term.Number(r.PS))))
	}
	for _, r := range v.Forgot {
		out = append(out, "", t.Paint(term.Yellow, fmt.Sprintf("map %s was full: it has forgotten %s (%s/s)",
			r.Name, term.Plural(r.N, "old key"), term.Number(r.PS))))
	}
	if v.Drops != nil {
		out = append(out, "", dropLine(*v.Drops))
	}
	for _, r := range v.Lost {
		out = append(out, "", t.Paint(term.Yellow, fmt.Sprintf("%s has lost %s (%s/s)",
			lostBy(r.Name), term.Plural(r.N, lostWhat(r.Name)), term.Number(r.PS))))
	}
	return out
}

// dropLine says what of the dropped packets is in the file, and what is not.
func dropLine(n trace.DropCount) string {
	s := fmt.Sprintf("written %s of %s dropped", term.Count(n.Written), term.Plural(n.Dropped, "packet"))
	for _, left := range []struct {
		n   uint64
		why string
	}{
		{n.Sampled, "left out by --sample"}, {n.Limited, "over --rate"}, {n.Lost, "lost, since they came too fast"},
	} {
		if left.n > 0 {
			s += fmt.Sprintf(", %s %s", term.Count(left.n), left.why)
		}
	}
	return s
}

func (v View) placeLines(t *term.Term) []string {
	tb := term.Table{Head: []string{"WHERE", "HOOK", "MODE", ">PACKETS", ">PPS", ">BIT RATE"}}
	var notes []string
	for _, p := range v.Places {
		mode := p.Mode
		if p.Gone {
			mode = t.Paint(term.Red, "gone")
		} else if p.Why != "" {
			notes = append(notes, t.Paint(term.Yellow, fmt.Sprintf("%s: %s, since %s", p.Where, p.Mode, firstLine(p.Why))))
		}
		tb.Add(p.Where, p.Hook, mode, term.Count(p.Packets), term.Number(p.PPS), term.Bits(p.BPS))
	}
	return append(tb.Lines(t), notes...)
}

func (v View) exitLines(t *term.Term) []string {
	tb := term.Table{Head: []string{"VERDICT", "REASON", ">PACKETS", ">PPS", "SHARE", "BY"}}
	for _, e := range v.Exits {
		c := colors[e.Verdict]
		tb.Add(t.Paint(c, e.Verdict), e.Reason, term.Count(e.Packets), term.Number(e.PPS),
			t.Paint(c, term.Bar(e.Share, shareColumns)), At(t, e.File, e.Line)+"  "+e.Text)
	}
	return tb.Lines(t)
}

// At returns the place of a line in a source, short.
func At(t *term.Term, file string, line int) string {
	return t.Paint(term.Cyan, fmt.Sprintf("%s:%d", path.Base(file), line))
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// Brief is the view in one line, for output that nobody redraws.
func (v View) Brief() string {
	var packets uint64
	var pps, bps float64
	for _, p := range v.Places {
		packets += p.Packets
		pps += p.PPS
		bps += p.BPS
	}
	parts := []string{fmt.Sprintf("%6s  %s  %s pps  %s", v.Age.Round(time.Second), term.Plural(packets, "packet"),
		term.Number(pps), term.Bits(bps))}
	for _, e := range v.Exits {
		name := e.Verdict
		if e.Reason != "" {
			name += " " + e.Reason
		}
		parts = append(parts, fmt.Sprintf("%s:%d %s %s", path.Base(e.File), e.Line, name, term.Count(e.Packets)))
	}
	for _, c := range Top(v.Counts) {
		parts = append(parts, fmt.Sprintf("%s=%d", c.Name, c.N))
	}
	for _, r := range v.Refused {
		parts = append(parts, fmt.Sprintf("map %s refused %d", r.Name, r.N))
	}
	for _, r := range v.Forgot {
		parts = append(parts, fmt.Sprintf("map %s forgot %d", r.Name, r.N))
	}
	if v.Drops != nil {
		parts = append(parts, dropLine(*v.Drops))
	}
	for _, r := range v.Lost {
		parts = append(parts, fmt.Sprintf("%s lost %d", lostBy(r.Name), r.N))
	}
	return strings.Join(parts, "  ")
}

// chain is the name of the chain in which e ended, if there are several.
func (v View) chain(e ExitView) string {
	if len(v.Chains) == 0 {
		return ""
	}
	return v.Chains[e.Chain].Name
}

func named(rs []Rate) map[string]uint64 {
	m := make(map[string]uint64)
	for _, r := range rs {
		m[r.Name] += r.N
	}
	return m
}
