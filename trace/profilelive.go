package trace

import (
	"encoding/binary"
	"fmt"

	"github.com/cilium/ebpf"

	"weir/datapath"
	"weir/lang"
)

// Live returns the profile of the packets that a generation has seen, which was compiled
// with lang.Options.Times. Each statement has the time that it takes apart. Whole and
// With are the caller's to measure.
func Live(g *datapath.Generation) (*Profile, error) {
	p := &Profile{}
	lines, sums := map[spot]uint64{}, map[spot]lang.Lap{}
	var clock lang.Lap
	seen := map[*ebpf.Map]bool{} // places share programs, which have counted once
	for _, a := range g.Attachments {
		c, err := p.take(a, seen, lines, sums)
		if err != nil {
			return nil, fmt.Errorf("profile %s: %w", a.Where, err)
		}
		clock = clock.Add(c)
	}
	p.Timed = clock.N
	ns := map[spot]float64{}
	if clock.N > 0 {
		p.Clock = float64(clock.NS) / float64(clock.N)
		for at, l := range sums {
			each, sum := spent([]float64{float64(l.NS)}, []float64{float64(l.N)}, p.Clock)
			ns[at] = each[0] / float64(clock.N)
			p.Apart += sum / float64(clock.N)
			p.Laps += float64(l.N) / float64(clock.N)
		}
	}
	p.fill(ns, lines)
	return p, nil
}

// take adds what the program at one place has counted.
func (p *Profile) take(a *datapath.Attachment, seen map[*ebpf.Map]bool, lines map[spot]uint64, sums map[spot]lang.Lap) (clock lang.Lap, err error) {
	p.addSources(a.Program)
	exits, err := a.Exits()
	if err != nil {
		return clock, err
	}
	for _, x := range exits {
		p.Packets += x.Packets
	}
	timed := a.SystemMap(lang.TimeMap)
	if seen[timed] {
		return clock, nil
	}
	seen[timed] = true
	if m := a.SystemMap(lang.LineMap); m != nil {
		b, err := m.LookupBytes(uint32(0))
		if err != nil {
			return clock, err
		}
		for i, l := range a.Program.Lines {
			lines[p.spot(a.Program, l, a.Program.Ways.Lines[i])] += binary.NativeEndian.Uint64(b[8*i:])
		}
	}
	b, err := timed.LookupBytes(uint32(0))
	if err != nil {
		return clock, err
	}
	clock, laps := a.Program.DecodeTimes(b)
	for i, l := range laps {
		at := p.spot(a.Program, a.Program.Times[i], a.Program.Ways.Times[i])
		sums[at] = sums[at].Add(l)
	}
	return clock, nil
}

// addSources adds the sources that no program before has brought.
func (p *Profile) addSources(prog *lang.Program) {
	for _, s := range prog.Sources {
		if p.order(s.Name) < 0 {
			p.Sources = append(p.Sources, s)
		}
	}
}
