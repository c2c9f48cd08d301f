package term

import (
	"fmt"
	"strings"
	"time"
)

// A Screen is a block of lines at the end of the output that is drawn again
// and again in place. It needs a terminal.
type Screen struct {
	t    *Term
	last int // lines drawn
}

// NewScreen returns a Screen on t with nothing drawn, and hides the cursor.
// Close shows it again.
func NewScreen(t *Term) *Screen {
	fmt.Fprint(t, "\x1b[?25l")
	return &Screen{t: t}
}

// Draw replaces the lines drawn before. Lines are cleaned, but for what is
// painted, and cut to the width of the terminal; what does not fit its height is left out at the end, since a
// line that has scrolled away cannot be drawn again.
func (s *Screen) Draw(lines []string) {
	columns, height := s.t.Size()
	if len(lines) > height-1 {
		lines = lines[:max(0, height-1)]
	}
	var b strings.Builder
	s.up(&b)
	for _, l := range lines {
		b.WriteString(Cut(s.t.clean(l), columns))
		b.WriteString("\x1b[K\n")
	}
	b.WriteString("\x1b[J")
	s.last = len(lines)
	fmt.Fprint(s.t, b.String())
}

// Clear takes away what was drawn.
func (s *Screen) Clear() {
	var b strings.Builder
	s.up(&b)
	b.WriteString("\x1b[J")
	s.last = 0
	fmt.Fprint(s.t, b.String())
}

// Close leaves the last lines where they are and shows the cursor.
func (s *Screen) Close() {
	s.last = 0
	fmt.Fprint(s.t, "\x1b[?25h")
}

func (s *Screen) up(b *strings.Builder) {
	if s.last > 0 {
		fmt.Fprintf(b, "\x1b[%dA\r", s.last)
	}
}

// A Progress is a bar that follows a long piece of work, on a terminal; else
// it writes nothing. It draws at most ten times a second.
type Progress struct {
	t     *Term
	label string
	total uint64 // 0: not known
	start time.Time
	drawn time.Time
}

// NewProgress returns the bar of work of total units.
func NewProgress(t *Term, label string, total uint64) *Progress {
	return &Progress{t: t, label: label, total: total, start: time.Now()}
}

// Set says how far the work is, and how many items that makes.
func (p *Progress) Set(done, items uint64) {
	if !p.t.Terminal || time.Since(p.drawn) < 100*time.Millisecond {
		return
	}
	p.drawn = time.Now()
	rate := float64(items) / max(time.Since(p.start).Seconds(), 0.001)
	fmt.Fprintf(p.t, "\r%s %s %s, %s/s\x1b[K", p.label, p.t.Paint(Green, Bar(fraction(done, p.total), 30)), Count(items), Number(rate))
}

// Part says how many of the parts of the work are done.
func (p *Progress) Part(done, total int) {
	if !p.t.Terminal || time.Since(p.drawn) < 100*time.Millisecond {
		return
	}
	p.drawn = time.Now()
	fmt.Fprintf(p.t, "\r%s %s %d of %d\x1b[K", p.label, p.t.Paint(Green, Bar(fraction(uint64(done), uint64(total)), 30)), done, total)
}

// Done takes the bar away.
func (p *Progress) Done() {
	if p.t.Terminal && !p.drawn.IsZero() {
		fmt.Fprint(p.t, "\r\x1b[K")
	}
}

func fraction(a, b uint64) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}
