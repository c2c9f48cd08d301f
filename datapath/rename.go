package datapath

import (
	"slices"
	"strings"

	"weir/lang"
)

// Where there are several chains, names of maps, params and counters begin with that
// of the chain, and where there is one they do not (see package lang). Chains that
// join another, or leave it alone again, find what they had.

// was returns what the thing called name in s is called in the generation before.
func (s *State) was(name string) string { return renamed(s, s.heir.from, name) }

// renamed returns what the thing called name in one generation is called in another.
func renamed(in, to *State, name string) string {
	if len(in.units) == 0 || len(to.units) == 0 {
		return name
	}
	a, b := in.units[0].prog.Chains, to.units[0].prog.Chains
	switch {
	case len(a) > 1 && len(b) == 1:
		return strings.TrimPrefix(name, b[0].Name+".")
	case len(a) == 1 && len(b) > 1 && to.names(a[0].Name+"."+name):
		return a[0].Name + "." + name
	}
	return name // also of a map of a module, which no chain owns
}

// names reports whether a program of s has something of that name. Of a name with
// a zero octet, which is a slot of a histogram, what is before it counts.
func (s *State) names(name string) bool {
	name, _, _ = strings.Cut(name, "\x00")
	return slices.ContainsFunc(s.units, func(u *unit) bool {
		p := u.prog
		return slices.Contains(p.Counts, name) || slices.Contains(p.Hists, name) ||
			slices.ContainsFunc(p.Params, func(x lang.Param) bool { return x.Name == name }) ||
			slices.ContainsFunc(p.Maps, func(m lang.Map) bool { return m.Name == name || m.Text == name })
	})
}
