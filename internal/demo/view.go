package demo

import (
	"fmt"
	"strings"
	"time"

	"weir/examples"
	"weir/internal/term"
)

// barColumns is how wide the bars of the phases are.
const barColumns = 24

// intro shows what is about to happen, and the chain.
func (f *flood) intro() {
	t := f.t
	fmt.Fprintf(t, "%s\n\n", t.Paint(term.Bold, "A web server, its visitors, and a flood"))
	for _, l := range []string{
		"   client ──── internet ════ server       4 visitors ask a web server as fast as it answers.",
		"                  ▲                       The attacker sends 64-byte UDP from 131,072 random",
		"               attacker                   sources, more than one CPU can receive.",
	} {
		fmt.Fprintln(t, strings.TrimRight(l, " "))
	}
	fmt.Fprintf(t, "\nThe chain, %s, which comes to help in the third act:\n\n", t.Paint(term.Cyan, "examples/"+floodFile))
	for _, l := range codeOf(string(examples.MustRead(floodFile))) {
		fmt.Fprintf(t, "   %s\n", highlight(t, l))
	}
	fmt.Fprintln(t)
}

// codeOf returns the lines of a chain's functions, without what is before.
func codeOf(text string) []string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, "def ") {
			return lines[i:]
		}
	}
	return lines
}

// highlight paints what decides.
func highlight(t *term.Term, line string) string {
	switch s := strings.TrimSpace(line); {
	case strings.HasPrefix(s, "return drop"):
		return t.Paint(term.Red, line)
	case strings.HasPrefix(s, "return"):
		return t.Paint(term.Green, line)
	}
	return line
}

// draw shows the phases, of which p runs, and the chain's counters. Without a
// terminal it writes a line a second.
func (f *flood) draw(p *phase) {
	if f.screen == nil {
		f.drawPlain(p)
		return
	}
	best, most := f.scale()
	lines := []string{fmt.Sprintf("%-23s %-*s %12s  %-*s %12s", "", barColumns, "requests/s", "", barColumns/2, "packets/s", "")}
	for _, q := range f.phases {
		lines = append(lines, f.phaseLine(q, q == p && !q.over, best, most))
	}
	lines = append(lines, "")
	if f.chain != nil {
		lines = append(lines, f.view.Lines(f.t)...)
	}
	f.screen.Draw(lines)
}

// scale returns what the longest bars stand for.
func (f *flood) scale() (rps, pps float64) {
	rps, pps = 1, 1
	for _, p := range f.phases {
		rps, pps = max(rps, p.shownRPS()), max(pps, p.shownPPS())
	}
	return rps, pps
}

// color is red if most of the best is lost.
func (p *phase) color(best float64) term.Color {
	if p.shownRPS() < best/10 {
		return term.Red
	}
	return term.Green
}

// shownRPS is the mean of a phase that is over, else the rate of now.
func (p *phase) shownRPS() float64 {
	if p.over {
		return p.load.PerSecond()
	}
	return p.rps
}

func (p *phase) shownPPS() float64 {
	if p.over {
		return p.mean()
	}
	return p.pps
}

func (f *flood) phaseLine(q *phase, running bool, best, most float64) string {
	t := f.t
	if q.ran == 0 && !running {
		return t.Paint(term.Faint, "  "+q.name)
	}
	mark := "  "
	if running {
		mark = "▸ "
	}
	name := term.Pad(mark+q.name, 23, false)
	if running {
		name = t.Paint(term.Bold, name)
	}
	return fmt.Sprintf("%s %s %12s  %s %12s", name,
		t.Paint(q.color(best), term.Bar(q.shownRPS()/best, barColumns)), term.Count(uint64(q.shownRPS())),
		t.Paint(term.Yellow, term.Bar(q.shownPPS()/most, barColumns/2)), term.Count(uint64(q.shownPPS())))
}

func (f *flood) drawPlain(p *phase) {
	if !p.over && int(p.ran/sampleEvery)%4 != 0 {
		return
	}
	if p.over {
		fmt.Fprintf(f.t, "%s: %s requests/s answered, %s packets/s received\n", p.name,
			term.Count(uint64(p.load.PerSecond())), term.Number(p.mean()))
		return
	}
	line := fmt.Sprintf("  %4.1fs  %s requests/s  %s packets/s", p.ran.Seconds(), term.Count(uint64(p.rps)), term.Number(p.pps))
	for _, e := range f.view.Exits {
		line += fmt.Sprintf("  %s:%d %s %s/s", floodFile, e.Line, strings.TrimSpace(e.Verdict+" "+e.Reason), term.Number(e.PPS))
	}
	fmt.Fprintln(f.t, line)
}

// summary tells what was measured, over the whole phases.
func (f *flood) summary() {
	t := f.t
	if f.screen != nil {
		f.screen.Clear()
	}
	tb := term.Table{Head: []string{"", "", ">REQUESTS/S", ">FAILED", ">P50", ">P99", ">PACKETS/S"}}
	best, _ := f.scale()
	for _, p := range f.phases {
		l := p.load
		bar := t.Paint(p.color(best), term.Bar(p.shownRPS()/best, barColumns))
		tb.Add(p.name, bar, term.Count(uint64(l.PerSecond())), term.Count(l.Failed), brief(l.Latency.Percentile(50)),
			brief(l.Latency.Percentile(99)), term.Count(uint64(p.mean())))
	}
	fmt.Fprintln(t)
	tb.Write(t)
	fmt.Fprintln(t)
	rules := term.Table{Head: []string{"RULE", ">PACKETS", "BY"}}
	for _, e := range f.view.Exits {
		rules.Add(strings.TrimSpace(e.Verdict+" "+e.Reason), term.Count(e.Packets),
			t.Paint(term.Cyan, fmt.Sprintf("%s:%d", floodFile, e.Line))+"  "+e.Text)
	}
	rules.Write(t)
	fmt.Fprintf(t, "\nCompiled, loaded and attached in %v while the flood went on (%s XDP).\n", f.took.Round(time.Millisecond), f.mode)
	with, without := f.phases[2].load.PerSecond(), f.phases[1].load.PerSecond()
	fmt.Fprintf(t, "With the chain the server answered %s as many requests as without.\n", factor(with, without))
	fmt.Fprintf(t, "\n%s\n", t.Paint(term.Bold, "What next"))
	for _, l := range [][2]string{
		{"weir cat std/rate.weir", "a module of the library, in the same language"},
		{"weir run examples/flood.weir --on eth0", "the same on a card of yours, until ^C"},
		{"weir ir examples/flood.weir --stage gen", "the eBPF that it became"},
	} {
		fmt.Fprintf(t, "   %s %s\n", term.Pad(t.Paint(term.Blue, l[0]), 42, false), l[1])
	}
}

// brief is a latency with two or three digits.
func brief(d time.Duration) string {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= 10*time.Millisecond:
		return d.Round(time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}
