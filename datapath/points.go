package datapath

import (
	"slices"

	"github.com/cilium/ebpf"

	"weir/lang"
	"weir/lang/gen"
)

// points returns where the programs of p are attached, in order, or one empty name
// if it is no more than one program.
func points(p *lang.Program) []string {
	if len(p.Points) == 0 {
		return []string{""}
	}
	var all []string
	for _, part := range p.Points {
		all = append(all, part.At...)
	}
	return all
}

// addAll is add of all the programs that a chain is. They share the maps of the
// first.
func (s *State) addAll(p *lang.Program, frags bool, resolve func(string) (uint32, error)) ([]*unit, error) {
	if resolve == nil {
		resolve = interfaceIndex
	}
	all := points(p)
	u, err := s.add(p, frags, resolve)
	if err != nil {
		return nil, err
	}
	units := []*unit{u}
	for _, point := range all[1:] {
		u := &unit{prog: p, name: u.name, point: point, stats: u.stats, maps: u.maps}
		s.units = append(s.units, u)
		if err := u.load(resolve); err != nil {
			return nil, wrap(err, "%s", point)
		}
		units = append(units, u)
	}
	return units, nil
}

// Places returns the attachments of g, one for each chain: where a chain is several
// programs, the first of them, which counts for all.
func (g *Generation) Places() []*Attachment {
	var out []*Attachment
	for _, a := range g.Attachments {
		if a.Where.Point == points(a.Program)[0] {
			out = append(out, a)
		}
	}
	return out
}

// Parts returns the attachments of all programs of a chain, of which a is one of
// [Generation.Places].
func (g *Generation) Parts(a *Attachment) []*Attachment {
	if a.Where.Point == "" {
		return []*Attachment{a}
	}
	var out []*Attachment
	for _, b := range g.Attachments {
		w := b.Where
		if w.Point = a.Where.Point; w == a.Where {
			out = append(out, b)
		}
	}
	return out
}

// Objects returns the kernel's programs of p by the points that they are attached
// to; of a program that is one, under an empty name. They are closed with the State.
func (s *State) Objects(p *lang.Program) map[string]*ebpf.Program {
	objs := map[string]*ebpf.Program{}
	for _, u := range s.units {
		if u.prog == p {
			objs[u.point] = u.obj
		}
	}
	return objs
}

// inertPoints returns parts without what only loading needs.
func inertPoints(parts []lang.Point) []lang.Point {
	out := slices.Clone(parts)
	for i := range out {
		out[i].Code = gen.Code{}
	}
	return out
}
