package trace

import (
	"io"
	"strings"
	"time"

	"github.com/google/pprof/profile"
)

// WritePprof writes the profile for go tool pprof: of each line how often it was reached,
// and the ns that it took in all packets. A function is a def of the source.
func (p *Profile) WritePprof(w io.Writer) error {
	out := &profile.Profile{
		SampleType: []*profile.ValueType{{Type: "packets", Unit: "count"}, {Type: "time", Unit: "nanoseconds"}},
		PeriodType: &profile.ValueType{Type: "packets", Unit: "count"},
		Period:     1,
		TimeNanos:  time.Now().UnixNano(),

		DefaultSampleType: "time",
	}
	functions := map[[2]string]*profile.Function{}
	for i, l := range p.Lines {
		name := l.File
		if k := p.order(l.File); k >= 0 {
			name = defOf(strings.Split(p.Sources[k].Text, "\n"), l.Line, l.File)
		}
		f := functions[[2]string{l.File, name}]
		if f == nil {
			f = &profile.Function{ID: uint64(len(functions) + 1), Name: name, SystemName: name, Filename: l.File}
			functions[[2]string{l.File, name}] = f
			out.Function = append(out.Function, f)
		}
		at := &profile.Location{ID: uint64(i + 1), Line: []profile.Line{{Function: f, Line: int64(l.Line)}}}
		out.Location = append(out.Location, at)
		n := int64(0)
		if l.Packets != nil {
			n = int64(*l.Packets)
		}
		out.Sample = append(out.Sample, &profile.Sample{Location: []*profile.Location{at}, Value: []int64{n, int64(l.NS * float64(p.Packets))}})
	}
	return out.Write(w)
}

// defOf returns the name of the def that a line stands in or begins, which are told by
// their indentation; none where there is no def.
func defOf(lines []string, n int, none string) string {
	if n < 1 || n > len(lines) {
		return none
	}
	indent := func(s string) int { return len(s) - len(strings.TrimLeft(s, " \t")) }
	most := indent(lines[n-1]) + 1
	for i := n - 1; i >= 0; i-- {
		text := strings.TrimSpace(lines[i])
		if text == "" || strings.HasPrefix(text, "#") || indent(lines[i]) >= most {
			continue
		}
		if name, ok := strings.CutPrefix(text, "def "); ok {
			name, _, _ = strings.Cut(name, "(")
			return name
		}
		most = indent(lines[i])
	}
	return none
}
