package term

import (
	"io"
	"strings"
)

// A Table is rows under a head. Columns whose head begins with ">" are aligned
// right.
type Table struct {
	Head []string
	Rows [][]string
}

// Add appends a row; it may be shorter than the head.
func (tb *Table) Add(cells ...string) { tb.Rows = append(tb.Rows, cells) }

// Lines returns the table as lines without trailing blanks. The head is bold.
// Two blanks part the columns. Cells are cleaned, but for what is painted.
func (tb *Table) Lines(t *Term) []string {
	widths := make([]int, len(tb.Head))
	right := make([]bool, len(tb.Head))
	head := make([]string, len(tb.Head))
	for i, h := range tb.Head {
		head[i], right[i] = strings.CutPrefix(h, ">")
		widths[i] = Width(head[i])
	}
	rows := make([][]string, len(tb.Rows))
	for n, r := range tb.Rows {
		for i, c := range r {
			c = t.clean(c)
			rows[n] = append(rows[n], c)
			widths[i] = max(widths[i], Width(c))
		}
	}
	line := func(cells []string) string {
		parts := make([]string, len(cells))
		for i, c := range cells {
			parts[i] = Pad(c, widths[i], right[i])
		}
		return strings.TrimRight(strings.Join(parts, "  "), " ")
	}
	out := []string{t.Paint(Bold, line(head))}
	for _, r := range rows {
		out = append(out, line(r))
	}
	return out
}

// Write writes the lines of the table.
func (tb *Table) Write(t *Term) error {
	_, err := io.WriteString(t, strings.Join(tb.Lines(t), "\n")+"\n")
	return err
}
