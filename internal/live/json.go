package live

import (
	"bytes"

	"weir/datapath"
	"weir/internal/term"
	"weir/trace"
)

// viewJSON is a View as tools read it.
type viewJSON struct {
	Name     string                       `json:"name"`
	Seconds  float64                      `json:"seconds"`
	Places   []placeJSON                  `json:"places"`
	Chains   []chainJSON                  `json:"chains,omitempty"`
	Exits    []exitJSON                   `json:"exits"`
	Verdicts map[string]uint64            `json:"verdicts"`
	Reasons  map[string]uint64            `json:"reasons"`
	Counts   map[string]uint64            `json:"counts"`
	Refused  map[string]uint64            `json:"refused"`
	Forgot   map[string]uint64            `json:"forgot"`
	Hists    map[string][]datapath.Bucket `json:"hists,omitempty"`
	Lost     map[string]uint64            `json:"lost,omitempty"`
	Drops    *trace.DropCount             `json:"drops,omitempty"`
}

// placeJSON is a place with what passed it.
type placeJSON struct {
	On      string  `json:"on"`
	Hook    string  `json:"hook"`
	Mode    string  `json:"mode"`
	Why     string  `json:"why,omitempty"`
	Gone    bool    `json:"gone,omitempty"`
	Packets uint64  `json:"packets"`
	Bytes   uint64  `json:"bytes"`
	PPS     float64 `json:"pps"`
	BPS     float64 `json:"bits_per_second"`

	Priority *int32 `json:"priority,omitempty"` // at netfilter
}

// chainJSON is one of several chains that are attached together.
type chainJSON struct {
	Name     string            `json:"name"`
	File     string            `json:"file"`
	Func     string            `json:"func"`
	Packets  uint64            `json:"packets"`
	Bytes    uint64            `json:"bytes"`
	On       uint64            `json:"on"`
	Verdicts map[string]uint64 `json:"verdicts"`
}

// exitJSON is a way in which packets ended.
type exitJSON struct {
	Chain   string  `json:"chain,omitempty"`
	Verdict string  `json:"verdict"`
	Reason  string  `json:"reason"`
	File    string  `json:"file"`
	Line    int     `json:"line"`
	Packets uint64  `json:"packets"`
	Bytes   uint64  `json:"bytes"`
	PPS     float64 `json:"pps"`
}

// JSON returns the view as one object.
func (v View) JSON() ([]byte, error) {
	o := viewJSON{
		Name: v.Name, Seconds: v.Age.Seconds(), Exits: []exitJSON{}, Counts: named(v.Counts), Refused: named(v.Refused),
		Forgot: named(v.Forgot), Hists: datapath.Filled(v.Hists), Lost: named(v.Lost), Drops: v.Drops,
	}
	o.Verdicts, o.Reasons = v.Totals()
	for _, p := range v.Places {
		o.Places = append(o.Places, placeJSON{p.Where, p.Hook, p.Mode, p.Why, p.Gone, p.Packets, p.Bytes, p.PPS, 8 * p.BPS, p.Priority})
	}
	for _, c := range v.Chains {
		o.Chains = append(o.Chains, chainJSON{c.Name, c.File, c.Func, c.Packets, c.Bytes, c.On, c.Verdicts})
	}
	for _, e := range v.Exits {
		o.Exits = append(o.Exits, exitJSON{v.chain(e), e.Verdict, e.Reason, e.File, e.Line, e.Packets, e.Bytes, e.PPS})
	}
	var b bytes.Buffer
	err := term.JSON(&b).Encode(o)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
