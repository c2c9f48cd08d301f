package trace

import (
	"io"
	"time"

	"github.com/google/pprof/profile"
)

// WritePprof writes the profile for go tool pprof: of each line how often it was reached,
// and the ns that it took in all packets. A function is a file of the source.
func (p *Profile) WritePprof(w io.Writer) error {
	out := &profile.Profile{
		SampleType: []*profile.ValueType{{Type: "packets", Unit: "count"}, {Type: "time", Unit: "nanoseconds"}},
		PeriodType: &profile.ValueType{Type: "packets", Unit: "count"},
		Period:     1,
		TimeNanos:  time.Now().UnixNano(),

		DefaultSampleType: "time",
	}
	functions := map[string]*profile.Function{}
	for i, l := range p.Lines {
		f := functions[l.File]
		if f == nil {
			f = &profile.Function{ID: uint64(len(functions) + 1), Name: l.File, SystemName: l.File, Filename: l.File}
			functions[l.File] = f
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
