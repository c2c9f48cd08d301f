package trace

import (
	"io"
	"time"

	"github.com/google/pprof/profile"

	"weir/lang"
)

// WritePprof writes the profile for go tool pprof: of each line how often it was reached,
// and the ns that it took in all packets, on each way of calls that leads to it. A
// function is a def of the source, called after its file: rate.allow.
func (p *Profile) WritePprof(w io.Writer) error {
	x := &pprof{
		Profile: &profile.Profile{
			SampleType: []*profile.ValueType{{Type: "packets", Unit: "count"}, {Type: "time", Unit: "nanoseconds"}},
			PeriodType: &profile.ValueType{Type: "packets", Unit: "count"},
			Period:     1,
			TimeNanos:  time.Now().UnixNano(),

			DefaultSampleType: "time",
		},
		functions: map[[2]string]*profile.Function{}, locations: map[lang.Frame]*profile.Location{},
	}
	for _, s := range p.Stacks {
		n := int64(0)
		if s.Packets != nil {
			n = int64(*s.Packets)
		}
		sample := &profile.Sample{Value: []int64{n, int64(s.NS * float64(p.Packets))}}
		for _, f := range s.Frames {
			sample.Location = append(sample.Location, x.location(f))
		}
		x.Sample = append(x.Sample, sample)
	}
	return x.Write(w)
}

// A pprof is a profile in pprof's form, in which lines and functions stand once.
type pprof struct {
	*profile.Profile
	functions map[[2]string]*profile.Function // by file and name
	locations map[lang.Frame]*profile.Location
}

func (x *pprof) location(f lang.Frame) *profile.Location {
	at := x.locations[f]
	if at == nil {
		at = &profile.Location{ID: uint64(len(x.Location) + 1), Line: []profile.Line{{Function: x.function(f), Line: int64(f.At.Line)}}}
		x.locations[f] = at
		x.Location = append(x.Location, at)
	}
	return at
}

func (x *pprof) function(f lang.Frame) *profile.Function {
	key := [2]string{f.At.File, f.Func}
	fn := x.functions[key]
	if fn == nil {
		name := lang.Name(f.At.File) + "." + f.Func
		fn = &profile.Function{ID: uint64(len(x.Function) + 1), Name: name, SystemName: name, Filename: f.At.File}
		x.functions[key] = fn
		x.Function = append(x.Function, fn)
	}
	return fn
}
