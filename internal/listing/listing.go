// Package listing writes sources with something beside each line: how often it was
// reached, what it costs. As text each line has its cells, a mark, and its number
// before it; as HTML it is a table in a page that stands alone.
//
// What stands beside a line, and which lines are of interest, is the caller's matter.
package listing

import (
	"fmt"
	"html/template"
	"io"
	"strings"
)

// A File is a source. Rows are its lines.
type File struct {
	Title string
	Head  []string // above the cells; nil: nothing
	Rows  []Row
}

// A Row is a line of a source.
type Row struct {
	Cells  []string
	Mark   string // one character that stands out; empty: none
	Number int
	Text   string
	Class  string  // a class of [Page]'s style; empty: none
	Shade  float64 // of HTML: how dark the line is, from 0 to 1
}

// Lines returns the rows of a text, each with its number, as fill completes them.
func Lines(text string, fill func(*Row)) (out []Row) {
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		r := Row{Number: i + 1, Text: line}
		fill(&r)
		out = append(out, r)
	}
	return out
}

// Title is the class of a file's title.
const Title = "title"

// WriteText writes files as text. Paint, if it is not nil, is given the class of each
// line and the line, and returns it as it is to be shown.
func WriteText(w io.Writer, files []File, paint func(class, line string) string) error {
	if paint == nil {
		paint = func(_, line string) string { return line }
	}
	for _, f := range files {
		fmt.Fprintln(w, paint(Title, f.Title))
		if f.Head != nil {
			fmt.Fprintln(w, cells(f.Head))
		}
		for _, r := range f.Rows {
			line := fmt.Sprintf("%s %1s %4d  %s", cells(r.Cells), r.Mark, r.Number, r.Text)
			if _, err := fmt.Fprintln(w, paint(r.Class, line)); err != nil {
				return err
			}
		}
	}
	return nil
}

// cells sets each of a line's cells to the right.
func cells(c []string) string {
	var b strings.Builder
	for _, x := range c {
		fmt.Fprintf(&b, "%10s", x)
	}
	return b.String()
}

// A Page is a HTML page of files.
type Page struct {
	Title string
	Notes []string // below the title
	Files []File
	Style template.CSS // of the classes of rows
}

// WriteHTML writes the page.
func (p Page) WriteHTML(w io.Writer) error { return page.Execute(w, p) }

var page = template.Must(template.New("listing").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{{.Title}}</title><style>
body { font: 14px/1.4 monospace; margin: 2em; }
table { border-collapse: collapse; } td, th { padding: 0 .6em; white-space: pre; }
td.n, th { color: #888; text-align: right; font-weight: normal; }
{{.Style}}
</style></head><body>
{{range .Notes}}<p>{{.}}</p>
{{end}}{{range .Files}}<h2>{{.Title}}</h2>
<table>{{if .Head}}<tr>{{range .Head}}<th>{{.}}</th>{{end}}<th></th><th></th></tr>
{{end}}{{range .Rows}}<tr class="{{.Class}}">{{range .Cells}}<td class="n">{{.}}</td>{{end}}<td class="n">{{.Number}}</td><td class="t"{{if .Shade}} style="background: rgba(226, 86, 36, {{printf "%.2f" .Shade}})"{{end}}>{{.Text}}</td></tr>
{{end}}</table>
{{end}}</body></html>
`))
