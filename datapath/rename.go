package datapath

import (
	"slices"
	"strings"

	"weir/lang"
)

// Where there are several chains, or names are given among several files, names of maps,
// params and counters begin with that of the chain, and where there is one they do not
// (see package lang). Chains that
// join another, or leave it alone again, find what they had.

// was returns what the thing called name in s is called in the generation before.
func (s *State) was(name string) string { return renamed(s, s.heir.from, name) }

// renamed returns what the thing called name in one generation is called in another.
func renamed(in, to *State, name string) string {
	if len(in.units) == 0 || len(to.units) == 0 {
		return name
	}
	a, b := in.units[0].prog, to.units[0].prog
	switch {
	case qualified(a) && !qualified(b):
		return strings.TrimPrefix(name, b.Chains[0].Name+".")
	case !qualified(a) && qualified(b) && to.names(a.Chains[0].Name+"."+name):
		return a.Chains[0].Name + "." + name
	}
	return name // also of a map of a module, which no chain owns
}

// qualified reports whether names of p begin with that of their chain.
func qualified(p *lang.Program) bool { return len(p.Chains) > 1 || len(p.Among) > 0 }

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
