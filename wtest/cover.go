package wtest

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.starlark.net/syntax"

	"weir/internal/listing"
	"weir/lang"
	"weir/lang/check"
	"weir/trace"
)

// Coverage is which statements of chain files packets of tests have reached.
type Coverage struct{ files map[string]*covered }

// covered is a chain file. Statements that can be reached have a count.
type covered struct {
	text  string
	reach map[lang.Line]uint64
}

// NewCoverage returns a Coverage for [Options].
func NewCoverage() *Coverage { return &Coverage{files: map[string]*covered{}} }

// take adds what a program has counted.
func (c *Coverage) take(r *trace.Runner, p *lang.Program) error {
	m := r.SystemMap(p, lang.LineMap)
	if m == nil {
		return nil
	}
	b, err := m.LookupBytes(uint32(0))
	if err != nil {
		return fmt.Errorf("coverage: %w", err)
	}
	for _, s := range p.Sources {
		if !strings.HasPrefix(s.Name, "std/") && c.files[s.Name] == nil {
			c.files[s.Name] = &covered{s.Text, map[lang.Line]uint64{}}
		}
	}
	for i, l := range p.Lines {
		if f := c.files[l.File]; f != nil {
			f.reach[l] += binary.NativeEndian.Uint64(b[8*i:])
		}
	}
	return nil
}

// A FileCoverage is what packets of tests have reached of a file. Its JSON form is
// fixed.
type FileCoverage struct {
	File       string         `json:"file"`
	Statements int            `json:"statements"`
	Reached    int            `json:"reached"`
	Lines      map[int]uint64 `json:"lines"` // how often each line with a statement was reached
	text       string
}

// Files returns the files in the order of their names. A function that no test has
// loaded counts if it takes packets: what helpers of build time do is no part of it.
func (c *Coverage) Files() []FileCoverage {
	var out []FileCoverage
	for _, name := range sorted(c.files) {
		f := c.files[name]
		all := f.statements(name)
		x := FileCoverage{File: name, Statements: len(all), Lines: map[int]uint64{}, text: f.text}
		for l, n := range all {
			if n > 0 {
				x.Reached++
			}
			if old, ok := x.Lines[l.Line]; !ok || n < old {
				x.Lines[l.Line] = n // of several statements on a line the one that was reached least
			}
		}
		out = append(out, x)
	}
	return out
}

// statements returns all statements of functions that run at packet time.
func (f *covered) statements(name string) map[lang.Line]uint64 {
	out := map[lang.Line]uint64{}
	for l, n := range f.reach {
		out[l] = n
	}
	tree, ds := check.Parse(name, []byte(f.text))
	if ds.Err() != nil {
		return out // it was compiled: cannot be
	}
	syntax.Walk(tree, func(n syntax.Node) bool {
		def, ok := n.(*syntax.DefStmt)
		if !ok {
			return true
		}
		own := ownStatements(name, def)
		known := slices.ContainsFunc(own, func(l lang.Line) bool { _, ok := f.reach[l]; return ok })
		if !known && !takesPacket(def) {
			return true
		}
		for _, l := range own {
			out[l] += 0
		}
		return true
	})
	return out
}

func takesPacket(def *syntax.DefStmt) bool {
	if len(def.Params) == 0 {
		return false
	}
	id, ok := def.Params[0].(*syntax.Ident)
	return ok && (id.Name == "pkt" || def.Name.Name == "main")
}

// ownStatements returns where the statements of a function begin, but for those of
// functions inside and docstrings.
func ownStatements(file string, def *syntax.DefStmt) (out []lang.Line) {
	var walk func([]syntax.Stmt)
	walk = func(list []syntax.Stmt) {
		for _, s := range list {
			switch s := s.(type) {
			case *syntax.DefStmt:
				continue
			case *syntax.ExprStmt:
				if l, ok := s.X.(*syntax.Literal); ok && l.Token == syntax.STRING {
					continue
				}
			case *syntax.IfStmt:
				walk(s.True)
				walk(s.False)
			case *syntax.ForStmt:
				walk(s.Body)
			case *syntax.WhileStmt:
				walk(s.Body)
			}
			at := syntax.Start(s)
			out = append(out, lang.Line{File: file, Line: int(at.Line), Col: int(at.Col)})
		}
	}
	walk(def.Body)
	return out
}

// Missed returns the lines whose statements no packet has reached, as people write
// them: 3, 7-9.
func (f FileCoverage) Missed() string {
	var lines []int
	for l, n := range f.Lines {
		if n == 0 {
			lines = append(lines, l)
		}
	}
	slices.Sort(lines)
	var parts []string
	for i := 0; i < len(lines); {
		j := i
		for j+1 < len(lines) && f.next(lines[j]) == lines[j+1] {
			j++
		}
		if i == j {
			parts = append(parts, fmt.Sprint(lines[i]))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", lines[i], lines[j]))
		}
		i = j + 1
	}
	return strings.Join(parts, ", ")
}

// next returns the next line that has a statement.
func (f FileCoverage) next(line int) int {
	for l := line + 1; l <= strings.Count(f.text, "\n")+1; l++ {
		if _, ok := f.Lines[l]; ok {
			return l
		}
	}
	return 0
}

// Percent returns how much was reached, 100 of a file without statements.
func (f FileCoverage) Percent() float64 {
	if f.Statements == 0 {
		return 100
	}
	return 100 * float64(f.Reached) / float64(f.Statements)
}

// listing is the file with how often each line was reached.
func (f FileCoverage) listing() listing.File {
	return listing.File{
		Title: fmt.Sprintf("%s: %.1f%% of %d statements", f.File, f.Percent(), f.Statements),
		Rows: listing.Lines(f.text, func(r *listing.Row) {
			n, ok := f.Lines[r.Number]
			switch {
			case !ok:
				r.Cells = []string{""}
				return
			case n == 0:
				r.Class, r.Mark = "missed", "!"
			default:
				r.Class = "reached"
			}
			r.Cells = []string{fmt.Sprint(n)}
		}),
	}
}

func (c *Coverage) listings() (out []listing.File) {
	for _, f := range c.Files() {
		out = append(out, f.listing())
	}
	return out
}

// WriteText writes the files with the count of each line before it.
func (c *Coverage) WriteText(w io.Writer) error { return listing.WriteText(w, c.listings(), nil) }

// WriteHTML writes the files as a page that stands alone.
func (c *Coverage) WriteHTML(w io.Writer) error {
	return listing.Page{Title: "Coverage", Files: c.listings(), Style: coverStyle}.WriteHTML(w)
}

const coverStyle = ".reached td.t { background: #e6f4e6; } .missed td.t { background: #fadcdc; }"
